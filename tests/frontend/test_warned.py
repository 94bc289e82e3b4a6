"""What a session asks about its statement before, when the connection that ran it serves another session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dbmux.errors import ErrorCode
from dbmux.wire import packet
from dbmux.wire.capabilities import OFFERED, Capability
from dbmux.wire.client import Row, ServerMessage
from dbmux.wire.columns import Column, FieldType
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from dbmux.wire.statements import Prepared
from tests.fakes import (
    COLUMN,
    PASSWORD,
    PLAIN,
    FakeBackend,
    Running,
    TestClient,
    client,
    connect,
    row,
    run,
    running,
    select,
)

TRUNCATED = row(b"Warning", b"1292", b"Truncated")
NO_SUCH_CONDITION = row(b"Error", b"1758", b"Invalid condition number")
NO_HANDLER = row(b"Error", b"1645", b"RESIGNAL when handler not active")
NO_SCHEMA = row(b"Error", b"1049", b"Unknown database")
BAD_SYNTAX = row(b"Error", b"1064", b"You have an error")


class Warns(FakeBackend):
    """An INSERT has a warning; it, and what is refused, are all that SHOW WARNINGS tells."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer)
        self._warnings: list[bytes] = []

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.command == Command.STMT_PREPARE:
            return packet.encode(Prepared(statement=1, columns=0, parameters=0).build(), 1)
        match command.body:
            case b"SHOW WARNINGS":
                return protocol.send_rows([COLUMN] * 3, self._warnings, Status.AUTOCOMMIT)
            case b"SELECT @@max_error_count LIMIT 1":
                return protocol.send_rows([COLUMN], [row(b"64")], Status.AUTOCOMMIT)
            case b"INSERT INTO t VALUES ('x')":
                self._warnings = [TRUNCATED]
                return protocol.send_ok(Ok(affected_rows=1, warnings=1, status=Status.AUTOCOMMIT))
            case b"GET DIAGNOSTICS CONDITION 9 @a = MESSAGE_TEXT":
                self._warnings = [*self._warnings, NO_SUCH_CONDITION]
                return protocol.send_ok(Ok(warnings=1, status=Status.AUTOCOMMIT))
            case b"RESIGNAL":
                self._warnings = [*self._warnings, NO_HANDLER]
                return protocol.send_err(Err(number=1645, sqlstate=b"0K000", message=b"RESIGNAL"))
            case b"USE nowhere":
                self._warnings = [NO_SCHEMA]
                return protocol.send_err(Err(number=1049, sqlstate=b"42000", message=b"Unknown database"))
            case b"GET DIAGNOSTICS nonsense":
                self._warnings = [BAD_SYNTAX]
                return protocol.send_err(Err(number=1064, sqlstate=b"42000", message=b"You have an error"))
            case body if body.startswith(b"SET"):
                return protocol.send_ok(Ok(warnings=3, status=Status.AUTOCOMMIT))
        self._warnings = []
        return select(protocol, command)


