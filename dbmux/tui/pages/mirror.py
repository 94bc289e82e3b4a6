"""Mirrors: writes that are repeated on a second server."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from dbmux.feed.feed import Feed
from dbmux.tui.header import Words
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.table import Column, Table


class Mirror(Page):
    """The page; without mirrors it says so."""

    name_: ClassVar[str] = "Mirror"
    hints: ClassVar[str] = "? help"

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(feed, look)
        self._title = Words(look)
        self._table = Table(look, (Column("MIRROR", 0, str, str),), str)
        self._table.nothing = "No mirrors configured."

    def compose(self) -> ComposeResult:
        """The list."""
        yield self._title
        yield self._table

    async def renew(self) -> None:
        """There are none."""
        self._title.say("mirrors")
        self._table.show_changes()
