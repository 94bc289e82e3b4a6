"""Doing things from a statement: having a server explain it, run it again, or two servers answer it.

A question comes in, about a statement that ran or about a text; plain values go out, as JSON has them, or Refused. Only
reads are run, read-only and bounded, with the rights of the user who ran the statement where DbMux knows the password.
Nothing is written, and no argument is put into a text.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

from dbmux.backend.reading import Bounds, Reading, Result, Rights, Statement, reading
from dbmux.backend.server import Backend
from dbmux.config.model import Config
from dbmux.control.comparison import compared
from dbmux.control.foresight import Imagined, foreseen
from dbmux.control.rights import rights_of
from dbmux.control.values import columns_told, rows_told
from dbmux.errors import BackendRefused, DbMuxError
from dbmux.events import KEPT, QueryFinished
from dbmux.feed.arguments import execution_of
from dbmux.feed.copy import Form, Target, copied
from dbmux.feed.feed import Answer, Refused
from dbmux.feed.row import Row
from dbmux.feed.why import Placed
from dbmux.frontend.frontend import Frontend
from dbmux.observe.statement import text_of
from dbmux.query import Access, Kind, Query
from dbmux.session import SessionState
from dbmux.sql.bind import NotBound
from dbmux.sql.classify import classify
from dbmux.sql.modes import lexer_flags
from dbmux.sql.ordering import is_ordered
from dbmux.wire.commands import Command

# So many go on at the same time: whoever looks must not take a server's connections from those who work.
MOST_AT_ONCE = 4
LONGEST_S = 60.0
MOST_ROWS = 10_000
# Of one question; the control socket carries no longer lines than it must.
MOST_COPIED = 1000
_UNKNOWN_FORMAT = 1791
_RUNS = frozenset((Kind.SELECT, Kind.SHOW))
_ROWS = re.compile(r"\(cost=[^)]*?\brows=([0-9.e+]+)")
_ROW_KEYS = ("rows", "rows_examined_per_scan", "estimated_rows")


class Plan(StrEnum):
    """In which form a server explains."""

    TREE = "tree"
    JSON = "json"
    TABLE = "table"


class Running(Protocol):
    """An engine that runs."""

    @property
    def config(self) -> Config:
        """What is in force."""

    @property
    def frontend(self) -> Frontend:
        """The clients."""

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where clients connect, and the group that each address serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is to be run: where, as whom, and in which state of a session."""

    statement: Statement
    backend: Backend
    user: str
    state: SessionState
    flags: int


