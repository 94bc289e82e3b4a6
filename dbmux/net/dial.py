"""Opening connections to backends.

An address comes in, a channel in a conversation goes out. The caller bounds the time. Never logs in.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from dbmux.address import Address, TcpAddress, UnixAddress
from dbmux.net.channel import Channel, Owner


async def dial(address: Address, opened: Callable[[Channel], Owner]) -> Channel:
    """Connect, to the first address of a name that answers; raises OSError.

    `opened` names the channel's owner before the first byte arrives.
    """
    loop = asyncio.get_running_loop()
    match address:
        case TcpAddress(host, port):
            try:
                _, channel = await loop.create_connection(lambda: Channel(opened), host, port)
            except UnicodeError as error:
                raise OSError(f"{host!r} is not a host name") from error
            keep_alive(channel)
        case UnixAddress(path):
            _, channel = await loop.create_unix_connection(lambda: Channel(opened), path)
    return channel


def keep_alive(channel: Channel) -> None:
    """Have the system notice a peer that vanished without a word: after 60 s idle, 5 probes 10 s apart."""
    sock = channel.transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
