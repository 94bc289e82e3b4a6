"""A result as JSON has it: names and types of its columns, and its rows.

What a server sent comes in; numbers, strings and None go out, as dbmux.wire.telling has them.
"""

from __future__ import annotations

from typing import Any

from dbmux.backend.reading import Result
from dbmux.wire.telling import type_told, value_told


def columns_told(result: Result) -> list[dict[str, str]]:
    """The names and types of the columns."""
    return [{"name": column.name.decode("utf-8", "replace"), "type": type_told(column)} for column in result.columns]


def rows_told(result: Result) -> list[list[Any]]:
    """All rows."""
    columns = result.columns
    return [[value_told(value, column) for value, column in zip(row, columns, strict=True)] for row in result.rows]
