"""Of which kind a difference between two values is.

Two values and their columns come in, a kind goes out, or None where they are the same. And a value without all that
only some kinds are about, so that rows which differ in nothing else are known as one. Pure functions; never raises.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Hashable
from decimal import Decimal, InvalidOperation
from typing import Any

from dbmux.cache.tables import fold
from dbmux.differences import DifferenceKind
from dbmux.wire.columns import BINARY_CHARSET, Column, FieldType
from dbmux.wire.rows import Moment, Span, Value

# Sums of floats come out otherwise when they are added in another order: so many of a double's 52 bits are alike.
SAME_BITS_DOUBLE, SAME_BITS_FLOAT = 46, 18
# A float that was rounded to so many digits at one side is still the same to people.
MANY_DIGITS = 6
# A quotient is calculated to so many digits more than its operands have (div_precision_increment): what has as many
# behind the point, and comes from no column, is no amount that was rounded.
CALCULATED_DIGITS = 4
# Longer texts are not read as JSON.
MAX_JSON = 1 << 20
_INTEGERS = frozenset(
    (FieldType.TINY, FieldType.SHORT, FieldType.LONG, FieldType.LONGLONG, FieldType.INT24, FieldType.YEAR)
)
_FLOATS = frozenset((FieldType.FLOAT, FieldType.DOUBLE))
_NUMBERS = _INTEGERS | _FLOATS | {FieldType.DECIMAL, FieldType.NEWDECIMAL}
_TIMES = frozenset((FieldType.DATE, FieldType.NEWDATE, FieldType.DATETIME, FieldType.TIMESTAMP, FieldType.TIME))
_ZERO_DATE = re.compile(rb"0000-\d\d-\d\d.*|\d{4}-00-\d\d.*|\d{4}-\d\d-00.*", re.DOTALL)
_CLOCK = re.compile(rb"(-?[\d -]*\d+:\d\d:\d\d)(\.\d*?)0*")
_MIDNIGHT = re.compile(rb"(\d{4}-\d\d-\d\d) 00:00:00")
_PADDING = b" \x00"


def exactly(value: Value) -> Hashable:
    """What is the same for two values only if nothing at all differs: also not the sign of a zero."""
    return struct.pack("<d", value) if isinstance(value, float) else value


def kind_of(source: Value, target: Value, one: Column, other: Column) -> DifferenceKind | None:
    """The kind of a difference between two values of a column, as the source and the target describe it."""
    if type(source) is type(target) and exactly(source) == exactly(target):
        return None
    if source is None or target is None:
        return _with_null(source if target is None else target)
    for look in _LOOKS:
        found = look(source, target, one, other)
        if found is not None:
            return found
    return DifferenceKind.VALUE


def loosely(value: Value, column: Column) -> Hashable:
    """The value without what only the lesser kinds are about: its scale, letter case, fractions, how it is written."""
    if value is None or value == b"" or _is_zero_date(value):
        return None
    if column.type in _NUMBERS:
        number = _number(value)
        return value if number is None else float(f"{float(number):.6g}")
    if column.type in _TIMES:
        return _moment(value)
    if not isinstance(value, bytes):
        return value
    document = _document(value, column)
    if document is not None:
        return document
    text = value.rstrip(_PADDING)
    return text if column.charset == BINARY_CHARSET else fold(_text(text))


def _with_null(there: Value) -> DifferenceKind:
    if there == b"":
        return DifferenceKind.NULL_OR_EMPTY
    return DifferenceKind.ZERO_DATE if _is_zero_date(there) else DifferenceKind.VALUE


def _of_numbers(source: Value, target: Value, one: Column, other: Column) -> DifferenceKind | None:
    if one.type not in _NUMBERS and other.type not in _NUMBERS:
        return None
    first, second = _number(source), _number(target)
    if first is None or second is None:
        return None
    is_float = one.type in _FLOATS or other.type in _FLOATS
    if first == second or (is_float and float(first) == float(second)):
        return DifferenceKind.FLOAT_TEXT if is_float else DifferenceKind.DECIMAL_SCALE
    if is_float:
        bits = SAME_BITS_FLOAT if FieldType.FLOAT in (one.type, other.type) else SAME_BITS_DOUBLE
        distance, size = abs(float(first) - float(second)), max(abs(float(first)), abs(float(second)))
        is_near = distance <= size * 2.0**-bits or (
            _digits(first, second) >= MANY_DIGITS and _is_rounded(first, second)
        )
        return DifferenceKind.FLOAT_DIGITS if is_near else DifferenceKind.VALUE
    is_calculated = not (one.original_table or other.original_table)
    is_fine = min(_scale(first), _scale(second)) >= CALCULATED_DIGITS
    if is_calculated and is_fine and _is_rounded(first, second):
        return DifferenceKind.DECIMAL_SCALE
    return DifferenceKind.VALUE


def _digits(first: Decimal, second: Decimal) -> int:
    return min(len(first.as_tuple().digits), len(second.as_tuple().digits))


def _is_rounded(first: Decimal, second: Decimal) -> bool:
    # One is the other with fewer digits behind the point.
    fine, rough = (first, second) if _scale(first) > _scale(second) else (second, first)
    if _scale(fine) == _scale(rough):
        return False
    try:
        return fine.quantize(Decimal(1).scaleb(-_scale(rough)), "ROUND_HALF_UP") == rough
    except InvalidOperation:
        return False


def _scale(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _number(value: Value) -> Decimal | None:
    match value:
        case bytes():
            try:
                number = Decimal(value.decode("ascii"))
            except (UnicodeDecodeError, InvalidOperation):
                return None
        case float() | int():
            number = Decimal(value)
        case _:
            return None
    # Nothing that a server stores is larger.
    return number if number.is_finite() and abs(number.adjusted()) < 400 else None


def _of_times(source: Value, target: Value, one: Column, other: Column) -> DifferenceKind | None:
    is_time = one.type in _TIMES or other.type in _TIMES or isinstance(source, Moment | Span)
    if not is_time:
        return None
    if _is_zero_date(source) or _is_zero_date(target):
        return DifferenceKind.ZERO_DATE
    return DifferenceKind.TIME_TEXT if _moment(source) == _moment(target) else None


def _moment(value: Value) -> Hashable:
    if not isinstance(value, bytes):
        return value
    clock = _CLOCK.fullmatch(value)
    if clock is not None:
        value = clock[1] + (b"" if clock[2] == b"." else clock[2])
    midnight = _MIDNIGHT.fullmatch(value)
    return value if midnight is None else midnight[1]


def _is_zero_date(value: Value) -> bool:
    match value:
        case Moment():
            return 0 in value[:3]
        case bytes():
            return _ZERO_DATE.fullmatch(value) is not None
        case _:
            return False


def _of_json(source: Value, target: Value, one: Column, other: Column) -> DifferenceKind | None:
    first, second = _document(source, one, other), _document(target, one, other)
    return DifferenceKind.JSON_TEXT if first is not None and first == second else None


def _document(value: Value, *columns: Column) -> Hashable:
    # What a JSON text says, None where it is none. A single value is one only in a column of that type.
    if not isinstance(value, bytes) or len(value) > MAX_JSON:
        return None
    is_json = any(column.type == FieldType.JSON for column in columns)
    if not is_json and value.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return _frozen(json.loads(value, parse_float=_json_number, parse_int=_json_number))
    except (ValueError, RecursionError, ArithmeticError):
        return None


def _json_number(text: str) -> tuple[str, Decimal]:
    # Marked: to Python, 1 and true are equal.
    return "number", Decimal(text)


def _frozen(document: Any) -> Hashable:
    match document:
        case dict():
            return "object", frozenset((key, _frozen(value)) for key, value in document.items())
        case list():
            return "array", tuple(map(_frozen, document))
        case None:
            return ("null",)
        case bool():
            return "true" if document else "false", ()
        case _:
            assert isinstance(document, Hashable)
            return document


def _of_texts(source: Value, target: Value, one: Column, other: Column) -> DifferenceKind | None:
    if not isinstance(source, bytes) or not isinstance(target, bytes):
        return None
    first, second = source.rstrip(_PADDING), target.rstrip(_PADDING)
    if first == second:
        return DifferenceKind.TRAILING_SPACES
    if one.charset == other.charset == BINARY_CHARSET:
        return None
    return DifferenceKind.LETTER_CASE if fold(_text(first)) == fold(_text(second)) else None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


_LOOKS: tuple[Callable[[Value, Value, Column, Column], DifferenceKind | None], ...] = (
    _of_numbers,
    _of_times,
    _of_json,
    _of_texts,
)
