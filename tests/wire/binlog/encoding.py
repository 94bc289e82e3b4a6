"""Rows as servers write them, by the rules of the manuals and by other ways than the readers go.

Values come in as Python has them, bytes go out. Also the table maps for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from dbmux.wire.binlog.columns import Family, LoggedType
from dbmux.wire.binlog.events import EventType, RowsChanged, TableMap
from dbmux.wire.buffer import lenenc, lenenc_bytes

_BYTES_OF_DIGITS = {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 4, 8: 4, 9: 4}


def decimal(value: Decimal, digits: int, decimals: int) -> bytes:
    """DECIMAL(digits, decimals)."""
    text = f"{value.copy_abs():.{decimals}f}"
    whole, _, rest = text.partition(".")
    whole = whole.lstrip("0").rjust(digits - decimals, "0")
    head = len(whole) % 9
    groups = [whole[:head], *(whole[at : at + 9] for at in range(head, len(whole), 9))]
    groups += [rest[at : at + 9] for at in range(0, len(rest), 9)]
    data = b"".join(int(group).to_bytes(_BYTES_OF_DIGITS[len(group)], "big") for group in groups if group)
    if value < 0:
        data = bytes(0xFF - byte for byte in data)
    return bytes((data[0] ^ 0x80,)) + data[1:]


def fraction(microseconds: int, decimals: int) -> bytes:
    """What stands behind the second."""
    width = (decimals + 1) // 2
    kept = f"{microseconds:06d}"[:decimals].ljust(2 * width, "0")
    return int(kept or 0).to_bytes(width, "big")


def date(year: int, month: int, day: int) -> bytes:
    """DATE."""
    return (day + 32 * month + 512 * year).to_bytes(3, "little")


def datetime_(year: int, month: int, day: int, clock: tuple[int, int, int, int], decimals: int) -> bytes:
    """DATETIME(decimals)."""
    hour, minute, second, microseconds = clock
    bits = f"1{year * 13 + month:017b}{day:05b}{hour:05b}{minute:06b}{second:06b}"
    return int(bits, 2).to_bytes(5, "big") + fraction(microseconds, decimals)


def timestamp(at: datetime, decimals: int) -> bytes:
    """TIMESTAMP(decimals)."""
    passed = at - datetime(1970, 1, 1, tzinfo=UTC)
    return int(passed // timedelta(seconds=1)).to_bytes(4, "big") + fraction(at.microsecond, decimals)


def time(negative: int, clock: tuple[int, int, int, int], decimals: int) -> bytes:
    """TIME(decimals)."""
    hours, minutes, seconds, microseconds = clock
    width = (decimals + 1) // 2
    bits = (hours << 12 | minutes << 6 | seconds) << 8 * width
    bits |= int.from_bytes(fraction(microseconds, decimals), "big")
    return ((0x800000 << 8 * width) + (-bits if negative else bits)).to_bytes(3 + width, "big")


def table_map(
    columns: Iterable[tuple[LoggedType, bytes]], metadata: bytes = b"", family: Family = Family.MYSQL
) -> TableMap:
    """A table with columns of these types, each with what is told of its type."""
    types = list(columns)
    told = b"".join(own for _, own in types)
    body = lenenc(len(types)) + bytes(type_ for type_, _ in types) + lenenc_bytes(told)
    return TableMap(9, "shop", "t", body + b"\xff" * ((len(types) + 7) // 8) + metadata, family)


def fact(number: int, value: bytes) -> bytes:
    """Something that is told of the columns."""
    return bytes((number,)) + lenenc_bytes(value)


def signs(*unsigned: int) -> bytes:
    """Which numbers have no sign."""
    bits = "".join(map(str, unsigned))
    return fact(1, int(bits.ljust(-len(bits) // 8 * -8, "0"), 2).to_bytes(-(-len(bits) // 8), "big"))


def bitmap(bits: Sequence[int]) -> bytes:
    """Bits, the first of them the lowest."""
    return sum(bit << place for place, bit in enumerate(bits)).to_bytes((len(bits) + 7) // 8, "little")


def row(*values: bytes | None) -> bytes:
    """A row of values that are encoded, None for NULL."""
    return bitmap([int(value is None) for value in values]) + b"".join(value for value in values if value is not None)


def rows(table: TableMap, kind: EventType, images: Sequence[Sequence[int]], data: bytes) -> RowsChanged:
    """An event: which columns the images have, and the rows."""
    extra = b"" if kind < EventType.WRITE_ROWS or kind >= EventType.COMPRESSED_WRITE_ROWS_V1 else b"\x05\0\1\2\3"
    head = table.id.to_bytes(6, "little") + b"\1\0" + extra + lenenc(len(images[0]))
    return RowsChanged(table, kind, head + b"".join(map(bitmap, images)) + data)
