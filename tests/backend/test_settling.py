"""What was read in a log is held until it is surely seen by those who read the tables."""

from __future__ import annotations

import pytest

from dbmux.backend.binlog.settling import LONGEST_TOLD_S, LONGEST_UNTOLD_S, Seen, Settling, is_up_to
from dbmux.backend.replication import parse_position
from dbmux.wire.binlog.events import Position

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
PLACE = Position("binlog.000009", 500)
T, U = ("shop", "t"), ("shop", "u")


def by_gtids(text: str) -> Seen:
    return Seen(Position("binlog.000009", 9_999), parse_position(text.encode()))


def by_place(file: str, offset: int) -> Seen:
    return Seen(Position(file, offset), tells_by_place=True)


@pytest.mark.parametrize(
    ("seen", "gtid", "is_seen"),
    [
        (by_gtids(f"{UUID}:1-6"), f"{UUID}:7", False),
        (by_gtids(f"{UUID}:1-7"), f"{UUID}:7", True),
        (by_gtids(f"{UUID}:1-5:7"), f"{UUID}:6", False),
        (by_gtids(f"{UUID}:1-9"), f"{UUID}:blue:1", False),
        (by_gtids(f"{UUID}:1-9:blue:1"), f"{UUID}:blue:1", True),
        (by_gtids(f"{UUID}:1-9"), "", False),
        (by_place("binlog.000009", 499), "0-1-7", False),
        (by_place("binlog.000009", 500), "0-1-7", True),
        (by_place("binlog.000010", 4), "0-1-7", True),
        (by_place("binlog.000008", 9_999), "0-1-7", False),
        (Seen(Position("binlog.000009", 9_999)), f"{UUID}:7", False),
    ],
)
def test_a_transaction_is_settled_when_the_server_says_that_it_is_seen(seen: Seen, gtid: str, is_seen: bool) -> None:
    settling = Settling()
    settling.note(gtid, PLACE, 100.0, [T])

    assert settling.settle(seen, 100.0) == ((T,) if is_seen else ())
    assert settling.is_pending is not is_seen


def test_a_later_transaction_may_be_seen_before_an_earlier_one() -> None:
    settling = Settling()
    settling.note(f"{UUID}:6", PLACE, 100.0, [T])
    settling.note(f"{UUID}:7", PLACE, 100.0, [U])

    assert settling.settle(by_gtids(f"{UUID}:1-5:7"), 100.1) == (U,)
    assert settling.settle(by_gtids(f"{UUID}:1-7"), 100.2) == (T,)


def test_what_several_transactions_wrote_is_told_once() -> None:
    settling = Settling()
    settling.note(f"{UUID}:6", PLACE, 100.0, [T, U])
    settling.note(f"{UUID}:7", PLACE, 100.0, [U, T])

    assert settling.settle(by_gtids(f"{UUID}:1-7"), 100.1) == (T, U)
    assert settling.settle(by_gtids(f"{UUID}:1-7"), 100.2) == ()


@pytest.mark.parametrize(
    ("seen", "longest"),
    [(Seen(PLACE), LONGEST_UNTOLD_S), (by_gtids(f"{UUID}:1"), LONGEST_TOLD_S)],
    ids=["no GTIDs", "GTIDs"],
)
def test_what_the_server_does_not_tell_in_time_is_taken_for_seen(seen: Seen, longest: float) -> None:
    settling = Settling()
    settling.note(f"{UUID}:7", PLACE, 100.0, [T])

    assert settling.settle(seen, 100.0 + longest - 0.01) == ()
    assert settling.settle(seen, 100.0 + longest) == (T,)


def test_who_wrote_nothing_is_not_waited_for() -> None:
    settling = Settling()

    settling.note(f"{UUID}:7", PLACE, 100.0, [])

    assert not settling.is_pending


@pytest.mark.parametrize(
    ("place", "end", "is_so"),
    [
        (("b.000009", 5), ("b.000009", 5), True),
        (("b.000009", 6), ("b.000009", 5), False),
        (("b.000009", 9), ("b.000010", 4), True),
        (("b.999999", 9), ("b.1000000", 4), True),
        (("b.1000000", 4), ("b.999999", 9), False),
    ],
)
def test_places_are_compared_by_file_and_then_by_byte(
    place: tuple[str, int], end: tuple[str, int], is_so: bool
) -> None:
    assert is_up_to(Position(*place), Position(*end)) is is_so
