"""Whether two texts are the same JSON.

Texts come in, a verdict goes out: the order of keys, white space, escapes and the forms of numbers are of no account,
the order of arrays is. MySQL keeps a fraction as a floating-point number, MariaDB as it was written: two numbers are
the same when they are equal, or when one of them is the text of the floating-point number that is nearest to the other.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


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
