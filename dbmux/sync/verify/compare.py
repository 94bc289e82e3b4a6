"""From two tables to the keys of the rows in which they may differ, chunk by chunk.

Two sides come in; for each chunk that is done its rows go out, and the keys of rows that were not the same when they
were read. Only what differs is looked at closer: a chunk's sum, then those of its buckets, then single rows. Nobody's
writes are stopped, so a key that comes out is no verdict yet (dbmux.sync.verify.settle).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

from dbmux.sync.verify.region import ALL, NOTHING, Buckets, Key, Range, Total
from dbmux.sync.verify.side import Side, Undecided

Sides = tuple[Side, Side]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is read at once.

    A chunk begins with `chunk` rows and grows until it takes `chunk_s`, to at most `largest`. Rows are listed up to
    `listed` at once, out of buckets of about `bucket`; `waiting` keys at most, for
    about `waiting_s`, wait to be looked at again. With their digests that is what this process has to hold.
    """

    chunk: int = 2_000
    largest: int = 200_000
    chunk_s: float = 0.5
    listed: int = 25_000
    bucket: int = 100
    most_buckets: int = 65_536
    waiting: int = 25_000
    waiting_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A chunk that was compared: the rows of either side, and whether it may differ."""

    part: Range
    totals: tuple[Total, Total]

    @property
    def differs(self) -> bool:
        """Whether the sides did not agree when they were read."""
        return self.totals[0] != self.totals[1]

    @property
    def rows(self) -> int:
        """The larger number of rows."""
        return max(total.rows for total in self.totals)


async def chunks(
    ways: Sequence[Sides], after: Key | None, sizes: Sizes, clock: Callable[[], float] = perf_counter
) -> AsyncIterator[Chunk]:
    """The table from that key on, to its end; raises Undecided, and whatever the servers refuse.

    The sides can be asked in some `ways`. What is the same in one of them is the same; only the last tells what is not.
    """
    rows = sizes.chunk
    likely = ways[0]
    while True:
        begun = clock()
        to = await likely[0].border(after, rows)
        if after is not None and to is not None and not await likely[1].ascends(after, to):
            raise Undecided("the servers sort the key in different ways, under a collation of one name")
        part = Range(after, to)
        # What was the same the last time is likely to be it again.
        for sides in (likely, *(way for way in ways if way is not likely)):
            totals = await both(sides, lambda side, part=part: side.total(part))  # type: ignore[misc]
            if totals[0] == totals[1]:
                likely = sides
                break
        yield Chunk(part=part, totals=totals)
        if to is None:
            return
        after = to
        factor = sizes.chunk_s / max(clock() - begun, 1e-3)
        rows = max(min(int(rows * min(max(factor, 0.5), 2.0)), sizes.largest), sizes.chunk // 10, 1)


async def suspects(sides: Sides, chunk: Chunk, sizes: Sizes) -> AsyncIterator[list[Key]]:
    """The keys of a chunk's rows that are not the same on both sides, in lists of at most `listed`."""
    async for buckets in _differing(sides, chunk, sizes):
        found = await _unequal(sides, chunk.part, buckets)
        for at in range(0, len(found), sizes.listed):
            yield found[at : at + sizes.listed]


async def _differing(sides: Sides, chunk: Chunk, sizes: Sizes) -> AsyncIterator[Buckets]:
    # Which buckets do not agree, as many at a time as may be listed.
    if chunk.rows <= sizes.bucket:
        yield ALL
        return
    of = min(chunk.rows // sizes.bucket + 1, sizes.most_buckets)
    first, second = await both(sides, lambda side: side.buckets(chunk.part, of))
    rows: dict[int, int] = {}
    for number in first.keys() | second.keys():
        one, other = first.get(number, NOTHING), second.get(number, NOTHING)
        if one != other:
            rows[number] = max(one.rows, other.rows)
    for numbers in _grouped(rows, sizes.listed):
        yield Buckets(of, numbers)


def _grouped(rows: dict[int, int], limit: int) -> Iterator[frozenset[int]]:
    group: list[int] = []
    held = 0
    for number in sorted(rows):
        if group and held + rows[number] > limit:
            yield frozenset(group)
            group, held = [], 0
        group.append(number)
        held += rows[number]
    if group:
        yield frozenset(group)


async def _unequal(sides: Sides, part: Range, buckets: Buckets) -> list[Key]:
    first = {key: digest async for key, digest in sides[0].rows(part, buckets)}
    found: list[Key] = []
    async for key, digest in sides[1].rows(part, buckets):
        if first.pop(key, None) != digest:
            found.append(key)
    return [*found, *first]


async def both(sides: Sides, what: Callable[[Side], Coroutine[Any, Any, T]]) -> tuple[T, T]:
    """Ask both sides at the same time; the first error ends both."""
    try:
        async with asyncio.TaskGroup() as group:
            one, other = (group.create_task(what(side)) for side in sides)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return one.result(), other.result()
