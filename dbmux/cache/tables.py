# cython: annotation_typing=False, language_level=3
"""Tables and their epochs: whether anything was written since a reading began, known without looking at entries.

Names come in, a Table for each goes out; `capture` before a read is sent, `is_current` when it is done and whenever
what was read is used. Never knows what is stored, and never forgets a table: an epoch that began anew would call old
entries current.

Epochs only grow. Therefore the sum of several is the same only while each of them is, and one number stands for any set
of tables: their own epochs, and the one of everything.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmux.cache.eviction import Room

# Names come from clients, who can make up any number of them.
MAX_TABLES = 100_000
# In place of a name.
EVERY = "*"


class Epoch:
    """A number that moves whenever what it stands for may have changed."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0

    def move(self) -> None:
        """Make everything that was captured before outdated."""
        self.number += 1


class Table:
    """One table: its epoch, and what the store holds of it.

    `bytes` and `entries` are the store's to count; an entry of several tables counts for each. `share` is the store's
    too: where entries of this table live if they may not take all the room. `writes` counts the statements, for people.
    """

    __slots__ = ("bytes", "entries", "everything", "name", "number", "schema", "share", "writes")

    def __init__(self, schema: str, name: str, everything: Epoch) -> None:
        self.schema = schema
        self.name = name
        self.number = 0
        self.everything = everything
        self.bytes = 0
        self.entries = 0
        self.share: Room | None = None
        self.writes = 0

    def __repr__(self) -> str:
        return f"<Table {self.schema}.{self.name}>"

    def move(self) -> None:
        """The table may have been written: make everything that was captured of it before outdated."""
        self.number += 1


def capture(tables: tuple[Table, ...]) -> int:
    """What the epochs of the tables are now: taken before a read of them is sent."""
    total = 0
    for table in tables:
        total += table.number + table.everything.number
    return total


def is_current(tables: tuple[Table, ...], captured: int) -> bool:
    """Whether nothing of these tables may have changed since that was captured."""
    return capture(tables) == captured


class Tables:
    """The tables of one group of servers, each made when it is first asked for."""

    def __init__(self, max_tables: int = MAX_TABLES) -> None:
        self._max_tables = max_tables
        self._everything = Epoch()
        self._tables: dict[tuple[str, str], Table] = {}
        # Stands for every table beyond the limit: a write to one of them outdates what was read of any.
        self._others = Table("", "", self._everything)

    def __iter__(self) -> Iterator[Table]:
        return iter(self._tables.values())

    def named(self, schema: str, name: str) -> list[Table]:
        """The table of that name, if it was asked for before, or with `*` all those of the schema."""
        key = (fold(schema), fold(name))
        if name == EVERY:
            return [table for known, table in self._tables.items() if known[0] == key[0]]
        return [self._tables[key]] if key in self._tables else []

    def table(self, schema: str, name: str) -> Table:
        """The table of that name; names that differ only in case or accents are one, as they are to some servers."""
        key = (fold(schema), fold(name))
        table = self._tables.get(key)
        if table is None:
            if len(self._tables) >= self._max_tables:
                return self._others
            table = self._tables[key] = Table(schema, name, self._everything)
        return table

    def move_everything(self) -> None:
        """Any table may have been written."""
        self._everything.move()


def fold(name: str) -> str:
    """A name without what some servers do not tell apart: rather two tables taken for one than one for two."""
    if name.isascii():
        return name.lower()
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
