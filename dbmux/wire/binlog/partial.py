"""Updates of MySQL that log JSON in parts: `binlog_row_value_options = PARTIAL_JSON`.

A cursor over an event's rows and the table's plan come in, the changes go out, with the whole documents in them. What
was changed in a document that the row before leaves out (`binlog_row_image = MINIMAL` or `NOBLOB`) cannot be known, and
is refused. (WL#2955; the bytes as seen on MySQL 9.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.binlog import jsondiff
from dbmux.wire.binlog.columns import LoggedType
from dbmux.wire.binlog.jsonb import Json, text_of
from dbmux.wire.binlog.plan import Plan
from dbmux.wire.binlog.readers import Cursor, String
from dbmux.wire.binlog.rows import Change, Image, Row

_PARTIAL_JSON = 1


class PartialUpdates:
    """The changes from a cursor to its end."""

    __slots__ = ("_after", "_before", "_cursor", "_documents")

    def __init__(self, cursor: Cursor, plan: Plan, before: bytes, after: bytes) -> None:
        self._cursor = cursor
        # Documents are read as they are stored: the changes are made to those.
        stored = [String(reader.width) if isinstance(reader, Json) else reader for reader in plan.readers]
        self._before, self._after = Image(stored, before), Image(stored, after)
        self._documents = [place for place, column in enumerate(plan.layout.columns) if column.type == LoggedType.JSON]

    def __iter__(self) -> Iterator[Change]:
        cursor = self._cursor
        while cursor.at < cursor.end:
            before = list(self._before.read(cursor))
            partial = self._partial()
            after = list(self._after.read(cursor))
            for place in self._documents:
                if isinstance(stored := after[place], bytes):
                    after[place] = _applied(before[place], stored) if place in partial else text_of(stored)
            for place in self._documents:
                if isinstance(stored := before[place], bytes):
                    before[place] = text_of(stored)
            yield cast("Row", tuple(before)), cast("Row", tuple(after))

    def _partial(self) -> frozenset[int]:
        # The documents of which the row after has only changes.
        cursor = self._cursor
        if not _lenenc(cursor) & _PARTIAL_JSON:
            return frozenset()
        at = cursor.take((len(self._documents) + 7) // 8)
        return frozenset(
            place for count, place in enumerate(self._documents) if cursor.data[at + (count >> 3)] >> (count & 7) & 1
        )


def _applied(before: object, diffs: bytes) -> bytes:
    if not isinstance(before, bytes):
        raise ProtocolError(
            ErrorCode.NOT_SUPPORTED,
            "parts of a JSON document were logged without the document before"
            " (binlog_row_value_options = PARTIAL_JSON needs binlog_row_image = FULL)",
        )
    return jsondiff.apply(before, diffs)


def _lenenc(cursor: Cursor) -> int:
    first = cursor.length(1)
    if first > 250:
        raise ProtocolError(ErrorCode.MALFORMED_REPLY, "an updated row has options that are not known")
    return first
