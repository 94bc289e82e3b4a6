"""Prepared statements on connections that are shared, seen from what the server is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ErrorCode
from dbmux.events import Pinned, Unpinned
from dbmux.frontend.prepared import Statement, number_in, renumbered
from dbmux.query import SetVariable
from dbmux.session import SessionState, names_of
from dbmux.sql.classify import classify
from dbmux.wire import packet
from dbmux.wire.columns import Column, FieldFlag, FieldType
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from dbmux.wire.statements import Prepared
from tests.fakes import COLUMN, PASSWORD, FakeBackend, changed_user, client, row, run, running

NUMBERS = st.integers(0, 2**32 - 1)
TEXT = Column(name=b"?", type=FieldType.VAR_STRING)


class Preparing(FakeBackend):
    """Prepares everything as a statement with these parameters; an execution is an OK, or 1210 if it `fails`."""

    def __init__(self, *places: Column, fails: bool = False) -> None:
        super().__init__(answer=self._answer)
        self.places = places or (TEXT,)
        self.prepared = 0
        self.fails = fails

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        match command.command:
            case Command.STMT_PREPARE:
                self.prepared += 1
                told = Prepared(self.prepared, 0, len(self.places)).build()
                parts = (told, *(place.build(0) for place in self.places), b"\xfe\x00\x00\x02\x00")
                return b"".join(packet.encode(part, number) for number, part in enumerate(parts, 1))
            case Command.STMT_EXECUTE if self.fails:
                return protocol.send_err(Err(number=1210, sqlstate=b"HY000", message=b"Incorrect arguments"))
            case Command.STMT_SEND_LONG_DATA | Command.STMT_CLOSE:
                return b""
            case Command.QUERY if command.body.startswith(b"SELECT ROW_COUNT()"):
                return protocol.send_rows([COLUMN], [row(b"0")], Status.AUTOCOMMIT)
        return protocol.send_ok(Ok(status=2))


ONE, TWO = (number.to_bytes(4, "little") for number in (1, 2))
ONCE = b"\x00\x01\x00\x00\x00"
EXECUTION = ONE + ONCE


@pytest.mark.parametrize(
    "command, body, code",
    [
        (Command.STMT_EXECUTE, EXECUTION + b"\x00" + b"\x00" + b"\x05", ErrorCode.NO_TYPES),
        (Command.STMT_FETCH, ONE + ONE, ErrorCode.NO_CURSOR),
    ],
)
def test_what_only_another_session_told_the_server_of_a_statement_is_not_this_ones(
    command: Command, body: bytes, code: ErrorCode
) -> None:
    async def scenario() -> None:
        async with running(Preparing(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"SELECT ?")

            (error,) = await one.ask(command, body)

            assert isinstance(error, Err)
            assert error.number == code.number
            assert command not in [number for number, _ in proxy.backend.commands]
            one.close()

    run(scenario)


def test_mysql_never_takes_values_for_the_types_that_anothers_had() -> None:
    async def scenario() -> None:
        backend = Preparing()
        async with running(backend, connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            number, text = bytes((FieldType.LONGLONG, 0)), bytes((FieldType.VAR_STRING, 0))
            for each, types, value in ((one, number, b"\x05" + bytes(7)), (two, text, b"\x01x")):
                await each.ask(Command.STMT_PREPARE, b"SELECT ?")
                await each.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + types + value)

            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + text + b"\x01x")
            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + number + b"\x05" + bytes(7))

            executed = [body[: len(ONE)] for number, body in backend.commands if number == Command.STMT_EXECUTE]
            assert executed == [ONE, TWO, ONE, ONE]
            assert backend.prepared == 2
            one.close()
            two.close()

    run(scenario)


def test_a_read_gets_the_types_of_before_on_a_connection_that_never_ran_it() -> None:
    async def scenario() -> None:
        number, text = bytes((FieldType.LONGLONG, 0)), bytes((FieldType.VAR_STRING, 0))
        async with running(Preparing(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"SELECT ?")
            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + number + b"\x05" + bytes(7))
            await two.ask(Command.RESET_CONNECTION, b"")
            already_asked = len(proxy.backend.commands)

            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + text + b"\x01x")

            asked = proxy.backend.commands[already_asked:]
            told = [body for _, body in asked if b"?" in body or b"limit" in body]
            assert told == [b"SELECT ?", b"SET sql_select_limit=0", b"SET sql_select_limit=DEFAULT"]
            executed = [body[len(EXECUTION) + 2 :] for number, body in asked if number == Command.STMT_EXECUTE]
            assert executed == [number + b"\x01" + bytes(7), text + b"\x01x"]
            one.close()
            two.close()

    run(scenario)


def test_a_write_gets_numbers_for_text_where_numbers_came_before_on_a_connection_that_never_ran_it() -> None:
    async def scenario() -> None:
        place = Column(name=b"?", type=FieldType.LONGLONG, flags=FieldFlag.UNSIGNED)
        number, text = bytes((FieldType.LONGLONG, 0)), bytes((FieldType.VAR_STRING, 0))
        async with running(Preparing(place), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"DELETE FROM t WHERE a = ?")
            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + number + b"\x05" + bytes(7))
            await two.ask(Command.RESET_CONNECTION, b"")
            already_asked = len(proxy.backend.commands)

            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + text + b"\x0207")
            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x00" + b"\x0208")

            executed = [body for asked, body in proxy.backend.commands[already_asked:] if asked == Command.STMT_EXECUTE]
            assert [body[len(EXECUTION) :] for body in executed] == [
                # The server's statement has the type of before by then, and makes a number of the second text itself.
                b"\x00\x01" + number + b"\x07" + bytes(7),
                b"\x00\x01" + text + b"\x0208",
            ]
            one.close()
            two.close()

    run(scenario)


@pytest.mark.parametrize(
    ("place", "type_", "value", "reasons"),
    [
        (FieldType.VAR_STRING, FieldType.LONGLONG, bytes(8), ["PREPARE"]),
        (FieldType.VAR_STRING, FieldType.DATETIME, b"\x00", ["PREPARE"]),
        # As drivers send each number that have only doubles.
        (FieldType.LONGLONG, FieldType.DOUBLE, bytes(8), []),
        (FieldType.VAR_STRING, FieldType.BLOB, b"\x01x", []),
    ],
)
def test_a_write_that_got_another_sort_of_value_than_its_place_is_for_keeps_its_connection(
    place: FieldType, type_: FieldType, value: bytes, reasons: list[str]
) -> None:
    async def scenario() -> None:
        async with running(
            Preparing(Column(name=b"?", type=place)), connections=1, users={"app": PASSWORD.decode()}
        ) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"DELETE FROM t WHERE a = ?")

            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + bytes((type_, 0)) + value)
            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + bytes((FieldType.VAR_STRING, 0)) + b"\x01x")
            was_kept = not proxy.of(Unpinned)
            one.conversation.send(one.protocol.command(Command.STMT_CLOSE, ONE))
            await one.ask(Command.PING)

            assert was_kept
            assert [event.reason for event in proxy.of(Pinned)] == reasons
            assert [event.reason for event in proxy.of(Unpinned)] == reasons
            one.close()

    run(scenario)


def test_a_read_whose_types_cannot_be_had_elsewhere_keeps_its_connection() -> None:
    async def scenario() -> None:
        place = Column(name=b"?", type=FieldType.LONGLONG)
        types = bytes((FieldType.VAR_STRING, 0, FieldType.DOUBLE, 0))
        async with running(Preparing(place, place), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"SELECT ? + 1, ? + 1")

            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + types + b"\x01x" + bytes(8))
            pinned = [(event.reason, event.what) for event in proxy.of(Pinned)]
            was_kept = not proxy.of(Unpinned)
            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x00" + b"\x01y" + bytes(8))
            one.conversation.send(one.protocol.command(Command.STMT_CLOSE, ONE))
            await one.ask(Command.PING)

            assert pinned == [("PREPARE", "#1")]
            assert was_kept
            assert [event.reason for event in proxy.of(Unpinned)] == ["PREPARE"]
            one.close()

    run(scenario)


@pytest.mark.parametrize(
    ("version", "config"),
    [(b"8.0.36", {"prepared_types": "share"}), (b"5.7.44", {}), (b"8.0.21", {})],
    ids=["as configured", "MySQL 5.7", "MySQL before 8.0.22"],
)
def test_such_a_write_shares_its_connection_where_that_is_wanted_and_where_servers_keep_no_types(
    version: bytes, config: Any
) -> None:
    async def scenario() -> None:
        backend = Preparing()
        backend.version = version
        async with running(backend, connections=1, users={"app": PASSWORD.decode()}, **config) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"DELETE FROM t WHERE a = ?")

            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + bytes((FieldType.LONGLONG, 0)) + bytes(8))

            assert proxy.of(Pinned) == []
            one.close()

    run(scenario)


def test_long_data_that_made_an_execution_fail_stays_until_the_statement_is_reset() -> None:
    async def scenario() -> None:
        async with running(Preparing(fails=True), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"SELECT ?")
            one.conversation.send(one.protocol.command(Command.STMT_SEND_LONG_DATA, ONE + b"\x07\x00" + b"data"))
            types = bytes((FieldType.VAR_STRING, 0))

            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00" + b"\x01" + types + b"\x01x")
            pinned = [event.reason for event in proxy.of(Pinned)]
            was_kept = not proxy.of(Unpinned)
            await one.ask(Command.STMT_RESET, ONE)

            assert pinned == ["long data"]
            assert was_kept
            assert [event.reason for event in proxy.of(Unpinned)] == ["long data"]
            one.close()

    run(scenario)


def test_preparing_a_statement_that_assigns_a_user_variable_keeps_the_connection() -> None:
    async def scenario() -> None:
        async with running(Preparing(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)

            await one.ask(Command.STMT_PREPARE, b"SELECT ? INTO @a")

            assert [(event.reason, event.what) for event in proxy.of(Pinned)] == [("user variable", "a")]
            one.close()

    run(scenario)


def test_a_statement_is_prepared_anew_under_the_settings_of_its_first_preparation() -> None:
    async def scenario() -> None:
        async with running(Preparing(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"SELECT 1 / ?")
            await two.ask(Command.RESET_CONNECTION, b"")
            await one.ask(Command.QUERY, b"SET div_precision_increment = 9")
            already_asked = len(proxy.backend.commands)

            await one.ask(Command.STMT_EXECUTE, EXECUTION + b"\x00\x01" + bytes((FieldType.LONGLONG, 0)) + bytes(8))

            asked = [body for _, body in proxy.backend.commands[already_asked:]]
            assert asked[:3] == [
                b"SET div_precision_increment=DEFAULT",
                b"SELECT 1 / ?",
                b"SET div_precision_increment=9",
            ]
            one.close()
            two.close()

    run(scenario)


def test_only_the_server_knows_the_row_count_of_many_rows_at_once() -> None:
    async def scenario() -> None:
        async with running(Preparing(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"UPDATE t SET a = ?")
            types = bytes((FieldType.VAR_STRING, 0))

            await one.ask(Command.MARIADB_STMT_BULK_EXECUTE, ONE + b"\x80\x00" + types + b"\x00\x01x")
            await two.ask(Command.QUERY, b"SELECT 2")

            asked = [body for number, body in proxy.backend.commands if number == Command.QUERY]
            assert asked[-2:] == [b"SELECT ROW_COUNT() LIMIT 1", b"SELECT 2"]
            one.close()
            two.close()

    run(scenario)


@given(number=NUMBERS, other=NUMBERS, rest=st.binary())
def test_a_command_with_another_number_is_the_same_but_for_that(number: int, other: int, rest: bytes) -> None:
    data = b"\x0a\x00\x00\x00\x17" + number.to_bytes(4, "little") + rest

    assert number_in(data) == number
    assert number_in(renumbered(data, other)) == other
    assert renumbered(renumbered(data, other), number) == data


def test_a_command_that_is_cut_short_has_no_number() -> None:
    assert number_in(b"\x04\x00\x00\x00\x19\x01\x00\x00") == 0


def test_numbers_of_statements_are_not_given_again_after_a_change_of_user() -> None:
    async def scenario() -> None:
        async with running(Preparing(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"SELECT 'old'")

            await changed_user(one)
            told = await one.ask(Command.STMT_PREPARE, b"SELECT 'new'")

            assert isinstance(told[0], Prepared)
            assert told[0].statement == 2
            one.close()

    run(scenario)


def test_so_many_texts_of_prepared_statements_are_kept_for_a_session() -> None:
    async def scenario() -> None:
        long = b"SELECT '%b'" % (b"x" * 2000)
        limits = {"prepared_max": 4096}
        async with running(Preparing(), connections=1, users={"app": PASSWORD.decode()}, limits=limits) as proxy:
            one = await client(proxy.port)
            for _ in range(2):
                assert isinstance((await one.ask(Command.STMT_PREPARE, long))[0], Prepared)

            (refused,) = await one.ask(Command.STMT_PREPARE, long)
            one.conversation.send(one.protocol.command(Command.STMT_CLOSE, ONE))
            again = await one.ask(Command.STMT_PREPARE, long)

            assert isinstance(refused, Err)
            assert refused.number == 1461
            assert isinstance(again[0], Prepared)
            one.close()

    run(scenario)


def test_a_connection_keeps_so_many_texts_and_forgets_the_oldest_first() -> None:
    async def scenario() -> None:
        async with running(Preparing(), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            texts = [b"SELECT '%b%d'" % (b"x" * 3_000_000, number) for number in range(4)]
            for text in texts:
                await one.ask(Command.STMT_PREPARE, text)

            (connection,) = proxy.engine.frontend.topology.backends["db"].pool.connections()
            assert [key.text for key in connection.statements] == texts[2:]
            one.close()

    run(scenario)


class Full(Preparing):
    """Keeps no more than so many statements; what is closed it sees only after it has refused `late` times."""

    def __init__(self, room: int, late: int = 0) -> None:
        super().__init__()
        self.room = room
        self.late = late

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        match command.command:
            case Command.STMT_PREPARE if self.room <= 0 or (self.late and self.prepared):
                self.late -= bool(self.late)
                return protocol.send_err(Err(number=1461, sqlstate=b"42000", message=b"Can't create more"))
            case Command.STMT_PREPARE:
                self.room -= 1
            case Command.STMT_CLOSE:
                self.room += 1
            case Command.QUERY if command.body.startswith(b"UPDATE"):
                return protocol.send_ok(Ok(affected_rows=5, status=Status.AUTOCOMMIT | Status.IN_TRANSACTION))
        return super()._answer(protocol, command)


def test_where_the_server_keeps_no_more_statements_the_connection_closes_others_for_a_new_one() -> None:
    async def scenario() -> None:
        async with running(Full(room=2), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            for text in (b"SELECT 1", b"SELECT 2", b"SELECT 3"):
                assert isinstance((await one.ask(Command.STMT_PREPARE, text))[0], Prepared)

            # The first one is not there any more.
            (again,) = await one.ask(Command.STMT_EXECUTE, ONE + ONCE + b"\x01\x01\x06\x00")

            assert isinstance(again, Ok)
            one.close()

    run(scenario)


@pytest.mark.parametrize("late, is_prepared", [(8, True), (9, False)], ids=["in time", "too late"])
def test_the_server_may_see_what_was_closed_on_another_connection_only_later(late: int, is_prepared: bool) -> None:
    async def scenario() -> None:
        async with running(Full(room=1, late=late), connections=2, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"SELECT 1")
            for each in (one, two):
                await each.ask(Command.QUERY, b"UPDATE t SET n = 1")
            await one.ask(Command.QUERY, b"COMMIT")

            told = await two.ask(Command.STMT_PREPARE, b"SELECT 2")

            assert isinstance(told[0], Prepared) is is_prepared
            one.close()
            two.close()

    run(scenario)


def test_what_the_server_refused_at_first_counts_nothing() -> None:
    async def scenario() -> None:
        async with running(Full(room=1), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"SELECT 1")
            await one.ask(Command.QUERY, b"UPDATE t SET n = 1")
            await one.ask(Command.STMT_PREPARE, b"SELECT 2")

            await one.ask(Command.QUERY, b"SELECT ROW_COUNT()")

            assert proxy.backend.commands[-1] == (Command.QUERY, b"SELECT GREATEST(ROW_COUNT(),5) AS `ROW_COUNT()`")
            one.close()

    run(scenario)


def test_a_server_that_keeps_no_statements_says_so_itself() -> None:
    async def scenario() -> None:
        async with running(Full(room=0), connections=1, users={"app": PASSWORD.decode()}) as proxy:
            one = await client(proxy.port)

            (refused,) = await one.ask(Command.STMT_PREPARE, b"SELECT 1")

            assert refused == Err(number=1461, sqlstate=b"42000", message=b"Can't create more")
            assert [number for number, _ in proxy.backend.commands].count(Command.STMT_PREPARE) == 1
            one.close()

    run(scenario)


def prepared(text: bytes, state: SessionState) -> Statement:
    return Statement(1, text, classify(text, 0, 0), 1, 0, state, b"i")


@pytest.mark.parametrize(
    "text, variable, is_otherwise",
    [
        (b'UPDATE t SET name = "x" WHERE n = ?', "sql_mode", True),
        (b"UPDATE t SET name = 'a\\'b' WHERE n = ?", "sql_mode", True),
        (b"SELECT 'a' || ?", "sql_mode", True),
        (b'SELECT ? /*! , "x" */', "sql_mode", True),
        (b'SELECT `it\'s`, "x", ?', "sql_mode", True),
        (b"/* it's */ SELECT \"x\", '?'", "sql_mode", True),
        (b'SELECT ? -- it\'s\n, "x"', "sql_mode", True),
        (b'SELECT ? # it\'s\n, "x"', "sql_mode", True),
        (b'SELECT ? -- "it\'s"', "sql_mode", False),
        (b'/* traceparent="00" */ UPDATE t SET n = ?', "sql_mode", False),
        (b"UPDATE t SET doc = '{\"a\": 1}' WHERE n = ?", "sql_mode", False),
        (b"UPDATE t SET name = 'a''||''b' WHERE n = ?", "sql_mode", False),
        (b"UPDATE t SET n = ? WHERE id = 2", "sql_mode", False),
        (b"SELECT Week(?)", "default_week_format", True),
        (b"SELECT ? / 3", "div_precision_increment", True),
        (b"SELECT AVG(n) FROM t WHERE n > ?", "div_precision_increment", True),
        (b"SELECT GROUP_CONCAT(n) FROM t WHERE n > ?", "group_concat_max_len", True),
        (b"SELECT ? / 3", "group_concat_max_len", False),
    ],
)
def test_a_text_is_read_otherwise_under_another_value_of_what_it_is_read_by(
    text: bytes, variable: str, is_otherwise: bool
) -> None:
    state = SessionState()
    statement = prepared(text, state)

    assert not statement.is_read_otherwise(state)
    assert statement.is_read_otherwise(state.after(SetVariable(variable, b"1"))) is is_otherwise
    assert not statement.is_read_otherwise(state.after(SetVariable("sql_notes", b"0")))


def test_letters_beyond_ascii_are_read_otherwise_in_another_character_set() -> None:
    utf8 = SessionState(names=names_of((b"utf8mb4", b"utf8mb4", b"utf8mb4", b"utf8mb4_bin")))
    latin1 = SessionState(names=names_of((b"latin1", b"latin1", b"latin1", b"latin1_bin")))

    assert prepared("SELECT 'é', ?".encode(), utf8).is_read_otherwise(latin1)
    assert not prepared(b"SELECT 'e', ?", utf8).is_read_otherwise(latin1)
