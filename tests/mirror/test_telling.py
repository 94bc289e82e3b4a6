"""Answers as they are kept beside a difference."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dbmux.mirror.answer import Answer, Failure, Told
from dbmux.mirror.telling import LONGEST, MOST_ROWS, told
from dbmux.wire.columns import FieldType
from tests.mirror.answers import answer, column


def test_columns_rows_and_warnings_are_told() -> None:
    columns = (column("id", FieldType.LONG), column("name"))

    line = told(answer((b"1", b"Ann"), (b"2", None), columns=columns, warnings=(Told("Warning", 1292, "cut"),)))

    assert json.loads(line) == {
        "columns": [["id", "int"], ["name", "varchar"]],
        "rows": [[1, "Ann"], [2, None]],
        "count": 2,
        "cut": False,
        "warnings": [["Warning", 1292, "cut"]],
    }


def test_an_error_is_told_alone() -> None:
    line = told(Answer(failure=Failure(1146, "42S02", "no table")))

    assert json.loads(line) == {"error": {"number": 1146, "sqlstate": "42S02", "message": "no table"}}


@given(st.lists(st.tuples(st.binary(max_size=3000), st.binary(max_size=3000)), max_size=30))
def test_it_is_never_too_long_and_always_json(rows: list[tuple[bytes, bytes]]) -> None:
    line = told(answer(*rows))

    assert len(line) <= LONGEST + 10
    kept = json.loads(line)
    assert kept["count"] == len(rows)
    assert len(kept["rows"]) <= MOST_ROWS
