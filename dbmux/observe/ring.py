"""The last events, in a bounded ring.

Events come in and are never waited for; readers with a place of their own get what came since, and are told how many
they missed. The oldest is forgotten first.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

from dbmux.events import Event


@dataclass(frozen=True, slots=True)
class Batch:
    """What came since a reader's place: the events, how many were lost before them, and the reader's new place."""

    events: tuple[Event, ...]
    missed: int
    place: int


class Ring:
    """Holds at most `size` events; `count` is how many there ever were."""

    __slots__ = ("count", "events")

    def __init__(self, size: int) -> None:
        self.events: deque[Event] = deque(maxlen=size)
        self.count = 0

    def append(self, event: Event) -> None:
        """Remember an event."""
        self.count += 1
        self.events.append(event)

    def since(self, place: int) -> Batch:
        """What came after `place`, which is 0 or the place of an earlier batch."""
        oldest = self.count - len(self.events)
        start = max(place, oldest)
        return Batch(tuple(islice(self.events, start - oldest, None)), start - place, self.count)
