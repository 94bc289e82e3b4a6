"""A write that a client ran, with what it was answered, and what is made of the target's answer to the same.

Values come in and go out. The target is never before the write: it has it already, or it was none, because it failed or
changed nothing. So a difference is believed where it follows from the statement alone, and beyond that only where no
write to the tables was in between (`is_steady`). What is the same is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbmux.differences import DifferenceKind
from dbmux.mirror.answer import Answer, Failure
from dbmux.mirror.compare import Difference
from dbmux.mirror.read import NotComparedError, Read
from dbmux.sync.table import TableName

# Manual pages "Server Error Message Reference" and "MariaDB Error Code Reference". Errors that follow from the
# statement and the definitions of tables: syntax, names, the number of columns and arguments, character sets.
OF_THE_STATEMENT = frozenset(
    (
        *(1049, 1054, 1064, 1072, 1093, 1107, 1109, 1110, 1115, 1128, 1136, 1146, 1149, 1166, 1210, 1247, 1253, 1267),
        *(1270, 1271, 1273, 1305, 1318, 1582, 1583, 1584, 1630, 1901, 1906, 1907, 3105, 4078, 4079),
    )
)
# Those that follow from the values besides, where the statement has all of them in it.
OF_THE_VALUES = frozenset((1048, 1138, 1263, 1264, 1265, 1292, 1364, 1365, 1366, 1367, 1406, 1411, 1416, 1690, 3140))
OF_THE_VALUES |= frozenset((3141, 3819, 4025))
# Those that follow from other tables, from other sessions, or from triggers, which the target does not have.
_OF_OTHERS = frozenset(
    (1205, 1213, 1216, 1217, 1317, 1451, 1452, 1644, 1969, 3024, 3572, 1290, 1792, 1836, 1044, 1142, 1143, 1227, 1370)
)

HAS_IT = "the target has the write already, and what it answers now depends on that"
UNSTEADY = "its tables were written meanwhile, or it is not known whether they were"
OF_OTHERS = "its error is of other tables, other sessions, triggers or rights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """`read` is the statement as it is run again, `answer` what the client got: rows that changed, or an error.

    It ran between `begun` and `ended`, by time.perf_counter. `has_values` tells that all values are in it.
    `capabilities` are the client's that change how rows are counted.
    """

    read: Read
    tables: tuple[TableName, ...]
    answer: Answer
    begun: float
    ended: float
    has_values: bool
    capabilities: int = 0


def differs(write: Write, target: Answer, *, is_steady: bool) -> Difference | None:
    """In what the target's answer differs, if in anything; raises NotComparedError where that says nothing."""
    before, now = write.answer.failure, target.failure
    if before is None and now is None:
        return _in_rows(write, target, is_steady=is_steady)
    if before is not None and now is not None and (before.number, before.sqlstate) == (now.number, now.sqlstate):
        return None
    if any(one is not None and one.number in _OF_OTHERS for one in (before, now)):
        raise NotComparedError(OF_OTHERS)
    decisive = OF_THE_STATEMENT | (OF_THE_VALUES if write.has_values else frozenset())
    if not is_steady and any(one is not None and one.number not in decisive for one in (before, now)):
        raise NotComparedError(HAS_IT if before is None else UNSTEADY)
    return _of_errors(before, now)


def _in_rows(write: Write, target: Answer, *, is_steady: bool) -> Difference | None:
    rows = write.answer.affected_rows, target.affected_rows
    if rows[0] == rows[1]:
        return None
    if not is_steady:
        raise NotComparedError(HAS_IT if rows[0] else UNSTEADY)
    return Difference(kind=DifferenceKind.AFFECTED_ROWS, source=f"{rows[0]} rows", target=f"{rows[1]} rows")


def _of_errors(before: Failure | None, now: Failure | None) -> Difference:
    told = ["no error" if one is None else f"{one.number} ({one.sqlstate}): {one.message}" for one in (before, now)]
    codes = (before.number if before else 0, now.number if now else 0)
    kind = DifferenceKind.ERROR_CODE
    if before is None:
        kind = DifferenceKind.ERROR_AT_TARGET
    elif now is None:
        kind = DifferenceKind.ERROR_AT_SOURCE
    return Difference(kind=kind, source=told[0], target=told[1], codes=codes)
