"""Arguments as literals: the same values, whatever is in them and wherever they stand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES, Token, digest, tokens
from dbmux.sql.bind import Argument, NotBound, bind, literal
from dbmux.wire.columns import FieldType
from dbmux.wire.rows import Moment, Span, Value
from dbmux.wire.statements import Indicator

TEXT, BLOB, INTEGER, DOUBLE = FieldType.VAR_STRING, FieldType.BLOB, FieldType.LONGLONG, FieldType.DOUBLE


def bound(text: str, *values: Value, flags: int = 0) -> str:
    return bind(text.encode(), [Argument(value, _type(value)) for value in values], flags).decode()


def _type(value: Value) -> int:
    match value:
        case int():
            return INTEGER
        case float():
            return DOUBLE
        case Moment():
            return FieldType.DATETIME
        case Span():
            return FieldType.TIME
        case _:
            return TEXT


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, TEXT, "NULL"),
        (7, INTEGER, "7"),
        (-(2**63), INTEGER, "-9223372036854775808"),
        (2**64 - 1, INTEGER, "18446744073709551615"),
        (b"007", TEXT, "'007'"),
        (b"7", TEXT, "'7'"),
        (b"", TEXT, "''"),
        (b"it's", TEXT, "'it''s'"),
        (rb"App\Post", TEXT, r"'App\\Post'"),
        (rb"\'; DROP TABLE t -- ", TEXT, r"'\\''; DROP TABLE t -- '"),
        ("日本 😀\n\t%_?".encode(), TEXT, "'日本 😀\n\t%_?'"),
        (b"a\0b\x1b[2J", TEXT, "_utf8mb4 x'6100621b5b324a'"),
        ("a\u202eb".encode(), TEXT, "_utf8mb4 x'61e280ae62'"),
        (b"\xff\xfe", TEXT, "_binary x'fffe'"),
        (b"abc", BLOB, "_binary 'abc'"),
        (b"it's", BLOB, "_binary 'it''s'"),
        (b"\\", BLOB, "_binary x'5c'"),
        ("é".encode(), BLOB, "_binary x'c3a9'"),
        (b"1.50", FieldType.NEWDECIMAL, "1.50"),
        (b"-5", FieldType.NEWDECIMAL, "-5."),
        (b"1; DROP TABLE t", FieldType.NEWDECIMAL, "'1; DROP TABLE t'"),
        (b"1e400", FieldType.DECIMAL, "'1e400'"),
        (1.5, DOUBLE, "1.5e0"),
        (0.1, DOUBLE, "0.1e0"),
        (-1e300, DOUBLE, "-1e+300"),
        (-0.0, DOUBLE, "-0.0e0"),
        (Moment(2024, 2, 29), FieldType.DATE, "DATE'2024-02-29'"),
        (Moment(2024, 2, 29), FieldType.DATETIME, "TIMESTAMP'2024-02-29 00:00:00'"),
        (Moment(2024, 2, 29, 12, 34, 56, 1), FieldType.TIMESTAMP, "TIMESTAMP'2024-02-29 12:34:56.000001'"),
        (Moment(0, 0, 0), FieldType.DATE, "'0000-00-00'"),
        (Moment(2023, 2, 29), FieldType.DATE, "'2023-02-29'"),
        (Moment(2024, 0, 0, 25, 0, 0), FieldType.DATETIME, "'2024-00-00 25:00:00'"),
        (Span(True, 34, 22, 59, 59), FieldType.TIME, "TIME'-838:59:59'"),
        (Span(True, 0, 0, 0, 0, 500_000), FieldType.TIME, "TIME'-00:00:00.500000'"),
        (Span(False, 1000, 0, 0, 0), FieldType.TIME, "'24000:00:00'"),
        (Span(False, 0, 0, 99, 0), FieldType.TIME, "'00:99:00'"),
        (Indicator.NULL, TEXT, "NULL"),
        (Indicator.DEFAULT, TEXT, "DEFAULT"),
    ],
)
def test_each_value_is_what_it_was(value: Value | Indicator, kind: int, expected: str) -> None:
    assert literal(Argument(value, kind)).decode() == expected


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), Indicator.IGNORE])
def test_what_sql_cannot_say_is_not_said(value: Value | Indicator) -> None:
    with pytest.raises(NotBound):
        literal(Argument(value, DOUBLE))


def test_without_escapes_a_backslash_is_not_shown_as_one() -> None:
    assert literal(Argument(rb"a\b", TEXT), NO_BACKSLASH_ESCAPES) == b"_utf8mb4 x'615c62'"


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("SELECT * FROM t WHERE a = ? AND b = ?", (1, b"x"), "SELECT * FROM t WHERE a = 1 AND b = 'x'"),
        ("INSERT INTO t VALUES (?,?)", (None, -1), "INSERT INTO t VALUES (NULL,-1)"),
        ("SELECT '?', ? /* ? */ -- ?\n, \"?\", `?`", (1,), "SELECT '?', 1 /* ? */ -- ?\n, \"?\", `?`"),
        ("SELECT 'it''s ?', '\\'?', ?", (1,), "SELECT 'it''s ?', '\\'?', 1"),
        ("SELECT /*! ?, */ 1", (2,), "SELECT /*! 2, */ 1"),
        ("SELECT?,?FROM t WHERE a=?AND b", (1, 2, 3), "SELECT 1,2 FROM t WHERE a=3 AND b"),
        ("SELECT 5-?", (-1,), "SELECT 5- -1"),
        ("SELECT ?/?", (1, 2), "SELECT 1 / 2"),
        ("SELECT ? 'name'", (b"x",), "SELECT  ('x')  'name'"),
        ("SELECT a FROM t LIMIT ?, ?", (b"10", b"20"), "SELECT a FROM t LIMIT 10, 20"),
        ("SELECT a FROM t LIMIT ? OFFSET ?", (5.0, b"007"), "SELECT a FROM t LIMIT 5 OFFSET 7"),
        ("SELECT a FROM t LIMIT 5, ?", (b"5",), "SELECT a FROM t LIMIT 5, 5"),
        ("SELECT a FROM t LIMIT ?", (b"x",), "SELECT a FROM t LIMIT 'x'"),
        ("SELECT offset x, ? FROM t", (b"5",), "SELECT offset x, '5' FROM t"),
        ("SELECT a FROM t ORDER BY f(a, ?) LIMIT ?, ?", (1, 2, 3), "SELECT a FROM t ORDER BY f(a, 1) LIMIT 2, 3"),
        ("SELECT x IN (SELECT a FROM t ORDER BY a), ?", (1,), "SELECT x IN (SELECT a FROM t ORDER BY a), 1"),
        (
            "SELECT x IN (SELECT a FROM t ORDER BY a), f(b, ?)",
            (1,),
            "SELECT x IN (SELECT a FROM t ORDER BY a), f(b, 1)",
        ),
        ("SELECT a FROM t GROUP BY a UNION SELECT 1, ?", (1,), "SELECT a FROM t GROUP BY a UNION SELECT 1, 1"),
        ("SELECT a FROM t ORDER BY ?", (b"1",), "SELECT a FROM t ORDER BY '1'"),
        ("SELECT 1", (), "SELECT 1"),
        ("?", (1,), "1"),
    ],
)
def test_arguments_stand_where_they_belong(text: str, values: tuple[Value, ...], expected: str) -> None:
    assert bound(text, *values) == expected


@pytest.mark.parametrize("text", ["ORDER BY ?", "GROUP BY a, ?", "ORDER BY a DESC, ? LIMIT 1", "ORDER BY f(a, b), ?"])
def test_an_argument_that_may_name_a_column_is_not_put_in(text: str) -> None:
    with pytest.raises(NotBound, match="ORDER BY"):
        bound(f"SELECT a FROM t {text}", 1)


def test_the_sql_mode_says_where_literals_end() -> None:
    assert bound(r"SELECT '\', ?, '", 1, flags=NO_BACKSLASH_ESCAPES) == r"SELECT '\', 1, '"
    assert bound('SELECT "\\", ?, "', 1, flags=ANSI_QUOTES) == 'SELECT "\\", 1, "'
    with pytest.raises(NotBound, match="0 placeholders, and 1 arguments"):
        bound(r"SELECT '\', ?, '", 1)


@pytest.mark.parametrize("text", ["SELECT ?", "SELECT ?, ?, ?", "SELECT '?', '?'", "SELECT /*!80000 ?, */ ?"])
def test_as_many_arguments_are_needed_as_there_are_placeholders(text: str) -> None:
    with pytest.raises(NotBound, match="2 arguments are known"):
        bound(text, 1, 2)


# Whatever the values are.

spans = st.builds(Span, st.booleans(), st.integers(0, 2**32 - 1), *[st.integers(0, 255)] * 3, st.integers(0, 2**32 - 1))
moments = st.builds(Moment, st.integers(0, 2**16 - 1), *[st.integers(0, 255)] * 5, st.integers(0, 2**32 - 1))
hostile = st.text(alphabet="'\"\\`?;-#/* \0\nx\xff\u202e%", max_size=12).map(lambda text: text.encode())
values = (
    st.none()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=12)
    | hostile
    | spans
    | moments
)
arguments = st.builds(Argument, values, st.sampled_from(FieldType))
KINDS = {Token.STRING, Token.NUMBER, Token.WORD, Token.OPERATOR}


@given(arguments, st.sampled_from([0, NO_BACKSLASH_ESCAPES]), st.sampled_from([0, ANSI_QUOTES, NO_BACKSLASH_ESCAPES]))
def test_no_value_ends_its_literal_in_any_sql_mode(argument: Argument, flags: int, mode: int) -> None:
    told = literal(argument, flags)

    found = tokens(told, 0, mode)
    assert {kind for kind, _, _ in found} <= KINDS
    assert sum(kind in (Token.STRING, Token.NUMBER) for kind, _, _ in found) == (argument.value is not None)
    assert found[-1][2] == len(told)


@given(st.lists(arguments, min_size=1, max_size=4))
def test_the_text_around_is_left_as_it_was(several: list[Argument]) -> None:
    pieces = [f" , '?' /* {number} ? */ , " for number in range(len(several) + 1)]

    told = bind("?".join(pieces).encode(), several)

    literals = [literal(argument).decode() for argument in several]
    assert told.decode() == pieces[0] + "".join(a + b for a, b in zip(literals, pieces[1:], strict=True))


_ESCAPED = re.compile(rb"''|\\(.)", re.DOTALL)


@given(st.binary(max_size=20) | hostile, st.sampled_from([TEXT, BLOB]))
def test_a_string_is_read_back_as_it_was(value: bytes, kind: int) -> None:
    told = literal(Argument(value, kind))

    written = told[told.index(b"'") + 1 : -1]
    if told.startswith((b"_utf8mb4 x", b"_binary x")):
        assert bytes.fromhex(written.decode()) == value
    else:
        assert _ESCAPED.sub(lambda found: found[1] or b"'", written) == value


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_a_bound_text_has_the_digest_of_a_written_one(numbers: list[int]) -> None:
    text = "SELECT a FROM t WHERE " + " AND ".join("b = ?" for _ in numbers)
    written = "SELECT a FROM t WHERE " + " AND ".join(f"b = {number}" for number in numbers)

    assert digest(bound(text, *numbers).encode(), 0, 0) == digest(written.encode(), 0, 0)
