"""A statement of DbMux's own: all of its rows, or an error, and nothing between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.server import Backend
from dbmux.backend.service import Service
from dbmux.config.model import Account, BackendConfig
from dbmux.errors import BackendRefused, MySQLError
from dbmux.net.dial import dial
from dbmux.wire.replies import Err, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests import fakes

LONG = b"x" * 300
ROWS = [fakes.row(b"1", b""), fakes.row(b"2", b"b"), b"\xfb\xfc\x2c\x01" + LONG]


def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """Three rows; an error; or a connection that is closed in the middle of rows."""
    if command.body == b"SELECT rows":
        return protocol.send_rows([fakes.COLUMN] * 2, ROWS, Status.AUTOCOMMIT)
    return protocol.send_err(Err(number=1146, sqlstate=b"42S02", message=b"no such table"))


@asynccontextmanager
async def connected(backend: fakes.FakeBackend, silence_s: float = 5.0) -> AsyncIterator[Service]:
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = BackendConfig(address=TcpAddress("127.0.0.1", port))
    reached = Backend("db", config, dial=dial, tls=None, connect_timeout_s=5)
    service = await Service.connect(reached, Account(user="dbmux", password=fakes.PASSWORD.decode()), silence_s)
    try:
        yield service
    finally:
        service.close()
        server.close()
        await server.wait_closed()


def test_rows_come_as_they_are_short_long_and_null() -> None:
    async def scenario() -> None:
        async with connected(fakes.FakeBackend(answer)) as service:
            assert await service.ask(b"SELECT rows") == [(b"1", b""), (b"2", b"b"), (None, LONG)]
            assert service.is_open

    fakes.run(scenario)


def test_a_refusal_is_raised_and_leaves_the_connection_usable() -> None:
    async def scenario() -> None:
        async with connected(fakes.FakeBackend(answer)) as service:
            with pytest.raises(BackendRefused, match="no such table"):
                await service.ask(b"SELECT nothing")
            with pytest.raises(BackendRefused, match="no such table"):
                await service.do(b"DROP TABLE nothing")

            assert len(await service.ask(b"SELECT rows")) == 3

    fakes.run(scenario)


def test_rows_that_end_with_the_connection_are_an_error_and_not_all_there_are() -> None:
    async def scenario() -> None:
        backend = fakes.FakeBackend(answer, gates={b"SELECT rows": asyncio.Event()})
        async with connected(backend, silence_s=0.05) as service:
            taken = []
            with pytest.raises(MySQLError, match="said nothing for"):
                async for row in service.rows(b"SELECT rows"):
                    taken.append(row)

            assert len(taken) == 3
            assert not service.is_open
            with pytest.raises(MySQLError, match="given up"):
                await service.ask(b"SELECT rows")

    fakes.run(scenario)


def test_a_server_that_hangs_up_is_an_error() -> None:
    async def scenario() -> None:
        async with connected(fakes.FakeBackend(lambda protocol, command: None)) as service:
            with pytest.raises(MySQLError, match="db closed the connection in the middle of an answer"):
                await service.ask(b"SELECT rows")

    fakes.run(scenario)
