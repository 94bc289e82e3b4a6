"""Who is connected, and what each holds."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from dbmux.feed.feed import Feed
from dbmux.feed.units import count, duration
from dbmux.tui.cells import Side
from dbmux.tui.facts import Facts
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.table import Column, Record, Table


def why(one: Record) -> str:
    """Why it holds a connection."""
    told = []
    if (seconds := one.get("transaction_seconds")) is not None:
        told.append(f"transaction {duration(seconds)}")
    told += [f"{pin['reason']} {pin['what']}".strip() for pin in one.get("pins", ())]
    return ", ".join(told)


COLUMNS = (
    Column("ID", 10, lambda one: str(one["id"]), lambda one: one["id"]),
    Column("USER", 12, lambda one: one["user"] or "-", lambda one: one["user"]),
    Column("CLIENT", 21, lambda one: one["client"], lambda one: one["client"], least=110),
    Column("SCHEMA", 12, lambda one: one.get("schema") or "-", lambda one: one.get("schema") or "", least=130),
    Column("STATE", 8, lambda one: one["state"], lambda one: one["state"]),
    Column("FOR", 7, lambda one: duration(one.get("seconds", 0)), lambda one: one.get("seconds", 0), Side.RIGHT),
    Column("HOLDS", 10, lambda one: one.get("backend") or "-", lambda one: one.get("backend") or ""),
    Column("WHY", 0, why, why, style=lambda one, look: look.warn if why(one) else look.dim),
)


class Clients(Page):
    """The page."""

    name_: ClassVar[str] = "Clients"
    hints: ClassVar[str] = "K kill query  ctrl+k kill connection  Enter its statements  s S sort  ? help"
    help_: ClassVar[tuple[tuple[str, str], ...]] = (
        ("K", "have the server stop the query that runs for it"),
        ("ctrl+k", "end the client's connection; asks first"),
        ("Enter", "its statements, in the live view"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("K", "kill('query')", "kill the query", show=False),
        Binding("ctrl+k", "kill('connection')", "kill the connection", show=False),
    ]

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(feed, look)
        self._title = Words(look)
        self._table = Table(look, COLUMNS, lambda one: one["id"], sort=5)
        self._table.nothing = "Nobody is connected."
        self._facts = Facts(look)

    def compose(self) -> ComposeResult:
        """The table, and the client under the cursor."""
        yield self._title
        yield self._table
        yield self._facts

    async def renew(self) -> None:
        """Look again."""
        found = await self.feed.ask("clients")
        self._table.take(found)
        holding = sum(one.get("connection") is not None for one in found)
        self._title.say(
            "clients", f"{count(len(found))} connected, {count(holding)} hold{'s'[: holding == 1]} a server connection"
        )
        self._show()

    @on(Lines.Moved)
    def _show(self) -> None:
        one = self._table.record
        if one is None:
            self._facts.show("", ())
            return
        pins = [f"{pin['reason']} {pin['what']} for {duration(pin['seconds'])}" for pin in one.get("pins", ())]
        self._facts.show(
            "",
            (
                ("client", f"{one['user']} from {one['client']} at {one['listener']}"),
                ("group", f"{one.get('group', '-')}, schema {one.get('schema') or '-'}"),
                ("holds", f"{one.get('backend') or 'nothing'}, connection {one.get('connection') or '-'}"),
                ("pins", "; ".join(pins) or "none"),
            ),
        )

    @on(Lines.Chosen)
    def _chosen(self) -> None:
        if (one := self._table.record) is not None:
            self.post_message(self.Wanted(f"conn:{one['id']}"))

    def action_kill(self, what: str) -> None:
        """Kill what it runs, or it."""
        one = self._table.record
        if one is None:
            return
        question = f"End the {what} of {one['user']} from {one['client']} (session {one['id']})?"
        self.post_message(self.Order(question, "kill", {"session": one["id"], "what": what}))
