"""Every statement as it is answered, and why it went where it went.

Batches come in ten times a second; the stream is drawn, and of the statement under the cursor the decisions, the times
and the text. Asks the engine only about that one, and where there is room for graphs once a second about their figures.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from math import ceil
from time import perf_counter, thread_time
from typing import ClassVar

from rich.segment import Segment
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message

from dbmux.feed.feed import RUSH, Batch, Feed, Happening, Lost, Refused, Subscription
from dbmux.feed.row import Row
from dbmux.feed.units import count
from dbmux.tui import graph, rows
from dbmux.tui.cells import cut, one_line
from dbmux.tui.details import Details
from dbmux.tui.drawn import Holder
from dbmux.tui.graphs import TALL as GRAPHS_TALL
from dbmux.tui.graphs import WIDE as GRAPHS_WIDE
from dbmux.tui.graphs import Graphs
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look
from dbmux.tui.marks import Marks
from dbmux.tui.pace import FASTEST_S, Pace
from dbmux.tui.pages.deeds import DEEDS, Deeds
from dbmux.tui.pages.giving import TOOLS, Tools
from dbmux.tui.stream import Stream, Transaction

# Of what rushes by so many a second are shown, which an eye can still catch.
CATCHABLE = 200
# Of statements that run past, each so many frames one is explained: more could not be read.
PATIENCE = 5
# From so many cells on the details stand beside the stream.
BESIDE = 140
# The details need so many lines of the whole screen.
TALL = 24
# What is marked on the graphs.
MOST_MARKS = 100
_WORDS = {"ConfigApplied": "cfg", "BackendDown": "down"}


class StreamView(Lines):
    """The stream. While it follows, the cursor stays on the newest line."""

    heads: ClassVar[int] = 1
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left,l,right", "fold", "open or close a transaction", show=False),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__(look, id="stream")
        self.stream = Stream()
        self.is_following = True
        self.marks: Marks[Row] = Marks()
        self.nothing: tuple[str, ...] = ()

    def count(self) -> int:
        """All lines."""
        return len(self.stream)

    def head(self, width: int) -> list[Segment]:
        """The names of the columns."""
        return rows.head(width, self.look)

    def segments(self, at: int, width: int) -> list[Segment]:
        """A line."""
        line = self.stream.line(at)
        return [] if line is None else rows.segments(line, width, self.look)

    def key(self, at: int) -> Hashable:
        """A statement and an event stay what they are; to a transaction, statements may come."""
        line = self.stream.line(at)
        return None if line is None or isinstance(line.row or line.entry, Transaction) else line

    def beyond(self, at: int, width: int) -> list[Segment]:
        """Where there is no line at all, what to do about that."""
        told = "  " + self.nothing[at] if not self.count() and at < len(self.nothing) else ""
        return [Segment(cut(told, width, self.look.signs.more), self.look.dim)]

    def is_marked(self, at: int) -> bool:
        """Whether all statements of a line are marked."""
        if not self.marks or (line := self.stream.line(at)) is None:
            return False
        return bool(line.rows) and all(row.seq in self.marks for row in line.rows)

    def toggle_mark(self) -> bool:
        """Mark the statements of the line under the cursor, or no more; whether there was room."""
        # Who marks wants to find it again.
        self.is_following = False
        line = self.stream.line(self.cursor)
        return self.marks.toggle([] if line is None else [(row.seq, row) for row in line.rows])

    @property
    def row(self) -> Row | None:
        """The statement under the cursor."""
        line = self.stream.line(self.cursor)
        return None if line is None else line.shown

    def show_batch(self, gone: int) -> None:
        """Lines came, and so many are gone from the beginning."""
        if self.is_following:
            self.cursor = max(self.count() - 1, 0)
            super().show_from(self.count())
        else:
            self.cursor = max(self.cursor - gone, 0)
            super().show_from(self.top - gone)

    def show_from(self, top: int) -> None:
        """Whoever scrolls away from the end does not follow any more, and whoever comes back to it does."""
        self.is_following = top >= self.count() - self.room
        super().show_from(top)

    def on_resize(self, event: events.Resize) -> None:
        """The window is another one: who follows still sees the newest line."""
        super().show_from(self.count() if self.is_following else self.top)

    def move_to(self, at: int) -> None:
        """Whoever moves away from the end does not follow any more, and whoever comes back to it does."""
        super().move_to(at)
        self.is_following = at >= self.count() - 1

    def action_fold(self) -> None:
        """Open or close the transaction under the cursor."""
        self.stream.toggle(self.cursor)
        self.is_following = False
        self.show_changes()


class Body(Container, Holder):
    """The stream and the details."""


class Live(Deeds):
    """The page."""

    DEFAULT_CSS = """
    Live #body { height: 1fr; }
    Live.beside #body { layout: horizontal; }
    Live.beside Details { width: 54; height: 100%; }
    Live.small Details { display: none; }
    """
    name_: ClassVar[str] = "Live"
    hints: ClassVar[str] = "p pause  f filter  / find  l open tx  x explain  space mark  y copy  ? help"
    help_: ClassVar[tuple[tuple[str, str], ...]] = (
        ("p", "pause the view; what comes meanwhile is kept"),
        ("F", "follow the newest line; moving up stops that"),
        ("f", "filter; an empty filter shows everything"),
        ("\\", "filter off, and on again"),
        ("/ n N", "find a text, the next, the one before"),
        ("*", "only statements of the same digest"),
        ("h l", "open or close a transaction"),
        (".", "show or hide what connections do by themselves"),
        ("ctrl+l", "clear the view; nothing is forgotten by DbMux"),
        ("Enter", "the decisions about the statement, in full"),
        *DEEDS,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "pause", show=False),
        Binding("F", "follow", "follow", show=False),
        Binding("backslash", "unfilter", "filter off and on", show=False),
        Binding("n", "find_next(1)", "find the next", show=False),
        Binding("N", "find_next(-1)", "find the one before", show=False),
        Binding("asterisk", "same", "only this digest", show=False),
        Binding("full_stop", "chatter", "show chatter", show=False),
        Binding("ctrl+l", "clear", "clear the view", show=False),
    ]

    class Happened(Message):
        """Something that is no statement."""

        def __init__(self, happenings: tuple[Happening, ...]) -> None:
            super().__init__()
            self.happenings = happenings

    def __init__(
        self, feed: Feed, look: Look, wanted: str = "", pace: Pace | None = None, tools: Tools = TOOLS
    ) -> None:
        super().__init__(feed, look, tools)
        self.wanted = wanted
        self._before = ""
        self._sought = ""
        self._subscription: Subscription | None = None
        self._title = Words(look, id="title")
        self._graphs = Graphs(look)
        self._marks: deque[Happening] = deque(maxlen=MOST_MARKS)
        self.view = StreamView(look)
        self._details = Details(look)
        self._pace = pace or Pace(thread_time, perf_counter)
        # The row whose decisions are shown, and how many frames others that run past have to wait for theirs.
        self._explained: Row | None = None
        self._patience = 0
        # The next statement, and the next happening; others and the stream are told of those from these numbers on.
        self._place = 0
        self._heard = 0
        self._untold = 0
        self._unseen = 0

    def compose(self) -> ComposeResult:
        """The title, the stream, and the details below or beside it."""
        yield self._graphs
        yield self._title
        with Body(id="body"):
            yield self.view
            yield self._details

    async def on_mount(self) -> None:
        """Begin with what the engine remembers."""
        await self.filter(self.wanted)
        self.set_interval(FASTEST_S, self._beat)

    def on_resize(self) -> None:
        """There is room for more, or for less."""
        self.set_class(self.app.size.width >= BESIDE, "beside")
        self.set_class(self.app.size.height < TALL, "small")
        if not self._has_graphs and self._graphs.has_focus_within:
            # What cannot be seen has no keys.
            self.action_restore()
            self.view.focus()
        self._graphs.set_class(self._has_graphs, "shown")

    @property
    def _has_graphs(self) -> bool:
        return self.app.size.width >= GRAPHS_WIDE and self.app.size.height >= GRAPHS_TALL

    async def renew(self) -> None:
        """The graphs, if there is room for them."""
        if not self._has_graphs:
            return
        seconds = [one for one in self.pulse if one["at"] > self.pulse[-1]["at"] - graph.SPAN_S]
        cache, routes = await self.feed.ask("cache"), await self.feed.ask("routes")
        look, signs = self.look, self.look.signs
        marks = [
            graph.Mark(one.at, signs.mark if one.kind == "ConfigApplied" else signs.wrong, _WORDS[one.kind])
            for one in self._marks
        ]
        self._graphs.throughput.show(partial(graph.throughput, seconds, marks, look=look))
        self._graphs.caching.show(partial(graph.caching, seconds, cache, look=look))
        self._graphs.routing.show(partial(graph.routing, seconds, routes, look=look))

    async def adopt(self, feed: Feed) -> None:
        """Go on with another connection where the last one ended; with another engine, from its beginning."""
        is_another = feed.hello.pid != self.feed.hello.pid
        self.feed = feed
        if is_another:
            self._place, self._heard = 0, 0
            # Its statements have the same numbers again.
            self.action_unmark()
        self._untold = self._unseen = self._heard
        self._subscription = await feed.subscribe(self.wanted, self._place)

    async def filter(self, wanted: str) -> None:
        """Show what this filter lets through, from the oldest statement that is kept on; raises Refused and Lost."""
        subscription = await self.feed.subscribe(wanted, 0)
        if self._subscription is not None:
            self._subscription.close()
        self._subscription = subscription
        self._place, self._untold, self._unseen = 0, self._heard, 0
        self.wanted = wanted
        self.view.stream.restart()
        self.view.is_following = True
        self._tell()

    def _beat(self) -> None:
        if self._pace.is_due():
            self._tick()

    def _tick(self) -> None:
        stream, view = self.view.stream, self.view
        if self._subscription is not None:
            batch = self._subscription.take()
            if batch.looked_at or batch.happenings or batch.missed:
                gone = stream.add(self._fresh(batch))
                if not stream.is_paused:
                    view.show_batch(gone)
        if self.is_on_screen:
            self._patience = max(self._patience - 1, 0)
            if not self._patience:
                self._explain()
            self._tell()

    def _fresh(self, batch: Batch) -> Batch:
        # A new subscription begins with all happenings that are kept.
        self._place = batch.place or self._place
        self._heard = max((self._heard, *(one.seq + 1 for one in batch.happenings)))
        if untold := tuple(one for one in batch.happenings if one.seq >= self._untold):
            self._marks.extend(one for one in untold if one.kind in _WORDS)
            self.post_message(self.Happened(untold))
        happenings = tuple(one for one in batch.happenings if one.seq >= self._unseen)
        step = self._step(batch)
        return replace(batch, rows=batch.rows[::step], every=batch.every * step, happenings=happenings)

    def _step(self, batch: Batch) -> int:
        # Of what rushes by, as much is shown as an eye could catch. What is remembered from before comes at once, and
        # ran in its own time.
        rows, many = batch.rows, len(batch.rows) * batch.every
        lasted_s = max(rows[-1].at - rows[0].at if rows else 0.0, self._pace.interval_s)
        return 1 if many <= RUSH * lasted_s else max(ceil(many / (CATCHABLE * lasted_s) / batch.every), 1)

    def _tell(self) -> None:
        stream, view = self.view.stream, self.view
        left = f"f: {self.wanted}" if self.wanted else "all statements"
        if stream.is_paused:
            state = f"PAUSED, {count(stream.waiting)} waiting"
        elif view.is_following:
            state = "FOLLOW"
        else:
            state = f"{count(max(view.count() - view.cursor - 1, 0))} below, G follows"
        told = [f"{count(stream.matched)} of {count(stream.looked_at)}"]
        if stream.chatter:
            told.append(f"{count(stream.chatter)} chatter")
        if stream.missed:
            told.append(f"{count(stream.missed)} missed")
        told += [f"1:{stream.every}", state]
        if self._pace.interval_s > FASTEST_S:
            told.append(f"{1 / self._pace.interval_s:.2g} Hz")
        self._title.say(left, " · ".join(told) if self.look.signs.none == "·" else " | ".join(told))
        address = getattr(self.app, "address", "127.0.0.1:3307")
        host, _, port = address.rpartition(":")
        view.nothing = (
            (f"0 of {count(stream.looked_at)} match. f changes the filter, \\ switches it off.",)
            if stream.looked_at and self.wanted
            else (
                f"No traffic yet on {address}. Point your application here:",
                f"  by hand    mysql -h {host} -P {port} -u USER -p",
                f"  Django     DATABASES: 'HOST': '{host}', 'PORT': '{port}'",
                f"  Laravel    DB_HOST={host} DB_PORT={port}",
                f"  Rails      host: {host}, port: {port}  (in config/database.yml)",
                f'  container  host.docker.internal:{port}, with "listen": "0.0.0.0:{port}"',
                '  Not "localhost": to many clients that is the server\'s own socket.',
            )
        )

    @on(Lines.Moved)
    def _moved(self) -> None:
        self._explain()

    def _explain(self) -> None:
        row = self.view.row
        if row is self._explained:
            return
        self._explained, self._patience = row, PATIENCE
        if row is None:
            self._details.show(None, [])
        else:
            self._ask_why(row)

    @work(exclusive=True)
    async def _ask_why(self, row: Row) -> None:
        # Not for each of those that run past: only where the cursor rests.
        await asyncio.sleep(0.05)
        try:
            steps = await self.feed.ask("why", {"seq": row.seq})
        except (Refused, Lost) as error:
            steps = [{"about": "why", "told": str(error), "place": "", "otherwise": ""}]
        self._details.show(row, steps)

    @property
    def row(self) -> Row | None:
        """The statement under the cursor."""
        return self.view.row

    def chosen(self) -> list[Row]:
        """What is marked, else the statement under the cursor."""
        return self.view.marks.things() or ([] if self.row is None else [self.row])

    def offered(self) -> list[Row]:
        """What is marked, else all statements of the stream."""
        return self.view.marks.things() or list(self.view.stream.rows())

    def toggle_mark(self) -> bool:
        """Mark the line under the cursor, or no more."""
        fits = self.view.toggle_mark()
        self.view.refresh()
        return fits

    def clear_marks(self) -> None:
        """Nothing is marked."""
        self.view.marks.clear()
        self.view.refresh()

    def count_marks(self) -> int:
        """How many statements are marked."""
        return len(self.view.marks)

    # Keys.

    def action_pause(self) -> None:
        """Stop the view, or let it go on."""
        stream = self.view.stream
        if stream.is_paused:
            self.view.show_batch(stream.resume())
        else:
            stream.is_paused = True
        self._tell()

    def action_follow(self) -> None:
        """To the newest line, and stay there."""
        self.view.move_to(self.view.count() - 1)
        self._tell()

    def action_clear(self) -> None:
        """Show nothing of what came so far."""
        self.view.stream.clear()
        self.view.show_changes()

    async def action_unfilter(self) -> None:
        """Without the filter, or with it again."""
        wanted, self._before = ("", self.wanted) if self.wanted else (self._before, "")
        await self.filter(wanted)

    async def action_same(self) -> None:
        """Only statements of the digest under the cursor."""
        if (row := self.view.row) is not None:
            await self.filter(f"digest:{row.digest}")

    def action_chatter(self) -> None:
        """Show or hide what connections do by themselves, from now on."""
        stream = self.view.stream
        stream.hides_chatter = not stream.hides_chatter
        self.post_message(
            self.Said(f"chatter of connections is {'hidden' if stream.hides_chatter else 'shown'} from now on")
        )

    def find(self, sought: str) -> None:
        """Go to the next line that has this text."""
        self._sought = sought.lower()
        self.action_find_next(1)

    def action_find_next(self, step: int) -> None:
        """The next, or with -1 the one before."""
        if not self._sought:
            return
        view = self.view
        many = view.count()
        for away in range(1, many + 1):
            at = (view.cursor + step * away) % many
            line = view.stream.line(at)
            row = None if line is None else line.shown
            if row is not None and self._sought in row.sql.lower():
                view.move_to(at)
                return
        self.post_message(self.Said(f"no line has {one_line(self._sought, 40)!r}"))
