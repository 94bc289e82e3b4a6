"""Text in cells: made visible, cut and padded to a width, however wide its characters are.

Any text comes in, one line of exactly the width goes out. Nothing that steers a terminal comes through, and no text is
ever read as markup. Looks at no more of a text than can be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from rich.cells import cell_len, chop_cells, set_cell_size

from dbmux.text import visible

# One character may take up to twelve cells when it is spelt out; none takes less than none.
_ENOUGH = 4


class Side(Enum):
    """To which side a text keeps."""

    LEFT = auto()
    RIGHT = auto()


def cells(text: str) -> int:
    """How many cells a visible text takes."""
    return len(text) if text.isascii() else cell_len(text)


def one_line(text: str, width: int) -> str:
    """So much of a text as a line can show, with single spaces for white space and the rest made visible."""
    begin = text[: width * _ENOUGH + 16]
    return visible(" ".join(begin.split()))


def fit(text: str, width: int, more: str, side: Side = Side.LEFT) -> str:
    """A text in exactly so many cells; `more` is the sign that something was cut off."""
    if width <= 0:
        return ""
    shown = one_line(text, width)
    taken = cells(shown)
    if taken > width:
        return set_cell_size(shown, width - 1) + more
    missing = " " * (width - taken)
    return shown + missing if side is Side.LEFT else missing + shown


def cut(text: str, width: int, more: str) -> str:
    """The same for a text of our own, which is visible already and whose spaces count."""
    taken = cells(text)
    if taken > width:
        return set_cell_size(text, max(width - 1, 0)) + more if width > 0 else ""
    return text + " " * (width - taken)


def pieces(text: str, width: int) -> list[str]:
    """All of a text that is visible already, in pieces of at most so many cells."""
    return chop_cells(text, max(width, 2)) or [""]


def wrapped(text: str, width: int) -> list[str]:
    """All of a text, made visible, as lines of at most so many cells that end between words where they can."""
    lines = [""]
    for word in visible(" ".join(text.split())).split(" "):
        if lines[-1] and cells(lines[-1]) + 1 + cells(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines += pieces(word, width)
    return lines[1:]


def spark(values: Sequence[float], width: int, levels: str) -> str:
    """The last values as a row of bars, the highest as high as it gets."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    bars = "".join(
        levels[min(int(value / top * len(levels)), len(levels) - 1)] if top else levels[0] for value in shown
    )
    return bars.rjust(width)


def bar(part: float, whole: float, width: int, full: str, empty: str) -> str:
    """A part of a whole as a bar."""
    filled = 0 if not whole else min(width, round(width * part / whole))
    return full * filled + empty * (width - filled)
