"""Shadow reads of a running engine: finished reads are taken from what is remembered, a few times a second; and writes,
where that is asked for.

The ring of finished statements and the engine come in; some of the reads go to the shadow of their mirror, with the
state of their session. The client's path pays nothing. What the ring forgot meanwhile is counted; which SELECTs are
never looked at is counted by the reason. Bounded: so many statements are looked at each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter, time
from typing import Any, NoReturn, Protocol

from dbmux.backend.reading import Bounds, Rights, Statement
from dbmux.backend.server import Backend
from dbmux.cache.cache import Cache
from dbmux.config.model import Account, Config, MirrorConfig
from dbmux.control.rights import rights_of
from dbmux.events import KEPT, OWN, QueryFinished
from dbmux.feed.arguments import execution_of
from dbmux.footprint import TableName as Named
from dbmux.frontend.frontend import Frontend
from dbmux.lexer import digest
from dbmux.mirror.answer import Answer, Failure
from dbmux.mirror.catalogue import Catalogue, configured, shipped
from dbmux.mirror.fairness import Epochs
from dbmux.mirror.ledger import Ledger, Recorder, Unusable, recorder
from dbmux.mirror.mirrors import AnyMirror, Mirrors, is_mirrored
from dbmux.mirror.read import Read
from dbmux.mirror.shadow import Shadow
from dbmux.mirror.side import Denied, Side
from dbmux.mirror.surroundings import Surroundings
from dbmux.mirror.tally import together
from dbmux.mirror.write import Write
from dbmux.mirror.writes import Writes
from dbmux.observe.digests import identity
from dbmux.observe.histogram import Histogram
from dbmux.observe.ring import Ring
from dbmux.observe.statement import text_of
from dbmux.query import Kind, Query
from dbmux.session import SessionState
from dbmux.sql.bind import NotBound
from dbmux.sql.modes import lexer_flags
from dbmux.sql.repeatable import WRITES, is_of_values, why_not_tried
from dbmux.sync.table import TableName
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command
from dbmux.wire.replies import parse_err

PERIOD_S = 0.2
# Each takes two microseconds; between two pieces the loop does what else there is to do.
MOST_AT_ONCE, PIECES = 200, 20
# How often the configuration is looked at, and what was counted is kept.
ATTEND_S = 1.0
# A longer answer is not compared.
BOUNDS = Bounds(rows=1000, bytes=1_000_000, seconds=10.0)
LONGER = f"of a statement {KEPT} bytes are kept, and it is longer"
ELSEWHERE = "a table that it names is not mirrored"
IN_TRANSACTION = "it is part of a transaction"
LARGE = "it wrote many rows, or took long"
OWN_WAY = "its session has another way of writing"
# What is tried out on the target is to hold up nobody there.
LONGEST_WRITE_S, MOST_WRITTEN = 0.25, 100
# So much one clock may be set forward or back between a statement's end and the look at it.
CLOCKS_S = 0.02
TRIED = Bounds(rows=1, bytes=10_000, seconds=1.0)
# Variables by which a write is another one.
_OF_WRITES = frozenset(
    (
        *("auto_increment_increment", "auto_increment_offset", "check_constraint_checks", "foreign_key_checks"),
        *("insert_id", "sql_auto_is_null", "sql_log_bin", "sql_safe_updates", "timestamp", "unique_checks"),
    )
)
_COMMANDS = (Command.QUERY, Command.STMT_EXECUTE)


class Tap:
    """For one mirror; `groups` are those whose statements are of its source, `is_mirrored` tells which tables it is of,
    `state_of` gives a session's state now."""

    def __init__(
        self,
        queries: Ring[QueryFinished],
        groups: frozenset[str],
        shadow: Shadow,
        writes: Writes,
        is_mirrored: Callable[[TableName], bool],
        state_of: Callable[[QueryFinished], tuple[SessionState, bytes]],
    ) -> None:
        self._queries = queries
        self._groups = groups
        self._shadow = shadow
        self._writes = writes
        self._is_mirrored = is_mirrored
        self._state_of = state_of
        # What ran before is of no interest.
        self._place = queries.count

    async def run(self) -> NoReturn:
        """Take what comes, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            for _ in range(PIECES):
                if not self.take():
                    break
                await asyncio.sleep(0)

    def take(self) -> int:
        """Look at a piece of what has come since; how many statements that were."""
        batch = self._queries.since(self._place, MOST_AT_ONCE)
        self._place = batch.place
        self._shadow.tally.missed += batch.missed
        for event in batch.events:
            if event.command in _COMMANDS and event.who.group in self._groups and event.backend != OWN:
                self._look_at(event)
        return len(batch.events)

    def _look_at(self, event: QueryFinished) -> None:
        query = event.query
        if query is None:
            return
        if query.kind is Kind.SELECT:
            self._look_at_read(event, query)
        elif query.kind in WRITES and self._writes.sampler.share > 0:
            self._look_at_write(event, query)

    def _look_at_read(self, event: QueryFinished, query: Query) -> None:
        shadow, tally = self._shadow, self._shadow.tally
        tally.offered += 1
        if query.footprint.uncacheable:
            tally.unfit(query.footprint.uncacheable)
        elif not self._has_all(event, query.footprint.reads):
            tally.unfit(ELSEWHERE)
        elif len(event.statement or event.sent) >= KEPT:
            tally.unfit(LONGER)
        elif shadow.wants(query):
            try:
                shadow.offer(self._read(event, query))
            except NotBound as error:
                tally.unfit(str(error))

    def _look_at_write(self, event: QueryFinished, query: Query) -> None:
        writes, tally = self._writes, self._writes.tally
        tally.offered += 1
        if event.transaction:
            tally.unfit(IN_TRANSACTION)
        elif not self._has_all(event, query.footprint.writes):
            tally.unfit(ELSEWHERE)
        elif len(event.statement or event.sent) >= KEPT:
            tally.unfit(LONGER)
        elif event.seconds > LONGEST_WRITE_S or event.rows > MOST_WRITTEN:
            tally.unfit(LARGE)
        elif writes.wants(query):
            try:
                read = self._read(event, query)
            except NotBound as error:
                tally.unfit(str(error))
                return
            why = why_not_tried(read.statement.text, read.flags, query)
            if why or any(name in _OF_WRITES for name, _ in read.state.variables):
                tally.unfit(why or OWN_WAY)
            else:
                writes.offer(_write(event, query, read))

    def _has_all(self, event: QueryFinished, names: tuple[Named, ...]) -> bool:
        return all(self._is_mirrored(table) for table in _tables(event, names))

    def _read(self, event: QueryFinished, query: Query) -> Read:
        text = text_of(event)
        state, mode = self._state_of(event)
        flags = lexer_flags(mode)
        execution = execution_of(event, flags) if event.command == Command.STMT_EXECUTE else None
        told = digest(text, 0, flags)
        return Read(
            statement=Statement(text, execution),
            digest=identity(told),
            text=told.decode("utf-8", "replace"),
            user=event.who.user,
            state=state,
            footprint=query.footprint,
            flags=flags,
        )


def _tables(event: QueryFinished, names: tuple[Named, ...]) -> Iterator[TableName]:
    schema = event.schema.decode("utf-8", "backslashreplace")
    return (TableName(name.schema or schema, name.table) for name in names)


def _write(event: QueryFinished, query: Query, read: Read) -> Write:
    # It was finished when the event says so; the clocks of both may differ a little by now.
    ended = perf_counter() - (time() - event.at)
    answer = Answer(affected_rows=event.rows)
    if event.code:
        err = parse_err(event.error)
        answer = Answer(
            failure=Failure(err.number, err.sqlstate.decode("ascii", "replace"), err.message.decode("utf-8", "replace"))
        )
    return Write(
        read=read,
        tables=tuple(_tables(event, query.footprint.writes)),
        answer=answer,
        begun=ended - event.seconds - CLOCKS_S,
        ended=ended + CLOCKS_S,
        has_values=is_of_values(read.statement.text, read.flags, query),
        capabilities=event.who.capabilities & Capability.FOUND_ROWS,
    )


def session_states(frontend: Frontend, backend: Backend) -> Callable[[QueryFinished], tuple[SessionState, bytes]]:
    """What is known of the state in which a statement ran, and its sql_mode: the session's as it is now, if it is."""

    def state_of(event: QueryFinished) -> tuple[SessionState, bytes]:
        session = frontend.find(event.session)
        state = SessionState()
        if session is not None and session.group is not None:
            state = session.carried.state
        mode = state.variable("sql_mode")
        return replace(state, schema=event.schema), backend.sql_mode if mode is None else mode.strip(b"'")

    return state_of


