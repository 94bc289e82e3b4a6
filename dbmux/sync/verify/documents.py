"""Whether two texts are the same JSON.

Texts come in, a verdict goes out: the order of keys, white space, escapes and the forms of numbers are of no account,
the order of arrays is, and of a name that is there twice the last counts. MySQL keeps a fraction as a floating-point
number, MariaDB as it was written: two numbers are the same when they are equal, or when one of them is the text of the
floating-point number that is nearest to the other. Both keep integers of 64 bits as they are: those are the same only
when they are equal.
"""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import zip_longest
from math import isinf

from dbmux.sync.verify.normal import Writer

# Below this every whole floating-point number is an integer's.
_WHOLE = float(1 << 53)
# A text of fewer digits is that of one floating-point number alone.
_DIGITS = 16
_LONGEST_INTEGER = len(str(-(2**63)))
_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# A text, a number, or what is between them.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[-0-9][-+.0-9eE]*+|[^-"0-9]++')
_SHORTEST = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:e([+-][0-9]+))?")
# Where the decimal point of a number can be for MySQL to write it without an exponent.
_POINT_FROM, _POINT_TO = -14, 15


class _Unsure(Exception):  # noqa: N818 - it is no error
    """A number that one family keeps as it is written, and the other as the nearest that it can."""


class Meaning:
    """Writes texts by what they mean."""

    def __init__(self) -> None:
        self._write = Writer(_by_value).write

    def of(self, text: bytes) -> bytes | bytearray | None:
        """Bytes that are equal for the same JSON; None where two texts have to be looked at to know."""
        try:
            return self._write(text)
        except _Unsure:
            return None
        except ValueError:
            return text


class AsMySQL:
    """Writes texts as MySQL does once it has them."""

    def __init__(self) -> None:
        self._write = Writer(_of_mysql).write

    def of(self, text: bytes) -> bytes | bytearray:
        """Bytes that are equal for the same JSON, and often not for what is the same but for the forms of numbers. What
        is no JSON stays as it is."""
        try:
            return self._write(text)
        except ValueError:
            return text


def _by_value(text: bytes) -> bytes:
    number = float(text)
    plain = text.decode("ascii")
    if repr(number) != plain:
        exact = _number(text)
        if isinstance(exact, int):
            return b"%d" % exact
        if len(plain) >= _DIGITS and Decimal(repr(number)) != Decimal(plain):
            raise _Unsure
    if number.is_integer() and -_WHOLE < number < _WHOLE:
        return b"%d" % number
    return repr(number).encode()


def _of_mysql(text: bytes) -> bytes:
    number: float | int = float(text)
    plain = text.decode("ascii")
    if repr(number) == plain and "e" not in plain and (len(plain) <= _DIGITS or not plain.endswith(".0")):
        return text
    number = _number(text)
    if isinstance(number, int):
        return b"%d" % number
    match = _SHORTEST.fullmatch(repr(number))
    assert match is not None
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or "0")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + exponent - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return f"{sign}0.0".encode()
    if point < _POINT_FROM or point > _POINT_TO and len(digits) <= point:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{rest}e{point - 1}".encode()
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}".encode()
    return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}".encode()


def _number(text: bytes) -> float | int:
    # An integer where MySQL has one, else the nearest floating-point number.
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError("no number")
    if match[2] is None and match[3] is None and len(text) <= _LONGEST_INTEGER:
        whole = int(text)
        if -(2**63) <= whole < 2**64:
            return whole
    number = float(text)
    if isinf(number):
        raise ValueError("too large")
    return number


def is_same(first: bytes, second: bytes) -> bool:
    """Whether they mean the same; what is no JSON is only like itself."""
    if first == second:
        return True
    try:
        one, other = (Writer(bytes).write(text) for text in (first, second))
    except ValueError:
        return False
    # Now numbers alone are written in different ways.
    tokens = zip_longest(_TOKEN.finditer(one), _TOKEN.finditer(other))
    return all(a is not None and b is not None and _is_same(a[0], b[0]) for a, b in tokens)


def _is_same(one: bytes, other: bytes) -> bool:
    if one == other:
        return True
    if not (_NUMBER.fullmatch(one) and _NUMBER.fullmatch(other)):
        return False
    first, second = (Decimal(text.decode("ascii")) for text in (one, other))
    return first == second or _kept(one) == second or first == _kept(other)


def _kept(text: bytes) -> Decimal | None:
    # What MySQL has once it has such a number.
    try:
        return Decimal(repr(_number(text)))
    except ValueError:
        return None
