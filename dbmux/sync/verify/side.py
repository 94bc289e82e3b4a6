"""One of the two servers, and one table of it: what is asked of it, in SQL.

Ranges, buckets and keys come in; counts, sums, digests and values go out, in the form that is the same on both servers.
The server digests its rows, but for those whose JSON has to be written anew: these are read, and digested here just as
it would. Whatever could not be digested is an error, never a row less. Never compares, never writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from typing import Protocol

from dbmux.backend.service import Service
from dbmux.errors import DbMuxError
from dbmux.sync.table import Family, Table, quoted
from dbmux.sync.verify.documents import AsMySQL, Meaning
from dbmux.sync.verify.form import NULL, Form, Pair
from dbmux.sync.verify.region import ALL, NOTHING, Buckets, Key, Range, Seen, Total
from dbmux.wire.rows import TextRow

# In place of the digest of a row that could not be digested. No sum of digests that are below 2 ** 64 comes near.
UNDIGESTED = 10**40
_NULL = NULL.encode()
# Hexadecimal digits that stand for a row.
_DIGEST = 32
# The session in which values look the same everywhere.
SESSION = (
    b"SET NAMES utf8mb4",
    b"SET SESSION time_zone='+00:00',sql_mode=''",
)
_ENDLESS = {True: b"SET SESSION max_statement_time=0", False: b"SET SESSION max_execution_time=0"}


class Undecided(DbMuxError):
    """A server did not say what is needed to compare; this is never taken for equal or different."""


class Writing(Enum):
    """How JSON is written when rows are digested: as each server writes it; as MySQL would write what is text; by what
    it means. Rows that are equal in any of these are equal, and only the last tells that they are not."""

    AS_IT_IS = auto()
    AS_MYSQL = auto()
    AS_MEANT = auto()


# Keys in one statement, and of a table without a key: each statement reads all of it.
LOOKED_AT, LOOKED_AT_KEYLESS = 200, 25_000


class Side(Protocol):
    """A table on one server; `most` is how many keys can be looked at in one statement."""

    @property
    def most(self) -> int:
        """See above."""

    async def border(self, after: Key | None, rows: int) -> Key | None:
        """The key of the row so many rows after that key; None when there are not so many."""

    async def ascends(self, after: Key, to: Key) -> bool:
        """Whether the second key comes after the first in this server's order as well."""

    async def total(self, part: Range) -> Total:
        """What is in the range."""

    async def buckets(self, part: Range, of: int) -> dict[int, Total]:
        """The same for each bucket that is not empty."""

    def rows(self, part: Range, buckets: Buckets) -> AsyncIterator[tuple[Key, bytes]]:
        """The keys there and the digests of their rows, in no order."""

    async def marks(self, keys: Sequence[Key]) -> dict[Key, bytes]:
        """The digests of those of the rows that are there."""

    async def look(self, keys: Sequence[Key]) -> dict[Key, Seen]:
        """The values of those of the rows that are there."""

    async def documents(self, keys: Sequence[Key], column: str) -> dict[Key, bytes | None]:
        """The text of a JSON column in those rows."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the table is asked about: the halves of its columns, those of its key, and how many of the key's first
    columns both servers sort alike. Without a key, a row's digest stands for it, and `index` is empty."""

    table: Table
    forms: tuple[Form, ...]
    key: tuple[Form, ...]
    ordered: int
    index: str


def layouts(first: Table, second: Table, columns: Sequence[Pair]) -> tuple[Layout, Layout]:
    """How both tables are asked."""
    key = _common_key(first, second)
    by_name = {pair.name.lower(): pair for pair in columns}
    pairs = [by_name[name] for name in key]
    ordered = next((at for at, pair in enumerate(pairs) if not pair.is_ordered), len(pairs))
    one, other = (
        Layout(
            table,
            tuple(pair.forms[side] for pair in columns),
            tuple(pair.forms[side] for pair in pairs),
            ordered,
            _index(table, key),
        )
        for side, table in enumerate((first, second))
    )
    return one, other


def _common_key(first: Table, second: Table) -> tuple[str, ...]:
    # A key that tells rows apart on both.
    for index in (first.primary, *first.unique):
        if index is None or not index.is_whole:
            continue
        names = tuple(name.lower() for name in index.columns)
        for other in (second.primary, *second.unique):
            if other is not None and other.is_whole and sorted(names) == sorted(n.lower() for n in other.columns):
                return names
    return ()


