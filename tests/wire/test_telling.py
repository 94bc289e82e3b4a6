"""Values of both protocols as JSON has them."""

from __future__ import annotations

from typing import Any

import pytest

from dbmux.wire.columns import BINARY_CHARSET, Column, FieldFlag, FieldType
from dbmux.wire.rows import Moment, Span, Value
from dbmux.wire.telling import type_told, value_told

T = FieldType
UTF8 = 45


def column(kind: int, **more: Any) -> Column:
    return Column(name=b"a", type=kind, **more)


@pytest.mark.parametrize(
    ("kind", "text", "binary", "told"),
    [
        (column(T.LONGLONG), b"-5", -5, -5),
        (column(T.LONGLONG, flags=FieldFlag.UNSIGNED), b"18446744073709551615", 2**64 - 1, 2**64 - 1),
        (column(T.DOUBLE), b"1.5", 1.5, 1.5),
        (column(T.NEWDECIMAL), b"1.50", b"1.50", "1.50"),
        (column(T.VAR_STRING, charset=UTF8), "señal".encode(), "señal".encode(), "señal"),
        (column(T.VAR_STRING, charset=BINARY_CHARSET), b"\x00\xff", b"\x00\xff", "0x00ff"),
        (column(T.DATE), b"2026-01-02", Moment(2026, 1, 2), "2026-01-02"),
        (column(T.DATETIME), b"0000-00-00 00:00:00", Moment(0, 0, 0), "0000-00-00 00:00:00"),
        (
            column(T.DATETIME, decimals=3),
            b"2026-01-02 03:04:05.600",
            Moment(2026, 1, 2, 3, 4, 5, 600_000),
            "2026-01-02 03:04:05.600",
        ),
        (column(T.TIME), b"-26:03:04", Span(True, 1, 2, 3, 4), "-26:03:04"),
        (column(T.BIT), b"\x05", b"\x05", "0x05"),
        (column(T.LONG), None, None, None),
    ],
)
def test_both_protocols_tell_the_same(kind: Column, text: bytes | None, binary: Value, told: Any) -> None:
    assert value_told(text, kind) == value_told(binary, kind) == told


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (column(T.LONG), "int"),
        (column(T.LONGLONG, flags=FieldFlag.UNSIGNED), "bigint unsigned"),
        (column(T.VAR_STRING, charset=UTF8), "varchar"),
        (column(T.VAR_STRING, charset=BINARY_CHARSET), "varbinary"),
        (column(T.BLOB, charset=UTF8), "text"),
        (column(T.BLOB, charset=BINARY_CHARSET), "blob"),
        (column(T.STRING, charset=UTF8, flags=FieldFlag.ENUM), "enum"),
        (column(200), "type 200"),
    ],
)
def test_types_are_called_as_in_sql(kind: Column, name: str) -> None:
    assert type_told(kind) == name
