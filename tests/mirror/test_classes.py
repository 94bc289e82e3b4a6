"""Of which kind a difference between two values is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.differences import DifferenceKind
from dbmux.mirror.classes import exactly, kind_of, loosely
from dbmux.wire.columns import BINARY_CHARSET, Column, FieldType
from dbmux.wire.rows import Moment, Span, Value
from tests.mirror.answers import column

K, T = DifferenceKind, FieldType
TEXT, INT, DOUBLE, FLOAT = column(), column(kind=T.LONG), column(kind=T.DOUBLE), column(kind=T.FLOAT)
DECIMAL, DATE, DATETIME = column(kind=T.NEWDECIMAL), column(kind=T.DATE), column(kind=T.DATETIME)
STORED = column(kind=T.NEWDECIMAL, original_table=b"rates")
TIME, JSON, BYTES = column(kind=T.TIME), column(kind=T.JSON), column(charset=BINARY_CHARSET)

TABLE: list[tuple[Column, Value, Value, DifferenceKind | None]] = [
    (TEXT, b"a", b"a", None),
    (TEXT, None, None, None),
    (TEXT, b"a", b"b", K.VALUE),
    (TEXT, b"a", None, K.VALUE),
    (TEXT, b"1", b"1.0", K.VALUE),
    (TEXT, b"", None, K.NULL_OR_EMPTY),
    (TEXT, None, b"", K.NULL_OR_EMPTY),
    (TEXT, b"Ann", b"ann", K.LETTER_CASE),
    (TEXT, "Zoë".encode(), b"zoe", K.LETTER_CASE),
    (TEXT, b"Ann ", b"ann", K.LETTER_CASE),
    (TEXT, b"ann", b"ann  ", K.TRAILING_SPACES),
    (BYTES, b"a\0", b"a\0\0\0", K.TRAILING_SPACES),
    (BYTES, b"a", b"A", K.VALUE),
    (BYTES, b"\xff", b"\xfe", K.VALUE),
    (INT, b"1", b"2", K.VALUE),
    (INT, b"1", b"-1", K.VALUE),
    (INT, 1, 2, K.VALUE),
    (DOUBLE, b"1e15", b"1000000000000000", K.FLOAT_TEXT),
    (DOUBLE, b"1.50", b"1.5", K.FLOAT_TEXT),
    (DOUBLE, b"-0", b"0", K.FLOAT_TEXT),
    (DOUBLE, -0.0, 0.0, K.FLOAT_TEXT),
    (DOUBLE, b"1.584962500721156", b"1.5849625007211563", K.FLOAT_DIGITS),
    (DOUBLE, b"0.1666666667", b"0.16666666666666666", K.FLOAT_DIGITS),
    (DOUBLE, 0.1 + 0.2, 0.3, K.FLOAT_DIGITS),
    (DOUBLE, b"1.5", b"1.6", K.VALUE),
    (DOUBLE, b"1e300", b"-1e300", K.VALUE),
    (FLOAT, b"3.14159", b"3.1415901", K.FLOAT_DIGITS),
    (FLOAT, b"3.14159", b"3.1417", K.VALUE),
    (DECIMAL, b"1.5", b"1.5000", K.DECIMAL_SCALE),
    (DECIMAL, b"0.3333", b"0.33333333", K.DECIMAL_SCALE),
    (DECIMAL, b"0.6667", b"0.66666667", K.DECIMAL_SCALE),
    (DECIMAL, b"0.67", b"0.6666", K.VALUE),
    (DECIMAL, b"19.99", b"20", K.VALUE),
    (DECIMAL, b"0.49", b"0", K.VALUE),
    (DECIMAL, b"1.25", b"1.3", K.VALUE),
    (STORED, b"1.5", b"1.5000", K.DECIMAL_SCALE),
    (STORED, b"0.3333", b"0.33333333", K.VALUE),
    (DECIMAL, b"1.5", b"1.4", K.VALUE),
    (DECIMAL, b"1.5", b"1.5700", K.VALUE),
    (DATE, b"0000-00-00", None, K.ZERO_DATE),
    (DATE, b"2020-00-00", b"2020-01-01", K.ZERO_DATE),
    (DATE, Moment(0, 0, 0), None, K.ZERO_DATE),
    (DATETIME, b"0000-00-00 00:00:00", b"1970-01-01 00:00:00", K.ZERO_DATE),
    (DATETIME, b"2020-01-01 10:00:00", b"2020-01-01 10:00:00.000", K.TIME_TEXT),
    (DATETIME, b"2020-01-01 00:00:00", b"2020-01-01", K.TIME_TEXT),
    (DATETIME, b"2020-01-01 10:00:00.5", b"2020-01-01 10:00:01", K.VALUE),
    (TIME, b"-838:59:59", b"-838:59:59.00", K.TIME_TEXT),
    (TIME, Span(False, 0, 1, 2, 3), Span(True, 0, 1, 2, 3), K.VALUE),
    (JSON, b'{"a": 1, "b": [true, null]}', b'{"b":[true,null],"a":1}', K.JSON_TEXT),
    (JSON, b'{"a": 1}', b'{"a": 2}', K.VALUE),
    (JSON, b"[1]", b"[true]", K.VALUE),
    (JSON, b"[1, 2]", b"[2, 1]", K.VALUE),
    (JSON, b"2.50", b"2.5", K.JSON_TEXT),
    (TEXT, b"[1.0]", b"[1]", K.JSON_TEXT),
    (TEXT, b"{no json", b"{no  json", K.VALUE),
    (TEXT, b"\xff\xfe", b"\xff\xfd", K.VALUE),
]
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.integers(-(2**63), 2**64),
    st.floats(),
    st.sampled_from([b"[" * 100_000, b"1e999999999", b"-", b".", b"0000-00-00", b'{"a": 1e400}', b"NaN", b"Infinity"]),
    st.builds(Moment, st.integers(0, 9999), st.integers(0, 12), st.integers(0, 31)),
)
COLUMNS = st.sampled_from([TEXT, INT, DOUBLE, FLOAT, DECIMAL, DATE, DATETIME, TIME, JSON, BYTES])


@pytest.mark.parametrize(("described", "source", "target", "kind"), TABLE)
def test_a_difference_is_of_a_kind(described: Column, source: Value, target: Value, kind: DifferenceKind) -> None:
    assert kind_of(source, target, described, described) == kind
    assert kind_of(target, source, described, described) == kind


def test_types_of_both_sides_are_looked_at() -> None:
    assert kind_of(b"1.5000", b"1.5", DECIMAL, TEXT) == K.DECIMAL_SCALE
    assert kind_of(b"2.50", b"2.5", TEXT, JSON) == K.JSON_TEXT
    assert kind_of(1, 1.0, INT, DOUBLE) == K.FLOAT_TEXT


@given(VALUES, VALUES, COLUMNS, COLUMNS)
def test_any_values_have_a_kind_or_are_the_same(source: Value, target: Value, one: Column, other: Column) -> None:
    kind = kind_of(source, target, one, other)

    assert (kind is None) == (type(source) is type(target) and exactly(source) == exactly(target))
    assert isinstance(hash(loosely(source, one)), int)


@given(VALUES, COLUMNS)
def test_a_value_is_the_same_as_itself(value: Value, described: Column) -> None:
    assert kind_of(value, value, described, described) is None


@pytest.mark.parametrize(
    ("described", "source", "target", "kind"),
    [row for row in TABLE if row[3] not in (None, K.VALUE, K.ZERO_DATE, K.FLOAT_DIGITS) and row[1] and row[2]],
)
def test_rows_that_differ_in_lesser_kinds_are_known_as_one(
    described: Column, source: Value, target: Value, kind: DifferenceKind
) -> None:
    if kind is not K.DECIMAL_SCALE:
        assert loosely(source, described) == loosely(target, described)
