"""The contract between an engine and whoever looks at it: what can be subscribed to, asked and ordered.

Both transports, the same process (dbmux.feed.direct) and the control socket (dbmux.feed.remote), keep it, and one test
checks both. A reader that is slow misses rows and is told how many; it never slows traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from dbmux.errors import DbMuxError
from dbmux.feed.row import Row

# The version of the contract: clients of another one may look, and order nothing.
PROTOCOL = 1
# How many statements are looked at for one batch, and how many rows it has at most.
MOST_LOOKED_AT = 4000
MOST_ROWS = 1000
# More than that in a second rush by.
RUSH = 1000
# What is asked of DbMux itself and changes nothing; everything else is an order, or has a server run something.
QUESTIONS = frozenset(
    (
        "cache",
        "cache.entries",
        "clients",
        "config",
        "config.unused",
        "config.versions",
        "copy",
        "mirror.diff",
        "mirror.report",
        "mirrors",
        "plan",
        "pools",
        "pulse",
        "routes",
        "row",
        "status",
        "top",
        "variables",
        "why",
    )
)
# What an order is answered with over a connection that is there to look.
LOOKS_ONLY = "this view only looks; orders need `dbmux attach` without --read-only, or `dbmux web --write`"
# How a happening begins that says that a filter took too long, and lets nothing through any more.
FILTER_ENDED = "the filter was ended"


class Access(Enum):
    """What a connection is good for."""

    ALL = auto()
    """Questions and orders."""
    LOOKING = auto()
    """Questions only; the engine refuses the rest."""


class Refused(DbMuxError):
    """What was asked for cannot be done; the message says what to do."""


class Lost(DbMuxError):
    """The engine does not answer any more."""


class Silent(Lost):
    """There is something, and it says nothing."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who answers: its version, the contract's, where its configuration is, and how many statements there were."""

    version: str
    protocol: int
    source: str
    place: int
    pid: int


@dataclass(frozen=True, slots=True)
class Happening:
    """An event that is no statement: `kind` is its type's name, `text` a sentence."""

    seq: int
    at: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What came since the last one.

    `rows` are the statements that the filter lets through, or each `every`-th of them when they rushed by;
    `matched` is how many it let through, `looked_at` of how many, and `missed` how many were gone before.
    """

    rows: tuple[Row, ...]
    happenings: tuple[Happening, ...]
    place: int
    looked_at: int
    matched: int
    missed: int
    every: int


class Subscription(Protocol):
    """Rows as they come, through one filter."""

    def take(self) -> Batch:
        """What came since the last time; never waits."""

    def close(self) -> None:
        """No more."""


class Feed(Protocol):
    """An engine, as whoever looks at it sees it."""

    hello: Hello
    # What every order is refused with; empty where orders are taken.
    refusal: str

    async def subscribe(self, wanted: str, since: int) -> Subscription:
        """Rows that a filter lets through, from the statement with that number on; raises Refused for a bad filter."""

    async def ask(self, what: str, given: Mapping[str, Any] | None = None) -> Any:
        """What the engine says to a question, or to an order, as JSON has it; raises Refused and Lost."""


# Answers one kind of question; raises Refused.
Answer = Callable[[Mapping[str, Any]], Coroutine[Any, Any, Any]]
# Whether a filter lets a row through.
Passes = Callable[[Row], bool]
