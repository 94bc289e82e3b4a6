"""Rows for filters to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbmux.feed.row import Row

USUAL: Mapping[str, Any] = {
    "seq": 7,
    "at": 1_000_000.0,
    "session": 3,
    "transaction": 0,
    "seconds": 0.012,
    "waited": 0.002,
    "fetched": 0.001,
    "command": "query",
    "kind": "select",
    "sql": "SELECT * FROM orders WHERE id = 5 FOR UPDATE",
    "digest": "7c1e00aa12345678",
    "digest_text": "SELECT * FROM orders WHERE id = ? FOR UPDATE",
    "tables": ("orders",),
    "user": "shop",
    "client": "10.0.0.9:5000",
    "app": "checkout",
    "schema": "web",
    "group": "main",
    "backend": "db1",
    "role": "primary",
    "reason": "locking read",
    "rule": "",
    "would": "",
    "cache": "",
    "rows": 20,
    "bytes": 1200,
    "code": 0,
    "error": "",
    "trace": "4bf92f3577b34da6",
    "site": "app/views.py:42",
    "is_in_transaction": False,
    "is_pinned": False,
    "is_slow": False,
    "nplus1": 0,
}


def row(**given: Any) -> Row:
    """A row as it comes over the socket: the usual one, but for what is given."""
    return Row.of({**USUAL, **given})


class Noting(Row):
    """A row that notes what it is asked for."""

    def __init__(self, **given: Any) -> None:
        self.asked: list[str] = []
        self._told = {**USUAL, **given}

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return self._told[name]
