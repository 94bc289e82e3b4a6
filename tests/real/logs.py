"""What a server's binary log tells of a schema: how many rows of each table were changed there, and how.

A mirror writes a row whose ENUM has none of its elements in two steps: how often it must is told beside it.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from random import Random

import uvloop

from dbmux.backend.binlog.listener import Pace
from dbmux.backend.binlog.settling import is_up_to
from dbmux.backend.binlog.source import Source
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind
from dbmux.sync.replay import credentials
from dbmux.wire.binlog.changes import ChangeKind, changes, kind_of
from dbmux.wire.binlog.columns import LoggedType
from dbmux.wire.binlog.decoder import Decoder
from dbmux.wire.binlog.events import (
    Committed,
    Event,
    Heartbeat,
    Position,
    Rotated,
    RowsChanged,
    TableMap,
    XaCommitted,
    XaPrepared,
    XaRolledBack,
)
from dbmux.wire.binlog.layout import parse_layout
from dbmux.wire.binlog.plan import Plans
from dbmux.wire.binlog.rows import Row
from tests.real.mirroring import ACCOUNT, backend
from tests.real.writing import CASCADED, connect

_PACE = Pace(heartbeat=0.2, silence=60.0, answer=60.0)

Changed = Counter[tuple[str, ChangeKind]]
_NO_ELEMENT = 0


@dataclass
class Told:
    """Rows that were changed, and those that a mirror changes once more."""

    rows: Changed = field(default_factory=Changed)
    once_more: Changed = field(default_factory=Changed)

    def add(self, other: Told) -> None:
        """The other one's as well."""
        self.rows += other.rows
        self.once_more += other.once_more


def transactions(node: Node) -> int:
    """How many the server says that it has logged in its life."""
    with closing(connect(node)) as connection, connection.cursor() as cursor:
        if node.software.kind is Kind.MARIADB:
            cursor.execute("SELECT @@gtid_binlog_pos")
            return int(str(cursor.fetchone()[0] or "0-0-0").rsplit("-", 1)[1])
        cursor.execute("SELECT @@gtid_executed")
        intervals = [part for group in cursor.fetchone()[0].split(",") for part in group.strip().split(":")[1:]]
        ends = [interval.partition("-") for interval in intervals]
        return sum(int(last or first) - int(first) + 1 for first, _, last in ends)


def end_of_log(node: Node) -> Position:
    """Where the log of a server that nobody writes to ends."""

    async def ask() -> Position:
        with closing(await _source(node)) as source:
            return await source.place_to_begin()

    return uvloop.run(ask())


def changed_rows(node: Node, start: Position, schema: str) -> Told:
    """What was committed in a schema since then, of a server that nobody writes to now."""

    async def read() -> Told:
        with closing(await _source(node)) as source:
            end = await source.place_to_begin()
            conversation = await source.dump(start, Random())
        decoder, book = Decoder(), _Book(schema)
        with closing(conversation.channel):
            while True:
                message = await conversation.next()
                assert isinstance(message, bytes), message
                for event in decoder.decode(message):
                    book.note(event)
                    if isinstance(event, Committed | Heartbeat | Rotated) and is_up_to(end, event.position):
                        return book.changed

    return uvloop.run(read())


async def _source(node: Node) -> Source:
    return await Source.connect(backend(node), credentials(ACCOUNT), _PACE)


class _Book:
    """Counts what is committed."""

    def __init__(self, schema: str) -> None:
        # But for rows that foreign keys change, which not every server logs.
        self.changed = Told()
        self._schema = schema
        self._plans = Plans()
        self._open = Told()
        self._prepared: dict[str, Told] = {}

    def note(self, event: Event) -> None:
        match event:
            case RowsChanged(table=table) if table.schema == self._schema and table.table not in CASCADED:
                enums = _enums(table)
                for before, after in changes(event, self._plans.of(table)):
                    self._open.rows[table.table, kind_of(event)] += 1
                    if after is not None and _takes_two_steps(before, after, enums):
                        self._open.once_more[table.table, ChangeKind.UPDATE] += 1
            case XaPrepared(xid=xid):
                self._prepared[xid], self._open = self._open, Told()
            case XaCommitted(xid=xid):
                self._open.add(self._prepared.pop(xid, Told()))
            case XaRolledBack(xid=xid):
                self._prepared.pop(xid, None)
            case Committed():
                self.changed.add(self._open)
                self._open = Told()
            case _:
                pass


def _enums(table: TableMap) -> list[int]:
    columns = parse_layout(table.columns, table.family).columns
    return [place for place, column in enumerate(columns) if column.type is LoggedType.ENUM]


def _takes_two_steps(before: Row | None, after: Row, enums: list[int]) -> bool:
    odd = [place for place in enums if after[place] == _NO_ELEMENT and (before is None or before[place] != _NO_ELEMENT)]
    if not odd or before is None:
        return bool(odd)
    return any(repr(before[place]) != repr(after[place]) for place in range(len(after)) if place not in odd)
