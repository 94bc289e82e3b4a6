"""Limits on users and addresses: who is one too many is told which setting says so."""

from __future__ import annotations

from typing import Any

import pytest

from dbmux.events import AddressBlocked, LoginFailed, SessionClosed, SessionOpened
from dbmux.frontend.state import State
from dbmux.wire import auth
from dbmux.wire.commands import Command
from dbmux.wire.handshake import AuthSwitch, ChangeUser
from dbmux.wire.replies import Err
from tests.fakes import PASSWORD, TestClient, connect, run, running

BALANCER: dict[str, Any] = {"proxy_protocol": {"accept_from": ["127.0.0.1"]}}
APP = {"password": PASSWORD.decode()}
OWN_CHECK = b"PROXY UNKNOWN\r\n"


def header(host: str) -> bytes:
    return f"PROXY TCP4 {host} 192.0.2.9 40000 3306\r\n".encode()


def told(answer: TestClient | Err) -> tuple[int, str]:
    assert isinstance(answer, Err)
    return answer.number, answer.message.decode()


def test_a_client_too_many_of_a_user_is_refused_until_one_leaves() -> None:
    async def scenario() -> None:
        async with running(users={"app": {**APP, "max_clients": 1}, "other": APP}) as proxy:
            first = await connect(proxy.port)
            second = await connect(proxy.port)
            other = await connect(proxy.port, user=b"other")
            assert isinstance(first, TestClient)
            first.close()
            await proxy.until(lambda: len(proxy.of(SessionClosed)) == 2)

            third = await connect(proxy.port)

            assert told(second) == (
                1203,
                "DbMux: 1 client is logged in as app already; raise users.app.max_clients or close some",
            )
            assert isinstance(other, TestClient)
            assert isinstance(third, TestClient)

    run(scenario)


def test_a_client_too_many_of_an_address_is_refused_and_the_balancers_address_does_not_count() -> None:
    async def scenario() -> None:
        async with running(limits={"clients_per_address": 1}, users={"app": APP}, **BALANCER) as proxy:
            await connect(proxy.port, header=header("192.0.2.1"))
            second = await connect(proxy.port, header=header("192.0.2.1"))
            other = await connect(proxy.port, header=header("192.0.2.2"))
            checks = [await connect(proxy.port, header=OWN_CHECK) for _ in range(2)]

            assert told(second) == (
                1040,
                "DbMux: 1 client is connected from 192.0.2.1 already; raise limits.clients_per_address or close some",
            )
            assert all(isinstance(one, TestClient) for one in (other, *checks))

    run(scenario)


@pytest.mark.parametrize("login", ["users", "relay"])
def test_an_address_where_too_many_logins_failed_is_refused_at_once_and_no_other_is(login: str) -> None:
    ways: dict[str, dict[str, Any]] = {"users": {"users": {"app": APP}}, "relay": {}}

    async def scenario() -> None:
        async with running(limits={"failed_logins": 2}, **ways[login], **BALANCER) as proxy:
            wrong = [await connect(proxy.port, b"wrong", header=header("192.0.2.1")) for _ in range(2)]
            opened = proxy.backend.open

            refused = await connect(proxy.port, header=header("192.0.2.1"))
            other = await connect(proxy.port, header=header("192.0.2.2"))

            assert [told(one)[0] for one in wrong] == [1045, 1045]
            assert told(refused) == (
                1129,
                "DbMux: too many logins from 192.0.2.1 failed (limits.failed_logins); try again in 1 s",
            )
            assert proxy.backend.open <= opened + 1
            assert isinstance(other, TestClient)
            assert [(event.address, event.seconds) for event in proxy.of(AddressBlocked)] == [("192.0.2.1", 1.0)]
            assert [event.code for event in proxy.of(LoginFailed)] == [1045, 1045, 1129]

    run(scenario)


def test_changes_of_user_that_fail_count_too() -> None:
    async def scenario() -> None:
        async with running(limits={"failed_logins": 2}, users={"app": APP}, **BALANCER) as proxy:
            clients = [await connect(proxy.port, header=header("192.0.2.1")) for _ in range(3)]
            for one in clients:
                assert isinstance(one, TestClient)
                nobody = ChangeUser(user=b"nobody", answer=b"", schema=b"", charset=45, plugin=auth.NATIVE)
                one.conversation.send(one.protocol.change_user(nobody))
                if isinstance(await one.conversation.next(), AuthSwitch):
                    one.conversation.send(one.protocol.answer(b"wrong"))
                    await one.conversation.next()

            assert [event.code for event in proxy.of(LoginFailed)] == [1045, 1045, 1129]

    run(scenario)


