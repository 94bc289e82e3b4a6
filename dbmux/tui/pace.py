"""How often the live view is drawn: ten times a second, and less often where that costs too much.

The processor time of the interface and the time that passed come in, whether it is time for a frame goes out. The
engine runs in the same process, and what the interface takes, traffic has to do without.
"""

from __future__ import annotations

from collections.abc import Callable

FASTEST_S, SLOWEST_S = 0.1, 0.8
# The interface may take so much of one processor, and is drawn more often again when twice as often is not too much.
MOST = 0.08
# One frame in ten is dearer, since all figures are renewed with it: it weighs so much beside those before it.
WEIGHT = 0.25


class Pace:
    """One view's. `cpu` and `clock` tell seconds."""

    def __init__(self, cpu: Callable[[], float], clock: Callable[[], float]) -> None:
        self._cpu = cpu
        self._clock = clock
        self._before = cpu(), clock()
        # Beats until the next frame.
        self._rest = 1
        self._share = MOST / 2
        self.interval_s = FASTEST_S

    def is_due(self) -> bool:
        """One more beat, of which there is one each FASTEST_S: whether a frame is to be drawn."""
        self._rest -= 1
        if self._rest:
            return False
        cpu, now = self._cpu(), self._clock()
        passed = now - self._before[1]
        share = (cpu - self._before[0]) / passed if passed > 0 else 0.0
        self._before = cpu, now
        self._share += (share - self._share) * WEIGHT
        if self._share > MOST and self.interval_s < SLOWEST_S:
            self.interval_s *= 2
            self._share /= 2
        elif self._share < MOST / 2 and self.interval_s > FASTEST_S:
            self.interval_s /= 2
            self._share *= 2
        self._rest = round(self.interval_s / FASTEST_S)
        return True
