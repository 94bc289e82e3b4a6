"""Replays the binary log of one server on another: whole transactions, in their order, each exactly once.

A source, a target that stands at a known place in the source's log, and which tables are wanted come in. What the log
tells is applied in transactions that also move the place (dbmux.sync.places), so that nothing is lost or done twice,
whatever is killed when. Transactions are joined as long as more are waiting. Ends by raising: what may pass by itself
(`Broken`, a lost connection, a refusal that is no judgement), or what only a person can settle (`Halted`, `Disagrees`,
`CannotApply`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random
from time import perf_counter
from typing import NoReturn

from dbmux.backend.binlog.listener import Pace
from dbmux.backend.binlog.log import Log
from dbmux.backend.binlog.progress import Progress
from dbmux.backend.binlog.source import Source
from dbmux.backend.login import Credentials
from dbmux.backend.server import Backend
from dbmux.config.model import Account, OnDefinition
from dbmux.errors import BackendRefused, DbMuxError
from dbmux.sync import places
from dbmux.sync.apply import Writer
from dbmux.sync.definition import (
    Meaning,
    Sort,
    define,
    fingerprint,
    meaning_of,
    tables_in,
    wait_for_others,
    why_not_repeatable,
)
from dbmux.sync.fitness import problem_of
from dbmux.sync.places import Definition, Place
from dbmux.sync.readiness import findings, retention_s, settings_of
from dbmux.sync.table import Family, NoSuchTable, TableName, describe
from dbmux.sync.target import CHECKED, EACH_ALONE, TOGETHER, UNCHECKED, Change, Target
from dbmux.wire.binlog.changes import changes, checks_keys, kind_of
from dbmux.wire.binlog.columns import Declared
from dbmux.wire.binlog.decoder import MAPS_LIMIT
from dbmux.wire.binlog.events import (
    Committed,
    Event,
    Heartbeat,
    Position,
    Rotated,
    RowsChanged,
    Statement,
    TableMap,
    TransactionBegan,
    XaBegan,
    XaCommitted,
    XaPrepared,
    XaRolledBack,
)
from dbmux.wire.binlog.layout import parse_layout
from dbmux.wire.binlog.plan import Plan, Plans

# Bytes of statements that go to the target at once; rows and transactions that are committed together.
BATCH_BYTES = 512 * 1024
JOINED_ROWS, JOINED_TRANSACTIONS = 5000, 500
_NOTHING = Change(b"DO 0")
# Rows after which others have their turn: a millisecond or two.
ROWS_A_TURN = 100
_FOREIGN_KEY = re.compile(rb"FOREIGN|REFERENCES|CONSTRAINT", re.IGNORECASE)

_DECLARED = {Family.UUID: Declared.UUID, Family.INET4: Declared.INET4, Family.INET6: Declared.INET6}


class Halted(DbMuxError):
    """The log tells what cannot be repeated; says what it is and what to do about it."""


class AwaitsHand(Halted):
    """What comes next has to be done on the target by somebody; then it may be passed over."""


class DefinitionRefused(BackendRefused):
    """The target refuses a definition, which somebody may make there in other words, and then pass it over."""


class Claimed(DbMuxError):
    """Somebody else feeds the target."""


class NotBegun(DbMuxError):
    """The target has no place in the source's log yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be replayed: under which name its place is kept, from where to where, and of what."""

    name: str
    source: Backend
    target: Backend
    account: Account
    target_account: Account
    is_wanted: Callable[[TableName], bool]
    on_definition: OnDefinition


