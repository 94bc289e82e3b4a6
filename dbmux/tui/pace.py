"""How often the live view is drawn: ten times a second, and less often where that costs too much.

The processor time of the interface and the time that passed come in, how long to wait for the next frame goes out. The
engine runs in the same process, and what the interface takes, traffic has to do without.
"""

from __future__ import annotations

from collections.abc import Callable

FASTEST_S, SLOWEST_S = 0.1, 0.8
# The interface may take so much of one processor, and is drawn more often again when it takes less than that.
MOST, LITTLE = 0.08, 0.025


class Pace:
    """One view's. `cpu` and `clock` tell seconds."""

    def __init__(self, cpu: Callable[[], float], clock: Callable[[], float]) -> None:
        self._cpu = cpu
        self._clock = clock
        self._before = cpu(), clock()
        self.interval_s = FASTEST_S

    def next(self) -> float:
        """A frame was drawn: how long to wait for the next one."""
        cpu, now = self._cpu(), self._clock()
        passed = now - self._before[1]
        share = (cpu - self._before[0]) / passed if passed > 0 else 0.0
        self._before = cpu, now
        if share > MOST:
            self.interval_s = min(self.interval_s * 2, SLOWEST_S)
        elif share < LITTLE:
            self.interval_s = max(self.interval_s / 2, FASTEST_S)
        return self.interval_s
