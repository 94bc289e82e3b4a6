"""What a column of the target does, without a word, to values that it cannot hold.

How a column is logged and how the target describes it come in; what of the values would be lost goes out. A number or a
text that is too large is not meant: a strict server refuses these. (Tried on MySQL 9, MariaDB 10.11 and 11.)
"""

from __future__ import annotations

from dbmux.sync.table import Column, Family
from dbmux.wire.binlog.columns import Column as LoggedColumn
from dbmux.wire.binlog.columns import LoggedType

T, F = LoggedType, Family
_MOMENTS = frozenset((T.DATETIME, T.TIMESTAMP, T.OLD_DATETIME, T.OLD_TIMESTAMP))
_TIMED = frozenset((F.DATETIME, F.TIMESTAMP, F.TIME))
_VARYING = frozenset((T.VARCHAR, T.VARCHAR_COMPRESSED, T.VAR_STRING, T.BLOB, T.BLOB_COMPRESSED))


def lost(logged: LoggedColumn, column: Column) -> str:
    """What of a logged value the column would drop; empty where it holds or refuses each of them."""
    there = column.family
    match logged.type:
        case kind if kind in _MOMENTS and there in (F.DATE, F.TIME):
            return "the time of day" if there is F.DATE else "the day"
        case T.DATETIME | T.TIMESTAMP | T.TIME if there in _TIMED and logged.decimals > int(column.arguments or 0):
            return "fractions of a second"
        case T.DECIMAL if there in (F.DECIMAL, F.INTEGER) and logged.decimals > _decimals(column):
            return "digits behind the point"
        case T.FLOAT | T.DOUBLE if there in (F.DECIMAL, F.INTEGER):
            return "digits behind the point"
        case T.DOUBLE | T.DECIMAL if there is F.FLOAT:
            return "digits"
        case kind if kind in _VARYING and column.base == "char":
            return "spaces at the end"
        case _:
            return ""


def _decimals(column: Column) -> int:
    _, _, decimals = column.arguments.partition(",")
    return int(decimals or 0) if column.family is F.DECIMAL else 0
