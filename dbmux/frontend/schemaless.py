"""What a session is told whose schema another one has dropped, so that it runs on connections without a schema.

What such a connection refuses because no schema is chosen comes in; out goes the error that the session would have got
on a connection of its own, which stays in a schema that is there no more.
"""

from __future__ import annotations

from dbmux.errors import BackendRefused
from dbmux.frontend.carried import DATA
from dbmux.query import Query

NO_SCHEMA, UNKNOWN_SCHEMA, NO_TABLE = 1046, 1049, 1146


def is_unknown(error: Exception) -> bool:
    """Whether a server says that a schema is not there."""
    return isinstance(error, BackendRefused) and error.number == UNKNOWN_SCHEMA


def unknown(schema: bytes, query: Query, *, is_mariadb: bool) -> BackendRefused:
    """The error for a statement with a name that has no schema before it."""
    footprint = query.footprint
    table = next((name.table for name in (*footprint.writes, *footprint.reads) if not name.schema), "")
    if is_mariadb and table and query.kind in DATA:
        # It looks for the table before it looks for the schema.
        message = b"Table '%b.%b' doesn't exist" % (schema, table.encode())
        return BackendRefused(NO_TABLE, b"42S02", message)
    return BackendRefused(UNKNOWN_SCHEMA, b"42000", b"Unknown database '%b'" % schema)
