"""Where something listens or is reached: a TCP host and port, or a Unix socket.

Text comes in (`127.0.0.1:3307`, `[::1]:3306`, `db1`, `/run/mysqld/mysqld.sock`), an `Address` goes out.
Never resolves a name and never opens anything.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

MYSQL_PORT = 3306

_FORMS = "write host:port, [ipv6]:port or /path/of/a.sock"
# A name in any script, or an IPv4 address.
_NAME = re.compile(r"[\w.-]+")
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host (name, IPv4 or IPv6 without brackets) and a port; port 0 lets the system choose one."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether traffic to this address stays on this machine."""
        if self.host.lower() == "localhost":
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
    host, port = _split(text)
    if not host:
        raise ValueError(f"{text!r} has no host; {_FORMS}")
    if ":" in host and not _is_ipv6(host):
        raise ValueError(f"{host!r} is no IPv6 address; write host:port or [ipv6]:port")
    if ":" not in host and not _NAME.fullmatch(host):
        raise ValueError(f"{host!r} is no host; {_FORMS}")
    if port is None:
        return TcpAddress(host, default_port)
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError(f"{port!r} is not a port (0 to 65535)")
    return TcpAddress(host, int(port))


def _split(text: str) -> tuple[str, str | None]:
    # An IPv6 address has colons of its own: it stands alone, or in brackets.
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        return _in_brackets(host), port
    if text.startswith("[") and text.endswith("]"):
        return _in_brackets(text), None
    if not colon or ":" in host:
        return text, None
    return host, port


def _in_brackets(text: str) -> str:
    return text[1:-1] if _is_ipv6(text[1:-1]) else text


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
