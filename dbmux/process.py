"""An engine as a process: signals, the watched file, the control address, the exit code.

A configuration and where it came from come in; the process's exit code goes out. SIGTERM and SIGINT drain, a second one
ends at once, SIGHUP reloads. `run` is all of it, headless; an interface that has an engine beside it uses the parts.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import uvloop

from dbmux.address import Address, UnixAddress
from dbmux.backend.pool import Choice
from dbmux.config.diff import changes
from dbmux.config.history import History
from dbmux.config.load import located, read
from dbmux.config.model import Config
from dbmux.config.watch import Watch, folder_ticks
from dbmux.config.written import written
from dbmux.control.answers import Answers
from dbmux.control.caching import entries, flush, statistics
from dbmux.control.differences import Differences
from dbmux.control.draining import drain, resume
from dbmux.control.http import ControlServer, Pages
from dbmux.control.listings import clients, routes
from dbmux.control.mirroring import told as mirror_told
from dbmux.control.shadowing import Shadows
from dbmux.control.socket import ControlSocket
from dbmux.control.watched import watched_tables
from dbmux.errors import ConfigError
from dbmux.events import ConfigRejected, ProxyStarted, Warned
from dbmux.feed.comments import origin
from dbmux.feed.direct import DirectFeed
from dbmux.feed.feed import PROTOCOL, Answer, Hello, Passes
from dbmux.feed.filter import language, predicate
from dbmux.feed.log.logs import Logs, problems
from dbmux.feed.notes import EngineNotes
from dbmux.feed.nplus1 import Detector
from dbmux.mirror.ledger import FILE, Unusable
from dbmux.mirror.mirrors import AnyMirror
from dbmux.net.inherited import Inherited, handed_over
from dbmux.net.notify import Notifier
from dbmux.observe.logfile import Log, LogFormat
from dbmux.observe.observer import KEPT_QUERIES, Observer
from dbmux.observe.prometheus import MirrorNow, Now, render
from dbmux.owned import Existing, write
from dbmux.proxy import CannotListen, Engine
from dbmux.text import why
from dbmux.version import VERSION, process_age_s

# Set by tests that want every session moved to another connection between any two statements.
FORCE_SWITCH = "DBMUX_TEST_FORCE_SWITCH"
FINE, FINDINGS, USAGE, CANNOT_BIND = 0, 1, 2, 3
# Where the configuration comes from when it is no file.
NO_FILE = "the command line"
# How often it is looked whether the loop is late, and how many times make a second.
BEAT_S, BEATS = 0.1, 10
# How long another thread, which compares or writes, goes on when the loop wants to: Python's own 5 ms are added to all
# that clients wait for meanwhile.
SWITCH_S = 0.0005
# What a second signal leaves for telling clients that it is over.
LAST_WORDS_S = 0.5


@dataclass(frozen=True, slots=True)
class Started:
    """What runs: the engine, who watches it, the control address with its port, the feed, and the control socket's
    path."""

    engine: Engine
    observer: Observer
    control: Address | None
    feed: DirectFeed
    socket: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `dbmux serve` was asked to do.

    `config` is what `source` said at the start. `adjust` puts the command line's own wishes into it and into each
    configuration that is read later. `started` is told what runs once clients are accepted. `socket` is where other
    commands find this engine, `kept` how many statements are remembered for those who look.
    `environment` says whether a service manager hands over sockets, and where it wants to be told how DbMux is.
    """

    config: Config
    adjust: Callable[[Config], Config]
    source: Path | None
    log_format: LogFormat
    state_folder: Path | None
    started: Callable[[Started], None]
    environment: Mapping[str, str] = field(default_factory=dict)
    socket: Path | None = None
    kept: int = KEPT_QUERIES


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of a process while it runs, by signals; a test asks itself."""

    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    hurrying: asyncio.Event = field(default_factory=asyncio.Event)
    reloading: asyncio.Event = field(default_factory=asyncio.Event)


def run(options: Options) -> int:
    """Serve until a signal comes; returns the exit code, having said on stderr what went wrong."""
    raise_open_files_limit()
    # What is loaded stays: a full collection took 13 ms to find that out each time.
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)
    try:
        uvloop.run(serve_until_told(options, Log(sys.stderr, options.log_format), _hear_signals))
    except ConfigError as error:
        return tell(error)
    return FINE


def tell(error: ConfigError) -> int:
    """Say on stderr why serving could not begin; the exit code."""
    print(error, file=sys.stderr)
    if not isinstance(error, CannotListen):
        return USAGE
    print("Another address: --listen HOST:PORT, or in the configuration.", file=sys.stderr)
    return CANNOT_BIND


def raise_open_files_limit() -> None:
    """Every client takes two descriptors: allow as many as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# Is handed two callables for the loop that serves: one ends it, and called again ends it at once; one reloads.
