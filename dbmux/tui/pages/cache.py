"""What the query cache does, table by table and rule by rule, and why it is passed by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from dbmux.feed.feed import Feed
from dbmux.feed.units import count, duration, many, share, size
from dbmux.tui.cells import Side, bar
from dbmux.tui.facts import Facts
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.table import Column, Record, Table


def _asked(one: Record) -> int:
    hits, misses = one["hits"], one["misses"]
    return int(hits + misses)


STATEMENTS = (
    Column("TABLES", 0, lambda one: one["tables"], lambda one: one["tables"]),
    Column("BY", 16, lambda one: one["by"] or "cache.tables", lambda one: one["by"], least=100),
    Column("TTL", 7, lambda one: duration(one["ttl"]), lambda one: one["ttl"], Side.RIGHT),
    Column(
        "HIT", 6, lambda one: share(one["hits"], _asked(one)), lambda one: one["hits"] / (_asked(one) or 1), Side.RIGHT
    ),
    Column("HITS", 8, lambda one: count(one["hits"]), lambda one: one["hits"], Side.RIGHT),
    Column("MISSES", 8, lambda one: count(one["misses"]), lambda one: one["misses"], Side.RIGHT),
    Column("STALE", 6, lambda one: count(one["stale"]), lambda one: one["stale"], Side.RIGHT, least=90),
    Column("SHARED", 6, lambda one: count(one["coalesced"]), lambda one: one["coalesced"], Side.RIGHT, least=90),
    Column("SAVED", 7, lambda one: duration(one["saved_seconds"]), lambda one: one["saved_seconds"], Side.RIGHT),
)
TABLES = (
    Column("TABLE", 0, lambda one: one["table"], lambda one: one["table"]),
    Column("RESULTS", 9, lambda one: count(one["results"]), lambda one: one["results"], Side.RIGHT),
    Column("MEMORY", 9, lambda one: size(one["bytes"]), lambda one: one["bytes"], Side.RIGHT),
)
REASONS = (
    Column("WHY", 9, lambda one: one["kind"], lambda one: one["kind"]),
    Column("CAUSE", 0, lambda one: one["cause"], lambda one: one["cause"]),
    Column("TIMES", 9, lambda one: count(one["count"]), lambda one: one["count"], Side.RIGHT),
)
ENTRIES = (
    Column(
        "STATEMENT", 0, lambda one: one["statement"] or "(depends on the session)", lambda one: one["statement"] or ""
    ),
    Column("TABLES", 20, lambda one: one["tables"], lambda one: one["tables"], least=90),
    Column("USES", 6, lambda one: count(one["uses"]), lambda one: one["uses"], Side.RIGHT),
    Column("ROWS", 7, lambda one: count(one["rows"]), lambda one: one["rows"], Side.RIGHT),
    Column("SIZE", 7, lambda one: size(one["bytes"]), lambda one: one["bytes"], Side.RIGHT),
    Column("AGE", 7, lambda one: duration(one["age"]), lambda one: one["age"], Side.RIGHT),
    Column("LEFT", 7, lambda one: duration(max(one["left"], 0)), lambda one: one["left"], Side.RIGHT),
    Column("COST", 7, lambda one: duration(one["cost_seconds"]), lambda one: one["cost_seconds"], Side.RIGHT),
)
ADVICE = (
    Column(
        "STATEMENT", 0, lambda one: one["statement"] or "(depends on the session)", lambda one: one["statement"] or ""
    ),
    Column("WOULD HIT", 9, lambda one: share(one["share"], 1), lambda one: one["share"], Side.RIGHT),
    Column("ASKED/min", 9, lambda one: count(one["asked_per_minute"]), lambda one: one["asked_per_minute"], Side.RIGHT),
    Column(
        "WRITTEN/min",
        11,
        lambda one: count(one["written_per_minute"]),
        lambda one: one["written_per_minute"],
        Side.RIGHT,
    ),
    Column(
        "SAVES/min",
        9,
        lambda one: duration(one["saved_seconds_per_minute"]),
        lambda one: one["saved_seconds_per_minute"],
        Side.RIGHT,
    ),
)
UNCONFIGURED = 'Nothing is cached; "cache": {"tables": {"schema.table": "30s"}} does that.'
UNREAD = "No read of a table that is to be cached came by yet."
BARRED = "Nothing is stored; what is in the way stands below."
VIEWS = ("rules", "tables", "passed by", "results", "advice")


class Cache(Page):
    """The page: one table at a time."""

    name_: ClassVar[str] = "Cache"
    hints: ClassVar[str] = "[ ] rules, tables, reasons, results, advice  K empty  s S sort  ? help"
    help_: ClassVar[tuple[tuple[str, str], ...]] = (
        ("[ ]", "rules, tables, why it is passed by, results, advice"),
        ("K", "use nothing any more of the table under the cursor, or of all; asks first"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "view(-1)", "the view before", show=False),
        Binding("right_square_bracket", "view(1)", "the next view", show=False),
        Binding("K", "flush", "empty", show=False),
    ]

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(feed, look)
        self._view = 0
        self._title = Words(look)
        self._tables = (
            Table(look, STATEMENTS, lambda one: (one["by"], one["tables"]), sort=4, id="rules"),
            Table(look, TABLES, lambda one: one["table"], sort=2, id="tables"),
            Table(look, REASONS, lambda one: (one["kind"], one["cause"]), sort=2, id="reasons"),
            Table(look, ENTRIES, lambda one: (one["statement"], one["tables"], one["bytes"]), sort=2, id="results"),
            Table(look, ADVICE, lambda one: one["statement"], sort=4, id="advice"),
        )
        nothing = (
            UNCONFIGURED,
            "No table has results in memory.",
            "Nothing was passed by.",
            "There are no results in memory.",
            "No advice yet: it takes some hundred reads of tables that are not cached.",
        )
        for table, told in zip(self._tables, nothing, strict=True):
            table.nothing = told
            table.display = table is self._tables[0]
        self._facts = Facts(look)

    @property
    def _table(self) -> Table:
        return self._tables[self._view]

    def compose(self) -> ComposeResult:
        """The memory, one of the tables, and how writes are seen."""
        yield self._title
        yield from self._tables
        yield self._facts

    async def renew(self) -> None:
        """Look again."""
        told = await self.feed.ask("cache")
        signs, memory = self.look.signs, told["memory"]
        drawn = bar(memory["bytes"], memory["limit"], 10, signs.full, signs.empty)
        hits, misses = (sum(one[name] for one in told["statements"]) for name in ("hits", "misses"))
        held = f"{size(memory['bytes'])} of {size(memory['limit'])} {drawn} {many(memory['results'], 'result')}"
        self._title.say(f"{VIEWS[self._view]}", f"hit {share(hits, hits + misses)}  {held}")
        if not told["statements"]:
            self._tables[0].nothing = _nothing(told["groups"], await self.feed.ask("config"))
        self._tables[0].take(told["statements"])
        self._tables[1].take(told["tables"])
        self._tables[2].take(_reasons(told))
        if self._view == 3:
            self._tables[3].take(await self.feed.ask("cache.entries"))
        self._tables[4].take(told["advice"])
        self._facts.show("", tuple((one["group"], _source(one)) for one in told["groups"]))

    async def action_view(self, step: int) -> None:
        """Another table."""
        self._view = (self._view + step) % len(self._tables)
        for table in self._tables:
            table.display = table is self._table
        self._table.focus()
        await self.renew()

    def action_flush(self) -> None:
        """Use nothing any more of a table, or of all."""
        one = self._table.record
        table = one["table"] if one is not None and self._view == 1 and "." in one["table"] else None
        what = f"what is stored of {table}" if table else "all that is stored"
        self.post_message(self.Order(f"Use nothing any more of {what}?", "cache.flush", {"table": table}))

    @on(Lines.Chosen)
    def _chosen(self) -> None:
        one = self._table.record
        if one is not None and self._view == 1 and "." in one["table"]:
            self.post_message(self.Wanted(f"table:{one['table'].rpartition('.')[2]}"))


def _reasons(told: dict[str, Any]) -> list[dict[str, Any]]:
    passed = [{"kind": "passed by", "cause": one["reason"], "count": one["count"]} for one in told["bypasses"]]
    gone = [{"kind": "left", "cause": reason, "count": number} for reason, number in told["gone"].items()]
    cleared = [{"kind": "cleared", "cause": one["cause"], "count": one["count"]} for one in told["cleared"]]
    return [*passed, *gone, *cleared]


def _nothing(groups: Sequence[Mapping[str, Any]], settings: Iterable[Mapping[str, Any]]) -> str:
    # Groups are listed as soon as somebody used one, whatever is cached.
    if not any(one["path"].startswith("cache.tables.") for one in settings):
        return UNCONFIGURED
    return BARRED if any(one["broken"] or not one["dictionary"] for one in groups) else UNREAD


def _source(one: dict[str, Any]) -> str:
    if one["broken"]:
        return f"nothing is stored: {one['broken']}"
    if not one["dictionary"]:
        return f"nothing is stored: {one['why']}"
    if one["binlog"]:
        late = "" if one["delay_seconds"] is None else f", {duration(one['delay_seconds'])} late"
        return f"writes that go past DbMux are seen in the binlog{late}"
    return "writes that go past DbMux are not seen: a result may be as old as its ttl"
