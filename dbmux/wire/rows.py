"""Rows, text and binary, and the values of prepared statements, which have the binary form too.

Payloads and columns come in, tuples of values go out, and back. A text value is bytes or None. A binary value is an
int, a float, bytes, a `Moment`, a `Span` or None: dates that no calendar has (0000-00-00) and times beyond a day are
values like any other. Nothing is rounded and no character set is applied. Rules: manual pages "Text Resultset" and
"Binary Protocol Resultset".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from dbmux.errors import ErrorCode
from dbmux.wire.buffer import NULL, Reader, lenenc_bytes
from dbmux.wire.columns import Column, FieldType

BINARY_ROW = b"\x00"
# A binary row's map of NULLs begins with two bits that are never used; that of parameters does not.
ROW_NULLS_FROM, PARAMETER_NULLS_FROM = 2, 0


class Moment(NamedTuple):
    """A DATE, DATETIME or TIMESTAMP."""

    year: int
    month: int
    day: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    microsecond: int = 0


class Span(NamedTuple):
    """A TIME: a length of time, which may be negative and longer than a day."""

    is_negative: bool
    days: int
    hours: int
    minutes: int
    seconds: int
    microseconds: int = 0


TextRow = tuple[bytes | None, ...]
Value = None | int | float | bytes | Moment | Span


class Typed(Protocol):
    """What a value belongs to: a column, or a parameter."""

    @property
    def type(self) -> int:
        """A `FieldType`."""

    @property
    def is_unsigned(self) -> bool:
        """Whether integers have no sign."""


_INTEGER_BYTES: dict[int, int] = {
    FieldType.TINY: 1,
    FieldType.SHORT: 2,
    FieldType.YEAR: 2,
    FieldType.INT24: 4,
    FieldType.LONG: 4,
    FieldType.LONGLONG: 8,
}
_MOMENTS: frozenset[int] = frozenset((FieldType.DATE, FieldType.NEWDATE, FieldType.DATETIME, FieldType.TIMESTAMP))


def parse_text_row(payload: bytes, count: int) -> TextRow:
    """Read a text row of `count` columns; raises ProtocolError."""
    # Nearly all values are short, and there are many.
    values: list[bytes | None] = []
    at, size = 0, len(payload)
    while len(values) < count and at < size and (length := payload[at]) <= NULL:
        at += 1
        if length == NULL:
            values.append(None)
        else:
            values.append(payload[at : at + length])
            at += length
    if len(values) == count and at == size:
        return tuple(values)
    return _parse_any_text_row(payload, count)


def _parse_any_text_row(payload: bytes, count: int) -> TextRow:
    reader = Reader(payload, ErrorCode.MALFORMED_REPLY)
    values = tuple(reader.lenenc_or_null() for _ in range(count))
    if reader.remaining:
        raise reader.error("a row is longer than its columns")
    return values


def build_text_row(values: Iterable[bytes | None]) -> bytes:
    """The payload of a text row."""
    return b"".join(bytes((NULL,)) if value is None else lenenc_bytes(value) for value in values)


def parse_binary_row(payload: bytes, columns: Sequence[Column]) -> tuple[Value, ...]:
    """Read a binary row; raises ProtocolError."""
    reader = Reader(payload, ErrorCode.MALFORMED_REPLY)
    if reader.take(1) != BINARY_ROW:
        raise reader.error("not a binary row")
    nulls = parse_nulls(reader, len(columns), ROW_NULLS_FROM)
    values = tuple(
        None if is_null else parse_value(reader, column) for column, is_null in zip(columns, nulls, strict=True)
    )
    if reader.remaining:
        raise reader.error("a row is longer than its columns")
    return values


def build_binary_row(values: Sequence[Value], columns: Sequence[Column]) -> bytes:
    """The payload of a binary row; raises OverflowError or struct.error for a number that its column cannot hold."""
    there = (build_value(value, column.type) for value, column in zip(values, columns, strict=True))
    return BINARY_ROW + build_nulls(values, ROW_NULLS_FROM) + b"".join(there)


def parse_nulls(reader: Reader, count: int, first: int) -> list[bool]:
    """Read a map of NULLs for `count` values, the first of them at bit `first`."""
    bits = reader.integer((count + first + 7) // 8)
    return [bool(bits >> (first + index) & 1) for index in range(count)]


def build_nulls(values: Sequence[Value], first: int) -> bytes:
    """The map of NULLs."""
    bits = sum(1 << (first + index) for index, value in enumerate(values) if value is None)
    return bits.to_bytes((len(values) + first + 7) // 8, "little")


def parse_value(reader: Reader, what: Typed) -> Value:
    """Read one value; raises ProtocolError."""
    match what.type:
        case kind if size := _INTEGER_BYTES.get(kind):
            return int.from_bytes(reader.take(size), "little", signed=not what.is_unsigned)
        case FieldType.FLOAT:
            return float(struct.unpack("<f", reader.take(4))[0])
        case FieldType.DOUBLE:
            return float(struct.unpack("<d", reader.take(8))[0])
        case FieldType.TIME:
            return _parse_span(reader)
        case FieldType.NULL:
            return None
        case kind if kind in _MOMENTS:
            return _parse_moment(reader)
        case _:
            return reader.lenenc_bytes()


def build_value(value: Value, kind: int) -> bytes:
    """One value as its type has it; nothing for NULL, which stands in the map."""
    match value:
        case None:
            return b""
        case Moment():
            return _build_moment(value)
        case Span():
            return _build_span(value)
        case bytes():
            return lenenc_bytes(value)
        case int() if size := _INTEGER_BYTES.get(kind):
            return value.to_bytes(size, "little", signed=value < 0)
        case _:
            return struct.pack("<f" if kind == FieldType.FLOAT else "<d", value)


def _parse_moment(reader: Reader) -> Moment:
    match reader.integer(1):
        case 0:
            return Moment(0, 0, 0)
        case 4:
            return Moment(*struct.unpack("<HBB", reader.take(4)))
        case 7:
            return Moment(*struct.unpack("<HBBBBB", reader.take(7)))
        case 11:
            return Moment(*struct.unpack("<HBBBBBI", reader.take(11)))
        case length:
            raise reader.error(f"a date of {length} bytes")


def _build_moment(moment: Moment) -> bytes:
    if moment.microsecond:
        return b"\x0b" + struct.pack("<HBBBBBI", *moment)
    if moment[3:6] != (0, 0, 0):
        return b"\x07" + struct.pack("<HBBBBB", *moment[:6])
    return b"\x04" + struct.pack("<HBB", *moment[:3]) if any(moment) else b"\x00"


def _parse_span(reader: Reader) -> Span:
    match reader.integer(1):
        case 0:
            return Span(False, 0, 0, 0, 0)
        case 8:
            sign, *rest = struct.unpack("<BIBBB", reader.take(8))
            return Span(bool(sign), *rest)
        case 12:
            sign, *rest = struct.unpack("<BIBBBI", reader.take(12))
            return Span(bool(sign), *rest)
        case length:
            raise reader.error(f"a time of {length} bytes")


def _build_span(span: Span) -> bytes:
    if span.microseconds:
        return b"\x0c" + struct.pack("<BIBBBI", *span)
    return b"\x08" + struct.pack("<BIBBB", *span[:5]) if any(span) else b"\x00"
