"""Admins who come in by the SQL door, through the port that all clients use."""

from __future__ import annotations

import struct
from time import perf_counter
from typing import Any

import pytest

from dbmux.events import AddressBlocked, CloseReason, LoggedIn, LoginFailed, SessionClosed
from dbmux.wire.capabilities import Capability as C
from dbmux.wire.client import ColumnCount, Definition, Row, ServerMessage, Text
from dbmux.wire.columns import FieldType, parse_column
from dbmux.wire.commands import Command
from dbmux.wire.replies import Eof, Err, Ok, Status
from dbmux.wire.rows import parse_binary_row, parse_text_row
from dbmux.wire.statements import Execute, LongData, ParameterType, Prepared
from tests.config.test_reload import farewell
from tests.fakes import PASSWORD, PLAIN, FakeBackend, TestClient, connect, run, running

ADMINS = {"ops": "topsecret"}
USERS: dict[str, Any] = {"users": {"app": PASSWORD.decode()}}
WITH_SCHEMA = PLAIN | C.CONNECT_WITH_DB


async def visit(
    port: int, schema: bytes = b"dbmux", password: bytes = b"topsecret", flags: int = WITH_SCHEMA, header: bytes = b""
) -> TestClient | Err:
    return await connect(port, password, flags, b"ops", header, schema)


async def visitor(port: int, flags: int = WITH_SCHEMA) -> TestClient:
    """An admin who is in."""
    found = await visit(port, flags=flags)
    assert isinstance(found, TestClient)
    return found


def rows(told: list[ServerMessage]) -> list[tuple[bytes | None, ...]]:
    """The rows of a text result."""
    (count,) = [one.count for one in told if isinstance(one, ColumnCount)]
    return [parse_text_row(one.payload, count) for one in told if isinstance(one, Row)]


def error(told: list[ServerMessage]) -> tuple[int, str]:
    (only,) = told
    assert isinstance(only, Err)
    return only.number, only.message.decode()


@pytest.mark.parametrize("config", [USERS, {"login": "learn"}, {}], ids=["users", "learn", "relay"])
@pytest.mark.parametrize("schema", [b"dbmux", b""], ids=["dbmux", "no schema"])
def test_an_admin_reads_tables_whichever_way_others_log_in(config: dict[str, Any], schema: bytes) -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **config) as proxy:
            told = await visit(proxy.port, schema)
            assert isinstance(told, TestClient)

            found = await told.ask(Command.QUERY, b"SELECT backend, busy, max_connections FROM dbmux.pools")

            assert rows(found) == [(b"db", b"0", None)]
            assert proxy.backend.logins == 0
            assert proxy.backend.commands == []
            assert [(event.user, event.schema, event.backend) for event in proxy.of(LoggedIn)] == [
                ("ops", "dbmux", "dbmux")
            ]
            told.close()

    run(scenario)


@pytest.mark.parametrize(
    ("schema", "password", "number", "told"),
    [
        (b"dbmux", b"wrong", 1045, "Access denied for user 'ops'"),
        (b"shop", b"topsecret", 1049, "connect to schema dbmux, or as another user"),
        (b"shop", b"wrong", 1045, "Access denied for user 'ops'"),
    ],
)
def test_who_is_not_let_in_is_told_why(schema: bytes, password: bytes, number: int, told: str) -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            refused = await visit(proxy.port, schema, password)

            assert isinstance(refused, Err)
            assert refused.number == number
            assert told in refused.message.decode()
            assert [event.code for event in proxy.of(LoginFailed)] == [number]

    run(scenario)


def test_failed_logins_of_admins_count_as_those_of_users() -> None:
    async def scenario() -> None:
        balancer: dict[str, Any] = {"proxy_protocol": {"accept_from": ["127.0.0.1"]}, "limits": {"failed_logins": 2}}
        header = b"PROXY TCP4 192.0.2.1 192.0.2.9 40000 3306\r\n"
        async with running(admins=ADMINS, **USERS, **balancer) as proxy:
            wrong = [await visit(proxy.port, password=b"wrong", header=header) for _ in range(2)]

            right = await visit(proxy.port, header=header)

            assert [one.number for one in (*wrong, right) if isinstance(one, Err)] == [1045, 1045, 1129]
            assert [event.address for event in proxy.of(AddressBlocked)] == ["192.0.2.1"]

    run(scenario)


def test_another_users_schema_dbmux_is_the_servers() -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            app = await connect(proxy.port, capabilities=WITH_SCHEMA, schema=b"dbmux")
            assert isinstance(app, TestClient)

            await app.ask(Command.QUERY, b"SELECT * FROM pools")

            assert (Command.INIT_DB, b"dbmux") in proxy.backend.commands
            assert (Command.QUERY, b"SELECT * FROM pools") in proxy.backend.commands
            app.close()

    run(scenario)


