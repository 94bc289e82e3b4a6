"""Differences that are known defects of DbMux, and not yet mended: what they look like, and where they show.

A mark that is no longer true fails, so that this page can only become shorter.
"""

from __future__ import annotations

from dataclasses import replace

from dbmux.errors import ErrorCode
from dbmux.wire.replies import Err, Ok, Status
from tests.differential.judge import first_difference
from tests.differential.stage import Verdict

ANSI_QUOTES = 0x8000

LOST_FLAG = "dbmux.wire.replies.Ok.build loses MariaDB's flag 0x8000, ANSI_QUOTES"
LOST_STATE = "the OK of a login and of COM_CHANGE_USER tells a client that tracks nothing of the state"
REFUSED = "a session keeps its connection for life: with two connections the third session is refused"

Where = dict[tuple[str, frozenset[str]], str]

# By the framing that each server's own client speaks.
KNOWN: Where = {}

# By the other framing: without DEPRECATE_EOF where the server's own client has it, and with it where not.
KNOWN_OTHERWISE: Where = {}


def defect_of(scenario: str, server: str, known: Where) -> str:
    """The known defect by which a scenario fails on a server, or nothing."""
    return next((why for (name, servers), why in known.items() if name == scenario and server in servers), "")


def defect_in(verdict: Verdict) -> str:
    """The known defect that explains the first difference, or nothing."""
    at = first_difference(verdict.direct, verdict.through)
    if at is None:
        return ""
    pairs = zip(verdict.direct[at].reply, verdict.through[at].reply, strict=False)
    one, other = next((one, other) for one, other in pairs if one != other)
    if isinstance(other, Err) and other.number == ErrorCode.UNREACHABLE.number:
        return REFUSED
    if isinstance(one, Ok) and replace(one, status=one.status & ~ANSI_QUOTES) == other:
        return LOST_FLAG
    if isinstance(one, Ok) and replace(one, state=b"", status=one.status & ~int(Status.SESSION_STATE_CHANGED)) == other:
        return LOST_STATE
    return ""
