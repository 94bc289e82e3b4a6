"""A table made of a log alone, to be compared with what a SELECT gave."""

from __future__ import annotations

from collections.abc import Iterable

from dbmux.wire.binlog.changes import changes
from dbmux.wire.binlog.events import RowsChanged
from dbmux.wire.binlog.plan import Plan
from dbmux.wire.binlog.readers import ABSENT
from dbmux.wire.binlog.rows import Row


class Copy:
    """The rows of a table, as changes make them; what an insert leaves out has the column's default."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def apply(self, event: RowsChanged, plan: Plan) -> None:
        """Make an event's changes; those that fit no row fail."""
        for before, after in changes(event, plan):
            if before is None:
                assert after is not None
                self.rows.append(after)
                continue
            place = next(place for place, row in enumerate(self.rows) if _fits(row, before))
            if after is None:
                del self.rows[place]
            else:
                self.rows[place] = tuple(
                    old if new is ABSENT else new for old, new in zip(self.rows[place], after, strict=True)
                )


def _fits(row: Row, before: Row) -> bool:
    return all(ABSENT in (wanted, value) or wanted == value for wanted, value in zip(before, row, strict=True))


def agrees(row: Row, selected: Iterable[bytes | None]) -> bool:
    """Whether a row is what a SELECT gave, as far as it was told."""
    return all(_agrees(value, other) for value, other in zip(row, selected, strict=True))


def _agrees(value: object, selected: bytes | None) -> bool:
    if value is ABSENT:
        return True
    if selected is None or value is None:
        return value is selected
    return value == (type(value)(selected) if isinstance(value, int | float) else selected)
