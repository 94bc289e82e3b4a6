"""Engines in a thread of their own, as commands find them, and the commands."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from click.testing import Result

from dbmux.address import UnixAddress
from dbmux.control import sockets
from dbmux.control.socket import ControlSocket
from dbmux.feed.direct import DirectFeed
from dbmux.feed.feed import PROTOCOL, Hello
from dbmux.observe.observer import Observer
from dbmux.wire.commands import Command
from tests.cli.conftest import run_here
from tests.config.serving import Serving, servers, serving
from tests.fakes import PASSWORD, FakeBackend, TestClient, client
from tests.feed.engine import compiled, notes

T = TypeVar("T")


@dataclass
class Running:
    """An engine with one client."""

    served: Serving
    client: TestClient
    loop: asyncio.AbstractEventLoop

    def ran(self, *statements: str) -> None:
        """Run them, one after the other."""

        async def run() -> None:
            for statement in statements:
                await self.client.ask(Command.QUERY, statement.encode())

        asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def ask(self, *arguments: str) -> Result:
        """What a command says that has only the folder of sockets to go by."""
        return run_here(*arguments, DBMUX_RUNTIME_DIR=str(runtime(self.served.file.parent)))


@contextmanager
def running(folder: Path, *statements: str, **config: Any) -> Iterator[Running]:
    """A whole DbMux in front of a fake server, through which these statements went."""

    @asynccontextmanager
    async def whole() -> AsyncIterator[Running]:
        socket = sockets.own({sockets.FOLDER_NAME: str(runtime(folder))}, os.getpid())
        async with servers(FakeBackend()) as (db,):
            told = {"backends": {"db": db}, "users": {"app": PASSWORD.decode()}, **config}
            async with serving(folder / "appconfig.json", told, socket=socket) as served:
                one = await client(served.port())
                yield Running(served, one, asyncio.get_running_loop())
                one.close()

    with in_background(whole) as found:
        found.ran(*statements)
        yield found


@contextmanager
def engines(folder: Path, told: Mapping[int, str]) -> Iterator[None]:
    """Sockets of engines of these processes and configurations, which can be asked nothing but their status."""

    async def status(given: Mapping[str, Any]) -> Any:
        return {"listeners": [{"address": "127.0.0.1:3307", "group": "main"}]}

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        # Asked once, in turn, by whoever looks for engines.
        async with asyncio.TaskGroup() as tasks:
            ended = asyncio.Event()
            for pid, source in told.items():
                tasks.create_task(one(pid, source, ended))
            while len(list(runtime(folder).glob("*.sock"))) < len(told):  # noqa: ASYNC110 - listening tells nobody
                await asyncio.sleep(0.001)
            yield
            ended.set()

    async def one(pid: int, source: str, ended: asyncio.Event) -> None:
        path = sockets.own({sockets.FOLDER_NAME: str(runtime(folder))}, pid)
        hello = Hello("1.2.3", PROTOCOL, source, 0, pid)
        loop = asyncio.get_running_loop()
        feed = DirectFeed(hello, Observer(None, 10), notes(), compiled, {"status": status}, loop)
        async with ControlSocket(UnixAddress(str(path)), feed):
            await ended.wait()

    with in_background(opened):
        yield


def runtime(folder: Path) -> Path:
    """Where the sockets are."""
    return folder / "run"


@contextmanager
def in_background(opened: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """What is opened in a loop of its own, until the end of the block."""
    ready = threading.Event()
    found: list[T] = []
    ends: list[Callable[[], object]] = []

    async def run() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        ends.append(lambda: loop.call_soon_threadsafe(ended.set))
        try:
            async with opened() as value:
                found.append(value)
                ready.set()
                await ended.wait()
        finally:
            ready.set()

    def work() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(10)
    try:
        yield found[0]
    finally:
        ends[0]()
        thread.join(10)
