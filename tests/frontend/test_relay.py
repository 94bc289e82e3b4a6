"""Relayed logins take over the connections that earlier ones left, and nobody can tell."""

from __future__ import annotations

import asyncio

import pytest

from dbmux.backend.pool import Pool
from dbmux.backend.vacancy import NO_ROLE, NO_ROWS
from dbmux.wire import auth, packet
from dbmux.wire.capabilities import OFFERED, Capability
from dbmux.wire.client import Row
from dbmux.wire.commands import Command
from dbmux.wire.handshake import AuthSwitch, ChangeUser, LoginRequest
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import PLAIN, FakeBackend, Running, TestClient, client, connect, row, run, running, select


class Changing(FakeBackend):
    """A server that answers COM_CHANGE_USER so; None hangs up."""

    def __init__(self, says: Err | None) -> None:
        super().__init__()
        self.says = says

    def _reply(self, protocol: ServerProtocol, message: object) -> bytes | None:
        if isinstance(message, CommandReceived) and message.command == Command.CHANGE_USER:
            return None if self.says is None else protocol.send_err(self.says)
        return super()._reply(protocol, message)


def in_transaction(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """Answers every query with an OK that tells of a transaction."""
    if command.command == Command.QUERY:
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT | Status.IN_TRANSACTION))
    return select(protocol, command)


def _pool(proxy: Running) -> Pool:
    return proxy.engine.frontend.settings.topology.backends["db"].pool


async def _leave(proxy: Running, one: TestClient) -> None:
    """Close it, and wait until its connection lies idle or is gone."""
    sessions, pool = proxy.engine.frontend.sessions, _pool(proxy)
    before = len(sessions)
    one.close()
    await proxy.until(lambda: len(sessions) < before)
    await proxy.until(lambda: pool.figures().idle + len(sessions) == pool.taken == proxy.backend.open)


def test_the_next_client_changes_the_user_on_the_connection_that_was_left() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            await _leave(proxy, await client(proxy.port))
            assert proxy.backend.commands == [(Command.RESET_CONNECTION, b""), (Command.QUERY, NO_ROWS)]

            other = await connect(proxy.port, user=b"other")

            assert isinstance(other, TestClient)
            assert Row(row(b"SELECT 1")) in await other.ask(Command.QUERY, b"SELECT 1")
            assert (proxy.backend.changes, proxy.backend.open) == ([b"other"], 1)
            figures = _pool(proxy).figures()
            assert (figures.unshared, figures.idle, figures.busy) == (1, 0, 0)
            await _leave(proxy, other)
            assert _pool(proxy).figures().idle == 1

    run(scenario)


@pytest.mark.parametrize("takes_it", [True, False], ids=["taken off", "refused"])
def test_the_role_of_the_former_user_is_taken_off_on_mariadb_which_keeps_it(takes_it: bool) -> None:
    def says(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body == NO_ROLE and not takes_it:
            return protocol.send_err(Err(number=1064, sqlstate=b"42000", message=b"no roles here"))
        return select(protocol, command)

    async def scenario() -> None:
        backend = FakeBackend(
            answer=says, version=b"10.11.19-MariaDB", capabilities=OFFERED & ~Capability.LONG_PASSWORD
        )
        async with running(backend) as proxy:
            await _leave(proxy, await client(proxy.port))

            assert backend.commands[:2] == [(Command.RESET_CONNECTION, b""), (Command.QUERY, NO_ROLE)]
            assert _pool(proxy).figures().idle == int(takes_it)

    run(scenario)


def test_a_wrong_password_gets_the_servers_error_and_closes_the_connection() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            await _leave(proxy, await client(proxy.port))

            refused = await connect(proxy.port, b"wrong")
            await proxy.until(lambda: proxy.backend.open == 0)

            assert isinstance(refused, Err)
            assert (refused.number, refused.message) == (1045, b"Access denied")
            assert _pool(proxy).taken == 0
            await _leave(proxy, await client(proxy.port))
            assert proxy.backend.changes == [b"app"]

    run(scenario)


@pytest.mark.parametrize(
    "says",
    [None, Err(number=1047, sqlstate=b"08S01", message=b"Unknown command"), Err(number=4031, message=b"idle")],
    ids=["hangs up", "1047", "4031"],
)
def test_a_connection_that_turns_out_dead_is_replaced_unseen(says: Err | None) -> None:
    async def scenario() -> None:
        async with running(Changing(says)) as proxy:
            await _leave(proxy, await client(proxy.port))

            one = await client(proxy.port)

            assert Row(row(b"SELECT 1")) in await one.ask(Command.QUERY, b"SELECT 1")
            await proxy.until(lambda: _pool(proxy).taken == proxy.backend.open == 1)
            await _leave(proxy, one)

    run(scenario)


def test_a_client_that_vanishes_in_the_exchange_leaves_nothing() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            await _leave(proxy, await client(proxy.port))
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            await reader.readexactly(4)
            login = LoginRequest(capabilities=PLAIN, max_packet=1 << 24, charset=45, user=b"app", answer=b"")
            writer.write(packet.encode(login.build(), 1))
            await proxy.until(lambda: bool(proxy.backend.changes))

            writer.close()

            await proxy.until(lambda: not proxy.engine.frontend.sessions)
            await proxy.until(lambda: _pool(proxy).taken == proxy.backend.open == 0)

    run(scenario)


@pytest.mark.parametrize(
    "last",
    [
        (Command.QUERY, b"CALL anything()"),
        (Command.QUERY, b"SOMETHING nobody understands"),
        (Command.QUERY, b"XA START 'x'"),
        (Command.SET_OPTION, b"\x00\x00"),
    ],
    ids=lambda last: last[1].decode(),
)
def test_what_may_outlast_a_reset_is_not_left_to_the_next(last: tuple[Command, bytes]) -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)
            await one.ask(*last)

            await _leave(proxy, one)

            is_kept = last[1].startswith(b"CALL")
            assert _pool(proxy).figures().idle == int(is_kept)

    run(scenario)


