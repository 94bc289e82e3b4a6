"""Results as MySQL's protocol has them, text and binary.

A result comes in; the payloads of its columns and rows go out. Text is always utf8mb4, whatever SET NAMES said.
"""

from __future__ import annotations

from collections.abc import Iterable

from dbmux.door.catalogue import COLLATION_ID
from dbmux.door.database import Result, Value
from dbmux.door.table import Table, Type
from dbmux.wire import rows
from dbmux.wire.buffer import NULL
from dbmux.wire.columns import BINARY_CHARSET, Column, FieldFlag, FieldType
from dbmux.wire.rows import build_binary_row, build_text_row

# What clients make room for; of a number of bytes, so four for each letter.
TEXT_LENGTH = 4 * 4096
# The scale of a number whose digits behind the point are not fixed.
FLOATING = 31


def columns_of(result: Result) -> list[Column]:
    """The definitions of a result's columns."""
    return [_column(name, kind) for name, kind in result.columns]


def parameter() -> Column:
    """The definition of a prepared statement's parameter, which may be anything."""
    return _column("?", Type.TEXT)


def fields_of(table: Table) -> list[Column]:
    """The definitions of a table's columns, as COM_FIELD_LIST has them."""
    names = (table.schema.encode(), table.name.encode())
    return [_column(one.name, one.type, *names, default=bytes((NULL,))) for one in table.columns]


def _column(name: str, kind: Type, schema: bytes = b"", table: bytes = b"", default: bytes = b"") -> Column:
    match kind:
        case Type.INTEGER:
            form = (FieldType.LONGLONG, BINARY_CHARSET, 20, 0)
        case Type.REAL:
            form = (FieldType.DOUBLE, BINARY_CHARSET, 22, FLOATING)
        case Type.TEXT:
            form = (FieldType.VAR_STRING, COLLATION_ID, TEXT_LENGTH, 0)
    field, charset, length, decimals = form
    spelled = name.encode("utf-8", "replace")
    return Column(
        name=spelled,
        original_name=spelled if table else b"",
        schema=schema,
        table=table,
        original_table=table,
        type=field,
        charset=charset,
        length=length,
        decimals=decimals,
        flags=0 if kind is Type.TEXT else FieldFlag.BINARY | FieldFlag.NUMERIC,
        default=default,
    )


def text_row(values: Iterable[Value]) -> bytes:
    """A row of a text result."""
    return build_text_row(None if value is None else _text(value) for value in values)


def binary_row(values: Iterable[Value], columns: list[Column]) -> bytes:
    """A row of a prepared statement's result."""
    return build_binary_row([_typed(value, column) for value, column in zip(values, columns, strict=True)], columns)


def _typed(value: Value, column: Column) -> rows.Value:
    if value is None or (isinstance(value, int) and column.type == FieldType.LONGLONG):
        return value
    if column.type == FieldType.DOUBLE and isinstance(value, int | float):
        return float(value)
    return _text(value)


def _text(value: str | bytes | int | float) -> bytes:
    match value:
        case bytes():
            return value
        case str():
            return value.encode("utf-8", "replace")
        case _:
            return repr(value).encode()
