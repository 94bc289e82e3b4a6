"""Everything that is not a statement: reloads, servers that come and go, logins, warnings."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from dbmux.feed.feed import Feed, Happening
from dbmux.feed.words import clock, is_alarm
from dbmux.tui.header import Words
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.table import Column, Record, Table

MOST_KEPT = 2000
# What every connection brings about.
_USUAL = frozenset(("SessionOpened", "SessionClosed", "LoggedIn", "Pinned", "Unpinned"))


def _style(one: Record, look: Look) -> Style:
    return look.warn if is_alarm(one["kind"], one["text"]) else look.text


COLUMNS = (
    Column("TIME", 12, lambda one: clock(one["at"]), lambda one: (one["at"], one["seq"])),
    Column("WHAT", 18, lambda one: one["kind"], lambda one: one["kind"]),
    Column("", 0, lambda one: one["text"], lambda one: one["text"], style=_style),
)


class Happenings(Page):
    """The page; the newest first."""

    name_: ClassVar[str] = "Events"
    hints: ClassVar[str] = ". connections too  s S sort  ? help"
    help_: ClassVar[tuple[tuple[str, str], ...]] = ((".", "with or without what every connection brings about"),)
    BINDINGS: ClassVar[list[BindingType]] = [Binding("full_stop", "usual", "connections too", show=False)]

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(feed, look)
        self._title = Words(look)
        self._table = Table(look, COLUMNS, lambda one: one["seq"])
        self._table.is_reversed = True
        self._table.nothing = "Nothing has happened yet."
        self._kept: deque[Record] = deque(maxlen=MOST_KEPT)
        self._shows_usual = False

    def compose(self) -> ComposeResult:
        """The list."""
        yield self._title
        yield self._table

    def hear(self, happenings: tuple[Happening, ...]) -> None:
        """More happened."""
        self._kept.extend({"seq": one.seq, "at": one.at, "kind": one.kind, "text": one.text} for one in happenings)

    async def renew(self) -> None:
        """Show what was heard."""
        shown = [one for one in self._kept if self._shows_usual or one["kind"] not in _USUAL]
        self._table.take(shown)
        self._title.say("events", f"{len(shown)} of {len(self._kept)}")

    async def action_usual(self) -> None:
        """With or without them."""
        self._shows_usual = not self._shows_usual
        await self.renew()
