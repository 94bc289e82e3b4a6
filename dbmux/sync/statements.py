"""What a logged statement is to a copy of the server: a definition, a write by statement, or nothing.

A Statement of the log comes in, its meaning goes out. What cannot be read for sure is a write: a mirror that copies
rows must then stop, as it would lose them.
"""

from __future__ import annotations

from enum import Enum, auto

from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES
from dbmux.query import Kind
from dbmux.sql.classify import classify
from dbmux.wire.binlog.charsets import text_in_utf8
from dbmux.wire.binlog.events import Statement

# The bits of a logged sql_mode that change where a token ends.
_MODE_ANSI_QUOTES, _MODE_NO_BACKSLASH_ESCAPES = 1 << 2, 1 << 20
# As servers write it themselves.
_ROLLBACK_TO = b"ROLLBACK TO "
_PART_OF_TRANSACTION = frozenset((Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.SAVEPOINT, Kind.XA))


class Meaning(Enum):
    """What a statement does."""

    DEFINITION = auto()
    """It changes what there is: tables, views, routines, schemas, and accounts by CREATE, ALTER and DROP; or it
    empties a table."""
    ADMINISTRATION = auto()
    """It changes rights, or maintains tables."""
    WRITE = auto()
    """It changes rows and is logged by its text, as with binlog_format STATEMENT or MIXED."""
    PARTIAL_ROLLBACK = auto()
    """What stands in the transaction behind its savepoint is undone where that can be: not all of the tables have
    transactions."""
    NOTHING = auto()
    """It is a part of a transaction and changes nothing by itself."""


def meaning_of(statement: Statement) -> Meaning:
    """What a logged statement does."""
    text = text_in_utf8(statement)
    if text is None:
        return Meaning.WRITE
    if text.startswith(_ROLLBACK_TO):
        return Meaning.PARTIAL_ROLLBACK
    query = classify(text, 0, lexer_flags(statement))
    match query.kind:
        case Kind.DDL if not query.moves_insert_id:
            return Meaning.DEFINITION
        case Kind.ADMIN | Kind.SET:
            return Meaning.ADMINISTRATION
        case kind if kind in _PART_OF_TRANSACTION:
            return Meaning.NOTHING
        case _:
            # Also CREATE TABLE ... SELECT, where its rows are not logged.
            return Meaning.WRITE


def lexer_flags(statement: Statement) -> int:
    """The lexer's flags for the sql_mode under which a statement ran."""
    quotes = ANSI_QUOTES if statement.sql_mode & _MODE_ANSI_QUOTES else 0
    return quotes | (NO_BACKSLASH_ESCAPES if statement.sql_mode & _MODE_NO_BACKSLASH_ESCAPES else 0)
