"""A finished statement as people see it: a line of the live view, what filters look at, what is copied and exported.

An event comes in; its attributes are made when somebody asks for them, since of most rows few are ever looked at. Over
the control socket a row travels as its attributes, and is the same on the other side. Never changes once it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dbmux.events import MEMORY, OWN, QueryFinished
from dbmux.lexer import digest
from dbmux.observe.digests import identity
from dbmux.observe.statement import text_of
from dbmux.query import Kind, Query
from dbmux.routes import Reason
from dbmux.wire.commands import Command
from dbmux.wire.replies import Status

# Behind the mark of an error and its number come a mark and the SQLSTATE (manual page "ERR_Packet").
_MESSAGE_AT = 9
_VERBS = {
    Command.QUERY: "query",
    Command.STMT_PREPARE: "prepare",
    Command.STMT_EXECUTE: "execute",
    Command.MARIADB_STMT_BULK_EXECUTE: "bulk execute",
    Command.STMT_FETCH: "fetch",
    Command.STMT_RESET: "reset statement",
    Command.STMT_SEND_LONG_DATA: "long data",
    Command.INIT_DB: "use",
}


class Origin(Protocol):
    """What a statement's comments say of where it comes from; nothing where they say nothing."""

    @property
    def app(self) -> str:
        """The application."""

    @property
    def trace(self) -> str:
        """The number of the trace that it belongs to."""

    @property
    def site(self) -> str:
        """The place in the application's code."""


class Notes(Protocol):
    """What is known of a statement besides its event."""

    @property
    def slow_s(self) -> float:
        """From how many seconds on it is slow."""

    def meaning(self, text: bytes) -> Query:
        """What a statement means of which nobody had to know it."""

    def origin(self, text: bytes) -> Origin:
        """What its comments say."""

    def repeated(self, seq: int) -> int:
        """How often its like ran, when that is an N+1; 0 otherwise."""


class Row:
    """One statement. `seq` is its number; the other attributes stand in FIELDS, in the order in which they are told."""

    seq: int
    at: float
    session: int
    transaction: int
    seconds: float
    waited: float
    fetched: float
    command: str
    kind: str
    sql: str
    digest: str
    digest_text: str
    tables: tuple[str, ...]
    user: str
    client: str
    app: str
    schema: str
    group: str
    backend: str
    role: str
    reason: str
    rule: str
    would: str
    cache: str
    rows: int
    bytes: int
    code: int
    error: str
    trace: str
    site: str
    is_in_transaction: bool
    is_pinned: bool
    is_slow: bool
    nplus1: int

    # What others are made of: texts as bytes, which is another name here.
    _text: Any
    _digest: Any
    _meaning: Query
    _origin: Origin

    # What it is made of; of a row that came over the socket there is none.
    event: QueryFinished | None = None

    def __init__(self, seq: int, event: QueryFinished, notes: Notes) -> None:
        self.seq = seq
        self.event = event
        self.seconds = event[4]
        self.code = event[6]
        self.transaction = event[20]
        self._notes = notes

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Row:
        """The row that was told; raises KeyError when something is missing."""
        row = cls.__new__(cls)
        row.__dict__.update({name: told[name] for name in FIELDS})
        row.__dict__["tables"] = tuple(told["tables"])
        row.event = None
        return row

    def told(self) -> dict[str, Any]:
        """All attributes, as JSON has them."""
        return {name: getattr(self, name) for name in FIELDS}


class _Made:
    """An attribute that is made when it is asked for first, and from then on is one like others."""

    __slots__ = ("_make", "_name")

    def __init__(self, name: str, make: Callable[[QueryFinished, Row], Any]) -> None:
        self._name = name
        self._make = make

    def __get__(self, row: Row | None, of: type[Row]) -> Any:
        if row is None or row.event is None:
            raise AttributeError(self._name)
        value = self._make(row.event, row)
        # Not into __dict__: as long as nobody asks for that, there is none.
        setattr(row, self._name, value)
        return value


def command_name(number: int) -> str:
    """What people call a command."""
    try:
        command = Command(number)
    except ValueError:
        return f"command {number}"
    return _VERBS.get(command, command.name.lower().replace("_", " "))


def _text(event: QueryFinished, row: Row) -> bytes:
    return text_of(event)


def _sql(event: QueryFinished, row: Row) -> str:
    text: str = row._text.decode("utf-8", "replace")
    return text


def _digest_text(event: QueryFinished, row: Row) -> str:
    text: str = row._digest.decode("utf-8", "replace")
    return text


def _meaning(event: QueryFinished, row: Row) -> Query:
    return event.query if event.query is not None else row._notes.meaning(row._text)


def _origin(event: QueryFinished, row: Row) -> Origin:
    return row._notes.origin(row._text)


def _kind(event: QueryFinished, row: Row) -> str:
    return str(row._meaning.kind if event.command in _VERBS else Kind.OTHER)


def _role(event: QueryFinished, row: Row) -> str:
    is_server = event.backend not in (MEMORY, OWN) and event.route.reason is not Reason.ONLY
    return str(event.route.role) if is_server else ""


def _error(event: QueryFinished, row: Row) -> str:
    return event.error[_MESSAGE_AT:].decode("utf-8", "replace")


_MADE: dict[str, Callable[[QueryFinished, Row], Any]] = {
    # What others are made of.
    "_text": _text,
    "_digest": lambda event, row: digest(row._text, 0, 0),
    "_meaning": _meaning,
    "_origin": _origin,
    "at": lambda event, row: event.at,
    "session": lambda event, row: event.session,
    "transaction": lambda event, row: event.transaction,
    "seconds": lambda event, row: event.seconds,
    "waited": lambda event, row: event.waited,
    "fetched": lambda event, row: event.fetched,
    "command": lambda event, row: command_name(event.command),
    "kind": _kind,
    "sql": _sql,
    "digest": lambda event, row: identity(row._digest),
    "digest_text": _digest_text,
    "tables": lambda event, row: (event.query or row._meaning).tables,
    "user": lambda event, row: event.who.user,
    "client": lambda event, row: event.who.client,
    "app": lambda event, row: row._origin.app or event.who.program,
    "schema": lambda event, row: event.schema.decode("utf-8", "replace"),
    "group": lambda event, row: event.who.group,
    "backend": lambda event, row: event.backend,
    "role": _role,
    "reason": lambda event, row: str(event.route.reason),
    "rule": lambda event, row: event.route.rule,
    "would": lambda event, row: event.route.would,
    "cache": lambda event, row: str(event.cache),
    "rows": lambda event, row: event.rows,
    "bytes": lambda event, row: event.reply_bytes,
    "code": lambda event, row: event.code,
    "error": _error,
    "trace": lambda event, row: row._origin.trace,
    "site": lambda event, row: row._origin.site,
    "is_in_transaction": lambda event, row: bool(event.status & Status.IN_TRANSACTION),
    "is_pinned": lambda event, row: event.is_pinned,
    "is_slow": lambda event, row: event.seconds >= row._notes.slow_s,
    "nplus1": lambda event, row: row._notes.repeated(row.seq),
}
# What filters ask for most is there from the beginning, in spite of the rule.
_AT_ONCE = frozenset(("seconds", "code", "transaction"))
FIELDS = ("seq", *(name for name in _MADE if not name.startswith("_")))
for _name in _MADE.keys() - _AT_ONCE:
    setattr(Row, _name, _Made(_name, _MADE[_name]))
