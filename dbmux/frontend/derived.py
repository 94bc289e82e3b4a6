"""The types that MySQL derives for the parameters of a prepared statement, and how executions change them.

What a preparation told and what executions send comes in; the types that the server's statement has by then go out, a
letter for each parameter. MySQL derives them from where a parameter stands, and prepares the statement anew for other
ones when a number or a moment comes that does not fit (manual page "PREPARE Statement"). For a text it counts what it
reads like. NULL always fits, but when the statement is prepared anew for another value, it gets the type of its
surroundings, for which the letter NULL stands. Which values fit, no page says: the server's counter Com_stmt_reprepare
does, and tests/differential sees it in results. Nothing is sent here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite

from dbmux.wire import packet
from dbmux.wire.columns import FieldType, parse_column
from dbmux.wire.handshake import Greeting
from dbmux.wire.rows import Moment, Span, Typed, Value
from dbmux.wire.statements import Execute, ParameterType, parse_types

NULL, TEXT, INTEGER, UNSIGNED, DECIMAL, DOUBLE, DATE, DATETIME, TIME, YEAR, BIT, JSON, GEOMETRY = b"0siunfdmhybjg"
# Texts that read like a whole number, like another number, and of which that is not known.
WHOLE, NUMERAL, UNREAD = b"wxo"
# Older ones take each value for what it is (manual page "PREPARE Statement").
_SINCE = (8, 0, 22)
# Instead of letters.
UNKNOWN = b""
_LETTERS: dict[int, int] = {
    FieldType.TINY: INTEGER,
    FieldType.SHORT: INTEGER,
    FieldType.INT24: INTEGER,
    FieldType.LONG: INTEGER,
    FieldType.LONGLONG: INTEGER,
    FieldType.DECIMAL: DECIMAL,
    FieldType.NEWDECIMAL: DECIMAL,
    FieldType.FLOAT: DOUBLE,
    FieldType.DOUBLE: DOUBLE,
    FieldType.DATE: DATE,
    FieldType.DATETIME: DATETIME,
    FieldType.TIMESTAMP: DATETIME,
    FieldType.TIME: TIME,
}
# No value has one of these.
_PLACES: dict[int, int] = {FieldType.YEAR: YEAR, FieldType.BIT: BIT, FieldType.JSON: JSON, FieldType.GEOMETRY: GEOMETRY}
_FOR_NO_VALUE = frozenset(_PLACES.values())
_NUMBERS, _TEXTS = b"iunf", b"swxo"
_LIKE_NUMBERS = b"iunfwx"
# What fits, besides NULL and text that reads like nothing or like a whole number.
_FITS = {
    NULL: b"",
    TEXT: b"xo",
    INTEGER: b"i",
    UNSIGNED: b"u",
    DECIMAL: b"iunxo",
    DOUBLE: b"iunfxo",
    DATE: b"iunfdx",
    DATETIME: b"iunfdmhxo",
    TIME: b"iunfmhxo",
    YEAR: b"iuxo",
    BIT: b"uxo",
    JSON: b"xo",
    GEOMETRY: b"iunfdmhxo",
}
_MOMENTS = bytes((DATE, DATETIME, TIME))
_AT_ODDS = {TEXT: _NUMBERS + _MOMENTS} | dict.fromkeys(_NUMBERS, bytes((TEXT, UNREAD)) + _MOMENTS)
# What a parameter of a type becomes by a text, when the statement is prepared anew.
_MADE_OF_TEXT = {
    (INTEGER, WHOLE): INTEGER,
    (UNSIGNED, WHOLE): UNSIGNED,
    (INTEGER, NUMERAL): DECIMAL,
    (UNSIGNED, NUMERAL): DECIMAL,
    (DECIMAL, WHOLE): DECIMAL,
    (DECIMAL, NUMERAL): DECIMAL,
    (DOUBLE, WHOLE): DOUBLE,
    (DOUBLE, NUMERAL): DOUBLE,
    (TIME, WHOLE): TIME,
}
_WHOLE = re.compile(rb"\s*\+?\d{1,18}\s*")
_NUMERAL = re.compile(rb"\s*(-\d+|\+?\d{21,}|[+-]?(\d+\.\d*|\.\d+|\d+(?=e))(e[+-]?\d+)?)\s*", re.IGNORECASE)
# Longer texts are not looked at; of shorter ones, those with a digit may be moments.
_LONGEST_READ = 64
_LIKE_A_DATE = 10
# A value of each kind, and how it is sent.
_EXAMPLES: dict[int, tuple[int, Value]] = {
    INTEGER: (FieldType.LONGLONG, 1),
    UNSIGNED: (FieldType.LONGLONG, 1),
    DECIMAL: (FieldType.NEWDECIMAL, b"1"),
    DOUBLE: (FieldType.DOUBLE, 1.0),
    DATE: (FieldType.DATE, Moment(2000, 1, 1)),
    DATETIME: (FieldType.DATETIME, Moment(2000, 1, 1)),
    TIME: (FieldType.TIME, Span(False, 0, 0, 0, 0)),
    TEXT: (FieldType.VAR_STRING, b""),
    NULL: (FieldType.NULL, None),
}


def derives(greeting: Greeting) -> bool:
    """Whether this server keeps types for the parameters of its statements."""
    return not greeting.is_mariadb and greeting.numbers >= _SINCE


def derived_at_first(answer: bytes, parameters: int) -> bytes:
    """The types of a statement that was just prepared, by the packets of the answer; raises ProtocolError."""
    letters, end = bytearray(), packet.HEADER + int.from_bytes(answer[:3], "little")
    for _ in range(parameters):
        start = end + packet.HEADER
        end = start + int.from_bytes(answer[end : end + 3], "little")
        told = parse_column(answer[start:end], 0)
        letter = _PLACES.get(told.type) or _letter(told)
        letters.append(TEXT if letter == UNREAD else letter)
    return bytes(letters)


def sent(types: bytes, nulls: int, capabilities: int) -> bytes:
    """What the values of an execution are, by their types as in the command and the map of NULLs; attributes too.

    Raises ProtocolError for malformed types.
    """
    told = parse_types(types, capabilities)
    return bytes(NULL if nulls >> at & 1 else _letter(kind) for at, kind in enumerate(told))


def read(told: Sequence[ParameterType], values: Sequence[Value]) -> bytes:
    """The same, after a look at the texts."""
    return bytes(map(_what, told, values))


def fits(derived: bytes, values: bytes) -> bool:
    """Whether MySQL surely takes these values without preparing the statement anew."""
    return all(_fits(type_, value) for type_, value in zip(derived, values, strict=False))


def derived_after(derived: bytes, values: bytes, at_first: bytes) -> bytes:
    """The types after an execution with these values, of a statement that had them `at_first`; or UNKNOWN."""
    if fits(derived, values):
        return derived
    if all(_fits(type_, value) or _is_open(type_, value) for type_, value in zip(derived, values, strict=False)):
        return UNKNOWN
    after = _made_anew(derived, values)
    # What no single execution brings about cannot be had again.
    is_reachable = after == at_first or (not fits(at_first, after) and _made_anew(at_first, after) == after)
    return after if is_reachable else UNKNOWN


def likely_after(derived: bytes, values: bytes, at_first: bytes) -> bytes:
    """The same where places whose types are open get values: as if these were what they were at first. Or UNKNOWN."""
    places = zip(derived, values, at_first, strict=False)
    settled = bytes(first if type_ == NULL != value else type_ for type_, value, first in places)
    return derived_after(settled, values, at_first) or derived_after(at_first, values, at_first)


def are_at_odds(places: bytes, values: bytes) -> bool:
    """Whether one of these values is of another sort than its place, by the types at first.

    If such a value changes the types, later ones are compared as something else: text as numbers, say.
    """
    return any(value in _AT_ODDS.get(place, b"") for place, value in zip(places, values, strict=False))


def rehearsal(statement: int, derived: bytes, capabilities: int) -> bytes:
    """The execution, behind its command byte, after which a statement that was just prepared has these types.

    They are such as `derived_after` gives, and not those that it had at first.
    """
    examples = [_EXAMPLES[type_] for type_ in derived]
    return Execute(
        statement=statement,
        types=tuple(ParameterType(kind, type_ == UNSIGNED) for type_, (kind, _) in zip(derived, examples, strict=True)),
        values=tuple(value for _, value in examples),
    ).build(capabilities)


def recast(told: Sequence[ParameterType], values: Sequence[Value], derived: bytes) -> list[tuple[ParameterType, Value]]:
    """The numbers that MySQL makes of these values where it has derived types of numbers; the others as they are.

    Attributes may stand behind the values.
    """
    letters = derived.ljust(len(values), bytes((TEXT,)))
    return [_recast(kind, value, type_) for kind, value, type_ in zip(told, values, letters, strict=True)]


def _recast(told: ParameterType, value: Value, type_: int) -> tuple[ParameterType, Value]:
    what = _what(told, value)
    if what == type_ or what not in _LIKE_NUMBERS or type_ not in _NUMBERS:
        return told, value
    text = value if isinstance(value, bytes) else str(value).encode()
    if type_ == DECIMAL:
        return ParameterType(FieldType.NEWDECIMAL, name=told.name), text
    if type_ == DOUBLE and isfinite(number := float(text)):
        return ParameterType(FieldType.DOUBLE, name=told.name), number
    if type_ != DOUBLE and what == WHOLE:
        return ParameterType(FieldType.LONGLONG, type_ == UNSIGNED, told.name), int(text)
    return told, value


def _what(told: ParameterType, value: Value) -> int:
    if value is None:
        return NULL
    letter = _letter(told)
    return _look(value) if letter == UNREAD and isinstance(value, bytes) else letter


def _fits(type_: int, value: int) -> bool:
    return value in (NULL, TEXT, WHOLE) or value in _FITS[type_]


def _is_open(type_: int, value: int) -> bool:
    # Whether it may fit or not.
    return type_ == NULL or value == UNREAD


def _made_anew(derived: bytes, values: bytes) -> bytes:
    after = bytearray()
    for type_, value in zip(derived, values, strict=False):
        made = TEXT if type_ == TEXT and value in _TEXTS else _MADE_OF_TEXT.get((type_, value), value)
        if type_ in _FOR_NO_VALUE or (made in _TEXTS and type_ != TEXT) or (type_ == NULL and value in _NUMBERS):
            return UNKNOWN
        after.append(TIME if type_ == TIME and value in _NUMBERS else made)
    return bytes(after)


def _look(text: bytes) -> int:
    if len(text) > _LONGEST_READ:
        return UNREAD
    if _WHOLE.fullmatch(text):
        return WHOLE
    if _NUMERAL.fullmatch(text):
        return NUMERAL
    return UNREAD if len(text) > _LIKE_A_DATE and any(byte in b"0123456789" for byte in text) else TEXT


def _letter(what: Typed) -> int:
    letter = _LETTERS.get(what.type, UNREAD)
    return UNSIGNED if letter == INTEGER and what.is_unsigned else letter
