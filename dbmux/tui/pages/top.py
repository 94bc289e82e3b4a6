"""Which kinds of statements take the time: by digest, over the last seconds or since the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from dbmux.feed.copy import Form
from dbmux.feed.feed import Feed
from dbmux.feed.kinds import FORMS, Kind, copied
from dbmux.feed.units import count, duration, many, rate, share, size
from dbmux.tui.cells import Side, bar
from dbmux.tui.facts import Facts
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look
from dbmux.tui.pages.giving import GIVING, TOOLS, Giving, Tools
from dbmux.tui.table import Column, Record, Table

# The windows, in seconds; None is since the start.
WINDOWS: tuple[tuple[str, float | None], ...] = (("10 s", 10.0), ("1 min", 60.0), ("5 min", 300.0), ("start", None))


def columns(look: Look) -> tuple[Column, ...]:
    """What is shown of a kind of statement."""
    return (
        Column("TIME", 6, lambda one: share(one["share"], 1), lambda one: one["seconds"], Side.RIGHT),
        Column(
            "",
            8,
            lambda one: bar(one["share"], 1, 8, look.signs.full, look.signs.empty),
            lambda one: one["share"],
            least=110,
        ),
        Column("CALLS", 7, lambda one: count(one["calls"]), lambda one: one["calls"], Side.RIGHT),
        Column("CALLS/s", 7, lambda one: rate(one["rate"]), lambda one: one["rate"], Side.RIGHT, least=120),
        Column("AVG", 7, lambda one: duration(one["average"]), lambda one: one["average"], Side.RIGHT),
        Column("P50", 7, lambda one: duration(one["p50"]), lambda one: one["p50"], Side.RIGHT, least=110),
        Column("P95", 7, lambda one: duration(one["p95"]), lambda one: one["p95"], Side.RIGHT),
        Column("P99", 7, lambda one: duration(one["p99"]), lambda one: one["p99"], Side.RIGHT, least=100),
        Column("ROWS", 7, lambda one: count(one["rows"]), lambda one: one["rows"], Side.RIGHT, least=100),
        Column(
            "HIT", 5, lambda one: share(one["hits"], one["calls"]), lambda one: one["hits"] / one["calls"], Side.RIGHT
        ),
        Column(
            "ERR",
            4,
            lambda one: count(one["errors"]) if one["errors"] else "-",
            lambda one: one["errors"],
            Side.RIGHT,
            style=lambda one, look: look.bad if one["errors"] else look.dim,
        ),
        Column("STATEMENT", 0, lambda one: one["text"], lambda one: one["text"]),
    )


class Top(Giving[Kind]):
    """The page."""

    name_: ClassVar[str] = "Top"
    file_name: ClassVar[str] = "dbmux-top.json"
    hints: ClassVar[str] = "[ ] window  s S sort  Enter its statements  space mark  y copy  w write  ? help"
    help_: ClassVar[tuple[tuple[str, str], ...]] = (
        ("[ ]", "the window: 10 s, 1 min, 5 min, since the start"),
        ("Enter", "the statements of this digest, in the live view"),
        ("c", "copy the statement, with ? for what differs"),
        *GIVING,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "window(-1)", "a shorter window", show=False),
        Binding("right_square_bracket", "window(1)", "a longer window", show=False),
    ]

    def __init__(self, feed: Feed, look: Look, tools: Tools = TOOLS) -> None:
        super().__init__(feed, look, tools)
        self._window = 1
        self._title = Words(look)
        self._table = Table(look, columns(look), lambda one: one["digest"])
        self._table.nothing = "No statement in this window."
        self._facts = Facts(look)

    def compose(self) -> ComposeResult:
        """The window, the table, and the statement under the cursor in full."""
        yield self._title
        yield self._table
        yield self._facts

    async def renew(self) -> None:
        """Count anew."""
        name, seconds = WINDOWS[self._window]
        found = await self.feed.ask("top", {"seconds": seconds})
        whole = seconds or max((await self.feed.ask("status"))["seconds"], 1.0)
        self._table.take([_with_rates(one, whole) for one in found])
        calls = sum(one["calls"] for one in found)
        self._title.say(f"by digest over {name}", f"{many(len(found), 'kind')}, {many(calls, 'call')}")
        self._show()

    @on(Lines.Moved)
    def _show(self) -> None:
        one = self._table.record
        if one is None:
            self._facts.show("", ())
            return
        self._facts.show(
            one["text"],
            (
                ("tables", ", ".join(one["tables"]) or "-"),
                ("from", " ".join(part for part in (one["app"], one["site"]) if part) or "-"),
                ("sent", f"{size(one['bytes'])}, {many(one['rows'] / one['calls'], 'row')} a call"),
                ("digest", one["digest"]),
            ),
        )

    # Marking, copying and writing.

    @property
    def forms(self) -> Mapping[Form, str]:
        """Those of kinds of statements."""
        return FORMS

    def chosen(self) -> list[Kind]:
        """What is marked, else what is under the cursor."""
        return self._marked() or ([] if self._table.record is None else [Kind(self._table.record)])

    def offered(self) -> list[Kind]:
        """What is marked, else all kinds."""
        return self._marked() or [Kind(one) for one in self._table.records]

    def _marked(self) -> list[Kind]:
        return [Kind(one) for one in self._table.marks.things()]

    async def as_text(self, form: Form, of: Sequence[Kind]) -> str:
        """These kinds."""
        return copied(form, of)

    def toggle_mark(self) -> bool:
        """Mark the kind under the cursor, or no more."""
        fits = self._table.toggle_mark()
        self._table.refresh()
        return fits

    def clear_marks(self) -> None:
        """Nothing is marked."""
        self._table.marks.clear()
        self._table.refresh()

    def count_marks(self) -> int:
        """How many kinds are marked."""
        return len(self._table.marks)

    # The window.

    async def action_window(self, step: int) -> None:
        """Another window."""
        self._window = (self._window + step) % len(WINDOWS)
        await self.renew()

    @on(Lines.Chosen)
    def _chosen(self) -> None:
        if (one := self._table.record) is not None:
            self.post_message(self.Wanted(f"digest:{one['digest']}"))


def _with_rates(one: dict[str, Any], seconds: float) -> Record:
    return one | {"rate": one["calls"] / seconds, "average": one["seconds"] / one["calls"]}
