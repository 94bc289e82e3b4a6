"""The check of an upgrade from its beginning to its end: whether B can take A's place.

Two connections and what is wished for come in, a report goes out. A is read only; on B nothing is written but with
a `ground`, and that is dropped again (dbmux.upgrade.scratch).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dbmux.backend.service import Service
from dbmux.errors import BackendRefused
from dbmux.sync.table import TableName
from dbmux.upgrade import (
    accounts,
    collations,
    dates,
    definers,
    engines,
    foreign_keys,
    functions,
    habits,
    limits,
    probes,
    settings,
    sight,
    statements,
    types,
    words,
)
from dbmux.upgrade.finding import Finding, Report, Severity, Side, Subject, in_order
from dbmux.upgrade.read import read
from dbmux.upgrade.reading import read_definitions
from dbmux.upgrade.rows import zero_dates
from dbmux.upgrade.scratch import Ground, Tried, drops, scratch
from dbmux.upgrade.server import Server
from dbmux.upgrade.statements import Statement
from dbmux.upgrade.texts import texts_of

Services = tuple[Service, Service]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is checked: schemas by pattern, all of them without one; statements of the application.

    With a `ground` definitions are tried on B. With `counts_rows` A's tables are read.
    """

    patterns: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    ground: Ground | None = None
    counts_rows: bool = False


async def check(services: Services, wish: Wish, step: Callable[[str], None] = lambda name: None) -> Report:
    """Check; `step` is told what is looked at next. Raises DbMuxError when a server cannot be read."""
    step("the dictionaries")
    a, b = [await read(service, wish.patterns) for service in services]
    account, roles = await sight.who(services[0], a)
    unseen = (*sight.unseen(a, account, roles, wish.patterns), *a.unseen, *b.unseen)
    refused = await probes.refused_types(services[1], types.tried(a))
    findings, untold = await _asked(services, a, b, wish, refused, step)
    step("definitions")
    if wish.ground is not None:
        async with scratch(services[1], wish.ground, a, b, types.stand_ins(refused)) as tried:
            step("statements")
            judged = await _judged(services, wish, tried, b)
        findings += tried.findings
        untold += tried.untold
    else:
        findings += await read_definitions(services[1], a, b)
        step("statements")
        judged = await _judged(services, wish, Tried(), b)
    return Report(
        first=Side(name=a.name, version=a.version),
        second=Side(name=b.name, version=b.version),
        findings=in_order([*findings, *judged.findings]),
        untold=(*unseen, *untold, *judged.untold),
    )


async def _judged(services: Services, wish: Wish, tried: Tried, b: Server) -> statements.Judged:
    return await statements.judge(services, wish.statements, tried.names, b.schemas)


async def _asked(
    services: Services, a: Server, b: Server, wish: Wish, refused: dict[str, str], step: Callable[[str], None]
) -> tuple[list[Finding], list[str]]:
    # All subjects that need no definition on B.
    untold: list[str] = []
    texts = [*texts_of(a), *statements.texts_of(wish.statements)]
    step("words and functions")
    reserved = await probes.reserved(services, words.names(a))
    used = functions.called(a, texts)
    missing = await probes.missing_functions(services, used)
    modes = a.modes.union(*(program.sql_mode.upper().split(",") for program in a.programs)) - {""}
    unknown = await probes.unknown_modes(services[1], sorted(modes))
    counted: dict[TableName, dict[str, int]] = {}
    if wish.counts_rows:
        step("rows")
        for table in a.tables:
            try:
                counted[table.name] = await zero_dates(services[0], table)
            except BackendRefused as error:
                untold.append(f"the rows of {table.name} on {a.name}: {error}")
    return [
        *words.find(a, b, reserved),
        *functions.find(b, used, missing),
        *functions.find_variables(a, b, texts),
        *types.find(a, b, refused),
        *engines.find(a, b),
        *collations.find(a, b),
        *dates.find(a, b, counted),
        *limits.find(a, b),
        *foreign_keys.find(a, b),
        *settings.find(a, b, unknown),
        *accounts.find(a, b),
        *definers.find(a, b),
        *habits.find(a, b, texts),
        *_leftovers(b),
    ], untold


def _leftovers(b: Server) -> Iterator[Finding]:
    if b.leftovers:
        yield Finding(
            subject=Subject.DEFINITIONS,
            severity=Severity.KNOW,
            what="schemas of an earlier check are left",
            where=tuple(f"schema {name}" for name in b.leftovers),
            why="it was ended before it could drop them, or another one runs",
            do=drops(b.leftovers),
        )
