"""Framing: three bytes of length, one of sequence, the payload (manual page "MySQL Packets").

A stream in any chunks comes in, whole payloads go out; payloads of 16 MiB - 1 and more are joined from, and cut
into, several packets. Never holds more than `limit` bytes of one payload.
"""

from __future__ import annotations

from struct import Struct

from dbmux.errors import ErrorCode, ProtocolError

HEADER = 4
MAX_PAYLOAD = 0xFFFFFF
# The length, and above it the sequence number.
_HEAD = Struct("<I")


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


def count(packets: bytes) -> int:
    """How many packets these are that `encode` made of one payload."""
    return 1 + (len(packets) - HEADER) // (HEADER + MAX_PAYLOAD)


def span(data: bytearray) -> int:
    """How many bytes the payload at the beginning takes with its headers, as far as those are there to tell."""
    end = 0
    while len(data) >= end + HEADER:
        length = int.from_bytes(data[end : end + 3], "little")
        end += HEADER + length
        if length < MAX_PAYLOAD:
            break
    return end


class PacketReader:
    """Cuts a stream into payloads and checks that their sequence numbers follow one another."""

    __slots__ = ("_at", "_buffer", "_limit", "_payload", "sequence")

    def __init__(self, limit: int) -> None:
        self.sequence = 0
        self._buffer = bytearray()
        # Up to where it was read.
        self._at = 0
        # The beginning of a payload that goes on in the next packet.
        self._payload = bytearray()
        self._limit = limit

    @property
    def is_between_payloads(self) -> bool:
        """Whether the next packet begins a payload."""
        return not self._payload

    @property
    def announced(self) -> int:
        """The length that the packet at hand says it has; 0 while there is none."""
        if len(self._buffer) - self._at < HEADER:
            return 0
        return int.from_bytes(self._buffer[self._at : self._at + 3], "little")

    def feed(self, data: bytes) -> None:
        """Take in what arrived."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole payload, or None until more was fed.

        `sequence` is then the number that the next packet must have, from either side. Raises ProtocolError for a
        number out of order and for a payload over the limit.
        """
        buffer = self._buffer
        while len(buffer) - self._at >= HEADER:
            start = self._at + HEADER
            (head,) = _HEAD.unpack_from(buffer, self._at)
            length = head & MAX_PAYLOAD
            if head >> 24 != self.sequence:
                raise ProtocolError(ErrorCode.PACKET_ORDER, f"packet {self.sequence} expected, {head >> 24} came")
            if len(self._payload) + length > self._limit:
                raise ProtocolError(ErrorCode.TOO_BIG, f"a packet of over {self._limit} bytes came")
            if len(buffer) < start + length:
                return None
            piece = buffer[start : start + length]
            if len(buffer) == start + length:
                # A stream that is idle holds nothing.
                buffer.clear()
                self._at = 0
            else:
                self._at = start + length
            self.sequence = (self.sequence + 1) & 0xFF
            if self._payload or length == MAX_PAYLOAD:
                self._payload += piece
                if length == MAX_PAYLOAD:
                    continue
                piece, self._payload = self._payload, bytearray()
            return bytes(piece)
        return None

    def has_unread(self) -> bool:
        """Whether bytes are there that belong to no payload yet."""
        return len(self._buffer) > self._at

    def unread(self) -> bytes:
        """Hand over the bytes that belong to no payload yet, and forget them."""
        left = bytes(self._buffer[self._at :])
        self._buffer.clear()
        self._at = 0
        return left
