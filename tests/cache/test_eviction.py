"""Who is asked for often stays; who comes once goes soon; and finding who goes is never long."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cache.forms import INTERPRETED


@pytest.fixture
def entry(form: SimpleNamespace) -> Callable[[str], Any]:
    """Makes entries of one byte."""

    def make(name: str) -> Any:
        entry = form.Entry(name.encode(), b"", (), 0, 0.0)
        entry.size = 1
        return entry

    return make


def uses(form: SimpleNamespace, entry: Any, times: int) -> Any:
    for _ in range(times):
        form.count_use(entry)
    return entry


def leave(room: Any, count: int) -> str:
    """The names of those who go, one after the other."""
    names = []
    for _ in range(count):
        victim = room.victim()
        room.remove(victim)
        names.append(victim.key.decode())
    return " ".join(names)


def test_an_empty_room_has_nobody_to_give_up(form: SimpleNamespace) -> None:
    room = form.Room(100)

    assert room.victim() is None
    assert room.next() is None


def test_who_was_used_more_than_once_outlives_who_was_not(form: SimpleNamespace, entry: Any) -> None:
    room = form.Room(100)
    for name, times in (("a", 0), ("b", 2), ("c", 1), ("d", 3), ("e", 0)):
        room.add(uses(form, entry(name), times))

    assert leave(room, 5) == "a c e b d"


def test_who_was_here_not_long_ago_outlives_who_is_new(form: SimpleNamespace, entry: Any) -> None:
    room = form.Room(100)
    room.add_again(entry("again"))
    for name in "abcde":
        room.add(entry(name))

    assert leave(room, 6) == "a b c d e again"


def test_as_long_as_few_are_new_those_go_who_were_not_used_since(form: SimpleNamespace, entry: Any) -> None:
    room = form.Room(100)
    room.add(entry("new"))
    for number in range(20):
        room.add_again(uses(form, entry(f"{number}"), times=number % 2))

    assert leave(room, 10) == "0 2 4 6 8 10 12 14 16 18"


def test_who_was_used_very_often_long_ago_goes_before_who_is_used_a_little(form: SimpleNamespace, entry: Any) -> None:
    room = form.Room(100)
    favourite = uses(form, entry("favourite of yesterday"), times=1000)
    others = [entry(f"{number}") for number in range(5)]
    for one in (favourite, *others):
        room.add_again(one)

    for _ in range(INTERPRETED.MOST_USES + 1):
        for one in others:
            form.count_use(one)
        gone = leave(room, 1)
        room.add_again(entry("new"))
        if gone == "favourite of yesterday":
            break

    assert gone == "favourite of yesterday"


def test_many_who_were_all_used_do_not_make_the_choice_of_one_long(form: SimpleNamespace, entry: Any) -> None:
    room = form.Room(1000)
    entries = [uses(form, entry(f"{number}"), times=1) for number in range(500)]
    for one in entries:
        room.add_again(one)

    victim = room.victim()

    assert victim is entries[INTERPRETED.MAX_STEPS]
    assert sum(one.uses == 0 for one in entries) == INTERPRETED.MAX_STEPS


def test_one_after_the_other_is_looked_at_and_nobody_is_left_out(form: SimpleNamespace, entry: Any) -> None:
    room = form.Room(100)
    for name in "abc":
        room.add(entry(name))
        room.add_again(entry(name.upper()))

    seen = [found.key.decode() if (found := room.next()) is not None else "-" for _ in range(14)]

    assert "".join(seen) in ("ABC-abc-ABC-ab", "ABCabcABCabcAB")


def test_looking_at_one_after_the_other_goes_on_where_one_was_dropped(form: SimpleNamespace, entry: Any) -> None:
    room = form.Room(100)
    for name in "abcd":
        room.add(entry(name))
    first = next(found for found in iter(room.next, "never") if found is not None)

    room.remove(first.newer)

    assert room.next().key == b"c"


def test_keys_that_went_are_known_until_others_take_their_places(form: SimpleNamespace) -> None:
    ghosts = form.Ghosts(64)
    # As hashes are: 64 bits, half of them negative.
    numbers = [hash((number, "ghost")) for number in range(20)]

    before = [ghosts.knows(number) for number in numbers]
    for number in numbers:
        ghosts.add(number)
    last = ghosts.knows(numbers[-1])
    for number in range(10_000):
        ghosts.add(hash((number, "other")))

    assert (any(before), last) == (False, True)
    assert not any(ghosts.knows(number) for number in numbers)


def test_room_for_no_ghosts_at_all_is_enough(form: SimpleNamespace) -> None:
    ghosts = form.Ghosts(0)

    ghosts.add(-7)

    assert ghosts.knows(-7)
