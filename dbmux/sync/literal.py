"""A logged value as SQL: what stands in a statement that makes another server's row the same.

A value of dbmux.wire.binlog.readers and its column come in, a literal of either family goes out, exact to the byte and
the bit. It does not depend on the session: not on its character set, nor on the sql_mode's escapes. What does is left
to the session: the time zone must be +00:00 (a TIMESTAMP is in UTC), and the sql_mode must allow what is written, such
as zero dates. JSON that has no type in text (a DECIMAL, a date) becomes what its text says.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from dbmux.errors import DbMuxError
from dbmux.wire.binlog.charsets import charset_of
from dbmux.wire.binlog.columns import Column, LoggedType
from dbmux.wire.binlog.rows import Value

T = LoggedType
_PRINTED = frozenset((T.DATE, T.NEWDATE, T.TIME, T.DATETIME, T.TIMESTAMP, T.OLD_TIME, T.OLD_DATETIME, T.OLD_TIMESTAMP))
_CHOICES = frozenset((T.ENUM, T.SET))


class Unwritable(DbMuxError):
    """A value that SQL cannot write."""


def literal(value: Value, column: Column) -> bytes:
    """The value as SQL; raises Unwritable."""
    return writer_of(column)(value)


def writer_of(column: Column) -> Callable[[Value], bytes]:
    """What writes a column's values, chosen once for many; raises Unwritable when it is called."""
    string = _string_writer(column)

    def write(value: Value) -> bytes:
        if type(value) is bytes:
            return string(value)
        if type(value) is int:
            return b"%d" % value
        if value is None:
            return b"NULL"
        if isinstance(value, float) and math.isfinite(value):
            # With an exponent it is a DOUBLE, without one a DECIMAL.
            told = repr(value).encode()
            return told if b"e" in told else told + b"e0"
        raise Unwritable(f"the value of column {column.name or '?'} is {value!r}, which SQL cannot write")

    return write


def _string_writer(column: Column) -> Callable[[bytes], bytes]:
    if column.type == T.DECIMAL:
        return _decimal
    if column.type in _PRINTED or column.declared is not None:
        return _printed
    if column.type == T.JSON:
        return _text(b"utf8mb4")
    charset = charset_of(column.collation)
    if charset is not None and charset.name != "binary":
        name = charset.name.encode()
        return _bytes(b"_" + name + b" ") if charset.codec is None or charset.is_strict else _text(name)
    return _text(b"utf8mb4") if column.type in _CHOICES else _bytes(b"")


def _decimal(value: bytes) -> bytes:
    # Without a dot it would be an integer, with other limits.
    return value if b"." in value else value + b"."


def _printed(value: bytes) -> bytes:
    return b"'%b'" % value


def _bytes(introducer: bytes) -> Callable[[bytes], bytes]:
    return lambda value: b"%bx'%b'" % (introducer, value.hex().encode())


def _text(charset: bytes) -> Callable[[bytes], bytes]:
    def write(value: bytes) -> bytes:
        # Without quotes and backslashes it is the same in every mode.
        if value.isascii() and b"'" not in value and b"\\" not in value and b"\0" not in value:
            return b"'%b'" % value
        return b"_%b x'%b'" % (charset, value.hex().encode())

    return write
