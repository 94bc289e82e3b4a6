"""One of a few things, chosen by a key or with the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from dbmux.tui.cells import fit
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look

KEYS = "123456789"


class _Choices(Lines):
    def __init__(self, look: Look, choices: Sequence[str]) -> None:
        super().__init__(look, id="choices")
        self._choices = choices

    def count(self) -> int:
        """All of them."""
        return len(self._choices)

    def segments(self, at: int, width: int) -> list[Segment]:
        """One of them, behind its key."""
        key = f" {KEYS[at : at + 1] or ' '}  "
        text = fit(self._choices[at], width - len(key), self.look.signs.more)
        return [Segment(key, self.look.accent), Segment(text, self.look.text)]


class Choice(ModalScreen[int | None]):
    """Asks; the number of what was chosen, from 0 on, or None."""

    DEFAULT_CSS = """
    Choice { align: center middle; }
    Choice Vertical { width: 60; max-width: 96%; height: auto; max-height: 90%; padding: 1 2; background: $surface; }
    Choice #choices { height: auto; max-height: 16; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss(None)", "none of them", show=False)]

    def __init__(self, look: Look, question: str, choices: Sequence[str]) -> None:
        super().__init__()
        self._question = Words(look, lambda look: look.strong)
        self._question.say(question)
        self._lines = _Choices(look, choices)

    def compose(self) -> ComposeResult:
        """The question, and what there is."""
        with Vertical():
            yield self._question
            yield self._lines

    def on_mount(self) -> None:
        """The keys go to the list."""
        self._lines.styles.height = self._lines.count()
        self._lines.focus()

    def on_key(self, event: events.Key) -> None:
        """Numbers choose at once."""
        at = KEYS.find(event.character or " ")
        if 0 <= at < self._lines.count():
            event.stop()
            self.dismiss(at)

    @on(Lines.Chosen)
    def _chosen(self) -> None:
        self.dismiss(self._lines.cursor)
