"""Makes rows on the second server what they are on the first: REPLACE and DELETE by key, in transactions.

Differences come in; statements are run, or only told. A row is read again on the first server and held there, and
nothing is written before the second one has all that the first one had: what a mirror brings in the meantime is not
undone. Never touches the first server's rows, a table without a key, or one whose triggers would write more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from dbmux.backend.service import Service
from dbmux.errors import DbMuxError
from dbmux.sync.table import Table
from dbmux.sync.verify.form import Shape
from dbmux.sync.verify.region import Key
from dbmux.sync.verify.settle import Difference, Passage
from dbmux.sync.verify.side import ServerSide

# Rows in one transaction, and about so many bytes of them: those are held on the first server, and here.
TOGETHER, TOGETHER_BYTES = 100, 4_000_000
# Zero dates and numbers go in as they are; what does not fit is refused. No foreign key takes further rows along.
SESSION = (
    b"SET SESSION sql_mode='STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO',foreign_key_checks=0,"
    b"time_zone='+00:00'"
)


class CannotRepair(DbMuxError):
    """A table that is left as it is."""


class Statements:
    """The statements for rows that differ, in which the values are the first server's."""

    def __init__(self, services: tuple[Service, Service], sides: tuple[ServerSide, ServerSide], second: Table) -> None:
        layout = sides[1].layout
        if not layout.key:
            raise CannotRepair(f"{second.name} has no key that tells its rows apart: give it one, or load it anew")
        if second.triggers:
            raise CannotRepair(f"{second.name} has triggers on {services[1].name}, which would write more: drop them")
        self._first = services[0]
        self._sides = sides
        halves = zip(sides[0].layout.forms, layout.forms, strict=True)
        self._halves = [(one, other) for one, other in halves if not other.column.generated]

    async def batches(self, differences: Sequence[Difference]) -> AsyncIterator[list[Key]]:
        """The keys of these rows, as many at a time as may be held."""
        for at in range(0, len(differences), TOGETHER):
            keys = [difference.key for difference in differences[at : at + TOGETHER]]
            lengths = await self._lengths(keys)
            batch: list[Key] = []
            held = 0
            for key in keys:
                length = lengths.get(key, 0)
                if batch and held + length > TOGETHER_BYTES:
                    yield batch
                    batch, held = [], 0
                batch.append(key)
                held += length
            yield batch

    async def _lengths(self, keys: Sequence[Key]) -> dict[Key, int]:
        # Of the values that can be long.
        one = self._sides[0]
        long = [f"COALESCE(LENGTH({form.value}),0)" for form, _ in self._halves if form.shape is Shape.LONG]
        if not long:
            return {}
        wanted = ",".join([*(form.value for form in one.layout.key), "+".join(long)])
        sql = f"SELECT {wanted} FROM {one.layout.table.name.sql} WHERE {_any_of(one, keys)}"
        rows = await self._first.ask(sql.encode())
        return {tuple(value or b"" for value in row[:-1]): int(row[-1] or b"0") for row in rows}

    async def of(self, keys: Sequence[Key], lock: str = "") -> AsyncIterator[tuple[Key, str]]:
        """The statement for each of these rows; `lock` is how the first server is to hold them."""
        one, other = self._sides
        width = len(one.layout.key)
        wanted = ",".join([form.value for form in one.layout.key] + [form.value for form, _ in self._halves])
        names = ",".join(form.column.sql for _, form in self._halves)
        left = set(keys)
        sql = f"SELECT {wanted} FROM {one.layout.table.name.sql} WHERE {_any_of(one, keys)}{lock}"
        there: list[tuple[Key, str]] = []
        async for row in self._first.rows(sql.encode()):
            key = tuple(value or b"" for value in row[:width])
            if key not in left:
                continue
            left.remove(key)
            values = ",".join(
                "NULL" if value is None else form.literal(value)
                for value, (_, form) in zip(row[width:], self._halves, strict=True)
            )
            there.append((key, f"REPLACE INTO {other.layout.table.name.sql} ({names}) VALUES ({values})"))
        # First what goes: it may stand in the way of what comes.
        for key in sorted(left):
            yield key, f"DELETE FROM {other.layout.table.name.sql} WHERE {self._exactly(key)}"
        for told in there:
            yield told

    def _exactly(self, key: Key) -> str:
        # A collation may take other texts for equal.
        side = self._sides[1]
        pairs = zip(side.layout.key, key, strict=True)
        same = [f"{form.value}=x'{value.hex()}'" for form, value in pairs if form.shape is Shape.COUNTED]
        return " AND ".join([side.is_key(key), *same])


def _any_of(side: ServerSide, keys: Sequence[Key]) -> str:
    return " OR ".join(f"({side.is_key(key)})" for key in keys)


class DryRun:
    """Only tells what would be done."""

    def __init__(self, statements: Statements, tell: Callable[[str], None]) -> None:
        self._statements = statements
        self._tell = tell

    async def mend(self, differences: Sequence[Difference]) -> int:
        """Nothing is repaired."""
        async for keys in self._statements.batches(differences):
            async for _, sql in self._statements.of(keys):
                self._tell(f"{sql};")
        return 0


class Repair:
    """Does it."""

    def __init__(self, services: tuple[Service, Service], statements: Statements, passage: Passage) -> None:
        self._first, self._second = services
        self._statements = statements
        self._passage = passage

    async def mend(self, differences: Sequence[Difference]) -> int:
        """All of them, a transaction after the other; raises what the servers refuse, with nothing half done."""
        await self._second.do(SESSION)
        count = 0
        async for keys in self._statements.batches(differences):
            await self._first.do(b"START TRANSACTION")
            try:
                told = [sql async for _, sql in self._statements.of(keys, " LOCK IN SHARE MODE")]
                await self._passage.passed()
                await self._write(told)
            finally:
                if self._first.is_open:
                    await self._first.do(b"ROLLBACK")
            count += len(told)
        return count

    async def _write(self, statements: Sequence[str]) -> None:
        second = self._second
        await second.do(b"START TRANSACTION")
        try:
            for sql in statements:
                await second.do(sql.encode())
        except DbMuxError:
            if second.is_open:
                await second.do(b"ROLLBACK")
            raise
        await second.do(b"COMMIT")
