"""One statement, answered by SQLite from tables that are made for it and gone with it.

Rows and a SELECT come in, the whole result goes out. Filled on the event loop in short pieces, so that what is walked
through belongs to one thread; the statement itself runs in another, as a single step that holds no lock of Python's.
Bounded in time, rows, bytes and memory. Nothing can be written, no file opened and no extension loaded: whatever the
statement's text says, it may read, and no more.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dbmux.door.table import Row, Source, Table, Type
from dbmux.errors import ErrorCode, MySQLError
from dbmux.text import visible

Value = None | int | float | str | bytes

MAX_ROWS = 50_000
MAX_BYTES = 16 * 1024 * 1024
MAX_SECONDS = 2.0
# Of all that SQLite takes in this process; it can only be lowered.
MAX_MEMORY = 64 * 1024 * 1024
# How long the event loop is kept in one piece.
PIECE_S = 0.001
PIECE_ROWS = 4
# Steps of SQLite's machine between two looks at the clock: some milliseconds.
STEPS = 100_000

_AFFINITIES = {Type.INTEGER: "INTEGER", Type.REAL: "REAL", Type.TEXT: "TEXT"}
# What SQLite says of a column that is just one of a table's.
_DECLARED = {"INT": Type.INTEGER, "REAL": Type.REAL, "TEXT": Type.TEXT}
_LIMITS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, 1024 * 1024),
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 128 * 1024),
    (sqlite3.SQLITE_LIMIT_COLUMN, 250),
    (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200),
    (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 50),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
    (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 1000),
    (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
)
_READING = frozenset((sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE))
_FORBIDDEN_FUNCTIONS = frozenset(("load_extension", "fts3_tokenizer"))
_ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Select:
    """What SQLite is asked. `variables` are functions there, called by their names, and shown as they were written."""

    sql: str
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """Columns, each with the type of all its values, and rows; text in bytes is binary."""

    columns: tuple[tuple[str, Type], ...]
    rows: list[tuple[Value, ...]]


async def answer(
    select: Select,
    parameters: Sequence[Value],
    sources: Iterable[Source],
    functions: Mapping[str, Value],
    limit_s: float,
) -> Result:
    """Run a statement over these tables; `functions` have constant values. Raises MySQLError."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, functions)
        for source in sources:
            await _fill(connection, source)
        watch = _Watch(limit_s)
        connection.set_authorizer(watch.allows)
        connection.set_progress_handler(watch.is_over, STEPS)
        try:
            await _elsewhere(connection, select.sql, parameters, watch)
        except (sqlite3.Error, MemoryError, UnicodeError, OverflowError) as error:
            raise _explained(error, watch) from None
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)
        return await _fetch(connection, select.variables)
    finally:
        connection.close()


def called(variable: str) -> str:
    """How a variable is spelled in SQLite's SQL."""
    return f"{_quoted(variable)}()"


async def _elsewhere(connection: sqlite3.Connection, sql: str, parameters: Sequence[Value], watch: _Watch) -> None:
    # Its result as a table: that is one step, however many rows it has, and tells the columns' types.
    task = asyncio.ensure_future(
        asyncio.to_thread(connection.execute, f"CREATE TEMP TABLE {_ANSWER} AS {sql}", parameters)
    )
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        # The connection cannot be closed under the thread's hands.
        watch.end()
        await asyncio.wait((task,))
        raise


class _Watch:
    """Asked by SQLite what a statement may do, and whether it may go on."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._deadline = time.monotonic() + limit_s
        self.is_late = False
        self.was_denied = False

    def end(self) -> None:
        """Nobody waits for the answer any more."""
        self._deadline = 0.0

    def is_over(self) -> bool:
        """Whether it must stop."""
        self.is_late = time.monotonic() > self._deadline
        return self.is_late

    def allows(self, action: int, first: str | None, second: str | None, schema: str | None, by: str | None) -> int:
        """SQLite's authorizer."""
        match action:
            case sqlite3.SQLITE_CREATE_TEMP_TABLE:
                is_fine = first == _ANSWER
            case sqlite3.SQLITE_INSERT | sqlite3.SQLITE_UPDATE:
                is_fine = first == "sqlite_temp_master"
            case sqlite3.SQLITE_FUNCTION:
                is_fine = second is None or second.lower() not in _FORBIDDEN_FUNCTIONS
            case _:
                is_fine = action in _READING
        self.was_denied |= not is_fine
        return sqlite3.SQLITE_OK if is_fine else sqlite3.SQLITE_DENY


def _prepare(connection: sqlite3.Connection, functions: Mapping[str, Value]) -> None:
    for limit, most in _LIMITS:
        connection.setlimit(limit, most)
    connection.execute(f"PRAGMA hard_heap_limit = {MAX_MEMORY}")
    connection.execute("PRAGMA temp_store = MEMORY")
    for schema in ("dbmux", "information_schema"):
        connection.execute(f"ATTACH ':memory:' AS {schema}")
    connection.execute("CREATE TABLE dual (dummy TEXT)")
    connection.execute("INSERT INTO dual VALUES ('X')")
    for name, value in functions.items():
        connection.create_function(name, 0, _constant(value), deterministic=True)
    connection.create_function("concat", -1, _concatenated, deterministic=True)
    connection.create_function("if", 3, _chosen, deterministic=True)


