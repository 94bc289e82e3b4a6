"""The text of logged statements in UTF-8, whatever their clients spoke.

A Statement comes in; its text goes out, or None where nobody can say for sure what it means. What stands in a literal
and is no text may be lost; the names are not. The numbers are those of MySQL 9 and MariaDB 11
(information_schema.COLLATIONS and COLLATION_CHARACTER_SET_APPLICABILITY).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dbmux.wire.binlog.events import Statement


@dataclass(frozen=True, slots=True)
class _Charset:
    """A character set: Python's name for it, and its collations' numbers."""

    codec: str
    collations: Iterable[int]
    is_strict: bool = False
    """Whether a byte below 0x80 may be a part of another character: one broken place makes the rest doubtful."""


_UTF8 = "utf-8"
_CHARSETS = (
    _Charset(_UTF8, (33, 76, 83, *range(192, 216), 223, *range(576, 580), 1057, 1107, 1216, 1238)),
    _Charset(_UTF8, (*range(2048, 2216), *range(2232, 2248))),
    _Charset(_UTF8, (45, 46, *range(224, 248), *range(255, 324), *range(608, 612), 1069, 1070, 1248, 1270)),
    _Charset(_UTF8, (*range(2304, 2472), *range(2488, 2504))),
    # No letters beyond ASCII have a meaning in these: names are taken as they are.
    _Charset(_UTF8, (11, 63, 65, 1035, 1089)),
    _Charset("cp1252", (5, 8, 15, 31, 47, 48, 49, 94, 1032, 1071)),
    _Charset("iso8859_2", (2, 9, 21, 27, 77, 1033, 1101)),
    _Charset("iso8859_9", (30, 78, 1054, 1102)),
    _Charset("iso8859_13", (20, 41, 42, 79, 1065, 1103)),
    _Charset("iso8859_7", (25, 70, 1049, 1094)),
    _Charset("iso8859_8", (16, 71, 1040, 1095)),
    _Charset("cp850", (4, 80, 1028, 1104)),
    _Charset("cp852", (40, 81, 1064, 1105)),
    _Charset("cp866", (36, 68, 1060, 1092)),
    _Charset("cp1250", (26, 34, 44, 66, 99, 1050, 1090)),
    _Charset("cp1251", (14, 23, 50, 51, 52, 1074, 1075)),
    _Charset("cp1256", (57, 67, 1081, 1091)),
    _Charset("cp1257", (29, 58, 59, 1082, 1083)),
    _Charset("koi8_r", (7, 74, 1031, 1098)),
    _Charset("koi8_u", (22, 75, 1046, 1099)),
    _Charset("mac_latin2", (38, 43, 1062, 1067)),
    _Charset("mac_roman", (39, 53, 1063, 1077)),
    _Charset("tis_620", (18, 89, 1042, 1113)),
    _Charset("euc_jp", (12, 91, 1036, 1115, 97, 98, 1121, 1122)),
    _Charset("euc_kr", (19, 85, 1043, 1109)),
    _Charset("gb2312", (24, 86, 1048, 1110)),
    _Charset("big5", (1, 84, 1025, 1108), is_strict=True),
    _Charset("cp932", (95, 96, 1119, 1120), is_strict=True),
    _Charset("gb18030", (248, 249, 250), is_strict=True),
    _Charset("gbk", (28, 87, 1052, 1111), is_strict=True),
    _Charset("shift_jis", (13, 88, 1037, 1112), is_strict=True),
)
_BY_COLLATION = {collation: charset for charset in _CHARSETS for collation in charset.collations}
# In swe7, bytes below 0x80 are other characters.
_SWE7 = frozenset((10, 82, 1034, 1106))


def text_in_utf8(statement: Statement) -> bytes | None:
    """A statement's text; None where it cannot be read for sure."""
    text = statement.text
    if statement.charset in _SWE7:
        return None
    if text.isascii():
        return text
    charset = _BY_COLLATION.get(statement.charset) if statement.charset is not None else None
    if charset is None or charset.codec is _UTF8:
        return text if charset is not None else None
    try:
        return text.decode(charset.codec, "strict" if charset.is_strict else "replace").encode()
    except UnicodeDecodeError:
        return None
