"""What a session takes with it to another connection, and what it cannot, seen from what the server is asked."""

from __future__ import annotations

import asyncio

import pytest

from dbmux.backend.health import answers_ping
from dbmux.errors import ErrorCode
from dbmux.events import CloseReason, Pinned, SessionClosed, Unpinned
from dbmux.query import FoundRows, PinReason, Query, SetNames, SetUserVariable, SetVariable
from dbmux.session import NOT_CHOSEN, SessionState, assignments, names_of, schemas
from dbmux.sql.classify import classify
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import Row, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, PASSWORD, PLAIN, FakeBackend, Running, TestClient, client, row, run, running, select

LOGIN = names_of((b"utf8mb4", b"utf8mb4", b"utf8mb4", b"utf8mb4_bin"))


@pytest.mark.parametrize(
    "effects, told",
    [
        ((), b"SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'"),
        (
            (SetVariable("character_set_client", b"'latin1'"),),
            b"SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin',character_set_client='latin1'",
        ),
        (
            (SetVariable("character_set_results", None),),
            b"SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin',character_set_results=DEFAULT",
        ),
        (
            (SetVariable("character_set_connection", b"'ascii'"), SetVariable("collation_connection", b"'ascii_bin'")),
            b"SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin',collation_connection='ascii_bin'",
        ),
        ((SetNames(None, None),), b"SET NAMES DEFAULT"),
        ((SetVariable("character_set_client", b"'latin1'"), SetNames("ascii", None)), b"SET NAMES 'ascii'"),
    ],
)
def test_hidden_collations_are_set_again_the_way_they_were_set(
    effects: tuple[SetVariable | SetNames, ...], told: bytes
) -> None:
    state = SessionState(names=LOGIN)

    for effect in effects:
        state = state.after(effect)

    assert assignments(SessionState(), state, {}) == [told]


def test_without_texts_what_is_no_number_is_set_again() -> None:
    state = SessionState(names=LOGIN, user_variables=(("a", b"'text'"), ("b", b"7"), ("c", b"-7"), ("d", b"x'00'")))

    assert assignments(state, state, {}) == []
    assert assignments(state.without_texts(), state, {}) == [b"SET @`a`='text',@`d`=x'00'"]


@pytest.mark.parametrize(
    "have, want, told",
    [
        (SessionState(schema=b"shop"), SessionState(schema=b"shop"), []),
        (SessionState(schema=b"shop"), SessionState(schema=b"stock"), [b"stock"]),
        (SessionState(schema=b"shop"), SessionState(), []),
        (SessionState(schema=b"shop", altered=NOT_CHOSEN), SessionState(schema=b"stock"), [b"stock"]),
        (
            SessionState(schema=b"shop", altered=NOT_CHOSEN),
            SessionState(schema=b"shop"),
            [b"information_schema", b"shop"],
        ),
    ],
)
def test_a_schema_is_left_where_it_has_to_be_chosen_again(
    have: SessionState, want: SessionState, told: list[bytes]
) -> None:
    assert schemas(have, want) == told


@pytest.mark.parametrize(
    "before, told",
    [
        (None, b"SET @`a`=NULL"),
        (b"'text'", b"SET @`a`='',@`a`=NULL"),
        (b"7", b"SET @`a`=7,@`a`=NULL"),
    ],
)
def test_null_keeps_the_type_that_a_user_variable_had(before: bytes | None, told: bytes) -> None:
    state = SessionState()
    if before is not None:
        state = state.after(SetUserVariable("a", before))

    twice = state.after(SetUserVariable("a", b"NULL")).after(SetUserVariable("a", b"NULL"))

    assert assignments(SessionState(), twice, {}) == [told]


