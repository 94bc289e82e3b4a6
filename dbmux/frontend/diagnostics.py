"""The answer to SHOW WARNINGS as it came, turned into that to SHOW ERRORS, or into one of another moment.

Both have the same columns, so the packets stay as they are, but for those of rows that are no errors; the others get
new numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbmux.wire import packet

_END = b"\xfe"
_LEVELS = (b"\x07Warning", b"\x04Note")


def only_errors(reply: bytes) -> bytes:
    """The reply without the rows of warnings and notes."""
    kept = [payload for payload in _payloads(reply) if not payload.startswith(_LEVELS)]
    return b"".join(packet.encode(payload, 1 + number) for number, payload in enumerate(kept))


def with_status(reply: bytes, status: int) -> bytes:
    """The reply with these flags of the server's at its ends, whichever framing it has."""
    flags = status.to_bytes(2, "little")
    told = [
        # In an EOF and in an OK that counts nothing they have the same place; no other packet begins so.
        payload[:3] + flags + payload[5:] if payload.startswith(_END) else payload
        for payload in _payloads(reply)
    ]
    return b"".join(packet.encode(payload, 1 + number) for number, payload in enumerate(told))


def _payloads(reply: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(reply):
        end = at + packet.HEADER + int.from_bytes(reply[at : at + 3], "little")
        yield reply[at + packet.HEADER : end]
        at = end
