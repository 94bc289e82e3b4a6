"""What is known of the one thing under the cursor: a text in full, and facts by name."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment

from dbmux.text import visible
from dbmux.tui.cells import cut, one_line
from dbmux.tui.drawn import Drawn
from dbmux.tui.look import Look
from dbmux.tui.sql import coloured

# Of a text no more is shown.
MOST_LINES = 8
# Where a fact begins, and how many lines it has at most.
NAMED = 13
MOST_OF_ONE = 3


class Facts(Drawn):
    """The box, as high as it must be."""

    DEFAULT_CSS = """
    Facts { height: auto; max-height: 40%; }
    """

    def __init__(self, look: Look, most: int = MOST_LINES + 6) -> None:
        super().__init__(look)
        self._most = most
        self._text = ""
        self._facts: Sequence[tuple[str, str]] = ()

    def show(self, text: str, facts: Sequence[tuple[str, str]]) -> None:
        """Show these."""
        self._text, self._facts = text, facts
        self.refresh(layout=True)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as there are."""
        return len(self.draw(width, 0))

    def draw(self, width: int, height: int) -> list[list[Segment]]:
        """The text, and what is known of it."""
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
