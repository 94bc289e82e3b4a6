"""Whether a write can be tried out where it is then taken back: that nothing stays of it but the rows that it writes.

A text of SQL and its meaning come in; the reason why not goes out, or nothing. Errs towards not.
"""

from __future__ import annotations

from dbmux.lexer import Token
from dbmux.query import Access, Kind, Query
from dbmux.sql.footprint import is_volatile
from dbmux.sql.functions import ABOUT_THE_SERVER
from dbmux.sql.statement import read

WRITES = frozenset((Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE))
# What other tables have, and rows as an answer.
_READS = frozenset(("SELECT", "TABLE", "WITH", "RETURNING"))
UNSURE = "what it writes is not surely known"
NAMED = "it does more than write rows"
READS = "it reads other rows, or answers with rows"


def why_not_tried(text: bytes, flags: int, query: Query) -> str:
    """Why a write is never run again, or nothing."""
    footprint = query.footprint
    if query.kind not in WRITES or query.access is not Access.WRITE or footprint.is_boundless or not footprint.writes:
        return UNSURE
    if query.effects or query.needs or footprint.calls or footprint.defines:
        return NAMED
    statements = read(text, 0, flags)
    if statements is None or len(statements) != 1:
        return UNSURE
    (statement,) = statements
    for at, word in enumerate(statement.words):
        kind = statement.kinds[at]
        if kind in (Token.USER_VARIABLE, Token.SYSTEM_VARIABLE):
            return "a variable"
        if kind != Token.WORD or statement.word(at - 1) == ".":
            continue
        if word in _READS:
            return READS
        if is_volatile(statement, at) or (word in ABOUT_THE_SERVER and statement.word(at + 1) == "("):
            return word
    return ""


def is_of_values(text: bytes, flags: int, query: Query) -> bool:
    """Whether a write that can be tried gives all values itself, and takes none of rows that are there."""
    statements = read(text, 0, flags)
    if query.kind not in (Kind.INSERT, Kind.REPLACE) or not statements:
        return False
    return "DUPLICATE" not in statements[0].words
