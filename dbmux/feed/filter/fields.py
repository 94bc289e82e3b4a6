"""What a filter can ask of a row: every key, where its value comes from, and what it is compared with.

A row comes in, figures and texts go out. A row makes an attribute when it is asked for, so each field asks for as few
as it can. docs/filters.md has the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from math import nan

from dbmux.cache.cache import Verdict
from dbmux.feed.row import Row, command_name
from dbmux.query import Kind
from dbmux.routes import Reason, Role
from dbmux.wire.commands import Command

# The field of a word that stands alone.
TEXT = "sql"
BYPASS = "bypass"
# So many names that were seen, and whether they are wanted, are remembered.
MOST_REMEMBERED = 4096


class Measure(Enum):
    """Units and what they are in the base unit, in small letters; and how to write such a figure."""

    # Small letters of both signs for micro are there.
    TIME = (
        {"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0},
        "a time: 250us, 5ms, 1.5s, 2m, 1h",
    )
    COUNT = ({"": 1.0, "k": 1e3, "m": 1e6}, "a number: 20, 1.5k, 2M")
    SIZE = (
        # As sizes are shown (dbmux.feed.units).
        {"": 1.0, "b": 1.0, "k": 1024.0, "kb": 1024.0, "m": 1024.0**2, "mb": 1024.0**2, "gb": 1024.0**3},
        "a size: 512, 64kB, 1.5MB",
    )

    def __init__(self, units: Mapping[str, float], form: str) -> None:
        self.units = units
        self.form = form


class Finds(Enum):
    """Which part of a text a word must be."""

    WHOLE = "the whole"
    BEGINNING = "its beginning"
    PART = "any part"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number; one that is not known is NaN, which no comparison finds."""

    read: Callable[[Row], float]
    measure: Measure
    what: str


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts under which a row is found; `known` are all that there are, where that is certain."""

    read: Callable[[Row], tuple[str, ...]]
    finds: Finds
    what: str
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instant:
    """When a statement ended."""

    what: str


@dataclass(frozen=True, slots=True)
class Recent:
    """How long ago a statement ended, at most."""

    what: str


@dataclass(frozen=True, slots=True)
class Flag:
    """What is so or is not."""

    read: Callable[[Row], bool]
    what: str


Field = Figure | Texts | Instant | Recent

_OPS = {
    "select": (Kind.SELECT,),
    "insert": (Kind.INSERT, Kind.REPLACE, Kind.LOAD),
    "update": (Kind.UPDATE,),
    "delete": (Kind.DELETE,),
    "ddl": (Kind.DDL,),
    "tx": (Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.SAVEPOINT, Kind.XA),
    "set": (Kind.SET, Kind.USE),
    "call": (Kind.CALL,),
}
_OTHER = "other"
_OPS_OF = {kind: op for op, kinds in _OPS.items() for kind in kinds}
_KINDS = tuple(map(str, Kind))
# `op:commit` is what people of sql-tap write, so a statement is also found under its kind.
_NAMES = {kind: tuple(dict.fromkeys((_OPS_OF.get(Kind(kind), _OTHER), kind))) for kind in _KINDS}
_VERDICTS = tuple(map(str, Verdict))


def _rows(row: Row) -> float:
    return row.rows if row.rows >= 0 else nan


def _tables(row: Row) -> tuple[str, ...]:
    return _named(row.tables, row.schema)


@lru_cache(MOST_REMEMBERED)
def _named(tables: tuple[str, ...], default: str) -> tuple[str, ...]:
    # As they were written, without the schema, and with it.
    names: list[str] = []
    for name in tables:
        schema, _, table = name.rpartition(".")
        names += (name, table) if schema else (name, f"{default}.{name}")
    return tuple(names)


def _host(row: Row) -> tuple[str, ...]:
    host, colon, _ = row.client.rpartition(":")
    return (host, row.client) if colon else (row.client,)


def _route(row: Row) -> tuple[str, ...]:
    return (row.group, f"{row.group}.{row.role}") if row.role else (row.group,)


def _cache(row: Row) -> tuple[str, ...]:
    verdict = row.cache
    return (verdict if verdict in _VERDICTS or not verdict else BYPASS,)


def _why(row: Row) -> tuple[str, ...]:
    verdict = row.cache
    return ("" if verdict in _VERDICTS else verdict,)


FIELDS: Mapping[str, Field] = {
    "dur": Figure(lambda row: row.seconds, Measure.TIME, "how long it took in all"),
    "wait": Figure(lambda row: row.waited, Measure.TIME, "how long it waited for a connection"),
    "server": Figure(lambda row: row.seconds - row.waited - row.fetched, Measure.TIME, "how long the server took"),
    "fetch": Figure(lambda row: row.fetched, Measure.TIME, "from the first byte of the reply to the last"),
    "rows": Figure(_rows, Measure.COUNT, "rows sent or changed"),
    "bytes": Figure(lambda row: row.bytes, Measure.SIZE, "size of the reply"),
    TEXT: Texts(lambda row: (row.sql,), Finds.PART, "the statement; what a word alone is looked for in"),
    "op": Texts(
        lambda row: _NAMES.get(row.kind, (_OTHER,)),
        Finds.WHOLE,
        "what it does, or its kind",
        known=tuple(dict.fromkeys((*_OPS, _OTHER, *_KINDS))),
    ),
    "kind": Texts(lambda row: (row.kind,), Finds.WHOLE, "its kind, by its first words", known=_KINDS),
    "cmd": Texts(
        lambda row: (row.command,),
        Finds.WHOLE,
        "the command of the protocol",
        known=tuple(dict.fromkeys(("query", "prepare", "execute", *map(command_name, Command)))),
    ),
    "table": Texts(_tables, Finds.WHOLE, "a table that it names, with or without schema"),
    "db": Texts(lambda row: (row.schema,), Finds.WHOLE, "the session's schema"),
    "digest": Texts(lambda row: (row.digest,), Finds.BEGINNING, "the number of all statements like it"),
    "user": Texts(lambda row: (row.user,), Finds.WHOLE, "who asked"),
    "host": Texts(_host, Finds.WHOLE, "the client's address, with or without port"),
    "app": Texts(lambda row: (row.app,), Finds.WHOLE, "the application, by a comment or its login"),
    "conn": Figure(lambda row: row.session, Measure.COUNT, "the client's connection number"),
    "tx": Figure(lambda row: row.transaction, Measure.COUNT, "the number of its transaction's first statement"),
    "seq": Figure(lambda row: row.seq, Measure.COUNT, "its own number"),
    "trace": Texts(lambda row: (row.trace,), Finds.BEGINNING, "the trace id, by a comment"),
    "site": Texts(lambda row: (row.site,), Finds.PART, "where in the code it comes from, by a comment"),
    "backend": Texts(lambda row: (row.backend,), Finds.WHOLE, "the server that answered"),
    "role": Texts(
        lambda row: (row.role,),
        Finds.WHOLE,
        "what that server is in its group",
        known=tuple(map(str, Role)),
    ),
    "route": Texts(_route, Finds.WHOLE, "the group, or group.role"),
    "rule": Texts(lambda row: (row.rule,), Finds.WHOLE, "the rule that matched"),
    "reason": Texts(lambda row: (row.reason,), Finds.WHOLE, "why it went there", known=tuple(map(str, Reason))),
    "cache": Texts(_cache, Finds.WHOLE, "what the query cache did", known=(*_VERDICTS, BYPASS)),
    "why": Texts(_why, Finds.PART, "why the query cache was passed by"),
    "err": Texts(lambda row: (row.error,), Finds.PART, "the error's text"),
    "code": Figure(lambda row: row.code, Measure.COUNT, "the error's number, 0 for none"),
    "nplus1": Figure(lambda row: row.nplus1, Measure.COUNT, "how often its like ran, when that is an N+1"),
    "at": Instant("when it ended"),
    "last": Recent("how long ago it ended, at most"),
}
ALIASES: Mapping[str, str] = {"d": "dur", "schema": "db", "client": "host", "session": "conn", "error": "err"}

FLAGS: Mapping[str, Flag] = {
    "err": Flag(lambda row: row.code != 0, "it failed"),
    "slow": Flag(lambda row: row.is_slow, "it took longer than it should"),
    "nplus1": Flag(lambda row: row.nplus1 > 0, "it is one of many of its like in a short time"),
    "pinned": Flag(lambda row: row.is_pinned, "its session keeps its connection"),
    "tx": Flag(lambda row: row.transaction != 0, "it is part of a transaction"),
    "open": Flag(lambda row: row.is_in_transaction, "a transaction is open after it"),
}
FLAG_ALIASES: Mapping[str, str] = {"error": "err", "n+1": "nplus1"}
