"""Whether two texts are the same JSON.

Texts come in, a verdict goes out: the order of keys, white space, escapes and the forms of numbers are of no account,
the order of arrays is. MySQL keeps a fraction as a floating-point number, MariaDB as it was written: two numbers are
the same when they are equal, or when one of them is the text of the floating-point number that is nearest to the other.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from math import isinf
from typing import Any

# Below this every whole floating-point number is an integer's.
_WHOLE = float(1 << 53)
# A text of fewer digits is that of one floating-point number alone, and of fewer still an integer of 64 bits.
_DIGITS = 16
_LONG_INTEGER = re.compile(r"\d{19}")


class _Unsure(Exception):  # noqa: N818 - it is no error
    """A number that one family keeps as it is written, and the other as the nearest that it can."""


def canonical(text: bytes) -> bytes | None:
    """Bytes that are equal for the same JSON; None where two texts have to be looked at to know."""
    try:
        plain = text.decode()
        decode = _DECODE_LONG if _LONG_INTEGER.search(plain) else _DECODE
        return _ENCODE(decode(plain)).encode()
    except _Unsure:
        return None
    except (ValueError, RecursionError):
        return text


def _fraction(text: str) -> float | int:
    number = float(text)
    if len(text) >= _DIGITS and repr(number) != text and _nearest(Decimal(text)) != Decimal(text):
        raise _Unsure
    if isinf(number):
        raise ValueError
    return int(number) if number.is_integer() and -_WHOLE < number < _WHOLE else number


def _integer(text: str) -> float | int:
    number = int(text)
    return number if -(2**63) <= number < 2**64 else _fraction(text)


_DECODE = json.JSONDecoder(parse_float=_fraction).decode
_DECODE_LONG = json.JSONDecoder(parse_float=_fraction, parse_int=_integer).decode
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode


def is_same(first: bytes, second: bytes) -> bool:
    """Whether they mean the same; what is no JSON is only like itself."""
    if first == second:
        return True
    try:
        one, other = (json.loads(text, parse_float=Decimal, parse_int=Decimal) for text in (first, second))
    except (ValueError, RecursionError):
        return False
    return _is_same(one, other)


def _is_same(one: Any, other: Any) -> bool:
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_is_same(value, other[name]) for name, value in one.items())
        case list(), list():
            return len(one) == len(other) and all(map(_is_same, one, other))
        case Decimal(), Decimal():
            return one == other or _nearest(one) == other or one == _nearest(other)
        case _:
            return type(one) is type(other) and bool(one == other)


def _nearest(number: Decimal) -> Decimal | None:
    try:
        return Decimal(repr(float(number)))
    except OverflowError:
        return None
