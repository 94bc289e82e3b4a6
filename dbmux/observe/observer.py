"""Everything that watches an engine, behind one call.

Events come in through `emit`, which is handed to the engine; the ring, the figures and the log get them.
"""

from __future__ import annotations

from dbmux.events import Event, QueryFinished
from dbmux.observe.logfile import Log
from dbmux.observe.metrics import Metrics
from dbmux.observe.ring import Ring

RING_SIZE = 16_384


class Observer:
    """Owns ring and metrics; the log may be absent."""

    __slots__ = ("_log", "metrics", "ring")

    def __init__(self, log: Log | None) -> None:
        self.ring = Ring(RING_SIZE)
        self.metrics = Metrics()
        self._log = log

    def emit(self, event: Event) -> None:
        """Take an event; never waits. Runs once a query."""
        self.ring.append(event)
        if type(event) is QueryFinished:
            self.metrics.query_finished(event)
            return
        self.metrics.record(event)
        if self._log is not None:
            self._log.write(event)
