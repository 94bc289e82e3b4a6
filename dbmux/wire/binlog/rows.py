# cython: boundscheck=False, wraparound=False, annotation_typing=False, language_level=3
"""The rows in an event: as they were before, and as they are.

Bytes, and images (which columns rows have, and how those are read) come in; rows go out one by one, as they are asked
for. Never more than one is made at a time. The same source runs interpreted and compiled (rows.pxd types it).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dbmux.wire.binlog.readers import ABSENT, Cursor, Missing, Reader, broken

COMPILED = not __file__.endswith(".py")

Value = int | float | bytes | None | Missing
Row = tuple[Value, ...]
# As it was before, and as it is: nothing before an insert, nothing after a delete.
Change = tuple[Row | None, Row | None]


class Image:
    """Rows that have some columns of a table, or all; what a row leaves out is ABSENT."""

    __slots__ = ("count", "is_full", "null_bytes", "places", "readers", "template")

    def __init__(self, readers: Sequence[Reader], present: bytes) -> None:
        places = [place for place in range(len(readers)) if present[place >> 3] >> (place & 7) & 1]
        self.count = len(places)
        self.is_full = len(places) == len(readers)
        self.null_bytes = (len(places) + 7) >> 3
        self.places = tuple(places)
        self.readers = tuple([readers[place] for place in places])
        self.template: list[object] = [ABSENT] * len(readers)

    def read(self, cursor: Cursor) -> tuple[object, ...]:
        """The row at the cursor, which is moved behind it."""
        at = cursor.take(self.null_bytes)
        src = cursor.data
        values: list[object] = []
        for place in range(self.count):
            if src[at + (place >> 3)] >> (place & 7) & 1:
                values.append(None)
            else:
                reader = self.readers[place]
                values.append(reader.read(cursor))
        return tuple(values) if self.is_full else self._spread(values)

    def _spread(self, values: list[object]) -> tuple[object, ...]:
        row = self.template.copy()
        for place, value in zip(self.places, values, strict=True):
            row[place] = value
        return tuple(row)


class Changes:
    """The changes from a cursor to its end; `before` or `after` is None where there is no such row."""

    __slots__ = ("after", "before", "cursor", "is_over")

    def __init__(self, cursor: Cursor, before: Image | None, after: Image | None) -> None:
        self.cursor = cursor
        self.before = before
        self.after = after
        self.is_over = 0

    def __iter__(self) -> Iterator[tuple[object, object]]:
        return self

    def __next__(self) -> tuple[object, object]:
        cursor = self.cursor
        at = cursor.at
        if self.is_over:
            raise StopIteration
        before = self.before.read(cursor) if self.before is not None else None
        after = self.after.read(cursor) if self.after is not None else None
        self.is_over = cursor.at == cursor.end
        if cursor.at == at and not self.is_over:
            raise broken("rows of no columns have bytes")
        return before, after