@pytest.mark.parametrize(
    "text, found",
    [
        (b"VALUES (1), (2)", FoundRows.ITS_ROWS_ON_MYSQL),
        (b"DELETE FROM t RETURNING id", FoundRows.AS_BEFORE),
        (b"INSERT INTO t VALUES (1) RETURNING id", FoundRows.AS_BEFORE),
        (b"EXPLAIN SELECT 1", FoundRows.NONE_ON_MARIADB),
        (b"EXPLAIN SELECT id FROM t", FoundRows.AS_BEFORE),
        (b"EXPLAIN ANALYZE SELECT id FROM t", FoundRows.ASKED),
        (b"DESCRIBE t", FoundRows.ITS_ROWS),
        (b"DO 1", FoundRows.ONE_ON_MYSQL),
        (b"CREATE TABLE t SELECT 1 AS x", FoundRows.ASKED_ON_MARIADB),
        (b"CREATE TABLE t (x INT)", FoundRows.ITS_ROWS),
        (b"SET @a = (SELECT a FROM t)", FoundRows.ASKED_ON_MARIADB),
        (b"HANDLER t READ NEXT", FoundRows.AS_BEFORE),
        (b"CHECK TABLE t", FoundRows.AS_BEFORE),
        (b"SHOW CREATE TABLE t", FoundRows.AS_BEFORE),
        (b"SHOW FULL COLUMNS FROM t", FoundRows.ITS_ROWS),
        (b"SHOW WARNINGS", FoundRows.AS_BEFORE),
        (b"SHOW COUNT(*) WARNINGS", FoundRows.ITS_ROWS),
        (b"SELECT id FROM t", FoundRows.ITS_ROWS),
        (b"DELETE FROM t", FoundRows.ITS_ROWS),
        (b"DELETE FROM t; DELETE FROM u", FoundRows.ITS_ROWS),
        (b"SELECT 1; SHOW CREATE TABLE t", FoundRows.ASKED),
    ],
)
def test_whose_rows_are_counted_is_known_from_the_text(text: bytes, found: FoundRows) -> None:
    query: Query = classify(text, 0, 0)

    assert query.found_rows is found
    assert query.is_plain <= (found is FoundRows.ITS_ROWS)


def test_a_handler_leaves_what_was_found_before() -> None:
    async def scenario() -> None:
        async with running(connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"HANDLER t OPEN")
            await one.ask(Command.QUERY, b"SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1")
            await one.ask(Command.QUERY, b"HANDLER t READ NEXT")
            await one.ask(Command.QUERY, b"HANDLER t CLOSE")

            await one.ask(Command.QUERY, b"SELECT FOUND_ROWS()")

            # The connection knows it, and was kept.
            assert proxy.backend.commands[-2:] == [
                (Command.QUERY, b"HANDLER t CLOSE"),
                (Command.QUERY, b"SELECT FOUND_ROWS()"),
            ]
            assert [event.reason for event in proxy.of(Unpinned)] == [PinReason.HANDLER, PinReason.FOUND_ROWS]
            one.close()

    run(scenario)


def test_a_connection_that_is_kept_does_not_count_what_it_found_for_another() -> None:
    async def scenario() -> None:
        async with running(connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"SELECT 1")
            await two.ask(Command.QUERY, b"SELECT 2")
            await one.ask(Command.QUERY, b"HANDLER t OPEN")

            await one.ask(Command.QUERY, b"SELECT FOUND_ROWS()")

            asked = [body for number, body in proxy.backend.commands if number == Command.QUERY]
            assert asked[-1] == b"SELECT GREATEST(FOUND_ROWS(),1) AS `FOUND_ROWS()`"
            one.close()
            two.close()

    run(scenario)


def test_who_sets_a_global_value_keeps_the_connection_with_the_value_of_before() -> None:
    async def scenario() -> None:
        async with running(connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)

            await one.ask(Command.QUERY, b"SET GLOBAL sort_buffer_size = 1")

            assert [event.what for event in proxy.of(Pinned)] == ["global sort_buffer_size"]
            assert proxy.of(Unpinned) == []
            one.close()

    run(scenario)


@pytest.mark.parametrize("error, is_kept", [(1193, True), (1064, False)], ids=["executed", "not parsed"])
def test_a_set_that_failed_may_have_come_as_far_as_its_user_variable(error: int, is_kept: bool) -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if b"no_such" in command.body:
            return protocol.send_err(Err(number=error, sqlstate=b"HY000", message=b"it failed"))
        return select(protocol, command) if command.body[:3] != b"SET" else protocol.send_ok(Ok(status=2))

    async def scenario() -> None:
        async with running(FakeBackend(answer=answer), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)

            await one.ask(Command.QUERY, b"SET @a = 1, no_such = 2")
            assert [event.what for event in proxy.of(Pinned)] == ["a"] * is_kept
            await one.ask(Command.QUERY, b"SET @a = 1")

            assert len(proxy.of(Unpinned)) == is_kept
            assert Command.RESET_CONNECTION not in [number for number, _ in proxy.backend.commands]
            one.close()

    run(scenario)


