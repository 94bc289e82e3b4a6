"""Character sets by the numbers of their collations, and the text of logged statements in UTF-8.

A Statement comes in; its text goes out, or None where nobody can say for sure what it means. What stands in a literal
and is no text may be lost; the names are not. The numbers are those of MySQL 9 and MariaDB 11
(information_schema.COLLATIONS and COLLATION_CHARACTER_SET_APPLICABILITY).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dbmux.wire.binlog.events import Statement


@dataclass(frozen=True, slots=True)
class Charset:
    """A character set: its name in SQL, Python's name for it where there is one, and its collations' numbers."""

    name: str
    codec: str | None
    collations: Iterable[int]
    is_strict: bool = False
    """Whether a byte below 0x80 may be a part of another character: one broken place makes the rest doubtful."""


def _by_languages(first: int) -> Iterable[int]:
    # MariaDB's newer collations of one character set.
    return (*range(first, first + 168), *range(first + 184, first + 200))


_UTF8 = "utf-8"
_CHARSETS = (
    Charset("utf8mb3", _UTF8, (33, 76, 83, *range(192, 216), 223, *range(576, 580), 1057, 1107, 1216, 1238)),
    Charset("utf8mb3", _UTF8, _by_languages(2048)),
    Charset(
        "utf8mb4",
        _UTF8,
        (45, 46, *range(224, 248), *range(255, 324), *range(608, 612), 1069, 1070, 1248, 1270, *_by_languages(2304)),
    ),
    # No letters beyond ASCII have a meaning in these: names are taken as they are.
    Charset("ascii", _UTF8, (11, 65, 1035, 1089)),
    Charset("binary", _UTF8, (63,)),
    Charset("latin1", "cp1252", (5, 8, 15, 31, 47, 48, 49, 94, 1032, 1071)),
    Charset("latin2", "iso8859_2", (2, 9, 21, 27, 77, 1033, 1101)),
    Charset("latin5", "iso8859_9", (30, 78, 1054, 1102)),
    Charset("latin7", "iso8859_13", (20, 41, 42, 79, 1065, 1103)),
    Charset("greek", "iso8859_7", (25, 70, 1049, 1094)),
    Charset("hebrew", "iso8859_8", (16, 71, 1040, 1095)),
    Charset("cp850", "cp850", (4, 80, 1028, 1104)),
    Charset("cp852", "cp852", (40, 81, 1064, 1105)),
    Charset("cp866", "cp866", (36, 68, 1060, 1092)),
    Charset("cp1250", "cp1250", (26, 34, 44, 66, 99, 1050, 1090)),
    Charset("cp1251", "cp1251", (14, 23, 50, 51, 52, 1074, 1075)),
    Charset("cp1256", "cp1256", (57, 67, 1081, 1091)),
    Charset("cp1257", "cp1257", (29, 58, 59, 1082, 1083)),
    Charset("koi8r", "koi8_r", (7, 74, 1031, 1098)),
    Charset("koi8u", "koi8_u", (22, 75, 1046, 1099)),
    Charset("macce", "mac_latin2", (38, 43, 1062, 1067)),
    Charset("macroman", "mac_roman", (39, 53, 1063, 1077)),
    Charset("tis620", "tis_620", (18, 89, 1042, 1113)),
    Charset("ujis", "euc_jp", (12, 91, 1036, 1115)),
    Charset("eucjpms", "euc_jp", (97, 98, 1121, 1122)),
    Charset("euckr", "euc_kr", (19, 85, 1043, 1109)),
    Charset("gb2312", "gb2312", (24, 86, 1048, 1110)),
    Charset("big5", "big5", (1, 84, 1025, 1108), is_strict=True),
    Charset("cp932", "cp932", (95, 96, 1119, 1120), is_strict=True),
    Charset("gb18030", "gb18030", (248, 249, 250), is_strict=True),
    Charset("gbk", "gbk", (28, 87, 1052, 1111), is_strict=True),
    Charset("sjis", "shift_jis", (13, 88, 1037, 1112), is_strict=True),
    # Python has none of these, or no client can speak them.
    Charset("armscii8", None, (32, 64, 1056, 1088)),
    Charset("dec8", None, (3, 69, 1027, 1093)),
    Charset("geostd8", None, (92, 93, 1116, 1117)),
    Charset("hp8", None, (6, 72, 1030, 1096)),
    Charset("keybcs2", None, (37, 73, 1061, 1097)),
    Charset("swe7", None, (10, 82, 1034, 1106)),
    Charset("ucs2", None, (35, 90, *range(128, 152), 159, *range(640, 644), 1059, 1114, 1152, 1174)),
    Charset("ucs2", None, _by_languages(2560)),
    Charset("utf16", None, (54, 55, *range(101, 125), *range(672, 676), 1078, 1079, 1125, 1147)),
    Charset("utf16", None, _by_languages(2816)),
    Charset("utf16le", None, (56, 62, 1080, 1086)),
    Charset("utf32", None, (60, 61, *range(160, 184), *range(736, 740), 1084, 1085, 1184, 1206)),
    Charset("utf32", None, _by_languages(3072)),
)
_BY_COLLATION = {collation: charset for charset in _CHARSETS for collation in charset.collations}
# In swe7, bytes below 0x80 are other characters.
_SWE7 = frozenset((10, 82, 1034, 1106))


def charset_of(collation: int | None) -> Charset | None:
    """The character set of the collation with this number, where it is known."""
    return _BY_COLLATION.get(collation) if collation is not None else None


def text_in_utf8(statement: Statement) -> bytes | None:
    """A statement's text; None where it cannot be read for sure."""
    text = statement.text
    if statement.charset in _SWE7:
        return None
    if text.isascii():
        return text
    charset = charset_of(statement.charset)
    if charset is None or charset.codec is None:
        return None
    if charset.codec is _UTF8:
        return text
    try:
        return text.decode(charset.codec, "strict" if charset.is_strict else "replace").encode()
    except UnicodeDecodeError:
        return None
