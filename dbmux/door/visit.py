"""A client that came in by the SQL door: its commands in, answers out, until it leaves.

Owns the client's channel from the end of the login on. One command at a time, and none while the client does not read
what it was told. Answers what the desk says; never sees a server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from dbmux.door import encoding
from dbmux.door.database import PIECE_S, Result, Value, no_such_table
from dbmux.door.desk import Desk, Visitor
from dbmux.door.phrases import known_schema
from dbmux.door.prepared import Preparations
from dbmux.door.table import SCHEMA
from dbmux.errors import ErrorCode, MySQLError, ProtocolError
from dbmux.net.channel import Channel
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.version import VERSION, process_age_s
from dbmux.wire.buffer import lenenc
from dbmux.wire.capabilities import Capability
from dbmux.wire.columns import Column
from dbmux.wire.commands import Command
from dbmux.wire.replies import Eof, Ok, Status, err_from
from dbmux.wire.server import ClientMessage, CommandReceived, ServerProtocol
from dbmux.wire.statements import Prepared, parse_long_data, parse_query, parse_statement

# Clients escape strings by it, and SQLite knows no backslash.
STATUS = Status.AUTOCOMMIT | Status.NO_BACKSLASH_ESCAPES


class Host(Protocol):
    """Whose client it is."""

    def begin_answer(self) -> None:
        """A command came, and is being answered."""

    def end_answer(self) -> None:
        """It was answered whole."""


class Visit(Conversation[ClientMessage]):
    """One client of the door. `serve` returns when it says goodbye, and raises when it leaves without."""

    __slots__ = ("_answers", "_desk", "_host", "_is_free", "_preparations", "_server", "_visitor")

    def __init__(self, channel: Channel, protocol: ServerProtocol, desk: Desk, visitor: Visitor, host: Host) -> None:
        super().__init__(channel, protocol)
        self._server = protocol
        self._desk = desk
        self._visitor = visitor
        self._host = host
        self._preparations = Preparations(protocol.capabilities)
        self._is_free = asyncio.Event()
        self._is_free.set()
        self._answers: Mapping[int, Callable[[bytes], object]] = {
            Command.PING: lambda _: self._done(),
            Command.INIT_DB: self._choose,
            Command.FIELD_LIST: self._list_fields,
            Command.STATISTICS: lambda _: self.send(self._server.send(_statistics())),
            Command.RESET_CONNECTION: lambda _: self._reset(),
            Command.STMT_CLOSE: lambda body: self._preparations.close(parse_statement(body)),
            Command.STMT_SEND_LONG_DATA: lambda body: self._preparations.add(parse_long_data(body)),
            Command.STMT_RESET: self._reset_statement,
        }

    async def serve(self) -> None:
        """Answer commands; raises ConnectionClosed, or ProtocolError for what is no command."""
        while True:
            await self._is_free.wait()
            message = await self.next()
            assert isinstance(message, CommandReceived)
            if message.command == Command.QUIT:
                return
            self._host.begin_answer()
            try:
                await self._answer(message)
            except ProtocolError:
                raise
            except MySQLError as error:
                self._check()
                self.send(self._server.send_err(err_from(error)))
            self._host.end_answer()

    def congested(self) -> None:
        """The client reads slowly: it is told no more for now."""
        self._is_free.clear()

    def writable(self) -> None:
        """It has caught up."""
        self._is_free.set()

    def closed(self, error: Exception | None) -> None:
        """The channel says: it is gone."""
        super().closed(error)
        self._is_free.set()

    async def _answer(self, message: CommandReceived) -> None:
        command, body = message.command, message.body
        match command:
            case Command.QUERY:
                text = parse_query(body, self._server.capabilities).text
                await self._tell(await self._desk.ask(text, self._visitor), _as_text)
            case Command.STMT_PREPARE:
                await self._prepare(body)
            case Command.STMT_EXECUTE:
                text, values = self._preparations.execution(body)
                await self._tell(await self._desk.ask(text, self._visitor, values), encoding.binary_row)
            case _ if answer := self._answers.get(command):
                answer(body)
            case _:
                told = f"schema {SCHEMA} has no use for command 0x{command:02x}"
                raise MySQLError(ErrorCode.UNKNOWN_COMMAND, f"{told}; log in as another user for the servers' own")

    def _done(self) -> None:
        self.send(self._server.send_ok(Ok(status=STATUS)))

    def _choose(self, body: bytes) -> None:
        self._visitor.schema = known_schema(body.decode("utf-8", "replace"))
        self._done()

    def _reset(self) -> None:
        self._visitor.schema = SCHEMA
        self._preparations.forget()
        self._done()

    def _reset_statement(self, body: bytes) -> None:
        self._preparations.reset(parse_statement(body))
        self._done()

    def _list_fields(self, body: bytes) -> None:
        name = body.partition(b"\0")[0].decode("utf-8", "replace")
        source = self._desk.tables.get(name)
        if source is None:
            raise no_such_table(name)
        self._define(encoding.fields_of(source.table))
        self._close_rows()

    async def _prepare(self, text: bytes) -> None:
        # What columns it has shows when it is run: nothing of it stays.
        number, parameters = self._preparations.prepare(text)
        try:
            result = await self._desk.ask(text, self._visitor, [None] * parameters)
        except MySQLError:
            self._preparations.close(number)
            raise
        self._check()
        columns = encoding.columns_of(result) if result is not None else []
        self.send(self._server.send(Prepared(number, len(columns), parameters).build()))
        for definitions in ([encoding.parameter()] * parameters, columns):
            if definitions:
                self._define(definitions)
                self._end_definitions()

    async def _tell(self, result: Result | None, build: Callable[[Iterable[Value], list[Column]], bytes]) -> None:
        self._check()
        if result is None:
            self._done()
            return
        columns = encoding.columns_of(result)
        self.send(self._server.send(lenenc(len(columns))))
        self._define(columns)
        self._end_definitions()
        begun, parts = time.perf_counter(), bytearray()
        for row in result.rows:
            parts += self._server.send(build(row, columns))
            if time.perf_counter() - begun > PIECE_S:
                self.send(bytes(parts))
                parts.clear()
                await asyncio.sleep(0)
                self._check()
                begun = time.perf_counter()
        self.send(bytes(parts))
        self._close_rows()

    def _define(self, columns: Iterable[Column]) -> None:
        capabilities = self._server.capabilities
        self.send(b"".join(self._server.send(column.build(capabilities)) for column in columns))

    def _end_definitions(self) -> None:
        if not self._server.capabilities & Capability.DEPRECATE_EOF:
            self.send(self._server.send(Eof(status=STATUS).build()))

    def _close_rows(self) -> None:
        if self._server.capabilities & Capability.DEPRECATE_EOF:
            self.send(self._server.send_ok(Ok(status=STATUS, header=0xFE)))
        else:
            self.send(self._server.send(Eof(status=STATUS).build()))

    def _check(self) -> None:
        # It may have been asked to leave while it waited.
        if self.is_gone or self.channel.transport.is_closing():
            raise ConnectionClosed("the connection was closed")


def _statistics() -> bytes:
    # Clients look for the first number and show the rest.
    return f"Uptime: {int(process_age_s())}  DbMux: {VERSION}".encode()


def _as_text(row: Iterable[Value], columns: list[Column]) -> bytes:
    return encoding.text_row(row)