def test_a_connection_in_a_transaction_is_closed() -> None:
    async def scenario() -> None:
        async with running(FakeBackend(answer=in_transaction)) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")

            await _leave(proxy, one)

            assert _pool(proxy).taken == 0

    run(scenario)


@pytest.mark.parametrize(
    "told, kept",
    [
        ((b"", b"0", b"151"), 4),
        ((b"", b"0", b"20"), 2),
        ((b"", b"0", b"5"), 1),
        ((b"SET @a = 1", b"0", b"151"), 0),
        ((b"", b"7", b"151"), 0),
    ],
    ids=["few", "a tenth", "one at least", "init_connect", "limited account"],
)
def test_as_many_lie_idle_as_the_servers_settings_allow(told: tuple[bytes, bytes, bytes], kept: int) -> None:
    async def scenario() -> None:
        async with running(FakeBackend(after_leaving=told)) as proxy:
            clients = [await client(proxy.port) for _ in range(4)]

            for one in clients:
                await _leave(proxy, one)

            assert _pool(proxy).figures().idle == kept
            assert proxy.backend.questions == 1

    run(scenario)


@pytest.mark.parametrize("flag", [Capability.INTERACTIVE, Capability.IGNORE_SPACE])
def test_clients_with_an_ability_that_a_change_of_user_would_lose_have_their_own(flag: Capability) -> None:
    async def scenario() -> None:
        async with running() as proxy:
            await _leave(proxy, await client(proxy.port, PLAIN | flag))

            assert _pool(proxy).taken == 0

    run(scenario)


def test_clients_of_another_kind_do_not_get_it() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            await _leave(proxy, await client(proxy.port))

            other = await client(proxy.port, PLAIN | Capability.FOUND_ROWS)

            assert (proxy.backend.changes, proxy.backend.open) == ([], 2)
            await _leave(proxy, other)

    run(scenario)


@pytest.mark.parametrize("flag, changes", [(0, [b"app"]), (Capability.FOUND_ROWS, [])], ids=["alike", "other"])
def test_whoever_waits_gets_the_connection_or_its_place(flag: int, changes: list[bytes]) -> None:
    async def scenario() -> None:
        async with running(connections=1) as proxy:
            one = await client(proxy.port)
            waiting = asyncio.ensure_future(client(proxy.port, PLAIN | flag))
            await proxy.until(lambda: bool(_pool(proxy).queue))

            one.close()
            other = await waiting

            assert Row(row(b"SELECT 1")) in await other.ask(Command.QUERY, b"SELECT 1")
            assert (_pool(proxy).taken, proxy.backend.changes) == (1, changes)
            await _leave(proxy, other)

    run(scenario)


def test_an_idle_one_makes_way_for_a_client_of_another_kind() -> None:
    async def scenario() -> None:
        async with running(connections=1) as proxy:
            await _leave(proxy, await client(proxy.port))

            other = await client(proxy.port, PLAIN | Capability.FOUND_ROWS)

            await proxy.until(lambda: _pool(proxy).taken == proxy.backend.open == 1)
            await _leave(proxy, other)

    run(scenario)


@pytest.mark.parametrize("idle_s, lifetime_s", [(300.0, 1e9), (1e9, 3600.0)], ids=["idle", "lifetime"])
def test_it_ends_like_others_that_are_idle_for_too_long_or_too_old(idle_s: float, lifetime_s: float) -> None:
    async def scenario() -> None:
        async with running() as proxy:
            await _leave(proxy, await client(proxy.port))
            (connection,) = _pool(proxy).connections()

            _pool(proxy).tend(connection.opened_at + 300, idle_s, lifetime_s)
            assert _pool(proxy).taken == 1
            _pool(proxy).tend(connection.opened_at + 4000, idle_s, lifetime_s)

            assert _pool(proxy).taken == 0
            await proxy.until(lambda: proxy.backend.open == 0)

    run(scenario)


def test_a_client_that_changes_its_user_has_no_schema_and_takes_its_spoils_along() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)
            await one.ask(Command.INIT_DB, b"shop")
            await one.ask(Command.SET_OPTION, b"\x00\x00")
            proxy.backend.commands.clear()

            one.conversation.send(
                one.protocol.change_user(ChangeUser(user=b"b", answer=b"", schema=b"", charset=45, plugin=auth.NATIVE))
            )
            asked = await one.conversation.next()
            assert isinstance(asked, AuthSwitch)
            one.conversation.send(one.protocol.answer(auth.native_answer(b"right", asked.scramble)))
            assert isinstance(await one.conversation.next(), Ok)
            await one.ask(Command.QUERY, b"SELECT 1")

            assert proxy.backend.commands == [(Command.QUERY, b"SELECT 1")]
            await _leave(proxy, one)
            assert _pool(proxy).taken == 0

    run(scenario)
