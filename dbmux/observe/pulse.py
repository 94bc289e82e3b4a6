"""How it went, second by second: the figures behind graphs and the header of the live interface.

Counts come in once a second, and how late the event loop was; samples of the last minutes go out. Bounded. Costs
nothing per query.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from dbmux.events import MEMORY
from dbmux.observe.histogram import Histogram, middle
from dbmux.observe.metrics import Metrics

SECONDS_KEPT = 600


@dataclass(frozen=True, slots=True)
class Sample:
    """One second, which ended at `at`: commands, how many of them failed or came from memory, how long those took that
    servers answered, in seconds, and how late the loop was at most."""

    at: float
    commands: int
    errors: int
    hits: int
    p50: float
    p95: float
    p99: float
    lag: float


class Pulse:
    """The samples, and since the start how late the loop was. `tick` is called once a second."""

    __slots__ = ("_before", "lateness", "samples")

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=SECONDS_KEPT)
        self.lateness = Histogram()
        self._before: tuple[int, int, int, list[int]] = (0, 0, 0, [])

    def tick(self, metrics: Metrics, at: float, lag_s: float) -> None:
        """A second is over."""
        now = _totals(metrics)
        commands, errors, hits = (new - old for new, old in zip(now[:3], self._before[:3], strict=True))
        before = self._before[3] or [0] * len(now[3])
        buckets = [new - old for new, old in zip(now[3], before, strict=True)] if now[3] else []
        self._before = now
        p50, p95, p99 = (_percentile(buckets, percent) for percent in (50, 95, 99))
        self.lateness.record(lag_s)
        self.samples.append(Sample(at, commands, errors, hits, p50, p95, p99, lag_s))


def _totals(metrics: Metrics) -> tuple[int, int, int, list[int]]:
    commands = errors = hits = 0
    buckets: list[int] = []
    for name, figures in metrics.backends.items():
        commands += figures.latency.count
        errors += figures.errors.total()
        if name == MEMORY:
            hits += figures.latency.count
        elif not buckets:
            buckets = figures.latency.buckets()
        else:
            buckets = [one + other for one, other in zip(buckets, figures.latency.buckets(), strict=True)]
    return commands, errors, hits, buckets


def _percentile(buckets: list[int], percent: float) -> float:
    wanted, seen = sum(buckets) * percent / 100, 0
    for bucket, number in enumerate(buckets):
        seen += number
        if number and seen >= wanted:
            return middle(bucket) / 1_000_000
    return 0.0
