"""python -m benchmarks.frame: what a frame of the live interface costs, without a proxy around it.

A thread puts made-up statements into the ring, as the engine of `dbmux tui` does; the real interface takes, filters and
draws them on a terminal of its own, which is read all the time. A frame is everything that the interface does from one
look into the ring to the next, writing to the terminal included, in CPU time of its threads; a table of that comes out,
and how long keys waited for their answer while it went on.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import itertools
import json
import os
import pty
import select
import statistics
import struct
import sys
import termios
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from benchmarks.measure import resident_kb
from dbmux.events import MEMORY, QueryFinished, Who
from dbmux.feed.comments import origin
from dbmux.feed.direct import DirectFeed
from dbmux.feed.feed import PROTOCOL, Batch, Hello, Subscription
from dbmux.feed.filter import language, predicate
from dbmux.feed.notes import EngineNotes
from dbmux.feed.nplus1 import Detector
from dbmux.observe.observer import Observer
from dbmux.query import Access, Kind, Query
from dbmux.routes import CACHED, READ, ROUTES, Reason, Role
from dbmux.tui.app import Interface
from dbmux.tui.host import SWITCH_S
from dbmux.tui.look import Theme, look
from dbmux.wire.commands import Command
from tests.tui.scripted import ANSWERS

SIZES = ((80, 24), (160, 50))
# How often statements are put into the ring, and the clock of the graphs.
STEP_S = 0.005
# What is drawn at first is no usual frame.
BEFORE_S = 2.0
KEYS, KEY_S = 20, 0.3
PAUSE, PAUSED, FOLLOWS = b"p", b"PAUSED", b"FOLLOW"
WRITE = ROUTES[Role.PRIMARY, Reason.WRITE]


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured."""

    columns: int
    lines: int
    events: int
    wanted: str
    page: int
    seconds: float


@dataclass(slots=True)
class Frames:
    """What the interface's threads had used, in seconds, each time it looked into the ring; and what it saw there."""

    at: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    missed: int = 0

    def begin(self) -> None:
        """Another frame begins."""
        self.at.append(time.monotonic())
        self.cpu.append(sum(map(_cpu_s, threading.enumerate())))


def _cpu_s(thread: threading.Thread) -> float:
    # The engine's thread is not the interface's.
    if thread.name == "engine" or thread.ident is None:
        return 0.0
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


class Measured:
    """A subscription that notes when it is asked."""

    def __init__(self, inner: Subscription, frames: Frames) -> None:
        self._inner = inner
        self._frames = frames

    def take(self) -> Batch:
        """The next frame begins."""
        self._frames.begin()
        batch = self._inner.take()
        self._frames.missed += batch.missed
        return batch

    def close(self) -> None:
        """Nothing is held."""
        self._inner.close()


class MeasuredFeed:
    """The feed of an engine that only makes up statements."""

    def __init__(self, frames: Frames) -> None:
        self.observer = Observer(None)
        notes = EngineNotes(lambda: 0.1, origin, Detector().seen)
        self.hello = Hello("0", PROTOCOL, "appconfig.json", 0, os.getpid())
        self._frames = frames
        self._inner = DirectFeed(
            self.hello,
            self.observer,
            notes,
            lambda wanted: predicate.compile(language.parse(wanted, {}), time.time),
            {},
            asyncio.new_event_loop(),
        )

    async def subscribe(self, wanted: str, since: int) -> Subscription:
        """Rows from the ring."""
        return Measured(await self._inner.subscribe(wanted, since), self._frames)

    async def ask(self, what: str, given: Mapping[str, Any] | None = None) -> Any:
        """What an engine might say."""
        if what == "pulse":
            return [{**ANSWERS["pulse"][int(time.time()) % 20], "at": time.time()}]
        return ANSWERS.get(what, {})


def _statements() -> list[QueryFinished]:
    orders = Query(kind=Kind.SELECT, access=Access.READ, tables=("orders",))
    products = Query(kind=Kind.SELECT, access=Access.READ, tables=("products", "stock"))
    stock = Query(kind=Kind.UPDATE, access=Access.WRITE, tables=("stock",))
    who = [Who("app", f"10.0.0.{number}:50000", "", "main", 0) for number in range(8)]
    kinds = (
        (b"SELECT * FROM orders WHERE user_id = %d ORDER BY created_at DESC LIMIT 20", orders, READ, "db2", "miss"),
        (b"SELECT p.*, s.qty FROM products p JOIN stock s ON s.sku = p.sku WHERE p.id = %d", products, READ, "db2", ""),
        (b"SELECT * FROM products WHERE cat = %d /* app='checkout' */", products, CACHED, MEMORY, "hit"),
        (b"UPDATE stock SET qty = qty - 1, seen = NOW() WHERE sku = 'sku-%d'", stock, WRITE, "db1", ""),
    )
    return [
        QueryFinished(
            at=0.0,
            session=number % 8,
            backend=backend,
            command=Command.QUERY,
            seconds=0.0001 * (number % 70),
            reply_bytes=1200,
            code=0,
            route=route,
            cache=cache,
            who=who[number % 8],
            schema=b"shop",
            sent=b"\0\0\0\0\3" + text % number,
            query=query,
            rows=number % 20,
            status=2,
        )
        for number in range(2000)
        for text, query, route, backend, cache in (kinds[number % len(kinds)],)
    ]


