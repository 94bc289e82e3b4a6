"""Reading and writing the protocol's integers and strings.

Bytes come in, Python values go out; a read past the end raises ProtocolError and never IndexError, and nothing is
allocated that was not received. Rules: manual pages "Integer Types" and "String Types" of the protocol.
"""

from __future__ import annotations

from dbmux.errors import ErrorCode, ProtocolError

# In place of a length; every number below it stands in one byte.
NULL = 0xFB


class Reader:
    """A position in one payload; `blame` is the error code that bad bytes get."""

    __slots__ = ("blame", "data", "position")

    def __init__(self, data: bytes, blame: ErrorCode = ErrorCode.MALFORMED) -> None:
        self.data = data
        self.position = 0
        self.blame = blame

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.position

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        end = self.position + length
        if end > len(self.data):
            raise self.error(f"{length} bytes announced, {self.remaining} are there")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def integer(self, length: int) -> int:
        """A fixed-length little-endian integer of `length` bytes."""
        return int.from_bytes(self.take(length), "little")

    def lenenc(self) -> int:
        """A length-encoded integer; NULL (0xFB) and 0xFF are not integers here."""
        first = self.integer(1)
        if first < NULL:
            return first
        match first:
            case 0xFC:
                return self.integer(2)
            case 0xFD:
                return self.integer(3)
            case 0xFE:
                return self.integer(8)
            case _:
                raise self.error(f"0x{first:02X} does not start a length")

    def lenenc_bytes(self) -> bytes:
        """A string that its length-encoded length precedes."""
        return self.take(self.lenenc())

    def lenenc_or_null(self) -> bytes | None:
        """A text row's value: a length-encoded string, or NULL."""
        if self.remaining and self.data[self.position] == NULL:
            self.position += 1
            return None
        return self.lenenc_bytes()

    def until_nul(self) -> bytes:
        """A string that a zero byte ends; the zero is consumed."""
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise self.error("a string has no end")
        piece = self.data[self.position : end]
        self.position = end + 1
        return piece

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.remaining)

    def error(self, what: str) -> ProtocolError:
        """The error for bytes that make no sense here."""
        return ProtocolError(self.blame, f"malformed packet at byte {self.position}: {what}")


def lenenc(value: int) -> bytes:
    """A length-encoded integer."""
    if value < NULL:
        return value.to_bytes(1, "little")
    if value < 1 << 16:
        return b"\xfc" + value.to_bytes(2, "little")
    if value < 1 << 24:
        return b"\xfd" + value.to_bytes(3, "little")
    return b"\xfe" + value.to_bytes(8, "little")


def lenenc_bytes(value: bytes) -> bytes:
    """A string with its length-encoded length before it."""
    return lenenc(len(value)) + value
