"""The GTIDs of a session's own writes: how servers are made to tell them, and how a replica is made to wait for one.

Facts of two families of servers, as statements and settings (manual pages "Tracking GTIDs", "GTID Functions", and
MariaDB's "MASTER_GTID_WAIT", "session_track_system_variables"). Never sends anything.
"""

from __future__ import annotations

import re

from dbmux.backend.connection import Answer
from dbmux.backend.server import Backend
from dbmux.query import SetVariable

_MYSQL = SetVariable("session_track_gtids", b"OWN_GTID")
_MARIADB = SetVariable(
    "session_track_system_variables",
    b"'autocommit,character_set_client,character_set_connection,character_set_results,last_gtid,time_zone'",
)
_GTIDS = re.compile(rb"[0-9A-Za-z_:, \n-]{1,4096}")
_QUESTION = re.compile(rb"\s*select\s+@dbmux_gtid\s*;?\s*", re.IGNORECASE)
# The user variable by which a client hands one session's GTID to another.
VARIABLE = "dbmux_gtid"


def tracking(backend: Backend) -> SetVariable:
    """What a session sets so that its writes are told with their GTIDs."""
    return _MARIADB if backend.is_mariadb else _MYSQL


def is_gtid(text: bytes) -> bool:
    """Whether it has the form of a GTID, or of a set of them, and can stand between quotes."""
    return _GTIDS.fullmatch(text) is not None


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