@pytest.mark.parametrize("end", ["gone", "killed"])
def test_of_a_client_that_ends_during_its_change_of_user_nothing_is_left(end: str) -> None:
    async def scenario() -> None:
        users = {"app": APP, "other": {**APP, "max_clients": 1}}
        async with running(connections=1, users=users) as proxy:
            holder, leaver = await connect(proxy.port), await connect(proxy.port)
            assert isinstance(holder, TestClient)
            assert isinstance(leaver, TestClient)
            session = max(proxy.engine.frontend.sessions.items())[1]
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            await holder.ask(Command.QUERY, b"LOCK TABLES t WRITE")
            other = ChangeUser(user=b"other", answer=b"", schema=b"shop", charset=45, plugin=auth.NATIVE)
            leaver.conversation.send(leaver.protocol.change_user(other))
            asked = await leaver.conversation.next()
            assert isinstance(asked, AuthSwitch)
            answer = auth.answer_to(asked.plugin, PASSWORD, asked.scramble) or b""
            leaver.conversation.send(leaver.protocol.answer(answer))
            await proxy.until(lambda: bool(pool.queue))

            if end == "gone":
                leaver.close()
            else:
                await holder.ask(Command.QUERY, b"KILL %d" % session.id)
            await holder.ask(Command.QUERY, b"UNLOCK TABLES")
            await proxy.until(lambda: session.id not in proxy.engine.frontend.sessions)

            assert session.state == State.CLOSED
            assert isinstance(await connect(proxy.port, user=b"other"), TestClient)

    run(scenario)


@pytest.mark.parametrize("limits", [{"failed_logins": 0}, {"failed_logins": 1}], ids=["off", "this machine"])
def test_nobody_is_refused_for_failures_when(limits: dict[str, int]) -> None:
    balancer = BALANCER if not limits["failed_logins"] else {}
    first = header("192.0.2.1") if balancer else b""

    async def scenario() -> None:
        async with running(limits=limits, users={"app": APP}, **balancer) as proxy:
            for _ in range(12):
                await connect(proxy.port, b"wrong", header=first)

            assert isinstance(await connect(proxy.port, header=first), TestClient)

    run(scenario)


def test_a_session_opens_with_the_clients_address_not_the_balancers() -> None:
    async def scenario() -> None:
        async with running(users={"app": APP}, **BALANCER) as proxy:
            await connect(proxy.port, header=header("192.0.2.1"))

            assert [event.client for event in proxy.of(SessionOpened)] == ["192.0.2.1:40000"]

    run(scenario)


def test_a_balancers_connection_that_never_says_for_whom_is_opened_and_closed_all_the_same() -> None:
    async def scenario() -> None:
        async with running(users={"app": APP}, **BALANCER) as proxy:
            answer = await connect(proxy.port, header=b"no header at all\r\n")
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))

            kinds = [type(event) for event in proxy.events if isinstance(event, SessionOpened | SessionClosed)]
            assert told(answer)[0] == 1043
            assert kinds == [SessionOpened, SessionClosed]

    run(scenario)


def test_a_users_cap_holds_and_is_named_when_it_is_waited_for_in_vain() -> None:
    users = {"app": {**APP, "max_connections": 1}, "other": APP}

    async def scenario() -> None:
        async with running(users=users, connections=3, timeouts={"pool_wait": "300ms"}) as proxy:
            one, two = await connect(proxy.port), await connect(proxy.port)
            other = await connect(proxy.port, user=b"other")
            assert isinstance(one, TestClient)
            assert isinstance(two, TestClient)
            assert isinstance(other, TestClient)
            await one.ask(Command.QUERY, b"SELECT GET_LOCK('a', 1)")

            (error,) = await two.ask(Command.QUERY, b"SELECT 1")
            fine = await other.ask(Command.QUERY, b"SELECT 1")

            assert isinstance(error, Err)
            assert b"users.app.max_connections" in error.message
            assert not any(isinstance(message, Err) for message in fine)

    run(scenario)


def test_very_many_commands_sent_ahead_to_a_pool_that_is_closed_are_each_answered() -> None:
    number = 5000

    async def scenario() -> None:
        async with running(users={"app": APP}) as proxy:
            one = await connect(proxy.port)
            assert isinstance(one, TestClient)
            proxy.engine.frontend.topology.backends["db"].pool.close()
            ahead = b"\x09\0\0\0\x03SELECT 1" * number
            one.conversation.channel.write(ahead)

            replies = 0
            while replies < number:
                one.protocol.command(Command.QUERY, b"SELECT 1")
                replies += len(await one.reply())

            assert replies == number

    run(scenario)
