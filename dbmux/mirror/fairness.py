"""Whether source and target could answer alike, by what the query cache knows of writes.

The cache's epochs of the tables that a read touches, also behind views, and whether the target has caught up come in.
Where the tables are not surely known, nothing is called fair.
"""

from __future__ import annotations

from collections.abc import Callable

from dbmux.cache.cache import Source
from dbmux.cache.tables import Tables, capture, is_current
from dbmux.mirror.read import NotComparedError, Read


class Epochs:
    """For the servers of one group; `applied` says whether the target has all that the source has committed by now."""

    def __init__(self, source: Source, tables: Tables, applied: Callable[[], bool]) -> None:
        self._source = source
        self._tables = tables
        self._applied = applied

    def capture(self, read: Read) -> object:
        """The epochs as they are; raises NotComparedError."""
        source = self._source
        if source.dictionary is None:
            raise NotComparedError(source.why)
        found = source.dictionary.sources(read.footprint, read.state.schema.decode("utf-8", "backslashreplace"))
        if found.why:
            raise NotComparedError(found.why)
        tables = tuple(self._tables.table(*key) for key in sorted(found.tables))
        return tables, capture(tables)

    def is_fair(self, read: Read, since: object) -> bool:
        """Whether no epoch has moved."""
        assert isinstance(since, tuple)
        return is_current(*since)

    def has_applied(self) -> bool:
        """Whether the target has caught up."""
        return self._applied()
