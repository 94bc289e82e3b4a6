"""Which reads are looked at: a share of all, and of each kind of statement the first ones, so that none is overlooked.

The meaning of each read comes in, yes or no goes out. Chance is passed in. Bounded: of meanings that there is no room
for, the one that was begun first is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from dbmux.query import Query

MOST_KNOWN = 5000
# Of each kind of statement so many are taken, whatever the share is.
FIRST = 3
# Where every statement is of another kind, as without placeholders and digests it may seem, the share holds all the
# same, but for so many.
MOST_FIRST = 200


class Taken(Enum):
    """Whether a read is looked at, and why: it is one of the first of its kind, or of the share."""

    NO = auto()
    FIRST = auto()
    SHARE = auto()


class Sampler:
    """`share` is from 0.0, which takes nothing, to 1.0."""

    def __init__(self, share: float, random: Callable[[], float]) -> None:
        self.share = share
        self._random = random
        # By the identity of the meaning, which statements of one digest share; kept alive, so that none is reused.
        self._seen: dict[int, tuple[Query, int]] = {}
        self._offered = 0
        self._firsts = 0

    def takes(self, query: Query) -> Taken:
        """Whether this one is looked at."""
        if self.share <= 0.0:
            return Taken.NO
        self._offered += 1
        _, seen = self._seen.get(id(query), (query, 0))
        if seen < FIRST:
            if not seen and len(self._seen) >= MOST_KNOWN:
                del self._seen[next(iter(self._seen))]
            self._seen[id(query)] = (query, seen + 1)
            if self._firsts < MOST_FIRST + self.share * self._offered:
                self._firsts += 1
                return Taken.FIRST
        return Taken.SHARE if self._random() < self.share else Taken.NO