class Engine(threading.Thread):
    """Puts so many statements a second into the ring."""

    def __init__(self, observer: Observer, events: int) -> None:
        super().__init__(name="engine", daemon=True)
        self._observer = observer
        self._events = events

    def run(self) -> None:
        """Until the process ends."""
        statements = itertools.cycle(_statements())
        begun, told = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - begun) * self._events)
            for event in itertools.islice(statements, max(due - told, 0)):
                self._observer.emit(event._replace(at=time.time()))
            told = due
            time.sleep(STEP_S)


class Screen:
    """The terminal's side of a case: reads all that is drawn, and presses keys. The case runs in a process of its own,
    which writes what it found where `told` reads."""

    def __init__(self, case: Case) -> None:
        self.told, tells = os.pipe()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            _draw(case, tells)
        os.close(tells)

    def read_for(self, seconds: float, wanted: bytes | None = None) -> float | None:
        """Read for so long, or until this is drawn; how long that took."""
        begun = time.monotonic()
        seen = b""
        while (passed := time.monotonic() - begun) < seconds:
            if select.select([self._terminal], [], [], seconds - passed)[0]:
                seen = seen[-32:] + os.read(self._terminal, 1 << 16)
                if wanted is not None and wanted in seen:
                    return time.monotonic() - begun
        return None

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._terminal, key)

    def leave(self) -> dict[str, Any]:
        """End it; what it found."""
        self.press(b"q")
        try:
            while os.read(self._terminal, 1 << 16):
                pass
        except OSError:
            # That is how a terminal ends.
            pass
        with os.fdopen(self.told, "rb") as file:
            found: dict[str, Any] = json.load(file)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)
        return found


def _draw(case: Case, tells: int) -> None:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", case.lines, case.columns, 0, 0))
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    frames = Frames()
    feed = MeasuredFeed(frames)
    Engine(feed.observer, case.events).start()
    app = Interface(feed, look(Theme.DARK, {}))
    app.pages[0].wanted = case.wanted
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
    app.run()
    os.write(tells, json.dumps({"at": frames.at, "cpu": frames.cpu, "missed": frames.missed}).encode())
    os._exit(0)


def measure(case: Case) -> dict[str, float]:
    """The figures of a case, in milliseconds."""
    screen = Screen(case)
    screen.read_for(BEFORE_S)
    screen.press(b"%d" % case.page)
    screen.read_for(BEFORE_S)
    begun = time.monotonic()
    screen.read_for(case.seconds)
    ended = time.monotonic()
    memory = resident_kb(screen.pid)
    answers = []
    if case.page == 1:
        for number in range(KEYS):
            screen.press(PAUSE)
            answers.append(screen.read_for(1.0, FOLLOWS if number % 2 else PAUSED) or 1.0)
            screen.read_for(KEY_S)
    found = screen.leave()
    seen = [(at, cpu) for at, cpu in zip(found["at"], found["cpu"], strict=True) if begun <= at <= ended]
    costs = sorted(later[1] - earlier[1] for earlier, later in itertools.pairwise(seen))
    return {
        "frame": statistics.fmean(costs) * 1e3,
        "p50": statistics.median(costs) * 1e3,
        "p99": costs[len(costs) * 99 // 100] * 1e3,
        "frames/s": len(costs) / (ended - begun),
        "cpu/s": sum(costs) / (ended - begun) * 1e3,
        "key": statistics.median(answers) * 1e3 if answers else 0.0,
        "slowest key": max(answers, default=0.0) * 1e3,
        "missed": found["missed"],
        "MB": memory / 1e3,
    }


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="How long each case is measured.")
@click.option("--events", default=(0, 2_000, 20_000), show_default=True, multiple=True, help="Statements a second.")
@click.option("--filter", "wanted", default="table:orders dur>2ms", show_default=True, help="What the live page shows.")
@click.option("--page", default=1, show_default=True, help="The page that is looked at.")
def main(seconds: float, events: tuple[int, ...], wanted: str, page: int) -> None:
    """Measure frames of the live interface."""
    names: list[str] = []
    for columns, lines in SIZES:
        for many in events:
            found = measure(Case(columns, lines, many, wanted, page, seconds))
            if not names:
                names = list(found)
                click.echo(f"| size | events/s | {' | '.join(names)} |")
                click.echo("|---|---|" + "---|" * len(names))
            click.echo(f"| {columns}x{lines} | {many:,} | {' | '.join(f'{found[name]:.1f}' for name in names)} |")


if __name__ == "__main__":
    main()
