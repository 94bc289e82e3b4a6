"""How it went, second by second: the figures behind graphs and the header of the live interface.

Counts come in once a second, and how late the event loop was; samples of the last minutes go out. Bounded. Costs
nothing per query.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from dbmux.events import MEMORY
from dbmux.observe.histogram import Histogram, percentile
from dbmux.observe.metrics import Metrics

SECONDS_KEPT = 600


@dataclass(frozen=True, slots=True)
class Served:
    """What one server answered in a second, and how long 95 of 100 took at most."""

    commands: int
    p95: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One second, which ended at `at`: commands, how many of them failed or came from memory, how long those took that
    servers answered, in seconds, and how late the loop was at most; and the servers that answered something."""

    at: float
    commands: int
    errors: int
    hits: int
    p50: float
    p95: float
    p99: float
    lag: float
    servers: Mapping[str, Served]


class Pulse:
    """The samples, and since the start how late the loop was. `tick` is called once a second."""

    __slots__ = ("_before", "_buckets", "lateness", "samples")

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque(maxlen=SECONDS_KEPT)
        self.lateness = Histogram()
        self._before = (0, 0, 0)
        # How many durations each bucket of each backend had.
        self._buckets: dict[str, list[int]] = {}

    def tick(self, metrics: Metrics, at: float, lag_s: float) -> None:
        """A second is over."""
        now = _totals(metrics)
        commands, errors, hits = (new - old for new, old in zip(now, self._before, strict=True))
        self._before = now
        each = self._since_before(metrics)
        answered = [sum(some) for some in zip(*(some for name, some in each.items() if name != MEMORY), strict=True)]
        p50, p95, p99 = (_percentile(answered, percent) for percent in (50, 95, 99))
        servers = {name: Served(sum(some), _percentile(some, 95)) for name, some in each.items() if any(some)}
        self.lateness.record(lag_s)
        self.samples.append(Sample(at, commands, errors, hits, p50, p95, p99, lag_s, servers))

    def _since_before(self, metrics: Metrics) -> dict[str, list[int]]:
        now = {name: figures.latency.buckets() for name, figures in metrics.backends.items()}
        before, self._buckets = self._buckets, now
        return {
            name: [new - old for new, old in zip(some, before.get(name) or [0] * len(some), strict=True)]
            for name, some in now.items()
        }


def _totals(metrics: Metrics) -> tuple[int, int, int]:
    commands = errors = hits = 0
    for name, figures in metrics.backends.items():
        commands += figures.latency.count
        errors += figures.errors.total()
        if name == MEMORY:
            hits += figures.latency.count
    return commands, errors, hits


def _percentile(buckets: list[int], percent: float) -> float:
    return percentile(enumerate(buckets), sum(buckets), percent)
