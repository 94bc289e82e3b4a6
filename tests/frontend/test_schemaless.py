"""A session whose schema was dropped: it goes on where it needs none, and never in another one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from dbmux.events import Pinned, SessionClosed
from dbmux.wire import packet
from dbmux.wire.buffer import lenenc_bytes
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import Row, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status, Track
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, PASSWORD, FakeBackend, Running, TestClient, client, row, run, running

_NAMED = re.compile(rb"DATABASE|FROM (\w+\.)?w")


class Schemas(FakeBackend):
    """A server whose table `w` has one row in each schema, the schema's name; `there` are those that it has."""

    def __init__(self, *there: bytes) -> None:
        super().__init__(answer=self._answer)
        self.there = set(there)
        self._chosen: dict[ServerProtocol, bytes] = {}
        self._statuses: dict[ServerProtocol, int] = {}

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        match command.command, command.body.split():
            case Command.QUIT, _:
                return None
            case (Command.INIT_DB, [name]) | (Command.QUERY, [b"USE", name]):
                if name not in self.there:
                    return _error(protocol, 1049, b"Unknown database '%b'" % name)
                self._chosen[protocol] = name
            case Command.QUERY, [b"DROP", b"DATABASE", name]:
                return self._drop(protocol, name)
            case Command.QUERY, [b"BEGIN" | b"COMMIT" as word]:
                begins = Status.IN_TRANSACTION if word == b"BEGIN" else 0
                self._statuses[protocol] = Status.AUTOCOMMIT | begins
            case Command.STMT_EXECUTE, _:
                there = b"\0\0" + lenenc_bytes(self._chosen.get(protocol, b""))
                return protocol.send_rows([COLUMN], [there], self._status(protocol))
            case Command.QUERY, [b"SHOW", b"WARNINGS"]:
                return protocol.send_rows([COLUMN] * 3, [], self._status(protocol))
            case Command.QUERY, [b"SELECT", b"@@sql_notes,@@max_error_count", *_]:
                return protocol.send_rows([COLUMN] * 2, [row(b"1", b"64")], self._status(protocol))
            case Command.STMT_PREPARE | Command.QUERY, [b"SELECT" | b"UPDATE", *_]:
                return self._read(protocol, command)
        return protocol.send_ok(Ok(status=self._status(protocol)))

    def _status(self, protocol: ServerProtocol) -> int:
        return self._statuses.get(protocol, Status.AUTOCOMMIT)

    def _drop(self, protocol: ServerProtocol, name: bytes) -> bytes:
        self.there.discard(name)
        status, state = Status.AUTOCOMMIT | Status.DATABASE_DROPPED, b""
        if self._chosen.get(protocol) == name:
            del self._chosen[protocol]
            status |= Status.SESSION_STATE_CHANGED
            state = bytes((Track.SCHEMA,)) + lenenc_bytes(lenenc_bytes(b""))
        return protocol.send_ok(Ok(status=status, state=state))

    def _read(self, protocol: ServerProtocol, command: CommandReceived) -> bytes:
        found = _NAMED.search(command.body)
        schema = found[1][:-1] if found is not None and found[1] else self._chosen.get(protocol, b"")
        if found is not None and not schema and b"DATABASE" not in command.body:
            return _error(protocol, 1046, b"No database selected")
        if found is not None and schema not in self.there:
            return _error(protocol, 1049, b"Unknown database '%b'" % schema)
        if command.command == Command.STMT_PREPARE:
            return packet.encode(b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 1)
        return protocol.send_rows([COLUMN], [row(schema if found else b"1")], self._status(protocol))


def _error(protocol: ServerProtocol, number: int, message: bytes) -> bytes:
    return protocol.send_err(Err(number=number, sqlstate=b"42000", message=message))


def told(reply: Sequence[ServerMessage]) -> str:
    """The value of the only row, or the number of the error."""
    if isinstance(reply[-1], Err):
        return str(reply[-1].number)
    return "".join(message.payload[1:].decode() for message in reply if isinstance(message, Row))


async def ask(session: TestClient, sql: bytes) -> str:
    return told(await session.ask(Command.QUERY, sql))


async def in_gone(proxy: Running) -> tuple[TestClient, TestClient]:
    """A session whose schema another one drops, and that one, which is in the schema `shop`."""
    one, two = await client(proxy.port), await client(proxy.port)
    await one.ask(Command.INIT_DB, b"gone")
    await two.ask(Command.INIT_DB, b"shop")
    await two.ask(Command.QUERY, b"DROP DATABASE gone")
    return one, two


USERS = {"app": PASSWORD.decode()}
AMOUNTS = pytest.mark.parametrize("connections", [1, 2, 5])


@AMOUNTS
def test_what_names_its_schemas_or_needs_none_runs(connections: int) -> None:
    async def scenario() -> None:
        async with running(Schemas(b"shop", b"gone"), connections=connections, users=USERS) as proxy:
            one, two = await in_gone(proxy)

            answers = [await ask(one, sql) for sql in (b"SELECT 1", b"SELECT * FROM shop.w", b"SELECT * FROM w")]

            assert answers == ["1", "shop", "1049"]
            assert await ask(two, b"SELECT * FROM w") == "shop"
            assert proxy.of(Pinned) == []
            one.close()
            two.close()

    run(scenario)


