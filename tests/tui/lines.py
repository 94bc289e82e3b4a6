"""Statements as the interface gets them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dbmux.feed.feed import Batch, Happening
from dbmux.feed.row import FIELDS, Row

# The same time of day wherever the tests run.
NOON = datetime(2026, 3, 4, 14, 2, 11).timestamp()
_USUAL: dict[str, Any] = {
    **{name: "" for name in FIELDS},
    **{name: 0 for name in ("seq", "session", "transaction", "code", "nplus1")},
    **{name: 0.0 for name in ("waited", "fetched")},
    **{name: False for name in ("is_in_transaction", "is_pinned", "is_slow")},
    "at": NOON,
    "seconds": 0.0124,
    "command": "query",
    "kind": "select",
    "sql": "SELECT * FROM orders WHERE user_id = 8817",
    "digest": "0123456789abcdef",
    "tables": ["orders"],
    "user": "app",
    "client": "10.0.0.9:5000",
    "app": "checkout",
    "schema": "shop",
    "group": "main",
    "backend": "db2",
    "role": "replica",
    "reason": "read",
    "rows": 20,
    "bytes": 1200,
}


def row(seq: int = 0, **more: Any) -> Row:
    """A statement; each comes ten milliseconds after the one before."""
    return Row.of({**_USUAL, "seq": seq, "at": NOON + seq / 100, **more})


def batch(*rows: Row, happenings: tuple[Happening, ...] = (), **more: Any) -> Batch:
    """What comes at once."""
    told = {"place": len(rows), "looked_at": len(rows), "matched": len(rows), "missed": 0, "every": 1, **more}
    return Batch(rows=rows, happenings=happenings, **told)
