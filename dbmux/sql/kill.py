"""KILL: which connection a statement wants to end.

A statement's bytes come in; the connection's number and where it is written go out. What cannot be read so, such as
KILL USER or a number that is calculated, is no target.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

from dbmux.lexer import Token
from dbmux.sql.statement import read

# Nothing that is longer is looked at: KILL and its comments are short.
_LONGEST = 4096
_KILL = re.compile(rb"kill\b", re.IGNORECASE)


class KillScope(Enum):
    """What of a connection is ended."""

    CONNECTION = auto()
    QUERY = auto()


class KillTarget(NamedTuple):
    """The connection's number, where in the statement its digits are, and what of it is meant."""

    target: int
    start: int
    end: int
    scope: KillScope


def parse_kill(statement: bytes, start: int) -> KillTarget | None:
    """Read KILL [HARD | SOFT] [CONNECTION | QUERY] number; None for every other statement."""
    if len(statement) - start > _LONGEST or not _KILL.search(statement, start):
        return None
    statements = read(statement, start, 0)
    if not statements or len(statements) > 1 or statements[0].words[0] != "KILL":
        return None
    words = statements[0].words
    at = 1
    at += statements[0].word(at) in ("HARD", "SOFT")
    scope = KillScope.QUERY if statements[0].word(at) == "QUERY" else KillScope.CONNECTION
    at += statements[0].word(at) in ("CONNECTION", "QUERY")
    if at != len(words) - 1 or statements[0].kinds[at] != Token.NUMBER:
        return None
    digits = statements[0].spelling(at)
    if not digits.isdigit() or len(digits) > 20:
        return None
    return KillTarget(int(digits), *statements[0].spans[at], scope)
