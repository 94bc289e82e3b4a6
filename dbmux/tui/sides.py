"""Two servers' answers beside each other, as lines to scroll through.

What is told of them comes in (dbmux.tui.pairs); lines are drawn, of which those that differ begin with `!`. Long texts
go on below, so that nothing is lost. Never reads markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import ClassVar

from rich.segment import Segment

from dbmux.tui.cells import cut, fit, pieces, wrapped
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look, Theme
from dbmux.tui.pairs import Heading, Item, Pair, Remark, Sql
from dbmux.tui.sql import coloured

# What stands before the first side: a mark, a name.
NAMED, NAMED_WIDE, WIDE = 12, 20, 120
# In less, nothing is laid out.
SMALLEST = 40


class Sides(Lines):
    """The lines."""

    heads: ClassVar[int] = 1

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(look, id=id)
        self._items: Sequence[Item] = ()
        self._names = ("", "")
        self._drawn_lines: tuple[tuple[int, Theme], list[list[Segment]]] | None = None

    def take(self, items: Sequence[Item], source: str, target: str) -> None:
        """Show these from now on, of two servers with these names."""
        self._items, self._names = items, (source, target)
        self._drawn_lines = None
        self.show_changes()

    def count(self) -> int:
        """All lines."""
        return len(self._lines())

    def head(self, width: int) -> list[Segment]:
        """Which side is whose."""
        room, look = self._room, self.look
        source, target = (fit(name, _half(room), look.signs.more) for name in self._names)
        told = _pair("", source, target, room, look, differs=False)
        return [Segment(segment.text, look.bar) for segment in told] + [Segment(" " * (width - room), look.bar)]

    def segments(self, at: int, width: int) -> list[Segment]:
        """A line."""
        return [*self._lines()[at], Segment(" " * (width - self._room), self.look.text)]

    @property
    def _room(self) -> int:
        # Whether there is a scroll bar depends on how many lines there are: its cell is never used.
        return max(self.size.width - 1, SMALLEST)

    def _lines(self) -> list[list[Segment]]:
        now = self._room, self.look.theme
        if self._drawn_lines is None or self._drawn_lines[0] != now:
            self._drawn_lines = now, [line for item in self._items for line in _lines(item, now[0], self.look)]
        return self._drawn_lines[1]


def _lines(item: Item, width: int, look: Look) -> Iterator[list[Segment]]:
    more = look.signs.more
    match item:
        case Heading(text):
            yield [Segment(" " * width, look.text)]
            for line in wrapped(text, width - 2):
                yield [Segment(cut(f" {line}", width, more), look.strong)]
        case Remark(text):
            for line in wrapped(text, width - 2):
                yield [Segment(cut(f" {line}", width, more), look.dim)]
        case Sql(text):
            for line in pieces(text, width - 2):
                yield [Segment(" ", look.text), *coloured(cut(line, width - 1, more), look)]
        case Pair(name, source, target, differs):
            half = _half(width)
            sides = zip_longest(pieces(source, half), pieces(target, half), fillvalue="")
            for number, (one, other) in enumerate(sides):
                yield list(_pair(name if not number else "", one, other, width, look, differs=differs))


def _pair(name: str, source: str, target: str, width: int, look: Look, *, differs: bool) -> Iterator[Segment]:
    half, more = _half(width), look.signs.more
    style = look.bad if differs else look.text
    yield Segment("!" if differs else " ", look.bad)
    yield Segment(fit(name, _named(width), more) + " ", look.dim)
    yield Segment(cut(source, half, more), style)
    yield Segment(f" {look.signs.child} ", look.dim)
    yield Segment(cut(target, width - _named(width) - half - 5, more), style)


def _named(width: int) -> int:
    return NAMED_WIDE if width >= WIDE else NAMED


def _half(width: int) -> int:
    return max((width - _named(width) - 5) // 2, 2)
