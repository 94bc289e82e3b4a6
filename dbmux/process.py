"""A headless engine as a process: signals, the watched file, the control address, the exit code.

A configuration and where it came from come in; the process's exit code goes out. SIGTERM and SIGINT drain, a second one
ends at once, SIGHUP reloads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from dbmux.address import Address
from dbmux.config.diff import changes
from dbmux.config.load import load
from dbmux.config.model import Config
from dbmux.config.watch import Watch, folder_ticks
from dbmux.control.http import ControlServer
from dbmux.errors import ConfigError
from dbmux.events import ConfigRejected, ProxyStarted, Warned
from dbmux.observe.logfile import Log, LogFormat
from dbmux.observe.observer import Observer
from dbmux.proxy import CannotListen, Engine
from dbmux.version import VERSION, process_age_s

FINE, FINDINGS, USAGE, CANNOT_BIND = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `dbmux serve` was asked to do.

    `adjust` puts the command line's own wishes into each configuration that is read from `source`; `started` is told
    the engine once it accepts clients.
    """

    config: Config
    adjust: Callable[[Config], Config]
    source: Path | None
    log_format: LogFormat
    state_folder: Path | None
    started: Callable[[Engine], None]


def run(options: Options) -> int:
    """Serve until a signal comes; returns the exit code, having said on stderr what went wrong."""
    raise_open_files_limit()
    try:
        uvloop.run(_serve(options))
    except CannotListen as error:
        print(error, file=sys.stderr)
        return CANNOT_BIND
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    return FINE


def raise_open_files_limit() -> None:
    """Every client takes two descriptors: allow as many as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(options: Options) -> None:
    observer = Observer(Log(sys.stderr, options.log_format))
    stopping, hurrying = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        (hurrying if stopping.is_set() else stopping).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with (
        Engine(options.config, emit=observer.emit, state_folder=options.state_folder) as engine,
        _Control(engine, observer) as control,
        asyncio.TaskGroup() as tasks,
    ):
        observer.emit(ProxyStarted(time.time(), VERSION, process_age_s()))
        reload = _Reload(engine, control, options)
        loop.add_signal_handler(signal.SIGHUP, lambda: tasks.create_task(reload.now(), name="reload"))
        follower = tasks.create_task(reload.follow(), name="watch configuration")
        options.started(engine)
        await stopping.wait()
        follower.cancel()
        await _drain(engine, hurrying)


async def _drain(engine: Engine, hurrying: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(engine.drain(), name="drain")
        hurry = tasks.create_task(hurrying.wait(), name="second signal")
        await asyncio.wait((draining, hurry), return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        hurry.cancel()


class _Control:
    """The control address of the configuration in force, if it has one."""

    def __init__(self, engine: Engine, observer: Observer) -> None:
        self._engine = engine
        self._observer = observer
        self._server: ControlServer | None = None

    async def __aenter__(self) -> _Control:
        if (wanted := self._engine.config.control) is not None:
            self._server = await self.open(wanted)
        return self

    async def __aexit__(self, *failure: object) -> None:
        if self._server is not None:
            await self._server.__aexit__()

    async def open(self, address: Address) -> ControlServer:
        """Open another control address, not yet the one in force; raises CannotListen."""
        fresh = ControlServer(address, self._engine.readiness, self._metrics)
        try:
            return await fresh.__aenter__()
        except OSError as error:
            raise CannotListen((f"control: {address} cannot be opened: {error.strerror or error}",)) from error

    async def take(self, server: ControlServer | None) -> None:
        """Put an opened address, or none, in force and close the one before."""
        old, self._server = self._server, server
        if old is not None:
            await old.__aexit__()

    def _metrics(self) -> bytes:
        from dbmux.observe.prometheus import render  # 50 ms, and only where figures are asked for

        return render(self._observer.metrics)


class _Reload:
    """Puts new contents of the configuration file in force, one after the other, each whole or not at all."""

    def __init__(self, engine: Engine, control: _Control, options: Options) -> None:
        self._engine = engine
        self._control = control
        self._source = options.source
        self._adjust = options.adjust
        self._turn = asyncio.Lock()

    async def follow(self) -> None:
        """Apply each new content until cancelled."""
        if self._source is None:
            return
        source, never = self._source, asyncio.Event()
        async for found in Watch(source, os.environ, lambda: folder_ticks(source, never)):
            await self._apply(found)

    async def now(self) -> None:
        """Read the file and apply it, new or not."""
        if self._source is None:
            self._engine.emit(Warned(time.time(), "nothing to reload: there is no configuration file"))
            return
        try:
            found: Config | ConfigError = load(self._source, os.environ)
        except ConfigError as error:
            found = error
        await self._apply(found)

    async def _apply(self, found: Config | ConfigError) -> None:
        try:
            if isinstance(found, ConfigError):
                raise found
            # Two reloads at once would each take the other's old state for the present one.
            async with self._turn:
                await self._put_in_force(self._adjust(found))
        except ConfigError as error:
            self._engine.emit(ConfigRejected(time.time(), str(self._source), error.problems))

    async def _put_in_force(self, config: Config) -> None:
        engine = self._engine
        told, moves = changes(engine.config, config), config.control != engine.config.control
        opened = await self._control.open(config.control) if moves and config.control is not None else None
        try:
            await engine.apply(config, str(self._source), told)
        except ConfigError:
            if opened is not None:
                await opened.__aexit__()
            raise
        if moves:
            await self._control.take(opened)
