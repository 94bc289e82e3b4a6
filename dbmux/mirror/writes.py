"""Writes run again in shadow: a share of what clients write is tried out on the target, and taken back at once.

Writes come in and are never waited for; findings go out to the ledger. The source is never asked again, for that would
lock and count there. The target has the write already, as a rule: dbmux.mirror.write says what of its answer says
anything all the same; the rest is counted as not comparable, with the reason. A difference is recorded if the target
answers so twice. Bounded in waiting writes; one goes on at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from dbmux.backend.reading import Statement
from dbmux.differences import DifferenceKind
from dbmux.errors import DbMuxError
from dbmux.mirror.answer import Answer
from dbmux.mirror.catalogue import Expected
from dbmux.mirror.compare import Difference
from dbmux.mirror.ledger import Sample, Unusable
from dbmux.mirror.read import Asked
from dbmux.mirror.sampling import Sampler, Taken
from dbmux.mirror.settings import Family, carried, packed
from dbmux.mirror.surroundings import NO_LEDGER, Surroundings, until_applied
from dbmux.mirror.tally import Outcome, WriteTally
from dbmux.mirror.telling import told
from dbmux.mirror.write import Write, differs
from dbmux.query import Query
from dbmux.session import SessionState
from dbmux.sync.table import TableName

MOST_WAITING = 64
# After each, others have the target's rows.
REST_S = 0.1
FULL = "too many writes waited"


class Tried(Protocol):
    """A server on which a write can be tried out: dbmux.mirror.side.Side."""

    @property
    def family(self) -> Family:
        """Which family it is of."""

    async def try_out(
        self, statement: Statement, user: str, state: SessionState, tables: tuple[TableName, ...], capabilities: int
    ) -> Answer:
        """What it answers to a write that is taken back; raises NotAsked."""

    def close(self) -> None:
        """Let go of all connections that are not in use."""


class Writes:
    """Of one mirror, by its name. `offer` is the tap; `run` does the work until it is cancelled.

    `met` finds out which servers these are, and gives the differences that are known between them; from then on
    `source` tells its family.
    """

    def __init__(
        self,
        mirror: str,
        source: Asked,
        target: Tried,
        met: Callable[[], Awaitable[Expected]],
        around: Surroundings,
        share: float,
    ) -> None:
        self.sampler = Sampler(share, around.random)
        self.tally = WriteTally()
        self._mirror = mirror
        self._source = source
        self._target = target
        self._met = met
        self._around = around
        self._waiting: deque[Write] = deque()
        self._arrived = asyncio.Event()

    def wants(self, query: Query) -> bool:
        """Whether a write with this meaning is to be offered."""
        return self.sampler.takes(query) is not Taken.NO

    def offer(self, write: Write) -> None:
        """Such a write; never waits."""
        self.tally.chosen += 1
        if len(self._waiting) >= MOST_WAITING:
            self.tally.skipped(FULL)
            return
        self._waiting.append(write)
        self._arrived.set()

    async def run(self) -> None:
        """Try out what is offered, until cancelled."""
        try:
            while True:
                while not self._waiting:
                    self._arrived.clear()
                    await self._arrived.wait()
                await self.look(self._waiting.popleft())
                await self._around.pause(REST_S)
        finally:
            self._target.close()

    async def look(self, write: Write) -> None:
        """Try one out now, and record what differs."""
        try:
            self.tally.came_out(*await self._look(write))
        except Unusable:
            self.tally.skipped(NO_LEDGER)
        except DbMuxError as error:
            self.tally.skipped(str(error))
        except Exception as error:
            # The door of this work: one write that nobody foresaw must not end all others.
            self.tally.skipped(f"it failed for an unforeseen reason ({type(error).__name__})")

    async def _look(self, write: Write) -> tuple[Outcome, DifferenceKind | None]:
        expected = await self._met()
        answer, difference = await self._tried(write)
        if difference is None:
            return Outcome.SAME, None
        read = write.read
        rule = expected.rule_for(difference, read.statement.text.decode("utf-8", "replace"), read.text)
        if rule is not None:
            return Outcome.EXPECTED, None
        answer, again = await self._tried(write)
        if again is None or (again.kind, again.codes) != (difference.kind, difference.codes):
            return Outcome.TRANSIENT, None
        await self._record(write, answer, again)
        return Outcome.DIFFERENT, again.kind

    async def _tried(self, write: Write) -> tuple[Answer, Difference | None]:
        fairness, read = self._around.fairness, write.read
        # Also definitions must be there.
        await until_applied(self._around, write.ended)
        state = carried(read.state, self._source.family, self._target.family)
        answer = await self._target.try_out(read.statement, read.user, state, write.tables, write.capabilities)
        is_steady = all(fairness.written_at(table) < write.begun for table in write.tables)
        return answer, differs(write, answer, is_steady=is_steady)

    async def _record(self, write: Write, answer: Answer, difference: Difference) -> None:
        read = write.read
        sample = Sample(
            at=self._around.clock(),
            statement=read.written(),
            user=read.user,
            state=packed(carried(read.state, self._source.family, self._source.family)),
            source=told(write.answer),
            target=told(answer),
            source_s=write.ended - write.begun,
            target_s=answer.seconds,
        )
        await self._around.keep(self._mirror, read, difference, sample)
