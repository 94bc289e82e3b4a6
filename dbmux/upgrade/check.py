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
    run = _Check(services, (a, b), wish)
    run.untold += (*sight.unseen(a, account, roles, wish.patterns), *a.unseen, *b.unseen)
    run.compare()
    step("words, functions and types")
    refused_types = await run.ask()
    if wish.counts_rows:
        step("rows")
    await run.count()
    step("definitions")
    if wish.ground is None:
        run.findings += await read_definitions(services[1], a, b)
        step("statements")
        await run.judge(Tried())
    else:
        async with scratch(services[1], wish.ground, a, b, types.stand_ins(refused_types)) as tried:
            step("statements")
            await run.judge(tried)
        run.findings += tried.findings
        run.untold += tried.untold
    return Report(
        first=Side(name=a.name, version=a.version),
        second=Side(name=b.name, version=b.version),
        findings=in_order(run.findings),
        untold=tuple(run.untold),
    )


class _Check:
    """One check: what was found up to now, and what could not be told."""

    def __init__(self, services: Services, pair: tuple[Server, Server], wish: Wish) -> None:
        self.findings: list[Finding] = []
        self.untold: list[str] = []
        self._services = services
        self._a, self._b = pair
        self._wish = wish
        # Functions that only A has.
        self._gone: frozenset[str] = frozenset()
        self._texts = [*texts_of(self._a), *statements.texts_of(wish.statements)]

    def compare(self) -> None:
        """What the two dictionaries say."""
        a, b = self._a, self._b
        self.findings += [
            *functions.find_variables(a, b, self._texts),
            *engines.find(a, b),
            *collations.find(a, b),
            *limits.find(a, b),
            *foreign_keys.find(a, b),
            *accounts.find(a, b),
            *definers.find(a, b),
            *habits.find(a, b, self._texts),
            *_leftovers(b),
        ]

    async def ask(self) -> list[str]:
        """What the servers say of words, functions, types and modes; returns the types that B refuses."""
        a, b = self._a, self._b
        reserved = await probes.reserved(self._services, words.names(a))
        used = functions.called(a, self._texts)
        self._gone = missing = await probes.missing_functions(self._services, used)
        refused = await probes.refused_types(self._services[1], types.tried(a))
        modes = a.modes.union(*(program.sql_mode.upper().split(",") for program in a.programs)) - {""}
        unknown = await probes.unknown_modes(self._services[1], sorted(modes))
        self.findings += [
            *words.find(a, b, reserved),
            *functions.find(b, used, missing),
            *types.find(a, b, refused),
            *settings.find(a, b, unknown),
        ]
        return list(refused)

    async def count(self) -> None:
        """Dates that are none: of A's rows only where that is wished for."""
        counted: dict[TableName, dict[str, int]] = {}
        for table in self._a.tables if self._wish.counts_rows else ():
            try:
                counted[table.name] = await zero_dates(self._services[0], table)
            except BackendRefused as error:
                self.untold.append(f"the rows of {table.name} on {self._a.name}: {error}")
        self.findings += dates.find(self._a, self._b, counted)

    async def judge(self, tried: Tried) -> None:
        """The statements of the application."""
        a, b = self._a, self._b
        only = next(iter(a.schemas)) if len(a.schemas) == 1 else ""
        places = statements.Places(names=tried.names, there=frozenset(b.schemas), default=only, gone=self._gone)
        judged = await statements.judge(self._services, self._wish.statements, places)
        self.findings += judged.findings
        self.untold += judged.untold


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
