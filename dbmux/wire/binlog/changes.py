"""What rows an event inserts, updates or deletes.

A RowsChanged and the plan of its table come in, the changes go out, each with its row before and after, made when it is
asked for. Rows that MariaDB compresses are unpacked; JSON that MySQL logs in parts is put together, where the row
before is there to do so. (Manual pages "Rows Event" of both servers, MariaDB's "Rows Event for compressed binlog".)
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import cast

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.binlog.compression import decompress
from dbmux.wire.binlog.events import EventType, RowsChanged
from dbmux.wire.binlog.partial import PartialUpdates
from dbmux.wire.binlog.plan import Plan
from dbmux.wire.binlog.readers import Cursor
from dbmux.wire.binlog.rows import Change, Changes
from dbmux.wire.buffer import NULL, Reader

E = EventType
# The table's number and the flags.
_HEAD_LENGTH = 8
_EXTRA_LENGTH_WIDTH = 2
# Of the flags, of which the first byte stands behind the table's number.
_FLAGS_AT, _CHECKS_NO_KEYS = 6, 2


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


def checks_keys(rows: RowsChanged) -> bool:
    """Whether foreign keys were checked, and cascaded, as these rows were changed."""
    return not rows.body[_FLAGS_AT] & _CHECKS_NO_KEYS


def changes(rows: RowsChanged, plan: Plan) -> Iterable[Change]:
    """The changes in an event, in their order; raises ProtocolError, also when one is asked for."""
    body, kind = rows.body, _KINDS[rows.type]
    at = _HEAD_LENGTH
    if rows.type in _WITH_EXTRA:
        # Such as the partition, which the table is found without; its length counts itself.
        at += max(int.from_bytes(body[at : at + _EXTRA_LENGTH_WIDTH], "little"), _EXTRA_LENGTH_WIDTH)
    count, at = _count(body, at)
    if count != len(plan.readers):
        raise _broken(at, f"rows of {count} columns, of a table with {len(plan.readers)}")
    width = (count + 7) >> 3
    first, last = body[at : at + width], body[at : at + width]
    at += width
    if kind is ChangeKind.UPDATE:
        last = body[at : at + width]
        at += width
    if at > len(body):
        raise _broken(at, "rows end before they begin")
    if rows.type in _COMPRESSED:
        body, at = decompress(body[at:]), 0
    cursor = Cursor(body, at, len(body))
    if rows.type == E.PARTIAL_UPDATE_ROWS:
        return PartialUpdates(cursor, plan, first, last)
    before = plan.image(first) if kind is not ChangeKind.INSERT else None
    after = plan.image(last) if kind is not ChangeKind.DELETE else None
    return cast("Iterable[Change]", Changes(cursor, before, after))


def _count(body: bytes, at: int) -> tuple[int, int]:
    # How many columns, and where that is read to. By hand where it is one byte: most events of a log come through here.
    if at < len(body) and body[at] < NULL:
        return body[at], at + 1
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    reader.take(at)
    return reader.lenenc(), reader.position


def _broken(at: int, what: str) -> ProtocolError:
    return ProtocolError(ErrorCode.MALFORMED_REPLY, f"malformed event of rows at byte {at}: {what}")
