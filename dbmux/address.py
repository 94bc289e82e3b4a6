"""Where something listens or is reached: a TCP host and port, or a Unix socket.

Text comes in (`127.0.0.1:3307`, `[::1]:3306`, `db1`, `/run/mysqld/mysqld.sock`), an `Address` goes out.
Never resolves a name and never opens anything.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

MYSQL_PORT = 3306


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host (name, IPv4 or IPv6 without brackets) and a port; port 0 lets the system choose one."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether traffic to this address stays on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a Unix socket."""

    path: str

    @property
    def is_local(self) -> bool:
        """A Unix socket never leaves the machine."""
        return True

    def __str__(self) -> str:
        return self.path


Address = TcpAddress | UnixAddress


def parse_address(text: str, default_port: int = MYSQL_PORT) -> Address:
    """Read an address as people write it; raises ValueError with a sentence that says what is wrong."""
    if text.startswith("/"):
        return UnixAddress(text)
    host, port_text = _split_port(text)
    if not host:
        raise ValueError(f"{text!r} has no host; write host:port, [ipv6]:port or /path/of/a.sock")
    if port_text is None:
        return TcpAddress(host, default_port)
    if not port_text.isdecimal() or int(port_text) > 65535:
        raise ValueError(f"{port_text!r} is not a port (0 to 65535)")
    return TcpAddress(host, int(port_text))


def _split_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is not an address; write [ipv6]:port")
        return host, rest[1:] if rest else None
    if text.count(":") > 1:
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None
