"""The keys: those of the page that is seen, and those that hold everywhere."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from dbmux.tui.look import Look
from dbmux.tui.page import Page

EVERYWHERE = (
    ("1 to 9", "the pages"),
    ("j k  arrows  g G", "move; ctrl+d and ctrl+u by half a page"),
    ("tab", "the next box"),
    ("f  /", "filter or find in the live view"),
    ("s S", "sort a table by the next column, or the other way round"),
    ("ctrl+p", "everything that can be done, by name"),
    ("ctrl+r", "read the configuration again"),
    ("T", "another theme"),
    ("? F1", "this help"),
    ("Esc", "back, one level"),
    ("q", "leave: the engine can go on without the interface"),
)


class Help(ModalScreen[None]):
    """The box with the keys."""

    DEFAULT_CSS = """
    Help { align: center middle; }
    Help VerticalScroll {
        width: 76; max-width: 96%; height: auto; max-height: 90%; padding: 1 2; background: $surface;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,f1,q", "dismiss", "close", show=False)]

    def __init__(self, look: Look, page: Page) -> None:
        super().__init__()
        self._look = look
        self._page = page

    def compose(self) -> ComposeResult:
        """The keys as a list."""
        text = Text()
        for title, keys in ((self._page.name_, self._page.help_), ("Everywhere", EVERYWHERE)):
            if not keys:
                continue
            text.append(f"{title}\n", self._look.accent)
            for key, what in keys:
                text.append(f"  {key:<18}", self._look.strong)
                text.append(f"{what}\n", self._look.text)
            text.append("\n")
        with VerticalScroll(classes="box"):
            yield Static(text)