@AMOUNTS
def test_a_schema_that_is_made_anew_is_the_sessions_again(connections: int) -> None:
    async def scenario() -> None:
        backend = Schemas(b"shop", b"gone")
        async with running(backend, connections=connections, users=USERS) as proxy:
            one, two = await in_gone(proxy)
            await ask(one, b"SELECT 1")
            backend.there.add(b"gone")

            answers = [await ask(session, b"SELECT * FROM w") for session in (one, two, one, two, one)]

            assert answers == ["gone", "shop", "gone", "shop", "gone"]
            one.close()
            two.close()

    run(scenario)


def test_another_schema_can_be_chosen() -> None:
    async def scenario() -> None:
        async with running(Schemas(b"shop", b"gone"), connections=1, users=USERS) as proxy:
            one, two = await in_gone(proxy)

            answers = [
                await ask(one, sql)
                for sql in (b"USE gone", b"SELECT * FROM w", b"USE shop", b"SELECT * FROM w", b"SELECT * FROM w")
            ]

            assert answers == ["1049", "1049", "", "shop", "shop"]
            one.close()
            two.close()

    run(scenario)


def test_the_schema_that_is_asked_for_is_still_its_own() -> None:
    async def scenario() -> None:
        async with running(Schemas(b"shop", b"gone"), connections=1, users=USERS) as proxy:
            one, two = await in_gone(proxy)

            await ask(one, b"SELECT DATABASE(), CONCAT(schema(), 'x') y")

            assert proxy.backend.commands[-1][1] == (
                b"SELECT IFNULL(DATABASE(),CAST('gone' AS CHAR(64))) AS `DATABASE()`,"
                b" CONCAT(IFNULL(schema(),CAST('gone' AS CHAR(64))), 'x') y"
            )
            one.close()
            two.close()

    run(scenario)


def test_a_transaction_goes_on_when_the_schema_is_made_anew() -> None:
    async def scenario() -> None:
        backend = Schemas(b"shop", b"gone")
        async with running(backend, connections=2, users=USERS) as proxy:
            one, two = await in_gone(proxy)
            await ask(one, b"BEGIN")
            before = await ask(one, b"SELECT * FROM w")
            backend.there.add(b"gone")
            then = await ask(one, b"SELECT * FROM w")
            await ask(one, b"COMMIT")

            assert (before, then) == ("1049", "gone")
            assert await ask(one, b"SELECT * FROM w") == "gone"
            one.close()
            two.close()

    run(scenario)


@pytest.mark.parametrize(
    "sql, number", [(b"SELECT * FROM w", "1049"), (b"SELECT * FROM shop.w", ""), (b"SELECT 1", "")]
)
def test_a_statement_is_prepared_as_far_as_it_needs_no_schema(sql: bytes, number: str) -> None:
    async def scenario() -> None:
        async with running(Schemas(b"shop", b"gone"), connections=1, users=USERS) as proxy:
            one, two = await in_gone(proxy)

            reply = await one.ask(Command.STMT_PREPARE, sql)

            assert told(reply) == number
            one.close()
            two.close()

    run(scenario)


@AMOUNTS
def test_a_session_that_drops_its_own_schema_has_none(connections: int) -> None:
    async def scenario() -> None:
        async with running(Schemas(b"shop", b"gone"), connections=connections, users=USERS) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await two.ask(Command.INIT_DB, b"shop")
            await one.ask(Command.INIT_DB, b"gone")
            await ask(one, b"DROP DATABASE gone")

            answers = [await ask(session, b"SELECT * FROM w") for session in (two, one, two, one)]

            assert answers == ["shop", "1046", "shop", "1046"]
            assert proxy.of(Pinned) == []
            one.close()
            two.close()

    run(scenario)


def test_a_session_that_drops_another_schema_stays_in_its_own() -> None:
    async def scenario() -> None:
        async with running(Schemas(b"shop", b"gone"), connections=1, users=USERS) as proxy:
            one, two = await in_gone(proxy)

            await ask(one, b"SELECT 1")

            assert await ask(two, b"SELECT * FROM w") == "shop"
            assert proxy.of(Pinned) == []
            one.close()
            two.close()

    run(scenario)


def test_a_session_ends_when_its_transaction_is_on_a_connection_that_cannot_come_back() -> None:
    async def scenario() -> None:
        async with running(Schemas(b"shop", b"gone"), connections=2, users=USERS) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await two.ask(Command.INIT_DB, b"shop")
            await one.ask(Command.INIT_DB, b"shop")
            await one.ask(Command.STMT_PREPARE, b"SELECT * FROM w")
            await ask(two, b"BEGIN")
            await one.ask(Command.INIT_DB, b"gone")
            await ask(one, b"BEGIN")
            await ask(two, b"COMMIT")
            await ask(two, b"DROP DATABASE gone")

            # Its names are of `shop`, and from there the connection does not find back.
            reply = await one.ask(Command.STMT_EXECUTE, b"\x01\x00\x00\x00\x00\x01\x00\x00\x00")

            assert told(reply) == "2013"
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))
            two.close()

    run(scenario)