class Investigations:
    """For one engine; `find` gives the row of a question, or raises Refused; `places` finds settings in the file."""

    def __init__(self, engine: Running, find: Callable[[Mapping[str, Any]], Row], places: Callable[[], Placed]) -> None:
        self._engine = engine
        self._find = find
        self._places = places
        self._under_way = 0

    def table(self) -> Mapping[str, Answer]:
        """The questions by name."""
        return {
            "explain": self.explain,
            "run": self.run,
            "compare": self.compare,
            "copy": self.copy,
            "plan": self.plan,
        }

    async def explain(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """How a server goes about it; with `analyze` it also runs it."""
        form, is_analyzed = _form(given), given.get("analyze") is True
        subject = self._subject(given)
        query = _checked(subject)
        if query.kind is not Kind.SELECT:
            raise Refused("servers explain SELECTs; this is another kind of statement")
        async with self._reading(subject, _bounds(given)) as (reader, told):
            return told | {"analyze": is_analyzed} | await _explained(reader, subject, form, is_analyzed)

    async def run(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Its rows."""
        subject = self._subject(given)
        _checked(subject)
        async with self._reading(subject, _bounds(given)) as (reader, told):
            return told | await _ran(reader, subject.statement)

    async def compare(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What two servers answer, one after the other, so that neither slows the other."""
        names = given.get("backends")
        if not isinstance(names, list | tuple) or len(names) != 2:
            raise Refused("say which two backends are compared")
        sides = []
        for name in names:
            subject = self._subject({**given, "backend": name})
            query = _checked(subject)
            async with self._reading(subject, _bounds(given)) as (reader, told):
                plan = None
                if query.kind is Kind.SELECT:
                    plan = (await _explained(reader, subject, Plan.TREE, False))["text"]
                sides.append(told | await _ran(reader, subject.statement) | {"plan": plan})
        has_order = is_ordered(subject.statement.text, subject.flags)
        return {"sides": sides, **compared(sides[0], sides[1], has_order)}

    async def copy(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Statements that ran as text for other tools: what `dbmux.feed.copy` makes of them, with their arguments."""
        try:
            form = Form(given.get("form", Form.SQL))
        except ValueError:
            raise Refused(f"{given['form']!r} is no form; there are {', '.join(Form)}") from None
        numbers = given.get("seq")
        wanted = numbers if isinstance(numbers, list | tuple) else [numbers]
        if len(wanted) > MOST_COPIED:
            raise Refused(f"{MOST_COPIED} statements at most are copied at once")
        rows = [self._find({"seq": one}) for one in wanted]
        address = next(iter(self._engine.addresses), "127.0.0.1:3307")
        try:
            return {"text": copied(form, rows, _target(address))}
        except NotBound as error:
            raise Refused(str(error)) from error

    async def plan(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What DbMux would do with a text, in steps, without doing it."""
        if not isinstance(given.get("sql"), str):
            raise Refused("give the text of the statement as `sql`")
        frontend, config = self._engine.frontend, self._engine.config
        name = str(given.get("group") or next(iter(self._engine.addresses.values()), ""))
        group = frontend.topology.groups.get(name)
        if group is None:
            raise Refused(f"no group is called {name!r}; there are {', '.join(frontend.topology.groups)}")
        asked = Imagined(
            text=given["sql"].encode("utf-8", "replace"),
            user=str(given.get("user") or ""),
            schema=str(given.get("schema") or ""),
        )
        return [asdict(step) for step in foreseen(asked, group, frontend.settings, config, self._places())]

    # What it is about.

    def _subject(self, given: Mapping[str, Any]) -> Subject:
        if given.get("seq") is not None:
            return self._of_row(self._find(given), given)
        if not isinstance(given.get("sql"), str):
            raise Refused("say which statement is meant: its number as `seq`, or its text as `sql`")
        backend = self._backend(given.get("backend"), None)
        state = SessionState(schema=str(given.get("schema") or "").encode())
        return Subject(
            statement=Statement(given["sql"].encode("utf-8", "replace")),
            backend=backend,
            user=str(given.get("user") or ""),
            state=state,
            flags=lexer_flags(backend.sql_mode),
        )

    def _of_row(self, row: Row, given: Mapping[str, Any]) -> Subject:
        event = row.event
        assert event is not None
        if isinstance(given.get("sql"), str):
            # What somebody made of it is written in UTF-8, and has no arguments.
            statement = Statement(given["sql"].encode("utf-8", "replace"))
        else:
            statement = _statement(row, event)
        backend = self._backend(given.get("backend"), row)
        session = self._engine.frontend.find(event.session)
        state = SessionState(schema=event.schema)
        if session is not None and session.group is not None:
            # The state that it has now is the nearest to that of then.
            now = session.carried.state
            names = now.names if "sql" not in given else None
            state = SessionState(schema=event.schema, names=names, variables=now.variables)
        mode = state.variable("sql_mode")
        flags = lexer_flags(backend.sql_mode if mode is None else mode.strip(b"'"))
        return Subject(statement=statement, backend=backend, user=event.who.user, state=state, flags=flags)

    def _backend(self, named: object, row: Row | None) -> Backend:
        topology = self._engine.frontend.topology
        if named is not None:
            backend = topology.backends.get(str(named))
            if backend is None:
                raise Refused(f"no backend is called {str(named)!r}; there are {', '.join(topology.backends)}")
            return backend
        if row is not None and row.backend in topology.backends:
            return topology.backends[row.backend]
        # It came from memory, or from a server that is gone, or nobody said where.
        name = next(iter(self._engine.addresses.values()), "") if row is None else row.group
        group = topology.groups.get(name)
        if group is None:
            raise Refused(f"say at which backend; there are {', '.join(topology.backends)}")
        return group.primary

    # With whose rights.

    def _rights(self, subject: Subject) -> tuple[Rights, str]:
        # And what is said of them.
        name, engine = subject.user, self._engine
        found = rights_of(name, subject.backend, engine.frontend, engine.config.service)
        if found is not None:
            return found
        if name:
            raise Refused(
                f"DbMux does not know the password of {name!r}; name the account in `users`, let logins be learnt "
                f'("login": "learn"), or give DbMux a `service` account'
            )
        raise Refused("say as which user, or give DbMux a `service` account")

    @asynccontextmanager
    async def _reading(self, subject: Subject, bounds: Bounds) -> AsyncIterator[tuple[Reading, dict[str, Any]]]:
        rights, whose = self._rights(subject)
        if self._under_way >= MOST_AT_ONCE:
            raise Refused(f"{MOST_AT_ONCE} statements are being looked into already; try again when one has ended")
        self._under_way += 1
        backend = subject.backend
        told = {
            "backend": backend.name,
            "server": "",
            "user": rights.user.decode("utf-8", "replace"),
            "rights": whose,
            "schema": subject.state.schema.decode("utf-8", "replace"),
            "sql": subject.statement.text.decode("utf-8", "replace"),
        }
        try:
            async with reading(backend, rights, subject.state, bounds) as reader:
                told["server"] = f"{'MariaDB' if backend.is_mariadb else 'MySQL'} {backend.version}"
                yield reader, told
        except BackendRefused as error:
            raise Refused(f"{backend.name} says, with {whose}: {error}") from error
        except Refused:
            raise
        except DbMuxError as error:
            raise Refused(str(error)) from error
        finally:
            self._under_way -= 1


def _statement(row: Row, event: QueryFinished) -> Statement:
    text = text_of(event)
    if not text:
        raise Refused(f"a command such as {row.command!r} has no statement")
    if len(event.statement or event.sent) >= KEPT:
        raise Refused(f"of a statement {KEPT} bytes are kept, and this one is longer; give its text")
    if event.command == Command.QUERY:
        return Statement(text)
    if event.command != Command.STMT_EXECUTE:
        raise Refused(f"{row.command!r} brings no arguments to run it with; take one of its executions")
    try:
        return Statement(text, execution_of(event))
    except NotBound as error:
        raise Refused(str(error)) from error


def _checked(subject: Subject) -> Query:
    query = classify(subject.statement.text, 0, subject.flags)
    if query.access is not Access.READ or query.kind not in _RUNS:
        raise Refused(f"only reads are run from here; this is {_described(query)}")
    if not query.is_self_contained:
        raise Refused("it asks about the statements before it, or changes its session: alone it is another statement")
    return query


def _described(query: Query) -> str:
    match query.access:
        case Access.LOCKING_READ:
            return "a read that locks"
        case Access.WRITE:
            return "a write"
        case Access.UNSURE:
            return "not surely a read"
        case Access.READ:
            return f"a statement of the kind {query.kind}"


def _bounds(given: Mapping[str, Any]) -> Bounds:
    usual = Bounds()
    try:
        rows = int(given.get("rows", usual.rows))
        seconds = float(given.get("seconds", usual.seconds))
    except (ValueError, TypeError):
        raise Refused("`rows` and `seconds` are numbers") from None
    if not (0 < rows <= MOST_ROWS and 0 < seconds <= LONGEST_S):
        raise Refused(f"at most {MOST_ROWS} rows are read, in at most {LONGEST_S:g} seconds")
    return Bounds(rows=rows, seconds=seconds)


def _form(given: Mapping[str, Any]) -> Plan:
    try:
        return Plan(given.get("form", Plan.TREE))
    except ValueError:
        raise Refused(f"{given['form']!r} is no form of a plan; there are {', '.join(Plan)}") from None


def _target(address: str) -> Target:
    host, _, port = address.rpartition(":")
    return Target(host=host.strip("[]"), port=int(port)) if port.isdigit() else Target(host=address, port=3306)


# What is said of a result.


async def _ran(reader: Reading, statement: Statement) -> dict[str, Any]:
    result = await reader.run(statement)
    warnings = await _warnings(reader)
    return {
        "columns": columns_told(result),
        "rows": rows_told(result),
        "cut": result.is_cut,
        "warnings": warnings,
        "seconds": round(result.seconds, 6),
    }


async def _warnings(reader: Reading) -> list[dict[str, Any]]:
    return [
        {"level": _text(level), "code": int(_text(code) or 0), "message": _text(message)}
        for level, code, message in await reader.warnings()
    ]


async def _explained(reader: Reading, subject: Subject, form: Plan, is_analyzed: bool) -> dict[str, Any]:
    is_mariadb = subject.backend.is_mariadb
    form = _possible(form, is_mariadb, is_analyzed)
    try:
        result = await reader.run(subject.statement.explained(_words(form, is_mariadb, is_analyzed)))
    except BackendRefused as error:
        # A server that knows no trees yet.
        if error.number != _UNKNOWN_FORMAT or form is not Plan.TREE or is_analyzed:
            raise
        form = Plan.JSON
        result = await reader.run(subject.statement.explained(_words(form, is_mariadb, is_analyzed)))
    return {"form": str(form), **_plan_told(result, form), "seconds": round(result.seconds, 6)}


def _possible(form: Plan, is_mariadb: bool, is_analyzed: bool) -> Plan:
    # MariaDB draws no trees, and all MySQLs that analyze draw one.
    if is_mariadb:
        return Plan.JSON if form is Plan.TREE else form
    return Plan.TREE if is_analyzed else form


def _words(form: Plan, is_mariadb: bool, is_analyzed: bool) -> bytes:
    if is_analyzed and not is_mariadb:
        return b"EXPLAIN ANALYZE"
    verb = b"ANALYZE" if is_analyzed else b"EXPLAIN"
    match form:
        case Plan.TREE:
            return verb + b" FORMAT=TREE"
        case Plan.JSON:
            return verb + b" FORMAT=JSON"
        case Plan.TABLE if is_mariadb:
            return verb
        case Plan.TABLE:
            # A MySQL may be set to another form.
            return verb + b" FORMAT=TRADITIONAL"


def _plan_told(result: Result, form: Plan) -> dict[str, Any]:
    rows = rows_told(result)
    told: dict[str, Any] = {"text": "", "plan": None, "columns": columns_told(result), "rows": rows}
    if form is Plan.TABLE:
        names = [column["name"] for column in told["columns"]]
        at = names.index("rows") if "rows" in names else -1
        estimates = [float(row[at]) for row in rows if at >= 0 and str(row[at]).replace(".", "", 1).isdigit()]
        return told | {"estimated_rows": max(estimates, default=None)}
    text = "\n".join(str(row[0]) for row in rows)
    told |= {"text": text, "columns": [], "rows": []}
    if form is Plan.TREE:
        return told | {"estimated_rows": max(map(float, _ROWS.findall(text)), default=None)}
    try:
        plan = json.loads(text)
    except ValueError:
        return told | {"estimated_rows": None}
    return told | {"plan": plan, "estimated_rows": max(_estimates(plan), default=None)}


def _estimates(plan: Any) -> Iterator[float]:
    # As many rows as a step is thought to look at; plans are no deeper than their text allows.
    waiting = [plan]
    while waiting:
        match waiting.pop():
            case dict() as step:
                yield from (float(step[key]) for key in _ROW_KEYS if isinstance(step.get(key), int | float))
                waiting += step.values()
            case list() as steps:
                waiting += steps


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
