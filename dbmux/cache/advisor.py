"""What caching would bring where it is not done, or for longer: kept by the digest of statements, for advice.

Hashes of keys come in whenever a server is asked, with the tables that are read; out goes how many of these questions
each ttl would have answered. Never keeps a key, a value or a reply, and never more than a thousand hashes: where
there are more, only a part of all keys is looked at, always the same, so that what is found holds for the others too.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nlargest

from dbmux.cache.tables import Table, capture

TTLS_S = (1.0, 5.0, 30.0, 300.0)
LONGEST_S = TTLS_S[-1]
MOST_KEYS = 1024
MOST_SUBJECTS = 512
# What is longer ago counts half, and so on.
HALF_LIFE_S = 1800.0
# Of less nothing can be said.
ENOUGH = 20
WORTHWHILE = 0.1
# A longer ttl than this share of the best needs is not advised.
NEARLY = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a ttl would bring for the statements of a digest.

    `share` is that of the questions that the server was asked, `saved_s` the server's seconds in a minute, `written`
    how often the tables are written in a minute. `is_cached` says that these were misses of results that are stored.
    """

    digest: bytes
    tables: str
    is_cached: bool
    ttl_s: float
    share: float
    asked: float
    saved_s: float
    written: float


class Subject:
    """The statements of one digest that read these tables; `in_force_s` is their ttl, 0 where they are not stored."""

    __slots__ = ("asked", "at_once", "digest", "in_force_s", "measured", "spent_s", "tables", "would", "written_before")

    def __init__(self, digest: bytes, tables: tuple[Table, ...], in_force_s: float) -> None:
        self.digest = digest
        self.tables = tables
        self.in_force_s = in_force_s
        self.asked = 0
        # Of them, those that every ttl would have answered, and those that only some would.
        self.at_once = 0
        self.would = [0] * len(TTLS_S)
        self.measured = 0
        self.spent_s = 0.0
        self.written_before = self._written()

    def took(self, seconds: float) -> None:
        """A question that was measured took the server so long, and its result can be stored."""
        self.measured += 1
        self.spent_s += seconds

    def begin(self) -> None:
        """Count from here on."""
        self.asked = self.at_once = 0
        self.would = [0] * len(TTLS_S)
        self.written_before = self._written()

    def halve(self) -> None:
        """Let what was counted so far be worth half."""
        self.asked //= 2
        self.at_once //= 2
        self.would = [count // 2 for count in self.would]
        self.written_before += (self._written() - self.written_before) // 2

    def advice(self, weight: int, minutes: float) -> Advice | None:
        """The shortest ttl that brings nearly the most, beyond the one in force; None where it is not worthwhile."""
        hits = [self.at_once + would for would in self.would]
        longer = bisect(TTLS_S, self.in_force_s)
        if longer == len(TTLS_S):
            return None
        # What the ttl in force would have answered was asked for another reason: there was no room for it, say.
        known = hits[longer - 1] if longer else 0
        most = max(hits[longer:])
        at = next(at for at in range(longer, len(hits)) if hits[at] >= known + NEARLY * (most - known))
        share = (hits[at] - known) / max(self.asked, 1)
        if self.asked < ENOUGH or share < WORTHWHILE or not self.measured:
            return None
        return Advice(
            digest=self.digest,
            tables=", ".join(f"{table.schema}.{table.name}" for table in self.tables),
            is_cached=self.in_force_s > 0,
            ttl_s=TTLS_S[at],
            share=share,
            asked=self.asked * weight / minutes,
            saved_s=share * self.asked * weight / minutes * self.spent_s / self.measured,
            written=(self._written() - self.written_before) / minutes,
        )

    def _written(self) -> int:
        return sum(table.writes for table in self.tables)


class Seen:
    """A key, by its hash alone: when each ttl would have had it fetched last."""

    __slots__ = ("captured", "fetched", "fresh_until", "subject")

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        # Of no capture: the first question finds nothing.
        self.captured = -1
        self.fetched = [0.0] * len(TTLS_S)
        self.fresh_until = 0.0


class Advisor:
    """All that was seen. Of the keys those count whose hash has none of the bits in `mask`."""

    def __init__(self, now: float) -> None:
        self.mask = 0
        self._since = now
        self._halved_at = now
        self._seen: dict[int, Seen] = {}
        self._subjects: dict[tuple[bytes, tuple[Table, ...], float], Subject] = {}
        self._others = Subject(b"", (), 0.0)

    def find(self, number: int) -> Seen | None:
        """What is known of the key with this hash."""
        return self._seen.get(number)

    def meet(self, number: int, digest: bytes, tables: tuple[Table, ...], now: float, *, in_force_s: float) -> Seen:
        """A key that is asked for the first time."""
        if len(self._seen) >= MOST_KEYS:
            self._make_room(now)
        known = self._subjects.get((digest, tables, in_force_s))
        if known is None and len(self._subjects) < MOST_SUBJECTS:
            known = self._subjects[digest, tables, in_force_s] = Subject(digest, tables, in_force_s)
        seen = self._seen[number] = Seen(known or self._others)
        return seen

    def ask(self, seen: Seen, now: float) -> Subject | None:
        """The server is asked for it; gives who wants to know how long that takes."""
        subject = seen.subject
        subject.asked += 1
        captured = capture(subject.tables)
        if captured == seen.captured and now < seen.fresh_until:
            subject.at_once += 1
            return None
        fetched = seen.fetched
        for at, ttl in enumerate(TTLS_S):
            if captured == seen.captured and now - fetched[at] < ttl:
                subject.would[at] += 1
            else:
                fetched[at] = now
        seen.captured = captured
        seen.fresh_until = min(since + ttl for since, ttl in zip(fetched, TTLS_S, strict=True))
        if now - self._halved_at > HALF_LIFE_S:
            self._halve(now)
        return subject

    def advice(self, now: float, most: int) -> list[Advice]:
        """Where most of the server's time could be saved."""
        minutes = max(now - self._since, 1.0) / 60
        found = (subject.advice(self.mask + 1, minutes) for subject in self._subjects.values())
        return nlargest(most, (one for one in found if one is not None), key=lambda advice: advice.saved_s)

    def _make_room(self, now: float) -> None:
        # What no ttl would have in memory any more need not be known.
        self._keep((number, seen) for number, seen in self._seen.items() if now - seen.fetched[-1] < LONGEST_S)
        while len(self._seen) > MOST_KEYS // 2:
            self.mask = 2 * self.mask + 1
            self._keep((number, seen) for number, seen in self._seen.items() if not number & self.mask)
            self._begin(now)

    def _keep(self, seen: Iterator[tuple[int, Seen]]) -> None:
        self._seen = dict(seen)

    def _begin(self, now: float) -> None:
        # Counts of another part of the keys cannot be added to these.
        self._since = self._halved_at = now
        for subject in self._subjects.values():
            subject.begin()

    def _halve(self, now: float) -> None:
        self._halved_at = now
        self._since = now - (now - self._since) / 2
        for key, subject in list(self._subjects.items()):
            subject.halve()
            if not subject.asked:
                del self._subjects[key]
        self._keep((number, seen) for number, seen in self._seen.items() if seen.subject.asked)
