"""What differs between two answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.control.comparison import MOST_DIFFERENCES, compared

ROWS = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 3), st.text(max_size=2)), min_size=1, max_size=1))


def side(*rows: Any, columns: tuple[str, ...] = ("a",), **more: Any) -> dict[str, Any]:
    told = {"columns": [{"name": name, "type": "int"} for name in columns], "cut": False, "warnings": []}
    return told | {"rows": [list(row) for row in rows]} | more


@pytest.mark.parametrize(
    ("first", "second", "is_in_order", "differences"),
    [
        (side([1], [2]), side([2], [1]), False, []),
        (side([1], [1]), side([1]), False, [(None, [1], None)]),
        (side([1]), side([None]), False, [(None, [1], None), (None, None, [None])]),
        (side([1], [2]), side([2], [1]), True, [(1, [1], [2]), (2, [2], [1])]),
        (side([1]), side([1], [2]), True, [(2, None, [2])]),
    ],
)
def test_rows_differ(first: Any, second: Any, is_in_order: bool, differences: list[Any]) -> None:
    told = compared(first, second, is_in_order)

    assert [(one["row"], one["first"], one["second"]) for one in told["rows"]] == differences
    assert told["equal"] == (not differences)


def test_columns_of_other_names_are_another_answer_and_those_of_other_types_are_told() -> None:
    other_type = side([1]) | {"columns": [{"name": "a", "type": "bigint"}]}

    assert not compared(side([1]), side([1], columns=("b",)), True)["equal"]
    assert compared(side([1]), other_type, True)["equal"]
    assert not compared(side([1]), other_type, True)["columns"]


@given(ROWS, st.randoms())
def test_no_order_makes_the_same_rows_differ(rows: list[list[Any]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))

    assert compared(side(*rows), side(*shuffled), False)["equal"]


@given(ROWS, ROWS)
def test_differences_are_few_and_the_same_from_both_sides(first: list[list[Any]], second: list[list[Any]]) -> None:
    one, other = compared(side(*first), side(*second), False), compared(side(*second), side(*first), False)

    assert one["equal"] == other["equal"]
    assert len(one["rows"]) <= MOST_DIFFERENCES
