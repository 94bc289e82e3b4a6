"""What a server's binary log says, for the cache: writes that did not come through DbMux, and its own once more.

Tables that were touched and statements that ran come in (dbmux.backend.binlog tells them, a Listener); the epochs of
the tables move. While the log should be read and is not, nothing of that server is stored.
"""

from __future__ import annotations

from collections.abc import Callable

from dbmux.cache.cache import Cache, Source
from dbmux.config.model import InvalidateFrom
from dbmux.sql.classify import classify


class Follower:
    """Listens for one group's server. `can_do_without` tells of which breaks the cache may go on without the log."""

    def __init__(
        self,
        cache: Cache,
        source: Source,
        mode: InvalidateFrom,
        can_do_without: Callable[[Exception], bool],
        warn: Callable[[str], None],
    ) -> None:
        self._cache = cache
        self._source = source
        self._mode = mode
        self._can_do_without = can_do_without
        self._warn = warn
        cache.follow(source, is_followed=False, broken="the server's binary log is not read yet")

    def began(self) -> None:
        """From here on every write is told; whatever was stored may be older."""
        self._cache.wrote(None, f"the binary log of {self._source.name} is read from here on")
        self._source.doubt()
        self._cache.follow(self._source, is_followed=True, broken="")

    def touched(self, schema: str, table: str) -> None:
        """Rows of the table have changed."""
        cache = self._cache
        cache.wrote((cache.tables.table(schema, table),), "binary log")

    def statement(self, schema: str, text: bytes, flags: int) -> None:
        """A statement ran with this default schema."""
        footprint = classify(text, 0, flags).footprint
        if not footprint.is_harmless:
            self._cache.wrote(self._cache.written(self._source, footprint, schema), "a statement in the binary log")
        if footprint.defines:
            self._source.doubt()

    def broke(self, reason: Exception) -> None:
        """Nothing is told any more, or never was."""
        self._cache.wrote(None, f"the binary log of {self._source.name} is not read")
        if self._mode is InvalidateFrom.AUTO and self._can_do_without(reason):
            self._warn(f"writes past DbMux are not seen at {self._source.name}: {reason}")
            self._cache.follow(self._source, is_followed=False, broken="")
        else:
            self._warn(f"nothing of {self._source.name} is cached: {reason}")
            self._cache.follow(self._source, is_followed=False, broken=f"the server's binary log is not read: {reason}")
