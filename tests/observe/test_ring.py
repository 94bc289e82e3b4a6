"""The last events, bounded; a reader is told what it missed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.observe.ring import Batch, Ring

MUCH = 1 << 30


def filled(size: int, count: int) -> Ring[int]:
    ring: Ring[int] = Ring(size, MUCH)
    for number in range(count):
        ring.append(number, 1)
    return ring


def test_a_reader_gets_what_came_since_its_place() -> None:
    ring = filled(10, 3)
    first = ring.since(0)
    ring.append(3, 1)

    assert first == Batch((0, 1, 2), missed=0, place=3)
    assert ring.since(first.place) == Batch((3,), missed=0, place=4)
    assert ring.since(4) == Batch((), missed=0, place=4)


def test_the_oldest_is_forgotten_first_and_a_slow_reader_is_told_how_much() -> None:
    ring = filled(3, 10)

    assert ring.since(0) == Batch((7, 8, 9), missed=7, place=10)
    assert ring.since(5).missed == 2
    assert ring.since(8) == Batch((8, 9), missed=0, place=10)


def test_a_reader_may_take_a_little_at_a_time() -> None:
    ring = filled(10, 5)

    assert ring.since(0, most=2) == Batch((0, 1), missed=0, place=2)
    assert ring.since(2, most=9) == Batch((2, 3, 4), missed=0, place=5)


@pytest.mark.parametrize("number, found", [(6, None), (7, 7), (9, 9), (10, None), (-1, None)])
def test_an_event_is_found_by_its_number_while_it_is_there(number: int, found: int | None) -> None:
    assert filled(3, 10).get(number) == found


def test_bytes_are_bounded_however_few_events_that_leaves() -> None:
    ring: Ring[str] = Ring(100, 1000)

    for name in "abcdef":
        ring.append(name, 400)

    assert ring.since(0) == Batch(("e", "f"), missed=4, place=6)
    assert ring.bytes == 800


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 12), st.integers(1, 30)), max_size=12))
def test_every_event_is_read_once_or_counted_as_missed(size: int, pauses: list[tuple[int, int]]) -> None:
    ring: Ring[int] = Ring(size, 100)
    told: list[int] = []
    missed = place = sent = 0
    for pause, weight in [*pauses, (0, 1)]:
        for _ in range(pause):
            ring.append(sent, weight)
            sent += 1
        batch = ring.since(place)
        assert len(batch.events) <= size
        assert ring.bytes <= 100
        told += batch.events
        missed += batch.missed
        place = batch.place

    assert len(told) + missed == sent
    assert told == sorted(set(told))
