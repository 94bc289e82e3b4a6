"""The last events, bounded; a reader is told what it missed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbmux.events import Event, Warned
from dbmux.observe.ring import Batch, Ring


def event(number: int) -> Warned:
    return Warned(float(number), "")


def filled(size: int, count: int) -> Ring:
    ring = Ring(size)
    for number in range(count):
        ring.append(event(number))
    return ring


def test_a_reader_gets_what_came_since_its_place() -> None:
    ring = filled(10, 3)
    first = ring.since(0)
    ring.append(event(3))

    assert first == Batch((event(0), event(1), event(2)), missed=0, place=3)
    assert ring.since(first.place) == Batch((event(3),), missed=0, place=4)
    assert ring.since(4) == Batch((), missed=0, place=4)


def test_the_oldest_is_forgotten_first_and_a_slow_reader_is_told_how_much() -> None:
    ring = filled(3, 10)

    assert ring.since(0) == Batch((event(7), event(8), event(9)), missed=7, place=10)
    assert ring.since(5).missed == 2
    assert ring.since(8) == Batch((event(8), event(9)), missed=0, place=10)


@given(st.integers(1, 8), st.lists(st.integers(0, 12), max_size=12))
def test_every_event_is_read_once_or_counted_as_missed(size: int, pauses: list[int]) -> None:
    ring = Ring(size)
    told: list[Event] = []
    missed = place = sent = 0
    for pause in [*pauses, 0]:
        for _ in range(pause):
            ring.append(event(sent))
            sent += 1
        batch = ring.since(place)
        assert len(batch.events) <= size
        told += batch.events
        missed += batch.missed
        place = batch.place

    assert len(told) + missed == sent
    assert [one.at for one in told] == sorted({one.at for one in told})
