"""How far a reader of a binary log is behind its source."""

from __future__ import annotations

from time import perf_counter

from dbmux.backend.binlog.progress import Progress
from dbmux.wire.binlog.events import Position


def test_everything_of_a_moment_is_applied_when_the_end_of_then_is_reached() -> None:
    progress, asked_at = Progress(Position("b.1", 100)), perf_counter()

    progress.compare(Position("b.1", 200), asked_at)
    before = progress.applied_until
    progress.reach(Position("b.1", 150))
    between = progress.applied_until
    progress.reach(Position("b.1", 200))

    assert (before, between, progress.applied_until) == (0.0, 0.0, asked_at)


def test_who_is_up_to_date_when_it_is_asked_is_so_since_then() -> None:
    progress, asked_at = Progress(Position("b.1", 100)), perf_counter()

    progress.compare(Position("b.1", 100), asked_at)

    assert progress.applied_until == asked_at
    assert not progress.is_behind
