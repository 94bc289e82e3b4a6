"""What is sent again when its server is lost or refuses it, and what never is: nothing of a session that held on."""

from __future__ import annotations

import asyncio

import pytest

from dbmux.backend.server import BackendState
from dbmux.frontend.tenant import ANY
from dbmux.wire.client import Row
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok
from tests.fakes import TestClient, client, run
from tests.frontend.test_routing import Group, group, served_by, switchable
from tests.net.loopback import until

READ, WRITE = b"SELECT 1", b"UPDATE t SET a = 1"


async def in_a_transaction(found: Group) -> TestClient:
    """A session that has begun one, for which all that follows is known as plain."""
    session = await client(found.port)
    for statement in (READ, WRITE, b"BEGIN", WRITE):
        await session.ask(Command.QUERY, statement)
    return session


async def is_refused_by_the_server(session: TestClient, statement: bytes) -> None:
    """The client is told of it in the server's words."""
    (told,) = await session.ask(Command.QUERY, statement)

    assert isinstance(told, Err)
    assert told.message.startswith(b"The MariaDB server")


def asked(found: Group, what: bytes) -> list[str]:
    """The replicas that a command with this in it has come to."""
    return [name for name in ("one", "two") if any(what in body for _, body in found.members[name].commands)]


@pytest.mark.parametrize("names", [("primary",), ("primary", "one", "two")])
def test_a_read_of_a_transaction_that_was_lost_is_not_answered_from_another_connection(names: tuple[str, ...]) -> None:
    async def scenario() -> None:
        async with group(names) as found:
            session = await in_a_transaction(found)
            found.members["primary"].hangs_up_once_on = READ

            (told,) = await session.ask(Command.QUERY, READ)

            assert isinstance(told, Err)
            assert told.number == 2013
            session.close()

    run(scenario)


def test_a_write_of_a_transaction_that_is_refused_does_not_wait_for_another_primary() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await in_a_transaction(found)
            found.members["primary"].is_read_only = True

            await is_refused_by_the_server(session, WRITE)

            assert found.members["primary"].statements == [WRITE, b"BEGIN", WRITE, WRITE]
            session.close()

    run(scenario)


def test_a_read_is_repeated_elsewhere_though_its_connection_had_to_be_made_ready() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            assert await served_by(session)
            await session.ask(Command.QUERY, b"SET time_zone = '+01:00'")
            for name in ("one", "two"):
                found.members[name].hangs_up_once_on = READ

            assert await served_by(session) == "primary"
            session.close()

    run(scenario)


def test_a_write_waits_for_another_primary_though_its_connection_had_to_be_made_ready() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session, other = await client(found.port), await client(found.port)
            await session.ask(Command.QUERY, WRITE)
            await session.ask(Command.QUERY, b"SET time_zone = '+01:00'")
            await other.ask(Command.QUERY, WRITE)
            found.members["primary"].is_read_only = True
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, WRITE))
            main = found.engine.frontend.topology.groups["main"]
            await until(lambda: bool(main.writers))

            main.promote(found.backend("two"))
            main.found_writable()

            assert isinstance((await waiting)[0], Ok)
            session.close()
            other.close()

    run(scenario)


def test_a_statement_of_which_only_the_beginning_is_kept_is_not_sent_again() -> None:
    async def scenario() -> None:
        top = {"service": {"user": "nobody"}, "limits": {"inspect_max": "4KB"}}
        async with switchable(top=top) as found:
            session = await client(found.port)
            found.members["primary"].is_read_only = True

            await is_refused_by_the_server(session, b"UPDATE t SET a = '%b'" % (b"x" * 1_000_000))
            session.close()

    run(scenario)


def test_a_limit_of_rows_ends_with_its_statement_though_that_waits_for_another_primary() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            found.members["primary"].is_read_only = True
            limited = b"UPDATE /* dbmux: max_rows=1 */ t SET a = 1"
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, limited))
            main = found.engine.frontend.topology.groups["main"]
            await until(lambda: bool(main.writers))

            shelves = found.backend("primary").pool.shelves.values()
            assert [one.scanner.row_limit for shelf in shelves for one in shelf.idle] == [ANY]
            waiting.cancel()
            session.close()

    run(scenario)


def test_a_read_goes_elsewhere_when_its_server_hangs_while_the_connection_is_made_ready() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            assert await served_by(session)
            await session.ask(Command.QUERY, b"SET time_zone = '+01:00'")
            for name in ("one", "two"):
                found.members[name].hears_nothing_of = b"time_zone"
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, READ))
            await until(lambda: bool(asked(found, b"time_zone")))
            (name,) = asked(found, b"time_zone")
            (other,) = {"one", "two"} - {name}
            found.members[other].hears_nothing_of = b""

            found.engine.frontend.leave_hanging(found.backend(name))

            (told,) = [message for message in await waiting if isinstance(message, Row)]
            assert told.payload[1:].decode() == other
            session.close()

    run(scenario)


def test_whoever_waits_for_a_primary_is_called_by_the_next_that_is_found_to_be_one() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            main = found.engine.frontend.topology.groups["main"]
            found.backend("primary").suspect()
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, WRITE))
            await until(lambda: bool(main.writers))

            assert not main.is_writable
            waiting.cancel()
            session.close()

    run(scenario)


def test_what_writes_nothing_is_answered_while_the_primary_is_away() -> None:
    async def scenario() -> None:
        async with group() as found:
            await until(lambda: found.backend("primary").state is BackendState.UP)
            found.backend("primary").state = BackendState.DOWN
            session = await client(found.port)

            (pong,) = await session.ask(Command.PING)
            (rolled_back,) = await session.ask(Command.QUERY, b"ROLLBACK")
            (chosen,) = await session.ask(Command.INIT_DB, b"shop")

            assert [type(told) for told in (pong, rolled_back, chosen)] == [Ok] * 3
            assert found.members["primary"].logins == 0
            session.close()

    run(scenario)
