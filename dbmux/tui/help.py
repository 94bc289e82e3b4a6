"""The keys: those of the page that is seen, and those that hold everywhere."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group, RenderableType
from rich.table import Column, Table
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
    ("s S", "sort a table by the next column; turn it round"),
    ("ctrl+p", "everything that can be done, by name"),
    ("ctrl+r", "read the configuration again"),
    ("z _", "enlarge the box with the keys; all boxes again"),
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
        width: 76; max-width: 96%; height: auto; max-height: 96%; padding: 0 1; background: $surface;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,f1,q", "dismiss", "close", show=False)]

    def __init__(self, look: Look, page: Page) -> None:
        super().__init__()
        self._look = look
        self._page = page

    def compose(self) -> ComposeResult:
        """The keys as a list."""
        look = self._look
        parts: list[RenderableType] = []
        for title, keys in ((self._page.name_, self._page.help_), ("Everywhere", EVERYWHERE)):
            if not keys:
                continue
            # What is longer than a line goes on below itself.
            table = Table.grid(Column(no_wrap=True), Column())
            for key, what in keys:
                table.add_row(Text(f"  {key:<18}", look.strong), Text(what, look.text))
            parts += (Text(title, look.accent), table, Text())
        with VerticalScroll(classes="box"):
            yield Static(Group(*parts))
