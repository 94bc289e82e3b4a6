"""Judges a history: whether what was read can have been there, by the promises of docs/cache.md.

A history comes in, its violations go out, each with the read and whatever proves it wrong. Never asks a server.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.checker.history import History, Outcome, Read, Write

# By then DbMux has noticed that a client is gone: what it wrote counts as soon as somebody sees it.
NOTICED_S = 0.25


class Promise(StrEnum):
    """What a read can break."""

    OWN_WRITES = "older than the session's own write"
    ACKNOWLEDGED = "older than what was acknowledged before it began"
    COMMITTED = "a version that nobody had committed"
    WHOLE = "half of what is written together"
    OWN_ROWS = "not the rows, or not the form, of this session"


@dataclass(frozen=True, slots=True)
class Violation:
    """A read that broke a promise; `proof` are the writes and reads that say so."""

    promise: Promise
    read: Read
    proof: tuple[Write | Read, ...] = ()

    def __str__(self) -> str:
        read = self.read
        lines = [f"{read.register}: {self.promise}", *map(str, self.proof), str(read)]
        if read.due != read.seen:
            lines.append(f"it should see {read.due}, and saw {read.seen}")
        return "\n  ".join(lines)


def judge(history: History, staleness_s: float = 0.0) -> list[Violation]:
    """All violations, by the time when they began; `staleness_s` is how long a write may stay unseen by others."""
    writes: dict[str, list[Write]] = defaultdict(list)
    reads: dict[str, list[Read]] = defaultdict(list)
    for write in history.writes:
        writes[write.register].append(write)
    for read in history.reads:
        reads[read.register].append(read)
    found = [
        violation
        for register, of_register in reads.items()
        for violation in _Register(writes[register], of_register).violations(staleness_s)
    ]
    return sorted(found, key=lambda violation: violation.read.begin)


class _Register:
    def __init__(self, writes: Sequence[Write], reads: Sequence[Read]) -> None:
        self._reads = reads
        self._by_version = {write.version: write for write in writes}
        acknowledged = [write for write in writes if write.outcome is Outcome.DONE]
        self._acknowledged = _Floor((write.end, write.version, write) for write in acknowledged)
        self._seen = _Floor(self._sightings())
        own: dict[int, list[Write]] = defaultdict(list)
        for write in acknowledged:
            own[write.session].append(write)
        self._own = {
            session: _Floor((write.end, write.version, write) for write in of_session)
            for session, of_session in own.items()
        }

    def _sightings(self) -> Iterator[tuple[float, int, Write | Read]]:
        # Nobody acknowledged it: that it is there is known when somebody saw it, once it is not under way any more.
        for read in self._reads:
            for version in read.versions[:1]:
                write = self._by_version.get(version)
                if write is not None and write.outcome is Outcome.UNKNOWN:
                    yield max(read.end, write.end + NOTICED_S), version, read

    def violations(self, staleness_s: float) -> Iterator[Violation]:
        for read in self._reads:
            if read.seen != read.due:
                yield Violation(Promise.OWN_ROWS, read)
            elif read.versions:
                yield from self._judge(read, staleness_s)

    def _judge(self, read: Read, staleness_s: float) -> Iterator[Violation]:
        version = min(read.versions)
        if len(set(read.versions)) > 1:
            yield Violation(Promise.WHOLE, read)
        own = self._own.get(read.session)
        newest = own.before(read.begin) if own is not None else None
        if version < read.own:
            yield Violation(Promise.OWN_WRITES, read)
        elif newest is not None and version < newest[0]:
            yield Violation(Promise.OWN_WRITES, read, (newest[1],))
        else:
            for floor in (self._acknowledged, self._seen):
                newest = floor.before(read.begin - staleness_s)
                if newest is not None and version < newest[0]:
                    yield Violation(Promise.ACKNOWLEDGED, read, (newest[1],))
                    break
        for version in set(read.versions) - {read.own}:
            write = self._by_version.get(version)
            if write is None or write.outcome is Outcome.FAILED or write.begin > read.end:
                yield Violation(Promise.COMMITTED, read, () if write is None else (write,))


class _Floor:
    """The newest version that must be visible from some time on, and why."""

    def __init__(self, known: Iterable[tuple[float, int, Write | Read]]) -> None:
        self._times: list[float] = []
        self._newest: list[tuple[int, Write | Read]] = []
        for at, version, why in sorted(known, key=lambda each: each[0]):
            if not self._newest or version > self._newest[-1][0]:
                self._times.append(at)
                self._newest.append((version, why))

    def before(self, moment: float) -> tuple[int, Write | Read] | None:
        place = bisect_right(self._times, moment)
        return self._newest[place - 1] if place else None