def test_admins_read_why_a_server_is_down_that_was_never_seen() -> None:
    async def scenario() -> None:
        async with running(FakeBackend(greets=False), admins=ADMINS, timeouts={"connect": 0.05}) as proxy:
            admin = await visitor(proxy.port)
            other = await connect(proxy.port)

            found = await admin.ask(Command.QUERY, b"SELECT name, version, error <> '' FROM backends")

            assert rows(found) == [(b"db", b"", b"1")]
            assert isinstance(other, Err)
            assert other.number == 1429
            admin.close()

    run(scenario)


@pytest.mark.parametrize("flags", [WITH_SCHEMA, WITH_SCHEMA | C.DEPRECATE_EOF | C.QUERY_ATTRIBUTES], ids=["old", "new"])
def test_a_result_has_types_and_says_how_strings_are_escaped(flags: int) -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            admin = await visitor(proxy.port, flags)
            body = b"SELECT backend, idle, waited_seconds FROM pools"

            told = await admin.ask(Command.QUERY, b"\0\1" + body if flags & C.QUERY_ATTRIBUTES else body)

            columns = [parse_column(one.payload, flags) for one in told if isinstance(one, Definition)]
            assert [(one.name, one.type, one.charset) for one in columns] == [
                (b"backend", FieldType.VAR_STRING, 45),
                (b"idle", FieldType.LONGLONG, 63),
                (b"waited_seconds", FieldType.DOUBLE, 63),
            ]
            assert rows(told) == [(b"db", b"0", b"0.0")]
            last = told[-1]
            assert isinstance(last, Ok | Eof)
            assert last.status == Status.AUTOCOMMIT | Status.NO_BACKSLASH_ESCAPES
            admin.close()

    run(scenario)


def test_commands_beside_statements_are_answered_and_the_visit_goes_on_after_errors() -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            admin = await visitor(proxy.port)

            assert isinstance((await admin.ask(Command.PING))[0], Ok)
            assert isinstance((await admin.ask(Command.INIT_DB, b"information_schema"))[0], Ok)
            assert rows(await admin.ask(Command.QUERY, b"SELECT DATABASE()")) == [(b"information_schema",)]
            assert error(await admin.ask(Command.INIT_DB, b"shop"))[0] == 1049
            assert isinstance((await admin.ask(Command.RESET_CONNECTION))[0], Ok)
            assert rows(await admin.ask(Command.QUERY, b"SELECT DATABASE()")) == [(b"dbmux",)]
            assert error(await admin.ask(Command.QUERY, b"DELETE FROM pools"))[0] == 1290
            assert error(await admin.ask(Command.DEBUG)) == (
                1047,
                "DbMux: schema dbmux has no use for command 0x0d; log in as another user for the servers' own",
            )
            fields = [one for one in await admin.ask(Command.FIELD_LIST, b"rules\0%") if isinstance(one, Row)]
            assert [parse_column(one.payload, 0).name for one in fields][:3] == [b"position", b"name", b"matched"]
            assert error(await admin.ask(Command.FIELD_LIST, b"nonsense\0"))[0] == 1146
            (statistics,) = await admin.ask(Command.STATISTICS)
            assert isinstance(statistics, Text)
            assert statistics.text.startswith(b"Uptime: ")
            admin.conversation.send(admin.protocol.command(Command.QUIT))
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))
            assert [event.reason for event in proxy.of(SessionClosed)] == [CloseReason.QUIT]

    run(scenario)


@pytest.mark.parametrize("flags", [WITH_SCHEMA, WITH_SCHEMA | C.DEPRECATE_EOF | C.QUERY_ATTRIBUTES], ids=["old", "new"])
def test_statements_can_be_prepared(flags: int) -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            admin = await visitor(proxy.port, flags)
            text = b"SELECT backend, idle, waited_seconds, ?, ? FROM pools WHERE backend = ?"
            told = await admin.ask(Command.STMT_PREPARE, text)
            prepared = told[0]
            assert isinstance(prepared, Prepared)
            long = LongData(statement=prepared.statement, parameter=2, data=b"d")
            for piece in (long, LongData(statement=prepared.statement, parameter=2, data=b"b")):
                admin.conversation.send(admin.protocol.command(Command.STMT_SEND_LONG_DATA, piece.build()))
            kinds = (
                ParameterType(FieldType.LONGLONG),
                ParameterType(FieldType.DOUBLE),
                ParameterType(FieldType.VAR_STRING),
            )
            # Of a value that was sent ahead nothing stands here, and it is not NULL either.
            body = Execute(statement=prepared.statement, types=kinds, values=(5, 1.5, b"")).build(flags)

            answer = await admin.ask(Command.STMT_EXECUTE, body[:-1])

            columns = [parse_column(one.payload, flags) for one in answer if isinstance(one, Definition)]
            found = [parse_binary_row(one.payload, columns) for one in answer if isinstance(one, Row)]
            assert (prepared.columns, prepared.parameters) == (5, 3)
            assert len([one for one in told if isinstance(one, Definition)]) == 8
            assert found == [(b"db", 0, 0.0, 5, 1.5)]
            assert isinstance((await admin.ask(Command.STMT_RESET, body[:4]))[0], Ok)
            admin.conversation.send(admin.protocol.command(Command.STMT_CLOSE, body[:4]))
            assert error(await admin.ask(Command.STMT_EXECUTE, body))[0] == 1243
            assert error(await admin.ask(Command.STMT_PREPARE, b"SELECT nonsense"))[0] == 1064
            nothing = (await admin.ask(Command.STMT_PREPARE, b"SET NAMES utf8mb4"))[0]
            assert isinstance(nothing, Prepared)
            executed = await admin.ask(Command.STMT_EXECUTE, struct.pack("<IBI", nothing.statement, 0, 1))
            assert isinstance(executed[0], Ok)
            admin.close()

    run(scenario)


