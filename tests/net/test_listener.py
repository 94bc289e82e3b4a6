"""Addresses are opened for clients, never taken from a living process, and left tidy."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dbmux.address import TcpAddress, UnixAddress
from dbmux.net.dial import dial
from dbmux.net.listener import listen
from tests.net.conftest import Run
from tests.net.loopback import Peer, until


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_port_0_gets_a_port_that_can_be_dialled(run: Run, host: str) -> None:
    async def scenario() -> None:
        server, client = Peer(), Peer()
        listener = await listen(TcpAddress(host, 0), server.opened)

        await dial(listener.address, client.opened)
        client.channel.write(b"hello")
        await until(lambda: bool(server.got))

        assert isinstance(listener.address, TcpAddress)
        assert (listener.address.host, listener.address.port > 0) == (host, True)
        await _end(client, server)
        listener.close()

    run(scenario)


def test_a_taken_port_is_an_error(run: Run) -> None:
    async def scenario() -> None:
        listener = await listen(TcpAddress("127.0.0.1", 0), Peer().opened)

        with pytest.raises(OSError, match=r"in use"):
            await listen(listener.address, Peer().opened)

        listener.close()

    run(scenario)


def test_closing_accepts_no_more_and_touches_nobody(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        for address in (TcpAddress("127.0.0.1", 0), UnixAddress(str(tmp_path / "sock"))):
            server, client = Peer(), Peer()
            listener = await listen(address, server.opened)
            await dial(listener.address, client.opened)
            await until(lambda server=server: hasattr(server, "channel"))  # type: ignore[misc]

            listener.close()

            with pytest.raises(OSError):
                await dial(listener.address, Peer().opened)
            client.channel.write(b"still here")
            await until(lambda server=server: bool(server.got))  # type: ignore[misc]
            await _end(client, server)

    run(scenario)


class TestUnixSocket:
    def test_clients_of_any_user_may_connect_and_the_file_goes_with_the_listener(
        self, run: Run, tmp_path: Path
    ) -> None:
        async def scenario() -> None:
            path = tmp_path / "dbmux.sock"
            server, client = Peer(), Peer()
            listener = await listen(UnixAddress(str(path)), server.opened)

            await dial(UnixAddress(str(path)), client.opened)
            await until(lambda: hasattr(server, "channel"))

            assert path.stat().st_mode & 0o777 == 0o777
            assert (server.channel.peer, client.channel.peer) == ("unix socket", "unix socket")
            await _end(client, server)
            listener.close()
            assert not path.exists()

        run(scenario)

    def test_the_socket_of_a_dead_process_is_replaced(self, run: Run, tmp_path: Path) -> None:
        async def scenario() -> None:
            path = tmp_path / "dbmux.sock"
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
            client, server = Peer(), Peer()

            listener = await listen(UnixAddress(str(path)), server.opened)

            await dial(listener.address, client.opened)
            await until(lambda: hasattr(server, "channel"))
            await _end(client, server)
            listener.close()

        run(scenario)

    @pytest.mark.parametrize("waiting", [0, 1], ids=["free", "busy"])
    def test_the_socket_of_a_living_process_is_refused_and_kept(self, run: Run, tmp_path: Path, waiting: int) -> None:
        async def scenario() -> None:
            path = tmp_path / "dbmux.sock"
            with socket.socket(socket.AF_UNIX) as living, socket.socket(socket.AF_UNIX) as client:
                living.bind(str(path))
                living.listen(0)
                if waiting:
                    client.connect(str(path))

                with pytest.raises(OSError, match="in use"):
                    await listen(UnixAddress(str(path)), Peer().opened)

                assert path.is_socket()

        run(scenario)

    def test_a_file_that_is_no_socket_is_refused_and_kept(self, run: Run, tmp_path: Path) -> None:
        async def scenario() -> None:
            path = tmp_path / "precious"
            path.write_text("data")

            with pytest.raises(OSError, match="in use"):
                await listen(UnixAddress(str(path)), Peer().opened)

            assert path.read_text() == "data"

        run(scenario)

    def test_the_socket_of_a_successor_is_left_alone(self, run: Run, tmp_path: Path) -> None:
        async def scenario() -> None:
            path = tmp_path / "dbmux.sock"
            old = await listen(UnixAddress(str(path)), Peer().opened)
            path.rename(tmp_path / "kept, so that its inode is not given to the next")
            new = await listen(UnixAddress(str(path)), Peer().opened)

            old.close()

            assert path.is_socket()
            new.close()

        run(scenario)

    def test_a_folder_that_is_missing_is_an_error(self, run: Run, tmp_path: Path) -> None:
        async def scenario() -> None:
            with pytest.raises(FileNotFoundError):
                await listen(UnixAddress(str(tmp_path / "missing" / "sock")), Peer().opened)

        run(scenario)


async def _end(*peers: Peer) -> None:
    for peer in peers:
        peer.channel.abort()
    await until(lambda: all(peer.is_closed for peer in peers))
