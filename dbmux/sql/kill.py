"""KILL: which connection a statement wants to end.

A statement's bytes come in; the connection's number and where it is written go out. Comments before and between the
words are skipped as the server skips them (manual page "KILL Statement").
"""

from __future__ import annotations

import re
from typing import NamedTuple

_GAP = rb"(?:[ \t\r\n\f\v]|/\*(?!!).*?\*/|--[ \t\r\n][^\n]*(?:\n|\Z)|#[^\n]*(?:\n|\Z))"
_KILL = re.compile(
    rb"%(gap)s*+KILL%(gap)s++(?:(?:HARD|SOFT)%(gap)s++)?(?:(?:CONNECTION|QUERY)%(gap)s++)?(\d{1,20})%(gap)s*+;?%(gap)s*+\Z"
    % {b"gap": _GAP},
    re.IGNORECASE | re.DOTALL,
)


class KillTarget(NamedTuple):
    """The connection's number, and where in the statement its digits are."""

    target: int
    start: int
    end: int


def parse_kill(statement: bytes, start: int) -> KillTarget | None:
    """Read KILL [HARD | SOFT] [CONNECTION | QUERY] number; None for every other statement."""
    match = _KILL.match(statement, start)
    if match is None:
        return None
    return KillTarget(int(match[1]), match.start(1), match.end(1))