def test_commands_that_are_sent_ahead_are_answered_in_their_order() -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            admin = await visitor(proxy.port)
            ahead = [admin.protocol.command(Command.QUERY, b"SELECT %d" % number) for number in range(3)]
            admin.conversation.send(b"".join(ahead))

            found = []
            for _ in ahead:
                admin.protocol.command(Command.QUERY, b"")
                found += rows(await admin.reply())

            assert found == [(b"0",), (b"1",), (b"2",)]
            admin.close()

    run(scenario)


def test_an_admin_is_among_the_sessions_and_its_end_is_told() -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            app = await connect(proxy.port)
            admin = await visitor(proxy.port)
            assert isinstance(app, TestClient)

            found = await admin.ask(Command.QUERY, b"SELECT user, state, group_name FROM sessions ORDER BY user")
            admin.close()
            await proxy.until(lambda: len(proxy.engine.frontend.sessions) == 1)

            assert rows(found) == [(b"app", b"idle", b"db"), (b"ops", b"query", None)]
            assert [event.reason for event in proxy.of(SessionClosed)] == [CloseReason.CLIENT_GONE]
            app.close()

    run(scenario)


def test_an_admin_who_was_removed_must_leave_and_one_who_was_not_stays() -> None:
    async def scenario() -> None:
        timeouts = {"drain": 0.01}
        async with running(admins={**ADMINS, "eve": "secret"}, timeouts=timeouts, **USERS) as proxy:
            ops = await visitor(proxy.port)
            eve = await connect(proxy.port, b"secret", WITH_SCHEMA, b"eve", schema=b"dbmux")
            assert isinstance(eve, TestClient)
            fewer = proxy.engine.config.model_copy(update={"admins": {"ops": proxy.engine.config.admins["ops"]}})

            await proxy.engine.apply(fewer, "app.json", ())

            assert (await farewell(eve))[0] == 1053
            assert rows(await ops.ask(Command.QUERY, b"SELECT COUNT(*) FROM sessions")) == [(b"1",)]
            ops.close()

    run(scenario)


def test_a_stopping_proxy_tells_admins_so() -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            admin = await visitor(proxy.port)

            await proxy.engine.drain()

            assert (await farewell(admin))[0] == 1053
            assert [event.reason for event in proxy.of(SessionClosed)] == [CloseReason.DRAINED]

    run(scenario)


def test_an_admin_who_asks_nothing_for_too_long_must_leave() -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, timeouts={"idle": 10}, **USERS) as proxy:
            admin = await visitor(proxy.port)

            proxy.engine.frontend.end_overdue(perf_counter() + 9)
            assert rows(await admin.ask(Command.QUERY, b"SELECT 1")) == [(b"1",)]
            proxy.engine.frontend.end_overdue(perf_counter() + 11)

            assert (await farewell(admin))[0] == 1053
            assert [event.reason for event in proxy.of(SessionClosed)] == [CloseReason.TIMEOUT]

    run(scenario)


def test_a_client_that_speaks_no_protocol_any_more_is_sent_away() -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            admin = await visitor(proxy.port)

            admin.conversation.send(b"\1\0\0\7\3")
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))

            assert [event.reason for event in proxy.of(SessionClosed)] == [CloseReason.PROTOCOL_ERROR]

    run(scenario)


def test_tls_is_required_of_admins_as_of_others() -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS, tls="required") as proxy:
            refused = await visit(proxy.port)

            assert isinstance(refused, Err)
            assert refused.number == 3159

    run(scenario)


def test_an_admin_who_reads_nothing_is_told_no_more() -> None:
    async def scenario() -> None:
        async with running(admins=ADMINS, **USERS) as proxy:
            admin = await visitor(proxy.port)
            (session,) = proxy.engine.frontend.sessions.values()
            count = b"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) "
            long = count + b"SELECT hex(zeroblob(100000)) FROM t LIMIT 20"
            admin.conversation.channel.pause()
            for _ in range(40):
                admin.conversation.send(admin.protocol.command(Command.QUERY, long))
            await proxy.until(lambda: session.channel.transport.get_write_buffer_size() > 0)
            await proxy.until(lambda: session.activity == "idle")
            waiting = session.channel.transport.get_write_buffer_size()

            assert waiting < 2 * 20 * 200_000
            admin.conversation.channel.abort()

    run(scenario)
