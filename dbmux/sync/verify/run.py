"""A comparison of two servers from its beginning to its end, table by table.

Two connections and what is wished for come in; a result for each table goes out, and on the way whoever watches is told
how far it is. A table that cannot be read is undecided, never equal; when a connection is gone, so are all that are
left. Writes only where a repair is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from dbmux.backend.service import Service
from dbmux.errors import DbMuxError
from dbmux.sync.places import SCHEMA as OWN_SCHEMA
from dbmux.sync.table import Table, TableName, describe, tables
from dbmux.sync.verify.compare import Sides, Sizes, chunks, suspects
from dbmux.sync.verify.form import Shape, pairs
from dbmux.sync.verify.region import Key
from dbmux.sync.verify.result import TableResult
from dbmux.sync.verify.settle import Columns, Difference, Passage, settle
from dbmux.sync.verify.side import ServerSide, layouts, prepare, writings

# How often is written down how far it is.
SAVED_S = 2.0


class Watcher(Protocol):
    """Whoever is told how far it is."""

    def begun(self, table: str, rows: int) -> None:
        """A table with about so many rows is compared."""

    def advanced(self, rows: int) -> None:
        """So many more rows of it."""

    def ended(self, result: TableResult) -> None:
        """The table is done."""


class Mender(Protocol):
    """What is done about rows that differ."""

    async def mend(self, differences: Sequence[Difference]) -> int:
        """Make them the same on the second server; returns how many were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is compared, and how. `known` are results of a comparison that was broken off, `save` keeps those there are.

    `mender` makes whatever repairs a table out of its sides; it raises DbMuxError where that is not possible.
    """

    patterns: tuple[str, ...] = ()
    passage: Passage
    sizes: Sizes = Sizes()
    known: dict[str, TableResult] = field(default_factory=dict)
    save: Callable[[list[TableResult]], None] = lambda results: None
    mender: Callable[[tuple[ServerSide, ServerSide], tuple[Table, Table]], Mender] | None = None


async def verify(services: tuple[Service, Service], wish: Wish, watcher: Watcher) -> list[TableResult]:
    """Compare; raises BackendRefused or MySQLError when not even the tables can be listed."""
    names: list[list[TableName]] = []
    for service in services:
        await prepare(service)
        there = await tables(service.ask)
        names.append([name for name in there if name.schema != OWN_SCHEMA and _is_wanted(name, wish.patterns)])
    first, second = names
    results: list[TableResult] = []
    try:
        for name in sorted({*first, *second}):
            if name in first and name in second:
                results.append(wish.known.get(str(name)) or TableResult(name=str(name)))
                await _table(services, wish, watcher, name, results)
            else:
                where = services[0 if name in first else 1].name
                problem = f"only on {where}, or the account sees it only there"
                results.append(TableResult(name=str(name), is_alone=True, problem=problem))
            watcher.ended(results[-1])
            wish.save(results)
    finally:
        # Also when it is broken off.
        wish.save(results)
    return results


async def _table(
    services: tuple[Service, Service], wish: Wish, watcher: Watcher, name: TableName, results: list[TableResult]
) -> None:
    try:
        first, second = [await describe(service.ask, name) for service in services]
        prints = (first.fingerprint, second.fingerprint)
        if results[-1].fingerprints != prints:
            results[-1] = TableResult(name=str(name), fingerprints=prints)
        if not results[-1].is_done:
            await _Comparison(services, wish, watcher, (first, second), results).run()
    except (DbMuxError, TimeoutError) as error:
        results[-1].problem = str(error) or "no answer in time"


class _Comparison:
    """One table of both servers: its chunks, and the keys that wait to be looked at again."""

    def __init__(
        self,
        services: tuple[Service, Service],
        wish: Wish,
        watcher: Watcher,
        described: tuple[Table, Table],
        results: list[TableResult],
    ) -> None:
        columns = pairs(*described)
        one, other = layouts(*described, columns)
        ways = [
            (ServerSide(services[0], one, writing), ServerSide(services[1], other, writing))
            for writing in writings(columns, one)
        ]
        self._ways: Sequence[Sides] = ways
        self._sides = ways[-1]
        self._described = described
        self._wish = wish
        self._watcher = watcher
        self._results = results
        self._result = results[-1]
        self._rows = described[0].rows
        self._mends = wish.mender is not None
        self._mender: Mender | None = None
        documents = frozenset(form.column.name for form in one.forms if form.is_document)
        digested = frozenset(form.column.name for form in one.forms if form.shape is not Shape.PLAIN)
        self._sizes = wish.sizes
        self._columns = Columns(names=tuple(pair.name for pair in columns), digested=digested, documents=documents)
        if not one.key:
            # What is equal is counted already with JSON as it is meant.
            self._columns = Columns(names=("(how often the row is there)",))
        self._waiting: list[Key] = []
        self._waits_since = 0.0
        self._saved_at = monotonic()

    async def run(self) -> None:
        result, sizes = self._result, self._sizes
        self._watcher.begun(result.name, self._rows)
        self._watcher.advanced(result.rows[0])
        # What a broken-off comparison could not do is tried again.
        result.problem = ""
        async for chunk in chunks(self._ways, result.after, sizes):
            if chunk.differs:
                async for keys in suspects(self._sides, chunk, sizes):
                    await self._suspect(keys)
            one, other = chunk.totals
            result.rows = result.rows[0] + one.rows, result.rows[1] + other.rows
            self._watcher.advanced(one.rows)
            if self._waiting and monotonic() - self._waits_since > sizes.waiting_s:
                await self._settle()
            if not self._waiting:
                result.checkpoint(chunk.part.to)
                self._save()
        await self._settle()
        result.is_done = True

    async def _suspect(self, keys: list[Key]) -> None:
        if not self._waiting:
            self._waits_since = monotonic()
        self._waiting += keys
        if len(self._waiting) >= self._sizes.waiting:
            await self._settle()

    async def _settle(self) -> None:
        keys, self._waiting = self._waiting, []
        if not keys:
            return
        settled = await settle(self._sides, self._columns, keys, self._wish.passage)
        for difference in settled.differences:
            self._result.add(difference)
        self._result.undecided += len(settled.undecided)
        if self._mends and settled.differences:
            await self._mend(settled.differences)

    async def _mend(self, differences: Sequence[Difference]) -> None:
        if self._mender is None:
            assert self._wish.mender is not None
            try:
                self._mender = self._wish.mender(self._sides, self._described)
            except DbMuxError as error:
                # It is compared all the same.
                self._result.problem, self._mends = str(error), False
                return
        self._result.repaired += await self._mender.mend(differences)

    def _save(self) -> None:
        if monotonic() - self._saved_at > SAVED_S:
            self._wish.save(self._results)
            self._saved_at = monotonic()


def _is_wanted(name: TableName, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(_matches(str(name), pattern) for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), name, re.DOTALL) is not None
