"""What an open transaction has written so far: its end ends the results of all these tables once more."""

from __future__ import annotations

from dbmux.cache.tables import Table


class Written:
    """One session's. `is_empty` tells whether there is anything."""

    __slots__ = ("_is_boundless", "_tables", "is_empty")

    def __init__(self) -> None:
        self._tables: set[Table] = set()
        self._is_boundless = False
        self.is_empty = True

    @property
    def tables(self) -> tuple[Table, ...] | None:
        """All of them; None for any table at all."""
        return None if self._is_boundless else tuple(self._tables)

    def add(self, tables: tuple[Table, ...] | None) -> None:
        """A statement may have written these, or with None anything."""
        if tables is None:
            self._is_boundless = True
        else:
            self._tables.update(tables)
        self.is_empty = not (self._is_boundless or self._tables)

    def clear(self) -> None:
        """The transaction is over."""
        if not self.is_empty:
            self._tables.clear()
            self._is_boundless = False
            self.is_empty = True
