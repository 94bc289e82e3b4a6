"""A prepared statement with its arguments in it, as one text that means the same.

The text as it was prepared and the arguments as they came on the wire go in; a text with a literal in the place of each
placeholder comes out. Placeholders are found by tokens, so that none is seen in a literal or a comment. No value ends
its literal, whatever it is and whatever the sql_mode; `flags` are the lexer's for the mode of the session. Text is
thought to be UTF-8; what is not becomes a literal of bytes. A literal has its own type also where MySQL takes an
argument for what the text around it wants, as in `? / 3`. For people and their tools: DbMux itself sends arguments as
arguments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from datetime import date
from enum import Enum, auto
from typing import NamedTuple

from dbmux.errors import DbMuxError
from dbmux.lexer import NO_BACKSLASH_ESCAPES, Token, tokens
from dbmux.wire.columns import FieldType
from dbmux.wire.rows import Moment, Span, Value
from dbmux.wire.statements import Indicator

# Servers take values of these types for bytes without a character set.
BINARY = frozenset(
    (
        FieldType.TINY_BLOB,
        FieldType.MEDIUM_BLOB,
        FieldType.LONG_BLOB,
        FieldType.BLOB,
        FieldType.GEOMETRY,
        FieldType.VECTOR,
    )
)
DECIMALS = frozenset((FieldType.DECIMAL, FieldType.NEWDECIMAL))
DATES = frozenset((FieldType.DATE, FieldType.NEWDATE))
DECIMAL = re.compile(rb"-?[0-9]{1,65}(?:\.[0-9]{1,38})?")

_ORDINARY = frozenset(b" \t\r\n(),;=<>")
_SHOWN_SPACE = str.maketrans("", "", "\n\t")
_LIMIT_DIGITS = 20
_LONGEST_TIME_S = 838 * 3600 + 59 * 60 + 59


class NotBound(DbMuxError):
    """The arguments cannot be put into the text; the message says why."""


class Argument(NamedTuple):
    """A value and its `FieldType`; an `Indicator` stands for what only a bulk execution can say."""

    value: Value | Indicator
    type: int


class Place(NamedTuple):
    """A placeholder: where it is in the text, its argument, and what must stand around it to mean the same."""

    begin: int
    end: int
    argument: Argument
    before: bytes
    behind: bytes


def bind(text: bytes, arguments: Sequence[Argument], flags: int = 0) -> bytes:
    """The text with its arguments; raises NotBound."""
    told, at = [], 0
    for place in places(text, arguments, flags):
        told += [text[at : place.begin], place.before, literal(place.argument, flags), place.behind]
        at = place.end
    return b"".join((*told, text[at:]))


def places(text: bytes, arguments: Sequence[Argument], flags: int = 0) -> list[Place]:
    """The placeholders with their arguments; raises NotBound when there are not as many."""
    found = list(_placeholders(text, flags))
    if len(found) != len(arguments):
        raise NotBound(f"the statement has {len(found)} placeholders, and {len(arguments)} arguments are known")
    return [_place(text, *where, argument) for where, argument in zip(found, arguments, strict=True)]


def literal(argument: Argument, flags: int = 0) -> bytes:
    """One value as SQL; raises NotBound."""
    value, kind = argument
    match value:
        case None:
            return b"NULL"
        case Indicator():
            return _indicated(value)
        case Moment():
            return _moment(value, kind)
        case Span():
            return _span(value)
        case bytes() if kind in DECIMALS and DECIMAL.fullmatch(value):
            # Without a dot it would be an integer, with other limits.
            return value if b"." in value else value + b"."
        case bytes():
            return _string(value, kind, flags)
        case int():
            return b"%d" % value
        case _ if math.isfinite(value):
            # With an exponent it is a DOUBLE, without one a DECIMAL.
            told = repr(value).encode()
            return told if b"e" in told else told + b"e0"
        case _:
            raise NotBound(f"one of the arguments is {value}, which SQL cannot write")


class _Role(Enum):
    """What a placeholder is for, where the same value means another thing as a literal."""

    VALUE = auto()
    LIMIT = auto()
    """Of LIMIT and OFFSET, where servers take an argument for an integer, whatever its type is."""
    ORDINAL = auto()
    """In the list behind ORDER BY or GROUP BY, where a number names a column: as an argument, on MariaDB alone."""
    NAMED = auto()
    """Before the name of its column in quotes, which would become a part of a literal."""


def _placeholders(text: bytes, flags: int) -> Iterator[tuple[int, int, _Role]]:
    found = tokens(text, 0, flags)
    kinds = [kind for kind, _, _ in found]
    words = [text[begin:end].upper() if kind == Token.WORD else b"" for kind, begin, end in found]
    depth, lists = 0, -1
    for at, (kind, begin, end) in enumerate(found):
        depth += (kind == Token.OPEN) - (kind == Token.CLOSE)
        if words[at] == b"SELECT" or (kind == Token.CLOSE and depth < lists):
            lists = -1
        elif words[at] == b"BY":
            lists = depth
        if kind != Token.PLACEHOLDER:
            continue
        is_next = at > 0 and kinds[at - 1] == Token.COMMA
        if (at > 0 and words[at - 1] in (b"LIMIT", b"OFFSET")) or (is_next and at > 2 and words[at - 3] == b"LIMIT"):
            role = _Role.LIMIT
        elif 0 <= lists == depth and (is_next or words[at - 1] == b"BY"):
            role = _Role.ORDINAL
        elif kinds[at + 1 : at + 2] == [Token.STRING]:
            role = _Role.NAMED
        else:
            role = _Role.VALUE
        yield begin, end, role


def _place(text: bytes, begin: int, end: int, role: _Role, argument: Argument) -> Place:
    match role, argument.value:
        case _Role.LIMIT, bytes() as told if told.isdigit() and len(told) <= _LIMIT_DIGITS:
            argument = Argument(int(told), FieldType.LONGLONG)
        case _Role.LIMIT, float() as number if number.is_integer():
            argument = Argument(int(number), FieldType.LONGLONG)
        case _Role.ORDINAL, int():
            raise NotBound("an argument in ORDER BY or GROUP BY names a column on some servers, and on others none")
        case _Role.NAMED, _:
            return Place(begin, end, argument, b" (", b") ")
    # A literal right beside a word, or behind a minus sign, would be another thing.
    before = b"" if begin == 0 or text[begin - 1] in _ORDINARY else b" "
    behind = b"" if end == len(text) or text[end] in _ORDINARY else b" "
    return Place(begin, end, argument, before, behind)


def _indicated(indicator: Indicator) -> bytes:
    match indicator:
        case Indicator.NULL | Indicator.DEFAULT:
            return indicator.name.encode()
        case _:
            raise NotBound("one of the arguments says that its column is left as it is, which SQL cannot say")


def _moment(moment: Moment, kind: int) -> bytes:
    day = b"%04d-%02d-%02d" % moment[:3]
    clock = b"%02d:%02d:%02d" % moment[3:6] + _fraction(moment.microsecond)
    # What no calendar has is no literal of its type, but servers take it for a string.
    is_real = _is_date(moment) and moment.hour < 24 and moment.minute < 60 and moment.second < 60
    if kind in DATES:
        return (b"DATE'%b'" if is_real else b"'%b'") % day
    return (b"TIMESTAMP'%b %b'" if is_real else b"'%b %b'") % (day, clock)


def _is_date(moment: Moment) -> bool:
    try:
        date(*moment[:3])
    except ValueError:
        return False
    return True


def _span(span: Span) -> bytes:
    hours = span.days * 24 + span.hours
    sign = b"-" if span.is_negative else b""
    clock = b"%b%02d:%02d:%02d" % (sign, hours, span.minutes, span.seconds) + _fraction(span.microseconds)
    is_real = hours * 3600 + span.minutes * 60 + span.seconds <= _LONGEST_TIME_S and max(span[3:5]) < 60
    return (b"TIME'%b'" if is_real else b"'%b'") % clock


def _fraction(microseconds: int) -> bytes:
    return b".%06d" % microseconds if microseconds else b""


def _string(value: bytes, kind: int, flags: int) -> bytes:
    try:
        text = value.decode("ascii" if kind in BINARY else "utf-8")
    except UnicodeDecodeError:
        return b"_binary x'%b'" % value.hex().encode()
    introducer = b"_binary " if kind in BINARY else b""
    is_plain = b"\\" not in value or not (introducer or flags & NO_BACKSLASH_ESCAPES)
    if not is_plain or not text.translate(_SHOWN_SPACE).isprintable():
        # Nothing invisible is pasted anywhere, and no single backslash.
        return b"%bx'%b'" % (introducer or b"_utf8mb4 ", value.hex().encode())
    return b"%b'%b'" % (introducer, value.replace(b"\\", b"\\\\").replace(b"'", b"''"))
