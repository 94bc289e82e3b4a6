"""Figures and moments as people write them in a filter: `5ms`, `10..20k`, `14:02..14:05`, `2026-01-31T14:02Z`.

Text comes in, values in base units go out; ValueError says what would be right. Never looks at a clock.
"""

from __future__ import annotations

import re
from datetime import datetime, time

from dbmux.feed.filter.fields import Measure
from dbmux.feed.filter.tree import Moment, Quantity, Range, Span

# More digits than any figure has, and far fewer than overflow a float.
_FIGURE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?([a-zµ%]*)", re.IGNORECASE)
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?P<seconds>:[0-9]{2}(?:\.(?P<fraction>[0-9]{1,6}))?)?"
_TIME = re.compile(_CLOCK)
_DATE = re.compile(rf"20[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}(?P<time>T{_CLOCK}(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?")
_DAY_S = 86400.0
_A_MOMENT = "a time: 14:02, 14:02:11.5, 2026-01-31, 2026-01-31T14:02Z"
_BETWEEN = ".."


def quantity(text: str, measure: Measure, default_unit: str = "") -> Quantity:
    """A figure in the measure's base unit; without a unit it has the default one."""
    matched = _FIGURE.fullmatch(text)
    if matched is None:
        raise ValueError(f"{text!r} is not {measure.form}")
    whole, decimals, written = matched[1], matched[2] or "", matched[3].lower()
    unit = written or default_unit
    if unit not in measure.units and not written:
        if float(f"{whole}.{decimals}") != 0:
            raise ValueError(f"{text} of what? Write {measure.form}")
        # Nothing is nothing in any unit; less than this is shown as nothing.
        return Quantity(0.0, min(measure.units.values()), text)
    if unit not in measure.units:
        raise ValueError(f"{text!r} has an unknown unit; write {measure.form}")
    size = measure.units[unit]
    return Quantity(float(f"{whole}.{decimals}") * size, size / 10 ** len(decimals), text)


def is_between(text: str) -> bool:
    """Whether it is two of them, or one that is open to a side."""
    return _BETWEEN in text


def range_of(text: str, measure: Measure) -> Range:
    """From one figure to another; in `10..20ms` both have the unit."""
    first, _, last = text.partition(_BETWEEN)
    high = quantity(last, measure) if last else None
    unit = last.lstrip("0123456789.").lower()
    low = quantity(first, measure, "" if "" in measure.units else unit) if first else None
    if low is None and high is None:
        raise ValueError(f"write {measure.form}, before or behind ..")
    if low is not None and high is not None and low.number > high.number:
        raise ValueError(f"{first} is more than {last}; write the smaller one first")
    return Range(low, high)


def moment(text: str) -> Moment:
    """A point in time or a time of day."""
    written = text.upper()
    try:
        if (matched := _TIME.fullmatch(written)) is not None:
            # `9:05` is `09:05`.
            padded = written.zfill(2 + len(written) - written.index(":"))
            return Moment(time.fromisoformat(padded), _step(matched), text)
        if (matched := _DATE.fullmatch(written)) is not None:
            return Moment(datetime.fromisoformat(written), _step(matched) if matched["time"] else _DAY_S, text)
    except ValueError:
        # There is no such day or hour.
        pass
    raise ValueError(f"{text!r} is not {_A_MOMENT}")


def _step(matched: re.Match[str]) -> float:
    if not matched["seconds"]:
        return 60.0
    return 10.0 ** -len(matched["fraction"] or "")


def span_of(text: str) -> Span:
    """From one moment to another."""
    first, _, last = text.partition(_BETWEEN)
    low, high = (moment(one) if one else None for one in (first, last))
    if low is None and high is None:
        raise ValueError(f"write {_A_MOMENT}, before or behind ..")
    return Span(low, high)
