"""A statement, a transaction, an event as a line."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from dbmux.feed.feed import Happening
from dbmux.feed.row import Row
from dbmux.feed.words import badges, route, verdict
from dbmux.tui.look import Look, Theme, look
from dbmux.tui.rows import head, segments
from dbmux.tui.stream import Line, Transaction
from tests.tui.hostile import TEXTS
from tests.tui.lines import NOON, row

DARK = look(Theme.DARK, {})


def text(line: Line, width: int, how: Look = DARK) -> str:
    """The line as it is read."""
    told = "".join(segment.text for segment in segments(line, width, how))
    assert cell_len(told) == width
    return told.rstrip()


@pytest.mark.parametrize("is_whole, told", [(True, "2 statements  (open)"), (False, "2 of its statements  UPDATE t")])
def test_of_a_transaction_that_may_lack_statements_neither_their_number_nor_that_it_is_open_is_said(
    is_whole: bool, told: str
) -> None:
    rows = [
        row(number, sql=sql, transaction=7, app="", is_in_transaction=True)
        for number, sql in enumerate(["BEGIN", "UPDATE t"])
    ]

    assert text(Line(Transaction(rows, is_whole=is_whole)), 80).endswith(told)


def test_a_narrow_line_has_what_matters_most() -> None:
    line = text(Line(row(seconds=0.512, is_slow=True, cache="miss")), 80)

    assert line == " 14:02:11.000    512ms M main ro       20 SELECT * FROM orders WHERE user_… SLOW"


def test_a_wide_line_has_the_backend_and_the_application() -> None:
    assert " db2 " in text(Line(row()), 120)
    assert " checkout " in text(Line(row()), 120)


@pytest.mark.parametrize(
    "more, letter",
    [
        ({"cache": "hit"}, "H"),
        ({"cache": "stale"}, "S"),
        ({"cache": "coalesced"}, "C"),
        ({"cache": "miss"}, "M"),
        ({"cache": "in a transaction"}, "B"),
        ({"cache": ""}, "·"),
        ({"cache": "miss", "code": 1064}, "E"),
    ],
)
def test_the_cache_in_a_letter(more: dict[str, Any], letter: str) -> None:
    assert verdict(row(**more), "·") == letter


@pytest.mark.parametrize(
    "more, shown",
    [
        ({}, "main ro"),
        ({"role": "primary"}, "main rw"),
        ({"role": ""}, "main"),
        ({"backend": "cache"}, "cache"),
        ({"backend": "dbmux"}, "dbmux"),
    ],
)
def test_the_route_in_short(more: dict[str, Any], shown: str) -> None:
    assert route(row(**more)) == shown


@pytest.mark.parametrize(
    "more, shown",
    [
        ({"code": 1062, "is_slow": True}, "ERR"),
        ({"is_slow": True, "nplus1": 7}, "SLOW N+1"),
        ({"is_pinned": True}, "PIN"),
        ({"is_pinned": True, "transaction": 3}, ""),
        ({"rule": "r"}, "RULE"),
    ],
)
def test_what_sticks_out(more: dict[str, Any], shown: str) -> None:
    assert badges(row(**more)) == shown


def test_an_error_is_told_with_its_number() -> None:
    line = text(Line(row(sql="INSERT INTO t", code=1062, error="Duplicate entry")), 100)

    assert "INSERT INTO t 1062 Duplicate entry" in line


def test_a_transaction_says_how_many_statements_it_has() -> None:
    rows = [row(0, transaction=0x4F2A, is_in_transaction=True, sql="BEGIN"), row(1, transaction=0x4F2A, sql="COMMIT")]

    assert "▸ tx 4f2a  2 statements  app=checkout  COMMIT" in text(Line(Transaction(rows)), 100)


@pytest.mark.parametrize(
    ("kind", "told", "is_alarm"),
    [
        ("MirrorChanged", "mirror upgrade is halted: old ran a definition", True),
        ("MirrorChanged", "mirror upgrade is running", False),
        ("MirrorChanged", "mirror upgrade is waiting: it is halted", False),
        ("BackendDown", "backend db1 is down", True),
        ("BackendUp", "backend db1 is up", False),
    ],
)
def test_what_somebody_has_to_look_at_stands_out(kind: str, told: str, is_alarm: bool) -> None:
    (style,) = {segment.style for segment in segments(Line(Happening(0, NOON, kind, told)), 80, DARK)[:1]}

    assert style == (DARK.warn if is_alarm else DARK.accent)


@pytest.mark.parametrize("hostile", TEXTS)
@pytest.mark.parametrize("width", [60, 80, 110, 160])
@pytest.mark.parametrize("theme", [Theme.DARK, Theme.ASCII])
def test_no_text_breaks_a_line(hostile: str, width: int, theme: Theme) -> None:
    how = look(theme, {})
    broken: dict[str, Any] = {
        name: hostile
        for name in ("sql", "app", "user", "backend", "group", "error", "rule", "cache", "schema", "client")
    }
    odd: Row = row(**broken, code=1064)

    for line in (
        Line(odd),
        Line(Transaction([odd])),
        Line(Transaction([odd], is_open=True), odd),
        Line(Happening(0, NOON, "Warned", hostile)),
    ):
        assert text(line, width, how).isprintable()


def test_ascii_is_ascii() -> None:
    how = look(Theme.ASCII, {})
    rows = [row(0, transaction=1, is_in_transaction=True), row(1, transaction=1)]

    for line in (Line(row(cache="")), Line(Transaction(rows)), Line(Happening(0, NOON, "Warned", "x"))):
        assert text(line, 60, how).isascii()


def test_without_colour_there_is_none() -> None:
    how = look(Theme.DARK, {"NO_COLOR": "1"})

    told = [*segments(Line(row(cache="hit", is_slow=True)), 100, how), *head(100, how)]

    assert all(segment.style is None or segment.style.color is None for segment in told)
