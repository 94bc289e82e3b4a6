"""A statement as a line of the query log: one JSON object.

A row comes in, a line goes out. With literals left out, nothing of the line is a value that stood in the statement, nor
the message of an error, which may quote one. What says nothing is left out, so that lines are short.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dbmux.feed.log.shape import shape
from dbmux.feed.row import Row
from dbmux.observe.statement import text_of

Line = Callable[[Row], bytes]

# Said of every statement; the others only where there is something to say.
_ALWAYS = ("seq", "session", "seconds", "command", "kind", "backend", "code")
_PLAIN = (
    "seq",
    "session",
    "transaction",
    "seconds",
    "waited",
    "fetched",
    "command",
    "kind",
    "user",
    "client",
    "schema",
    "group",
    "backend",
    "role",
    "reason",
    "rule",
    "would",
    "cache",
    "bytes",
    "code",
    "is_in_transaction",
    "is_pinned",
    "is_slow",
    "nplus1",
)
# What comments or a reading of the text say: nothing where it is not sure what is a comment.
_OF_THE_TEXT = ("tables", "app", "trace", "site")


def with_literals(row: Row) -> bytes:
    """The line with the statement and the error as they were."""
    told = _begun(row) | {"sql": row.sql, "error": row.error} | _named(row)
    return _line(told)


def without_literals(row: Row) -> bytes:
    """The line without a literal of the statement."""
    assert row.event is not None, "only the process of the engine writes logs, and it has the events"
    found = shape(text_of(row.event))
    told = _begun(row) | {"text": found.text}
    return _line(told | _named(row) if found.is_sure else told)


def _begun(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {"at": datetime.fromtimestamp(row.at, UTC).isoformat()}
    told |= {name: value for name in _PLAIN if (value := getattr(row, name)) or name in _ALWAYS}
    if row.rows >= 0:
        told["rows"] = row.rows
    if row.sql:
        told["digest"] = row.digest
    return told


def _named(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _OF_THE_TEXT}


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in told.items() if value != "" and value != ()}).encode() + b"\n"
