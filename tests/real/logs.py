"""What a server's binary log tells of a schema: how many rows of each table were changed there, and how."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from random import Random

import uvloop

from dbmux.backend.binlog.listener import Pace
from dbmux.backend.binlog.settling import is_up_to
from dbmux.backend.binlog.source import Source
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind
from dbmux.sync.replay import credentials
from dbmux.wire.binlog.changes import ChangeKind, changes, kind_of
from dbmux.wire.binlog.decoder import Decoder
from dbmux.wire.binlog.events import (
    Committed,
    Event,
    Heartbeat,
    Position,
    Rotated,
    RowsChanged,
    XaCommitted,
    XaPrepared,
    XaRolledBack,
)
from dbmux.wire.binlog.plan import Plans
from tests.real.mirroring import ACCOUNT, backend
from tests.real.writing import CASCADED, connect

_PACE = Pace(heartbeat=0.2, silence=60.0, answer=60.0)

Changed = Counter[tuple[str, ChangeKind]]


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


def changed_rows(node: Node, start: Position, schema: str) -> Changed:
    """What was committed in a schema since then, of a server that nobody writes to now."""

    async def read() -> Changed:
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
        self.changed = Changed()
        self._schema = schema
        self._plans = Plans()
        self._open = Changed()
        self._prepared: dict[str, Changed] = {}

    def note(self, event: Event) -> None:
        match event:
            case RowsChanged(table=table) if table.schema == self._schema and table.table not in CASCADED:
                count = sum(1 for _ in changes(event, self._plans.of(table)))
                self._open[table.table, kind_of(event)] += count
            case XaPrepared(xid=xid):
                self._prepared[xid], self._open = self._open, Changed()
            case XaCommitted(xid=xid):
                self._open += self._prepared.pop(xid, Changed())
            case XaRolledBack(xid=xid):
                self._prepared.pop(xid, None)
            case Committed():
                self.changed += self._open
                self._open = Changed()
            case _:
                pass
