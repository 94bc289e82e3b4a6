"""Passwords that are learnt from clients: those of one client never become another's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dbmux.errors import BackendRefused
from dbmux.wire import auth
from dbmux.wire.client import Row
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err
from dbmux.wire.server import ServerProtocol
from tests.fakes import PASSWORD, SCRAMBLE, FakeBackend, TestClient, connect, row, run, running
from tests.frontend.test_password_hash import log_in


def test_a_wrong_password_opens_no_connection_for_sessions_that_have_the_right_one() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        async with running(FakeBackend(gates={b"SELECT 1": gate}), login="learn") as proxy:
            one, two = await log_in(proxy, PASSWORD), await log_in(proxy, PASSWORD)
            with pytest.raises(BackendRefused, match="Access denied"):
                await log_in(proxy, b"wrong")
            held = asyncio.ensure_future(one.ask(Command.QUERY, b"SELECT 1"))
            await proxy.until(lambda: (Command.QUERY, b"SELECT 1") in proxy.backend.commands)

            told = await two.ask(Command.QUERY, b"SELECT 2")

            assert Row(row(b"SELECT 2")) in told
            gate.set()
            await held
            one.close()
            two.close()

    run(scenario)


class Crowded(FakeBackend):
    """A server at which an account may have one connection."""

    def _check(self, protocol: ServerProtocol, answer: bytes) -> bytes:
        if self.open > 1:
            said = b"User 'app' has exceeded the 'max_user_connections' resource (current value: 1)"
            return protocol.send_err(Err(number=1226, sqlstate=b"42000", message=said))
        return super()._check(protocol, answer)


def test_a_password_is_checked_over_the_only_connection_that_the_account_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dbmux.frontend.admission.BELIEVED_S", 0.0)

    async def scenario() -> None:
        async with running(Crowded(), login="learn") as proxy:
            for _ in range(3):
                one = await log_in(proxy, PASSWORD)
                assert Row(row(b"SELECT 1")) in await one.ask(Command.QUERY, b"SELECT 1")
                one.close()

    run(scenario)


class Rotating(FakeBackend):
    """A server at which an account has two passwords for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = {PASSWORD, b"new"}

    def _check(self, protocol: ServerProtocol, answer: bytes) -> bytes:
        is_one = any(auth.is_right(auth.NATIVE, password, SCRAMBLE, answer) for password in self.taken)
        right = auth.answer_to(auth.NATIVE, PASSWORD, SCRAMBLE) or b""
        return super()._check(protocol, right if is_one else b"none of these")


@pytest.mark.parametrize("discarded", [PASSWORD, b"new"])
@pytest.mark.parametrize("shown", [(PASSWORD, b"new"), (b"new", PASSWORD)])
def test_of_two_passwords_either_may_be_discarded_first(shown: tuple[bytes, bytes], discarded: bytes) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        backend = Rotating()
        backend.gates = {b"SELECT 1": gate, b"SELECT 2": gate}
        async with running(backend, login="learn") as proxy:
            one, two = [await log_in(proxy, password) for password in shown]
            third = await log_in(proxy, shown[1], auth.CACHING_SHA2)
            opened = backend.logins
            backend.taken.discard(discarded)
            held = [asyncio.ensure_future(one.ask(Command.QUERY, b"SELECT 1")),
                    asyncio.ensure_future(two.ask(Command.QUERY, b"SELECT 2"))]  # fmt: skip
            await proxy.until(lambda: len(backend.commands) == 2)

            told = await third.ask(Command.QUERY, b"SELECT 3")

            assert Row(row(b"SELECT 3")) in told
            assert backend.logins == opened + 1
            gate.set()
            await asyncio.gather(*held)
            for client in (one, two, third):
                client.close()

    run(scenario)


def test_a_query_is_stopped_also_after_the_password_that_was_shown_last_is_discarded() -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        backend = Rotating()
        backend.gates = {b"SELECT 1": gate}
        async with running(backend, login="learn", timeouts={"query": "1ms"}) as proxy:
            one, two = [await log_in(proxy, password) for password in (PASSWORD, b"new")]
            backend.taken.discard(b"new")

            told = await one.ask(Command.QUERY, b"SELECT 1")

            assert isinstance(told[-1], Err)
            await proxy.until(lambda: any(b"KILL CONNECTION " in text for _, text in backend.commands))
            gate.set()
            two.close()

    run(scenario)


def test_a_wrong_password_does_not_make_it_forget_the_right_one() -> None:
    async def scenario() -> None:
        async with running(login="learn") as proxy:
            (await log_in(proxy, PASSWORD)).close()
            with pytest.raises(BackendRefused, match="Access denied"):
                await log_in(proxy, b"wrong")
            opened = proxy.backend.logins

            again = await log_in(proxy, PASSWORD, auth.CACHING_SHA2)

            assert proxy.backend.logins == opened
            again.close()

    run(scenario)


@pytest.mark.parametrize("way", [{"users": {"\u00e9": PASSWORD.decode()}}, {"login": "learn"}])
def test_a_name_that_is_another_accounts_in_the_clients_character_set_is_refused(way: dict[str, Any]) -> None:
    latin1 = 8

    async def scenario() -> None:
        async with running(**way) as proxy:
            refused = await connect(proxy.port, user="\u00e9".encode(), charset=latin1)

            assert isinstance(refused, Err)
            assert refused.number == 1045
            assert b"utf8mb4" in refused.message
            assert proxy.backend.logins == 0

    run(scenario)


def test_a_name_beyond_ascii_is_taken_in_utf8() -> None:
    async def scenario() -> None:
        async with running(users={"\u00e9": PASSWORD.decode()}) as proxy:
            taken = await connect(proxy.port, user="\u00e9".encode())

            assert isinstance(taken, TestClient)
            taken.close()

    run(scenario)
