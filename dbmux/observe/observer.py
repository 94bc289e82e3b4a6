# cython: annotation_typing=False, language_level=3
"""Everything that watches an engine, behind one call.

Events come in through `emit`, which is handed to the engine; rings, figures and the log get them.
"""

from __future__ import annotations

from dbmux.events import Event, QueryFinished
from dbmux.observe.digests import EXECUTIONS, QUERY, Digests
from dbmux.observe.histogram import bucket_of
from dbmux.observe.logfile import Log
from dbmux.observe.metrics import Metrics
from dbmux.observe.pulse import Pulse
from dbmux.observe.ring import Ring

# Statements that are remembered, and all other events, which are rare and must not be washed away by them.
KEPT_QUERIES = 16_384
KEPT_QUERY_BYTES = 64 << 20
KEPT_EVENTS = 4096
KEPT_EVENT_BYTES = 4 << 20
# What an event takes in memory besides its texts, measured with sys.getsizeof of all that is its own.
WEIGHT = 450


class Observer:
    """Owns rings and figures; the log may be absent."""

    __slots__ = ("_log", "digests", "events", "metrics", "pulse", "queries")

    def __init__(self, log: Log | None, kept_queries: int = KEPT_QUERIES) -> None:
        self.queries: Ring[QueryFinished] = Ring(kept_queries, KEPT_QUERY_BYTES)
        self.events: Ring[Event] = Ring(KEPT_EVENTS, KEPT_EVENT_BYTES)
        self.metrics = Metrics()
        self.digests = Digests()
        self.pulse = Pulse()
        self._log = log

    def emit(self, event: Event) -> None:
        """Take an event; never waits. Runs once a query."""
        if type(event) is QueryFinished:
            # Unpacked at once: single fields of named tuples cost more, most of all when compiled.
            (
                at, _, backend, command, seconds, size, code, route, _, who, _,
                sent, statement, query, _, _, rows, _, error, _, _, types,
            ) = event  # fmt: skip
            self.queries.append(event, WEIGHT + len(sent) + len(statement) + len(error) + len(types))
            microseconds = int(seconds * 1_000_000)
            bucket = bucket_of(microseconds)
            self.metrics.query_finished(backend, who, route, command, seconds, bucket, size, code)
            if command == QUERY or command in EXECUTIONS:
                figures = self.digests.find(event, query, at)
                figures.count(backend, seconds, bucket, size, code, rows)
            return
        self.events.append(event, WEIGHT)
        self.metrics.record(event)
        if self._log is not None:
            self._log.write(event)
