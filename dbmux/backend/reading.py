"""Reading from one server for a person who looks: on a connection of its own, read-only, and bounded.

An account, the state of a session and bounds come in; results go out, with what the server says of their columns.
Arguments of prepared statements go as arguments. The connection is in no pool and ends with the reading; a server that
does not keep to the time is told to stop. Whether a statement is a read is not asked here: the server refuses others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import perf_counter

from dbmux.backend.connection import Connection
from dbmux.backend.opening import end, open_connection
from dbmux.backend.pool import Account, ShelfKey
from dbmux.backend.server import Backend
from dbmux.errors import BackendRefused, DbMuxError
from dbmux.net.conversation import Conversation
from dbmux.session import SessionState, assignments
from dbmux.wire.auth import Secret
from dbmux.wire.client import ClientProtocol, Definition, FileRequest, Row, ServerMessage
from dbmux.wire.columns import Column, parse_column
from dbmux.wire.commands import Command
from dbmux.wire.handshake import UTF8MB4
from dbmux.wire.replies import Eof, Err, Ok
from dbmux.wire.rows import Value, parse_binary_row, parse_text_row
from dbmux.wire.statements import Execute, Prepared, Query

# What a server that keeps to the time limit needs beyond it.
GRACE_S = 2.0
# After so many rows others have their turn: they take half a millisecond.
ROWS_A_TURN = 100
WARNINGS = b"SHOW WARNINGS LIMIT 20"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is read at most, and how long."""

    rows: int = 1000
    bytes: int = 4_000_000
    seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The account at the server with whose rights is read; the password never shows in a repr."""

    user: bytes
    password: Secret

    def __repr__(self) -> str:
        return f"Rights({self.user!r})"


@dataclass(frozen=True, slots=True)
class Statement:
    """A text, and of a prepared statement the execution, whose number is of no account."""

    text: bytes
    execution: Execute | None = None

    def explained(self, how: bytes) -> Statement:
        """The statement with some words before it."""
        return replace(self, text=how + b" " + self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Rows, as far as the bounds allow; `is_cut` tells that there were more, and then the warnings are not counted."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    is_cut: bool
    seconds: float
    warnings: int = 0
    affected_rows: int = 0


class TookTooLong(DbMuxError):
    """It did not end in time, and was stopped."""


class Cut(DbMuxError):
    """The statement before it was cut, and the connection can run no other."""


class Reading:
    """The connection, in a transaction that can only read."""

    def __init__(self, conversation: Conversation[ServerMessage], protocol: ClientProtocol, bounds: Bounds) -> None:
        self._conversation = conversation
        self._protocol = protocol
        self._bounds = bounds

    @property
    def is_whole(self) -> bool:
        """Whether the last statement was read to its end, so that another one can follow."""
        return self._protocol.is_reply_whole

    @property
    def is_gone(self) -> bool:
        """Whether the server closed the connection."""
        return self._conversation.is_gone

    async def run(self, statement: Statement) -> Result:
        """Run it; raises BackendRefused with the server's error."""
        if not self.is_whole:
            raise Cut("there was more than is read here; the statement after it was not run")
        if statement.execution is None:
            body = Query(text=statement.text).build(self._protocol.capabilities)
            return await self._read(Command.QUERY, body, lambda row, columns: parse_text_row(row, len(columns)))
        number = await self._prepare(statement.text)
        execution = replace(statement.execution, statement=number, flags=0)
        return await self._read(Command.STMT_EXECUTE, execution.build(self._protocol.capabilities), parse_binary_row)

    async def warnings(self) -> tuple[tuple[Value, ...], ...]:
        """Level, number and text of what the server has to say of the last statement; nothing of one that was cut."""
        return (await self.run(Statement(WARNINGS))).rows if self.is_whole else ()

    async def do(self, command: Command, body: bytes) -> None:
        """Run what has no rows; raises BackendRefused."""
        await self._read(command, body, lambda row, columns: ())

    async def _prepare(self, text: bytes) -> int:
        protocol, conversation = self._protocol, self._conversation
        conversation.send(protocol.command(Command.STMT_PREPARE, text))
        number = 0
        while not protocol.is_reply_whole:
            match await conversation.next():
                case Err() as err:
                    raise BackendRefused(err.number, err.sqlstate, err.message)
                case Prepared() as prepared:
                    number = prepared.statement
        return number

    async def _read(
        self, command: Command, body: bytes, parse: Callable[[bytes, list[Column]], tuple[Value, ...]]
    ) -> Result:
        protocol, bounds, begun = self._protocol, self._bounds, perf_counter()
        self._conversation.send(protocol.command(command, body))
        columns: list[Column] = []
        rows: list[tuple[Value, ...]] = []
        taken = warnings = affected = 0
        is_cut = False
        while not protocol.is_reply_whole and not is_cut:
            match await self._conversation.next():
                case Err() as err:
                    raise BackendRefused(err.number, err.sqlstate, err.message)
                case FileRequest():
                    raise BackendRefused(0, b"HY000", b"the statement asks for a file of the client's")
                case Ok() as ok:
                    warnings, affected = ok.warnings, ok.affected_rows
                case Eof() as eof:
                    warnings = eof.warnings
                case Definition(payload):
                    columns.append(parse_column(payload, protocol.capabilities))
                case Row(payload):
                    taken += len(payload)
                    is_cut = len(rows) >= bounds.rows or taken > bounds.bytes
                    if not is_cut:
                        rows.append(parse(payload, columns))
                        if len(rows) % ROWS_A_TURN == 0:
                            await asyncio.sleep(0)
        return Result(
            columns=tuple(columns),
            rows=tuple(rows),
            is_cut=is_cut,
            seconds=perf_counter() - begun,
            warnings=warnings,
            affected_rows=affected,
        )


