"""The types that MySQL derives for the parameters of a prepared statement, and how executions change them.

What a preparation told and what executions send comes in; the types that the server's statement has by then go out, a
letter for each parameter. MySQL derives them from where a parameter stands, and prepares the statement anew for other
ones when a number or a moment comes that does not fit (manual page "PREPARE Statement"). Text always fits, but when the
statement is prepared anew for the sake of another value, it depends on what it reads like. Which fit, no page says: the
server's counter Com_stmt_reprepare does, and tests/differential sees it in results. Nothing is sent here.
"""

from __future__ import annotations

from dbmux.wire import packet
from dbmux.wire.columns import FieldType, parse_column
from dbmux.wire.rows import Moment, Span, Value
from dbmux.wire.statements import Execute, ParameterType, parse_types

NULL, TEXT, INTEGER, UNSIGNED, DECIMAL, DOUBLE, DATE, DATETIME, TIME, YEAR, BIT, JSON, GEOMETRY = b"0siunfdmhybjg"
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
# What fits, besides NULL and text.
_FITS = {
    TEXT: b"",
    INTEGER: b"i",
    UNSIGNED: b"u",
    DECIMAL: b"iun",
    DOUBLE: b"iunf",
    DATE: b"iunfd",
    DATETIME: b"iunfdmh",
    TIME: b"iunfmh",
    YEAR: b"iu",
    BIT: b"u",
    JSON: b"",
    GEOMETRY: b"iunfdmh",
}
# A value of each kind that changes types, and how it is sent.
_EXAMPLES: dict[int, tuple[int, Value]] = {
    INTEGER: (FieldType.LONGLONG, 1),
    UNSIGNED: (FieldType.LONGLONG, 1),
    DECIMAL: (FieldType.NEWDECIMAL, b"1"),
    DOUBLE: (FieldType.DOUBLE, 1.0),
    DATE: (FieldType.DATE, Moment(2000, 1, 1)),
    DATETIME: (FieldType.DATETIME, Moment(2000, 1, 1)),
    TIME: (FieldType.TIME, Span(False, 0, 0, 0, 0)),
    NULL: (FieldType.NULL, None),
}


def derived_at_first(answer: bytes, parameters: int) -> bytes:
    """The types of a statement that was just prepared, by the packets of the answer; raises ProtocolError."""
    letters, end = bytearray(), packet.HEADER + int.from_bytes(answer[:3], "little")
    for _ in range(parameters):
        start = end + packet.HEADER
        end = start + int.from_bytes(answer[end : end + 3], "little")
        told = parse_column(answer[start:end], 0)
        letters.append(_PLACES.get(told.type) or _letter(told.type, told.is_unsigned))
    return bytes(letters)


def sent(types: bytes, nulls: int, capabilities: int) -> bytes:
    """What the values of an execution are, by their types as in the command and the map of NULLs; attributes too.

    Raises ProtocolError for malformed types.
    """
    told = parse_types(types, capabilities)
    return bytes(
        NULL if nulls >> index & 1 else _letter(kind.type, kind.is_unsigned) for index, kind in enumerate(told)
    )


def fits(derived: bytes, values: bytes) -> bool:
    """Whether MySQL takes these values without preparing the statement anew."""
    return all(value in (NULL, TEXT) or value in _FITS[type_] for type_, value in zip(derived, values, strict=False))


def derived_after(derived: bytes, values: bytes, at_first: bytes) -> bytes:
    """The types after an execution with these values, of a statement that had them `at_first`; or UNKNOWN."""
    if fits(derived, values):
        return derived
    after = bytearray(derived)
    for index, (type_, value) in enumerate(zip(derived, values, strict=False)):
        if value == TEXT != type_:
            return UNKNOWN
        if value != TEXT:
            after[index] = at_first[index] if value == NULL else value
    # What no single execution brings about cannot be had again.
    is_reachable = after == at_first or not fits(at_first, _brought_about_by(bytes(after), at_first))
    return bytes(after) if is_reachable else UNKNOWN


def rehearsal(statement: int, derived: bytes, at_first: bytes, capabilities: int) -> bytes:
    """The execution, behind its command byte, after which a statement that was just prepared has these types."""
    examples = [_EXAMPLES[value] for value in _brought_about_by(derived, at_first)]
    return Execute(
        statement=statement,
        types=tuple(ParameterType(kind, type_ == UNSIGNED) for type_, (kind, _) in zip(derived, examples, strict=True)),
        values=tuple(value for _, value in examples),
    ).build(capabilities)


def _brought_about_by(derived: bytes, at_first: bytes) -> bytes:
    # The values that turn the types that a statement had at first into these.
    return bytes(NULL if type_ == first else type_ for type_, first in zip(derived, at_first, strict=True))


def _letter(kind: int, is_unsigned: int) -> int:
    letter = _LETTERS.get(kind, TEXT)
    return UNSIGNED if letter == INTEGER and is_unsigned else letter