class Replay:
    """One life of a task, from the place where the target stands. `place` is how far the target is by its last commit,
    `progress` how far that is behind; both are None until that is known. `began` is called when the log is being read;
    `passes_over` takes the first definition for one that was seen to on the target."""

    def __init__(
        self,
        task: Task,
        *,
        randomness: Random,
        pace: Pace,
        began: Callable[[], None] = lambda: None,
        passes_over: bool = False,
    ) -> None:
        self.task = task
        self.place: Place | None = None
        self.progress: Progress | None = None
        # What may be lost, though it can be replayed.
        self.doubts: tuple[str, ...] = ()
        # For how long the source keeps its log; 0 while that is not known, and where it is for ever.
        self.retention_s = 0.0
        # When the log told last of a write to a table, by its name in lower case; of others it did not since `_since`.
        self._written: dict[TableName, float] = {}
        self._since = perf_counter()
        self._hurry = asyncio.Event()
        self._random = randomness
        self._pace = pace
        self._began = began
        self._passes_over = passes_over

    async def run(self) -> NoReturn:
        """Replay until something is in the way; raises what it is."""
        task = self.task
        source = await Source.connect(task.source, credentials(task.account), self._pace)
        try:
            leaves_out = await source.leaves_cascades_out()
            target = await Target.connect(task.target, task.target_account, checks_keys=leaves_out)
            try:
                await self._run(source, target)
            finally:
                target.close()
        finally:
            source.close()

    async def _run(self, source: Source, target: Target) -> NoReturn:
        self.place = place = await _standing(self.task, source, target)
        settings = await settings_of(source)
        found = findings(source.name, settings)
        if fatal := [finding for finding in found if finding.is_fatal]:
            raise Halted("; ".join(map(str, fatal)))
        self.doubts = tuple(map(str, found))
        self.retention_s = retention_s(settings)
        self.progress = progress = Progress(place.position)
        repeater = _Repeater(self, source, target, place)
        await repeater.resume(passes_over=self._passes_over)
        log = Log(self.task.source.name, await source.dump(place.position, self._random), self._pace)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._measure(source, progress))
                tasks.create_task(repeater.repeat(log, self._began))
        except ExceptionGroup as group:
            # Whichever comes first ends both.
            raise group.exceptions[0] from None
        finally:
            log.close()
        raise AssertionError

    async def _measure(self, source: Source, progress: Progress) -> NoReturn:
        while True:
            self._hurry.clear()
            asked_at = perf_counter()
            progress.compare((await source.seen()).end, asked_at)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.asked):
                    await self._hurry.wait()

    def hurry(self) -> None:
        """Ask the source at once how far it is: somebody waits for the target to be as far as it is now."""
        self._hurry.set()

    def wrote(self, table: TableName) -> None:
        """The log tells of a write to this table, by its name in lower case."""
        self._written[table] = perf_counter()

    def defined(self) -> None:
        """The log tells of what may concern any table."""
        self._written.clear()
        self._since = perf_counter()

    def written_at(self, table: TableName) -> float:
        """A moment, by time.perf_counter: since then the log has told of no write to this table."""
        return max(self._written.get(_folded(table), 0.0), self._since)

    def reached(self, place: Place) -> None:
        """The target is so far now."""
        self.place = place
        if self.progress is not None:
            self.progress.reach(place.position)


def _folded(table: TableName) -> TableName:
    return TableName(table.schema.lower(), table.name.lower())


def credentials(account: Account) -> Credentials:
    """An account as a login has it."""
    return Credentials(user=account.user.encode(), password=account.password.encode())


async def _standing(task: Task, source: Source, target: Target) -> Place:
    await places.prepare(target)
    if not await places.claim(target, task.name):
        raise Claimed(f"another DbMux feeds {task.target.name}, or a statement of the one before still runs there")
    place = await places.place_of(target, task.name)
    await target.commit()
    if place is None:
        raise NotBegun(
            f"{task.target.name} has no place in the log of {task.source.name} yet; where both have the same rows: "
            f"dbmux mirror start {task.name}"
        )
    identity = await source.identity()
    if place.source != identity:
        raise Halted(
            f"{task.source.name} is {identity}, and {task.target.name} was following {place.source}: another server's "
            "log does not go on where that one ended; begin anew from an equal pair"
        )
    return place


class _Share(Enum):
    """How much of what a statement is about is mirrored."""

    NOTHING = auto()
    A_PART = auto()
    ALL = auto()


