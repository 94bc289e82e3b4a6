"""An answer as it is kept beside a difference: one line of JSON, and that only so long.

An answer comes in; text goes out. Rows that there is no room for are counted, and long values are cut.
"""

from __future__ import annotations

import json
from typing import Any

from dbmux.mirror.answer import Answer
from dbmux.wire.telling import type_told, value_told

MOST_ROWS = 20
LONGEST_VALUE = 500
LONGEST = 12_000


def told(answer: Answer) -> str:
    """Columns, the first rows, warnings, the error."""
    if answer.failure is not None:
        number, sqlstate, message = answer.failure
        return json.dumps({"error": {"number": number, "sqlstate": sqlstate, "message": message[:LONGEST_VALUE]}})
    kept: dict[str, Any] = {
        "columns": [[column.name.decode("utf-8", "replace")[:100], type_told(column)] for column in answer.columns],
        "rows": [],
        "count": len(answer.rows),
        "cut": answer.is_cut,
        "warnings": [[one.level, one.code, one.message[:LONGEST_VALUE]] for one in answer.warnings[:MOST_ROWS]],
    }
    if answer.affected_rows is not None:
        kept["affected_rows"] = answer.affected_rows
    room = LONGEST - len(json.dumps(kept))
    for row in answer.rows[:MOST_ROWS]:
        values = [_short(value_told(value, column)) for value, column in zip(row, answer.columns, strict=True)]
        room -= len(json.dumps(values)) + 2
        if room < 0:
            break
        kept["rows"].append(values)
    return json.dumps(kept)


def _short(value: Any) -> Any:
    return value if not isinstance(value, str) or len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