def rights_at(backend: Backend, frontend: Frontend, service: Account | None) -> Callable[[str], Rights]:
    """For dbmux.mirror.side.Side: the account at a server for a user's statements, or Denied is raised."""

    def rights(user: str) -> Rights:
        found = rights_of(user, backend, frontend, service)
        if found is None:
            raise Denied("no account is known with which it can be run; give DbMux a `service` account")
        return found[0]

    return rights


class Running(Protocol):
    """An engine that runs."""

    cache: Cache
    mirrors: Mirrors

    @property
    def config(self) -> Config:
        """What is in force."""

    @property
    def frontend(self) -> Frontend:
        """The clients."""


@dataclass(frozen=True, slots=True)
class _Shadowed:
    """What a mirror's shadow was made of, and what runs."""

    made_of: tuple[object, ...]
    config: MirrorConfig
    shadow: Shadow
    writes: Writes
    tasks: tuple[asyncio.Task[None], ...]


class Shadows:
    """The shadow reads of all mirrors of one engine, as the configuration in force wants them; `run` does it all.

    `queries` are the statements that ran, `ledger` is the file that differences are kept in.
    """

    def __init__(
        self,
        engine: Running,
        queries: Ring[QueryFinished],
        ledger: Path,
        randomness: Random,
        attend_s: float = ATTEND_S,
    ) -> None:
        self._engine = engine
        self._queries = queries
        self._ledger = ledger
        self._random = randomness
        self._attend_s = attend_s
        self._running: dict[str, _Shadowed] = {}
        # What was counted before this engine, or this shadow, began.
        self._before: dict[str, dict[str, Any]] = {}

    def find(self, mirror: str) -> Shadow | None:
        """The shadow of this mirror, if its reads are compared."""
        found = self._running.get(mirror)
        return None if found is None else found.shadow

    async def run(self) -> NoReturn:
        """Compare, until cancelled; raises Unusable when the ledger, which is opened when it is needed, cannot be."""
        while not any(_is_compared(mirror) for mirror in self._engine.config.mirrors.values()):  # noqa: ASYNC110 - as below
            await asyncio.sleep(self._attend_s)
        async with recorder(self._ledger) as ledger, asyncio.TaskGroup() as tasks:
            while True:
                self._attend(ledger, tasks)
                await asyncio.sleep(self._attend_s)
                for name, one in self._running.items():
                    with suppress(Unusable):
                        await self._keep(ledger, name, one)

    async def _keep(self, ledger: Recorder, name: str, one: _Shadowed) -> None:
        if name not in self._before:
            _, self._before[name] = await ledger.call(partial(_figures, name))
        now = one.shadow.figures() | {"writes": one.writes.tally.told()}
        figures = together(self._before[name], now) | {"standing": _standing(self._engine.mirrors.find(name))}
        await ledger.call(partial(_keep, name, figures))

    def _attend(self, ledger: Recorder, tasks: asyncio.TaskGroup) -> None:
        config, topology = self._engine.config, self._engine.frontend.topology
        wanted = {
            name: (
                topology.primary(mirror.source),
                topology.backends[mirror.target],
                config.service,
                mirror.account,
                mirror.tables,
            )
            for name, mirror in config.mirrors.items()
            if _is_compared(mirror)
        }
        for name, one in list(self._running.items()):
            if wanted.get(name) != one.made_of:
                for task in one.tasks:
                    task.cancel()
                del self._running[name]
                self._before.pop(name, None)
        for name, made_of in wanted.items():
            mirror = config.mirrors[name]
            known = self._running.get(name)
            if known is None:
                shadow, writes = self._shadow(name, mirror, ledger)
                tap = Tap(
                    self._queries,
                    self._groups(made_of[0]),
                    shadow,
                    writes,
                    is_mirrored(mirror),
                    self._states(made_of[0]),
                )
                started = tuple(
                    tasks.create_task(one.run(), name=f"{what} of mirror {name}")
                    for what, one in (("shadow reads", shadow), ("shadow writes", writes), ("tap", tap))
                )
                self._running[name] = _Shadowed(made_of, mirror, shadow, writes, started)
            elif known.config is not mirror:
                known.shadow.sampler.share = mirror.reads
                known.writes.sampler.share = mirror.shadow_writes
                known.shadow.extend(_catalogue(name, mirror))
                self._running[name] = replace(known, config=mirror)

    def _shadow(self, name: str, mirror: MirrorConfig, ledger: Recorder) -> tuple[Shadow, Writes]:
        engine, topology = self._engine, self._engine.frontend.topology
        source, target = topology.primary(mirror.source), topology.backends[mirror.target]
        service = engine.config.service
        around = Surroundings(
            fairness=Epochs(
                engine.cache.source(mirror.source),
                engine.cache.tables,
                lambda: engine.mirrors.find(name),
            ),
            record=ledger.record,
            durations=Histogram,
            random=self._random.random,
            clock=time,
            now=perf_counter,
            pause=asyncio.sleep,
        )
        sides = [Side(one, rights_at(one, engine.frontend, service), BOUNDS) for one in (source, target)]
        shadow = Shadow(name, sides[0], sides[1], _catalogue(name, mirror), around, mirror.reads)
        # Who feeds the target may write there, and sees all triggers.
        tried = Side(target, _rights_of(mirror.account or service), TRIED)
        return shadow, Writes(name, sides[0], tried, shadow.met, around, mirror.shadow_writes)

    def _groups(self, source: Backend) -> frozenset[str]:
        groups = self._engine.frontend.topology.groups
        return frozenset(name for name, group in groups.items() if group.primary is source)

    def _states(self, source: Backend) -> Callable[[QueryFinished], tuple[SessionState, bytes]]:
        return session_states(self._engine.frontend, source)


def _is_compared(mirror: MirrorConfig) -> bool:
    return mirror.reads > 0 or mirror.shadow_writes > 0


def _rights_of(account: Account | None) -> Callable[[str], Rights]:
    def rights(user: str) -> Rights:
        if account is None:
            raise Denied("no account is known with which it can be run; give DbMux a `service` account")
        return Rights(user=account.user.encode(), password=account.password.encode())

    return rights


def _standing(mirror: AnyMirror | None) -> dict[str, Any]:
    # How a mirror stands; nothing where it is none.
    if mirror is None:
        return {}
    figures = mirror.figures
    return {"state": str(figures.state), "why": figures.why, "delay_seconds": figures.delay_s}


def _keep(name: str, figures: dict[str, Any], ledger: Ledger) -> None:
    ledger.keep_figures(name, time(), figures)


def _figures(name: str, ledger: Ledger) -> tuple[float, dict[str, Any]]:
    return ledger.figures(name)


def _catalogue(name: str, mirror: MirrorConfig) -> Catalogue:
    return shipped().extended(configured(name, mirror.expected))
