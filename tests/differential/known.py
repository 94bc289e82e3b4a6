"""Differences that are known defects of DbMux, and not yet mended: what they look like, and where they show.

A mark that is no longer true fails, so that this page can only become shorter.
"""

from __future__ import annotations

from dataclasses import replace

from dbmux.errors import ErrorCode
from dbmux.wire.replies import Err, Ok, Status
from tests.differential.judge import first_difference
from tests.differential.stage import Verdict
from tests.differential.steps import MARIADB, MARIADB_10, MARIADB_11, MYSQL, MYSQL_9

ANSI_QUOTES = 0x8000

LOST_FLAG = "dbmux.wire.replies.Ok.build loses MariaDB's flag 0x8000, ANSI_QUOTES"
LOST_STATE = "the OK of a login and of COM_CHANGE_USER tells a client that tracks nothing of the state"
CURSOR_FLAG = "dbmux.kernel takes a text result for a cursor's: servers set CURSOR_EXISTS when a routine has one open"

OUT_FLAG = "dbmux.kernel ends a reply too early: after OUT parameters MySQL clears MORE_RESULTS in the rows' EOF"
REFUSED = "a session keeps its connection for life: with two connections the third session is refused"

Where = dict[tuple[str, frozenset[str]], str]

# By the framing that each server's own client speaks.
KNOWN: Where = {
    ("a transaction with changes of everything else", MARIADB): LOST_FLAG,
    ("the modes and sets of the preparation hold or not", MARIADB): LOST_FLAG,
    ("USE in its forms", MARIADB): LOST_FLAG,
    ("COM_RESET_CONNECTION sheds everything", MARIADB): LOST_FLAG,
    ("three sessions with variables of their own", MARIADB): LOST_FLAG,
    ("cursors and dynamic SQL inside of a procedure", frozenset((MARIADB_10,))): CURSOR_FLAG,
}

# By the other framing: without DEPRECATE_EOF where the server's own client has it, and with it where not.
KNOWN_OTHERWISE: Where = {
    **{key: why for key, why in KNOWN.items() if why is LOST_FLAG},
    ("cursors and dynamic SQL inside of a procedure", frozenset((MARIADB_11, MYSQL_9))): CURSOR_FLAG,
    ("several results by the binary protocol", MYSQL): OUT_FLAG,
    ("parameters in, out and both", MYSQL): OUT_FLAG,
    ("procedures give values", MYSQL): OUT_FLAG,
}


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
