"""Definitions of the first server, made on the second in schemas of this check's own, so that it says itself what it
refuses.

The schemas are called dbmux_upgrade_ and some random letters, one for each of A's, and are dropped at the end; nothing
else is written, and not into the binary log where the account may leave it out. No row is written and nothing made here
is run: events sleep, views are not read, routines not called.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from dbmux.backend.service import Service
from dbmux.errors import BackendRefused, DbMuxError
from dbmux.sync.table import TableName, quoted
from dbmux.upgrade.definition import NotTried, of_program, of_table, stand_in
from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.read import SCRATCH
from dbmux.upgrade.refusal import ADVICE, ELSE, NO_RIGHT, is_about_others, said
from dbmux.upgrade.server import Program, ProgramKind, Server, Table


@dataclass(slots=True)
class Tried:
    """What came of it: `names` are the schemas, by those of A; `refused` what was not made in them."""

    names: Mapping[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    refused: set[TableName] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where it is tried: `tag` gives random letters for the names, `connect` another connection to the same server, for
    clearing up when the first one is gone."""

    tag: Callable[[], str]
    connect: Callable[[], Awaitable[Service]]


@asynccontextmanager
async def scratch(
    service: Service, ground: Ground, a: Server, b: Server, stand_ins: Mapping[str, str]
) -> AsyncIterator[Tried]:
    """Make all of A on B, and drop it again at the end.

    `stand_ins` are types that columns have in place of those that B does not take, so that what is about a table can be
    tried though the table was refused.
    """
    prefix = SCRATCH + ground.tag()
    names = {schema: f"{prefix}_{number}" for number, schema in enumerate(a.schemas)}
    tried = Tried()
    made: list[str] = []
    try:
        try:
            await _begin(service)
            for schema, name in names.items():
                collation = a.schemas[schema]
                default = f" COLLATE {collation}" if collation in b.collations else ""
                await service.do(f"CREATE DATABASE {quoted(name)}{default}".encode())
                made.append(name)
        except BackendRefused as error:
            tried.untold.append(
                f"definitions were not tried on {b.name}: {error}; "
                f"GRANT ALL ON `{SCRATCH.replace('_', chr(92) + '_')}%`.* to the account of this check"
            )
        else:
            tried.names = names
            await _Trial(service, a, b, stand_ins, tried).run()
        yield tried
    finally:
        await _drop(service, ground, made, tried)


def parents_first(tables: Sequence[Table]) -> list[Table]:
    """In an order in which foreign keys refer to what is there already, as far as there is one: so the table with the
    key is refused, not the one that it refers to."""
    by_name = {table.name: table for table in tables}
    found: dict[TableName, Table] = {}
    begun: set[TableName] = set()
    waiting = list(reversed(tables))
    while waiting:
        table = waiting[-1]
        parents = [by_name[key.parent] for key in table.foreign_keys if key.parent in by_name]
        if table.name not in begun and (left := [one for one in parents if one.name not in begun]):
            waiting += left
        else:
            waiting.pop()
            found.setdefault(table.name, table)
        begun.add(table.name)
    return list(found.values())


async def _begin(service: Service) -> None:
    # Without the right to it the schemas come and go on its replicas, too.
    with suppress(BackendRefused):
        await service.do(b"SET SESSION sql_log_bin=0")
    await service.do(b"SET SESSION foreign_key_checks=0")


async def _drop(service: Service, ground: Ground, made: list[str], tried: Tried) -> None:
    left = list(made)
    if service.is_open:
        with suppress(DbMuxError):
            await _drop_over(service, left)
    if not left:
        return
    try:
        fresh = await ground.connect()
        try:
            await _drop_over(fresh, left)
        finally:
            fresh.close()
    except (DbMuxError, TimeoutError) as error:
        tried.untold.append(f"schemas of this check are left on {service.name} ({error}): {drops(left)}")


async def _drop_over(service: Service, left: list[str]) -> None:
    await _begin(service)
    while left:
        await service.do(b"DROP DATABASE IF EXISTS " + quoted(left[-1]).encode())
        left.pop()


def drops(names: Iterable[str]) -> str:
    """The statements that remove schemas."""
    return "; ".join(f"DROP DATABASE {quoted(name)}" for name in names)


