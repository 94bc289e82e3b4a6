"""A row counts as different when it stays so, and never because it was looked at too early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from dbmux.sync.verify.region import Key, Seen
from dbmux.sync.verify.settle import SIGHTINGS, Columns, Kind, Settled, settle
from tests.sync.verify.fakes import FakeSide, Rows, document

COLUMNS = Columns(names=("id", "v"))
WITH_JSON = Columns(names=("id", "v", "j"), digested=frozenset("j"), documents=frozenset("j"))
ONE: Key = (b"1",)


class Passing:
    """Does something each time that is waited for the second server."""

    def __init__(self, then: Callable[[int], None] = lambda times: None) -> None:
        self.times = 0
        self._then = then

    async def passed(self) -> None:
        self.times += 1
        self._then(self.times)


def settled(
    first: FakeSide, second: FakeSide, passing: Passing, columns: Columns = COLUMNS, keys: tuple[Key, ...] = (ONE,)
) -> Settled:
    return asyncio.run(settle((first, second), columns, keys, passing))


def row(value: bytes) -> Rows:
    return {ONE: (b"1", value)}


def test_a_row_that_stays_different_is_told_with_its_columns_and_values() -> None:
    (difference,) = settled(FakeSide(row(b"x")), FakeSide(row(b"y")), Passing()).differences

    assert (difference.key, difference.kind, difference.columns) == (ONE, Kind.CHANGED, ("v",))
    assert difference.values == ((b"x", b"y"),)


def test_a_row_on_one_side_alone_is_missing_or_extra() -> None:
    told = settled(
        FakeSide({(b"1",): (b"1", b"x")}), FakeSide({(b"2",): (b"2", b"x")}), Passing(), keys=((b"1",), (b"2",))
    )

    assert {one.key: one.kind for one in told.differences} == {(b"1",): Kind.MISSING, (b"2",): Kind.EXTRA}


def test_null_is_not_the_empty_text() -> None:
    (difference,) = settled(FakeSide({ONE: (b"1", None)}), FakeSide({ONE: (b"1", b"")}), Passing()).differences

    assert difference.values == ((None, b""),)


def test_a_row_that_arrives_while_it_is_waited_for_is_no_difference() -> None:
    second = FakeSide({})

    told = settled(FakeSide(row(b"x")), second, Passing(lambda times: second.rows_there.update(row(b"x"))))

    assert told == Settled(differences=(), undecided=())


def test_a_row_that_was_written_again_meanwhile_is_no_difference_when_the_second_server_has_what_was_before() -> None:
    first, second = FakeSide(row(b"x")), FakeSide(row(b"w"))

    def pass_on(times: int) -> None:
        second.rows_there = dict(first.rows_there)
        first.rows_there = row(b"newer %d" % times)

    told = settled(first, second, Passing(pass_on))

    assert told == Settled(differences=(), undecided=())


def test_a_row_that_never_holds_still_is_undecided_and_not_equal() -> None:
    first, second = FakeSide(row(b"x")), FakeSide(row(b"y"))

    def move(times: int) -> None:
        first.rows_there = row(b"first %d" % times)
        second.rows_there = row(b"second %d" % times)

    told = settled(first, second, Passing(move))

    assert told == Settled(differences=(), undecided=(ONE,))


def test_a_row_that_goes_back_and_forth_all_the_time_is_no_difference() -> None:
    first, second = FakeSide(row(b"x")), FakeSide(row(b"y"))

    def go_back_and_forth(times: int) -> None:
        # What was y when the second server got it has always been x again when the first one was asked.
        second.rows_there = row(b"x" if times == SIGHTINGS else b"y")

    told = settled(first, second, Passing(go_back_and_forth))

    assert told == Settled(differences=(), undecided=())


def test_what_holds_still_after_a_while_is_told_then() -> None:
    first, second = FakeSide(row(b"x")), FakeSide(row(b"y"))
    passing = Passing(lambda times: first.rows_there.update(row(b"x%d" % min(times, 3))))

    told = settled(first, second, passing)

    assert len(told.differences) == 1
    assert passing.times == 3 + SIGHTINGS


def test_a_difference_must_be_the_same_several_times() -> None:
    passing = Passing()

    told = settled(FakeSide(row(b"x")), FakeSide(row(b"y")), passing)

    assert len(told.differences) == 1
    assert passing.times == SIGHTINGS


def with_document(text: bytes, value: bytes = b"x") -> dict[Key, Seen]:
    return {ONE: (b"1", value, document(text))}


def test_json_that_differs_as_text_alone_is_equal_and_is_not_waited_for() -> None:
    first = FakeSide(with_document(b'{"b":1.0,"a":[1,2]}'))
    second = FakeSide(with_document(b'{"a": [1, 2], "b": 1}'))
    passing = Passing()

    told = settled(first, second, passing, WITH_JSON)

    assert told == Settled(differences=(), undecided=())
    assert passing.times == 0


def test_json_that_differs_is_told() -> None:
    (difference,) = settled(
        FakeSide(with_document(b"[1,2]")), FakeSide(with_document(b"[2,1]")), Passing(), WITH_JSON
    ).differences

    assert (difference.columns, difference.values) == (("j",), ((b"[1,2]", b"[2,1]"),))


def test_of_a_row_that_differs_elsewhere_equal_json_is_not_told() -> None:
    (difference,) = settled(
        FakeSide(with_document(b"[1,2]")), FakeSide(with_document(b"[1, 2]", b"y")), Passing(), WITH_JSON
    ).differences

    assert difference.columns == ("v",)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (b"2:ab", b"ab"),
        (b"900:" + b"a" * 60, b"a" * 60 + "… (900 bytes)".encode()),
        (b"900:" + b"a" * 58 + "é€".encode()[:2], ("a" * 58 + "é… (900 bytes)").encode()),
        (b"900:" + b"a" * 58 + "€".encode()[:2], ("a" * 58 + "… (900 bytes)").encode()),
        (b"3:\x00\xff\x80", b"x'00ff80'"),
        (b"0:", b""),
    ],
    ids=["short", "long", "whole letter", "cut letter", "bytes", "empty"],
)
def test_the_beginning_of_a_long_value_is_shown(seen: bytes, told: bytes) -> None:
    columns = Columns(names=("v",), digested=frozenset("v"))
    first, second = {ONE: (b"0" * 64 + seen,)}, {ONE: (None,)}

    (difference,) = settled(FakeSide(first), FakeSide(second), Passing(), columns).differences

    assert difference.values == ((told, None),)
