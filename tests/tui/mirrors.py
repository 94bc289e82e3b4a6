"""What an engine with two mirrors tells of them, one of which is halted, and of a difference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.tui.lines import NOON

RUNNING: dict[str, Any] = {
    "name": "upgrade",
    "feed": "binlog",
    "source": "old",
    "source_version": "10.11.16-MariaDB-log",
    "target": "new",
    "target_version": "9.4.0",
    "state": "running",
    "why": "",
    "delay_seconds": 0.012,
    "position": "binlog.000012:4711",
    "gtid": "0-1-4711",
    "committed_at": NOON,
    "transactions": 120_400,
    "rows": 480_912,
}
WHY = (
    "a definition comes next, and `ddl` is stop: ALTER TABLE shop.orders ADD note TEXT. Make the change on other, and "
    "then: dbmux mirror resume copy --past-definition"
)
HALTED = RUNNING | {
    "name": "copy",
    "target": "other",
    "target_version": "11.8.3-MariaDB",
    "state": "halted",
    "why": WHY,
    "delay_seconds": None,
}
# Its target replicates by itself.
NATIVE = RUNNING | {"feed": "native", "state": "native", "committed_at": None, "transactions": None, "rows": None}
REPORT: dict[str, Any] = {
    "mirror": "upgrade",
    "verdict": "not safe to switch",
    "reasons": ["1 difference that an application gets wrong data or errors from"],
    "changes": [
        {"kind": "value", "gravity": "other data", "seen": 7, "advice": "look", "statements": [], "entries": [12]},
        {"kind": "order", "gravity": "seen", "seen": 30, "advice": "look", "statements": [], "entries": [9, 10]},
    ],
    "figures": {
        "compared": 12_000,
        "same": 11_400,
        "expected": 560,
        "different": 37,
        "transient": 3,
        "not_compared": {"the target was behind": 90, "too many reads waited": 4},
    },
    "accepted": 1,
    "repaired": 0,
    "forgotten": 0,
}
ENTRY: dict[str, Any] = {
    "id": 12,
    "mirror": "upgrade",
    "digest": "0123456789abcdef",
    "kind": "value",
    "text": "SELECT id, total FROM shop.orders WHERE user_id = ?",
    "state": "new",
    "count": 7,
    "first_seen": NOON - 60,
    "last_seen": NOON,
    "place": "total",
    "source": "'1.50'",
    "target": "'1.5'",
    "settled_by": "",
    "settled_at": 0.0,
    "why": "",
}
ORDERED = ENTRY | {
    "id": 9,
    "kind": "order",
    "count": 30,
    "place": "",
    "text": "SELECT name FROM shop.items ORDER BY price",
    "source": "rows in one order",
    "target": "rows in another",
}


def answer(*rows: list[Any], columns: list[list[str]] | None = None, **more: Any) -> str:
    """An answer as the ledger keeps it."""
    shown = [["id", "int"], ["total", "varchar"]] if columns is None else columns
    return json.dumps({"columns": shown, "rows": rows, "count": len(rows), "cut": False, "warnings": [], **more})


SAMPLE: dict[str, Any] = {
    "at": NOON,
    "statement": "SELECT id, total FROM shop.orders WHERE user_id = 8817",
    "user": "app",
    "state": {"schema": "shop"},
    "settings": ["SET NAMES utf8mb4"],
    "source": answer([1, "1.50"], [2, "tea"], [3, None]),
    "target": answer([1, "1.5 "], [2, "tea"], [3, ""]),
    "source_s": 0.0004,
    "target_s": 0.0012,
}


def differences(given: Mapping[str, Any]) -> Any:
    """What `mirror.diff` says: the list, or one of them."""
    entries = {one["id"]: one for one in (ENTRY, ORDERED)}
    if (number := given.get("id")) is not None:
        return entries[number] | {"samples": [SAMPLE]}
    return list(entries.values())


MIRRORED: dict[str, Any] = {
    "mirrors": [RUNNING, HALTED],
    "mirror.report": lambda given: REPORT if given["mirror"] == "upgrade" else REPORT | {"changes": [], "figures": {}},
    "mirror.diff": differences,
    "mirror.accept": ENTRY | {"state": "accepted", "rule": {}},
    "mirror.rerun": {"state": "repaired", "told": "difference 12: both servers answer alike now, it is repaired"},
    "mirror.pause": {"name": "upgrade", "state": "paused"},
    "mirror.resume": {"name": "copy", "state": "starting"},
}
