"""Statements of an application, read by the second server without being run, with the first one's answer beside.

Texts come in, from a file or from what a running DbMux counts; findings go out. COM_STMT_PREPARE looks up tables,
columns and functions, so they are prepared where A's tables are: in the schemas in which definitions were tried, or in
those of the same name. What A refuses as well says nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dbmux.backend.service import Service
from dbmux.errors import BackendRefused
from dbmux.sync.table import quoted
from dbmux.upgrade.definition import moved
from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.refusal import ADVICE, ELSE, NO_RIGHT, said
from dbmux.upgrade.texts import Text

LONGEST_SHOWN = 200
# Longer digests are cut (dbmux.observe.digests).
LONGEST_DIGEST = 1000
# Marks of a digest: a list of literals, and a placeholder.
_MARKS = re.compile(r"\?\+|\?\?")
# Not for being prepared, but run as text.
_NOT_PREPARED = 1295
# No such table, schema or routine, no schema selected: nothing is known of the statement itself.
_NO_SUCH = frozenset((1046, 1049, 1146, 1305, 1356))


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, in which schema, and how often it ran where that is known."""

    text: str
    schema: str = ""
    calls: int = 0

    @property
    def shown(self) -> str:
        """As it is told."""
        line = " ".join(self.text.split())
        return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}…"


def read_lines(lines: Iterable[str]) -> list[Statement]:
    """One statement a line, or a query log of DbMux's; each once."""
    found: dict[tuple[str, str], int] = Counter()
    for line in lines:
        line = line.strip().rstrip(";")
        if line.startswith("{"):
            told = json.loads(line)
            if told.get("command", "query") not in ("query", "prepare", "execute") or told.get("code"):
                continue
            text = told.get("sql") or _MARKS.sub("?", told.get("text", ""))
            key = text, told.get("schema", "")
        else:
            key = line, ""
        if key[0] and not key[0].endswith("…"):
            found[key] += 1
    return [Statement(text, schema, calls) for (text, schema), calls in found.items()]


def from_top(told: Iterable[Mapping[str, Any]]) -> list[Statement]:
    """What a running DbMux says of its kinds of statements."""
    return [
        Statement(_MARKS.sub("?", one["text"]), one["schema"], one["calls"])
        for one in told
        if len(one["text"].encode()) < LONGEST_DIGEST
    ]


def texts_of(statements: Iterable[Statement]) -> list[Text]:
    """As those of definitions."""
    return [Text(f"statement {statement.shown}", statement.text) for statement in statements]


@dataclass(slots=True)
class Judged:
    """What came of them."""

    findings: list[Finding] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


async def judge(
    services: tuple[Service, Service], statements: Iterable[Statement], names: Mapping[str, str], there: Iterable[str]
) -> Judged:
    """Prepare them on both; `names` are the schemas in which A's were made on B, `there` those that B has itself."""
    judgement = _Judgement(services, names, frozenset(there))
    for statement in statements:
        await judgement.add(statement)
    return judgement.done()


class _Judgement:
    """All statements, one after the other."""

    def __init__(self, services: tuple[Service, Service], names: Mapping[str, str], there: frozenset[str]) -> None:
        self._services = services
        self._names = names
        self._there = there
        self._judged = Judged()
        self._refused_by_both = 0
        self._without_tables: list[Statement] = []

    async def add(self, statement: Statement) -> None:
        first, second = self._services
        ours = await _answer(first, statement.schema, statement.text)
        if ours is not None:
            self._refused_by_both += ours.number != _NOT_PREPARED
            return
        place = self._names.get(statement.schema, statement.schema if statement.schema in self._there else "")
        theirs = await _answer(second, place, moved(statement.text, self._names))
        if theirs is None or theirs.number == _NOT_PREPARED:
            return
        if theirs.number in _NO_SUCH | NO_RIGHT:
            self._without_tables.append(statement)
            return
        self._judged.findings.append(
            Finding(
                subject=Subject.STATEMENTS,
                severity=Severity.BLOCKS,
                what="a statement is refused",
                where=(statement.shown,),
                why=f"{first.name} takes it, {second.name} says: {said(theirs, self._names)}"
                + (f"; it ran {statement.calls} times" if statement.calls > 1 else ""),
                do=ADVICE.get(theirs.number, ELSE),
            )
        )

    def done(self) -> Judged:
        if self._refused_by_both:
            self._judged.findings.append(
                Finding(
                    subject=Subject.STATEMENTS,
                    severity=Severity.KNOW,
                    what=f"{self._refused_by_both} statements are refused by {self._services[0].name} itself",
                    why="without their literals some statements cannot be read, and some fail anyway: nothing is said "
                    "of them",
                    do="log statements with their literals, and give the log as --statements",
                )
            )
        if self._without_tables:
            examples = "; ".join(statement.shown for statement in self._without_tables[:3])
            self._judged.untold.append(
                f"{len(self._without_tables)} statements could not be tried, for their tables or routines are not on "
                f"{self._services[1].name}: make them there, or say --try: {examples}"
            )
        return self._judged


async def _answer(service: Service, schema: str, sql: str) -> BackendRefused | None:
    try:
        if schema:
            await service.do(b"USE " + quoted(schema).encode())
        await service.prepare(sql.encode())
    except BackendRefused as error:
        return error
    return None
