"""No value of a statement is in its shape, however it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.events import KEPT
from dbmux.feed.log.shape import Shape, shape
from tests.feed.log.statements import NUMBER, SECRET, statements


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("SELECT * FROM t WHERE id = 5 AND name='x'", "SELECT * FROM t WHERE id = ? AND name = ?"),
        ("SELECT * FROM t WHERE id IN (1, 2, 3)", "SELECT * FROM t WHERE id IN (?+)"),
        ("SELECT a FROM t WHERE id = ? /* people */", "SELECT a FROM t WHERE id = ??"),
        ("SELECT a FROM t ORDER BY 2", "SELECT a FROM t ORDER BY ?"),
        ("SELECT /*+ MAX_EXECUTION_TIME(9) */ 1", "SELECT /*+ ? */ ?"),
        ("GRANT ALL ON *.* TO 'app'@'10.0.0.1'", "GRANT ALL ON *.* TO ? @?"),
        ("CREATE USER app IDENTIFIED BY 'hunter2'", "CREATE USER app IDENTIFIED BY ?"),
        ("SELECT 'C:\\temp'", "SELECT ?"),
        ("SELECT * FROM `café`", "SELECT * FROM `café`"),
    ],
)
def test_values_have_marks(statement: str, text: str) -> None:
    assert shape(statement.encode()) == Shape(text, True)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        pytest.param(rb"SELECT 1, 'it\'s', 2", "SELECT ?, ? …", id="a backslash before a quote"),
        pytest.param(rb'SELECT "a\b", c', "SELECT ? …", id="a backslash in double quotes"),
        pytest.param(b"SELECT 1 /*!80000 , 'a */ b' */", "SELECT ? …", id="what some servers run"),
        pytest.param(b"SELECT 1 /*M! , 2 */", "SELECT ? …", id="what MariaDB runs"),
        pytest.param("SELECT 1, 'ü', a".encode("latin-1"), "SELECT ?, ? …", id="an unknown character set"),
        pytest.param(b"CREATE FUNCTION f AS $js$ `a` $js$", "CREATE FUNCTION f AS …", id="another language"),
        pytest.param(b"SELECT 1.e", "SELECT …", id="what servers take in surprising ways"),
    ],
)
def test_from_where_it_is_not_sure_nothing_is_told(statement: bytes, text: str) -> None:
    assert shape(statement) == Shape(text, False)


def test_of_a_text_that_was_cut_the_last_word_is_left_out() -> None:
    begun = b"SELECT a FROM t WHERE b = 1e"
    statement = begun[:-2] + b" " * (KEPT - len(begun)) + b"1e"

    assert shape(statement) == Shape("SELECT a FROM t WHERE b = …", True)


def test_a_letter_that_was_cut_is_no_other_character_set() -> None:
    statement = b"SELECT a, b FROM t WHERE a = '" + "é".encode() * KEPT

    assert shape(statement[: KEPT + 1]) == Shape("SELECT a, b FROM t WHERE a = …", True)


@given(statements())
def test_no_value_is_told(statement: bytes) -> None:
    told = shape(statement).text

    assert SECRET not in told
    assert NUMBER not in told


@given(st.binary(max_size=60))
def test_any_bytes_are_taken(statement: bytes) -> None:
    assert isinstance(shape(statement).text, str)
