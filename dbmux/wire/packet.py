"""Framing: three bytes of length, one of sequence, the payload (manual page "MySQL Packets").

A stream in any chunks comes in, whole payloads go out; payloads of 16 MiB - 1 and more are joined from, and cut
into, several packets. Never holds more than `limit` bytes of one payload.
"""

from __future__ import annotations

from dbmux.errors import ErrorCode, ProtocolError

HEADER = 4
MAX_PAYLOAD = 0xFFFFFF


def encode(payload: bytes, sequence: int) -> bytes:
    """The packets that carry `payload`, the first of them numbered `sequence`."""
    if len(payload) < MAX_PAYLOAD:
        return len(payload).to_bytes(3, "little") + bytes((sequence & 0xFF,)) + payload
    packets = []
    for start in range(0, len(payload) + 1, MAX_PAYLOAD):
        piece = payload[start : start + MAX_PAYLOAD]
        packets.append(len(piece).to_bytes(3, "little") + bytes((sequence & 0xFF,)) + piece)
        sequence += 1
    return b"".join(packets)


def last(packets: bytes) -> bytes:
    """The payload of the last of these packets, which are whole."""
    at = 0
    while True:
        end = at + HEADER + int.from_bytes(packets[at : at + 3], "little")
        if end >= len(packets):
            return packets[at + HEADER : end]
        at = end


class PacketReader:
    """Cuts a stream into payloads and checks that their sequence numbers follow one another."""

    __slots__ = ("_buffer", "_limit", "_payload", "sequence")

    def __init__(self, limit: int) -> None:
        self.sequence = 0
        self._buffer = bytearray()
        self._payload = bytearray()
        self._limit = limit

    @property
    def is_between_payloads(self) -> bool:
        """Whether the next packet begins a payload."""
        return not self._payload

    @property
    def announced(self) -> int:
        """The length that the packet at hand says it has; 0 while there is none."""
        return int.from_bytes(self._buffer[:3], "little") if len(self._buffer) >= HEADER else 0

    def feed(self, data: bytes) -> None:
        """Take in what arrived."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole payload, or None until more was fed.

        `sequence` is then the number that the next packet must have, from either side. Raises ProtocolError for a
        number out of order and for a payload over the limit.
        """
        while len(self._buffer) >= HEADER:
            length = int.from_bytes(self._buffer[:3], "little")
            if self._buffer[3] != self.sequence:
                got = self._buffer[3]
                raise ProtocolError(ErrorCode.PACKET_ORDER, f"packet {self.sequence} expected, {got} came")
            if len(self._payload) + length > self._limit:
                raise ProtocolError(ErrorCode.TOO_BIG, f"a packet of over {self._limit} bytes came")
            if len(self._buffer) < HEADER + length:
                return None
            self._payload += self._buffer[HEADER : HEADER + length]
            del self._buffer[: HEADER + length]
            self.sequence = (self.sequence + 1) & 0xFF
            if length < MAX_PAYLOAD:
                payload = bytes(self._payload)
                self._payload.clear()
                return payload
        return None

    def has_unread(self) -> bool:
        """Whether bytes are there that belong to no payload yet."""
        return bool(self._buffer)

    def unread(self) -> bytes:
        """Hand over the bytes that belong to no payload yet, and forget them."""
        left = bytes(self._buffer)
        self._buffer.clear()
        return left
