"""A table in memory, which answers like one on a server."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from dbmux.sync.verify.region import Buckets, Key, Range, Seen, Total

Rows = dict[Key, Seen]


class FakeSide:
    """`rows` are its rows; `moved` is called with it before each look, as somebody who writes meanwhile."""

    def __init__(self, rows: Mapping[Key, Seen], moved: Callable[[FakeSide], None] = lambda side: None) -> None:
        self.rows_there = dict(rows)
        self.moved = moved
        self.asked: list[str] = []
        self.listed = 0
        self.most = 3

    async def border(self, after: Key | None, rows: int) -> Key | None:
        keys = sorted(key for key in self.rows_there if after is None or key > after)
        return keys[rows - 1] if len(keys) >= rows else None

    async def ascends(self, after: Key, to: Key) -> bool:
        return after < to

    async def total(self, part: Range) -> Total:
        self.asked.append("total")
        return _total(self._in(part))

    async def buckets(self, part: Range, of: int) -> dict[int, Total]:
        self.asked.append("buckets")
        spread: dict[int, Rows] = {}
        for key, seen in self._in(part).items():
            spread.setdefault(_bucket(key, of), {})[key] = seen
        return {number: _total(rows) for number, rows in spread.items()}

    async def rows(self, part: Range, buckets: Buckets) -> AsyncIterator[tuple[Key, bytes]]:
        self.asked.append("rows")
        for key, seen in self._in(part).items():
            if _bucket(key, buckets.of) in buckets.numbers:
                self.listed += 1
                yield key, _digest(key, seen)

    async def marks(self, keys: Sequence[Key]) -> dict[Key, bytes]:
        self.moved(self)
        return {key: _digest(key, self.rows_there[key]) for key in keys if key in self.rows_there}

    async def look(self, keys: Sequence[Key]) -> dict[Key, Seen]:
        self.moved(self)
        return {key: self.rows_there[key] for key in keys if key in self.rows_there}

    async def documents(self, keys: Sequence[Key], column: str) -> dict[Key, bytes | None]:
        # The texts stand in the last column, after what is seen of a long value.
        return {key: (self.rows_there[key][-1] or b"").partition(b":")[2] for key in keys if key in self.rows_there}

    def _in(self, part: Range) -> Rows:
        after, to = part.after, part.to
        return {
            key: seen
            for key, seen in self.rows_there.items()
            if (after is None or key > after) and (to is None or key <= to)
        }


def document(text: bytes) -> bytes:
    """What is seen of a JSON value."""
    return hashlib.sha256(text).hexdigest().encode() + b"%d:" % len(text) + text


def _digest(key: Key, seen: Seen) -> bytes:
    return hashlib.sha256(repr((key, seen)).encode()).hexdigest()[:32].encode()


def _total(rows: Rows) -> Total:
    return Total(len(rows), sum(int(_digest(key, seen)[:16], 16) for key, seen in rows.items()))


def _bucket(key: Key, of: int) -> int:
    return zlib.crc32(b",".join(key)) % of
