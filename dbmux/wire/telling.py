"""Values and columns of a result as JSON has them, and as people write them.

What a server sent comes in, by the text protocol or the binary one; numbers, strings and None go out, the same for
both. Bytes without a character set are told in hexadecimal, as `0x…`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbmux.wire.columns import BINARY_CHARSET, Column, FieldFlag, FieldType
from dbmux.wire.rows import Moment, Span, Value

_INTEGERS = frozenset(
    (FieldType.TINY, FieldType.SHORT, FieldType.LONG, FieldType.LONGLONG, FieldType.INT24, FieldType.YEAR)
)
_FLOATS = frozenset((FieldType.FLOAT, FieldType.DOUBLE))
_BYTES = frozenset(
    (
        FieldType.VARCHAR,
        FieldType.TINY_BLOB,
        FieldType.MEDIUM_BLOB,
        FieldType.LONG_BLOB,
        FieldType.BLOB,
        FieldType.VAR_STRING,
        FieldType.STRING,
    )
)
_ALWAYS_BYTES = frozenset((FieldType.BIT, FieldType.GEOMETRY, FieldType.VECTOR))
_NAMES: Mapping[int, str] = {
    FieldType.TINY: "tinyint",
    FieldType.SHORT: "smallint",
    FieldType.INT24: "mediumint",
    FieldType.LONG: "int",
    FieldType.LONGLONG: "bigint",
    FieldType.NEWDECIMAL: "decimal",
    FieldType.NEWDATE: "date",
    FieldType.VAR_STRING: "varchar",
    FieldType.STRING: "char",
    FieldType.BLOB: "blob",
}
_AS_BYTES = {"varchar": "varbinary", "char": "binary"}


def type_told(column: Column) -> str:
    """The type's name in SQL, as far as the protocol tells it."""
    if column.flags & FieldFlag.ENUM:
        return "enum"
    if column.flags & FieldFlag.SET:
        return "set"
    try:
        name = _NAMES.get(column.type) or FieldType(column.type).name.lower().replace("_", "")
    except ValueError:
        name = f"type {column.type}"
    if column.type in _BYTES:
        is_binary = column.charset == BINARY_CHARSET
        name = _AS_BYTES.get(name, name) if is_binary else name.replace("blob", "text")
    return f"{name} unsigned" if column.is_unsigned and column.type in _INTEGERS else name


def value_told(value: Value, column: Column) -> Any:
    """One value."""
    match value:
        case Moment():
            return _moment(value, column)
        case Span():
            return _span(value, column)
        case float() if value != value or value in (float("inf"), float("-inf")):
            return str(value)
        case bytes() if column.type in _INTEGERS and value.lstrip(b"-").isdigit():
            return int(value)
        case bytes() if column.type in _FLOATS:
            return _float(value)
        case bytes() if column.type in _ALWAYS_BYTES or (column.charset == BINARY_CHARSET and column.type in _BYTES):
            return f"0x{value.hex()}"
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return value


def _float(value: bytes) -> Any:
    try:
        return float(value)
    except ValueError:
        return value.decode("utf-8", "replace")


def _moment(value: Moment, column: Column) -> str:
    day = f"{value.year:04}-{value.month:02}-{value.day:02}"
    if column.type in (FieldType.DATE, FieldType.NEWDATE):
        return day
    return f"{day} {value.hour:02}:{value.minute:02}:{value.second:02}{_fraction(value.microsecond, column)}"


def _span(value: Span, column: Column) -> str:
    sign = "-" if value.is_negative else ""
    fraction = _fraction(value.microseconds, column)
    return f"{sign}{value.days * 24 + value.hours:02}:{value.minutes:02}:{value.seconds:02}{fraction}"


def _fraction(microsecond: int, column: Column) -> str:
    # As many digits as the column has; 31 stands for as many as there are.
    digits = column.decimals if 0 < column.decimals <= 6 else 6 if microsecond else 0
    return f".{microsecond:06}"[: digits + 1] if digits else ""
