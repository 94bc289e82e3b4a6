"""A backend is reached at any address of its name, and a peer that vanishes without a word is noticed."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from dbmux.address import TcpAddress
from dbmux.net.dial import dial
from dbmux.net.listener import listen
from dbmux.wire.commands import Command
from tests.fakes import client, running
from tests.net.conftest import Run
from tests.net.loopback import Peer, until


class TwoAddresses(asyncio.SelectorEventLoop):
    """A loop in which every name has an IPv6 address, told first, and an IPv4 address."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(socket.AF_INET6, *kind, ("::1", port, 0, 0)), (socket.AF_INET, *kind, ("127.0.0.1", port))]


def test_the_second_address_is_tried_where_the_first_is_closed() -> None:
    async def scenario() -> None:
        server, client = Peer(), Peer()
        listener = await listen(TcpAddress("127.0.0.1", 0), server.opened)
        assert isinstance(listener.address, TcpAddress)

        await dial(TcpAddress("db.example", listener.address.port), client.opened)

        assert client.channel.peer == str(listener.address)
        await until(lambda: hasattr(server, "channel"))
        client.channel.abort()
        await until(lambda: client.is_closed and server.is_closed)
        listener.close()

    with asyncio.Runner(loop_factory=TwoAddresses) as runner:
        runner.run(scenario())


def test_a_closed_port_is_an_error_that_says_so(run: Run) -> None:
    async def scenario() -> None:
        listener = await listen(TcpAddress("127.0.0.1", 0), Peer().opened)
        address = listener.address
        listener.close()

        with pytest.raises(ConnectionRefusedError):
            await dial(address, Peer().opened)

    run(scenario)


@pytest.mark.parametrize("host", ["db..example", "x" * 64 + ".example"])
def test_what_cannot_be_a_name_is_an_error_like_any_other(run: Run, host: str) -> None:
    async def scenario() -> None:
        with pytest.raises(OSError, match="is not a host name"):
            await dial(TcpAddress(host, 3306), Peer().opened)

    run(scenario)


def test_both_sides_of_a_session_are_kept_alive_and_send_small_packets_at_once(run: Run) -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)
            await one.ask(Command.PING)
            session = next(iter(proxy.engine.frontend.sessions.values()))
            assert session.connection is not None

            for channel in (session.channel, session.connection.channel):
                found = channel.transport.get_extra_info("socket")
                assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
                assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
                assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 5
                assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            one.close()

    run(scenario)
