"""Columns, rows and the commands of prepared statements are read as they were written, whatever the types."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ProtocolError
from dbmux.wire.capabilities import Capability
from dbmux.wire.columns import Column, FieldFlag, FieldType, parse_column
from dbmux.wire.rows import Moment, Span, build_binary_row, build_text_row, parse_binary_row, parse_text_row
from dbmux.wire.statements import (
    BulkExecute,
    BulkFlag,
    Execute,
    ExecuteFlag,
    Fetch,
    Indicator,
    LongData,
    ParameterType,
    Prepared,
    Query,
    parse_bulk_execute,
    parse_execute,
    parse_fetch,
    parse_long_data,
    parse_prepared,
    parse_query,
    parse_statement,
    parse_types,
)

EXTENDED, ATTRIBUTES = int(Capability.MARIADB_EXTENDED_METADATA), int(Capability.QUERY_ATTRIBUTES)
names = st.binary(max_size=20)
moments = st.builds(
    Moment,
    st.integers(0, 9999),
    st.integers(0, 12),
    st.integers(0, 31),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 999_999),
)
spans = st.builds(
    Span,
    st.booleans(),
    st.integers(0, 34),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 999_999),
)
SIZES = {FieldType.TINY: 1, FieldType.SHORT: 2, FieldType.YEAR: 2, FieldType.INT24: 4, FieldType.LONG: 4}


def _values(kind: FieldType, is_unsigned: bool) -> st.SearchStrategy[Any]:
    match kind:
        case FieldType.NULL:
            return st.none()
        case FieldType.FLOAT:
            return st.floats(width=32, allow_nan=False)
        case FieldType.DOUBLE:
            return st.floats(allow_nan=False)
        case FieldType.TIME:
            return spans
        case FieldType.DATE | FieldType.DATETIME | FieldType.TIMESTAMP | FieldType.NEWDATE:
            return moments
        case FieldType.TINY | FieldType.SHORT | FieldType.YEAR | FieldType.INT24 | FieldType.LONG | FieldType.LONGLONG:
            bits = SIZES.get(kind, 8) * 8
            low, high = (0, (1 << bits) - 1) if is_unsigned else (-1 << (bits - 1), (1 << (bits - 1)) - 1)
            return st.integers(low, high)
        case _:
            return st.binary(max_size=300)


@st.composite
def columns_and_rows(draw: st.DrawFn) -> tuple[list[Column], tuple[Any, ...]]:
    columns, values = [], []
    for _ in range(draw(st.integers(0, 20))):
        kind, is_unsigned = draw(st.sampled_from(FieldType)), draw(st.booleans())
        columns.append(Column(name=b"a", type=kind, flags=FieldFlag.UNSIGNED if is_unsigned else 0))
        values.append(draw(st.none() | _values(kind, is_unsigned)))
    return columns, tuple(values)


@st.composite
def parameters(draw: st.DrawFn) -> tuple[tuple[ParameterType, ...], tuple[Any, ...]]:
    columns, values = draw(columns_and_rows().filter(lambda found: bool(found[0])))
    return tuple(ParameterType(c.type, c.is_unsigned, draw(names)) for c in columns), values


def _without_names(types: tuple[ParameterType, ...]) -> tuple[ParameterType, ...]:
    return tuple(ParameterType(kind.type, kind.is_unsigned) for kind in types)


@given(
    st.builds(
        Column,
        name=names,
        type=st.integers(0, 255),
        charset=st.integers(0, 0xFFFF),
        length=st.integers(0, (1 << 32) - 1),
        flags=st.integers(0, 0xFFFF),
        decimals=st.integers(0, 255),
        schema=names,
        table=names,
        original_table=names,
        original_name=names,
        extended=names,
        default=names,
    )
)
def test_a_column_is_read_as_it_was_written(column: Column) -> None:
    assert parse_column(column.build(EXTENDED), EXTENDED) == column


@given(st.lists(st.none() | st.binary(max_size=300), max_size=20))
def test_a_text_row_is_read_as_it_was_written(values: list[bytes | None]) -> None:
    assert parse_text_row(build_text_row(values), len(values)) == tuple(values)


@given(columns_and_rows())
def test_a_binary_row_is_read_as_it_was_written(found: tuple[list[Column], tuple[Any, ...]]) -> None:
    columns, values = found
    assert parse_binary_row(build_binary_row(values, columns), columns) == values


def test_dates_that_no_calendar_has_are_values() -> None:
    columns = [Column(name=b"d", type=FieldType.DATE), Column(name=b"t", type=FieldType.TIME)]
    payload = b"\x00\x00" + b"\x00" + b"\x00"
    assert parse_binary_row(payload, columns) == (Moment(0, 0, 0), Span(False, 0, 0, 0, 0))
    assert build_binary_row((Moment(0, 0, 0), Span(False, 0, 0, 0, 0)), columns) == payload


def test_minus_half_a_second_keeps_its_sign() -> None:
    columns = [Column(name=b"t", type=FieldType.TIME)]
    value = (Span(True, 0, 0, 0, 0, 500_000),)
    assert parse_binary_row(build_binary_row(value, columns), columns) == value


def test_a_row_longer_than_its_columns_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="longer than its columns"):
        parse_text_row(build_text_row([b"a", b"b"]), 1)


shorts = st.integers(0, 0xFFFF)


@given(st.builds(Prepared, st.integers(0, (1 << 32) - 1), shorts, shorts, shorts))
def test_the_answer_to_a_preparation_is_read_as_it_was_written(prepared: Prepared) -> None:
    assert parse_prepared(prepared.build()) == prepared


@given(parameters())
def test_an_execution_is_read_as_it_was_written(found: tuple[tuple[ParameterType, ...], tuple[Any, ...]]) -> None:
    types, values = _without_names(found[0]), found[1]
    execute = Execute(statement=3, types=types, values=values)
    again = Execute(statement=3, types=None, values=values)

    assert parse_execute(execute.build(0), 0, len(values)) == execute
    assert parse_execute(again.build(0, known=types), 0, len(values), known=types) == again


@given(parameters())
def test_an_execution_with_query_attributes_is_read_as_it_was_written(
    found: tuple[tuple[ParameterType, ...], tuple[Any, ...]],
) -> None:
    execute = Execute(statement=3, flags=ExecuteFlag.PARAMETER_COUNT, types=found[0], values=found[1])
    assert parse_execute(execute.build(ATTRIBUTES), ATTRIBUTES, 0) == execute


def test_an_execution_without_parameters_has_nothing_behind_its_head() -> None:
    assert Execute(statement=1, flags=1).build(0) == struct.pack("<IBI", 1, 1, 1)


def test_long_data_sent_ahead_is_not_looked_for_in_the_execution() -> None:
    kinds = (ParameterType(FieldType.BLOB), ParameterType(FieldType.LONG))
    body = Execute(statement=1, types=kinds, values=(None, 5)).build(0)
    body = body[:9] + b"\x00" + body[10:]

    assert parse_execute(body, 0, 2, long_data=frozenset({0})).values == (None, 5)


@given(parameters())
def test_types_alone_are_read_as_they_were_written(found: tuple[tuple[ParameterType, ...], tuple[Any, ...]]) -> None:
    types = _without_names(found[0])

    assert parse_types(b"".join(kind.build() for kind in types), 0) == types


def test_an_execution_with_more_than_its_values_is_an_error() -> None:
    body = Execute(statement=1, types=(ParameterType(FieldType.LONG),), values=(5,)).build(0)

    with pytest.raises(ProtocolError, match="longer than its values"):
        parse_execute(body + b"x", 0, 1)


def test_an_execution_whose_types_nobody_sent_is_an_error() -> None:
    body = Execute(statement=1, values=(5,)).build(0, known=(ParameterType(FieldType.LONG),))
    with pytest.raises(ProtocolError, match="types are not known"):
        parse_execute(body, 0, 1)


@given(parameters(), st.binary(max_size=50))
def test_query_attributes_are_read_as_they_were_written(
    found: tuple[tuple[ParameterType, ...], tuple[Any, ...]], text: bytes
) -> None:
    query = Query(text=text, types=found[0], values=found[1])
    assert parse_query(query.build(ATTRIBUTES), ATTRIBUTES) == query
    assert parse_query(Query(text=text).build(ATTRIBUTES), ATTRIBUTES) == Query(text=text)
    assert parse_query(text, 0) == Query(text=text)


@given(parameters(), st.data())
def test_a_bulk_execution_is_read_as_it_was_written(
    found: tuple[tuple[ParameterType, ...], tuple[Any, ...]], data: st.DataObject
) -> None:
    types = _without_names(found[0])
    one = tuple(Indicator.NULL if value is None else value for value in found[1])
    other = tuple(data.draw(st.sampled_from([Indicator.NULL, Indicator.DEFAULT, Indicator.IGNORE])) for _ in one)
    bulk = BulkExecute(statement=9, flags=BulkFlag.TYPES, types=types, rows=(one, other, one))
    again = BulkExecute(statement=9, flags=0, types=None, rows=(one, other))

    assert parse_bulk_execute(bulk.build(), len(types)) == bulk
    assert parse_bulk_execute(again.build(known=types), len(types), known=types) == again


def test_the_short_commands_are_read_as_they_were_written() -> None:
    assert parse_fetch(Fetch(statement=7, rows=100).build()) == Fetch(statement=7, rows=100)
    piece = LongData(statement=7, parameter=2, data=b"abc")
    assert parse_long_data(piece.build()) == piece
    assert parse_statement((7).to_bytes(4, "little")) == 7


@given(st.binary(max_size=80), st.integers(0, 0xFFFF))
def test_any_bytes_are_a_value_or_a_protocol_error(data: bytes, count: int) -> None:
    columns = [Column(name=b"a", type=kind) for kind in FieldType]
    readers: list[Any] = [
        lambda: parse_column(data, EXTENDED),
        lambda: parse_text_row(data, count),
        lambda: parse_binary_row(b"\0" + data, columns),
        lambda: parse_prepared(data),
        lambda: parse_execute(data, ATTRIBUTES, count),
        lambda: parse_query(data, ATTRIBUTES),
        lambda: parse_bulk_execute(data, count),
        lambda: parse_fetch(data),
        lambda: parse_long_data(data),
    ]
    for read in readers:
        try:
            read()
        except ProtocolError:
            continue


@given(
    st.one_of(st.binary(max_size=300), st.lists(st.none() | st.binary(max_size=300), max_size=4).map(build_text_row))
)
def test_whatever_a_text_row_is_it_is_read_to_its_end_or_refused(payload: bytes) -> None:
    for count in range(5):
        try:
            values = parse_text_row(payload, count)
        except ProtocolError:
            continue
        # A length may have been written in more bytes than it needs.
        assert len(values) == count
        assert parse_text_row(build_text_row(values), count) == values