@asynccontextmanager
async def reading(
    backend: Backend, rights: Rights, state: SessionState, bounds: Bounds = Bounds()
) -> AsyncIterator[Reading]:
    """A connection in the session's schema and settings; raises MySQLError, BackendRefused and TookTooLong."""
    key, account = ShelfKey(rights.user, 0, has_schema=False), Account(rights.password, UTF8MB4)
    connection = await open_connection(backend, key, account)
    protocol = ClientProtocol.logged_in(connection.greeting, connection.capabilities)
    conversation: Conversation[ServerMessage] = Conversation(connection.channel, protocol)
    connection.channel.owner = conversation
    reader = Reading(conversation, protocol, bounds)
    try:
        async with asyncio.timeout(bounds.seconds + GRACE_S):
            await _prepare_connection(reader, backend, connection, state, bounds)
            yield reader
    except TimeoutError as error:
        connection.abort()
        await end(backend, key, account, connection.id)
        raise TookTooLong(f"{backend.name} did not answer in {bounds.seconds:g} s, and was told to stop") from error
    finally:
        if reader.is_whole:
            connection.quit()
        else:
            connection.abort()


async def _prepare_connection(
    reader: Reading, backend: Backend, connection: Connection, state: SessionState, bounds: Bounds
) -> None:
    if state.schema:
        await reader.do(Command.INIT_DB, state.schema)
    for sql in assignments(connection.state, _told_in_utf8(state, connection.state), backend.spelling):
        await reader.do(Command.QUERY, sql)
    # Manual pages "Server System Variables" of both: MySQL counts milliseconds, MariaDB seconds.
    limit = b"max_statement_time=%.3f" % bounds.seconds
    if not connection.greeting.is_mariadb:
        limit = b"max_execution_time=%d" % int(bounds.seconds * 1000)
    await reader.do(Command.QUERY, b"SET SESSION " + limit)
    await reader.do(Command.QUERY, b"START TRANSACTION READ ONLY")


def _told_in_utf8(state: SessionState, fresh: SessionState) -> SessionState:
    if state.names is None or state.names == fresh.names:
        return state
    return replace(state, names=state.names.renamed("character_set_results", b"'utf8mb4'"))
