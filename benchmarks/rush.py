"""python -m benchmarks.rush CASE TELLS: the live interface on this terminal, while statements rush by.

A case comes in as JSON. A thread puts made-up statements into the ring, as the engine of `dbmux tui` does; the real
interface takes, filters and draws them until a key ends it. What its frames cost goes out as JSON, to the open file
TELLS. Neither a server nor a client is needed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

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
from dbmux.tui.host import yield_often
from dbmux.tui.look import Theme, look
from dbmux.tui.pages import make
from dbmux.tui.pages.live import Live
from dbmux.wire.commands import Command
from tests.tui.scripted import ANSWERS

# How often statements are put into the ring.
STEP_S = 0.005
WRITE = ROUTES[Role.PRIMARY, Reason.WRITE]


@dataclass(frozen=True, slots=True)
class Case:
    """So many statements a second, of which the live page shows those that the filter wants."""

    events: int
    wanted: str


@dataclass(slots=True)
class Frames:
    """What the interface's threads had used, in seconds, and the process of memory, in kB, each time it looked.

    `missed` is how many statements had left the ring before that.
    """

    at: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    kb: list[int] = field(default_factory=list)
    missed: int = 0

    def begin(self) -> None:
        """Another frame begins."""
        self.at.append(time.monotonic())
        self.cpu.append(sum(map(_cpu_s, threading.enumerate())))
        self.kb.append(resident_kb(os.getpid()))


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
        self.refusal = ""
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


def main() -> None:
    """Draw until a key ends it."""
    case = Case(**json.loads(sys.argv[1]))
    frames = Frames()
    feed = MeasuredFeed(frames)
    app = Interface(
        feed,
        look(Theme.DARK, {}),
        pages=lambda feed, look: [Live(feed, look, case.wanted), *make(feed, look)[1:]],
    )
    yield_often()
    Engine(feed.observer, case.events).start()
    app.run()
    with os.fdopen(int(sys.argv[2]), "w") as file:
        json.dump(asdict(frames), file)


if __name__ == "__main__":
    main()