def _index(table: Table, key: tuple[str, ...]) -> str:
    for index in (table.primary, *table.unique):
        if key and index is not None and tuple(name.lower() for name in index.columns) == key:
            return index.name
    return ""


def writings(columns: Sequence[Pair], layout: Layout) -> tuple[Writing, ...]:
    """Those in which rows are worth being compared, in the order in which they are to be tried."""
    forms = [form for pair in columns for form in pair.forms]
    if not any(form.is_document for form in forms):
        return (Writing.AS_IT_IS,)
    if not any(form.becomes_mysql for form in forms):
        return Writing.AS_IT_IS, Writing.AS_MEANT
    if not layout.key:
        # All of the table is summed at once, and mostly in vain where JSON is as it is.
        return Writing.AS_MYSQL, Writing.AS_IT_IS, Writing.AS_MEANT
    return Writing.AS_IT_IS, Writing.AS_MYSQL, Writing.AS_MEANT


class ServerSide:
    """A table on a real server."""

    def __init__(self, service: Service, layout: Layout, writing: Writing = Writing.AS_IT_IS) -> None:
        self.layout = layout
        self._service = service
        self._table = layout.table.name.sql
        self._writing = writing
        plain = [form for form in layout.forms if not form.is_document]
        self._documents = [form for form in layout.forms if form.is_document]
        others = _row(plain)
        row = _row([*plain, *self._documents])
        number = f"CAST(CONV(LEFT(SHA2({row},256),16),16,10) AS UNSIGNED)"
        self._sum = f"COUNT(*),SUM(COALESCE({number},{UNDIGESTED}))"
        self._spread = f"CRC32({_row(layout.key) if layout.key else others})"
        self._digest = f"LEFT(SHA2({row},256),{_DIGEST})"
        # What is read of a row that is digested here.
        texts = (piece for form in self._documents for piece in (f"{form.column.sql} IS NULL", form.value))
        self._read_too = [others, *texts]
        self._has_others = bool(plain)
        self._writers = [self._writer(form) for form in self._documents]
        becomes_mysql = any(form.becomes_mysql for form in self._documents)
        self._is_read = writing is Writing.AS_MEANT or writing is Writing.AS_MYSQL and becomes_mysql

    @property
    def most(self) -> int:
        """See `Side`."""
        return LOOKED_AT if self.layout.key else LOOKED_AT_KEYLESS

    async def border(self, after: Key | None, rows: int) -> Key | None:
        """See `Side`."""
        ordered = self.layout.key[: self.layout.ordered]
        if not ordered:
            return None
        order = ",".join(form.column.sql for form in ordered)
        values = ",".join(form.value for form in ordered)
        found = await self._ask(
            f"SELECT {values} FROM {self._from()} WHERE {self._in(Range(after))} ORDER BY {order} LIMIT {rows - 1},1"
        )
        return _key(found[0]) if found else None

    async def ascends(self, after: Key, to: Key) -> bool:
        """See `Side`; what is no text has one order everywhere."""
        ordered = self.layout.key[: self.layout.ordered]
        if not any(form.column.family is Family.TEXT for form in ordered):
            return True
        ends = [form.literal(value) for form, value in zip(ordered, to, strict=True)]
        found = await self._ask(f"SELECT {_beyond(ordered, after, '>', ends)}")
        return found[0][0] == b"1"

    async def total(self, part: Range) -> Total:
        """See `Side`."""
        if self._is_read:
            rows = sum_ = 0
            async for row in self._service.rows(self._reading([], self._in(part))):
                rows += 1
                sum_ += _number(self._digest_of(row, 0))
            return Total(rows, sum_)
        found = await self._ask(f"SELECT {self._sum} FROM {self._from()} WHERE {self._in(part)}")
        if len(found) != 1:
            raise Undecided(f"{self._service.name} gave no sum for {self.layout.table.name}")
        return self._total(found[0])

    async def buckets(self, part: Range, of: int) -> dict[int, Total]:
        """See `Side`."""
        if self._is_read:
            totals: dict[int, Total] = {}
            async for row in self._service.rows(self._reading([f"{self._spread}%{of}"], self._in(part))):
                bucket = int(row[0] or b"0")
                rows, sum_ = totals.get(bucket, NOTHING)
                totals[bucket] = Total(rows + 1, sum_ + _number(self._digest_of(row, 1)))
            return totals
        found = await self._ask(
            f"SELECT {self._spread}%{of} AS n,{self._sum} FROM {self._from()} WHERE {self._in(part)} GROUP BY n"
        )
        return {int(row[0] or b"0"): self._total(row[1:]) for row in found}

    async def rows(self, part: Range, buckets: Buckets) -> AsyncIterator[tuple[Key, bytes]]:
        """See `Side`; without a key the digest is the key, and how often it is there stands for the row."""
        where = self._in(part)
        if buckets != ALL:
            where += f" AND {self._spread}%{buckets.of} IN ({','.join(map(str, sorted(buckets.numbers)))})"
        if self.layout.key:
            async for one in self._digested(where):
                yield one
        else:
            for (digest,), count in (await self._counted(where)).items():
                yield (digest,), b"%d" % count

    async def marks(self, keys: Sequence[Key]) -> dict[Key, bytes]:
        """See `Side`; without a key, how often each row is there."""
        wanted = frozenset(keys)
        if self.layout.key:
            # A collation may take others for equal.
            return {key: digest async for key, digest in self._digested(self._any_of(keys)) if key in wanted}
        return {key: b"%d" % count for key, count in (await self._counted("TRUE", wanted)).items()}

    async def look(self, keys: Sequence[Key]) -> dict[Key, Seen]:
        """See `Side`; without a key, how often each row is there is its only value."""
        if not self.layout.key:
            return {key: (count,) for key, count in (await self.marks(keys)).items()}
        width = len(self.layout.key)
        values = ",".join(form.value for form in self.layout.key)
        seen = ",".join(_or_null(form) for form in self.layout.forms)
        rows = self._service.rows(f"SELECT {values},{seen} FROM {self._from()} WHERE {self._any_of(keys)}".encode())
        wanted, found = frozenset(keys), {}
        async for row in rows:
            if (key := _key(row[:width])) in wanted:
                found[key] = self._checked(row[width:])
        return found

    async def documents(self, keys: Sequence[Key], column: str) -> dict[Key, bytes | None]:
        """See `Side`."""
        width = len(self.layout.key)
        values = ",".join(form.value for form in self.layout.key)
        (form,) = (one for one in self.layout.forms if one.column.name.lower() == column.lower())
        sql = f"SELECT {values},{form.value} FROM {self._from()} WHERE {self._any_of(keys)}"
        return {_key(row[:width]): row[width] async for row in self._service.rows(sql.encode())}

    def _checked(self, values: TextRow) -> Seen:
        # NULL comes as an empty value, any other with a mark before it; neither means that it could not be told.
        if None in values:
            raise self._undigested()
        return tuple(value[1:] if value else None for value in values)

    async def _digested(self, where: str) -> AsyncIterator[tuple[Key, bytes]]:
        # Keys and digests.
        values = [form.value for form in self.layout.key]
        width = len(values)
        if self._is_read:
            async for row in self._service.rows(self._reading(values, where)):
                yield _key(row[:width]), self._digest_of(row, width)
            return
        columns = ",".join([*values, self._digest])
        async for row in self._service.rows(f"SELECT {columns} FROM {self._from()} WHERE {where}".encode()):
            told = row[width]
            if told is None:
                raise self._undigested()
            yield _key(row[:width]), told

    def _reading(self, columns: Sequence[str], where: str) -> bytes:
        # These columns, and then what the digest is made of here.
        return f"SELECT {','.join([*columns, *self._read_too])} FROM {self._from()} WHERE {where}".encode()

    def _digest_of(self, row: TextRow, at: int) -> bytes:
        # What the server would make of it, had it written its JSON so; it begins at this value.
        others = row[at]
        if others is None:
            raise self._undigested()
        pieces = [others] if self._has_others else []
        for write in self._writers:
            at += 2
            text = row[at]
            if text is not None:
                # As the server does it (`Form.pieces`).
                pieces.append(sha256(write(text)).hexdigest().encode())
            elif row[at - 1] == b"1":
                pieces.append(_NULL)
            else:
                raise self._undigested()
        return sha256(b",".join(pieces)).hexdigest()[:_DIGEST].encode()

    def _writer(self, form: Form) -> Callable[[bytes], bytes | bytearray]:
        match self._writing:
            case Writing.AS_MYSQL if form.becomes_mysql:
                return AsMySQL().of
            case Writing.AS_MEANT:
                meaning = Meaning()

                def meant(text: bytes) -> bytes | bytearray:
                    told = meaning.of(text)
                    return self._unsure() if told is None else told

                return meant
            case _:
                return bytes

    def _unsure(self) -> bytes:
        # No other side has this one's name, so that the row is looked at.
        if not self.layout.key:
            raise Undecided(
                f"{self.layout.table.name} has numbers in JSON that not every server keeps exactly, and no key to look "
                "at such rows by: give it one"
            )
        return self._service.name.encode()

    async def _counted(self, where: str, wanted: frozenset[Key] | None = None) -> Counter[Key]:
        # Only what is wanted is held here: there may be any number of rows.
        counts: Counter[Key] = Counter()
        if self._is_read:
            async for _, digest in self._digested(where):
                if wanted is None or (digest,) in wanted:
                    counts[(digest,)] += 1
        else:
            if wanted is not None:
                where += f" AND {self._digest} IN ({','.join(_hex(digest) for (digest,) in wanted)})"
            sql = f"SELECT {self._digest} AS d,COUNT(*) FROM {self._from()} WHERE {where} GROUP BY d"
            async for told, count in self._service.rows(sql.encode()):
                if told is None:
                    raise self._undigested()
                counts[(told,)] = int(count or b"0")
        return counts

    def _total(self, row: TextRow) -> Total:
        total = Total(int(row[0] or b"0"), int(row[1] or b"0"))
        if total.sum >= UNDIGESTED:
            raise self._undigested()
        return total

    def _undigested(self) -> Undecided:
        return Undecided(
            f"{self._service.name} could not digest {self.layout.table.name}: "
            "a value is perhaps larger than its max_allowed_packet"
        )

    def _from(self) -> str:
        index = self.layout.index
        return f"{self._table} FORCE INDEX ({quoted(index)})" if index else self._table

    def _in(self, part: Range) -> str:
        ordered = self.layout.key[: self.layout.ordered]
        columns = [form.column.sql for form in ordered]
        borders = ((part.after, ">"), (part.to, "<"))
        sides = [_beyond(ordered, border, sign, columns) for border, sign in borders if border is not None]
        return " AND ".join(sides) or "TRUE"

    def _any_of(self, keys: Sequence[Key]) -> str:
        if len(self.layout.key) == 1 and (column := self.layout.key[0].indexed):
            return f"{column} IN ({','.join(self.layout.key[0].literal(key[0]) for key in keys)})"
        return " OR ".join(f"({self.is_key(key)})" for key in keys)

    def is_key(self, key: Key) -> str:
        """SQL that holds for the row with this key; where the collation says so, for others as well."""
        return " AND ".join(form.equals(value) for form, value in zip(self.layout.key, key, strict=True))

    async def _ask(self, sql: str) -> list[TextRow]:
        return await self._service.ask(sql.encode())


