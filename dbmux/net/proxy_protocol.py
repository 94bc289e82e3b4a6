"""The PROXY protocol, versions 1 and 2: a line or block before the conversation that names the real client.

Bytes come in, the client's address goes out, and back. Source: HAProxy's "The PROXY protocol", versions 1 & 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from dbmux.errors import ErrorCode, ProtocolError

V1_START = b"PROXY "
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
# The specification's own bound for a line, its end included.
MAX_V1_LINE = 107
# What stands before the addresses of a block, and the longest block that is taken: addresses, and what balancers add.
V2_START = len(SIGNATURE) + 4
MAX_V2_BLOCK = V2_START + 2048

# Section 2.2: version and command share a byte, and so do address family and transport.
_VERSION, _LOCAL, _PROXY, _STREAM = 2, 0, 1, 1


class _Family(IntEnum):
    UNSPECIFIED = 0
    INET = 1
    INET6 = 2
    UNIX = 3


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """Where a client really is; None for a health check of the balancer itself."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Header:
    """A header that was read: `length` bytes of it, and the client that it names, if it does."""

    length: int
    client: ClientAddress | None


def parse(data: bytes) -> Header | None:
    """Read a header of either version; None until all of it is there. Raises ProtocolError for anything else."""
    if data.startswith(SIGNATURE[: len(data)]):
        return _parse_v2(data)
    if data.startswith(V1_START[: len(data)]):
        return _parse_v1(data)
    raise _bad("a PROXY protocol header was expected from this address")


# What a proxy says on connections of its own: the connection's own addresses are the right ones.
OWN_V1 = b"PROXY UNKNOWN\r\n"
OWN_V2 = SIGNATURE + b"\x20\x00\x00\x00"


def build_v1(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """The line for a TCP connection from `client` to `server`."""
    version, source, target = _one_family(client[0], server[0])
    return f"PROXY TCP{version} {source} {target} {client[1]} {server[1]}\r\n".encode()


def build_v2(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """The block for a TCP connection from `client` to `server`."""
    version, source, target = _one_family(client[0], server[0])
    body = source.packed + target.packed + client[1].to_bytes(2, "big") + server[1].to_bytes(2, "big")
    family = _Family.INET if version == 4 else _Family.INET6
    start = bytes((_VERSION << 4 | _PROXY, family << 4 | _STREAM))
    return SIGNATURE + start + len(body).to_bytes(2, "big") + body


def _parse_v1(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, MAX_V1_LINE)
    if end < 0:
        if len(data) >= MAX_V1_LINE:
            raise _bad("the PROXY line has no end")
        return None
    words = data[:end].decode("ascii", "replace").split(" ")
    length = end + 2
    match words:
        case [_, "UNKNOWN", *_]:
            return Header(length, None)
        case [_, "TCP4" | "TCP6" as family, source, target, source_port, target_port]:
            version = int(family[-1])
            _host(target, version)
            _port(target_port)
            return Header(length, ClientAddress(_host(source, version), _port(source_port)))
        case _:
            raise _bad("the PROXY line is malformed")


def _parse_v2(data: bytes) -> Header | None:
    if len(data) < V2_START:
        return None
    version, command, size = data[12] >> 4, data[12] & 0x0F, int.from_bytes(data[14:16], "big")
    length = V2_START + size
    if version != _VERSION or command not in (_LOCAL, _PROXY) or length > MAX_V2_BLOCK:
        raise _bad("the PROXY block is malformed")
    if len(data) < length:
        return None
    if command == _LOCAL:
        return Header(length, None)
    body = data[V2_START:length]
    match data[13] >> 4:
        case _Family.INET if size >= 12:
            return Header(length, ClientAddress(str(IPv4Address(body[:4])), int.from_bytes(body[8:10], "big")))
        case _Family.INET6 if size >= 36:
            return Header(length, ClientAddress(str(IPv6Address(body[:16])), int.from_bytes(body[32:34], "big")))
        case _Family.UNSPECIFIED | _Family.UNIX:
            return Header(length, None)
        case _:
            raise _bad("the PROXY block is malformed")


def _one_family(client: str, server: str) -> tuple[int, IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
    # A header has room for one family: where both meet, IPv4 takes its form in IPv6. A zone means nothing elsewhere.
    source, target = (ip_address(host.partition("%")[0]) for host in (client, server))
    if source.version == target.version:
        return source.version, source, target
    return 6, _as_ipv6(source), _as_ipv6(target)


def _as_ipv6(address: IPv4Address | IPv6Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")


def _host(text: str, version: int) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise _bad("the PROXY line has no valid address") from None
    if address.version != version or "%" in text:
        raise _bad("the PROXY line has no valid address")
    return str(address)


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or int(text) > 0xFFFF:
        raise _bad("the PROXY line has no valid port")
    return int(text)


def _bad(what: str) -> ProtocolError:
    return ProtocolError(ErrorCode.HANDSHAKE, f"{what}; see proxy_protocol.accept_from in the configuration")
