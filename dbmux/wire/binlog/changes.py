"""What rows an event inserts, updates or deletes.

A RowsChanged and the plan of its table come in, the changes go out, each with its row before and after, made when it is
asked for. Rows that MariaDB compresses are unpacked; JSON that MySQL logs in parts is put together, where the row
before is there to do so. (Manual pages "Rows Event" of both servers, MariaDB's "Rows Event for compressed binlog".)
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import cast

from dbmux.errors import ErrorCode
from dbmux.wire.binlog.compression import decompress
from dbmux.wire.binlog.events import EventType, RowsChanged
from dbmux.wire.binlog.partial import PartialUpdates
from dbmux.wire.binlog.plan import Plan
from dbmux.wire.binlog.readers import Cursor
from dbmux.wire.binlog.rows import Change, Changes, Image
from dbmux.wire.buffer import Reader

E = EventType
# The table's number and the flags.
_HEAD_LENGTH = 8
_EXTRA_LENGTH_WIDTH = 2


class ChangeKind(Enum):
    """What an event does to its rows."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


_KINDS: dict[int, ChangeKind] = {
    **dict.fromkeys((E.WRITE_ROWS_V1, E.WRITE_ROWS, E.COMPRESSED_WRITE_ROWS_V1), ChangeKind.INSERT),
    **dict.fromkeys((E.UPDATE_ROWS_V1, E.UPDATE_ROWS, E.COMPRESSED_UPDATE_ROWS_V1), ChangeKind.UPDATE),
    **dict.fromkeys((E.DELETE_ROWS_V1, E.DELETE_ROWS, E.COMPRESSED_DELETE_ROWS_V1), ChangeKind.DELETE),
    E.COMPRESSED_WRITE_ROWS: ChangeKind.INSERT,
    E.COMPRESSED_UPDATE_ROWS: ChangeKind.UPDATE,
    E.COMPRESSED_DELETE_ROWS: ChangeKind.DELETE,
    E.PARTIAL_UPDATE_ROWS: ChangeKind.UPDATE,
}
_WITH_EXTRA = frozenset(
    (E.WRITE_ROWS, E.UPDATE_ROWS, E.DELETE_ROWS, E.PARTIAL_UPDATE_ROWS)
    + (E.COMPRESSED_WRITE_ROWS, E.COMPRESSED_UPDATE_ROWS, E.COMPRESSED_DELETE_ROWS)
)
_COMPRESSED = frozenset(
    (E.COMPRESSED_WRITE_ROWS_V1, E.COMPRESSED_UPDATE_ROWS_V1, E.COMPRESSED_DELETE_ROWS_V1)
    + (E.COMPRESSED_WRITE_ROWS, E.COMPRESSED_UPDATE_ROWS, E.COMPRESSED_DELETE_ROWS)
)


def kind_of(rows: RowsChanged) -> ChangeKind:
    """Whether rows were inserted, updated or deleted."""
    return _KINDS[rows.type]


def changes(rows: RowsChanged, plan: Plan) -> Iterable[Change]:
    """The changes in an event, in their order; raises ProtocolError, also when one is asked for."""
    reader = Reader(rows.body, ErrorCode.MALFORMED_REPLY)
    reader.take(_HEAD_LENGTH)
    if rows.type in _WITH_EXTRA:
        # Such as the partition, which the table is found without.
        reader.take(max(reader.integer(_EXTRA_LENGTH_WIDTH) - _EXTRA_LENGTH_WIDTH, 0))
    count, kind = reader.lenenc(), _KINDS[rows.type]
    if count != len(plan.readers):
        raise reader.error(f"rows of {count} columns, of a table with {len(plan.readers)}")
    bitmaps = [reader.take((count + 7) // 8) for _ in range(2 if kind is ChangeKind.UPDATE else 1)]
    data, at = rows.body, reader.position
    if rows.type in _COMPRESSED:
        data, at = decompress(reader.rest()), 0
    cursor = Cursor(data, at, len(data))
    if rows.type == E.PARTIAL_UPDATE_ROWS:
        return PartialUpdates(cursor, plan, bitmaps[0], bitmaps[1])
    images: list[Image] = [plan.image(bitmap) for bitmap in bitmaps]
    before = images[0] if kind is not ChangeKind.INSERT else None
    after = images[-1] if kind is not ChangeKind.DELETE else None
    return cast("Iterable[Change]", Changes(cursor, before, after))
