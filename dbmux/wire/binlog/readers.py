# cython: boundscheck=False, annotation_typing=False, language_level=3
"""Readers of logged values, one for each form that a column can have in a row.

A Cursor over an event's bytes comes in and is moved on, a value goes out; what is not there or cannot be raises
ProtocolError. Which column has which reader is said in dbmux.wire.binlog.plan, once per table; here nothing is asked
about types any more. The same source runs interpreted and compiled (readers.pxd types it).

A value is what a SELECT in the text protocol gives, as exact and as cheap as can be:

- `int`: integers, YEAR, BIT; ENUM and SET where the log does not tell their elements; 0 for none of an ENUM's.
- `float`: FLOAT (widened, without a loss) and DOUBLE.
- `bytes` as the column has them: strings in its own character set, ENUM and SET likewise, BINARY with its zeros,
  GEOMETRY (its SRID, then WKB), VECTOR.
- `bytes` in ASCII as servers print them: DECIMAL, dates and times (TIMESTAMP in UTC), UUID and addresses where they are
  declared so; JSON, which is UTF-8.
- None for NULL, and ABSENT where the log tells nothing of the column (`binlog_row_image`): before an update and in
  one, what it was; in a new row, the column's default. What MariaDB logs of generated columns may be out of date.

As an argument of a prepared statement a string needs CONVERT(? USING its character set); dbmux.sync.literal writes it
as SQL. That a column is a UUID, an INET4 or an INET6 of MariaDB the log does not tell (`Declared`).
"""

from __future__ import annotations

import struct
from datetime import date
from enum import Enum
from uuid import UUID

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.binlog.compression import decompress_value

COMPILED = not __file__.endswith(".py")


class Missing(Enum):
    """Of a column that an image leaves out."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Missing.ABSENT

_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")
# Bytes that a group of so many decimal digits takes.
_GROUP_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_LIMITS = tuple(10**digits for digits in range(10))
_DATETIME_ZERO, _TIME_ZERO = 0x8000000000, 0x800000
_EPOCH_DAY, _DAY_S = date(1970, 1, 1).toordinal(), 86_400


class Cursor:
    """A place in an event's bytes, before an end."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data = data
        self.at = at
        self.end = end

    def take(self, length: int) -> int:
        """Where the next `length` bytes begin, which are passed over."""
        at = self.at
        if length > self.end - at:
            raise broken(f"a row is cut off: {length} bytes announced, {self.end - at} are there")
        self.at = at + length
        return at

    def length(self, width: int) -> int:
        """A length that stands in so many bytes."""
        at = self.take(width)
        src = self.data
        value = 0
        for place in range(at + width - 1, at - 1, -1):
            value = value << 8 | src[place]
        return value

    def big(self, width: int) -> int:
        """An integer of up to 8 bytes with its first byte first."""
        at = self.take(width)
        src = self.data
        value = 0
        for place in range(at, at + width):
            value = value << 8 | src[place]
        return value


def broken(what: str) -> ProtocolError:
    """The error for rows that make no sense."""
    return ProtocolError(ErrorCode.MALFORMED_REPLY, what)


class Reader:
    """Reads one column's values."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """The value that begins at the cursor, which is moved behind it."""
        raise NotImplementedError


class Null(Reader):
    """A column that has no value but NULL."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """Nothing."""
        return None


class Signed(Reader):
    """Integers with a sign."""

    __slots__ = ("width",)

    def __init__(self, width: int) -> None:
        self.width = width

    def read(self, cursor: Cursor) -> object:
        """An int."""
        at = cursor.take(self.width)
        src = cursor.data
        place = at + self.width - 1
        value = src[place]
        if value >= 128:
            value -= 256
        while place > at:
            place -= 1
            value = value * 256 + src[place]
        return value


class Unsigned(Reader):
    """Integers without a sign."""

    __slots__ = ("width",)

    def __init__(self, width: int) -> None:
        self.width = width

    def read(self, cursor: Cursor) -> object:
        """An int."""
        return cursor.length(self.width)


class Bits(Reader):
    """BIT, whose first byte is its highest."""

    __slots__ = ("width",)

    def __init__(self, width: int) -> None:
        self.width = width

    def read(self, cursor: Cursor) -> object:
        """An int."""
        return cursor.big(self.width)


class Year(Reader):
    """YEAR, counted from 1900, and 0."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """An int."""
        year = cursor.length(1)
        return year + 1900 if year else 0


class Float(Reader):
    """FLOAT."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """A float."""
        return _FLOAT.unpack_from(cursor.data, cursor.take(4))[0]


class Double(Reader):
    """DOUBLE."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """A float."""
        return _DOUBLE.unpack_from(cursor.data, cursor.take(8))[0]


class String(Reader):
    """Strings and everything else that is bytes, behind a length of so many bytes."""

    __slots__ = ("width",)

    def __init__(self, width: int) -> None:
        self.width = width

    def read(self, cursor: Cursor) -> object:
        """Bytes."""
        length = cursor.length(self.width)
        at = cursor.take(length)
        return cursor.data[at : at + length]


class Padded(Reader):
    """BINARY, whose zeros at the end are not logged."""

    __slots__ = ("size", "width")

    def __init__(self, width: int, size: int) -> None:
        self.width = width
        self.size = size

    def read(self, cursor: Cursor) -> object:
        """Bytes."""
        length = cursor.length(self.width)
        at = cursor.take(length)
        value = cursor.data[at : at + length]
        return value if length >= self.size else value.ljust(self.size, b"\0")


class Compressed(Reader):
    """Strings of MariaDB's that are declared COMPRESSED."""

    __slots__ = ("width",)

    def __init__(self, width: int) -> None:
        self.width = width

    def read(self, cursor: Cursor) -> object:
        """Bytes."""
        length = cursor.length(self.width)
        at = cursor.take(length)
        return decompress_value(cursor.data[at : at + length])