class _Repeater:
    """What the log tells, on its way to the target."""

    def __init__(self, replay: Replay, source: Source, target: Target, place: Place) -> None:
        self._replay = replay
        self._task = replay.task
        self._source = source
        self._target = target
        self._plans = Plans(self._declared_of)
        # What the source's log does not tell of tables' columns.
        self._declared: dict[TableName, dict[str, Declared]] = {}
        # By the way in which they are logged, which holds until a definition; None for tables that are not wanted.
        self._writers: dict[tuple[TableName, Plan], Writer | None] = {}
        # The same by the source's number of the table, beside the map for which it was found.
        self._found: dict[int, tuple[TableMap, TableName, Plan, Writer | None]] = {}
        # Statements that are not sent yet, and how many bytes of them go at once.
        self._room = min(BATCH_BYTES, target.max_statement // 2)
        self._unsent: list[Change] = []
        self._unsent_bytes = 0
        # How far the target has it written down, and how far it is: nothing may follow for long.
        self._settled = self._place = place
        # The last whole transaction: where it ends, its GTID, and when it was committed on the source.
        self._ended = place.position, place.gtid, place.committed_at
        self._is_committed = True
        self._joined_rows = self._joined_transactions = self._since_turn = 0
        # The transaction under way; `_is_inside` once it has changed something.
        self._gtid, self._committed_at = "", 0.0
        self._is_inside = False
        self._xid, self._parts = "", 0
        # The definition that was under way when something ended: one that has run on the target, and one of which that
        # does not show.
        self._has_run = self._unfinished = b""
        self._passes_over = False

    async def resume(self, *, passes_over: bool) -> None:
        """Find out whether a definition was under way when the one before ended, and has run."""
        self._passes_over = passes_over
        unfinished = await places.definition_of(self._target, self._task.name)
        if unfinished is None:
            return
        tables = unfinished.tables
        await wait_for_others(self._target, tables)
        if await fingerprint(self._target, tables) != unfinished.before:
            self._has_run = unfinished.statement
        else:
            self._unfinished = unfinished.statement

    async def repeat(self, log: Log, began: Callable[[], None]) -> NoReturn:
        """Apply what comes; says when the source has begun to send, which it does only where it has the place."""
        with log.understood():
            events: Iterable[Event] | None = await log.next()
            began()
            while True:
                if events is None:
                    await self._settle()
                    events = await log.next()
                for event in events:
                    if isinstance(event, RowsChanged):
                        await self._rows(event)
                    elif not isinstance(event, TableMap):
                        # What a table map says comes again with its rows.
                        await self._take(event)
                events = log.ready()

    async def _take(self, event: Event) -> None:
        match event:
            case Committed(position=position):
                await self._end(position)
            case TransactionBegan(gtid=gtid, committed_at=committed_at):
                if self._is_inside:
                    raise self._breaks_off()
                self._gtid, self._committed_at = gtid, committed_at
                self._xid, self._parts = "", 0
            case Statement():
                await self._statement(event)
            case XaBegan(xid=xid):
                self._xid, self._parts = xid, 0
            case XaPrepared():
                # Says that it was prepared, though nothing of it may be wanted.
                await self._add(_NOTHING)
            case XaCommitted(xid=xid):
                await self._commit_prepared(xid)
            case XaRolledBack(xid=xid):
                await self._add(places.let_go(self._task.name, xid))
            case Heartbeat(position=position) if self._is_committed:
                self._place = replace(self._place, position=position)
                self._replay.reached(self._place)
            case Rotated(position=position) if self._is_committed and position.file != self._place.position.file:
                # The file that is left may be gone when nothing was written for long.
                self._ended = position, self._place.gtid, self._place.committed_at
                self._is_committed = False
            case _:
                pass

    async def _end(self, position: Position) -> None:
        self._ended = position, self._gtid, self._committed_at
        self._is_committed = self._is_inside = False
        self._joined_transactions += 1
        if self._joined_rows >= JOINED_ROWS or self._joined_transactions >= JOINED_TRANSACTIONS:
            await self._settle()

    def _breaks_off(self) -> Halted:
        # MariaDB that was killed while it logged a large transaction leaves in its log what it had written by then.
        return Halted(
            f"{self._task.source.name} has a transaction without an end in its log, as a crash leaves it; none of it "
            f"is applied: make both equal, and begin anew: dbmux mirror start {self._task.name} --anew"
        )

    async def _commit_prepared(self, xid: str) -> None:
        name, in_one_phase = self._task.name, self._xid == xid
        self._xid = ""
        await self._send()
        kept = await places.kept_of(self._target, name, xid)
        if not kept and not in_one_phase and not self._passes_over:
            raise AwaitsHand(
                f"{self._task.source.name} committed the transaction {xid}, prepared before the mirror began: "
                f"have {self._task.target.name} changed alike, and then: dbmux mirror resume {name} --past-definition"
            )
        self._passes_over = self._passes_over and bool(kept)
        for change in kept:
            await self._add(change)
        await self._add(places.let_go(name, xid))

    # Rows.

    async def _rows(self, event: RowsChanged) -> None:
        table = event.table
        found = self._found.get(table.id)
        if found is None or found[0] is not table:
            found = (table, _folded(TableName(table.schema, table.table)), *await self._find(table))
            if len(self._found) >= MAPS_LIMIT:
                self._found.clear()
            self._found[table.id] = found
        _, folded, plan, writer = found
        self._replay.wrote(folded)
        if writer is None:
            return
        is_unchecked = self._target.checks_keys and not checks_keys(event)
        if is_unchecked:
            await self._add(UNCHECKED)
        for change in writer.write(kind_of(event), changes(event, plan)):
            await self._add(change)
            self._joined_rows += max(change.rows, 0)
            self._since_turn += max(change.rows, 0)
            if self._since_turn >= ROWS_A_TURN:
                self._since_turn = 0
                await asyncio.sleep(0)
        if is_unchecked:
            await self._add(CHECKED)

    async def _find(self, table: TableMap) -> tuple[Plan, Writer | None]:
        # How the rows of a table are read and written; asks both servers when it comes for the first time.
        name = TableName(table.schema, table.table)
        if name not in self._declared:
            self._declared[name] = await self._declare(name)
        plan = self._plans.of(table)
        if (name, plan) not in self._writers:
            self._writers[name, plan] = await self._new_writer(name, plan)
        return plan, self._writers[name, plan]

    def _declared_of(self, table: TableMap) -> dict[int, Declared]:
        declared = self._declared.get(TableName(table.schema, table.table))
        if not declared:
            return {}
        # By their names: a definition that is still to come may have moved them.
        columns = enumerate(parse_layout(table.columns, table.family).columns)
        return {place: declared[column.name] for place, column in columns if column.name in declared}

    async def _declare(self, name: TableName) -> dict[str, Declared]:
        if not self._is_wanted(name):
            return {}
        try:
            table = await describe(self._source.ask, name)
        except NoSuchTable:
            # It is gone there by now; how its rows went was logged before.
            return {}
        return {column.name: _DECLARED[column.family] for column in table.columns if column.family in _DECLARED}

    async def _new_writer(self, name: TableName, plan: Plan) -> Writer | None:
        if not self._is_wanted(name):
            return None
        # It is asked on the connection on which everything else runs, in its order.
        await self._send()
        problem, table = await problem_of(self._source, self._target, name)
        if table is None:
            raise Halted(problem)
        return Writer(table, plan.layout)

    def _is_wanted(self, name: TableName) -> bool:
        return name.schema.lower() not in places.OWN_SCHEMAS and self._task.is_wanted(name)

    async def _add(self, change: Change) -> None:
        self._is_inside = True
        if self._xid:
            change = places.kept(self._task.name, self._xid, self._parts, change)
            self._parts += 1
        if self._unsent_bytes + len(change.sql) > self._room and self._unsent:
            await self._send()
        self._unsent.append(change)
        self._unsent_bytes += len(change.sql) + 1

    async def _send(self) -> None:
        unsent, self._unsent, self._unsent_bytes = self._unsent, [], 0
        await self._target.run(unsent)

    async def _settle(self) -> None:
        # Commits what is whole; what is not, is left for later together with what stands before it.
        if self._is_committed or self._is_inside:
            return
        position, gtid, committed_at = self._ended
        self._place = replace(
            self._place,
            position=position,
            gtid=gtid,
            committed_at=committed_at,
            transactions=self._place.transactions + self._joined_transactions,
            rows=self._place.rows + self._joined_rows,
        )
        self._unsent += (places.moved(self._task.name, self._settled, self._place), Change(b"COMMIT"))
        await self._send()
        self._settled, self._is_committed = self._place, True
        self._joined_rows = self._joined_transactions = 0
        self._replay.reached(self._place)

    # Statements.

    async def _statement(self, statement: Statement) -> None:
        meaning = meaning_of(statement)
        if meaning.sort is Sort.NOTHING:
            return
        self._replay.defined()
        share = await self._share(statement, meaning)
        if share is _Share.NOTHING:
            return
        match meaning.sort:
            case Sort.WRITES:
                await self._settle()
                raise Halted(
                    f"{self._task.source.name} logs this as a statement and not as rows: {_shown(statement)}; run "
                    "there: SET GLOBAL binlog_format = ROW, and have the sessions that are open connect again; this is "
                    f"not applied: make both equal, and begin anew: dbmux mirror start {self._task.name} --anew"
                )
            case Sort.UNDOES:
                raise Halted(
                    f"{self._task.source.name} took back a part of a transaction that wrote to a table without "
                    f"transactions: {_shown(statement)}; make its tables InnoDB, and begin anew from an equal pair"
                )
            case Sort.EMPTIES | Sort.RENAMES | Sort.DEFINES | Sort.MAKES_SCHEMA | Sort.SWAPS:
                await self._take_definition(statement, meaning, share)

    async def _take_definition(self, statement: Statement, meaning: Meaning, share: _Share) -> None:
        on_definition = self._task.on_definition
        # Whoever makes it by hand must find there what was here.
        await self._settle()
        if self._passes_over:
            self._passes_over, self._has_run, self._unfinished = False, b"", b""
            self._unsent.append(places.done(self._task.name))
        elif meaning.sort is Sort.EMPTIES:
            await self._define(statement, meaning)
        elif meaning.sort is Sort.RENAMES:
            raise self._halt(statement, "renames are not followed")
        elif on_definition is OnDefinition.STOP:
            raise self._halt(statement, '"ddl" is "stop"')
        elif on_definition is OnDefinition.APPLY and share is _Share.A_PART:
            raise self._halt(statement, "tables that are not mirrored belong to it", "do it to the mirrored ones")
        elif on_definition is OnDefinition.APPLY:
            await self._require_repeatable(statement, meaning)
            await self._define(statement, meaning)
        self._forget(statement, meaning)

    async def _require_repeatable(self, statement: Statement, meaning: Meaning) -> None:
        # What has run already has been found so before.
        if not self._has_run and (why := await why_not_repeatable(self._target.ask, statement, meaning.tables)):
            raise self._halt(statement, f"{why}; the rows must get the values of {self._task.source.name}")

    async def _share(self, statement: Statement, meaning: Meaning) -> _Share:
        # What was begun, here or by hand, is finished, though the tables may be gone for which it was begun.
        is_begun = self._passes_over or statement.text in (self._has_run, self._unfinished)
        if meaning.tables is None or is_begun:
            return _Share.ALL
        are_wanted = {self._is_wanted(name) for name in await self._touched(meaning.sort, meaning.tables)}
        if True not in are_wanted:
            return _Share.NOTHING
        return _Share.A_PART if False in are_wanted else _Share.ALL

    async def _touched(self, sort: Sort, tables: Iterable[TableName]) -> list[TableName]:
        # A schema's definition is about all that is in it.
        touched: list[TableName] = []
        for name in tables:
            is_schema = not name.name and sort is not Sort.MAKES_SCHEMA
            touched += (await tables_in(self._target, name.schema) if is_schema else []) or [name]
        return touched

    def _halt(self, statement: Statement, why: str, what_to_do: str = "do the same") -> Halted:
        return AwaitsHand(
            f"{self._task.source.name} ran a definition, and {why}: {_shown(statement)}; on "
            f"{self._task.target.name}, {what_to_do}, and then: dbmux mirror resume {self._task.name} --past-definition"
        )

    async def _define(self, statement: Statement, meaning: Meaning) -> None:
        # It is in no transaction, and what stands before it is committed.
        name = self._task.name
        if self._has_run:
            if self._has_run != statement.text:
                raise Halted(f"another definition than the one that was under way comes next: {_shown(statement)}")
            self._has_run = b""
        elif meaning.sort is Sort.SWAPS and statement.text == self._unfinished:
            raise self._halt(
                statement,
                f"whether {self._task.target.name} had done it when it was interrupted cannot be told",
                "look whether the rows have changed places, and have them do so if not",
            )
        else:
            before = await fingerprint(self._target, meaning.tables)
            intent = Definition(statement.text, meaning.tables, before)
            # With a transaction around it, MariaDB's EXCHANGE PARTITION waits for a lock of its own session.
            await self._target.run((places.intended(name, intent), EACH_ALONE))
            try:
                await define(self._target, statement)
            except BackendRefused as error:
                told = f"{_shown(statement)}: {error.message.decode(errors='replace')}".encode()
                raise DefinitionRefused(error.number, error.sqlstate, told) from error
            await self._target.run((TOGETHER,))
        self._unfinished = b""
        self._unsent.append(places.done(name))

    def _forget(self, statement: Statement, meaning: Meaning) -> None:
        # How tables look, which the definition may have changed: to find that out is dear where there are many tables.
        changed = {str(name).lower() for name in meaning.tables or ()}
        is_about_all = not all(name.name for name in meaning.tables or (TableName("", ""),))
        # A foreign key is about the table that it refers to as well.
        is_about_all |= _FOREIGN_KEY.search(statement.text) is not None

        def concerns(schema: str, table: str) -> bool:
            return is_about_all or str(TableName(schema, table)).lower() in changed

        self._found.clear()
        self._writers = {key: writer for key, writer in self._writers.items() if not concerns(*key[0])}
        self._declared = {name: declared for name, declared in self._declared.items() if not concerns(*name)}
        self._plans.forget(concerns)


def _shown(statement: Statement) -> str:
    return statement.text[:200].decode(errors="replace")
