"""One connection on which a server sends its binary log.

Its events come in; a listener is told what they say, and what is seen by everybody only later a second time. A
transaction that is prepared for a commit in two phases is told again when that comes, perhaps from somebody else.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from time import perf_counter
from typing import NoReturn

from dbmux.backend.binlog.listener import Listener
from dbmux.backend.binlog.log import Log
from dbmux.backend.binlog.progress import Progress
from dbmux.backend.binlog.settling import Seen, Settling, Write
from dbmux.sql.modes import logged_lexer_flags
from dbmux.wire.binlog.charsets import text_in_utf8
from dbmux.wire.binlog.events import (
    Committed,
    Event,
    FormatDescribed,
    Heartbeat,
    Position,
    Rotated,
    Statement,
    TableMap,
    TransactionBegan,
    XaBegan,
    XaCommitted,
    XaPrepared,
    XaRolledBack,
)

# So many events are read before others have their turn.
EVENTS_A_TURN = 200
# Transactions that were prepared and not yet committed, whose writes are kept.
PREPARED_LIMIT = 10_000

# The parts of a transaction that write nothing, as servers log them.
_WRITES_NOTHING = re.compile(rb"(?:XA START|XA END|SAVEPOINT|ROLLBACK TO) ")


class Stream:
    """What one connection is sent of a server's log, and how far that is."""

    def __init__(self, log: Log, listener: Listener) -> None:
        self.settling = Settling()
        # Something is pending there.
        self.noted = asyncio.Event()
        self.has_begun = False
        # By time.perf_counter, once it is told.
        self._begun_at = perf_counter()
        self._log = log
        self._listener = listener
        # The open transaction.
        self._gtid = ""
        self._xid = ""
        self._writes: dict[Write, None] = {}
        self._prepared: dict[str, tuple[Write, ...]] = {}
        self._progress = Progress(Position("", 0))

    @property
    def stood_s(self) -> float:
        """For how long it has been told."""
        return perf_counter() - self._begun_at

    @property
    def delay_s(self) -> float:
        """How far what was told is behind the server, at most: the time of the question is in it."""
        return self._progress.delay_s

    async def read(self) -> NoReturn:
        """Tell what comes; raises Broken when nothing does any more."""
        with self._log.understood():
            await self._read()

    async def _read(self) -> NoReturn:
        since_turn = 0
        while True:
            events: Iterable[Event] | None = await self._log.next()
            while events is not None:
                for event in events:
                    self._take(event)
                    since_turn += 1
                since_turn += 1
                if since_turn >= EVENTS_A_TURN:
                    since_turn = 0
                    await asyncio.sleep(0)
                events = self._log.ready()

    def _take(self, event: Event) -> None:
        match event:
            case TableMap(schema=schema, table=table):
                self._write((schema, table))
            case Statement(text=text):
                if not _WRITES_NOTHING.match(text):
                    self._write(event)
            case TransactionBegan(gtid=gtid):
                self._gtid, self._xid, self._writes = gtid, "", {}
            case XaBegan(xid=xid):
                self._xid = xid
            case Committed(position=position):
                self._commit(position)
            case Heartbeat(position=position) | Rotated(position=position):
                self._progress.reach(position)
            case FormatDescribed() if not self.has_begun:
                # Before it, the server may still find that it cannot send what it was asked for.
                self.has_begun, self._begun_at = True, perf_counter()
                self._listener.began()
            case XaPrepared(xid=xid):
                self._prepare(xid)
            case XaCommitted(xid=xid):
                self._commit_prepared(xid)
            case XaRolledBack(xid=xid):
                self._prepared.pop(xid, None)
            case _:
                pass

    def _write(self, write: Write) -> None:
        # All that a transaction wrote is seen at the same moment: once is enough.
        if write not in self._writes:
            self._writes[write] = None
            self._tell(write)

    def _commit(self, position: Position) -> None:
        if self._writes:
            self.settling.note(self._gtid, position, perf_counter(), self._writes)
            self.noted.set()
        self._gtid, self._writes = "", {}
        self._progress.reach(position)

    def _prepare(self, xid: str) -> None:
        # The writes are seen by nobody yet, and told once more when they are.
        self._prepared[xid] = tuple(self._writes)
        if len(self._prepared) > PREPARED_LIMIT:
            del self._prepared[next(iter(self._prepared))]

    def _commit_prepared(self, xid: str) -> None:
        if xid == self._xid:
            # In one phase, together with its writes.
            return
        if (writes := self._prepared.pop(xid, None)) is None:
            # It was prepared before anything was read.
            self._listener.began()
        else:
            for write in writes:
                self._write(write)

    def _tell(self, write: Write) -> None:
        if not isinstance(write, Statement):
            self._listener.touched(*write)
        elif (text := text_in_utf8(write)) is not None:
            self._listener.statement(write.schema, text, logged_lexer_flags(write.sql_mode))
        else:
            # It may have written to any table.
            self._listener.began()

    # How far it is.

    def compare(self, seen: Seen, asked_at: float) -> None:
        """The server was asked then and is so far; what is seen by now is told again."""
        self._progress.compare(seen.end, asked_at)
        for write in self.settling.settle(seen, perf_counter()):
            self._tell(write)
