"""Whoever types a filter is offered keys, flags, saved filters, and values with how often they were seen."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.feed.filter.completion import MOST_CANDIDATES, Candidate, complete, counted
from dbmux.feed.filter.language import parse
from tests.feed.filter.rows import row
from tests.feed.filter.texts import scraps

VALUES: Mapping[str, Mapping[str, int]] = {
    "app": {"admin": 3, "checkout": 1204, "my shop": 7, "\x1b]0;x": 900},
    "op": {"update": 5, "select": 2},
    "code": {"1062": 4, "1213": 9},
}


def seen(key: str) -> Mapping[str, int]:
    return VALUES.get(key, {})


def offered(text: str, cursor: int | None = None) -> tuple[int, list[str]]:
    """Where it would be written, and what."""
    found = complete(text, len(text) if cursor is None else cursor, seen, {"checkout-errors": "err app:checkout"})
    return found.start, [candidate.text for candidate in found.candidates]


@pytest.mark.parametrize(
    ("text", "start", "texts"),
    [
        ("du", 0, ["dur>"]),
        ("err | slo", 6, ["slow"]),
        ("-pin", 1, ["pinned"]),
        ("(tab", 1, ["table:"]),
        ("app:checkout ta", 13, ["table:"]),
        ("@", 0, ["@checkout-errors"]),
        ("@err", 0, ["@checkout-errors"]),
        ("app:", 4, ["checkout", '"my shop"', "admin"]),
        ("app: ", 5, ["checkout", '"my shop"', "admin"]),
        ("APP:CH", 4, ["checkout"]),
        ("app:o", 4, ["checkout", '"my shop"']),
        ('app:"my', 4, ['"my shop"']),
        ("app=ad", 4, ["admin"]),
        ("app:checkout,ad", 13, ["admin"]),
        ("app:checkout , ", 15, ["checkout", '"my shop"', "admin"]),
        ("op:up", 3, ["update"]),
        ("op:de", 3, ["delete"]),
        ("code:1", 5, ["1213", "1062"]),
        ("role:", 5, ["primary", "replica"]),
        ("dur>", 4, []),
        ("last:", 5, []),
        ("sql:", 4, []),
        ("tabel:x", 6, []),
        ("/sel", 0, []),
        ('"sel', 0, []),
        ("site:/a", 5, []),
        ("nothing", 0, []),
    ],
)
def test_what_is_offered(text: str, start: int, texts: list[str]) -> None:
    assert offered(text) == (start, texts)


def test_values_that_were_seen_most_come_first_with_how_often() -> None:
    found = complete("op:", 3, seen)

    assert found.candidates[:3] == (Candidate("update", count=5), Candidate("select", count=2), Candidate("insert"))
    assert len(found.candidates) == MOST_CANDIDATES


def test_a_key_says_what_it_is() -> None:
    assert complete("du", 2, seen).candidates == (Candidate("dur>", "how long it took in all"),)


def test_what_stands_behind_the_cursor_stays() -> None:
    assert offered("app:ad op:select", cursor=6) == (4, ["admin"])


def test_at_the_beginning_keys_and_flags_are_offered() -> None:
    start, texts = offered("")

    assert start == 0
    assert texts[:3] == ["dur>", "wait>", "server>"]


def test_values_are_counted_in_rows() -> None:
    some = [row(user="a", code=0, rows=-1), row(user="b", code=1062), row(user="b", app="")]

    count = counted(some)

    assert count("user") == {"a": 1, "b": 2}
    assert count("app") == {"checkout": 2}
    assert count("op") == {"select": 3}
    assert count("code") == {"0": 2, "1062": 1}
    assert count("rows") == {"20": 2}
    assert count("at") == {}


@given(scraps() | st.text(), st.integers(0, 30))
def test_any_text_can_be_completed_before_its_cursor(text: str, cursor: int) -> None:
    found = complete(text, cursor, seen)

    assert 0 <= found.start <= cursor


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 9)))
def test_whatever_is_offered_can_be_read(values: dict[str, int]) -> None:
    found = complete("app:", 4, lambda key: values)

    for candidate in found.candidates:
        parse(f"app:{candidate.text}")