@asynccontextmanager
async def warned() -> AsyncIterator[tuple[Running, TestClient]]:
    """A session whose INSERT had a warning, and whose connection another session has used since."""
    async with running(Warns(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
        one, two = await client(proxy.port), await client(proxy.port)
        await one.ask(Command.QUERY, b"INSERT INTO t VALUES ('x')")
        await two.ask(Command.QUERY, b"SELECT 2")
        yield proxy, one
        one.close()
        two.close()


def rows(reply: list[ServerMessage]) -> list[bytes]:
    return [message.payload for message in reply if isinstance(message, Row)]


def test_get_diagnostics_is_a_set_of_the_same_values() -> None:
    async def scenario() -> None:
        async with warned() as (proxy, one):
            reply = await one.ask(Command.QUERY, b"GET DIAGNOSTICS @a = NUMBER, @b = ROW_COUNT")

            # The warnings that the SET has are no answer to what was asked.
            assert [(message.warnings, message.affected_rows) for message in reply if isinstance(message, Ok)] == [
                (0, 0)
            ]
            assert proxy.backend.commands[-1] == (Command.QUERY, b"SET @a=CAST(1 AS UNSIGNED),@b=1")
            assert rows(await one.ask(Command.QUERY, b"SHOW WARNINGS")) == [TRUNCATED]

    run(scenario)


def test_what_is_not_known_is_refused_with_what_can_be_asked() -> None:
    async def scenario() -> None:
        async with warned() as (proxy, one):
            reply = await one.ask(Command.QUERY, b"GET DIAGNOSTICS CONDITION 1 @a = TABLE_NAME")

            (error,) = (message for message in reply if isinstance(message, Err))
            assert error.number == ErrorCode.NOT_SUPPORTED.number
            assert b"MESSAGE_TEXT" in error.message
            assert rows(await one.ask(Command.QUERY, b"SHOW WARNINGS")) == [TRUNCATED]

    run(scenario)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b"GET DIAGNOSTICS CONDITION 9 @a = MESSAGE_TEXT", [TRUNCATED, NO_SUCH_CONDITION]),
        (b"RESIGNAL", [TRUNCATED, NO_HANDLER]),
        (b"GET DIAGNOSTICS nonsense", [BAD_SYNTAX]),
    ],
    ids=["a condition that is not there", "RESIGNAL", "a statement that is not read"],
)
def test_an_error_comes_behind_what_was_there_or_in_its_place(text: bytes, left: list[bytes]) -> None:
    async def scenario() -> None:
        async with warned() as (_, one):
            await one.ask(Command.QUERY, text)

            assert rows(await one.ask(Command.QUERY, b"SHOW WARNINGS")) == left

    run(scenario)


