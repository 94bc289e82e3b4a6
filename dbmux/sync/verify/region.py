"""Parts of a table: ranges of its key, and what is known of one.

A key is the bytes of its columns, in the form that is the same on both servers. Ranges follow each other: each begins
after the key at which the one before it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Key = tuple[bytes, ...]
# What stands for a value of a row: its bytes, or their digest and beginning; None is NULL.
Seen = tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The keys after `after`, up to and with `to`; None for no border."""

    after: Key | None = None
    to: Key | None = None


class Total(NamedTuple):
    """How many rows, and the sum of their digests: equal for equal rows in any order, and it does not overflow."""

    rows: int
    sum: int


@dataclass(frozen=True, slots=True)
class Buckets:
    """Those rows whose key falls into one of `numbers`, when all keys are spread over `of` buckets."""

    of: int
    numbers: frozenset[int]


ALL = Buckets(1, frozenset((0,)))
NOTHING = Total(0, 0)