def test_a_transaction_does_not_count_the_rows_that_its_connection_found_for_another() -> None:
    async def scenario() -> None:
        async with running(connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await two.ask(Command.QUERY, b"SELECT 2")
            await one.ask(Command.QUERY, b"BEGIN")

            await one.ask(Command.QUERY, b"SELECT FOUND_ROWS()")

            asked = [body for number, body in proxy.backend.commands if number == Command.QUERY]
            assert asked[1:3] == [b"BEGIN", b"SELECT 1 FROM (SELECT 1) one WHERE FALSE"]
            one.close()
            two.close()

    run(scenario)


class Warned(FakeBackend):
    """An INSERT has five warnings, of which three are kept, and every answer to PING counts four."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer)

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body == b"SHOW WARNINGS":
            rows = [row(b"Warning", b"%d" % n, b"text") for n in (1, 2)]
            return protocol.send_rows([COLUMN] * 3, [*rows, row(b"Error", b"3", b"text")], Status.AUTOCOMMIT)
        if command.body.startswith(b"INSERT"):
            return protocol.send_ok(Ok(warnings=5, status=2))
        if command.command == Command.PING:
            return protocol.send_ok(Ok(warnings=4, status=2))
        return select(protocol, command)


async def _warned(proxy: Running) -> tuple[TestClient, TestClient]:
    # The first has warnings, and its connection serves the second.
    one, two = await client(proxy.port), await client(proxy.port)
    await one.ask(Command.QUERY, b"INSERT INTO t VALUES (1)")
    await two.ask(Command.QUERY, b"SELECT 2")
    return one, two


def test_who_altered_the_schema_has_its_new_defaults_on_every_connection() -> None:
    async def scenario() -> None:
        async with running(Counting(), connections=2, users={"app": PASSWORD.decode()}) as proxy:
            one, two, three = [await client(proxy.port) for _ in range(3)]
            for each in (one, two):
                await each.ask(Command.INIT_DB, b"shop")
            await two.ask(Command.QUERY, b"BEGIN")
            await one.ask(Command.QUERY, b"ALTER DATABASE shop CHARACTER SET ascii")
            await three.ask(Command.QUERY, b"BEGIN")
            await two.ask(Command.QUERY, b"COMMIT")
            before = len(proxy.backend.commands)

            await one.ask(Command.QUERY, b"SELECT @@character_set_database")

            asked = proxy.backend.commands[before:]
            there = [(Command.INIT_DB, b"information_schema"), (Command.INIT_DB, b"shop")]
            assert asked == [*there, (Command.QUERY, b"SELECT @@character_set_database")]
            for each in (one, two, three):
                each.close()

    run(scenario)


class Counting(FakeBackend):
    """An UPDATE changes three rows, and an INSERT gives its row an id."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer)

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body.startswith(b"UPDATE"):
            return protocol.send_ok(Ok(affected_rows=3, status=2))
        if command.body.startswith(b"INSERT"):
            return protocol.send_ok(Ok(affected_rows=1, last_insert_id=500, status=2))
        if command.body == b"BEGIN":
            return protocol.send_ok(Ok(status=Status.AUTOCOMMIT | Status.IN_TRANSACTION))
        return select(protocol, command)


def test_counts_are_not_asked_of_a_connection_that_the_session_used_before_its_last_one() -> None:
    async def scenario() -> None:
        async with running(Counting(), connections=2, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await two.ask(Command.QUERY, b"BEGIN")
            await one.ask(Command.QUERY, b"SELECT 1")
            await two.ask(Command.QUERY, b"COMMIT")
            await one.ask(Command.QUERY, b"UPDATE t SET a = 1")
            await two.ask(Command.QUERY, b"BEGIN")

            await one.ask(Command.QUERY, b"SELECT ROW_COUNT()")

            asked = [body for number, body in proxy.backend.commands if number == Command.QUERY]
            assert asked[-1] == b"SELECT GREATEST(ROW_COUNT(),3) AS `ROW_COUNT()`"
            one.close()
            two.close()

    run(scenario)


def test_what_a_ping_counts_is_not_told_for_the_count_of_a_statement() -> None:
    async def scenario() -> None:
        async with running(Counting(), users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"UPDATE t SET a = 1")
            assert await answers_ping(proxy.engine.frontend.settings.topology.backends["db"])

            await one.ask(Command.QUERY, b"SELECT ROW_COUNT()")

            assert proxy.backend.commands[-1] == (Command.QUERY, b"SELECT GREATEST(ROW_COUNT(),3) AS `ROW_COUNT()`")
            one.close()

    run(scenario)


def test_a_session_whose_connection_might_be_pinged_still_finds_its_insert_id_there() -> None:
    async def scenario() -> None:
        async with running(Counting(), users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES (NULL)")
            pinging = asyncio.ensure_future(answers_ping(proxy.engine.frontend.settings.topology.backends["db"]))
            await asyncio.sleep(0)

            await one.ask(Command.QUERY, b"SELECT LAST_INSERT_ID()")

            assert proxy.backend.commands[-1] == (Command.QUERY, b"SELECT LAST_INSERT_ID()")
            assert not await pinging
            one.close()

    run(scenario)


def test_an_insert_id_that_only_a_lost_connection_knew_is_an_error_and_not_the_one_of_before() -> None:
    async def scenario() -> None:
        async with running(Counting(), users={"app": PASSWORD.decode()}) as proxy:
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES (NULL)")
            for connection in list(pool.connections()):
                connection.channel.abort()
            await proxy.until(lambda: not pool.taken)

            await one.ask(Command.QUERY, b"SELECT 1")
            for _ in range(2):
                (lost,) = await one.ask(Command.QUERY, b"SELECT LAST_INSERT_ID()")
                assert isinstance(lost, Err)
                assert lost.number == ErrorCode.LOST_IN_REPLY.number
                assert b"was lost; connect again" in lost.message
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES (NULL)")
            await one.ask(Command.QUERY, b"SELECT LAST_INSERT_ID()")

            assert proxy.backend.commands[-1] == (Command.QUERY, b"SELECT LAST_INSERT_ID()")
            assert pool.figures().idle == pool.taken == 1
            one.close()

    run(scenario)


def _codes(reply: list[ServerMessage]) -> list[bytes]:
    return [message.payload.split(b"\x04text")[0][-1:] for message in reply if isinstance(message, Row)]


@pytest.mark.parametrize(
    "text, codes",
    [
        (b"SHOW WARNINGS", [b"1", b"2", b"3"]),
        (b"SHOW WARNINGS LIMIT 1", [b"1"]),
        (b"SHOW WARNINGS LIMIT 1, 5", [b"2", b"3"]),
        (b"show warnings limit 1 offset 2", [b"3"]),
        (b"SHOW WARNINGS LIMIT 0", []),
        (b"SHOW WARNINGS LIMIT 7, 2", []),
        (b"SHOW ERRORS LIMIT 2", [b"3"]),
    ],
)
def test_stored_warnings_can_be_asked_for_with_a_limit(text: bytes, codes: list[bytes]) -> None:
    async def scenario() -> None:
        async with running(Warned(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await _warned(proxy)

            assert _codes(await one.ask(Command.QUERY, text)) == codes

            one.close()
            two.close()

    run(scenario)


def test_more_warnings_are_counted_than_the_server_kept() -> None:
    async def scenario() -> None:
        async with running(Warned(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await _warned(proxy)

            await one.ask(Command.QUERY, b"SELECT @@warning_count")

            asked = [body for number, body in proxy.backend.commands if number == Command.QUERY]
            assert b"SELECT GREATEST(@@warning_count,CAST(5 AS UNSIGNED)) AS `@@warning_count`" in asked
            one.close()
            two.close()

    run(scenario)


def test_a_ping_counts_the_warnings_of_its_own_session() -> None:
    async def scenario() -> None:
        async with running(Warned(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await _warned(proxy)

            told = [await each.ask(Command.PING) for each in (one, two)]
            await one.ask(Command.QUERY, b"SHOW WARNINGS")
            told.append(await one.ask(Command.PING))

            # MySQL counts them no more once they were asked for.
            assert [message.warnings for (message,) in told if isinstance(message, Ok)] == [5, 0, 0]
            one.close()
            two.close()

    run(scenario)


def test_the_option_for_several_statements_goes_with_its_session() -> None:
    async def scenario() -> None:
        async with running(connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port, PLAIN | Capability.MULTI_STATEMENTS)
            two = await client(proxy.port, PLAIN | Capability.MULTI_STATEMENTS)

            await one.ask(Command.SET_OPTION, b"\x01\x00")
            await two.ask(Command.QUERY, b"SELECT 2")
            await one.ask(Command.QUERY, b"SELECT 1")

            options = [body for number, body in proxy.backend.commands if number == Command.SET_OPTION]
            assert options == [b"\x01\x00", b"\x00\x00", b"\x01\x00"]
            assert proxy.of(Pinned) == []
            one.close()
            two.close()

    run(scenario)


def test_a_session_ends_with_the_connection_that_it_held_when_a_ping_loses_it() -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        return None if command.command == Command.PING else select(protocol, command)

    async def scenario() -> None:
        async with running(FakeBackend(answer=answer)) as proxy:
            one = await client(proxy.port)

            (error,) = await one.ask(Command.PING)

            assert isinstance(error, Err)
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))
            assert proxy.of(SessionClosed)[0].reason is CloseReason.BACKEND_GONE

    run(scenario)
