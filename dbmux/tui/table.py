"""A table of things that are asked for now and then: backends, clients, digests.

Columns and records come in; records are sorted and drawn by the line. At most some hundred records are expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType

from dbmux.tui.cells import Side, cut, fit
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look
from dbmux.tui.marks import Marks

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its width in cells (0: what is left), what it says of a record, and by what it is sorted.

    From `least` cells of the whole table on it is shown. `style` may colour it by what it says.
    """

    name: str
    width: int
    shown: Callable[[Record], str]
    key: Callable[[Record], Any]
    side: Side = Side.LEFT
    least: int = 0
    style: Callable[[Record, Look], Style] | None = None


class Table(Lines):
    """The table. The record under the cursor stays there while others come and go; `identity` tells which it is."""

    heads: ClassVar[int] = 1
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "sort", show=False),
        Binding("S", "reverse", "reverse", show=False),
    ]

    def __init__(
        self,
        look: Look,
        columns: Sequence[Column],
        identity: Callable[[Record], Any],
        *,
        sort: int = 0,
        id: str | None = None,
    ) -> None:
        super().__init__(look, id=id)
        self._columns = columns
        self._identity = identity
        self.sorted_by = sort
        # The largest first, where that is a number.
        self.is_reversed = columns[sort].side is Side.RIGHT
        self.records: list[Record] = []
        self.marks: Marks[Record] = Marks()
        self.nothing = ""

    @property
    def record(self) -> Record | None:
        """The one under the cursor."""
        return self.records[self.cursor] if self.cursor < len(self.records) else None

    def take(self, records: Sequence[Record]) -> None:
        """Show these from now on."""
        before = None if self.record is None else self._identity(self.record)
        key = self._columns[self.sorted_by].key
        self.records = sorted(records, key=key, reverse=self.is_reversed)
        for one in records if self.marks else ():
            self.marks.renew(self._identity(one), one)
        if before is not None:
            self.cursor = next(
                (at for at, one in enumerate(self.records) if self._identity(one) == before), self.cursor
            )
        self.show_changes()

    def count(self) -> int:
        """How many records there are; where there are none, a line says so."""
        return len(self.records) or bool(self.nothing)

    def is_marked(self, at: int) -> bool:
        """Whether the record of that line is marked."""
        return bool(self.marks) and at < len(self.records) and self._identity(self.records[at]) in self.marks

    def toggle_mark(self) -> bool:
        """Mark the record under the cursor, or no more; whether there was room."""
        one = self.record
        return self.marks.toggle([] if one is None else [(self._identity(one), one)])

    def head(self, width: int) -> list[Segment]:
        """The names of the columns."""
        signs = self.look.signs
        cells = []
        for number, (column, cell) in enumerate(self._layout(width)):
            name = column.name
            if number == self._shown_number(width):
                name += signs.opened if self.is_reversed else signs.mark
            cells.append(fit(name, cell, signs.more, column.side))
        return [Segment(cut(" " + " ".join(cells), width, signs.more), self.look.bar)]

    def segments(self, at: int, width: int) -> list[Segment]:
        """One record."""
        if not self.records:
            return [Segment(cut(" " + self.nothing, width, self.look.signs.more), self.look.dim)]
        record = self.records[at]
        told = [Segment(" ", self.look.text)]
        taken = 1
        for column, cell in self._layout(width):
            style = self.look.text if column.style is None else column.style(record, self.look)
            told.append(Segment(fit(column.shown(record), cell, self.look.signs.more, column.side), style))
            told.append(Segment(" ", self.look.text))
            taken += cell + 1
        if taken < width:
            told.append(Segment(" " * (width - taken), self.look.text))
        return told if taken <= width else told[:-1]

    def on_click(self, event: events.Click) -> None:
        """A click on a column's name sorts by it."""
        if event.y > 0:
            super().on_click(event)
            return
        x = 1
        for column, cell in self._layout(self.breadth):
            if x <= event.x < x + cell + 1:
                self._sort_by(self._columns.index(column))
            x += cell + 1

    def action_sort(self) -> None:
        """By the next column."""
        shown = [self._columns.index(column) for column, _ in self._layout(self.breadth)]
        at = shown.index(self.sorted_by) if self.sorted_by in shown else -1
        self._sort_by(shown[(at + 1) % len(shown)])

    def action_reverse(self) -> None:
        """The other way round."""
        self.is_reversed = not self.is_reversed
        self.take(self.records)

    def _sort_by(self, number: int) -> None:
        if number == self.sorted_by:
            self.is_reversed = not self.is_reversed
        else:
            self.sorted_by, self.is_reversed = number, self._columns[number].side is Side.RIGHT
        self.take(self.records)

    def _shown_number(self, width: int) -> int:
        wanted = self._columns[self.sorted_by]
        return next((at for at, (column, _) in enumerate(self._layout(width)) if column is wanted), -1)

    def _layout(self, width: int) -> list[tuple[Column, int]]:
        shown = [column for column in self._columns if column.least <= width]
        fixed = sum(column.width for column in shown) + len(shown) + 1
        flexible = sum(column.width == 0 for column in shown)
        rest = max((width - fixed) // flexible, 8) if flexible else 0
        return [(column, column.width or rest) for column in shown]
