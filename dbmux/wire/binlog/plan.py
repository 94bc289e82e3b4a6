"""How the rows of a table are read: a reader for each column, chosen once and not for every value.

A table map comes in, a Plan goes out; it is kept, as servers repeat the map with every statement. Nothing is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.binlog import readers as r
from dbmux.wire.binlog.charsets import charset_of
from dbmux.wire.binlog.columns import Column, Declared, Layout, LoggedType
from dbmux.wire.binlog.events import TableMap
from dbmux.wire.binlog.jsonb import Json
from dbmux.wire.binlog.layout import parse_layout
from dbmux.wire.binlog.rows import Image

T = LoggedType
# So many tables' plans are kept; one takes some hundred bytes a column.
PLANS_LIMIT = 4_096
_LONGEST_ENUM, _LONGEST_SET, _LONGEST_BIT, _LONGEST_LENGTH = 2, 8, 64, 4
_DIGITS_LIMIT, _DECIMALS_LIMIT = 65, 38
_COMMA = {"ucs2": b"\0,", "utf16": b"\0,", "utf16le": b",\0", "utf32": b"\0\0\0,"}

Declare = Callable[[TableMap], Mapping[int, Declared]]
Made = TypeVar("Made")


class Plan:
    """A table's columns, and how their values are read."""

    __slots__ = ("_images", "layout", "readers")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.readers = tuple(reader_of(column) for column in layout.columns)
        self._images: dict[bytes, Image] = {}

    def image(self, present: bytes) -> Image:
        """Rows that have the columns of this bitmap."""
        found = self._images.get(present)
        if found is None:
            # Statements set few combinations of columns; a server can make up any.
            found = _kept(self._images, present, Image(self.readers, present))
        return found


class Plans:
    """The plans of the tables of one log; `declare` tells what the log does not of a table's columns."""

    __slots__ = ("_declare", "_plans")

    def __init__(self, declare: Declare = lambda table: {}) -> None:
        self._declare = declare
        self._plans: dict[tuple[str, str, bytes], Plan] = {}

    def of(self, table: TableMap) -> Plan:
        """The plan for the rows behind this table map; raises ProtocolError."""
        key = (table.schema, table.table, table.columns)
        found = self._plans.get(key)
        if found is None:
            layout = parse_layout(table.columns, table.family)
            if declared := self._declare(table):
                layout = layout.declaring(declared)
            found = _kept(self._plans, key, Plan(layout))
        return found

    def forget(self, concerns: Callable[[str, str], bool] = lambda schema, table: True) -> None:
        """What was declared of these tables may be something else now: after a definition."""
        for key in [key for key in self._plans if concerns(*key[:2])]:
            del self._plans[key]


Key = TypeVar("Key")


def _kept(where: dict[Key, Made], key: Key, made: Made) -> Made:
    if len(where) >= PLANS_LIMIT:
        del where[next(iter(where))]
    where[key] = made
    return made


def reader_of(column: Column) -> r.Reader:
    """What reads a column's values; raises ProtocolError."""
    return _READERS[column.type](column)


def _integer(width: int) -> Callable[[Column], r.Reader]:
    return lambda column: r.Unsigned(width) if column.is_unsigned else r.Signed(width)


def _blob(make: Callable[[int], r.Reader]) -> Callable[[Column], r.Reader]:
    return lambda column: make(_within(column.size, _LONGEST_LENGTH, column))


def _string(column: Column) -> r.Reader:
    return r.String(_length_width(column))


def _fixed_string(column: Column) -> r.Reader:
    match column.declared:
        case Declared.UUID:
            return r.Uuid()
        case Declared.INET4:
            return r.Inet4()
        case Declared.INET6:
            return r.Inet6()
    width = _length_width(column)
    return r.Padded(width, column.size) if column.is_binary else r.String(width)


def _length_width(column: Column) -> int:
    return 1 if column.size < 256 else 2


def _bits(column: Column) -> r.Reader:
    return r.Bits((_within(column.size, _LONGEST_BIT, column) + 7) // 8)


def _decimal(column: Column) -> r.Reader:
    digits = _within(column.size, _DIGITS_LIMIT, column)
    if column.decimals > min(digits, _DECIMALS_LIMIT):
        raise _impossible(column)
    return r.Decimal(digits, column.decimals)


def _enum(column: Column) -> r.Reader:
    width = _within(column.size, _LONGEST_ENUM, column)
    return r.Choice(width, column.elements) if column.elements else r.Unsigned(width)


def _set(column: Column) -> r.Reader:
    width = _within(column.size, _LONGEST_SET, column)
    if not column.elements:
        return r.Unsigned(width)
    charset = charset_of(column.collation)
    return r.Choices(width, column.elements, _COMMA.get(charset.name if charset else "", b","))


def _within(size: int, most: int, column: Column) -> int:
    if not 0 < size <= most:
        raise _impossible(column)
    return size


def _impossible(column: Column) -> ProtocolError:
    return ProtocolError(ErrorCode.MALFORMED_REPLY, f"a {column.type.name} of size {column.size} cannot be")


_READERS: dict[LoggedType, Callable[[Column], r.Reader]] = {
    T.TINY: _integer(1),
    T.SHORT: _integer(2),
    T.INT24: _integer(3),
    T.LONG: _integer(4),
    T.LONGLONG: _integer(8),
    T.FLOAT: lambda column: r.Float(),
    T.DOUBLE: lambda column: r.Double(),
    T.DECIMAL: _decimal,
    T.BIT: _bits,
    T.YEAR: lambda column: r.Year(),
    T.DATE: lambda column: r.Date(),
    T.NEWDATE: lambda column: r.Date(),
    T.TIME: lambda column: r.Time(column.decimals),
    T.DATETIME: lambda column: r.Datetime(column.decimals),
    T.TIMESTAMP: lambda column: r.Timestamp(column.decimals),
    T.OLD_TIME: lambda column: r.OldTime(),
    T.OLD_DATETIME: lambda column: r.OldDatetime(),
    T.OLD_TIMESTAMP: lambda column: r.OldTimestamp(),
    T.STRING: _fixed_string,
    T.VARCHAR: _string,
    T.VAR_STRING: _string,
    T.VARCHAR_COMPRESSED: lambda column: r.Compressed(_length_width(column)),
    T.TINY_BLOB: _blob(r.String),
    T.BLOB: _blob(r.String),
    T.MEDIUM_BLOB: _blob(r.String),
    T.LONG_BLOB: _blob(r.String),
    T.BLOB_COMPRESSED: _blob(r.Compressed),
    T.GEOMETRY: _blob(r.String),
    T.VECTOR: _blob(r.String),
    T.JSON: _blob(Json),
    T.ENUM: _enum,
    T.SET: _set,
    T.NULL: lambda column: r.Null(),
}