Hear = Callable[[Callable[[], None], Callable[[], None]], None]


def _hear_signals(stop: Callable[[], None], reload: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)


async def serve_until_told(options: Options, log: Log | None, hear: Hear) -> None:
    """Serve until told to stop through what `hear` is handed; raises ConfigError when that cannot even begin."""
    loop, wishes = asyncio.get_running_loop(), Wishes()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None) as limit:

            def stop() -> None:
                if not wishes.stopping.is_set():
                    wishes.stopping.set()
                elif not wishes.hurrying.is_set():
                    wishes.hurrying.set()
                    # It may have ended in this very moment.
                    with contextlib.suppress(RuntimeError):
                        limit.reschedule(loop.time() + LAST_WORDS_S)

            hear(stop, wishes.reloading.set)
            await serve(options, wishes, log)


def _tell_unhandled(observer: Observer, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    # uvloop leaves the answer of a name look-up to nobody when its dial was cancelled: that is no news.
    if context.get("future") is not None and isinstance(error, OSError):
        return
    # An interface hides what is written to stderr.
    observer.emit(Warned(time.time(), f"a mistake in DbMux, which goes on: {context['message']}: {error!r}"))
    loop.default_exception_handler(context)


async def serve(options: Options, wishes: Wishes, log: Log | None) -> None:
    """Serve until told to stop; raises CannotListen or another ConfigError when that cannot even begin."""
    observer, notifier = Observer(log, options.kept), Notifier(options.environment)
    asyncio.get_running_loop().set_exception_handler(partial(_tell_unhandled, observer))
    with _inherited(options.environment) as inherited:
        await _serve(options, wishes, observer, notifier, inherited)


def _inherited(environment: Mapping[str, str]) -> Inherited:
    try:
        return Inherited(handed_over(environment, os.getpid()))
    except OSError as error:
        raise CannotListen((f"LISTEN_FDS names sockets that cannot be used: {why(error)}",)) from error


async def _serve(
    options: Options, wishes: Wishes, observer: Observer, notifier: Notifier, inherited: Inherited
) -> None:
    async with (
        Engine(
            options.adjust(options.config),
            emit=observer.emit,
            state_folder=options.state_folder,
            choice=Choice.ANOTHER if os.environ.get(FORCE_SWITCH) else Choice.LAST_USED,
            inherited=inherited,
        ) as engine,
        _Control(engine, observer, wishes.stopping.set) as control,
        contextlib.AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        observer.emit(ProxyStarted(time.time(), VERSION, process_age_s()))
        for address in inherited.unused():
            told = f"a socket for {address} was handed over, but `listen` does not name it: clients wait there in vain"
            observer.emit(Warned(time.time(), told))
        reload = _Reload(engine, control, options, notifier)
        engine.frontend.desk.add(*watched_tables(observer.digests, reload.history))
        # Without a folder of its own a process keeps nothing, and so nothing of what differs.
        ledger = None if options.state_folder is None else options.state_folder / FILE
        shadows = None
        if ledger is not None:
            shadows = Shadows(engine, observer.queries, ledger, Random(secrets.randbits(64)))
        watched = _watched(engine, observer, reload, wishes, _differences(ledger, reload, shadows))
        socket = control.socket = await _open_socket(stack, watched.feed, observer, options.socket)
        control.logs = await stack.enter_async_context(watched.logs)
        followers = (
            tasks.create_task(reload.follow(), name="watch configuration"),
            tasks.create_task(reload.obey(wishes.reloading), name="reload when asked"),
            tasks.create_task(_feel(observer), name="pulse"),
            *(() if shadows is None else (tasks.create_task(_shadow(shadows, observer), name="shadow reads"),)),
        )
        options.started(Started(engine, observer, control.address, watched.feed, options.socket if socket else None))
        notifier.ready()
        await wishes.stopping.wait()
        notifier.stopping()
        for follower in followers:
            follower.cancel()
        await _drain(engine, wishes.hurrying)


@dataclass(frozen=True, slots=True)
class _Watched:
    """What looks at statements while they run."""

    feed: DirectFeed
    logs: Logs


def _watched(
    engine: Engine, observer: Observer, reload: _Reload, wishes: Wishes, differences: Mapping[str, Answer]
) -> _Watched:
    # How many repetitions are too many holds from the start on.
    detector = Detector(engine.config.live.n_plus_1)
    notes = EngineNotes(lambda: engine.config.live.slow, origin, detector.seen)
    history = reload.history
    hello = Hello(VERSION, PROTOCOL, reload.place, 0, os.getpid())
    answers = Answers(engine, observer, notes, history, _Orders(reload, wishes))

    def compiled(wanted: str) -> Passes:
        return predicate.compile(language.parse(wanted, engine.config.live.filters), time.time)

    table = {**answers.table(), **differences}
    feed = DirectFeed(hello, observer, notes, compiled, table, asyncio.get_running_loop())

    def moved(place: str) -> None:
        feed.hello = replace(feed.hello, source=place)

    reload.moved = moved
    return _Watched(feed, Logs(lambda: engine.config, observer, notes, compiled, observer.emit))


async def _open_socket(
    stack: contextlib.AsyncExitStack, feed: DirectFeed, observer: Observer, path: Path | None
) -> ControlSocket | None:
    if path is None:
        return None
    try:
        return await stack.enter_async_context(ControlSocket(UnixAddress(str(path)), feed))
    except OSError as error:
        # Without it commands cannot look at this engine, which serves all the same.
        observer.emit(Warned(time.time(), f"no control socket at {path}: {why(error)}"))
        return None


def _differences(ledger: Path | None, reload: _Reload, shadows: Shadows | None) -> Mapping[str, Answer]:
    if ledger is None or shadows is None:
        return {}
    return Differences(ledger, lambda: reload.file, shadows.find).table()


async def _shadow(shadows: Shadows, observer: Observer) -> None:
    try:
        await shadows.run()
    except Unusable as error:
        # Clients are served all the same.
        observer.emit(Warned(time.time(), f"reads of mirrors are not compared: {error}"))


async def _feel(observer: Observer) -> None:
    # Once a second, what happened in it; more often, whether the loop is late.
    loop, late = asyncio.get_running_loop(), 0.0
    beat = 0
    while True:
        expected = loop.time() + BEAT_S
        await asyncio.sleep(BEAT_S)
        late = max(late, loop.time() - expected)
        beat += 1
        if beat % BEATS == 0:
            observer.pulse.tick(observer.metrics, time.time(), late)
            late = 0.0


class _Orders:
    """What is ordered of the process."""

    def __init__(self, reload: _Reload, wishes: Wishes) -> None:
        self._reload = reload
        self._wishes = wishes

    def stop(self) -> None:
        self._wishes.stopping.set()

    async def reload(self) -> tuple[str, ...]:
        return await self._reload.reload()

    async def roll_back(self, number: int) -> tuple[str, ...]:
        return await self._reload.roll_back(number)

    async def save(self, file: Path, existing: Existing) -> tuple[str, ...]:
        return await self._reload.save(file, existing)


async def _drain(engine: Engine, hurrying: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(engine.drain(), name="drain")
        hurry = tasks.create_task(hurrying.wait(), name="second signal")
        await asyncio.wait((draining, hurry), return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        hurry.cancel()


def _mirror_now(mirror: AnyMirror) -> MirrorNow:
    told = mirror_told(mirror)
    return MirrorNow(
        name=told["name"],
        state=told["state"],
        delay_s=told["delay_seconds"],
        transactions=told["transactions"],
        rows=told["rows"],
    )


class _Control:
    """The control address of the configuration in force, if it has one."""

    def __init__(self, engine: Engine, observer: Observer, stop: Callable[[], None]) -> None:
        self._engine = engine
        self._stop = stop
        self._observer = observer
        self._server: ControlServer | None = None
        # Of these it only tells how they are.
        self.socket: ControlSocket | None = None
        self.logs: Logs | None = None

    async def __aenter__(self) -> _Control:
        if (wanted := self._engine.config.control) is not None:
            self._server = await self.open(wanted)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.take(None)

    @property
    def address(self) -> Address | None:
        """Where it is, with the port that the system chose where 0 was asked for."""
        return self._server.address if self._server is not None else None

    async def open(self, address: Address) -> ControlServer:
        """Open another control address, not yet the one in force; raises CannotListen."""
        try:
            return await ControlServer.open(address, self._pages())
        except OSError as error:
            raise CannotListen((f"control: {address} cannot be opened: {why(error)}",)) from error

    def take(self, server: ControlServer | None) -> None:
        """Put an opened address, or none, in force and close the one before."""
        old, self._server = self._server, server
        if old is not None:
            old.close()

    def _pages(self) -> Pages:
        engine = self._engine
        return Pages(
            ready=engine.readiness,
            metrics=self._metrics,
            clients=lambda: clients(engine.frontend.sessions.values()),
            routes=lambda: routes(engine.frontend, engine.config),
            cache=lambda: statistics(engine.cache),
            entries=lambda: entries(engine.cache),
            orders={
                "/cache/flush": lambda table: flush(engine.cache, table),
                "/drain": lambda name: drain(engine.frontend.topology, name, self._stop),
                "/resume": lambda name: resume(engine.frontend.topology, name),
            },
        )

    def _metrics(self) -> bytes:
        engine, observer = self._engine, self._observer
        now = Now(
            backends=engine.config.backends,
            pools=engine.pools(),
            lags=engine.lags(),
            rules=engine.frontend.rules_matched,
            cache=engine.cache,
            mirrors=map(_mirror_now, engine.mirrors),
            kinds=observer.digests.kinds,
            lateness=observer.pulse.lateness,
            rings={"statements": observer.queries, "events": observer.events},
            logs=self.logs.figures() if self.logs is not None else (),
            watchers=self.socket.clients if self.socket is not None else 0,
        )
        return render(observer.metrics, now)


class _Reload:
    """Puts new contents of the configuration file in force, one after the other, each whole or not at all."""

    def __init__(self, engine: Engine, control: _Control, options: Options, notifier: Notifier) -> None:
        self._engine = engine
        self._control = control
        self._notifier = notifier
        self._adjust = options.adjust
        self._source = options.source
        self._watch = Watch(options.source, os.environ, options.config) if options.source is not None else None
        self._name = str(options.source) if options.source is not None else NO_FILE
        self.history = History(engine.config, self._name, time.time(), self._text())
        # Two reloads at once would each take the other's old state for the present one.
        self._turn = asyncio.Lock()
        # Set when another file is to be followed; `moved` is told where it is.
        self._moved = asyncio.Event()
        self.moved: Callable[[str], None] | None = None

    @property
    def file(self) -> Path | None:
        """The file that is followed."""
        return self._source

    @property
    def place(self) -> str:
        """Where the configuration is, for those who may be elsewhere."""
        return NO_FILE if self._source is None else str(self._source.absolute())

    async def follow(self) -> None:
        """Apply each new content until cancelled."""
        while True:
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(self._follow(), name="watch a file")
                await self._moved.wait()
                self._moved.clear()
                following.cancel()

    async def _follow(self) -> None:
        source, watch = self._source, self._watch
        # A pipe, as a shell makes of `<(…)`, can be read once only.
        if source is None or watch is None or not source.is_file():
            return
        async for _ in folder_ticks(source):
            if (found := watch.news()) is not None:
                with contextlib.suppress(ConfigError):
                    await self._apply(found, watch)

    async def obey(self, asked: asyncio.Event) -> None:
        """Read the file and apply it, new or not, whenever that is asked for, until cancelled."""
        while True:
            await asked.wait()
            asked.clear()
            with contextlib.suppress(ConfigError):
                await self.reload()

    async def reload(self) -> tuple[str, ...]:
        """Read the file and apply it, new or not; what that changes. Raises ConfigError, having told everybody."""
        self._notifier.reloading()
        try:
            if self._watch is None:
                told = "nothing to reload: there is no configuration file"
                self._engine.emit(Warned(time.time(), told))
                raise ConfigError((told,))
            return await self._apply(self._watch.now(), self._watch)
        finally:
            self._notifier.ready()

    async def save(self, file: Path, existing: Existing) -> tuple[str, ...]:
        """Write what is in force to a file and follow that one from now on; what changes by it.

        Raises FileExistsError for one to be kept, OSError, and ConfigError.
        """
        async with self._turn:
            text = self.history.now.text
            write(file, written(self._engine.config) if text is None else text, existing)
            self._source, self._name = file, str(file)
            self._watch = Watch(file, os.environ, self._engine.config)
            self._moved.set()
        if self.moved is not None:
            self.moved(self.place)
        return await self._apply(self._watch.now(), self._watch)

    async def _apply(self, found: Config | ConfigError, watch: Watch) -> tuple[str, ...]:
        text = self._text()
        try:
            if isinstance(found, ConfigError):
                raise found
            if wrong := list(problems(found)):
                raise ConfigError(located(Path(self._name), os.environ, wrong))
            async with self._turn:
                # What another file said before this one was written is not wanted any more.
                if watch is not self._watch:
                    return ()
                config = self._adjust(found)
                told = await self._put_in_force(config, self._name)
                self.history.applied(config, self._name, time.time(), told, text)
            return told
        except ConfigError as error:
            self.history.rejected(error.problems)
            self._engine.emit(ConfigRejected(time.time(), self._name, error.problems))
            raise

    async def roll_back(self, number: int) -> tuple[str, ...]:
        """Put an earlier version in force again, until the file says something new; raises ConfigError."""
        version = self.history.find(number)
        if version is None:
            kept = ", ".join(str(one.number) for one in self.history)
            raise ConfigError((f"version {number} is not kept; there are {kept}",))
        async with self._turn:
            told = await self._put_in_force(version.config, f"version {version.again or number} of {version.file}")
            self.history.rolled_back(version, time.time(), told)
        return told

    def _text(self) -> str | None:
        # A pipe can be read once only.
        if self._source is None or not self._source.is_file():
            return None
        try:
            return read(self._source)
        except ConfigError:
            return None

    async def _put_in_force(self, config: Config, source: str) -> tuple[str, ...]:
        engine = self._engine
        told, moves = changes(engine.config, config), config.control != engine.config.control
        opened = await self._control.open(config.control) if moves and config.control is not None else None
        try:
            await engine.apply(config, source, told)
        except BaseException:
            if opened is not None:
                opened.close()
            raise
        if moves:
            self._control.take(opened)
        return told
