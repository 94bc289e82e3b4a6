"""What was found out about a statement, as lines."""

from __future__ import annotations

from typing import Any

import pytest

from dbmux.feed.results import comparison, decisions, explanation, rows

SIDE: dict[str, Any] = {
    "backend": "db1",
    "server": "MariaDB 11.8",
    "rights": "the rights of app",
    "columns": [{"name": "id", "type": "int"}, {"name": "name", "type": "varchar"}],
    "rows": [[1, "世界"], [20, None]],
    "cut": False,
    "warnings": [],
    "seconds": 0.25,
    "plan": None,
}


def test_rows_stand_in_columns_also_where_characters_are_wide() -> None:
    told = SIDE | {"rows": [[1, "世界"], [20, None]], "columns": [{"name": "name"}, {"name": "id"}]}

    assert rows(told)[2:] == ["name  id", "1     世界", "20    NULL"]


def test_the_first_line_says_where_and_with_whose_rights() -> None:
    assert rows(SIDE)[0] == "db1 (MariaDB 11.8), with the rights of app: 2 rows in 250ms"
    assert rows(SIDE | {"cut": True})[0].endswith("2 rows, and there are more in 250ms")


def test_long_values_are_cut_and_what_steers_a_terminal_is_shown() -> None:
    told = SIDE | {"rows": [["\x1b[2J", "x" * 100]]}

    assert rows(told)[3] == "\\x1b[2J  " + "x" * 57 + "..."


def test_a_plan_is_told_line_by_line_or_as_a_table() -> None:
    tree = {"form": "tree", "text": "-> a\n  -> b\x07", "estimated_rows": 1200.0, "analyze": False}
    table = {"form": "table", "text": "", "estimated_rows": None, "analyze": True}

    assert explanation(SIDE | tree) == [
        "db1 (MariaDB 11.8), with the rights of app: its plan, at most 1,200 rows a step by its estimate",
        "",
        "-> a",
        "  -> b\\x07",
    ]
    assert explanation(SIDE | table)[0].endswith("what it did")
    assert explanation(SIDE | table)[2] == "id  name"


@pytest.mark.parametrize(
    ("differences", "verdict", "line"),
    [
        ([], "EQUAL", "1   世界"),
        (
            [{"row": 2, "first": [1, None], "second": [2, "x"]}],
            "DIFFERENT",
            "row 2: 1, NULL" + " " * 42 + " | row 2: 2, x",
        ),
        ([{"row": None, "first": None, "second": [7]}], "DIFFERENT", " " * 56 + " | only here: 7"),
    ],
)
def test_two_answers_stand_side_by_side(differences: list[Any], verdict: str, line: str) -> None:
    told = {
        "equal": not differences,
        "ordered": True,
        "cut": False,
        "columns": True,
        "warnings": True,
        "rows": differences,
        "sides": [SIDE, SIDE | {"backend": "db2"}],
    }

    lines = comparison(told)

    assert lines[0] == f"{verdict}, compared in their order"
    assert line in lines


def test_what_is_longer_than_a_side_goes_on_below() -> None:
    told = {"equal": True, "ordered": False, "cut": True, "columns": True, "warnings": True, "rows": []}
    sides = [SIDE | {"plan": "x" * 60}, SIDE | {"plan": "y"}]

    lines = comparison(told | {"sides": sides})

    assert lines[0] == "EQUAL, compared in any order; only the first rows were read, and these compared"
    assert lines[-2:] == ["x" * 56 + " | y", "xxxx" + " " * 52 + " |"]


def test_decisions_are_told_with_their_place_and_what_would_change_them() -> None:
    steps = [{"about": "route", "told": "to db1", "place": "a.json:1:2", "otherwise": "Else elsewhere."}]

    assert decisions(steps) == ["route       to db1  (a.json:1:2)", " " * 12 + "Else elsewhere."]
