"""One mirror: a target that is fed from a source's binary log, for as long as somebody wants.

What is to be fed (dbmux.sync.replay.Task) comes in, with orders to pause and to go on; its state goes out, and events
when that changes. What may pass by itself is waited for, with pauses that grow; what only a person can settle stops it,
with the reason and what to do. Nothing is ever left out: the target's place waits.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from random import Random
from typing import NoReturn

from dbmux.backend.binlog.listener import Broken, Cause, Pace
from dbmux.backend.binlog.progress import Progress
from dbmux.backend.binlog.source import Source
from dbmux.backend.server import Backend
from dbmux.config.model import Feed
from dbmux.errors import BackendRefused, DbMuxError
from dbmux.events import Emit, MirrorChanged, Warned
from dbmux.sync import places
from dbmux.sync.apply import CannotApply
from dbmux.sync.literal import Unwritable
from dbmux.sync.places import Place
from dbmux.sync.replay import Halted, NotBegun, Replay, Task, credentials
from dbmux.sync.table import TableName
from dbmux.sync.target import Disagrees, Target
from dbmux.wire.binlog.events import Position

# Give or take so much of a pause.
JITTER = 0.2
# So long a replay must have gone well for the next pause to be the first again.
GOOD_S = 5.0
# How often is looked whether the target falls out of what the source keeps, and from which part of that on it is told.
RETENTION_LOOK_S, RETENTION_ALARM = 60.0, 0.5
# What a server says that cannot at the moment: deadlock, lock wait, too many connections, shutting down, read-only,
# out of memory or disk, interrupted, killed.
_PASSING = frozenset((1040, 1041, 1053, 1021, 1037, 1038, 1114, 1205, 1213, 1290, 1317, 1836, 1927, 3100, 3024, 3572))
_SETTLED_BY_PEOPLE = (Halted, Disagrees, CannotApply, Unwritable)
_LASTING = frozenset((Cause.CANNOT_SEND, Cause.FILTERED, Cause.UNREADABLE))


class MirrorState(StrEnum):
    """What a mirror does."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    """For something that is in the way, and may pass."""
    PAUSED = "paused"
    HALTED = "halted"
    """Somebody has to look."""
    NOT_BEGUN = "not begun"
    """Nobody has said yet from where on it is to be fed."""
    NATIVE = "native"
    """The target is a replica already, and goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorFigures:
    """How a mirror stands; `delay_s` is None where that is not known, `why` says what is in the way."""

    state: MirrorState
    why: str
    place: Place | None
    delay_s: float | None


