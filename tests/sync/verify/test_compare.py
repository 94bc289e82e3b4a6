"""Whatever differs between two tables is found, however they are cut, and nothing else is."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ErrorCode, MySQLError
from dbmux.sync.verify.compare import Chunk, Sizes, chunks, suspects
from dbmux.sync.verify.region import Key, Range, Total
from dbmux.sync.verify.side import Undecided
from tests.sync.verify.fakes import FakeSide, Rows

KEYS = st.tuples(st.integers(0, 300).map(lambda number: b"%03d" % number), st.sampled_from([b"a", b"b"]))
VALUES = st.tuples(st.sampled_from([b"x", b"X", b"", None]))
ROWS = st.dictionaries(KEYS, VALUES, max_size=120)
SIZES = st.builds(
    Sizes,
    chunk=st.integers(1, 50),
    largest=st.integers(1, 100),
    listed=st.integers(1, 40),
    bucket=st.integers(1, 30),
    most_buckets=st.integers(1, 64),
)


async def found(first: FakeSide, second: FakeSide, sizes: Sizes, after: Key | None = None) -> list[Key]:
    """All suspects, from a key on."""
    keys: list[Key] = []
    async for chunk in chunks([(first, second)], after, sizes, lambda: 0.0):
        if chunk.differs:
            async for some in suspects((first, second), chunk, sizes):
                assert 0 < len(some) <= sizes.listed
                keys += some
    return keys


def differing(first: Rows, second: Rows) -> list[Key]:
    return sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))


@given(first=ROWS, second=ROWS, sizes=SIZES)
def test_any_differences_are_found_exactly_in_any_chunks(first: Rows, second: Rows, sizes: Sizes) -> None:
    keys = asyncio.run(found(FakeSide(first), FakeSide(second), sizes))

    assert sorted(keys) == differing(first, second)


@given(rows=ROWS, changed=st.sets(KEYS, max_size=5), sizes=SIZES)
def test_a_few_planted_differences_are_found_exactly(rows: Rows, changed: set[Key], sizes: Sizes) -> None:
    other = {key: seen for key, seen in rows.items() if key not in changed} | dict.fromkeys(
        changed - rows.keys(), (b"",)
    )

    keys = asyncio.run(found(FakeSide(rows), FakeSide(other), sizes))

    assert sorted(keys) == sorted(changed)


@given(first=ROWS, second=ROWS, sizes=SIZES)
def test_chunks_have_every_row_of_either_side_once(first: Rows, second: Rows, sizes: Sizes) -> None:
    async def all_chunks() -> list[Chunk]:
        return [chunk async for chunk in chunks([(FakeSide(first), FakeSide(second))], None, sizes, lambda: 0.0)]

    told = asyncio.run(all_chunks())

    assert [sum(chunk.totals[side].rows for chunk in told) for side in (0, 1)] == [len(first), len(second)]
    assert [chunk.part.after for chunk in told] == [None, *(chunk.part.to for chunk in told[:-1])]
    assert told[-1].part.to is None


@given(first=ROWS, second=ROWS, sizes=SIZES, after=KEYS)
def test_from_any_key_on_the_rest_is_compared(first: Rows, second: Rows, sizes: Sizes, after: Key) -> None:
    keys = asyncio.run(found(FakeSide(first), FakeSide(second), sizes, after))

    assert sorted(keys) == [key for key in differing(first, second) if key > after]


def test_equal_tables_are_summed_and_never_listed() -> None:
    rows: Rows = {(b"%04d" % number,): (b"x",) for number in range(1000)}
    first, second = FakeSide(rows), FakeSide(rows)

    keys = asyncio.run(found(first, second, Sizes(chunk=100, largest=100)))

    assert keys == []
    assert set(first.asked) == set(second.asked) == {"total"}


def test_one_row_that_differs_is_found_by_listing_few() -> None:
    rows: Rows = {(b"%05d" % number,): (b"x",) for number in range(20_000)}
    first, second = FakeSide(rows), FakeSide(rows | {(b"12345",): (b"y",)})

    keys = asyncio.run(found(first, second, Sizes(chunk=10_000, largest=10_000)))

    assert keys == [(b"12345",)]
    assert first.listed < 300


def test_two_changes_that_would_cancel_each_other_out_are_found() -> None:
    first = FakeSide({(b"1",): (b"x",), (b"2",): (b"y",)})
    second = FakeSide({(b"1",): (b"y",), (b"2",): (b"x",)})

    keys = asyncio.run(found(first, second, Sizes()))

    assert sorted(keys) == [(b"1",), (b"2",)]


def test_what_is_the_same_in_one_way_is_the_same_and_is_asked_so_first_from_then_on() -> None:
    rows: Rows = {(b"%04d" % number,): (b"x",) for number in range(1000)}
    as_it_is = FakeSide(rows), FakeSide({key: (b"X",) for key in rows})
    as_meant = FakeSide(rows), FakeSide(rows)

    async def all_chunks() -> list[Chunk]:
        sizes = Sizes(chunk=100, largest=100)
        return [chunk async for chunk in chunks([as_it_is, as_meant], None, sizes, lambda: 0.0)]

    told = asyncio.run(all_chunks())

    assert not any(chunk.differs for chunk in told)
    assert (len(as_it_is[0].asked), len(as_meant[0].asked)) == (1, len(told))


def test_what_differs_in_every_way_differs() -> None:
    first, second = FakeSide({(b"1",): (b"x",)}), FakeSide({(b"1",): (b"y",)})

    async def all_chunks() -> list[Chunk]:
        return [chunk async for chunk in chunks([(first, second), (first, second)], None, Sizes(), lambda: 0.0)]

    assert [chunk.differs for chunk in asyncio.run(all_chunks())] == [True]


class Breaking(FakeSide):
    """Loses its connection at the second sum."""

    async def total(self, part: Range) -> Total:
        if len(self.asked) == 1:
            raise MySQLError(ErrorCode.LOST_IN_REPLY, "it is gone")
        return await super().total(part)


class Disordered(FakeSide):
    """Sorts in another way."""

    async def ascends(self, after: Key, to: Key) -> bool:
        return False


ROWS_OF_TEN: Rows = {(b"%d" % number,): (b"x",) for number in range(10)}


def test_a_read_that_breaks_is_an_error_and_not_the_end_of_the_table() -> None:
    with pytest.raises(MySQLError, match="it is gone"):
        asyncio.run(found(FakeSide(ROWS_OF_TEN), Breaking(ROWS_OF_TEN), Sizes(chunk=2, largest=2)))


def test_servers_that_sort_in_different_ways_are_not_compared_by_ranges() -> None:
    with pytest.raises(Undecided, match="sort the key in different ways"):
        asyncio.run(found(FakeSide(ROWS_OF_TEN), Disordered(ROWS_OF_TEN), Sizes(chunk=2, largest=2)))
