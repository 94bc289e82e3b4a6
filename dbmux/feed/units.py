"""Numbers as people read them: durations, sizes and counts in few characters.

Plain numbers come in, short words go out, always of the same form for the same magnitude. Never rounds to nothing.
"""

from __future__ import annotations

_SIZES = ("B", "kB", "MB", "GB", "TB")


def duration(seconds: float) -> str:
    """At most seven characters: `0.4ms`, `12ms`, `3.20s`, `4m12s`, `3h05m`, `2d04h`."""
    if seconds < 0.0000005:
        return "0µs"
    if seconds < 0.0001:
        return f"{seconds * 1e6:.0f}µs"
    if seconds < 0.01:
        return f"{seconds * 1e3:.1f}ms"
    if seconds < 1:
        return f"{seconds * 1e3:.0f}ms"
    if seconds < 60:
        return f"{seconds:.2f}s" if seconds < 10 else f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h{minutes:02d}m"
    return f"{hours // 24}d{hours % 24:02d}h"


def taken(seconds: float) -> str:
    """A duration that was measured; `-` where there was nothing to measure."""
    return duration(seconds) if seconds else "-"


def size(number: float) -> str:
    """Bytes: `512B`, `1.2kB`, `48MB`; as in the configuration, a kB is 1024 of them."""
    for unit in _SIZES:
        if number < 1000 or unit == _SIZES[-1]:
            return f"{number:.0f}{unit}" if number >= 10 or unit == "B" else f"{number:.1f}{unit}"
        number /= 1024
    raise AssertionError


def count(number: float) -> str:
    """A number with its thousands apart; from a million on in short: `48,102`, `1.24M`."""
    if number < 1_000_000:
        return f"{number:,.0f}"
    if number < 1_000_000_000:
        return f"{number / 1e6:.2f}M"
    return f"{number / 1e9:.2f}G"


def many(number: float, one: str) -> str:
    """So many of something: `1 row`, `1,240 rows`."""
    told = count(number)
    return f"{told} {one}" if told == "1" else f"{told} {one}s"


def rate(number: float) -> str:
    """So many a second: `0.4`, `12`, `1,240`."""
    return f"{number:.1f}" if 0 < number < 10 else count(number)


def share(part: float, whole: float) -> str:
    """A part of a whole as a percentage: `-` of nothing."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    return f"{percent:.1f}%" if 0 < percent < 10 else f"{percent:.0f}%"
