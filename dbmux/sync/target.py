"""The server that changes are applied to: one connection, on which statements run in batches.

Statements come in with the number of rows that each must find; nothing goes out but what went wrong. All that a batch
did is undone with its transaction when its connection ends before `commit`. Source: manual pages "COM_QUERY",
"Server SQL Modes".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from dbmux.backend.inquiry import ask
from dbmux.backend.login import Credentials, log_in
from dbmux.backend.opening import MAX_PACKET
from dbmux.backend.server import Backend, Wish
from dbmux.config.model import Account
from dbmux.errors import BackendRefused, DbMuxError, ErrorCode, ProtocolError
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.wire import packet
from dbmux.wire.capabilities import NEEDED, Capability
from dbmux.wire.client import ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.handshake import UTF8MB4
from dbmux.wire.outcomes import Outcomes
from dbmux.wire.replies import Err
from dbmux.wire.rows import TextRow

# A statement that may find any number of rows.
ANY = -1
# Matched rows are counted, changed or not.
_WANTED = NEEDED | Capability.LONG_PASSWORD | Capability.FOUND_ROWS | Capability.MULTI_STATEMENTS
# Of a statement that went wrong so many bytes are shown.
SHOWN = 300
# So long for one batch: a server that does nothing for longer is taken for dead.
ANSWER_S = 60.0
# Every statement is answered by itself, and to be woken for each costs more than all else that is done for it. Where
# so many are left, what they take at least is waited for first.
MANY, QUICKEST_S, LONGEST_PAUSE_S = 20, 20e-6, 0.002

# Values are written as they were on the source, whatever this server would allow to its clients; but none is bent to
# what the column can hold.
_MODE = "NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES,ALLOW_INVALID_DATES"
STRICT_MODE = f"STRICT_ALL_TABLES,{_MODE}"
_SETTINGS = (
    "SET NAMES utf8mb4,"
    f" SESSION sql_mode = '{STRICT_MODE}',"
    " SESSION time_zone = '+00:00', SESSION autocommit = 0, SESSION foreign_key_checks = {keys},"
    " SESSION unique_checks = 1, SESSION lock_wait_timeout = 30, SESSION innodb_lock_wait_timeout = 30,"
    " SESSION {isolation} = 'READ-COMMITTED'"
)


class Change(NamedTuple):
    """A statement that changes the target, and how many rows it must find."""

    sql: bytes
    rows: int = ANY


STRICT = Change(f"SET SESSION sql_mode = '{STRICT_MODE}'".encode())
# For what strictness refuses though it was there: no element of an ENUM.
LENIENT = Change(f"SET SESSION sql_mode = '{_MODE}'".encode())
# For rows that were changed by a session that did not check foreign keys.
UNCHECKED, CHECKED = Change(b"SET SESSION foreign_key_checks = 0"), Change(b"SET SESSION foreign_key_checks = 1")
# What runs from now on is a transaction each, and commits what was before; or one with all that follows.
EACH_ALONE = Change(b"SET SESSION autocommit = 1")
TOGETHER = Change(b"SET SESSION autocommit = 0")


class Gone(DbMuxError):
    """Nothing comes from the target any more; what was not committed is undone there."""


class Disagrees(DbMuxError):
    """The target is not what it must be: a change found no row, or more than one. Nothing mends that by itself."""


class Target:
    """An open connection; `close` ends it, and what was not committed is undone."""

    def __init__(self, backend: Backend, conversation: Conversation[ServerMessage]) -> None:
        self.backend = backend
        self._conversation = conversation
        # Whether foreign keys are checked, and cascade, where nothing else is said.
        self.checks_keys = False
        # The longest statement that the server takes.
        self.max_statement = 0

    @classmethod
    async def connect(cls, backend: Backend, account: Account, *, checks_keys: bool) -> Target:
        """Log in and prepare; `checks_keys` has foreign keys cascade there. Raises DbMuxError."""
        wish = Wish(capabilities=_WANTED, charset=UTF8MB4, max_packet=MAX_PACKET)
        async with asyncio.timeout(ANSWER_S):
            conversation = await backend.reach(wish)
            target = cls(backend, conversation)
            try:
                who = Credentials(user=account.user.encode(), password=account.password.encode())
                await log_in(backend, conversation, wish, who)
                isolation = backend.spelling.get("transaction_isolation", "transaction_isolation")
                await target.ask(_SETTINGS.format(keys=int(checks_keys), isolation=isolation).encode())
                ((longest,),) = await target.ask(b"SELECT @@max_allowed_packet")
            except BaseException:
                target.close()
                raise
        target.checks_keys, target.max_statement = checks_keys, int(longest or b"0")
        return target

    def close(self) -> None:
        """End the connection."""
        self._conversation.channel.abort()

    async def ask(self, sql: bytes) -> list[TextRow]:
        """Run one statement whose rows are few; raises BackendRefused, Gone."""
        with self._understood():
            async with asyncio.timeout(ANSWER_S):
                return await ask(self._conversation, sql)

    async def run(self, changes: Sequence[Change], seconds: float = ANSWER_S) -> None:
        """Run all of them in their order; raises Disagrees at the first that finds other rows than it must, or
        BackendRefused, or Gone."""
        if changes:
            with self._understood():
                await self._run(changes, seconds)

    async def _run(self, changes: Sequence[Change], seconds: float) -> None:
        if self._conversation.is_gone:
            raise ConnectionClosed("the connection was closed")
        command = bytes((Command.QUERY,)) + b";".join([change.sql for change in changes])
        outcomes = Outcomes(1 + len(command) // packet.MAX_PAYLOAD)
        conversation: Conversation[int | Err] = Conversation(self._conversation.channel, outcomes)
        self._conversation.channel.owner = conversation
        try:
            conversation.send(packet.encode(command, 0))
            async with asyncio.timeout(seconds):
                await _agree(changes, conversation)
            if not outcomes.is_whole:
                raise ProtocolError(
                    ErrorCode.MALFORMED_REPLY, "the server answered to more statements than it was sent"
                )
        finally:
            self._conversation.channel.owner = self._conversation
            if conversation.is_gone:
                # Only the owner was told.
                self._conversation.closed(None)

    @contextmanager
    def _understood(self) -> Iterator[None]:
        # Nobody is to take what is wrong here for something at the source.
        name = self.backend.name
        try:
            yield
        except TimeoutError:
            raise Gone(f"{name} did not answer in time") from None
        except ConnectionClosed as error:
            raise Gone(f"{name} closed the connection: {error}") from error
        except ProtocolError as error:
            raise Gone(f"what {name} answers cannot be read: {error}") from error

    async def commit(self) -> None:
        """Everybody sees it from now on."""
        await self.run((Change(b"COMMIT"),))


async def _agree(changes: Sequence[Change], conversation: Conversation[int | Err]) -> None:
    for left, change in zip(range(len(changes), 0, -1), changes, strict=True):
        # Mostly it is there already.
        found = conversation.protocol.next()
        if found is None:
            if left > MANY and not conversation.is_gone:
                conversation.channel.pause()
                await asyncio.sleep(min(left * QUICKEST_S, LONGEST_PAUSE_S))
            found = await conversation.next()
        if isinstance(found, Err):
            shown = change.sql[:SHOWN]
            raise BackendRefused(found.number, found.sqlstate, b"%b, in: %b" % (found.message, shown))
        if change.rows not in (ANY, found):
            told = change.sql[:SHOWN].decode(errors="replace")
            raise Disagrees(f"{found} rows instead of {change.rows} were found by: {told}")
