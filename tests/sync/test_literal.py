"""A literal is the value and nothing else, whatever the session's character set and mode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES, tokens
from dbmux.sync.literal import Unwritable, literal
from dbmux.wire.binlog.columns import Column, Declared, LoggedType
from dbmux.wire.binlog.readers import ABSENT
from dbmux.wire.binlog.rows import Value

T = LoggedType
INT, DOUBLE, JSON, GEOMETRY = (Column(type=type_) for type_ in (T.LONG, T.DOUBLE, T.JSON, T.GEOMETRY))
DECIMAL, DATE, BIT, SET = (Column(type=type_) for type_ in (T.DECIMAL, T.DATE, T.BIT, T.SET))
UUID = Column(type=T.STRING, collation=63, declared=Declared.UUID)
UTF8MB4, LATIN1, UCS2, SJIS, BINARY, UNTOLD = (
    Column(type=T.VARCHAR, collation=collation) for collation in (45, 8, 35, 13, 63, None)
)
ENUM = Column(type=T.ENUM, collation=8, elements=(b"", b"\xe9"))


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (None, INT, "NULL"),
        (-5, INT, "-5"),
        ((1 << 64) - 1, BIT, "18446744073709551615"),
        (1.5, DOUBLE, "1.5e0"),
        (-0.0, DOUBLE, "-0.0e0"),
        (5e-324, DOUBLE, "5e-324"),
        (b"-1.50", DECIMAL, "-1.50"),
        (b"12", DECIMAL, "12."),
        (b"0000-00-00", DATE, "'0000-00-00'"),
        (b"plain text", UTF8MB4, "'plain text'"),
        (b"", UTF8MB4, "''"),
        ("é".encode(), UTF8MB4, "_utf8mb4 x'c3a9'"),
        (b"it's", UTF8MB4, "_utf8mb4 x'69742773'"),
        (b"\\", UTF8MB4, "_utf8mb4 x'5c'"),
        (b"\xe9", LATIN1, "_latin1 x'e9'"),
        (b"\0a", UCS2, "_ucs2 x'0061'"),
        (b"a", SJIS, "_sjis x'61'"),
        (b"a\0", BINARY, "x'6100'"),
        (b"", BINARY, "x''"),
        (b"\xe9", UNTOLD, "x'e9'"),
        (b"\xe9", ENUM, "_latin1 x'e9'"),
        (b"", ENUM, "''"),
        (0, ENUM, "0"),
        (2, ENUM, "2"),
        (b'{"a": 1}', JSON, """'{"a": 1}'"""),
        (b'"it\'s"', JSON, "_utf8mb4 x'226974277322'"),
        (b"\0\0\0\0\1", GEOMETRY, "x'0000000001'"),
        (b"123e4567-e89b-12d3-a456-426655440000", UUID, "'123e4567-e89b-12d3-a456-426655440000'"),
    ],
)
def test_literals(value: Value, column: Column, text: str) -> None:
    assert literal(value, column) == text.encode()


@pytest.mark.parametrize("value", [ABSENT, float("inf"), float("nan")])
def test_what_is_no_value_cannot_be_written(value: Value) -> None:
    with pytest.raises(Unwritable):
        literal(value, INT)


@given(st.binary(), st.sampled_from((UTF8MB4, LATIN1, UCS2, SJIS, BINARY, UNTOLD, JSON, GEOMETRY)))
def test_no_value_ends_its_literal(value: bytes, column: Column) -> None:
    written = literal(value, column)

    # With another value before and behind it, there are as many tokens in every mode.
    for flags in (0, ANSI_QUOTES, NO_BACKSLASH_ESCAPES):
        found = tokens(b"(" + written + b")", 0, flags)
        assert len(found) <= 4
        assert found[-1][1:] == (len(written) + 1, len(written) + 2)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_written_with_all_its_digits(value: float) -> None:
    assert repr(float(literal(value, DOUBLE))) == repr(value)
