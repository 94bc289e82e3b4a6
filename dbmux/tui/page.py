"""What all pages of the interface have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from textual.containers import Vertical
from textual.message import Message

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

    class Wanted(Message):
        """The statements that a filter lets through are to be seen in the live view."""

        def __init__(self, wanted: str) -> None:
            super().__init__()
            self.wanted = wanted

    class Order(Message):
        """Something is to be ordered of the engine; `question` is asked before, if there is one."""

        def __init__(self, question: str, what: str, given: Mapping[str, Any]) -> None:
            super().__init__()
            self.question = question
            self.what = what
            self.given = given

    class Edit(Message):
        """A file is to be opened in the user's editor, at a line."""

        def __init__(self, file: str, line: int) -> None:
            super().__init__()
            self.file = file
            self.line = line

    class Ask(Message):
        """Something is to be typed at the bottom of the screen; `typed` gets it, and says what is wrong with it."""

        def __init__(self, what: str, begin: str, typed: Callable[[str], Awaitable[str]]) -> None:
            super().__init__()
            self.what = what
            self.begin = begin
            self.typed = typed

    class Said(Message):
        """Something to be said at the bottom of the screen."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(id=f"page-{self.name_.lower()}")
        self.feed = feed
        self.look = look

    async def adopt(self, feed: Feed) -> None:
        """Ask another feed from now on, of the same engine or of one in its place; raises Lost and Refused."""
        self.feed = feed

    async def renew(self) -> None:
        """Ask for what is shown; raises Lost and Refused."""
