"""Inherited sockets are found by where they listen, and never by those for whom they are not meant."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dbmux.address import TcpAddress, UnixAddress
from dbmux.net.dial import dial
from dbmux.net.inherited import Inherited, handed_over
from dbmux.net.listener import listen
from tests.net.conftest import Run
from tests.net.loopback import Peer, until


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "8"}, {"LISTEN_FDS": "x", "LISTEN_PID": "7"}],
    ids=["nothing", "no process", "another process", "no number"],
)
def test_nothing_is_taken_that_is_not_meant_for_this_process(environment: dict[str, str]) -> None:
    assert handed_over(environment, 7) == []


@pytest.mark.parametrize(
    ("family", "host", "asked"),
    [(socket.AF_INET, "127.0.0.1", "127.0.0.1"), (socket.AF_INET6, "::1", "0:0:0:0:0:0:0:1")],
    ids=["IPv4", "IPv6, written otherwise"],
)
def test_a_socket_is_found_by_its_address_and_can_be_taken_again(family: int, host: str, asked: str) -> None:
    with Inherited([socket.create_server((host, 0), family=family)]) as inherited:
        (address,) = inherited.unused()
        assert isinstance(address, TcpAddress)

        taken = [inherited.take(TcpAddress(asked, address.port)) for _ in range(2)]

        assert [one.getsockname()[1] for one in taken if one is not None] == [address.port] * 2
        assert inherited.unused() == []
        for one in taken:
            assert one is not None
            one.close()


def test_another_address_and_a_socket_that_does_not_listen_are_not_found() -> None:
    with Inherited([socket.socket(), socket.socket(type=socket.SOCK_DGRAM)]) as inherited:
        assert inherited.unused() == []
        assert inherited.take(TcpAddress("0.0.0.0", 0)) is None
        assert inherited.take(TcpAddress("db.example", 3307)) is None


def test_the_file_of_an_inherited_unix_socket_is_left_alone(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "dbmux.sock"
        address = UnixAddress(str(path))
        opened = socket.socket(socket.AF_UNIX)
        opened.bind(address.path)
        opened.listen()
        server, client = Peer(), Peer()
        with Inherited([opened]) as inherited:
            listener = await listen(address, server.opened, inherited.take(address))
            await dial(address, client.opened)
            await until(lambda: hasattr(server, "channel"))

            listener.close()

            assert path.is_socket()
            for peer in (client, server):
                peer.channel.abort()
            await until(lambda: client.is_closed and server.is_closed)

    run(scenario)
