"""The answer to SHOW WARNINGS as it came, turned into that to SHOW ERRORS.

Both have the same columns, so the packets stay as they are, but for those of rows that are no errors; the others get
new numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbmux.wire import packet

_LEVELS = (b"\x07Warning", b"\x04Note")


def only_errors(reply: bytes) -> bytes:
    """The reply without the rows of warnings and notes."""
    kept = [payload for payload in _payloads(reply) if not payload.startswith(_LEVELS)]
    return b"".join(packet.encode(payload, 1 + number) for number, payload in enumerate(kept))


def _payloads(reply: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(reply):
        end = at + packet.HEADER + int.from_bytes(reply[at : at + 3], "little")
        yield reply[at + packet.HEADER : end]
        at = end
