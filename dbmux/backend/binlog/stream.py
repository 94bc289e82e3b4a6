"""One connection on which a server sends its binary log.

Its events come in; a listener is told what they say, and what is seen by everybody only later a second time. A
transaction that is prepared for a commit in two phases is told again when that comes, perhaps from somebody else.
"""

from __future__ import annotations

import asyncio
import re
from time import perf_counter
from typing import NoReturn

from dbmux.backend.binlog.listener import Broken, Cause, Listener, Pace
from dbmux.backend.binlog.progress import Progress
from dbmux.backend.binlog.settling import Seen, Settling, Write
from dbmux.errors import ProtocolError
from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.wire.binlog.charsets import text_in_utf8
from dbmux.wire.binlog.decoder import Decoder
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
    XaCommitted,
    XaPrepared,
    XaRolledBack,
)
from dbmux.wire.replies import Eof, Err

# So many events are read before others have their turn.
EVENTS_A_TURN = 200
# Transactions that were prepared and not yet committed, whose writes are kept.
PREPARED_LIMIT = 10_000

# The bits of a logged sql_mode that change where a token ends.
_MODE_ANSI_QUOTES, _MODE_NO_BACKSLASH_ESCAPES = 1 << 2, 1 << 20
# The parts of a transaction that write nothing, as servers log them.
_WRITES_NOTHING = re.compile(rb"(?:XA START|XA END|SAVEPOINT|ROLLBACK TO) ")


class Stream:
    """What one connection is sent of a server's log, and how far that is."""

    def __init__(
        self, name: str, conversation: Conversation[bytes | Err | Eof], listener: Listener, pace: Pace
    ) -> None:
        self.settling = Settling()
        # Something is pending there.
        self.noted = asyncio.Event()
        self.has_begun = False
        # By time.perf_counter: since when it is told, and when the server's last word came.
        self._begun_at = self._heard_at = perf_counter()
        self._name = name
        self._conversation = conversation
        self._listener = listener
        self._pace = pace
        self._decoder = Decoder()
        # The open transaction.
        self._gtid = ""
        self._writes: dict[Write, None] = {}
        self._prepared: dict[str, tuple[Write, ...]] = {}
        self._progress = Progress(Position("", 0))

    @property
    def stood_s(self) -> float:
        """Since when it is told."""
        return perf_counter() - self._begun_at

    @property
    def silent_s(self) -> float:
        """How long ago the server's last word came, a heartbeat at least."""
        return perf_counter() - self._heard_at

    @property
    def delay_s(self) -> float:
        """How far what was told is behind the server, at most: the time of the question is in it."""
        return self._progress.delay_s

    async def read(self) -> NoReturn:
        """Tell what comes; raises Broken when nothing does any more."""
        try:
            await self._read()
        except TimeoutError:
            raise Broken(
                Cause.SILENT, f"{self._name} has not sent even a heartbeat of its binary log in time"
            ) from None
        except ConnectionClosed as error:
            raise Broken(Cause.ENDED, f"{self._name} ended the sending of its binary log: {error}") from error
        except ProtocolError as error:
            raise Broken(Cause.UNREADABLE, f"the binary log of {self._name} cannot be read: {error}") from error

    async def _read(self) -> NoReturn:
        since_turn = 0
        while True:
            async with asyncio.timeout(self._pace.silence):
                message: bytes | Err | Eof | None = await self._conversation.next()
            self._heard_at = perf_counter()
            while message is not None:
                for event in self._decoder.decode(self._event(message)):
                    self._take(event)
                    since_turn += 1
                since_turn += 1
                if since_turn >= EVENTS_A_TURN:
                    since_turn = 0
                    await asyncio.sleep(0)
                message = self._conversation.protocol.next()

    def _event(self, message: bytes | Err | Eof) -> bytes:
        match message:
            case bytes():
                return message
            case Err() as err:
                told = err.message.decode(errors="replace")
                raise Broken(Cause.ENDED, f"{self._name} does not send its binary log: {err.number} ({told})")
            case Eof():
                raise Broken(Cause.ENDED, f"{self._name} ended the sending of its binary log")

    def _take(self, event: Event) -> None:
        match event:
            case TableMap(schema=schema, table=table):
                self._write((schema, table))
            case Statement(text=text):
                if not _WRITES_NOTHING.match(text):
                    self._write(event)
            case TransactionBegan(gtid=gtid):
                self._gtid, self._writes = gtid, {}
            case Committed(position=position):
                self._commit(position)
            case Heartbeat(position=position) | Rotated(position=position):
                self._progress.reach(position)
            case FormatDescribed() if not self.has_begun:
                # Before it, the server may still find that it cannot send what it was asked for.
                self.has_begun, self._begun_at = True, perf_counter()
                self._listener.began()
            case XaPrepared(xid=xid):
                # They are seen by nobody yet, and told once more when they are.
                self._prepared[xid] = tuple(self._writes)
                if len(self._prepared) > PREPARED_LIMIT:
                    del self._prepared[next(iter(self._prepared))]
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

    def _commit_prepared(self, xid: str) -> None:
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
            self._listener.statement(write.schema, text, _lexer_flags(write.sql_mode))
        else:
            # It may have written to any table.
            self._listener.began()

    # How far it is.

    def compare(self, seen: Seen, asked_at: float) -> None:
        """The server was asked then and is so far; what is seen by now is told again."""
        self._progress.compare(seen.end, asked_at)
        for write in self.settling.settle(seen, perf_counter()):
            self._tell(write)


def _lexer_flags(sql_mode: int) -> int:
    quotes = ANSI_QUOTES if sql_mode & _MODE_ANSI_QUOTES else 0
    return quotes | (NO_BACKSLASH_ESCAPES if sql_mode & _MODE_NO_BACKSLASH_ESCAPES else 0)
