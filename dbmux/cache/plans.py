"""What the cache has to do with a statement: made once for each meaning and each kind of session, and kept.

A query's footprint, the server's dictionary and the configured policies come in; a plan goes out, which names the very
tables whose epochs matter. Never sees a key or a reply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from dbmux.cache.tables import Table
from dbmux.cache.tally import Tally
from dbmux.query import Query


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """A result that may be stored, on these terms."""

    query: Query
    tables: tuple[Table, ...]
    tally: Tally
    ttl_s: float
    soft_ttl_s: float | None
    max_bytes: int
    is_shared: bool


class Bypass(NamedTuple):
    """Why a result is not stored: in words, and without the names that only few statements have, to be counted."""

    why: str
    cause: str


NO_BYPASS = Bypass("", "")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """For one query: a reading, or `bypass`, which says why there is none; and what is written.

    `watched` are the tables of a result that would be stored if they were configured. `writes` is None for anything at
    all; `is_idle` tells that the cache has nothing to do with it. A plan keeps its query alive, so that nothing else
    can be taken for it.
    """

    query: Query
    reading: Reading | None = None
    bypass: Bypass = NO_BYPASS
    watched: tuple[Table, ...] = ()
    writes: tuple[Table, ...] | None = ()
    defines: bool = False
    is_idle: bool = field(init=False)

    def __post_init__(self) -> None:
        # Once a plan, and not once a query.
        object.__setattr__(self, "is_idle", self.reading is None and self.writes == ())
