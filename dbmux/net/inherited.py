"""Listening sockets that somebody else opened and handed over, as systemd does (manual page sd_listen_fds).

The environment comes in; sockets for the addresses of the configuration go out. Whoever opened them keeps them open, so
clients that come between two runs of DbMux wait in their queues and are not refused. Never opens a socket.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import Self

from dbmux.address import Address, TcpAddress, UnixAddress

FIRST_DESCRIPTOR = 3


def handed_over(environment: Mapping[str, str], process_id: int) -> list[socket.socket]:
    """The sockets that are meant for this process; raises OSError when what was announced is not there."""
    number = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(process_id) or not number.isdecimal():
        return []
    sockets = []
    for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(number)):
        found = socket.socket(fileno=descriptor)
        found.set_inheritable(False)
        found.setblocking(False)
        sockets.append(found)
    return sockets


class Inherited:
    """Sockets by where they listen. `with` closes them in this process at the end."""

    def __init__(self, sockets: Iterable[socket.socket]) -> None:
        self._sockets = list(sockets)
        self._by_address = {address: one for one in self._sockets if (address := _address(one)) is not None}
        self._unused = set(self._by_address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        for one in self._sockets:
            one.close()

    def take(self, address: Address) -> socket.socket | None:
        """A copy of the socket that listens there, which the caller owns; None when there is none."""
        plain = _plain(address)
        found = self._by_address.get(plain)
        if found is None:
            return None
        self._unused.discard(plain)
        return found.dup()

    def unused(self) -> list[Address]:
        """Where sockets listen that nobody took: clients wait there in vain."""
        return sorted(self._unused, key=str)


def _address(one: socket.socket) -> Address | None:
    if one.type != socket.SOCK_STREAM or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return None
    name = one.getsockname()
    match one.family:
        case socket.AF_INET | socket.AF_INET6:
            return _plain(TcpAddress(name[0], name[1]))
        case socket.AF_UNIX if isinstance(name, str) and name:
            return UnixAddress(name)
        case _:
            return None


def _plain(address: Address) -> Address:
    # An IPv6 address can be written in several ways.
    if isinstance(address, UnixAddress):
        return address
    try:
        return TcpAddress(str(ipaddress.ip_address(address.host)), address.port)
    except ValueError:
        return address
