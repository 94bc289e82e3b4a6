"""Durations and sizes as people write them.

`"30s"`, `"1.5h"`, `"64MB"` or a plain number come in; seconds and bytes go out. Raises ValueError with what would
be right.
"""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")


def seconds(value: object) -> float:
    """A duration in seconds; a number without a unit is seconds."""
    number, unit = _quantity(value, 'a duration like "30s", "500ms", "5m"')
    if unit and unit not in _SECONDS:
        raise ValueError(f'{value!r} has an unknown unit; write a duration like "30s", "500ms", "5m", "1h"')
    return number * _SECONDS.get(unit, 1.0)


def size(value: object) -> int:
    """A size in bytes; a number without a unit is bytes."""
    number, unit = _quantity(value, 'a size like "64MB"')
    if unit and unit not in _BYTES:
        raise ValueError(f'{value!r} has an unknown unit; write a size like "512kB", "64MB", "1GB"')
    return int(number * _BYTES.get(unit, 1))


def _quantity(value: object, wanted: str) -> tuple[float, str]:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not {wanted}")
    matched = _QUANTITY.fullmatch(str(value))
    if matched is None:
        raise ValueError(f"{value!r} is not {wanted}")
    return float(matched[1]), matched[2].lower()
