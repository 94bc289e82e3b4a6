"""What became of the reads that were looked at, in figures; and how long each kind of statement took on both sides.

Outcomes and durations come in, plain values go out, as JSON has them. Bounded: kinds of statements and reasons beyond
the limit are counted together. Histograms are passed in, so that they are those of the whole process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from dbmux.differences import DifferenceKind
from dbmux.mirror.compare import Comparison, Difference
from dbmux.mirror.read import Read

# Each takes two histograms, which are 8 kB.
MOST_DIGESTS = 500
MOST_REASONS = 100
OTHERS = "others"
# A statement is slower at the target if it is from so many runs on, by so much, and by so many seconds.
ENOUGH_RUNS, SLOWER, SLOWER_S = 20, 2.0, 0.001
MOST_SLOW_TOLD = 50


class Durations(Protocol):
    """A histogram: dbmux.observe.histogram.Histogram."""

    count: int

    def record(self, seconds: float) -> None:
        """Count one duration."""

    def percentile(self, percent: float) -> float:
        """The duration that so many per cent did not exceed; 0 when there are none."""


class Outcome(StrEnum):
    """What came of comparing a read's answers."""

    SAME = "same"
    EXPECTED = "expected"
    DIFFERENT = "different"
    # Unequal at first, equal when both were asked again.
    TRANSIENT = "transient"


def is_slower(source_s: float, target_s: float) -> bool:
    """Whether a statement that takes so long at both servers takes the target much longer."""
    return target_s > SLOWER * source_s and target_s - source_s > SLOWER_S


def slower(source_s: float, target_s: float) -> Difference:
    """That it does, as a difference."""
    times = [f"{seconds * 1000:.2f} ms at the median" for seconds in (source_s, target_s)]
    return Difference(kind=DifferenceKind.PLAN, source=times[0], target=times[1])


@dataclass(slots=True, eq=False)
class DigestTally:
    """One kind of statement; `is_slower` tells whether it takes the target much longer, `is_explained` that both plans
    were looked at."""

    digest: str
    text: str
    source: Durations
    target: Durations
    runs: int = 0
    different: int = 0
    is_slower: bool = False
    is_explained: bool = False

    def ran(self, source_s: float, target_s: float) -> None:
        """It took so long at both. What follows from that is found out now, and not for all whenever somebody asks."""
        self.runs += 1
        self.source.record(source_s)
        self.target.record(target_s)
        if self.source.count >= ENOUGH_RUNS:
            self.is_slower = is_slower(self.source.percentile(50), self.target.percentile(50))


@dataclass(slots=True, eq=False)
class Tally:
    """Of one mirror."""

    durations: Callable[[], Durations]
    # SELECTs that ran, those that were never seen because too many ran at once, those that were left alone because
    # enough of them waited, and those that were to be compared.
    offered: int = 0
    missed: int = 0
    spared: int = 0
    chosen: int = 0
    # Why SELECTs are never compared.
    unfit_reasons: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    # Why a read that was chosen was not compared.
    not_compared: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)
    digests: dict[str, DigestTally] = field(default_factory=dict)

    def of(self, read: Read) -> DigestTally:
        """The tally of its kind of statement."""
        known = self.digests.get(read.digest)
        if known is None:
            key, text = (read.digest, read.text) if len(self.digests) < MOST_DIGESTS else (OTHERS, OTHERS)
            known = self.digests.get(key)
            if known is None:
                known = self.digests[key] = DigestTally(key, text, self.durations(), self.durations())
        return known

    def skipped(self, why: str) -> None:
        """A read that was chosen was not compared."""
        _count(self.not_compared, why)

    def unfit(self, why: str) -> None:
        """A SELECT that cannot be compared at all."""
        _count(self.unfit_reasons, why)

    def came_out(self, read: Read, outcome: Outcome, comparison: Comparison) -> None:
        """A read was compared."""
        self.outcomes[outcome] += 1
        if outcome is Outcome.DIFFERENT:
            self.of(read).different += 1
            self.kinds.update({str(one.kind) for one in comparison.differences})

    def told(self) -> dict[str, Any]:
        """All of it."""
        slow = [one for one in self.digests.values() if one.is_slower]
        slow.sort(key=lambda one: one.target.percentile(50) - one.source.percentile(50), reverse=True)
        return {
            "offered": self.offered,
            "missed": self.missed,
            "spared": self.spared,
            "unfit": dict(self.unfit_reasons),
            "chosen": self.chosen,
            "compared": self.outcomes.total(),
            **{str(outcome): self.outcomes[outcome] for outcome in Outcome},
            "not_compared": dict(self.not_compared),
            "kinds": dict(self.kinds),
            "expected_by": dict(self.expected),
            "digests": len(self.digests),
            "slower": [_slow_told(one) for one in slow[:MOST_SLOW_TOLD]],
        }


@dataclass(slots=True, eq=False)
class WriteTally:
    """Of the writes that were tried out for one mirror: those that ran, those that were to be tried, and what of it."""

    offered: int = 0
    chosen: int = 0
    unfit_reasons: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    not_compared: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def skipped(self, why: str) -> None:
        """A write that was chosen says nothing."""
        _count(self.not_compared, why)

    def unfit(self, why: str) -> None:
        """A write that cannot be tried at all."""
        _count(self.unfit_reasons, why)

    def came_out(self, outcome: Outcome, kind: DifferenceKind | None) -> None:
        """A write was tried."""
        self.outcomes[outcome] += 1
        if kind is not None:
            self.kinds[kind] += 1

    def told(self) -> dict[str, Any]:
        """All of it."""
        return {
            "offered": self.offered,
            "unfit": dict(self.unfit_reasons),
            "chosen": self.chosen,
            "compared": self.outcomes.total(),
            **{str(outcome): self.outcomes[outcome] for outcome in Outcome},
            "not_compared": dict(self.not_compared),
            "kinds": dict(self.kinds),
        }


def together(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What was told before an engine's restart and now, as one; nothing of before if it was of other servers."""
    if not before or any(before.get(key) != now.get(key) for key in ("source", "target")):
        return dict(now)
    told = _summed(before, now)
    if "digests" in now:
        told["digests"] = max(before.get("digests", 0), now["digests"])
    return told


def _summed(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    # Numbers are; what is told in words, or in order, is as it is now.
    told = {key: value for key, value in before.items() if key not in now}
    for key, value in now.items():
        match value:
            case int():
                told[key] = value + before.get(key, 0)
            case dict():
                told[key] = _summed(before.get(key, {}), value)
            case _:
                told[key] = value
    return told


def _count(reasons: Counter[str], why: str) -> None:
    reasons[why if why in reasons or len(reasons) < MOST_REASONS else OTHERS] += 1


def _slow_told(one: DigestTally) -> dict[str, Any]:
    sides = {"source": one.source, "target": one.target}
    times = {f"{side}_p{at}": round(of.percentile(at), 6) for side, of in sides.items() for at in (50, 95, 99)}
    return {"digest": one.digest, "text": one.text, "runs": one.runs, **times}