def _constant(value: Value) -> Callable[[], Value]:
    return lambda: value


def _concatenated(*values: Value) -> str | None:
    # As MySQL has it; SQLite's own, which only newer ones have, passes over NULL.
    return None if None in values else "".join(str(value) for value in values)


def _chosen(condition: Value, then: Value, otherwise: Value) -> Value:
    return then if condition else otherwise


async def _fill(connection: sqlite3.Connection, source: Source) -> None:
    table = source.table
    columns = ", ".join(f"{_quoted(column.name)} {_AFFINITIES[column.type]}" for column in table.columns)
    name = f"{_quoted(table.schema)}.{_quoted(table.name)}"
    connection.execute(f"CREATE TABLE {name} ({columns})")
    insert = f"INSERT INTO {name} VALUES ({', '.join('?' * len(table.columns))})"
    rows, count, begun = iter(source.rows()), 0, time.perf_counter()
    while piece := [_values(table, row) for row in islice(rows, PIECE_ROWS)]:
        connection.executemany(insert, piece)
        count += len(piece)
        if count > MAX_ROWS:
            raise MySQLError(ErrorCode.TOO_MANY_ROWS, f"{table.name} has more than {MAX_ROWS} rows; that is too many")
        if time.perf_counter() - begun > PIECE_S:
            await asyncio.sleep(0)
            begun = time.perf_counter()


def _values(table: Table, row: Row) -> list[Value]:
    return [_value(row.get(column.name)) for column in table.columns]


def _value(value: Any) -> Value:
    match value:
        case str():
            # Names that clients chose stand in the tables, too: none may steer the terminal that shows them.
            return visible(value)
        case None | int() | float():
            return value
        case _:
            return visible(str(value))


async def _fetch(connection: sqlite3.Connection, variables: Iterable[str]) -> Result:
    declared = connection.execute(f"PRAGMA temp.table_info({_ANSWER})").fetchall()
    cursor = connection.execute(f"SELECT * FROM temp.{_ANSWER}")
    rows: list[tuple[Value, ...]] = []
    size, begun = 0, time.perf_counter()
    while piece := cursor.fetchmany(PIECE_ROWS):
        rows += piece
        size += sum(len(value) for row in piece for value in row if isinstance(value, str | bytes))
        if len(rows) > MAX_ROWS or size > MAX_BYTES:
            limits = f"more than {MAX_ROWS} rows or {MAX_BYTES >> 20} MB"
            raise MySQLError(ErrorCode.TOO_MANY_ROWS, f"the result has {limits}; add a LIMIT or a WHERE")
        if time.perf_counter() - begun > PIECE_S:
            await asyncio.sleep(0)
            begun = time.perf_counter()
    seen: set[str] = set()
    columns = []
    for at, (_, name, affinity, *_) in enumerate(declared):
        plain = _unnumbered(name, seen)
        for variable in variables:
            plain = plain.replace(called(variable), variable)
        columns.append((plain, _type_of((row[at] for row in rows), _DECLARED.get(affinity, Type.TEXT))))
    return Result(tuple(columns), rows)


def _unnumbered(name: str, seen: set[str]) -> str:
    # SQLite numbers what a table's columns may not be: of the same name.
    plain = re.sub(r":\d+$", "", name)
    plain = plain if plain.lower() in seen else name
    seen.add(plain.lower())
    return plain


def _type_of(values: Iterable[Value], declared: Type) -> Type:
    found = {type(value) for value in values if value is not None}
    if not found:
        return declared
    if found == {int}:
        return Type.INTEGER
    return Type.REAL if found <= {int, float} else Type.TEXT


def _explained(error: Exception, watch: _Watch) -> MySQLError:
    told = visible(str(error))
    if watch.is_late:
        return MySQLError(
            ErrorCode.TIMED_OUT_MYSQL, f"the statement ran longer than {watch.limit_s:g} s; ask for less at a time"
        )
    if isinstance(error, MemoryError):
        what = f"the statement takes more than {MAX_MEMORY >> 20} MB; ask for less at a time"
        return MySQLError(ErrorCode.TOO_MANY_ROWS, what)
    if watch.was_denied:
        return MySQLError(ErrorCode.READ_ONLY, "these tables can only be read; send a SELECT")
    if found := re.fullmatch(r"no such table: (.*)", told):
        return no_such_table(found[1])
    return MySQLError(ErrorCode.BAD_SQL, f"{told}; the tables of schema dbmux are asked in SQLite's SQL")


def no_such_table(name: str) -> MySQLError:
    """The error for a table that is not there."""
    return MySQLError(ErrorCode.NO_SUCH_TABLE, f"there is no table {visible(name)}; SHOW TABLES lists those there are")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
