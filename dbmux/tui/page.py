"""What all pages of the interface have in common."""

from __future__ import annotations

from typing import ClassVar

from textual.containers import Vertical

from dbmux.feed.feed import Feed
from dbmux.tui.look import Look


class Page(Vertical):
    """One of the nine. `renew` is called once a second while it is seen, and when it comes into sight."""

    DEFAULT_CSS = """
    Page { height: 1fr; }
    """
    name_: ClassVar[str] = ""
    # The most important keys, for the last line of the screen.
    hints: ClassVar[str] = ""
    # For the help: each key and what it does here.
    help_: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(id=f"page-{self.name_.lower()}")
        self.feed = feed
        self.look = look

    async def renew(self) -> None:
        """Ask for what is shown; raises Lost and Refused."""
