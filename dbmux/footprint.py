"""Which tables a statement reads and writes, as a value: a part of a query's meaning, made by dbmux.sql.footprint.

It is a proof, made for the cache: what it does not name, the statement does not touch, and where that cannot be said
it says so. Names are as the statement has them, without quotes; behind a name may be a view, a trigger or a foreign
key, which only the server's dictionary knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class TableName(NamedTuple):
    """A name as it was written; an empty schema is the session's own."""

    schema: str
    table: str


class RoutineName(NamedTuple):
    """A stored procedure or function that is called; an empty schema is the session's own."""

    schema: str
    routine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What is read, if the result depends on nothing else; and what may be written, beside by what `calls` do.

    `uncacheable` says why the result may be another one the next time though no table changed, or "" when it may not.
    `is_boundless` tells that what is written cannot be said: it may be anything. `defines` tells that afterwards names
    may stand for other things than before.
    """

    reads: tuple[TableName, ...] = ()
    uncacheable: str = "not a SELECT"
    writes: tuple[TableName, ...] = ()
    calls: tuple[RoutineName, ...] = ()
    is_boundless: bool = False
    defines: bool = False

    @property
    def is_harmless(self) -> bool:
        """Whether nothing is written."""
        return not (self.writes or self.calls or self.is_boundless)


NOWHERE = Footprint()
ANYWHERE = Footprint(is_boundless=True, defines=True)
