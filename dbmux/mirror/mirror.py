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
from dbmux.backend.binlog.log import Log
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
from dbmux.sync.replay import AwaitsHand, DefinitionRefused, Halted, NotBegun, Replay, Task, credentials
from dbmux.sync.table import TableName
from dbmux.sync.target import Disagrees, Target
from dbmux.wire.binlog.events import FormatDescribed, Position, Rotated

# Give or take so much of a pause.
JITTER = 0.2
# So long a replay must have gone well for the next pause to be the first again, where it has applied nothing.
GOOD_S = 5.0
# So long an order waits for what becomes of it.
SETTLED_S = 5.0
# How often is looked whether the target falls out of what the source keeps, and from which part of that on it is told.
RETENTION_LOOK_S, RETENTION_ALARM = 60.0, 0.5
# What a server says that cannot at the moment: deadlock, lock wait, too many connections, shutting down, read-only,
# out of memory or disk, interrupted, killed.
_PASSING = frozenset((1040, 1041, 1053, 1021, 1037, 1038, 1114, 1205, 1213, 1290, 1317, 1836, 1927, 3100, 3024, 3572))
# What it says to an account that may not.
_LOGIN_DENIED, _RIGHT_MISSING = 1045, frozenset((1044, 1142, 1143, 1227, 1370, 1419))
_SETTLED_BY_PEOPLE = (Halted, Disagrees, CannotApply, Unwritable)
_LASTING = frozenset((Cause.CANNOT_SEND, Cause.FILTERED, Cause.UNREADABLE))


class Refusal(DbMuxError):
    """What the target refuses, with what to do where that is known."""


class Begun(DbMuxError):
    """The target is fed already, and would lose what was written since."""


class NothingAwaited(DbMuxError):
    """It did not halt at anything that somebody could have done by hand."""


