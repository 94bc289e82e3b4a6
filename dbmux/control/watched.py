"""The tables of the SQL door that need somebody who watches the engine: statements by digest, the configuration.

Counts and versions come in, tables go out, whose rows are made whenever a statement asks. No password is shown, and of
statements only their digests, in which literals are hidden.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbmux.config.effective import NONE, settings
from dbmux.config.history import History, Version
from dbmux.door.table import Row, Source, Table, integer, real, text
from dbmux.observe.digests import Digests

# As far back as `digests_recent` goes.
RECENT_S = 300.0

CONFIG = Table("config", "the configuration in force, passwords hidden", (
    text("setting", "the key, as in configuration.md"),
    text("value", "its value, times in seconds and sizes in bytes; NULL for none"),
    integer("line", "where it stands in the file; NULL for what was left out"),
))  # fmt: skip
_DIGEST_COLUMNS = (
    text("digest", "16 hexadecimal digits"),
    text("digest_text", "the statement without its literals"),
    integer("calls", "how often it ran"),
    real("seconds", "how long together, in seconds"),
    real("p50_seconds", "the duration that half of them did not exceed, in seconds"),
    real("p95_seconds", "the same for 95 of a hundred"),
    real("p99_seconds", "the same for 99 of a hundred"),
    integer("errors", "how often it failed"),
    integer("hits", "how often it was answered from memory"),
    integer("row_count", "rows sent, where known"),
    integer("bytes", "bytes sent"),
    text("user", "the login of the first that was met"),
    text("schema_name", "its schema"),
)
DIGESTS = Table("digests", "statements by digest, since the start", _DIGEST_COLUMNS)
DIGESTS_RECENT = Table("digests_recent", "the same over the last five minutes", _DIGEST_COLUMNS)


def watched_tables(digests: Digests, history: History) -> tuple[Source, ...]:
    """All of them."""
    return (
        Source(CONFIG, lambda: _settings(history.now)),
        Source(DIGESTS, lambda: _digests(digests, None)),
        Source(DIGESTS_RECENT, lambda: _digests(digests, RECENT_S)),
    )


def _settings(version: Version) -> Iterator[Row]:
    for one in settings(version.config, version.text):
        yield {"setting": one.path, "value": None if one.value == NONE else one.value, "line": one.line or None}


def _digests(digests: Digests, seconds: float | None) -> Iterator[Row]:
    for told in digests.over(seconds):
        counted = told.counted
        yield {
            "digest": told.id,
            "digest_text": told.text,
            "calls": counted.count,
            "seconds": counted.seconds,
            "p50_seconds": counted.percentile(50),
            "p95_seconds": counted.percentile(95),
            "p99_seconds": counted.percentile(99),
            "errors": counted.errors,
            "hits": counted.hits,
            "row_count": counted.rows,
            "bytes": counted.bytes,
            "user": told.example.who.user,
            "schema_name": told.example.schema.decode("utf-8", "replace"),
        }
