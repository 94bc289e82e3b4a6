"""A mirror whose target is a replica already: how far that is, by what both servers say of themselves.

The two servers come in, with the accounts to ask them; its state goes out, and events when that changes. By GTIDs where
both keep them, else by places in the source's log. What is not known is never taken for good. Only asks: replication is
begun, stopped and mended at the target itself.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from time import perf_counter

from dbmux.backend.binlog.progress import Progress
from dbmux.backend.monitor import Probe
from dbmux.backend.replication import Following, History, lag
from dbmux.backend.server import Backend
from dbmux.config.model import Account, Feed
from dbmux.events import Emit, MirrorChanged
from dbmux.mirror.mirror import MirrorFigures, MirrorState
from dbmux.sync.places import Place
from dbmux.sync.table import TableName
from dbmux.wire.binlog.events import Position

# A read is compared when the target is known to have what was committed before it; until then it waits. Who waits for
# that has it asked more often.
POLL_S, SHORTEST_S = 0.5, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What came of one look."""

    state: MirrorState
    why: str = ""
    delay_s: float | None = None
    applied_until: float = 0.0
    place: Place | None = None


class NativeMirror:
    """`attend` looks at it until cancelled."""

    feed = Feed.NATIVE

    def __init__(
        self, name: str, source: Backend, target: Backend, account: Account, target_account: Account, *, emit: Emit
    ) -> None:
        self.name = name
        self.source = source
        self.target = target
        self._emit = emit
        self._primary = Probe(source, account)
        self._replica = Probe(target, target_account)
        self._history = History()
        # By places, where GTIDs do not tell; None while no place of the target's is known.
        self._progress: Progress | None = None
        self._told = _Told(state=MirrorState.STARTING)
        self._hurry = asyncio.Event()

    @property
    def figures(self) -> MirrorFigures:
        """How it stands, by the last look."""
        told = self._told
        return MirrorFigures(state=told.state, why=told.why, place=told.place, delay_s=told.delay_s)

    @property
    def applied_until(self) -> float:
        """A moment, by time.perf_counter: the target has all that the source had committed then; 0.0 for not known."""
        return self._told.applied_until

    def hurry(self) -> None:
        """Somebody waits for `applied_until` to be as late as now."""
        self._hurry.set()

    def written_at(self, table: TableName) -> float:
        """What the source's log tells of a table is not known: it may always have been written."""
        return inf

    async def attend(self) -> None:
        """Look at it until cancelled."""
        try:
            while True:
                self._hurry.clear()
                await self.look()
                await asyncio.sleep(SHORTEST_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._hurry.wait()
        finally:
            self._primary.close()
            self._replica.close()

    async def look(self) -> None:
        """Ask both servers once, the source first: what that has by then, the target may have a moment later."""
        before = self._told
        told = await self._looked()
        self._told = told
        if (told.state, told.why) != (before.state, before.why):
            self._emit(MirrorChanged(time.time(), self.name, told.state, told.why))

    async def _looked(self) -> _Told:
        source, target = self.source.name, self.target.name
        asked_at = perf_counter()
        primary = await self._primary.standing(as_primary=True)
        if primary is None:
            return self._unknown(f"{source} does not tell how far it is: {self._primary.problem}")
        self._history.note(asked_at, primary.position)
        replica = await self._replica.standing(as_primary=False)
        if replica is None:
            return self._unknown(f"{target} does not tell how far it is: {self._replica.problem}")
        ways = await self._replica.following()
        # Its GTIDs tell all the same how far it is.
        doubt = "" if ways is not None else f"{target} does not tell whether it replicates: {self._replica.problem}"
        if ways == ():
            return self._unknown(f"{target} is no replica; have it follow {source}", MirrorState.HALTED)
        only = ways[0] if ways is not None and len(ways) == 1 else None
        delay, reached = lag(self._history, replica.position)
        if delay is None and only is not None:
            delay, reached = await self._by_places(only)
        return self._judged(ways or (), doubt, delay, reached or 0.0, _place(only, replica.gtid))

    async def _by_places(self, followed: Following) -> tuple[float | None, float | None]:
        asked_at = perf_counter()
        number, end = await self._primary.server_id(), await self._primary.log_end()
        if number is None or end is None or number != followed.server_id or not followed.file:
            # Who follows a third server tells places in that one's log.
            self._progress = None
            return followed.behind_s, None
        at = Position(followed.file, followed.offset)
        if self._progress is None:
            self._progress = Progress(at)
        self._progress.compare(Position(*end), asked_at)
        self._progress.reach(at)
        return self._progress.delay_s, self._progress.applied_until

    def _judged(
        self, ways: tuple[Following, ...], doubt: str, delay: float | None, reached: float, place: Place | None
    ) -> _Told:
        applied_until = max(self._told.applied_until, reached)
        why = doubt or "; ".join(f"{self.target.name}: {one.why}" for one in ways if one.why)
        if any(one.is_stopped for one in ways):
            state = MirrorState.HALTED
        elif delay is None or any(one.why for one in ways):
            state = MirrorState.WAITING
        else:
            state = MirrorState.NATIVE
        if not why and not applied_until:
            why = (
                f"nothing is compared until it is known what {self.target.name} has; for that both need GTIDs, or the"
                " service account the rights that `dbmux grants` prints"
            )
        return _Told(state=state, why=why, delay_s=delay, applied_until=applied_until, place=place)

    def _unknown(self, why: str, state: MirrorState = MirrorState.WAITING) -> _Told:
        # What it had, it still has.
        return _Told(state=state, why=why, applied_until=self._told.applied_until, place=self._told.place)


def _place(followed: Following | None, gtid: str) -> Place | None:
    if followed is None or not followed.file:
        return None
    return Place(source="", position=Position(followed.file, followed.offset), gtid=gtid)
