"""Lines for a terminal, which must not be longer than it is wide, and for pipes, where nothing is cut.

Text from outside comes in, one visible line goes out. Never looks at much more of a text than can be shown.
"""

from __future__ import annotations

import shutil
import sys
from unicodedata import combining, east_asian_width

from dbmux.text import visible

MORE = "…"
# Wide, and characters that stand on the one before them.
_WIDE = "WF"


def terminal_width() -> int | None:
    """How many columns there are; None when nobody looks at a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def one_line(text: str, width: int | None) -> str:
    """A text with single spaces for its white space, of which a line of that width can show no more."""
    return visible(" ".join((text if width is None else text[: width * 4]).split()))


def cut(line: str, width: int | None) -> str:
    """A visible line in at most so many columns."""
    if width is None or len(line) * 2 <= width:
        return line
    taken = 0
    for at, letter in enumerate(line):
        taken += _columns(letter)
        if taken > width:
            return _begun(line[:at], width - 1) + MORE
    return line


def _begun(line: str, width: int) -> str:
    while line and sum(map(_columns, line)) > width:
        line = line[:-1]
    return line


def _columns(letter: str) -> int:
    if combining(letter):
        return 0
    return 2 if east_asian_width(letter) in _WIDE else 1
