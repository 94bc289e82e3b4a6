"""The servers: how each is, how far behind, and how its connections stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from rich.style import Style
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from dbmux.feed.feed import Feed, Lost, Refused
from dbmux.feed.units import count, duration, many
from dbmux.feed.words import takes
from dbmux.tui.cells import Side
from dbmux.tui.facts import Facts
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.result import ResultScreen
from dbmux.tui.table import Column, Record, Table


def _is_left_out(one: Record) -> bool:
    # An engine that runs since before an update does not tell.
    return one["state"] == "up" and bool(one.get("no_reads"))


def _style(one: Record, look: Look) -> Style:
    if _is_left_out(one):
        return look.warn
    return look.good if one["state"] == "up" else look.bad if one["state"] == "down" else look.warn


def _state(look: Look, one: Record) -> str:
    if _is_left_out(one):
        return f"{look.signs.half} no reads"
    sign = {"up": look.signs.up, "down": look.signs.down}.get(one["state"], look.signs.half)
    return f"{sign} {one['state']}"


def _takes(one: Record) -> str:
    return f"takes no reads: {why}" if (why := one.get("no_reads")) else f"takes {one['takes']}"


def _lag(one: Record) -> str:
    return "-" if one["lag_seconds"] is None else duration(one["lag_seconds"])


def columns(look: Look) -> tuple[Column, ...]:
    """What is shown of a server."""
    return (
        Column("NAME", 10, lambda one: one["name"], lambda one: one["name"]),
        Column("GROUP", 8, lambda one: one["group"], lambda one: one["group"]),
        Column("ROLE", 8, lambda one: one["role"], lambda one: one["role"]),
        Column("STATE", 10, lambda one: _state(look, one), lambda one: one["state"], style=_style),
        Column("LAG", 7, _lag, lambda one: one["lag_seconds"] or 0.0, Side.RIGHT),
        Column("BUSY", 5, lambda one: count(one["busy"]), lambda one: one["busy"], Side.RIGHT),
        Column(
            "CONN",
            8,
            lambda one: f"{one['connections']}/{one['limit'] or '-'}",
            lambda one: one["connections"],
            Side.RIGHT,
        ),
        Column("WAIT", 5, lambda one: count(one["waiting"]), lambda one: one["waiting"], Side.RIGHT),
        Column("WEIGHT", 6, lambda one: f"{one['weight']:g}", lambda one: one["weight"], Side.RIGHT, least=100),
        Column("VERSION", 0, lambda one: one["version"] or one["error"], lambda one: one["version"] or ""),
    )


class Servers(Page):
    """The page."""

    name_: ClassVar[str] = "Servers"
    hints: ClassVar[str] = "d drain  u put back  v variables  Enter its statements  s S sort  ? help"
    help_: ClassVar[tuple[tuple[str, str], ...]] = (
        ("d", "give it no more reads; what runs there goes on"),
        ("u", "give it its share of reads again"),
        ("v", "variables that the servers of a group have otherwise"),
        ("Enter", "the statements that it answered, in the live view"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "drain", "drain", show=False),
        Binding("u", "resume", "put back", show=False),
        Binding("v", "variables", "variables that differ", show=False),
    ]

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(feed, look)
        self._title = Words(look)
        self._table = Table(look, columns(look), lambda one: (one["group"], one["name"]), sort=1)
        self._facts = Facts(look)

    def compose(self) -> ComposeResult:
        """The table, and the server under the cursor."""
        yield self._title
        yield self._table
        yield self._facts

    async def renew(self) -> None:
        """Look again."""
        found = await self.feed.ask("routes")
        pools = {one["backend"]: one for one in await self.feed.ask("pools")}
        servers = [
            one | {"group": group["name"], "takes": takes(group, one), "pool": pools.get(one["name"], {})}
            for group in found["groups"]
            for one in group["servers"]
        ]
        self._table.take(servers)
        up = sum(one["state"] == "up" for one in servers)
        self._title.say("servers", f"{up} of {len(servers)} up")
        self._show()

    @on(Lines.Moved)
    def _show(self) -> None:
        one = self._table.record
        if one is None:
            return
        pool = one["pool"]
        waits = sum(pool.get("waits", ()))
        average = duration(pool["waited_s"] / waits) if waits else "-"
        self._facts.show(
            "",
            (
                ("address", f"{one['address']}  {one['error']}".strip()),
                (
                    "connections",
                    f"{pool.get('idle', 0)} idle, {pool.get('busy', 0)} busy, {pool.get('unshared', 0)} unshared, "
                    f"{pool.get('connecting', 0)} being opened, of at most {one['limit'] or '-'}",
                ),
                ("waits", f"{count(waits)} so far, {average} on average, {one['waiting']} wait now"),
                ("carried", f"{many(pool.get('carried', 0), 'time')} made ready for another session"),
                ("role", _takes(one)),
            ),
        )

    @on(Lines.Chosen)
    def _chosen(self) -> None:
        if (one := self._table.record) is not None:
            self.post_message(self.Wanted(f"backend:{one['name']}"))

    def action_drain(self) -> None:
        """Give it no more reads."""
        if (one := self._table.record) is not None:
            self.post_message(self.Order(f"Give {one['name']} no more reads?", "drain", {"backend": one["name"]}))

    def action_resume(self) -> None:
        """Give it reads again."""
        if (one := self._table.record) is not None:
            self.post_message(self.Order("", "resume", {"backend": one["name"]}))

    @work(exclusive=True, group="variables")
    async def action_variables(self) -> None:
        """What the servers of each group have otherwise."""
        try:
            found = await self.feed.ask("variables")
        except (Refused, Lost) as error:
            self.post_message(self.Said(str(error)))
            return
        self.app.push_screen(ResultScreen(self.look, "variables that differ", list(told(found)), self._copy))

    def _copy(self, text: str) -> None:
        self.app.copy_to_clipboard(text)


def told(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What differs, a line for each server's value."""
    if not found:
        yield "no group has more than one server"
    for group in found:
        yield f"{group['group']}: {', '.join(group['servers'])}"
        for name, problem in group["problems"].items():
            yield f"  {name} could not be asked: {problem}"
        if not group["differ"]:
            yield "  all that matters is alike"
        for one in group["differ"]:
            yield f"  {one['name']}"
            for server, value in one["values"].items():
                yield f"    {server:<16} {'(has none)' if value is None else value or '(empty)'}"
