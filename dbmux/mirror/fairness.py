"""Whether source and target could answer alike, by what is known of writes and of how far the target is.

The query cache's epochs of the tables that a read touches, also behind views, and the moment up to which the target has
everything come in. Where the tables are not known, because nothing is cached or the dictionary cannot say, no write is
seen: then only asking again tells a write in between from a difference, which dbmux.mirror.shadow does in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol

from dbmux.cache.cache import Source
from dbmux.cache.tables import Table, Tables, capture, is_current
from dbmux.mirror.read import Read
from dbmux.sync.table import TableName


class Followed(Protocol):
    """A mirror: dbmux.mirror.mirrors.AnyMirror."""

    @property
    def applied_until(self) -> float:
        """A moment, by time.perf_counter: the target has all that the source had committed then."""

    def hurry(self) -> None:
        """Somebody waits for `applied_until` to be as late as now."""

    def written_at(self, table: TableName) -> float:
        """A moment, by time.perf_counter: since then the source's log has told of no write to this table."""


class Epochs:
    """For the servers of one group, and the mirror as it is, if it is."""

    def __init__(self, source: Source, tables: Tables, mirror: Callable[[], Followed | None]) -> None:
        self._source = source
        self._tables = tables
        self._mirror = mirror

    def capture(self, read: Read) -> object:
        """The tables that are known, and their epochs as they are."""
        tables = self._of(read)
        return tables, capture(tables)

    def is_fair(self, read: Read, since: object) -> bool:
        """Whether no epoch has moved."""
        assert isinstance(since, tuple)
        return is_current(*since)

    def applied_until(self) -> float:
        """How far the target is, by time.perf_counter."""
        mirror = self._mirror()
        return 0.0 if mirror is None else mirror.applied_until

    def hurry(self) -> None:
        """Have that asked."""
        mirror = self._mirror()
        if mirror is not None:
            mirror.hurry()

    def written_at(self, table: TableName) -> float:
        """By what the source's log told."""
        mirror = self._mirror()
        return inf if mirror is None else mirror.written_at(table)

    def _of(self, read: Read) -> tuple[Table, ...]:
        dictionary = self._source.dictionary
        if dictionary is None:
            return ()
        found = dictionary.sources(read.footprint, read.state.schema.decode("utf-8", "backslashreplace"))
        return () if found.why else tuple(self._tables.table(*key) for key in sorted(found.tables))
