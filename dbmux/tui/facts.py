"""What is known of the one thing under the cursor: a text in full, and facts by name."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from dbmux.text import visible
from dbmux.tui.cells import cut, one_line
from dbmux.tui.look import Look, Theme
from dbmux.tui.sql import coloured

# Of a text no more is shown.
MOST_LINES = 8
# Where a fact begins, and how many lines it has at most.
NAMED = 13
MOST_OF_ONE = 3


class Facts(Widget):
    """The box, as high as it must be."""

    DEFAULT_CSS = """
    Facts { height: auto; max-height: 40%; }
    """

    def __init__(self, look: Look, most: int = MOST_LINES + 6) -> None:
        super().__init__()
        self._look = look
        self._most = most
        self._text = ""
        self._facts: Sequence[tuple[str, str]] = ()
        self._drawn: tuple[tuple[int, Theme], list[list[Segment]]] | None = None

    def show(self, text: str, facts: Sequence[tuple[str, str]]) -> None:
        """Show these."""
        self._text, self._facts = text, facts
        self._drawn = None
        self.refresh(layout=True)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as there are."""
        return len(self._lines(width))

    def render_line(self, y: int) -> Strip:
        """A line of it."""
        lines = self._lines(self.size.width)
        if y >= len(lines):
            return Strip.blank(self.size.width, self._look.text)
        return Strip(lines[y]).adjust_cell_length(self.size.width, self._look.text)

    def _lines(self, width: int) -> list[list[Segment]]:
        # Asked for once a line.
        now = width, self._look.theme
        if self._drawn is None or self._drawn[0] != now:
            self._drawn = now, self._draw(width)
        return self._drawn[1]

    def _draw(self, width: int) -> list[list[Segment]]:
        look, more = self._look, self._look.signs.more
        if not self._text and not self._facts:
            return []
        lines = [[Segment(look.signs.line * width, look.dim)]]
        text = one_line(self._text, width * MOST_LINES)[: width * MOST_LINES]
        for start in range(0, len(text), max(width - 2, 1)):
            lines.append([Segment(" ", look.text), *coloured(text[start : start + width - 2], look)])
        for name, value in self._facts:
            room = max(width - NAMED, 1)
            told = one_line(value, room * MOST_OF_ONE)
            for start in range(0, max(min(len(told), room * MOST_OF_ONE), 1), room):
                begin = f" {visible(name)}" if not start else ""
                line = cut(f"{begin:<{NAMED}}{told[start : start + room]}", width, more)
                lines.append([Segment(line, look.dim)])
        return lines[: self._most]
