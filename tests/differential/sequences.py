"""All scenarios that were written by hand, one module a subject.

A new one is a list of statements in the module of its subject; steps on other sessions, for some servers or by other
commands are made by the functions of tests/differential/steps.py. Left out is what belongs to a server's connection and
not to a session's statements, which sharing connections must change: the counters of SHOW SESSION STATUS, profiles and
traces of the optimizer, the server's own views of threads. Left out as well is error 1615: servers give it only when
their table cache is under pressure.
"""

from __future__ import annotations

from dbmux.query import PinReason
from tests.differential.steps import Scenario
from tests.differential.subjects import (
    binary,
    charsets,
    commands,
    diagnostics,
    ids,
    named_locks,
    routines,
    sessions,
    several,
    sql_prepared,
    tables,
    tools,
    transactions,
    user_variables,
    variables,
)

SUBJECTS = (
    transactions,
    variables,
    user_variables,
    charsets,
    ids,
    diagnostics,
    tables,
    named_locks,
    routines,
    sql_prepared,
    binary,
    commands,
    several,
    tools,
    sessions,
)
SCENARIOS: tuple[Scenario, ...] = tuple(scenario for subject in SUBJECTS for scenario in subject.SCENARIOS)

# Which scenarios show that a session is pinned for a reason, and no longer than that.
COVERS: dict[PinReason, tuple[str, ...]] = {
    PinReason.TRANSACTION: (
        "a transaction is committed",
        "autocommit off: reads and writes begin a transaction",
        "a procedure opens a transaction and another closes it",
    ),
    PinReason.SAVEPOINT: ("savepoints are nested", "a savepoint outside of a transaction leaves nothing"),
    PinReason.NEXT_TRANSACTION: (
        "SET TRANSACTION holds for the next transaction alone",
        "READ UNCOMMITTED for the next transaction sees what is not committed",
    ),
    PinReason.XA: ("XA in two phases", "a prepared XA transaction and its session go different ways"),
    PinReason.TEMPORARY_TABLE: (
        "a temporary table is made, used and dropped",
        "a temporary table hides a table of the same name",
        "a temporary table is renamed and altered",
        "temporary tables made by a procedure",
    ),
    PinReason.SEQUENCE: ("sequences and views that are like temporary tables",),
    PinReason.LOCK_TABLES: ("LOCK TABLES until UNLOCK TABLES", "what else unlocks tables"),
    PinReason.GLOBAL_LOCK: ("FLUSH TABLES WITH READ LOCK", "locks for backups"),
    PinReason.NAMED_LOCK: ("a lock is taken and given back", "several locks, and the same one twice"),
    PinReason.HANDLER: ("HANDLER reads on", "HANDLER that fails, and what closes it"),
    PinReason.USER_VARIABLE: ("a SELECT assigns", "SELECT INTO variables", "functions and triggers give values"),
    PinReason.SYSTEM_VARIABLE: ("values that are expressions", "the session's own binary log switch"),
    PinReason.SQL_PREPARED: ("prepared, executed, dropped", "several names at once"),
    PinReason.CURSOR: ("a cursor is fetched to its end", "two cursors at once"),
    PinReason.LONG_DATA: ("long data in pieces", "long data and other statements in between"),
    PinReason.FOUND_ROWS: ("FOUND_ROWS with and without SQL_CALC_FOUND_ROWS",),
    PinReason.CHARACTER_SET: ("in gbk a backslash may be half of a character", "SET NAMES in its forms"),
    PinReason.ROUTINE: ("what a procedure leaves behind", "a variable is set by a function inside of a SELECT"),
    PinReason.UNKNOWN: ("state that changes inside of a command", "a variable is set by a prepared SET"),
    # With a login that is relayed there is no connection to move to: all scenarios are played over such ones, too.
    PinReason.RELAYED_LOGIN: (),
}