class Choice(Reader):
    """ENUM whose elements are told."""

    __slots__ = ("elements", "width")

    def __init__(self, width: int, elements: tuple[bytes, ...]) -> None:
        self.width = width
        # Number 0 is what was no element when it was written. It is no empty string, which may be an element.
        self.elements = (0, *elements)

    def read(self, cursor: Cursor) -> object:
        """The element, or 0."""
        number = cursor.length(self.width)
        if number >= len(self.elements):
            raise broken(f"an ENUM of {len(self.elements) - 1} elements has number {number}")
        return self.elements[number]


class Choices(Reader):
    """SET whose elements are told."""

    __slots__ = ("comma", "elements", "width")

    def __init__(self, width: int, elements: tuple[bytes, ...], comma: bytes) -> None:
        self.width = width
        self.elements = elements
        self.comma = comma

    def read(self, cursor: Cursor) -> object:
        """The elements, with commas between them."""
        bits = cursor.length(self.width)
        if bits >> len(self.elements) and len(self.elements) < 64:
            raise broken(f"a SET of {len(self.elements)} elements has bits {bits:b}")
        return self.comma.join([element for place, element in enumerate(self.elements) if bits >> place & 1])


class Decimal(Reader):
    """DECIMAL, in groups of nine digits on either side of the point."""

    __slots__ = ("decimals", "groups", "width")

    def __init__(self, digits: int, decimals: int) -> None:
        whole = digits - decimals
        self.decimals = decimals
        self.groups = (whole % 9, *(9,) * (whole // 9), *(9,) * (decimals // 9), decimals % 9)
        self.width = sum(_GROUP_BYTES[group] for group in self.groups)

    def read(self, cursor: Cursor) -> object:
        """The number as servers print it."""
        at = cursor.take(self.width)
        src = cursor.data
        # Of negative numbers all bits are inverted; the first one is then inverted once more, always.
        flip = 0 if src[at] & 0x80 else 0xFF
        first = flip ^ 0x80
        number = 0
        for digits in self.groups:
            group = 0
            for _ in range(_GROUP_BYTES[digits]):
                group = group << 8 | (src[at] ^ first)
                first = flip
                at += 1
            limit = _LIMITS[digits]
            if group >= limit:
                raise broken(f"a DECIMAL has a group of {digits} digits with {group} in it")
            number = number * limit + group
        text = b"%d" % number
        if self.decimals:
            text = text.zfill(self.decimals + 1)
            text = b"%b.%b" % (text[: -self.decimals], text[-self.decimals :])
        return b"-" + text if flip and number else text


class Date(Reader):
    """DATE."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """2024-02-29."""
        packed = cursor.length(3)
        return b"%04d-%02d-%02d" % (packed >> 9, packed >> 5 & 15, packed & 31)


class Fractional(Reader):
    """Dates and times with up to six digits behind the second."""

    __slots__ = ("decimals", "width")

    def __init__(self, decimals: int) -> None:
        if decimals > 6:
            raise broken(f"a time with {decimals} decimals")
        self.decimals = decimals
        self.width = (decimals + 1) // 2

    def fraction(self, value: int) -> bytes:
        """A fraction as it is printed."""
        return b".%b" % (b"%0*d" % (2 * self.width, value))[: self.decimals] if self.decimals else b""


class Datetime(Fractional):
    """DATETIME."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """2024-02-29 12:34:56.789."""
        packed = cursor.big(5)
        if packed < _DATETIME_ZERO:
            raise broken("a DATETIME before all years")
        packed -= _DATETIME_ZERO
        months = packed >> 22
        text = b"%04d-%02d-%02d %02d:%02d:%02d" % (
            months // 13, months % 13, packed >> 17 & 31, packed >> 12 & 31, packed >> 6 & 63, packed & 63,
        )  # fmt: skip
        return text + self.fraction(cursor.big(self.width)) if self.decimals else text


class Timestamp(Fractional):
    """TIMESTAMP, as seconds since 1970: on MariaDB 11.5 and later they go beyond 2038."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """The time in UTC."""
        text = moment(cursor.big(4))
        return text + self.fraction(cursor.big(self.width)) if self.decimals else text


class Time(Fractional):
    """TIME."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """-838:59:59.000."""
        # Seconds and fraction are one number, and what is negative is so as a whole.
        shift = 8 * self.width
        packed = cursor.big(3 + self.width) - (_TIME_ZERO << shift)
        sign = b""
        if packed < 0:
            sign = b"-"
            packed = -packed
        seconds = packed >> shift
        text = b"%b%02d:%02d:%02d" % (sign, seconds >> 12 & 0x3FF, seconds >> 6 & 63, seconds & 63)
        return text + self.fraction(packed & (1 << shift) - 1) if self.decimals else text


class OldDatetime(Reader):
    """DATETIME as servers before MySQL 5.6 and MariaDB 10.0 stored it, and tables of theirs that were never rebuilt.

    Those of MariaDB may have fractions, which the log does not tell of: such values are refused.
    """

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """2024-02-29 12:34:56."""
        number = cursor.length(8)
        day, clock = number // 1_000_000, number % 1_000_000
        if day > 99991231 or day // 100 % 100 > 12 or clock >= 240000 or clock // 100 % 100 > 59 or clock % 100 > 59:
            raise broken("a DATETIME in a form of old servers cannot be read; run there: ALTER TABLE … FORCE")
        text = b"%014d" % number
        return b"%b-%b-%b %b:%b:%b" % (text[:-10], text[-10:-8], text[-8:-6], text[-6:-4], text[-4:-2], text[-2:])


class OldTime(Reader):
    """TIME of the same age."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """-838:59:59."""
        number = cursor.length(3)
        sign = b""
        if number >= 0x800000:
            sign = b"-"
            number = 0x1000000 - number
        return b"%b%02d:%02d:%02d" % (sign, number // 10_000, number // 100 % 100, number % 100)


class OldTimestamp(Reader):
    """TIMESTAMP of the same age."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """The time in UTC."""
        return moment(cursor.length(4))


def moment(seconds: int) -> bytes:
    """Seconds since 1970 as a time in UTC; 0 is what servers call the zero date."""
    if not seconds:
        return b"0000-00-00 00:00:00"
    rest = seconds % _DAY_S
    told = date.fromordinal(_EPOCH_DAY + seconds // _DAY_S).isoformat()
    return b"%b %02d:%02d:%02d" % (told.encode(), rest // 3600, rest // 60 % 60, rest % 60)


class Uuid(Reader):
    """MariaDB's UUID: up to version 5 its parts stand in reverse, so that what changes least comes first."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """123e4567-e89b-12d3-a456-426655440000."""
        length = cursor.length(1)
        at = cursor.take(length)
        stored = cursor.data[at : at + length].ljust(16, b"\0")
        if stored[6] & 0x80 and 0 < stored[8] < 0x60:
            stored = stored[12:] + stored[10:12] + stored[8:10] + stored[6:8] + stored[:6]
        return str(UUID(bytes=stored[:16])).encode()


class Inet4(Reader):
    """MariaDB's INET4."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """10.0.0.1."""
        length = cursor.length(1)
        at = cursor.take(length)
        return b"%d.%d.%d.%d" % tuple(cursor.data[at : at + length].ljust(4, b"\0")[:4])


class Inet6(Reader):
    """MariaDB's INET6."""

    __slots__ = ()

    def read(self, cursor: Cursor) -> object:
        """::1."""
        length = cursor.length(1)
        at = cursor.take(length)
        words = struct.unpack(">8H", cursor.data[at : at + length].ljust(16, b"\0")[:16])
        begin, zeros = _longest_zeros(words)
        if begin == 0 and (zeros == 6 or (zeros == 5 and words[5] == 0xFFFF)):
            address = b"%d.%d.%d.%d" % (words[6] >> 8, words[6] & 255, words[7] >> 8, words[7] & 255)
            return b"::%b%b" % (b"ffff:" if zeros == 5 else b"", address)
        if not zeros:
            return _hexadecimal(words)
        return b"%b::%b" % (_hexadecimal(words[:begin]), _hexadecimal(words[begin + zeros :]))


def _longest_zeros(words: tuple[int, ...]) -> tuple[int, int]:
    # Where the longest run of zeros begins, the first of several, and its length.
    found, length, begin = 0, 0, 0
    for place, word in enumerate(words):
        if word:
            begin = place + 1
        elif place + 1 - begin > length:
            found, length = begin, place + 1 - begin
    return found, length


def _hexadecimal(words: tuple[int, ...]) -> bytes:
    return b":".join([b"%x" % word for word in words])
