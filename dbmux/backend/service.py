"""Statements of DbMux's own on one connection of the service account, one after the other, however long their answers.

A backend and an account come in; rows as text go out, one at a time and no faster than they are taken. What breaks in
the middle is raised: a stream that ended early is never taken for one that is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from dbmux.backend.opening import open_own
from dbmux.backend.server import Backend
from dbmux.config.model import Account
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.wire.client import ClientProtocol, ColumnCount, Row, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok
from dbmux.wire.rows import TextRow, parse_text_row
from dbmux.wire.statements import Prepared

OPEN_S = 30.0
# A server that says nothing for so long is gone: a statement over a large table may take long to its first row.
SILENCE_S = 3600.0


class Service:
    """The connection; `is_mariadb` tells of which family its server is."""

    def __init__(self, backend: Backend, conversation: Conversation[ServerMessage], silence_s: float) -> None:
        self.name = backend.name
        self.is_mariadb = backend.is_mariadb
        self.version = backend.version
        self._conversation = conversation
        self._silence_s = silence_s

    @classmethod
    async def connect(cls, backend: Backend, account: Account, silence_s: float = SILENCE_S) -> Service:
        """Log in; raises MySQLError, BackendRefused or TimeoutError."""
        async with asyncio.timeout(OPEN_S):
            connection = await open_own(backend, account)
        protocol = ClientProtocol.logged_in(connection.greeting, connection.capabilities)
        conversation: Conversation[ServerMessage] = Conversation(connection.channel, protocol)
        connection.channel.owner = conversation
        return cls(backend, conversation, silence_s)

    async def rows(self, sql: bytes) -> AsyncGenerator[TextRow, None]:
        """Run a statement and give its rows as they come; raises BackendRefused or MySQLError. Left early, it closes
        the connection."""
        protocol = self._protocol
        if not protocol.is_reply_whole:
            raise MySQLError(ErrorCode.LOST_IN_REPLY, f"the connection to {self.name} was given up; connect again")
        self._conversation.send(protocol.query(sql))
        columns = 0
        try:
            while not protocol.is_reply_whole:
                match await self._next():
                    case Err() as err:
                        raise BackendRefused(err.number, err.sqlstate, err.message)
                    case ColumnCount(columns):
                        continue
                    case Row(payload):
                        yield _short_row(payload, columns) or parse_text_row(payload, columns)
        finally:
            if not protocol.is_reply_whole:
                self._conversation.channel.abort()

    async def ask(self, sql: bytes) -> list[TextRow]:
        """The same, all rows at once: for short answers."""
        async with aclosing(self.rows(sql)) as rows:
            return [row async for row in rows]

    async def do(self, sql: bytes) -> int:
        """Run a statement without rows; returns how many it changed."""
        protocol = self._protocol
        self._conversation.send(protocol.query(sql))
        changed = 0
        while not protocol.is_reply_whole:
            match await self._next():
                case Err() as err:
                    raise BackendRefused(err.number, err.sqlstate, err.message)
                case Ok(affected_rows=changed):
                    continue
        return changed

    async def prepare(self, sql: bytes) -> None:
        """Have the server read a statement without running it; raises BackendRefused with what it says about it."""
        protocol = self._protocol
        self._conversation.send(protocol.command(Command.STMT_PREPARE, sql))
        statement: int | None = None
        while not protocol.is_reply_whole:
            match await self._next():
                case Err() as err:
                    raise BackendRefused(err.number, err.sqlstate, err.message)
                case Prepared(statement=statement):
                    continue
        if statement is not None:
            self._conversation.send(protocol.command(Command.STMT_CLOSE, statement.to_bytes(4, "little")))

    def close(self) -> None:
        """End it: politely, unless an answer is still under way."""
        protocol = self._protocol
        if self.is_open:
            self._conversation.send(protocol.command(Command.QUIT))
        self._conversation.channel.close()

    @property
    def is_open(self) -> bool:
        """Whether another statement can be run."""
        return self._protocol.is_reply_whole and not self._conversation.is_gone

    @property
    def _protocol(self) -> ClientProtocol:
        protocol = self._conversation.protocol
        assert isinstance(protocol, ClientProtocol)
        return protocol

    async def _next(self) -> ServerMessage:
        # One that is there already needs no clock, which would take as long as reading it.
        message = self._protocol.next()
        if message is not None:
            return message
        try:
            async with asyncio.timeout(self._silence_s):
                return await self._conversation.next()
        except ConnectionClosed as error:
            raise MySQLError(
                ErrorCode.LOST_IN_REPLY, f"{self.name} closed the connection in the middle of an answer"
            ) from error
        except TimeoutError as error:
            self._conversation.channel.abort()
            raise MySQLError(
                ErrorCode.LOST_IN_REPLY, f"{self.name} said nothing for {self._silence_s:g} s, and was given up"
            ) from error


def _short_row(payload: bytes, columns: int) -> TextRow | None:
    # A row whose values are all short, at a quarter of the time; None for any other.
    values: list[bytes | None] = []
    at, end = 0, len(payload)
    while at < end:
        length = payload[at]
        at += 1
        if length < 251:
            values.append(payload[at : at + length])
            at += length
        elif length == 251:
            values.append(None)
        else:
            return None
    return tuple(values) if at == end and len(values) == columns else None
