# cython: annotation_typing=False, language_level=3
"""A log-linear histogram of durations: fixed buckets, exact counts, percentiles within 2 % or a microsecond.

Seconds come in, percentiles in seconds go out. 32 buckets to each power of two of microseconds. Never allocates after
it was made.
"""

from __future__ import annotations

from collections.abc import Iterable

SUB_BUCKETS = 32
MAX_MICROSECONDS = 1 << 36
_BUCKETS = SUB_BUCKETS * (MAX_MICROSECONDS.bit_length() - 4)


def bucket_of(microseconds: int) -> int:
    """The bucket of a duration; over 19 hours counts as 19 hours."""
    if microseconds < 0:
        return 0
    if microseconds > MAX_MICROSECONDS:
        microseconds = MAX_MICROSECONDS
    doublings = 0
    # Two or three times for a quick statement; `bit_length` would cost more when compiled.
    while microseconds >= 2 * SUB_BUCKETS:
        microseconds >>= 1
        doublings += 1
    return SUB_BUCKETS * doublings + microseconds


def middle(bucket: int) -> float:
    """The microseconds in the middle of a bucket."""
    if bucket < 2 * SUB_BUCKETS:
        return bucket + 0.5
    shift = (bucket >> 5) - 1
    return ((bucket & 31) + SUB_BUCKETS + 0.5) * (1 << shift)


def percentile(counted: Iterable[tuple[int, int]], count: int, percent: float) -> float:
    """The duration, in seconds, that `percent` of all did not exceed (nearest rank); 0 when there are none.

    `counted` are the buckets in their order, each with how many durations it has; `count` have all together.
    """
    wanted = count * percent / 100
    seen = 0
    for bucket, number in counted:
        seen += number
        if number and seen >= wanted:
            return middle(bucket) / 1_000_000
    return 0.0


class Histogram:
    """Counts durations; `count` and `sum_s` are exact."""

    __slots__ = ("_buckets", "count", "sum_s")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self.count = 0
        self.sum_s = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration."""
        self.count_in(bucket_of(int(seconds * 1_000_000)), seconds)

    def count_in(self, bucket: int, seconds: float) -> None:
        """The same with the bucket known."""
        self._buckets[bucket] += 1
        self.count += 1
        self.sum_s += seconds

    def percentile(self, percent: float) -> float:
        """The duration, in seconds, that `percent` of all did not exceed."""
        return percentile(enumerate(self._buckets), self.count, percent)

    def buckets(self) -> list[int]:
        """How many durations each bucket has: a copy."""
        return list(self._buckets)

    def below(self, seconds: float) -> int:
        """How many durations were at most as long as this, to the bucket's width."""
        return sum(self._buckets[: bucket_of(int(seconds * 1_000_000))])
