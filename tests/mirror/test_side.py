"""Asking one server: connections are kept, brought into each session's state, and given up when they are broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.reading import Bounds, Rights, Statement
from dbmux.backend.server import Backend
from dbmux.config.model import BackendConfig
from dbmux.mirror.answer import Failure
from dbmux.mirror.settings import Family
from dbmux.mirror.side import Denied, NotAsked, Side
from dbmux.net.dial import dial
from dbmux.session import SessionState
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, PASSWORD, FakeBackend, row, run, select

READ = Statement(b"SELECT a FROM t")
LATIN = SessionState(schema=b"shop", variables=(("time_zone", b"'+02:00'"),))


def answers(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """A row for a SELECT, errors and warnings for others."""
    body = command.body
    if body.startswith(b"SHOW WARNINGS"):
        return protocol.send_rows([COLUMN] * 3, [row(b"Warning", b"1292", b"cut")], Status.AUTOCOMMIT)
    if body.startswith(b"SET"):
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))
    if body == b"SELECT wrong":
        return protocol.send_err(Err(number=1054, sqlstate=b"42S22", message=b"Unknown column"))
    if b"nowhere" in body:
        return protocol.send_err(Err(number=1049, sqlstate=b"42000", message=b"Unknown database"))
    if body == b"DO 1":
        return protocol.send_ok(Ok(affected_rows=3, status=Status.AUTOCOMMIT, warnings=1))
    if body == b"SELECT forever":
        return b""
    if body == b"SELECT gone":
        return None
    return select(protocol, command)


def rights(user: str) -> Rights:
    return Rights(user=user.encode() or b"app", password=PASSWORD)


@asynccontextmanager
async def sides(fake: FakeBackend, bounds: Bounds | None = None) -> AsyncIterator[Side]:
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = BackendConfig(address=TcpAddress("127.0.0.1", port))
    side = Side(Backend("new", config, dial=dial, tls=None, connect_timeout_s=1.0), rights, bounds or Bounds())
    try:
        yield side
    finally:
        side.close()
        server.close()
        await server.wait_closed()


def texts(fake: FakeBackend) -> list[bytes]:
    return [body for number, body in fake.commands if number != Command.QUIT]


def test_a_connection_is_kept_for_the_next_read_of_the_same_account() -> None:
    async def scenario() -> None:
        fake = FakeBackend(answer=answers)
        async with sides(fake) as side:
            first = await side.ask(READ, "app", SessionState())
            again = await side.ask(READ, "app", SessionState())
            await side.ask(READ, "ann", SessionState())

        assert fake.logins == 2
        assert first.rows == again.rows == ((READ.text,),)
        assert texts(fake).count(READ.text) == 3
        # The limits are set once a connection.
        assert texts(fake).count(b"SET SESSION TRANSACTION READ ONLY") == 2

    run(scenario)


def test_each_read_runs_in_the_state_of_its_session() -> None:
    async def scenario() -> None:
        fake = FakeBackend(answer=answers)
        async with sides(fake) as side:
            await side.ask(READ, "app", LATIN)
            there = len(fake.commands)
            await side.ask(READ, "app", LATIN)
            await side.ask(READ, "app", SessionState())

        assert fake.commands[0] == (Command.INIT_DB, b"shop")
        assert b"SET time_zone='+02:00'" in texts(fake)[:there]
        assert fake.commands[there : there + 3] == [
            (Command.QUERY, READ.text),
            (Command.QUERY, b"SET time_zone=DEFAULT"),
            (Command.QUERY, READ.text),
        ]

    run(scenario)


def test_an_error_is_an_answer_and_leaves_the_connection_good() -> None:
    async def scenario() -> None:
        fake = FakeBackend(answer=answers)
        async with sides(fake) as side:
            wrong = await side.ask(Statement(b"SELECT wrong"), "app", SessionState())
            await side.ask(READ, "app", SessionState())

        assert wrong.failure == Failure(1054, "42S22", "Unknown column")
        assert fake.logins == 1

    run(scenario)


def test_warnings_are_asked_for_only_when_there_are_some() -> None:
    async def scenario() -> None:
        fake = FakeBackend(answer=answers)
        async with sides(fake) as side:
            plain = await side.ask(READ, "app", SessionState())
            warned = await side.ask(Statement(b"DO 1"), "app", SessionState())

        assert plain.warnings == ()
        assert [tuple(one) for one in warned.warnings] == [("Warning", 1292, "cut")]
        assert (plain.affected_rows, warned.affected_rows) == (None, 3)
        assert texts(fake).count(b"SHOW WARNINGS LIMIT 20") == 1

    run(scenario)


def test_what_is_larger_than_the_bounds_is_cut_and_its_connection_given_up() -> None:
    async def scenario() -> None:
        fake = FakeBackend(answer=answers)
        async with sides(fake, Bounds(rows=10, bytes=3)) as side:
            large = await side.ask(READ, "app", SessionState())
            await side.ask(Statement(b"DO 0"), "app", SessionState())

        assert (large.is_cut, large.rows) == (True, ())

    run(scenario)


@pytest.mark.parametrize(
    ("statement", "state", "why"),
    [
        (Statement(b"SELECT gone"), SessionState(), "the connection to new broke"),
        (Statement(b"SELECT forever"), SessionState(), "new did not answer in -1.9 s"),
        (READ, SessionState(schema=b"nowhere"), "new refuses the session's state with error 1049"),
    ],
)
def test_what_keeps_it_from_being_asked_is_told(statement: Statement, state: SessionState, why: str) -> None:
    async def scenario() -> None:
        fake = FakeBackend(answer=answers)
        async with sides(fake, Bounds(seconds=-1.9)) as side:
            with pytest.raises(NotAsked, match=why):
                await side.ask(statement, "app", state)
            # The next one has a connection of its own.
            assert (await side.ask(READ, "app", SessionState())).rows

    run(scenario)


def test_an_account_that_is_not_known_or_not_let_in_is_told() -> None:
    def unknown(user: str) -> Rights:
        raise Denied("no account is known")

    async def scenario() -> None:
        async with sides(FakeBackend()) as side:
            side.rights = unknown
            with pytest.raises(NotAsked, match="no account is known"):
                await side.ask(READ, "app", SessionState())
            side.rights = lambda user: Rights(user=b"app", password=b"wrong")
            with pytest.raises(NotAsked, match="new cannot be reached, or does not let DbMux in"):
                await side.ask(READ, "app", SessionState())

    run(scenario)


def test_which_server_it_is_is_known_after_meeting_it() -> None:
    async def scenario() -> None:
        async with sides(FakeBackend()) as side:
            await side.meet()

            assert (side.family, side.version) == (Family.MYSQL, "mysql 8.0.36")

    run(scenario)


def test_a_server_that_is_not_there_is_told() -> None:
    async def scenario() -> None:
        async with sides(FakeBackend()) as side:
            pass
        with pytest.raises(NotAsked, match="new cannot be reached"):
            await side.meet()

    run(scenario)
