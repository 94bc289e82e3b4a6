"""What the connections of a pool are busy with, told to the one who waited for one in vain.

What each holder says of itself comes in, half a sentence goes out. Never looks at a connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from dbmux.query import PinReason


class Occupation(NamedTuple):
    """Why a connection is held: the reason, or None while a query runs; `since` is by time.perf_counter."""

    reason: PinReason | None
    since: float


def describe(occupations: Iterable[Occupation], now: float) -> str:
    """For example `31 in transactions (oldest 4m12s), 19 pinned (12 GET_LOCK, 7 temporary table)`."""
    them = list(occupations)
    queries = [one for one in them if one.reason is None]
    transactions = [one for one in them if one.reason is PinReason.TRANSACTION]
    pins = [one for one in them if one.reason not in (None, PinReason.TRANSACTION)]
    told = []
    if transactions:
        told.append(f"{len(transactions)} in transactions (oldest {_oldest(transactions, now)})")
    if pins:
        counts = Counter(str(one.reason) for one in pins)
        told.append(f"{len(pins)} pinned ({', '.join(f'{count} {reason}' for reason, count in counts.most_common())})")
    if queries:
        told.append(f"{len(queries)} running queries (oldest {_oldest(queries, now)})")
    return ", ".join(told)


def _oldest(some: list[Occupation], now: float) -> str:
    return span(max(now - one.since for one in some))


def span(seconds: float) -> str:
    """A duration for people: 5s, 4m12s, 3h02m."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
