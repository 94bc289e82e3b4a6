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
from dbmux.upgrade.refusal import ADVICE, ELSE, NO_RIGHT, function_of, is_about_others, said
from dbmux.upgrade.texts import Text

LONGEST_SHOWN = 200
# Longer digests are cut (dbmux.observe.digests).
LONGEST_DIGEST = 1000
# Marks of a digest: a list of literals, and a placeholder.
_MARKS = re.compile(r"\?\+|\?\?")
# Longer ones could be refused, with the connection, for being too long.
LONGEST_TRIED = 1 << 20
# Not for being prepared, but run as text.
_NOT_PREPARED = 1295
# No such table in information_schema: where the statement is because it has no schema.
_UNKNOWN_TABLE = 1109


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


def statement(text: str, schema: str = "", calls: int = 0) -> Statement:
    """One out of text from anywhere."""
    return Statement(_encodable(text), _encodable(schema), calls)


def _encodable(text: str) -> str:
    # JSON can have halves of characters in it.
    return text.encode("utf-8", "replace").decode()


def read_lines(lines: Iterable[str]) -> list[Statement]:
    """One statement a line, or a query log of DbMux's; each once."""
    found: dict[tuple[str, str], int] = Counter()
    for line in lines:
        line = line.strip().rstrip(";")
        if line.startswith("{"):
            told = json.loads(line)
            if told.get("command", "query") not in ("query", "prepare", "execute") or told.get("code"):
                continue
            text = told.get("sql") or _MARKS.sub("?", str(told.get("text", "")))
            key = str(text), str(told.get("schema", ""))
        else:
            key = line, ""
        if key[0] and not key[0].endswith("…"):
            found[key] += 1
    return [statement(text, schema, calls) for (text, schema), calls in found.items()]


def from_top(told: Iterable[Mapping[str, Any]]) -> list[Statement]:
    """What a running DbMux says of its kinds of statements."""
    return [
        statement(_MARKS.sub("?", one["text"]), one["schema"], one["calls"])
        for one in told
        if len(one["text"].encode("utf-8", "replace")) < LONGEST_DIGEST
    ]


def texts_of(statements: Iterable[Statement]) -> list[Text]:
    """As those of definitions."""
    return [Text(f"statement {statement.shown}", statement.text) for statement in statements]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where statements find their tables: `names` are the schemas in which A's were made on B, `there` those that B has
    itself, and `default` the one of A in which statements are that do not say. Of functions that are `gone` from B
    nothing more is told."""

    names: Mapping[str, str]
    there: frozenset[str]
    default: str = ""
    gone: frozenset[str] = frozenset()

    def on_second(self, schema: str) -> str:
        """What stands for a schema of A's on B, or nothing."""
        return self.names.get(schema, schema if schema in self.there else "")


@dataclass(slots=True)
class Judged:
    """What came of them."""

    findings: list[Finding] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


async def judge(services: tuple[Service, Service], statements: Iterable[Statement], places: Places) -> Judged:
    """Prepare them on both."""
    judgement = _Judgement(services, places)
    for one in statements:
        await judgement.add(one)
    return judgement.done()


class _Judgement:
    """All statements, one after the other."""

    def __init__(self, services: tuple[Service, Service], places: Places) -> None:
        self._services = services
        self._places = places
        self._too_long = 0
        self._judged = Judged()
        self._refused_by_both = 0
        self._without_tables: list[Statement] = []

    async def add(self, statement: Statement) -> None:
        first, second = self._services
        if len(statement.text) > LONGEST_TRIED:
            self._too_long += 1
            return
        schema = statement.schema or self._places.default
        ours = await _answer(first, schema, statement.text)
        if ours is not None:
            self._refused_by_both += ours.number != _NOT_PREPARED
            return
        place = self._places.on_second(schema)
        theirs = await _answer(second, place, moved(statement.text, self._places.names))
        if theirs is None or theirs.number == _NOT_PREPARED:
            return
        if function_of(theirs) in self._places.gone:
            return
        is_lost = not place and theirs.number == _UNKNOWN_TABLE
        if is_lost or is_about_others(theirs) or theirs.number in NO_RIGHT:
            self._without_tables.append(statement)
            return
        self._judged.findings.append(
            Finding(
                subject=Subject.STATEMENTS,
                severity=Severity.BLOCKS,
                what="a statement is refused",
                where=(statement.shown,),
                why=f"{first.name} takes it, {second.name} says: {said(theirs, self._places.names)}"
                + (f"; it ran {statement.calls} times" if statement.calls > 1 else ""),
                do=ADVICE.get(theirs.number, ELSE),
            )
        )

    def done(self) -> Judged:
        if self._too_long:
            self._judged.untold.append(f"{_counted(self._too_long)} not tried: longer than 1 MB")
        if self._refused_by_both:
            self._judged.findings.append(
                Finding(
                    subject=Subject.STATEMENTS,
                    severity=Severity.KNOW,
                    what=f"{self._services[0].name} itself refuses {_counted(self._refused_by_both)}",
                    why="without their literals some statements cannot be read, and some fail anyway: nothing is said "
                    "of them",
                    do="log statements with their literals, and give the log as --statements",
                )
            )
        if self._without_tables:
            examples = "; ".join(statement.shown for statement in self._without_tables[:3])
            self._judged.untold.append(
                f"{_counted(len(self._without_tables))} could not be tried, for tables or routines are not on "
                f"{self._services[1].name}: make them there, or say --try: {examples}"
            )
        return self._judged


def _counted(number: int) -> str:
    return "1 statement" if number == 1 else f"{number} statements"


async def _answer(service: Service, schema: str, sql: str) -> BackendRefused | None:
    try:
        # A session cannot go back to having no schema.
        await service.do(b"USE " + quoted(schema or "information_schema").encode())
        await service.prepare(sql.encode())
    except BackendRefused as error:
        return error
    return None