def test_what_was_prepared_without_its_schema_is_prepared_again_in_it() -> None:
    async def scenario() -> None:
        backend = Schemas(b"shop", b"gone")
        async with running(backend, connections=1, users=USERS) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.INIT_DB, b"gone")
            await one.ask(Command.STMT_PREPARE, b"SELECT * FROM shop.w")
            await two.ask(Command.INIT_DB, b"shop")
            await ask(two, b"DROP DATABASE gone")

            prepared = []
            for is_there in (False, True):
                backend.there |= {b"gone"} if is_there else set()
                backend.commands.clear()
                await one.ask(Command.STMT_EXECUTE, b"\x01\x00\x00\x00\x00\x01\x00\x00\x00")
                prepared.append([number for number, _ in backend.commands if number == Command.STMT_PREPARE])

            assert prepared == [[Command.STMT_PREPARE], [Command.STMT_PREPARE]]
            one.close()
            two.close()

    run(scenario)


def test_what_was_prepared_in_another_schema_runs_there_and_leaves_the_session_in_none() -> None:
    async def scenario() -> None:
        async with running(Schemas(b"shop", b"gone"), connections=1, users=USERS) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.INIT_DB, b"shop")
            await one.ask(Command.STMT_PREPARE, b"SELECT * FROM w")
            await one.ask(Command.INIT_DB, b"gone")
            await two.ask(Command.INIT_DB, b"shop")
            await ask(two, b"DROP DATABASE gone")

            reply = await one.ask(Command.STMT_EXECUTE, b"\x01\x00\x00\x00\x00\x01\x00\x00\x00")
            await ask(one, b"SET @a = 1")

            assert [part.payload for part in reply if isinstance(part, Row)] == [b"\0\0\4shop"]
            assert await ask(one, b"SELECT * FROM w") == "1046"
            assert await ask(two, b"SELECT * FROM w") == "shop"
            one.close()
            two.close()

    run(scenario)


# MariaDB, which clears a flag that MySQL sets, counts it already in the reply.
@pytest.mark.parametrize("cleared, counted", [(0, 0), (int(Capability.LONG_PASSWORD), 1)], ids=["MySQL", "MariaDB"])
def test_that_there_is_no_way_back_is_noted_once(cleared: int, counted: int) -> None:
    async def scenario() -> None:
        backend = Schemas(b"shop", b"gone")
        backend.capabilities &= ~cleared
        async with running(backend, connections=1, users=USERS) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.INIT_DB, b"shop")
            await one.ask(Command.STMT_PREPARE, b"SELECT * FROM w")
            await one.ask(Command.INIT_DB, b"gone")
            await two.ask(Command.INIT_DB, b"shop")
            await ask(two, b"DROP DATABASE gone")

            told = []
            for _ in range(2):
                reply = await one.ask(Command.STMT_EXECUTE, b"\x01\x00\x00\x00\x00\x01\x00\x00\x00")
                noted = await one.ask(Command.QUERY, b"SHOW WARNINGS")
                told.append((reply[-1], [part.payload for part in noted if isinstance(part, Row)]))

            note = row(b"Note", b"1049", b"Unknown database 'gone'")
            assert [(getattr(end, "warnings", None), rows) for end, rows in told] == [(counted, [note]), (0, [])]
            one.close()
            two.close()

    run(scenario)


def test_who_has_a_connection_of_its_own_goes_on_when_the_server_tells_that_its_schema_is_gone() -> None:
    def says(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        # As MySQL for what was prepared in another schema: it notes what it does not count.
        if command.command == Command.STMT_EXECUTE:
            state = bytes((Track.SCHEMA,)) + lenenc_bytes(lenenc_bytes(b""))
            return protocol.send_ok(Ok(status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED, state=state))
        if command.command == Command.PING:
            return protocol.send_ok(Ok(status=Status.AUTOCOMMIT, warnings=1))
        if command.command == Command.STMT_PREPARE:
            return packet.encode(b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 1)
        if command.body.startswith((b"SHOW", b"SELECT")):
            return protocol.send_rows([COLUMN], [row(b"1")], Status.AUTOCOMMIT)
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))

    async def scenario() -> None:
        async with running(FakeBackend(answer=says)) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"UPDATE w SET a = 1")
            await one.ask(Command.INIT_DB, b"gone")

            await one.ask(Command.STMT_EXECUTE, b"\x01\x00\x00\x00\x00\x01\x00\x00\x00")
            (pong,) = await one.ask(Command.PING)

            assert getattr(pong, "warnings", None) == 1
            assert [await ask(one, sql) for sql in (b"SHOW WARNINGS", b"SELECT @@warning_count")] == ["1", "1"]
            one.close()

    run(scenario)
