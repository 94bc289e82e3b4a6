"""Turns the rows that a binary log tells of a table into statements that change the same table elsewhere.

How the rows are logged and a description of the target's table come in; for rows, changes go out: as few as can be,
each with the number of rows that it must find. A row is found by the target's key, of which every column must be
logged; where there is none, by all its values. Never inserts what should be updated, or the other way round: a row that
is not as it must be is an error, so that no difference is covered up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from dbmux.errors import DbMuxError
from dbmux.sync.bending import lost
from dbmux.sync.literal import writer_of
from dbmux.sync.table import Column, Family, Table
from dbmux.sync.target import LENIENT, STRICT, Change
from dbmux.wire.binlog.changes import ChangeKind
from dbmux.wire.binlog.columns import Layout, LoggedType
from dbmux.wire.binlog.readers import ABSENT
from dbmux.wire.binlog.rows import Change as RowChange
from dbmux.wire.binlog.rows import Row, Value

# Rows that go in one statement, and its bytes.
ROWS_LIMIT, BYTES_LIMIT = 1000, 256 * 1024
# Whose values cannot be compared with what was logged.
_INEXACT = frozenset((Family.FLOAT, Family.DOUBLE, Family.JSON, Family.GEOMETRY))

# Numbers of an ENUM's values. The first one stands in a new row until it gets what strictness refuses.
NO_ELEMENT, _FIRST_ELEMENT = 0, 1


class CannotApply(DbMuxError):
    """A table's changes cannot be applied to the target; says what would have to be changed there."""


