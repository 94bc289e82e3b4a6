"""What a read says of the order and number of its rows."""

from __future__ import annotations

import pytest

from dbmux.sql.ordering import is_limited, is_ordered, without_limit


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("SELECT a FROM t order  /* so */ by 1", True),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a) x", False),
        ("SELECT ROW_NUMBER() OVER (ORDER BY a) FROM t", False),
        ("SELECT 'ORDER BY a'", False),
        ("SELECT `order` by_, 1 FROM t", False),
        ("SELECT 1", False),
    ],
)
def test_an_order_is_one_of_the_whole_statement(sql: str, ordered: bool) -> None:
    assert is_ordered(sql.encode()) is ordered


@pytest.mark.parametrize(
    ("sql", "whole"),
    [
        ("SELECT a FROM t LIMIT 5", ("SELECT a FROM t", 0)),
        ("SELECT a FROM t ORDER BY a LIMIT 5, 10 ;", ("SELECT a FROM t ORDER BY a", 0)),
        ("SELECT a FROM t limit 5 OFFSET 10", ("SELECT a FROM t", 0)),
        ("SELECT a FROM t WHERE b = ? LIMIT ?, ?", ("SELECT a FROM t WHERE b = ?", 2)),
        ("SELECT a FROM t LIMIT 5 INTO OUTFILE 'x'", None),
        ("SELECT a FROM (SELECT a FROM t LIMIT 5) x", None),
        ("SELECT t.limit FROM t", None),
        ("SELECT `limit` FROM t", None),
    ],
)
def test_without_its_limit_a_read_has_all_of_its_rows(sql: str, whole: tuple[str, int] | None) -> None:
    assert without_limit(sql.encode()) == (None if whole is None else (whole[0].encode(), whole[1]))


@pytest.mark.parametrize(
    ("sql", "limited"),
    [("SELECT a FROM t LIMIT 5 FOR SHARE", True), ("SELECT a FROM (SELECT a FROM t LIMIT 5) x", False)],
)
def test_a_limit_is_one_of_the_whole_statement(sql: str, limited: bool) -> None:
    assert is_limited(sql.encode()) is limited