def test_the_connection_that_still_knows_is_asked_itself() -> None:
    async def scenario() -> None:
        async with running(Warns(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES ('x')")
            text = b"GET DIAGNOSTICS CONDITION 1 @a = TABLE_NAME"

            await one.ask(Command.QUERY, text)

            assert proxy.backend.commands[-1] == (Command.QUERY, text)
            one.close()

    run(scenario)


class Numbered(Warns):
    """A server that also tells the id of the last INSERT, until it is reset."""

    def __init__(self) -> None:
        super().__init__()
        self._id = b"0"

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body.startswith(b"SELECT LAST_INSERT_ID()"):
            return protocol.send_rows([COLUMN], [row(self._id)], Status.AUTOCOMMIT)
        if command.body.startswith(b"INSERT"):
            self._id, self._warnings = b"7", [TRUNCATED]
            return protocol.send_ok(Ok(affected_rows=1, last_insert_id=7, warnings=1, status=Status.AUTOCOMMIT))
        if command.body.startswith(b"SET last_insert_id="):
            self._id = command.body[19:]
        elif command.command == Command.RESET_CONNECTION:
            self._id = b"0"
        return super()._answer(protocol, command)


async def in_shop(port: int) -> TestClient:
    """A client that logged in with a schema."""
    found = await connect(port, capabilities=PLAIN | Capability.CONNECT_WITH_DB, schema=b"shop")
    assert isinstance(found, TestClient)
    return found


def test_a_login_over_the_connection_leaves_what_it_knew_to_the_session_before() -> None:
    async def scenario() -> None:
        async with running(Numbered(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await in_shop(proxy.port)
            # For this the next session has the connection reset.
            await one.ask(Command.QUERY, b"SET @a = 1")
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES ('x')")

            two = await in_shop(proxy.port)

            assert Command.RESET_CONNECTION in [number for number, _ in proxy.backend.commands]
            assert rows(await one.ask(Command.QUERY, b"SHOW WARNINGS")) == [TRUNCATED]
            assert rows(await one.ask(Command.QUERY, b"SELECT LAST_INSERT_ID()")) == [row(b"7")]
            one.close()
            two.close()

    run(scenario)


def test_counts_are_not_asked_of_a_connection_over_which_another_logged_in() -> None:
    async def scenario() -> None:
        async with running(connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await in_shop(proxy.port)
            await one.ask(Command.QUERY, b"SELECT 1")
            two = await in_shop(proxy.port)
            before = len(proxy.backend.commands)

            await one.ask(Command.QUERY, b"SELECT ROW_COUNT()")

            asked = [body for _, body in proxy.backend.commands[before:]]
            assert asked == [b"SELECT 1 FROM (SELECT 1) one WHERE FALSE", b"SELECT ROW_COUNT()"]
            one.close()
            two.close()

    run(scenario)


class Recoding(FakeBackend):
    """A MariaDB whose one warning is told in the character set of the moment, for as long as no table is used."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer, capabilities=OFFERED & ~Capability.LONG_PASSWORD)
        self._charset = b"utf8mb4"
        self._warnings: list[str] = []

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body.startswith(b"SET NAMES"):
            self._charset = b"latin1" if b"latin1" in command.body else b"utf8mb4"
        if command.body.startswith(b"INSERT"):
            self._warnings = ["é"]
            return protocol.send_ok(Ok(affected_rows=1, warnings=1, status=Status.AUTOCOMMIT))
        if command.body.startswith(b"SHOW WARNINGS"):
            collation, codec = (8, "latin-1") if self._charset == b"latin1" else (45, "utf-8")
            column = Column(name=b"a", type=FieldType.VAR_STRING, charset=collation).build(0)
            told = [] if b"LIMIT 0" in command.body else self._warnings
            rows = [row(b"Warning", b"1292", text.encode(codec)) for text in told]
            return protocol.send_rows([column] * 3, rows, Status.AUTOCOMMIT)
        if command.body.startswith(b"SELECT"):
            self._warnings = []
        return select(protocol, command) if command.body[:3] != b"SET" else protocol.send_ok(Ok(status=2))


def test_who_is_refused_a_schema_is_told_why_on_the_connection_of_another_schema() -> None:
    async def scenario() -> None:
        async with running(Warns(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.INIT_DB, b"shop")
            await two.ask(Command.INIT_DB, b"other")
            await one.ask(Command.QUERY, b"USE nowhere")

            told = await one.ask(Command.QUERY, b"SHOW WARNINGS")

            assert rows(told) == [NO_SCHEMA]
            one.close()
            two.close()

    run(scenario)


def test_warnings_are_told_in_the_character_set_of_the_moment() -> None:
    async def scenario() -> None:
        async with running(Recoding(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES ('x')")
            await two.ask(Command.QUERY, b"SELECT 2")
            await one.ask(Command.QUERY, b"SET NAMES latin1")

            told = [await one.ask(Command.QUERY, b"SHOW WARNINGS") for _ in range(2)]

            assert [rows(reply) for reply in told] == [[row(b"Warning", b"1292", b"\xe9")]] * 2
            asked = [body for _, body in proxy.backend.commands if body.startswith(b"SHOW WARNINGS")]
            assert asked == [b"SHOW WARNINGS", b"SHOW WARNINGS LIMIT 0"]
            one.close()
            two.close()

    run(scenario)


@pytest.mark.parametrize(
    "text, told",
    [
        (b"CALL anything()", []),
        (b"EXECUTE anything", []),
        (b"DEALLOCATE PREPARE anything", [row(b"Warning", b"1292", "é".encode())]),
    ],
)
def test_behind_what_most_likely_uses_a_table_mariadb_has_no_warnings_of_before(text: bytes, told: list[bytes]) -> None:
    async def scenario() -> None:
        async with running(Recoding(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES ('x')")
            await two.ask(Command.QUERY, b"SELECT 2")
            await one.ask(Command.QUERY, text)

            assert rows(await one.ask(Command.QUERY, b"SHOW WARNINGS")) == told
            one.close()
            two.close()

    run(scenario)


def test_who_has_a_connection_of_its_own_is_told_of_later_warnings_when_those_of_before_were_stored() -> None:
    async def scenario() -> None:
        backend = Warns()
        backend.capabilities &= ~int(Capability.LONG_PASSWORD)
        async with running(backend) as proxy:
            one = await client(proxy.port, PLAIN | Capability.MULTI_STATEMENTS)
            await one.ask(Command.STMT_PREPARE, b"DO 1")
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES ('x')")
            # DbMux answers it itself, and has to tell the next statement what it counted.
            await one.ask(Command.STMT_RESET, (1).to_bytes(4, "little"))
            await one.ask(Command.QUERY, b"SELECT ROW_COUNT(); SELECT 1")
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES ('x')")

            told = await one.ask(Command.QUERY, b"SHOW WARNINGS")

            assert rows(told) == [TRUNCATED]
            one.close()

    run(scenario)
