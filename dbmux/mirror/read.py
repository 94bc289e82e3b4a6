"""A read that a client ran, as it is run again on two servers; and what must hold for their answers to be compared."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from dbmux.backend.reading import Statement
from dbmux.errors import DbMuxError
from dbmux.footprint import NOWHERE, Footprint
from dbmux.mirror.answer import Answer
from dbmux.mirror.compare import Order
from dbmux.mirror.settings import Family
from dbmux.session import SessionState
from dbmux.sql.bind import Argument, NotBound, bind
from dbmux.sql.ordering import is_limited, is_ordered, without_limit
from dbmux.sync.table import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was run, as whom, in which state; `digest` is its identity, `text` its digest, `footprint` what it reads."""

    statement: Statement
    digest: str
    text: str
    user: str
    state: SessionState
    footprint: Footprint = NOWHERE
    flags: int = 0

    @property
    def order(self) -> Order:
        """Whether it says in which order its rows come."""
        return Order.STATED if is_ordered(self.statement.text, self.flags) else Order.OPEN

    @property
    def is_limited(self) -> bool:
        """Whether it says how many of its rows come."""
        return is_limited(self.statement.text, self.flags)

    def widened(self) -> Read | None:
        """The same with all of its rows; None where that cannot be said."""
        found = without_limit(self.statement.text, self.flags)
        if found is None:
            return None
        text, gone = found
        execution = self.statement.execution
        if execution is not None and gone:
            kept = len(execution.values) - gone
            types = execution.types and execution.types[:kept]
            execution = replace(execution, values=execution.values[:kept], types=types)
        return replace(self, statement=Statement(text, execution))

    def written(self) -> str:
        """The statement with its arguments in it, for people; bytes that are not UTF-8 are surrogates."""
        text, execution = self.statement.text, self.statement.execution
        if execution is not None:
            types = execution.types or ()
            arguments = [Argument(value, kind.type) for value, kind in zip(execution.values, types, strict=False)]
            # If they cannot, it stays as it was prepared.
            with suppress(NotBound):
                text = bind(text, arguments, self.flags)
        return text.decode("utf-8", "surrogateescape")


class NotComparedError(DbMuxError):
    """Why a read could not be compared, in words that many share."""


class Fairness(Protocol):
    """What is known of writes: whether the two servers could answer alike at all."""

    def capture(self, read: Read) -> object:
        """What stands for the present of the read's tables at the source."""

    def is_fair(self, read: Read, since: object) -> bool:
        """Whether none of them is known to have been written since that was captured."""

    def applied_until(self) -> float:
        """A moment, by time.perf_counter: the target has all that the source had committed then."""

    def hurry(self) -> None:
        """Somebody waits for that to be as late as now."""

    def written_at(self, table: TableName) -> float:
        """A moment, by time.perf_counter: of all that the target has, nothing was written to this table since then."""


class Asked(Protocol):
    """A server that can be asked: dbmux.mirror.side.Side. Each method raises NotAsked."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    @property
    def family(self) -> Family:
        """Which family it is of."""

    @property
    def version(self) -> str:
        """Family and version, such as `mariadb 10.11.6`."""

    async def meet(self) -> None:
        """Find out which server it is."""

    async def ask(self, statement: Statement, user: str, state: SessionState) -> Answer:
        """What it answers."""

    async def explain(self, statement: Statement, user: str, state: SessionState) -> str:
        """Its plan for the statement."""

    def close(self) -> None:
        """Let go of all connections that are not in use."""
