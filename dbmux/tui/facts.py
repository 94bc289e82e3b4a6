"""What is known of the one thing under the cursor: a text in full, and facts by name."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment

from dbmux.text import visible
from dbmux.tui.cells import cut, one_line, wrapped
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
        for piece in _pieces(self._text, width - 2, MOST_LINES) if self._text else ():
            lines.append([Segment(" ", look.text), *coloured(piece, look)])
        for name, value in self._facts:
            for number, piece in enumerate(_pieces(value, width - NAMED, MOST_OF_ONE)):
                begin = "" if number else f" {visible(name)}"
                lines.append([Segment(cut(f"{begin:<{NAMED}}{piece}", width, more), look.dim)])
        return lines[: self._most]


def _pieces(text: str, room: int, most: int) -> list[str]:
    # No more of the text is looked at than these lines can show.
    room = max(room, 1)
    return wrapped(one_line(text, room * most), room)[:most]
