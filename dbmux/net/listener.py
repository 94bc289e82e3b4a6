"""Listening sockets: addresses come in, accepted channels go out.

TCP (IPv4 and IPv6) and Unix sockets. A stale Unix socket of a dead process is replaced, a living one is not. Never
knows what is served.
"""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from dbmux.address import Address, TcpAddress, UnixAddress
from dbmux.net.channel import Channel, Owner

BACKLOG = 4096


class Listener:
    """One open address; `address` has the port that the system chose where 0 was asked for."""

    __slots__ = ("_server", "address")

    def __init__(self, server: asyncio.Server, address: Address) -> None:
        self._server = server
        self.address = address

    def close(self) -> None:
        """Accept no more; connections that stand are not touched."""
        self._server.close()
        if isinstance(self.address, UnixAddress):
            Path(self.address.path).unlink(missing_ok=True)


async def listen(address: Address, accepted: Callable[[Channel], Owner]) -> Listener:
    """Open an address; raises OSError when it cannot be bound."""
    loop = asyncio.get_running_loop()
    match address:
        case TcpAddress(host, port):
            server = await loop.create_server(lambda: Channel(accepted), host, port, backlog=BACKLOG)
            name = server.sockets[0].getsockname()
            return Listener(server, TcpAddress(host, name[1]))
        case UnixAddress(path):
            _remove_stale(Path(path))
            server = await loop.create_unix_server(lambda: Channel(accepted), path, backlog=BACKLOG)
            return Listener(server, address)


def _remove_stale(path: Path) -> None:
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
