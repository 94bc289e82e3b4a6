"""How far behind its source a reader of a binary log is.

Where the source's log ended, and when that was asked, come in, and how far the reader is; the delay goes out. No clock
of another machine is needed.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter

from dbmux.backend.binlog.settling import is_up_to
from dbmux.wire.binlog.events import Position

# Answers about the source's end that were not reached: more would tell nothing new.
MARKS_LIMIT = 1_000


class Progress:
    """`reached` is the place up to which everything was taken.

    `applied_until` is a moment, by time.perf_counter: all that the source had committed then was taken; 0.0 before that
    is known of any.
    """

    __slots__ = ("_delay_s", "_marks", "applied_until", "reached")

    def __init__(self, reached: Position) -> None:
        self.reached = reached
        self.applied_until = 0.0
        self._marks: deque[tuple[Position, float]] = deque()
        self._delay_s = 0.0

    @property
    def delay_s(self) -> float:
        """How far it is behind, at most: the time of the question is in it."""
        return max(self._delay_s, perf_counter() - self._marks[0][1]) if self._marks else self._delay_s

    @property
    def is_behind(self) -> bool:
        """Whether the source was further than this when it was asked."""
        return bool(self._marks)

    def compare(self, end: Position, asked_at: float) -> None:
        """The source's log ended there when it was asked."""
        if is_up_to(end, self.reached):
            self._delay_s = perf_counter() - asked_at
            self.applied_until = asked_at
            self._marks.clear()
        elif len(self._marks) < MARKS_LIMIT:
            self._marks.append((end, asked_at))

    def reach(self, position: Position) -> None:
        """Everything up to there was taken."""
        self.reached = position
        while self._marks and is_up_to(self._marks[0][0], position):
            self.applied_until = self._marks.popleft()[1]
            self._delay_s = perf_counter() - self.applied_until
