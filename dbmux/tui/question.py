"""A question that is answered by y or n, before something that cannot be undone."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from dbmux.tui.cells import one_line
from dbmux.tui.look import Look

LONGEST = 100


class Question(ModalScreen[bool | None]):
    """Asks it; everything but y is no."""

    DEFAULT_CSS = """
    Question { align: center middle; }
    Question Vertical { width: 70; max-width: 96%; height: auto; padding: 1 2; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "yes", show=False),
        Binding("n,escape,q", "dismiss(False)", "no", show=False),
    ]

    def __init__(self, look: Look, question: str) -> None:
        super().__init__()
        self._look = look
        self._question = question

    def compose(self) -> ComposeResult:
        """The question, and the two keys."""
        text = Text(one_line(self._question, LONGEST) + "\n\n", self._look.strong)
        text.append("  y  ", self._look.accent)
        text.append("yes    ", self._look.text)
        text.append("  n  ", self._look.accent)
        text.append("no", self._look.text)
        with Vertical(classes="box"):
            yield Static(text)