class Writer:
    """Writes one table's changes, as long as it is logged in this way and looks so on the target."""

    def __init__(self, table: Table, layout: Layout) -> None:
        names = [column.name for column in layout.columns]
        if None in names:
            raise CannotApply(
                f"{table.name}: the source does not log the names of columns; run there: "
                "SET GLOBAL binlog_row_metadata = FULL"
            )
        known = {column.name.lower(): column for column in table.columns}
        missing = [name for name in names if name is not None and name.lower() not in known]
        if missing:
            raise CannotApply(f"{table.name}: the target lacks the columns {', '.join(missing)}")
        columns = [known[name.lower()] for name in names if name is not None]
        bent = [
            f"{what} in {column.name}"
            for logged, column in zip(layout.columns, columns, strict=True)
            if not column.generated and (what := lost(logged, column))
        ]
        if bent:
            raise CannotApply(
                f"{table.name}: the target would drop {', '.join(bent)} without a word; give its columns "
                "the types that they have on the source"
            )
        self._name = table.name.sql.encode()
        self._literals: list[Callable[[Value], bytes]] = [writer_of(logged) for logged in layout.columns]
        self._enums = [place for place, logged in enumerate(layout.columns) if logged.type is LoggedType.ENUM]
        self._columns = [column.sql.encode() for column in columns]
        self._assigned = [b"%b=" % column for column in self._columns]
        # Set to what they are, or the target would set them to a moment of its own.
        self._renewed = {
            place: self._assigned[place] + column.sql.encode()
            for place, column in enumerate(columns)
            if column.is_renewed
        }
        # The target computes these itself.
        self._stored = [place for place, column in enumerate(columns) if not column.generated]
        key = table.key
        self._is_keyed = key is not None
        if key is not None:
            found = {column.name.lower(): place for place, column in enumerate(columns)}
            self._key = [found[name.lower()] for name in key.columns if name.lower() in found]
            if len(self._key) < len(key.columns):
                raise CannotApply(f"{table.name}: the source does not log all columns of the target's key {key.name}")
        else:
            self._key = self._stored
            self._refuse_inexact(table, columns)
        # Without a key, rows that differ in case alone are rows of their own, whatever the collation says.
        self._charsets = {
            place: column.charset.encode()
            for place, column in enumerate(columns)
            if key is None and column.family is Family.TEXT
        }
        head = b",".join(self._columns[place] for place in self._stored)
        self._insert = b"INSERT INTO %b (%b) VALUES " % (self._name, head)
        self._update = b"UPDATE %b SET " % self._name

    def _refuse_inexact(self, table: Table, columns: list[Column]) -> None:
        inexact = [column.name for column in columns if column.family in _INEXACT and not column.generated]
        if inexact:
            raise CannotApply(
                f"{table.name}: without a primary or unique key its rows are found by all their values, which cannot "
                f"be done for {', '.join(inexact)}; give it a primary key"
            )

    def write(self, kind: ChangeKind, changes: Iterable[RowChange]) -> Iterator[Change]:
        """What makes the same changes there."""
        match kind:
            case ChangeKind.INSERT:
                return self._inserts(after for _, after in changes if after is not None)
            case ChangeKind.DELETE:
                return self._deletes(before for before, _ in changes if before is not None)
            case ChangeKind.UPDATE:
                return self._updates(changes)

    def _inserts(self, rows: Iterable[Row]) -> Iterator[Change]:
        """New rows."""
        stored, literals = self._stored, self._literals
        parts: list[bytes] = []
        size = 0
        for row in rows:
            if ABSENT in row:
                raise CannotApply(f"{self._name.decode()}: a new row is not logged whole; set binlog_row_image = FULL")
            odd = [place for place in self._enums if row[place] == NO_ELEMENT] if self._enums else ()
            whole = _with(row, odd, _FIRST_ELEMENT)
            part = b"(%b)" % b",".join([literals[place](whole[place]) for place in stored])
            if odd:
                yield Change(self._insert + part, 1)
                yield from self._without_element(whole, odd)
                continue
            if parts and (len(parts) == ROWS_LIMIT or size + len(part) > BYTES_LIMIT):
                yield Change(self._insert + b",".join(parts), len(parts))
                parts, size = [], 0
            parts.append(part)
            size += len(part) + 1
        if parts:
            yield Change(self._insert + b",".join(parts), len(parts))

    def _updates(self, changes: Iterable[RowChange]) -> Iterator[Change]:
        """Rows as they were, and as they are."""
        stored, literals, assigned = self._stored, self._literals, self._assigned
        for before, after in changes:
            assert before is not None and after is not None
            odd = [place for place in self._enums if after[place] == NO_ELEMENT != before[place]]
            if odd:
                yield from self._without_element(before, odd)
                before = _with(before, odd, NO_ELEMENT)
            changed, renewed = [], []
            for place in stored:
                old, new = before[place], after[place]
                # What was not logged may have been anything. Zeros of either sign are equal, and not the same.
                if new is ABSENT or (old == new and (new != 0.0 or repr(old) == repr(new))):
                    if place in self._renewed:
                        renewed.append(self._renewed[place])
                    continue
                changed.append(assigned[place] + literals[place](new))
            if not changed:
                continue
            yield Change(self._update + b",".join(changed + renewed) + b" WHERE " + self._where(before), 1)

    def _deletes(self, rows: Iterable[Row]) -> Iterator[Change]:
        """Rows that are gone."""
        if not self._is_keyed or len(self._key) > 1:
            for row in rows:
                yield Change(b"DELETE FROM %b WHERE %b" % (self._name, self._where(row)), 1)
            return
        (place,) = self._key
        literal, head = self._literals[place], b"DELETE FROM %b WHERE %b IN (" % (self._name, self._columns[place])
        parts: list[bytes] = []
        size = 0
        for row in rows:
            self._require_key(row)
            part = literal(row[place])
            if parts and (len(parts) == ROWS_LIMIT or size + len(part) > BYTES_LIMIT):
                yield Change(head + b",".join(parts) + b")", len(parts))
                parts, size = [], 0
            parts.append(part)
            size += len(part) + 1
        if parts:
            yield Change(head + b",".join(parts) + b")", len(parts))

    def _without_element(self, row: Row, places: Iterable[int]) -> Iterator[Change]:
        # What a server makes of wrong values, and strictness refuses: these alone are written without it.
        changed = [self._assigned[place] + self._literals[place](NO_ELEMENT) for place in places]
        told = b",".join([*changed, *self._renewed.values()])
        yield from (LENIENT, Change(self._update + told + b" WHERE " + self._where(row), 1), STRICT)

    def _require_key(self, row: Row) -> None:
        if any(row[place] is ABSENT for place in self._key):
            raise CannotApply(f"{self._name.decode()}: the key of a row is not logged; set binlog_row_image = FULL")

    def _where(self, row: Row) -> bytes:
        if self._is_keyed and len(self._key) == 1:
            # As most tables have it.
            (place,) = self._key
            if (value := row[place]) is not ABSENT:
                return self._assigned[place] + self._literals[place](value)
        self._require_key(row)
        found = b" AND ".join([self._equals(place, row[place]) for place in self._key])
        # Rows without a key may be there several times.
        return found if self._is_keyed else found + b" LIMIT 1"

    def _equals(self, place: int, value: Value) -> bytes:
        column, literal, charset = self._columns[place], self._literals[place](value), self._charsets.get(place)
        if self._is_keyed:
            return b"%b=%b" % (column, literal)
        if charset is None or value is None:
            return b"%b<=>%b" % (column, literal)
        # The first half is what an index is good for.
        same = b"CAST(%b AS BINARY)=CAST(CONVERT(%b USING %b) AS BINARY)" % (column, literal, charset)
        return b"%b=%b AND %b" % (column, literal, same)


def _with(row: Row, places: Collection[int], value: Value) -> Row:
    if not places:
        return row
    return tuple(value if place in places else was for place, was in enumerate(row))