async def prepare(service: Service) -> None:
    """Put a connection into the session in which values look the same everywhere."""
    for sql in (*SESSION, _ENDLESS[service.is_mariadb]):
        await service.do(sql)


def _row(forms: Iterable[Form]) -> str:
    # What begins with bytes is bytes throughout: nothing is converted on the way.
    pieces = ",".join(("CAST('' AS BINARY)", *_with_commas(forms)))
    return f"CONCAT({pieces})"


def _with_commas(forms: Iterable[Form]) -> Iterable[str]:
    for at, form in enumerate(forms):
        if at:
            yield "','"
        yield form.pieces


def _or_null(form: Form) -> str:
    return f"IF({form.column.sql} IS NULL,'',CONCAT('=',{form.seen}))"


def _beyond(forms: Sequence[Form], border: Key, sign: str, values: Sequence[str]) -> str:
    # Written so that the servers take it for a range: (a>=1 AND (a>1 OR (a=1 AND b>2))).
    literal, value = forms[0].literal(border[0]), values[0]
    if len(forms) == 1:
        return f"{value}{sign}{'=' if sign == '<' else ''}{literal}"
    rest = _beyond(forms[1:], border[1:], sign, values[1:])
    return f"({value}{sign}={literal} AND ({value}{sign}{literal} OR ({value}={literal} AND {rest})))"


def _hex(value: bytes) -> str:
    return f"x'{value.hex()}'"


def _number(digest: bytes) -> int:
    return int(digest[:16], 16)


def _key(values: Iterable[bytes | None]) -> Key:
    # No part of a key is NULL.
    return tuple([value or b"" for value in values])
