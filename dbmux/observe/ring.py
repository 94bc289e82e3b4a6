# cython: annotation_typing=False, language_level=3
"""The last events, in a ring bounded by their number and by their bytes.

Events come in and are never waited for; readers with a place of their own get what came since, and are told how many
they missed. The oldest is forgotten first. One thread may append while another one reads.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Batch(Generic[E]):
    """What came since a reader's place: the events, how many were lost before them, and the reader's new place."""

    events: tuple[E, ...]
    missed: int
    place: int


class Kept:
    """The events that are held: at most `size`, and as many as weigh `limit` bytes.

    `count` is how many there ever were, so that each has a number, from 0; `oldest` is that of the first still there.
    """

    __slots__ = ("_events", "_weights", "bytes", "count", "limit", "oldest", "size")

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        self.count = 0
        self.oldest = 0
        self.bytes = 0
        self._events: list[Any] = [None] * size
        self._weights = array("Q", bytes(8)) * size

    def append(self, event: object, weight: int) -> None:
        """Remember an event: the hot path."""
        count = self.count
        if count - self.oldest == self.size:
            self._forget()
        at = count % self.size
        self._events[at] = event
        self._weights[at] = weight
        self.bytes += weight
        self.count = count + 1
        while self.bytes > self.limit:
            self._forget()

    def _forget(self) -> None:
        at = self.oldest % self.size
        # First, so that who reads meanwhile does not take the gap for an event.
        self.oldest += 1
        self._events[at] = None
        self.bytes -= self._weights[at]


class Ring(Kept, Generic[E]):
    """The same for those who read: events of one type."""

    __slots__ = ()

    def since(self, place: int, most: int | None = None) -> Batch[E]:
        """What came after `place`, which is 0 or the place of an earlier batch; of that the first `most`."""
        start = max(place, self.oldest)
        end = self.count if most is None else min(self.count, start + most)
        size, events = self.size, self._events
        found = [events[number % size] for number in range(start, end)]
        # What was forgotten, and perhaps replaced, while this was read.
        late = min(max(self.oldest - start, 0), len(found))
        kept = tuple(event for event in found[late:] if event is not None)
        return Batch(kept, start + late - place, end)

    def get(self, number: int) -> E | None:
        """The event with this number, if it is still there."""
        if not self.oldest <= number < self.count:
            return None
        event = self._events[number % self.size]
        return event if number >= self.oldest else None
