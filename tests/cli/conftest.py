"""A folder to be in, and a fake server for commands that run in this process or in another one."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dbmux.cli import group
from tests.fakes import FakeBackend

Serve = Callable[[FakeBackend], str]


def run_here(*arguments: str, **environment: str) -> Result:
    """Run a command in this process; nothing of the user's own is found."""
    folders = {f"XDG_{name}_HOME": str(Path(name.lower()).absolute()) for name in ("CONFIG", "STATE", "DATA", "CACHE")}
    folders["DBMUX_RUNTIME_DIR"] = str(Path("run").absolute())
    return CliRunner(env={"DBMUX_CONFIG": None, **folders, **environment}).invoke(
        group, arguments, prog_name="dbmux", catch_exceptions=False
    )


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A folder of the test's own, in which it is."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts fake servers in threads of their own; gives their addresses."""
    with ExitStack() as started:
        yield lambda backend: started.enter_context(_served(backend))


@contextmanager
def _served(backend: FakeBackend) -> Iterator[str]:
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
        backend.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield f"127.0.0.1:{backend.port}"
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()
