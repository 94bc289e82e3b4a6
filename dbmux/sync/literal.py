"""A logged value as SQL: what stands in a statement that makes another server's row the same.

A value of dbmux.wire.binlog.readers and its column come in, a literal of either family goes out, exact to the byte and
the bit. It does not depend on the session: not on its character set, nor on the sql_mode's escapes. What does is left
to the session: the time zone must be +00:00 (a TIMESTAMP is in UTC), and the sql_mode must allow what is written, such
as zero dates. JSON that has no type in text (a DECIMAL, a date) becomes what its text says.
"""

from __future__ import annotations

import math
import re

from dbmux.errors import DbMuxError
from dbmux.wire.binlog.charsets import charset_of
from dbmux.wire.binlog.columns import Column, LoggedType
from dbmux.wire.binlog.rows import Value

T = LoggedType
# Nothing invisible, no quote and no backslash: the same in every character set and mode.
_PLAIN = re.compile(rb"[ -&(-\[\]-~]*")
_PRINTED = frozenset((T.DATE, T.NEWDATE, T.TIME, T.DATETIME, T.TIMESTAMP, T.OLD_TIME, T.OLD_DATETIME, T.OLD_TIMESTAMP))
_CHOICES = frozenset((T.ENUM, T.SET))
_JSON_CHARSET = "utf8mb4"


class Unwritable(DbMuxError):
    """A value that SQL cannot write."""


def literal(value: Value, column: Column) -> bytes:
    """The value as SQL; raises Unwritable."""
    match value:
        case None:
            return b"NULL"
        case int():
            return b"%d" % value
        case float() if math.isfinite(value):
            # With an exponent it is a DOUBLE, without one a DECIMAL.
            told = repr(value).encode()
            return told if b"e" in told else told + b"e0"
        case bytes():
            return _string(value, column)
        case _:
            raise Unwritable(f"the value of column {column.name or '?'} is {value!r}, which SQL cannot write")


def _string(value: bytes, column: Column) -> bytes:
    if column.type == T.DECIMAL:
        # Without a dot it would be an integer, with other limits.
        return value if b"." in value else value + b"."
    if column.type in _PRINTED or column.declared is not None:
        return b"'%b'" % value
    if column.type == T.JSON:
        return _text(value, _JSON_CHARSET)
    if column.type == T.ENUM and value not in column.elements:
        # What was no element when it was written; of a SET, there is no such thing.
        return b"0"
    charset = charset_of(column.collation)
    if charset is None or charset.name == "binary":
        return _text(value, "utf8mb4") if column.type in _CHOICES else b"x'%b'" % value.hex().encode()
    if charset.codec is None or charset.is_strict or not _PLAIN.fullmatch(value):
        return b"_%b x'%b'" % (charset.name.encode(), value.hex().encode())
    return b"'%b'" % value


def _text(value: bytes, charset: str) -> bytes:
    if _PLAIN.fullmatch(value):
        return b"'%b'" % value
    return b"_%b x'%b'" % (charset.encode(), value.hex().encode())
