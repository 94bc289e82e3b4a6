"""Follows what a client sends in many packets: a statement too long to hold, or a local file.

Chunks come in; out goes how many of their bytes belong to the upload, and whether it has ended. Never holds more than
a packet's header.
"""

from __future__ import annotations

from enum import Enum, auto

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.packet import HEADER, MAX_PAYLOAD


class UploadKind(Enum):
    """What is sent, which tells how it ends."""

    STATEMENT = auto()
    FILE = auto()


class Upload:
    """One upload; `sequence` is the number that the next packet of either side has."""

    __slots__ = ("_continues", "_header", "_kind", "_last", "_remaining", "sequence")

    def __init__(self, kind: UploadKind, sequence: int) -> None:
        self._kind = kind
        self._header = b""
        self._remaining = 0
        self._last = False
        self._continues = False
        self.sequence = sequence

    @property
    def has_ended(self) -> bool:
        """Whether all of it was seen."""
        return self._last and self._remaining == 0

    def follow(self, chunk: bytes) -> int:
        """Take in what arrived; how many of its bytes belong to the upload. Raises ProtocolError."""
        position = 0
        while position < len(chunk) and not self.has_ended:
            if self._remaining:
                step = min(self._remaining, len(chunk) - position)
                self._remaining -= step
                position += step
                continue
            missing = HEADER - len(self._header)
            self._header += chunk[position : position + missing]
            position = min(position + missing, len(chunk))
            if len(self._header) == HEADER:
                self._begin_packet(self._header)
                self._header = b""
        return position

    def _begin_packet(self, header: bytes) -> None:
        if header[3] != self.sequence:
            raise ProtocolError(ErrorCode.PACKET_ORDER, f"packet {self.sequence} expected, {header[3]} came")
        self.sequence = (self.sequence + 1) & 0xFF
        self._remaining = int.from_bytes(header[:3], "little")
        match self._kind:
            case UploadKind.STATEMENT:
                self._last = self._remaining < MAX_PAYLOAD
            case UploadKind.FILE:
                # An empty packet ends the file, unless it only ends a piece of just the longest packet's length.
                self._last = self._remaining == 0 and not self._continues
                self._continues = self._remaining == MAX_PAYLOAD
