"""A whole `dbmux serve` inside a test: a configuration file, fake servers, and the wishes that signals would bring."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from dbmux import process
from dbmux.address import Address, TcpAddress
from dbmux.config.load import load
from dbmux.config.model import Config
from dbmux.feed.direct import DirectFeed
from dbmux.observe.logfile import Log, LogFormat
from dbmux.proxy import Engine
from tests.fakes import FakeBackend

# Ports are the system's choice: two listen addresses need two hosts.
ONE, TWO = "127.0.0.1:0", "127.0.0.2:0"
FREE = "127.0.0.1:0"


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run it on the loop that DbMux runs on, at most ten seconds."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario(), 10))


@dataclass
class Serving:
    """A running process, seen through its log; `file` is its configuration file."""

    file: Path
    log: io.StringIO = field(default_factory=io.StringIO)
    wishes: process.Wishes = field(default_factory=process.Wishes)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    engine: Engine = field(init=False)
    control: Address | None = None
    feed: DirectFeed = field(init=False)

    def begun(self, started: process.Started) -> None:
        self.engine, self.control, self.feed = started.engine, started.control, started.feed
        self.started.set()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] in kinds]

    def port(self, listen: str = ONE) -> int:
        """The port behind a configured address."""
        (address,) = [one.address for named, one in self.engine.listeners.items() if str(named) == listen]
        assert isinstance(address, TcpAddress)
        return address.port

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let the loop run until something holds; the test's time limit bounds it."""
        while not is_so():  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0.001)

    async def reload(self, config: dict[str, Any]) -> dict[str, Any]:
        """Write the file and ask for it to be read, as SIGHUP does; returns what became of it."""
        write(self.file, config)
        return await self.reread()

    async def reread(self) -> dict[str, Any]:
        before = len(self.of("ConfigApplied", "ConfigRejected"))
        self.wishes.reloading.set()
        await self.until(lambda: len(self.of("ConfigApplied", "ConfigRejected")) > before)
        return self.of("ConfigApplied", "ConfigRejected")[before]


def write(path: Path, config: dict[str, Any]) -> None:
    """Replace the file as editors do: nobody may read half of it."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"tls": "off", "listen": ONE, **config}))
    part.replace(path)


@asynccontextmanager
async def serving(
    file: Path,
    config: dict[str, Any],
    adjust: Callable[[Config], Config] = lambda read: read,
    socket: Path | None = None,
) -> AsyncIterator[Serving]:
    """Serve a configuration until the end of the block."""
    write(file, config)
    served = Serving(file)
    options = process.Options(
        config=load(file, {}),
        adjust=adjust,
        source=file,
        log_format=LogFormat.JSON,
        state_folder=None,
        started=served.begun,
        socket=socket,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(process.serve(options, served.wishes, Log(served.log, LogFormat.JSON)))
        await served.started.wait()
        try:
            yield served
        finally:
            served.wishes.stopping.set()
            served.wishes.hurrying.set()


@asynccontextmanager
async def servers(*fakes: FakeBackend) -> AsyncIterator[list[str]]:
    """Fake servers; their addresses."""
    opened = [await asyncio.start_server(fake.serve, "127.0.0.1", 0) for fake in fakes]
    for fake, server in zip(fakes, opened, strict=True):
        fake.port = server.sockets[0].getsockname()[1]
    try:
        yield [f"127.0.0.1:{fake.port}" for fake in fakes]
    finally:
        for server in opened:
            server.close()
            await server.wait_closed()