class NoSuchPlace(DbMuxError):
    """The source's log has no event where it was said to have one."""


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
        # Set while it is known whether it runs.
        self._settled = asyncio.Event()
        self._feeding: asyncio.Task[None] | None = None
        # The next definition is passed over: somebody has seen to it.
        self._passes_over = False
        # It halted at something that somebody has to do on the target.
        self._awaits_hand = False
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
    def _applied(self) -> int:
        place = self.figures.place
        return 0 if place is None else place.transactions

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
            # A pause may come before it is seen that there was none.
            while not self._wanted.is_set():
                await self._wanted.wait()
            self._feeding = feeding = asyncio.create_task(self._feed(), name=f"mirror {self.task.name}")
            try:
                await asyncio.wait((feeding,))
            finally:
                feeding.cancel()
            if not feeding.cancelled() and (error := feeding.exception()) is not None:
                self._wanted.clear()
                self._become(MirrorState.HALTED, f"it failed for an unforeseen reason: {error!r}")

    async def settle(self) -> None:
        """Return when it runs, or something is in the way of that; raises TimeoutError."""
        async with asyncio.timeout(SETTLED_S):
            await self._settled.wait()

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
        """Go on, and take the definition at which it halted for one that was seen to on the target; raises
        NothingAwaited where it did not halt at one, as the next would be passed over without anybody's having seen it.
        """
        if not self._awaits_hand:
            raise NothingAwaited(
                f"mirror {self.task.name} is {self._state}, and no definition is to be passed over: "
                "it says so when it halts at one"
            )
        self._passes_over = True
        self.resume()

    async def begin(self, position: Position | None) -> Place:
        """Say that the target has all that stands before a position in the source's log, or before its end; nobody may
        write meanwhile, then, and a target that is fed already is `Begun`. What it was fed from before is forgotten.
        Raises DbMuxError or TimeoutError; then all is as it was."""
        return await self._begin(position, forgets=position is not None)

    async def begin_anew(self) -> Place:
        """Say that the target has all that the source has now, wherever it was before; raises as `begin` does."""
        return await self._begin(None, forgets=True)

    async def _begin(self, position: Position | None, *, forgets: bool) -> Place:
        was_wanted, state, why = self._wanted.is_set(), self._state, self._why
        self.pause()
        try:
            place = await self._note_beginning(position, forgets=forgets)
        except BaseException:
            if was_wanted:
                self.resume()
            else:
                self._become(state, why)
            raise
        # The last life's place is not this one's.
        self._replay, self._place = None, place
        self.resume()
        return place

    async def _note_beginning(self, position: Position | None, *, forgets: bool) -> Place:
        try:
            return await self._noted(position, forgets=forgets)
        except BackendRefused as error:
            raise self._refused(error) from error

    async def _noted(self, position: Position | None, *, forgets: bool) -> Place:
        task = self.task
        source = await Source.connect(task.source, credentials(task.account), self._pace)
        try:
            start = position or await source.place_to_begin()
            place = Place(source=await source.identity(), position=start)
            if position is not None:
                await self._check_place(source, position)
        finally:
            source.close()
        target = await Target.connect(task.target, task.target_account, checks_keys=True)
        try:
            await places.prepare(target)
            before = await places.place_of(target, task.name)
            if before is not None and not forgets:
                stands = f"{before.position.file}:{before.position.offset}"
                raise Begun(
                    f"{task.target.name} is fed already, and stands at {stands}: dbmux mirror resume {task.name} goes "
                    f"on from there; where both have the same rows now: dbmux mirror start {task.name} --anew"
                )
            await target.run((*places.forgotten(task.name), places.begun(task.name, place)))
            await target.commit()
        finally:
            target.close()
        return place

    async def _check_place(self, source: Source, position: Position) -> None:
        # The source sends an event of it, or says that there is no more.
        log = Log(source.name, await source.dump(position, self._random), self._pace)
        try:
            with log.understood():
                while True:
                    for event in await log.next():
                        if not isinstance(event, (Rotated, FormatDescribed)):
                            return
        except Broken as error:
            if error.cause not in _LASTING:
                raise
            raise NoSuchPlace(
                f"{position.file}:{position.offset} is no place in the log of {source.name}: {error}; SHOW BINARY LOGS "
                "tells there which files are left"
            ) from error
        finally:
            log.close()

    async def _feed(self) -> None:
        pause = self._pace.first_pause
        while True:
            begun, applied = time.perf_counter(), self._applied
            try:
                await self._feed_once()
            except _SETTLED_BY_PEOPLE as error:
                self._awaits_hand = isinstance(error, AwaitsHand)
                return self._stop(MirrorState.HALTED, error)
            except NotBegun as error:
                return self._stop(MirrorState.NOT_BEGUN, error)
            except Broken as error:
                if error.cause is Cause.CANNOT_SEND:
                    return self._stop(MirrorState.HALTED, Halted(self._lost(error)))
                if error.cause in _LASTING:
                    return self._stop(MirrorState.HALTED, error)
                self._become(MirrorState.WAITING, str(error))
            except BackendRefused as error:
                if error.number not in _PASSING:
                    self._awaits_hand = isinstance(error, DefinitionRefused)
                    return self._stop(MirrorState.HALTED, self._refused(error))
                self._become(MirrorState.WAITING, f"{self.task.target.name}: {error}")
            except (DbMuxError, TimeoutError) as error:
                told = str(error) or f"{self.task.target.name} did not answer in time"
                self._become(MirrorState.WAITING, told)
            if time.perf_counter() - begun > GOOD_S or self._applied > applied:
                pause = self._pace.first_pause
            await asyncio.sleep(pause * (1 + JITTER * (2 * self._random.random() - 1)))
            pause = min(2 * pause, self._pace.longest_pause)

    def _refused(self, error: BackendRefused) -> Refusal:
        # What the source refuses is Broken.
        user = self.task.target_account.user
        advice = ""
        if error.number == _LOGIN_DENIED:
            advice = f"; see the password of {user!r} in the configuration, `service` or `account` of the mirror"
        elif error.number in _RIGHT_MISSING:
            advice = f"; `dbmux grants` prints the rights that {user!r} needs there"
        elif isinstance(error, DefinitionRefused):
            advice = f"; make it there in other words, and then: dbmux mirror resume {self.task.name} --past-definition"
        return Refusal(f"{self.task.target.name} refuses: {error}{advice}")

    def _lost(self, error: Broken) -> str:
        place, target = self.figures.place, self.task.target.name
        stands = "" if place is None else f" at {place.position.file}:{place.position.offset}"
        return (
            f"{error}; {target} stands{stands}, and what was written since is not to be had any more: load {target} "
            f"from a new dump, and dbmux mirror start {self.task.name} --from-dump-position DUMP"
        )

    async def _feed_once(self) -> NoReturn:
        passes_over, self._passes_over, self._awaits_hand = self._passes_over, False, False
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
            if state is MirrorState.STARTING:
                self._settled.clear()
            else:
                self._settled.set()
            self._emit(MirrorChanged(time.time(), self.task.name, state, why))