class Mirror:
    """`attend` runs it; `pause`, `resume` and `begin` may be called at any time."""

    feed = Feed.BINLOG

    def __init__(self, task: Task, *, emit: Emit, randomness: Random, pace: Pace | None = None) -> None:
        self.task = task
        self._state = MirrorState.STARTING
        self._why = ""
        self._emit = emit
        self._random = randomness
        self._pace = pace or Pace()
        self._replay: Replay | None = None
        self._place: Place | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._feeding: asyncio.Task[None] | None = None
        # The next definition is passed over: somebody has seen to it.
        self._passes_over = False
        self._warned: set[str] = set()

    @property
    def name(self) -> str:
        """As the configuration calls it."""
        return self.task.name

    @property
    def source(self) -> Backend:
        """Whose writes it gets."""
        return self.task.source

    @property
    def target(self) -> Backend:
        """Which gets them."""
        return self.task.target

    @property
    def figures(self) -> MirrorFigures:
        """How it stands now."""
        if self._replay is not None and self._replay.place is not None:
            self._place = self._replay.place
        progress = self._progress
        delay = None if progress is None else progress.delay_s
        return MirrorFigures(state=self._state, why=self._why, place=self._place, delay_s=delay)

    @property
    def applied_until(self) -> float:
        """A moment, by time.perf_counter: the target has all that the source had committed then; 0.0 for not known."""
        progress = self._progress
        return 0.0 if progress is None else progress.applied_until

    def hurry(self) -> None:
        """Somebody waits for `applied_until` to be as late as now."""
        if self._replay is not None:
            self._replay.hurry()

    def written_at(self, table: TableName) -> float:
        """A moment, by time.perf_counter: since then the source's log has told of no write to this table; of a table
        that is not mirrored nothing is known."""
        replay = self._replay
        return inf if replay is None or not self.task.is_wanted(table) else replay.written_at(table)

    @property
    def _progress(self) -> Progress | None:
        replay = self._replay
        return replay.progress if replay is not None and self._state is MirrorState.RUNNING else None

    async def attend(self) -> None:
        """Feed the target until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._attend())

    async def _attend(self) -> NoReturn:
        while True:
            await self._wanted.wait()
            self._feeding = feeding = asyncio.create_task(self._feed(), name=f"mirror {self.task.name}")
            try:
                await asyncio.wait((feeding,))
            finally:
                feeding.cancel()
            if not feeding.cancelled() and (error := feeding.exception()) is not None:
                self._wanted.clear()
                self._become(MirrorState.HALTED, f"it failed for an unforeseen reason: {error!r}")

    def pause(self) -> None:
        """Leave the target where it is."""
        self._wanted.clear()
        if self._feeding is not None:
            self._feeding.cancel()
        self._become(MirrorState.PAUSED, "")

    def resume(self) -> None:
        """Go on from where the target is."""
        if not self._wanted.is_set():
            self._become(MirrorState.STARTING, "")
            self._wanted.set()

    def pass_over_definition(self) -> None:
        """Go on, and take the next definition for one that was seen to on the target."""
        self._passes_over = True
        self.resume()

    async def begin(self, position: Position | None) -> Place:
        """Say that the target has all that stands before a position in the source's log, or before its end; nobody may
        write meanwhile, then. Whatever it was fed from before is forgotten. Raises DbMuxError or TimeoutError; then it
        goes on from where the target is."""
        self.pause()
        try:
            self._place = await self._note_beginning(position)
        finally:
            # Whatever went wrong, the target is fed from where it is.
            self.resume()
        return self._place

    async def _note_beginning(self, position: Position | None) -> Place:
        task = self.task
        source = await Source.connect(task.source, credentials(task.account), self._pace)
        try:
            start = position or await source.place_to_begin()
            place = Place(source=await source.identity(), position=start)
        finally:
            source.close()
        target = await Target.connect(task.target, task.target_account, checks_keys=True)
        try:
            await places.prepare(target)
            await target.run((*places.forgotten(task.name), places.begun(task.name, place)))
            await target.commit()
        finally:
            target.close()
        return place

    async def _feed(self) -> None:
        pause = self._pace.first_pause
        while True:
            begun = time.perf_counter()
            try:
                await self._feed_once()
            except _SETTLED_BY_PEOPLE as error:
                return self._stop(MirrorState.HALTED, error)
            except NotBegun as error:
                return self._stop(MirrorState.NOT_BEGUN, error)
            except Broken as error:
                if error.cause in _LASTING:
                    return self._stop(MirrorState.HALTED, error)
                self._become(MirrorState.WAITING, str(error))
            except BackendRefused as error:
                if error.number not in _PASSING:
                    return self._stop(MirrorState.HALTED, error)
                self._become(MirrorState.WAITING, f"{self.task.target.name}: {error}")
            except (DbMuxError, TimeoutError) as error:
                told = str(error) or f"{self.task.target.name} did not answer in time"
                self._become(MirrorState.WAITING, told)
            if time.perf_counter() - begun > GOOD_S:
                pause = self._pace.first_pause
            await asyncio.sleep(pause * (1 + JITTER * (2 * self._random.random() - 1)))
            pause = min(2 * pause, self._pace.longest_pause)

    async def _feed_once(self) -> NoReturn:
        passes_over, self._passes_over = self._passes_over, False
        self._replay = Replay(
            self.task,
            randomness=self._random,
            pace=self._pace,
            began=self._began,
            passes_over=passes_over,
        )
        await self._replay.run()

    def _began(self) -> None:
        assert self._replay is not None
        self._become(MirrorState.RUNNING, "")
        for doubt in self._replay.doubts:
            self._warn(doubt)

    async def _watch(self) -> NoReturn:
        # The source deletes its log one day, read or not.
        while True:
            await asyncio.sleep(RETENTION_LOOK_S)
            place, replay, progress = self.figures.place, self._replay, self._progress
            if place is None or replay is None or not replay.retention_s:
                continue
            if progress is not None and not progress.is_behind:
                continue
            if place.committed_at and time.time() - place.committed_at > replay.retention_s * RETENTION_ALARM:
                self._warn(
                    f"it is further behind than half of the {replay.retention_s / 3600:g} hours for which "
                    f"{self.task.source.name} keeps its log: resume it, or set binlog_expire_logs_seconds there"
                )

    def _warn(self, what: str) -> None:
        told = f"mirror {self.task.name}: {what}"
        if told not in self._warned:
            self._warned.add(told)
            self._emit(Warned(time.time(), told))

    def _stop(self, state: MirrorState, error: DbMuxError) -> None:
        self._wanted.clear()
        self._become(state, str(error))

    def _become(self, state: MirrorState, why: str) -> None:
        if (state, why) != (self._state, self._why):
            self._state, self._why = state, why
            self._emit(MirrorChanged(time.time(), self.task.name, state, why))
