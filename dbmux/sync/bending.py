"""What a column of the target does, without a word, to values that it cannot hold.

How a column is logged and how the target describes it come in; what of the values would be lost goes out. A number or a
text that is too large is not meant: a strict server refuses these. (Tried on MySQL 9, MariaDB 10.11 and 11.)
"""

from __future__ import annotations

from dbmux.sync.table import Column, Family
from dbmux.wire.binlog.charsets import charset_of
from dbmux.wire.binlog.columns import Column as LoggedColumn
from dbmux.wire.binlog.columns import LoggedType

T, F = LoggedType, Family
_MOMENTS = frozenset((T.DATETIME, T.TIMESTAMP, T.OLD_DATETIME, T.OLD_TIMESTAMP))
_TIMED = frozenset((F.DATETIME, F.TIMESTAMP, F.TIME))
# Whose numbers may have more digits than a FLOAT.
_WHOLE = frozenset((T.LONG, T.LONGLONG))
_LONG = frozenset((T.BLOB, T.BLOB_COMPRESSED))
_VARYING = _LONG | {T.VARCHAR, T.VARCHAR_COMPRESSED, T.VAR_STRING}
# Bytes of the length of a text, and of the longest character.
_LENGTHS = {"tinytext": 1, "text": 2, "mediumtext": 3, "longtext": 4}
_WIDTHS = {
    **{"utf8mb3": 3, "utf8mb4": 4, "ucs2": 2, "utf16": 4, "utf16le": 4, "utf32": 4},
    **{"ujis": 3, "eucjpms": 3, "gb18030": 4},
    **dict.fromkeys(("big5", "cp932", "euckr", "gb2312", "gbk", "sjis"), 2),
}


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
        case kind if kind in _WHOLE and there is F.FLOAT:
            return "digits"
        case T.LONGLONG if there is F.DOUBLE:
            return "digits"
        case kind if kind in _VARYING and there is F.TEXT and _is_shorter(column, logged):
            return "spaces at the end"
        case _:
            return ""


def _is_shorter(column: Column, logged: LoggedColumn) -> bool:
    # Of what does not fit, strictness lets spaces go.
    is_long = logged.type in _LONG
    match column.base:
        case "char":
            return True
        case "varchar":
            # It counts characters; the log tells the bytes that these may take, and one more where they are compressed.
            charset = charset_of(logged.collation)
            width = _WIDTHS.get(charset.name, 1) if charset is not None else max(_WIDTHS.values())
            room = logged.size - (logged.type is T.VARCHAR_COMPRESSED)
            return is_long or int(column.arguments) < room // width
        case base:
            length = _LENGTHS[base]
            return length < logged.size if is_long else logged.size >= 1 << 8 * length


def _decimals(column: Column) -> int:
    _, _, decimals = column.arguments.partition(",")
    return int(decimals or 0) if column.family is F.DECIMAL else 0
