"""What two servers answered to the same statement, side by side.

Two answers come in as they are told; whether they are equal goes out, and the first that differs. Rows without an order
are compared as a set in which each may stand several times. Never asks anybody.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

# So many rows that only one of them has are told.
MOST_DIFFERENCES = 10
Answer = Mapping[str, Any]


def compared(first: Answer, second: Answer, is_ordered: bool) -> dict[str, Any]:
    """What differs; `equal` is about columns and rows, not about warnings, time and plan."""
    told = {
        "ordered": is_ordered,
        "cut": bool(first["cut"] or second["cut"]),
        "columns": first["columns"] == second["columns"],
        "warnings": first["warnings"] == second["warnings"],
        "rows": _differences(first["rows"], second["rows"], is_ordered),
    }
    names = [[column["name"] for column in one["columns"]] for one in (first, second)]
    return {"equal": names[0] == names[1] and not told["rows"], **told}


def _differences(first: Sequence[Any], second: Sequence[Any], is_ordered: bool) -> list[dict[str, Any]]:
    # Each with its row at either side, None for none; numbers count from 1.
    if is_ordered:
        longest = max(len(first), len(second))
        pairs = ((at, _at(first, at), _at(second, at)) for at in range(longest))
        found = [{"row": at + 1, "first": one, "second": other} for at, one, other in pairs if one != other]
        return found[:MOST_DIFFERENCES]
    ours, theirs = (Counter(json.dumps(row) for row in rows) for rows in (first, second))
    only_first = [{"row": None, "first": json.loads(row), "second": None} for row in (ours - theirs).elements()]
    only_second = [{"row": None, "first": None, "second": json.loads(row)} for row in (theirs - ours).elements()]
    half = MOST_DIFFERENCES // 2
    return only_first[: max(half, MOST_DIFFERENCES - len(only_second))] + only_second[:half]


def _at(rows: Sequence[Any], at: int) -> Any:
    return rows[at] if at < len(rows) else None
