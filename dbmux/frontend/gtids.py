"""The GTIDs of a session's own writes: how servers are made to tell them, and how a replica is made to wait for one.

Facts of two families of servers, as statements and settings (manual pages "Tracking GTIDs", "GTID Functions", and
MariaDB's "MASTER_GTID_WAIT", "session_track_system_variables"). Never sends anything.
"""

from __future__ import annotations

import re

from dbmux.backend.connection import Answer
from dbmux.backend.server import Backend
from dbmux.query import SetVariable
from dbmux.session import SessionState

_MYSQL = SetVariable("session_track_gtids", b"OWN_GTID")
_MARIADB = SetVariable(
    "session_track_system_variables",
    b"'autocommit,character_set_client,character_set_connection,character_set_results,last_gtid,time_zone'",
)
# What is longer stands in no hint, and is not worth a server's time.
LONGEST = 4096
_GTIDS = re.compile(rb"[0-9A-Za-z_:, \n-]{1,%d}" % LONGEST)
# One of MariaDB's, or those of one of MySQL's sources: where it is from, and its last number.
_LAST = re.compile(
    rb"(\d+)-\d+-(\d+)|([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?::[A-Za-z_]\w*)?)(?::\d+(?:-\d+)?)*?:(?:\d+-)?(\d+)"
)
_TRACKS = frozenset((b"OWN_GTID", b"ALL_GTIDS", b"1", b"2"))
_QUESTION = re.compile(rb"\s*select\s+@dbmux_gtid\s*;?\s*", re.IGNORECASE)
# The user variable by which a client hands one session's GTID to another.
VARIABLE = "dbmux_gtid"


def tracking(backend: Backend) -> SetVariable:
    """What a session sets so that its writes are told with their GTIDs."""
    return _MARIADB if backend.is_mariadb else _MYSQL


def is_gtid(text: bytes) -> bool:
    """Whether it has the form of a GTID, or of a set of them, and can stand between quotes."""
    return _GTIDS.fullmatch(text) is not None


def are_told(state: SessionState) -> bool:
    """Whether a connection in this state tells the GTIDs of its writes: the session may have switched that off."""
    of_mysql = state.variable(_MYSQL.name) or b""
    of_mariadb = state.variable(_MARIADB.name) or b""
    names = {name.strip() for name in of_mariadb.strip(b"'").lower().split(b",")}
    return of_mysql.strip(b"'").upper() in _TRACKS or not names.isdisjoint((b"last_gtid", b"*"))


def both(first: bytes, second: bytes) -> bytes:
    """What stands for two GTIDs, or sets of them; b"" where that would be too long.

    Of each source, or domain, the later one will do: replicas commit in their primary's order. What cannot be read
    stays as it is: the server says whether it means something.
    """
    latest: dict[bytes, tuple[int, bytes]] = {}
    for part in [*_parts(first), *_parts(second)]:
        found = _LAST.fullmatch(part)
        source, number = (part, 0) if found is None else ((found[1] or found[3]).lower(), int(found[2] or found[4]))
        if source not in latest or latest[source][0] < number:
            latest[source] = number, part
    told = b",".join(part for _, part in latest.values())
    return told if len(told) <= LONGEST else b""


def readable(gtid: bytes) -> bytes:
    """What of it can be read; the rest, which a client has made up, is to be forgotten with the next one."""
    return b",".join(part for part in _parts(gtid) if _LAST.fullmatch(part))


def _parts(gtid: bytes) -> list[bytes]:
    return [part for piece in gtid.split(b",") if (part := piece.strip())]


def waiting(backend: Backend, gtid: bytes, seconds: float) -> bytes:
    """The question that a replica answers when it has what this GTID stands for, or after so many seconds."""
    function = b"MASTER_GTID_WAIT" if backend.is_mariadb else b"WAIT_FOR_EXECUTED_GTID_SET"
    return b"SELECT %b('%b',%g) LIMIT 1" % (function, gtid, seconds)


def has_come(answer: Answer) -> bool:
    """Whether the answer to that question is that it has it."""
    return bool(answer.rows) and answer.row(1) == (b"0",)


def asks_for_gtid(text: bytes) -> bool:
    """Whether a statement is `SELECT @dbmux_gtid` and nothing else."""
    return _QUESTION.fullmatch(text) is not None
