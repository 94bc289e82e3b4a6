"""The PROXY protocol, versions 1 and 2: a line or block before the conversation that names the real client.

Bytes come in, the client's address goes out, and back. Source: HAProxy's "The PROXY protocol", versions 1 & 2.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from dbmux.errors import ErrorCode, ProtocolError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MAX_V1_LINE = 107
MAX_V2_BLOCK = 16 + 2048


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
    if data.startswith(SIGNATURE[: len(data)]) or data.startswith(SIGNATURE):
        return _parse_v2(data)
    if data.startswith(b"PROXY "[: len(data)]):
        return _parse_v1(data)
    raise _bad("a PROXY protocol header was expected from this address")


def build_v1(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """The line for a TCP connection from `client` to `server`."""
    family = "TCP6" if ":" in client[0] else "TCP4"
    return f"PROXY {family} {client[0]} {server[0]} {client[1]} {server[1]}\r\n".encode()


def build_v2(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """The block for a TCP connection from `client` to `server`."""
    family = socket.AF_INET6 if ":" in client[0] else socket.AF_INET
    addresses = socket.inet_pton(family, client[0]) + socket.inet_pton(family, server[0])
    body = addresses + client[1].to_bytes(2, "big") + server[1].to_bytes(2, "big")
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + bytes((0x21, kind)) + len(body).to_bytes(2, "big") + body


def _parse_v1(data: bytes) -> Header | None:
    line, end, _ = data.partition(b"\r\n")
    if not end:
        if len(data) > MAX_V1_LINE:
            raise _bad("the PROXY line has no end")
        return None
    words = line.decode("ascii", "replace").split(" ")
    length = len(line) + 2
    if words[1:2] == ["UNKNOWN"]:
        return Header(length, None)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6") or not words[4].isdecimal():
        raise _bad("the PROXY line is malformed")
    return Header(length, ClientAddress(_host(words[2]), int(words[4])))


def _parse_v2(data: bytes) -> Header | None:
    if len(data) < 16:
        return None
    version, family, size = data[12], data[13], int.from_bytes(data[14:16], "big")
    if version >> 4 != 2 or 16 + size > MAX_V2_BLOCK:
        raise _bad("the PROXY block is malformed")
    if len(data) < 16 + size:
        return None
    body, length = data[16 : 16 + size], 16 + size
    if version & 0x0F == 0:
        return Header(length, None)
    match family >> 4:
        case 1 if size >= 12:
            return Header(length, ClientAddress(_host(body[:4]), int.from_bytes(body[8:10], "big")))
        case 2 if size >= 36:
            return Header(length, ClientAddress(_host(body[:16]), int.from_bytes(body[32:34], "big")))
        case 0 | 3:
            return Header(length, None)
        case _:
            raise _bad("the PROXY block is malformed")


def _host(address: str | bytes) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise _bad("the PROXY header has no valid address") from None


def _bad(what: str) -> ProtocolError:
    return ProtocolError(ErrorCode.HANDSHAKE, f"{what}; see proxy_protocol.accept_from in the configuration")
