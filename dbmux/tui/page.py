"""What all pages of the interface have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from dbmux.feed.feed import Feed
from dbmux.tui.drawn import Holder
from dbmux.tui.look import Look


class Page(Vertical, Holder):
    """One of the nine. `renew` is called once a second while it is seen, and when it comes into sight."""

    DEFAULT_CSS = """
    Page { height: 1fr; }
    Page .aside { display: none; }
    Page .enlarged { width: 1fr; height: 1fr; max-height: 100%; }
    """
    name_: ClassVar[str] = ""
    # The most important keys, for the last line of the screen.
    hints: ClassVar[str] = ""
    # For the help: each key and what it does here.
    help_: ClassVar[tuple[tuple[str, str], ...]] = ()

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "enlarge", "enlarge the box", show=False),
        Binding("underscore", "restore", "all boxes again", show=False),
    ]

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

    class Footed(Message):
        """The page's `foot` says something else."""

    class Said(Message):
        """Something to be said at the bottom of the screen."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(id=f"page-{self.name_.lower()}")
        self.feed = feed
        self.look = look
        # The last minutes, second by second; there before `renew` is called.
        self.pulse: Sequence[Mapping[str, Any]] = ()
        # What stands at the right of the last line of the screen.
        self.foot = ""

    def action_enlarge(self) -> None:
        """Give the box that has the keys all of the page."""
        self.action_restore()
        inner = self.app.focused
        while inner is not None and inner is not self:
            outer = inner.parent
            assert isinstance(outer, Widget)
            for other in outer.children:
                other.add_class("enlarged" if other is inner else "aside")
            inner = outer

    def action_restore(self) -> None:
        """All boxes again."""
        for widget in self.query(".aside, .enlarged"):
            widget.remove_class("aside", "enlarged")

    async def adopt(self, feed: Feed) -> None:
        """Ask another feed from now on, of the same engine or of one in its place; raises Lost and Refused."""
        self.feed = feed

    async def renew(self) -> None:
        """Ask for what is shown; raises Lost and Refused."""
