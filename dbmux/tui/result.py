"""What was found out about a statement: lines to scroll through, over everything else.

A title and lines come in; a key copies all of them. Drawn line by line, and never read as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from dbmux.text import visible
from dbmux.tui.cells import cut
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look

# So far can be scrolled to the right, and by so much at once.
FURTHEST, STEP = 4000, 20


class ResultLines(Lines):
    """The lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right", "aside(1)", "to the right", show=False),
        Binding("h,left", "aside(-1)", "to the left", show=False),
    ]

    def __init__(self, look: Look, lines: Sequence[str]) -> None:
        super().__init__(look, id="result")
        self._lines = [visible(line) for line in lines]
        self._aside = 0

    def count(self) -> int:
        """All lines."""
        return len(self._lines)

    def segments(self, at: int, width: int) -> list[Segment]:
        """A line, from where it was scrolled to."""
        shown = self._lines[at][self._aside : self._aside + width + 1]
        return [Segment(cut(shown, width, self.look.signs.more), self.look.text)]

    def action_aside(self, steps: int) -> None:
        """Move to the right or to the left."""
        self._aside = max(min(self._aside + steps * STEP, FURTHEST), 0)
        self.refresh()


class ResultScreen(ModalScreen[None]):
    """The screen; `copy` is given all of its text."""

    DEFAULT_CSS = """
    ResultScreen { background: $background; layout: vertical; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "close", show=False),
        Binding("y,c", "copy", "copy all of it", show=False),
    ]

    def __init__(self, look: Look, title: str, lines: Sequence[str], copy: Callable[[str], None]) -> None:
        super().__init__()
        self._look = look
        self._title = title
        self._text = "\n".join(lines)
        self._lines = ResultLines(look, lines)
        self._copy = copy

    def compose(self) -> ComposeResult:
        """The title, the lines, and the keys."""
        title, hints = Words(self._look), Words(self._look)
        title.say(self._title)
        hints.say("j k h l scroll  y copy all  Esc back")
        yield title
        yield self._lines
        yield hints

    def on_mount(self) -> None:
        """The keys go to the lines."""
        self._lines.focus()

    def action_copy(self) -> None:
        """Copy all of the text."""
        self._copy(self._text)
