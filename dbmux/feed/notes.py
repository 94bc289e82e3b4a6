"""What the engine's process knows of statements besides their events.

Rows come in, in their order, whenever somebody takes them; what they mean, where they come from, and whether they are
part of an N+1, goes out. Bounded. Never asks a server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from dbmux.events import QueryFinished
from dbmux.feed.row import Origin, Row
from dbmux.planner.planner import Planner
from dbmux.query import Query

# How many repetitions are remembered, and how many statements are looked at for them at once, ten times a second: of
# more traffic than that only these, which followed one another.
REMEMBERED = 50_000
MOST_LOOKED_AT = 250


class EngineNotes:
    """Notes on one engine's statements. `seen` is told each of them in turn and says how often its like ran, if that is
    an N+1 (dbmux.feed.nplus1)."""

    def __init__(
        self, slow_s: Callable[[], float], origin: Callable[[bytes], Origin], seen: Callable[[Row], int]
    ) -> None:
        self._slow_s = slow_s
        self._planner = Planner()
        self._seen = seen
        # Subscriptions of this process and of others are taken in two threads.
        self._looking = Lock()
        self._repeated: dict[int, int] = {}
        self._place = 0
        self.origin = origin

    @property
    def slow_s(self) -> float:
        """As the configuration says now."""
        return self._slow_s()

    def meaning(self, text: bytes) -> Query:
        """What a statement means, in the usual sql_mode."""
        return self._planner.query(text, 0, 0)

    def repeated(self, seq: int) -> int:
        """How often the like of this statement ran."""
        return self._repeated.get(seq, 0)

    def look_at(self, first: int, events: Sequence[QueryFinished]) -> None:
        """These ran, one after the other, from that number on; whoever looked at them before did it for all."""
        if self._looking.acquire(blocking=False):
            try:
                self._look_at(first, events)
            finally:
                self._looking.release()

    def _look_at(self, first: int, events: Sequence[QueryFinished]) -> None:
        behind = first + len(events)
        begin = max(self._place, first, behind - MOST_LOOKED_AT)
        for seq in range(begin, behind):
            if times := self._seen(Row(seq, events[seq - first], self)):
                self._repeated[seq] = times
        self._place = max(self._place, behind)
        while len(self._repeated) > REMEMBERED:
            del self._repeated[next(iter(self._repeated))]
