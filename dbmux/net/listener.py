"""Listening sockets: addresses come in, accepted channels go out.

TCP (IPv4 and IPv6) and Unix sockets. A stale Unix socket of a dead process is replaced, a living one is not. Never
knows what is served.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from dbmux.address import Address, TcpAddress, UnixAddress
from dbmux.net.channel import Channel, Owner

BACKLOG = 4096
# As MySQL's own socket: what a client may do is decided by its login.
OPEN_TO_ALL = 0o777


class Listener:
    """One open address; `address` has the port that the system chose where 0 was asked for."""

    __slots__ = ("_file", "_server", "address")

    def __init__(self, server: asyncio.Server, address: Address, file: tuple[int, int] | None = None) -> None:
        self._server = server
        self.address = address
        # The file of a Unix socket that was made here.
        self._file = file

    def close(self) -> None:
        """Accept no more; connections that stand are not touched."""
        self._server.close()
        # Another process may have put its own socket there.
        file = self._file
        if file is not None and isinstance(self.address, UnixAddress) and _identity(Path(self.address.path)) == file:
            Path(self.address.path).unlink(missing_ok=True)


async def listen(
    address: Address,
    accepted: Callable[[Channel], Owner],
    inherited: socket.socket | None = None,
    mode: int = OPEN_TO_ALL,
) -> Listener:
    """Open an address; raises OSError when it cannot be bound.

    A name is opened at each of its addresses. `::` takes IPv6 alone, so that 0.0.0.0 may stand beside it. A socket that
    was `inherited` listens there already: it is taken as it is, and its file is left alone. `mode` is who may open the
    file of a Unix socket.
    """
    loop = asyncio.get_running_loop()
    if inherited is not None:
        create = loop.create_unix_server if isinstance(address, UnixAddress) else loop.create_server
        server = await create(lambda: Channel(accepted), sock=inherited, backlog=BACKLOG)
        return Listener(server, address)
    match address:
        case TcpAddress(host, port):
            server = await loop.create_server(lambda: Channel(accepted), host, port, backlog=BACKLOG)
            name = server.sockets[0].getsockname()
            return Listener(server, TcpAddress(host, name[1]))
        case UnixAddress(path):
            server = await loop.create_unix_server(
                lambda: Channel(accepted), sock=_unix_socket(Path(path), mode), backlog=BACKLOG
            )
            return Listener(server, address, _identity(Path(path)))


def _unix_socket(path: Path, mode: int) -> socket.socket:
    # Bound here, because the loop itself would replace a living socket as well.
    _remove_stale(path)
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(str(path))
        path.chmod(mode)
    except BaseException:
        bound.close()
        raise
    return bound


def _remove_stale(path: Path) -> None:
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        # A living process with a full backlog must not make us wait.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except BlockingIOError:
            return


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