class _Trial:
    """All of A, one after the other."""

    def __init__(self, service: Service, a: Server, b: Server, stand_ins: Mapping[str, str], tried: Tried) -> None:
        self._service = service
        self._a = a
        self._b = b
        self._tried = tried
        self._stand_ins = stand_ins
        self._mode = ""

    async def run(self) -> None:
        ((mode,),) = await self._service.ask(b"SELECT @@SESSION.sql_mode")
        self._mode = (mode or b"").decode()
        for table in parents_first(self._a.tables):
            await self._table(table)
        await self._views([one for one in self._a.programs if one.kind is ProgramKind.VIEW])
        for program in self._a.programs:
            if program.kind is not ProgramKind.VIEW:
                await self._program(program)
        await self._set_mode(self._mode)

    async def _table(self, table: Table) -> None:
        if not table.text:
            return
        try:
            sql = of_table(table, self._tried.names)
            await self._make(table.name.schema, sql)
        except NotTried as error:
            self._tried.refused.add(table.name)
            self._tried.untold.append(f"table {table.name} was not tried: {error}")
        except BackendRefused as error:
            self._tried.refused.add(table.name)
            self._refused(f"table {table.name}", error)
            await self._stand_in(table)

    async def _stand_in(self, table: Table) -> None:
        # So that what is about the table can be tried all the same.
        for sql in stand_in(table, self._stand_ins):
            with suppress(BackendRefused):
                await self._make(table.name.schema, sql)
                return

    async def _views(self, views: list[Program]) -> None:
        # A view may want another one: as long as one more can be made, the others are tried again.
        errors: dict[TableName, BackendRefused] = {}
        waiting = [view for view in views if view.text]
        while waiting:
            left = []
            for view in waiting:
                try:
                    await self._make(view.name.schema, of_program(view, self._tried.names))
                except NotTried as error:
                    self._tried.untold.append(f"{view} was not tried: {error}")
                except BackendRefused as error:
                    errors[view.name] = error
                    left.append(view)
            if len(left) == len(waiting):
                break
            waiting = left
        for view in waiting:
            self._tried.refused.add(view.name)
            self._refused(str(view), errors[view.name])

    async def _program(self, program: Program) -> None:
        if not program.text:
            return
        try:
            sql = of_program(program, self._tried.names)
            await self._as_written(program)
            if program.kind is ProgramKind.EVENT:
                # To read it is as much as making it would be.
                await self._service.do(b"USE " + quoted(self._tried.names[program.name.schema]).encode())
                await self._service.prepare(sql.encode())
            else:
                await self._make(program.name.schema, sql)
        except NotTried as error:
            self._tried.untold.append(f"{program} was not tried: {error}")
        except BackendRefused as error:
            self._refused(str(program), error)

    async def _as_written(self, program: Program) -> None:
        # Modes that B does not have are told by themselves (dbmux.upgrade.settings).
        kept = [mode for mode in program.sql_mode.split(",") if mode]
        while True:
            try:
                await self._set_mode(",".join(kept))
                return
            except BackendRefused:
                if not kept:
                    raise
                kept = [mode for mode in kept if await self._knows(mode)]

    async def _knows(self, mode: str) -> bool:
        try:
            await self._set_mode(mode)
        except BackendRefused:
            return False
        return True

    async def _set_mode(self, mode: str) -> None:
        await self._service.do(f"SET SESSION sql_mode='{mode}'".encode())

    async def _make(self, schema: str, sql: str) -> None:
        await self._service.do(b"USE " + quoted(self._tried.names[schema]).encode())
        await self._service.do(sql.encode())

    def _refused(self, where: str, error: BackendRefused) -> None:
        if error.number in NO_RIGHT:
            self._tried.untold.append(f"{where} was not tried on {self._b.name}: {error}")
            return
        if is_about_others(error):
            self._tried.findings.append(
                Finding(
                    subject=Subject.DEFINITIONS,
                    severity=Severity.KNOW,
                    what="a definition could not be tried",
                    where=(where,),
                    why=f"what it is about is not there, or was refused before: {said(error, self._tried.names)}",
                    do="see to that first, and check all schemas together",
                )
            )
            return
        self._tried.findings.append(
            Finding(
                subject=Subject.DEFINITIONS,
                severity=Severity.BLOCKS,
                what="a definition is refused",
                where=(where,),
                why=f"{self._b.name} says: {said(error, self._tried.names)}",
                do=ADVICE.get(error.number, ELSE),
            )
        )
