"""The connection on which changes are applied: what is wrong with it is told as the target's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.server import Backend
from dbmux.config.model import Account, BackendConfig
from dbmux.errors import BackendRefused
from dbmux.net.dial import dial
from dbmux.sync.target import Change, Disagrees, Gone, Target
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests import fakes

HANG_UP, SILENCE, REFUSAL, UPDATE = b"DO 'hang up'", b"DO 'nothing'", b"DO 'refuse'", b"UPDATE t SET a = 1"


def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    match command.body:
        case body if body == HANG_UP:
            return None
        case body if body == SILENCE:
            return b""
        case body if body == REFUSAL:
            return protocol.send_err(Err(number=1290, sqlstate=b"HY000", message=b"read-only"))
        case body if body.startswith(b"SELECT"):
            return protocol.send_rows([fakes.COLUMN], [fakes.row(b"1024")], Status.AUTOCOMMIT)
        case _:
            return protocol.send_ok(Ok(affected_rows=2, status=Status.AUTOCOMMIT))


@asynccontextmanager
async def connected() -> AsyncIterator[Target]:
    server = await asyncio.start_server(fakes.FakeBackend(answer).serve, "127.0.0.1", 0)
    config = BackendConfig(address=TcpAddress("127.0.0.1", server.sockets[0].getsockname()[1]))
    backend = Backend("new", config, dial=dial, tls=None, connect_timeout_s=5)
    account = Account(user="dbmux", password=fakes.PASSWORD.decode())
    target = await Target.connect(backend, account, checks_keys=True)
    try:
        yield target
    finally:
        target.close()
        server.close()
        await server.wait_closed()


def test_rows_that_a_change_finds_are_counted() -> None:
    async def scenario() -> None:
        async with connected() as target:
            await target.run((Change(UPDATE, 2),))
            with pytest.raises(Disagrees, match="2 rows instead of 1"):
                await target.run((Change(UPDATE, 1),))

    fakes.run(scenario)


def test_a_refusal_shows_the_statement() -> None:
    async def scenario() -> None:
        async with connected() as target:
            with pytest.raises(BackendRefused, match="read-only, in: DO 'refuse'"):
                await target.run((Change(REFUSAL),))

    fakes.run(scenario)


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda target: target.ask(HANG_UP), "new closed the connection"),
        (lambda target: target.run((Change(HANG_UP),)), "new closed the connection"),
        (lambda target: target.run((Change(SILENCE),), 0.01), "new did not answer in time"),
    ],
    ids=["question", "changes", "silence"],
)
def test_that_it_is_gone_is_said_of_the_target(use: Callable[[Target], Awaitable[object]], told: str) -> None:
    async def scenario() -> None:
        async with connected() as target:
            with pytest.raises(Gone, match=told):
                await use(target)

    fakes.run(scenario)


@pytest.mark.parametrize("change", [HANG_UP, UPDATE], ids=["while it changes", "between changes"])
def test_what_is_gone_is_not_waited_for(change: bytes) -> None:
    async def scenario() -> None:
        async with connected() as target:
            with pytest.raises(Gone):
                await target.run((Change(change),))
                await target.ask(HANG_UP)

            with pytest.raises(Gone, match="closed"):
                await target.ask(b"SELECT 1")
            with pytest.raises(Gone, match="closed"):
                await target.run((Change(UPDATE),))

    fakes.run(scenario)


def test_after_a_refusal_it_can_be_asked() -> None:
    async def scenario() -> None:
        async with connected() as target:
            with pytest.raises(BackendRefused):
                await target.run((Change(REFUSAL),))

            assert await target.ask(b"SELECT 1024") == [(b"1024",)]

    fakes.run(scenario)
