"""Durations, sizes and counts as people write them.

`"30s"`, `"1.5h"`, `"64MB"` or a plain number come in, also a number in a string, because the environment has only
those; seconds, bytes and whole numbers go out, and the other way round. Raises ValueError with what would be right.
"""

from __future__ import annotations

import re
from math import isclose

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SPELT = {"b": "B", "kb": "kB", "mb": "MB", "gb": "GB"}
# More digits than any duration or size has, and far fewer than overflow a float.
_QUANTITY = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([a-zA-Z]*)\s*")
_COUNT = re.compile(r"\s*(-?[0-9]{1,18})\s*")

_A_DURATION = 'a duration like "30s", "500ms", "5m", "1h"'
_A_SIZE = 'a size like "512kB", "64MB", "1GB"'


def seconds(value: object) -> float:
    """A duration in seconds; a number without a unit is seconds."""
    number, unit = _quantity(value, _A_DURATION)
    if unit not in _SECONDS:
        raise ValueError(f"{_shown(value)} has an unknown unit; write {_A_DURATION}")
    return number * _SECONDS[unit]


def size(value: object) -> int:
    """A size in bytes; a number without a unit is bytes."""
    number, unit = _quantity(value, _A_SIZE)
    if unit not in _BYTES:
        raise ValueError(f"{_shown(value)} has an unknown unit; write {_A_SIZE}")
    return int(number * _BYTES[unit])


def seconds_told(value: float) -> str:
    """A duration as it would be written: in the largest unit of which it has a whole number, else in seconds."""
    for unit, factor in reversed(_SECONDS.items()):
        if unit and value and value % factor == 0:
            return f"{value / factor:.0f}{unit}"
    milliseconds = round(value * 1000)
    if value < 1 and isclose(milliseconds / 1000, value):
        return f"{milliseconds}ms"
    return f"{value:f}".rstrip("0").rstrip(".") + "s"


def size_told(value: int) -> str:
    """A size as it would be written: in the largest unit of which it has a whole number."""
    unit = next(unit for unit, factor in reversed(_BYTES.items()) if unit and value % factor == 0)
    return f"{value // _BYTES[unit]}{_SPELT[unit]}"


def count(value: object) -> int:
    """A whole number."""
    matched = _COUNT.fullmatch(str(value))
    if isinstance(value, bool) or not isinstance(value, int | str) or matched is None:
        raise ValueError(f"{_shown(value)} is not a whole number")
    return int(matched[1])


def _quantity(value: object, wanted: str) -> tuple[float, str]:
    matched = _QUANTITY.fullmatch(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float | str) or matched is None:
        raise ValueError(f"{_shown(value)} is not {wanted}")
    return float(matched[1]), matched[2].lower()


def _shown(value: object) -> str:
    # As it stands in the file, and not all of an object.
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            text = repr(value)
            return text if len(text) <= 60 else f"{text[:60]}…"
