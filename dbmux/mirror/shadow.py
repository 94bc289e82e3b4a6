"""Shadow reads: a share of what clients read is read again on both servers, and the answers are compared.

Reads come in and are never waited for; findings go out to the ledger. What the client was answered is not kept, so both
servers are asked now, and only where that is fair: the target had all that the source had committed, and none of the
tables was written meanwhile. Unequal answers are never believed at once: both are asked again, and only what differs
both times is recorded. What could not be compared is counted, with the reason. Bounded in waiting reads, in workers,
and in what is read; a read for which there is no room is dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Any, NamedTuple

from dbmux.differences import OF_ROWS, DifferenceKind
from dbmux.errors import DbMuxError
from dbmux.mirror.answer import Answer
from dbmux.mirror.catalogue import Catalogue, Expected
from dbmux.mirror.compare import Comparison, Difference, Order, compare
from dbmux.mirror.ledger import Entry, Sample, Unusable
from dbmux.mirror.orders import run_again
from dbmux.mirror.read import Asked, NotComparedError, Read
from dbmux.mirror.sampling import Sampler, Taken
from dbmux.mirror.settings import carried, packed
from dbmux.mirror.surroundings import NO_LEDGER, Surroundings, until_applied
from dbmux.mirror.tally import Outcome, Tally, slower
from dbmux.mirror.telling import told
from dbmux.query import Query
from dbmux.session import SessionState

WORKERS = 2
# Reads that wait; of one kind of statement only a part of them, so that a frequent one leaves room for the others.
MOST_WAITING, MOST_OF_A_DIGEST = 512, 64
# When so many wait, only the first ones of their kind are still taken.
MOST_OF_THE_SHARE = 128
# After each read a worker rests, for longer after more rows: a read takes some tenths of a millisecond of this process,
# and five microseconds a row, which are its clients' in the first place. Together the workers compare some 35 reads a
# second at most, and take some hundredths of the loop's time.
REST_S, REST_A_ROW_S = 0.05, 0.0005
# How often both servers are asked until a difference is believed, or given up; and how often for a fair moment.
ATTEMPTS, TRIES = 4, 4
# The first time it is enough that the target was up to date so long ago: to prove more would take longer than to ask
# again where the answers differ.
CLOSE_S = 3.0
# Answers that differ and have more values are compared in another thread: what differs takes some fifty microseconds to
# be told.
MANY_VALUES = 40

FULL = "too many reads waited"
WRITTEN = "its tables were written meanwhile"
UNSTEADY = "the source itself does not answer alike twice"
UNSETTLED = "each time something else differs"
OPEN_LIMIT = "which rows a LIMIT takes is open without an ORDER BY"
LIMIT_UNKNOWN = "which rows a LIMIT takes could not be looked at"
DENIED = "the account that it is run with may not read that"
TOO_LONG = "it took too long"
# Manual page "Server Error Message Reference": no right to a schema, a table, a column, an operation, a routine.
_DENIED = frozenset((1044, 1142, 1143, 1227, 1370))
# Interrupted, and the time limits of MariaDB and MySQL.
_TOO_LONG = frozenset((1317, 1969, 3024))


class Pair(NamedTuple):
    """Both answers."""

    source: Answer
    target: Answer


class Looked(NamedTuple):
    """Both answers, what differs beyond what is expected, and whether anything differs at all."""

    pair: Pair
    found: Comparison
    outcome: Outcome


class Shadow:
    """Of one mirror, by its name. `offer` is the tap; `run` does the work until it is cancelled."""

    def __init__(
        self, mirror: str, source: Asked, target: Asked, catalogue: Catalogue, around: Surroundings, share: float
    ) -> None:
        self.mirror = mirror
        self.sampler = Sampler(share, around.random)
        self.tally = Tally(around.durations)
        self._source = source
        self._target = target
        self._catalogue = catalogue
        # The rules between servers of these versions.
        self._versions = ("", "")
        self._expected = Expected()
        self._around = around
        self._waiting: deque[Read] = deque()
        self._of_digest: Counter[str] = Counter()
        self._arrived = asyncio.Event()
        # Rows that were read and not rested for yet.
        self._rows = 0

    # The tap.

    def wants(self, query: Query) -> bool:
        """Whether a read with this meaning is to be offered: so that those that must be dropped are not even made."""
        match self.sampler.takes(query):
            case Taken.NO:
                return False
            case Taken.SHARE if len(self._waiting) >= MOST_OF_THE_SHARE:
                self.tally.spared += 1
                return False
            case _:
                return True

    def offer(self, read: Read) -> None:
        """Such a read; never waits."""
        if self._of_digest[read.digest] >= MOST_OF_A_DIGEST:
            # Enough like it are looked at.
            self.tally.spared += 1
            return
        self.tally.chosen += 1
        if len(self._waiting) >= MOST_WAITING:
            self.tally.skipped(FULL)
            return
        self._of_digest[read.digest] += 1
        self._waiting.append(read)
        self._arrived.set()

    @property
    def waiting(self) -> int:
        """How many reads wait."""
        return len(self._waiting)

    # The work.

    async def run(self) -> None:
        """Compare what is offered, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(WORKERS):
                    tasks.create_task(self._work())
        finally:
            self._source.close()
            self._target.close()

    async def look(self, read: Read) -> None:
        """Compare one read now, and record what differs."""
        try:
            await self._look(read)
        except Unusable:
            self.tally.skipped(NO_LEDGER)
        except DbMuxError as error:
            self.tally.skipped(str(error))
        except Exception as error:
            # The door of this work: one read that nobody foresaw must not end all others.
            self.tally.skipped(f"it failed for an unforeseen reason ({type(error).__name__})")

    async def met(self) -> Expected:
        """Find out which servers these are; which differences are known between them. Raises NotAsked."""
        await self._meet()
        return self._expected

    async def again(self, entry: Entry, sample: Sample) -> tuple[Difference, ...]:
        """What of an entry's sample still differs, beyond what is expected; raises DbMuxError."""
        await self._meet()
        return await run_again(entry, sample, self._source, self._target, self._expected)

    def figures(self) -> dict[str, Any]:
        """What was counted, and between which servers, as JSON has it."""
        source, target = self._source, self._target
        return {
            "source": f"{source.name} ({source.version})",
            "target": f"{target.name} ({target.version})",
            **self.tally.told(),
        }

    def extend(self, catalogue: Catalogue) -> None:
        """Other differences are expected from now on."""
        self._catalogue, self._versions = catalogue, ("", "")

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            read = self._waiting.popleft()
            self._of_digest[read.digest] -= 1
            if not self._of_digest[read.digest]:
                del self._of_digest[read.digest]
            await self.look(read)
            rows, self._rows = self._rows, 0
            await self._around.pause(REST_S + rows * REST_A_ROW_S)

    async def _look(self, read: Read) -> None:
        first: Pair | None = None
        kinds: frozenset[DifferenceKind] = frozenset()
        why = UNSETTLED
        for _ in range(ATTEMPTS):
            pair, found, outcome = await self._compared(read, CLOSE_S if first is None else 0.0)
            self._note_times(read, pair)
            if not found.differences:
                break
            if first is not None:
                if not await self._is_steady(read, first, pair):
                    why = UNSTEADY
                elif again := kinds & _kinds(found):
                    steady = [one for one in found.differences if one.kind in again]
                    await self._settle(read, pair, Comparison(tuple(steady)))
                    return
                else:
                    why = UNSETTLED
            first, kinds = pair, _kinds(found)
        else:
            raise NotComparedError(why)
        self.tally.came_out(read, outcome if first is None else Outcome.TRANSIENT, found)
        await self._look_at_times(read)

    async def _is_steady(self, read: Read, first: Pair, second: Pair) -> bool:
        # The target was asked when it had all of a moment that lies between the source's first answer and its last one:
        # if those are alike, and that between, the target should have answered like them.
        last = await self._ask(self._source, read)
        return not any(compare(second.source, other, read.order).differences for other in (first.source, last))

    async def _settle(self, read: Read, pair: Pair, found: Comparison) -> None:
        # A difference was seen twice.
        if _kinds(found) & OF_ROWS and read.is_limited:
            found = await self._without_limit(read, found)
        self.tally.came_out(read, Outcome.DIFFERENT, found)
        for kind in sorted(_kinds(found)):
            await self._record(read, pair, next(one for one in found.differences if one.kind is kind))

    async def _without_limit(self, read: Read, found: Comparison) -> Comparison:
        # Perhaps both have the same rows, and only take others of them.
        whole = read.widened()
        if whole is None:
            raise NotComparedError(LIMIT_UNKNOWN)
        try:
            compared = (await self._compared(whole, 0.0)).found
        except NotComparedError as error:
            raise NotComparedError(LIMIT_UNKNOWN) from error
        if _kinds(compared) & OF_ROWS:
            return found
        if read.order is Order.OPEN:
            raise NotComparedError(OPEN_LIMIT)
        others = [one for one in found.differences if one.kind not in OF_ROWS]
        example = next(one for one in found.differences if one.kind in OF_ROWS)
        limit = Difference(
            kind=DifferenceKind.LIMIT, source=example.source, target=example.target, column=example.column
        )
        return Comparison((limit, *others))

    # Asking.

    async def _meet(self) -> None:
        await self._source.meet()
        await self._target.meet()
        versions = (self._source.version, self._target.version)
        if versions != self._versions:
            self._versions, self._expected = versions, self._catalogue.between(*versions)

    async def _compared(self, read: Read, close_s: float) -> Looked:
        await self._meet()
        pair = await self._fair_pair(read, close_s)
        _check(pair)
        values = sum(len(one.rows) * len(one.columns) for one in pair)
        if values > MANY_VALUES and pair.source.rows != pair.target.rows:
            found = await asyncio.to_thread(compare, pair.source, pair.target, read.order)
        else:
            found = compare(pair.source, pair.target, read.order)
        if found.why_not:
            raise NotComparedError(found.why_not)
        if not found.differences:
            return Looked(pair, found, Outcome.SAME)
        left, text = [], read.statement.text.decode("utf-8", "replace")
        for one in found.differences:
            rule = self._expected.rule_for(one, text, read.text)
            if rule is None:
                left.append(one)
            else:
                self.tally.expected[rule.name] += 1
        return Looked(pair, Comparison(tuple(left)), Outcome.DIFFERENT if left else Outcome.EXPECTED)

    async def _fair_pair(self, read: Read, close_s: float) -> Pair:
        fairness = self._around.fairness
        for _ in range(TRIES):
            await until_applied(self._around, self._around.now() - close_s)
            since = fairness.capture(read)
            pair = await self._pair(read)
            if fairness.is_fair(read, since):
                return pair
        raise NotComparedError(WRITTEN)

    async def _pair(self, read: Read) -> Pair:
        # One after the other, so that neither slows the other; which is first is left to chance.
        if self._around.random() < 0.5:
            source = await self._ask(self._source, read)
            return Pair(source, await self._ask(self._target, read))
        target = await self._ask(self._target, read)
        return Pair(await self._ask(self._source, read), target)

    async def _ask(self, side: Asked, read: Read) -> Answer:
        answer = await side.ask(read.statement, read.user, self._state(side, read))
        self._rows += len(answer.rows)
        return answer

    def _state(self, side: Asked, read: Read) -> SessionState:
        return carried(read.state, self._source.family, side.family)

    # Recording.

    async def _record(self, read: Read, pair: Pair, difference: Difference) -> None:
        sample = Sample(
            at=self._around.clock(),
            statement=read.written(),
            user=read.user,
            state=packed(self._state(self._source, read)),
            source=told(pair.source),
            target=told(pair.target),
            source_s=pair.source.seconds,
            target_s=pair.target.seconds,
        )
        await self._around.keep(self.mirror, read, difference, sample)

    def _note_times(self, read: Read, pair: Pair) -> None:
        if pair.source.failure is None and pair.target.failure is None:
            self.tally.of(read).ran(pair.source.seconds, pair.target.seconds)

    async def _look_at_times(self, read: Read) -> None:
        digest = self.tally.of(read)
        if digest.is_explained or digest.digest != read.digest or not digest.is_slower:
            return
        digest.is_explained = True
        try:
            plans = [
                await side.explain(read.statement, read.user, self._state(side, read))
                for side in (self._source, self._target)
            ]
        except DbMuxError:
            # The next one of its kind will tell.
            digest.is_explained = False
            return
        here, there = digest.source.percentile(50), digest.target.percentile(50)
        sample = Sample(
            at=self._around.clock(),
            statement=read.written(),
            user=read.user,
            state=packed(self._state(self._source, read)),
            source=plans[0],
            target=plans[1],
            source_s=here,
            target_s=there,
        )
        self.tally.kinds[DifferenceKind.PLAN] += 1
        await self._around.keep(self.mirror, read, slower(here, there), sample)


def _check(pair: Pair) -> None:
    # An error that says nothing of the statement.
    for answer in pair:
        if answer.failure is not None and answer.failure.number in _DENIED:
            raise NotComparedError(DENIED)
        if answer.failure is not None and answer.failure.number in _TOO_LONG:
            raise NotComparedError(TOO_LONG)


def _kinds(comparison: Comparison) -> frozenset[DifferenceKind]:
    return frozenset(one.kind for one in comparison.differences)
