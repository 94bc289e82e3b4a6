"""What a statement touches: the tables that it reads or writes, found in its tokens.

A statement and its meaning come in, the footprint goes out. It names too many tables rather than too few, and where a
text is not surely understood it says that anything may be touched. Of the grammar it knows where tables stand: behind
FROM, JOIN, UPDATE, INTO and TABLE, and in the lists that begin there (manual page "JOIN Clause").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from dbmux.footprint import ANYWHERE, NOWHERE, Footprint, RoutineName, TableName
from dbmux.lexer import Token
from dbmux.query import Access, Kind, Needs, Pin, PinReason, Query, RenameTable
from dbmux.sql.expressions import is_in_function
from dbmux.sql.functions import VOLATILE, VOLATILE_WITHOUT_ARGUMENTS, VOLATILE_WORDS
from dbmux.sql.names import NAME, unquote
from dbmux.sql.statement import Statement

# What belongs to the server itself changes without anybody's writing to it.
_SERVER_SCHEMAS = frozenset(("information_schema", "mysql", "performance_schema", "sys"))
# Reserved by every server, so that none can be an alias: here a list of tables ends.
_ENDS = frozenset(
    ("GROUP", "HAVING", "INTO", "LIMIT", "LOCK", "ORDER", "PROCEDURE", "SELECT", "SET", "UNION", "WHERE", "WITH")
)
_JOINS = ("JOIN", "STRAIGHT_JOIN")
_QUERIES = ("SELECT", "TABLE", "VALUES", "WITH")
_OBJECTS = frozenset(("EVENT", "FUNCTION", "INDEX", "PROCEDURE", "SEQUENCE", "TABLE", "TABLES", "TRIGGER", "VIEW"))
# Words of a SELECT by which it is another one each time, or wants to be.
_UNREPEATABLE = frozenset(("PROCEDURE", "SQL_NO_CACHE", "SYSTEM_TIME"))

# Statements of these kinds change no table's rows by themselves. That a transaction ends with some is followed
# elsewhere, by the server's word.
_HARMLESS = frozenset(
    (
        *(Kind.BEGIN, Kind.COMMIT, Kind.DIAGNOSTICS, Kind.HANDLER, Kind.KILL, Kind.LOCK, Kind.ROLLBACK),
        *(Kind.SAVEPOINT, Kind.SELECT, Kind.SET, Kind.SHOW, Kind.USE),
    )
)


class _UnsureError(Exception):
    """The text has a form that is not known."""


def read_footprint(statement: Statement, query: Query) -> Footprint:
    """What a single statement touches; `query` is what else is known of it."""
    calls = tuple(_calls(query))
    try:
        match query.kind:
            case Kind.SELECT:
                return replace(_read_select(statement, query), calls=calls)
            case Kind.SET if query.access is Access.WRITE:
                # The server's own settings, from which results may follow.
                return ANYWHERE
            case kind if kind in _HARMLESS:
                return replace(NOWHERE, calls=calls)
            case Kind.CALL:
                return replace(NOWHERE, calls=calls) if calls else ANYWHERE
            case Kind.INSERT | Kind.REPLACE | Kind.UPDATE | Kind.DELETE | Kind.LOAD:
                return replace(NOWHERE, writes=_unique(_written(statement, query.kind)), calls=calls)
            case Kind.DDL if query.tables and _is_of_tables(statement):
                return replace(_read_definition(statement, query), calls=calls)
            case Kind.EXPLAIN if query.access is not Access.WRITE:
                return replace(NOWHERE, calls=calls)
            case Kind.XA if statement.word(1) not in ("COMMIT", "ROLLBACK"):
                return NOWHERE
            case Kind.OTHER if query.access is Access.READ or statement.words[0] in ("DO", "SIGNAL"):
                return replace(NOWHERE, calls=calls)
            case Kind.PREPARED if statement.word(0) != "EXECUTE":
                return NOWHERE
            case _:
                return ANYWHERE
    except _UnsureError:
        return ANYWHERE


def together(footprints: Sequence[Footprint]) -> Footprint:
    """What several statements of one text touch."""
    return Footprint(
        uncacheable="several statements",
        writes=_unique(name for footprint in footprints for name in footprint.writes),
        calls=tuple(name for footprint in footprints for name in footprint.calls),
        is_boundless=any(footprint.is_boundless for footprint in footprints),
        defines=any(footprint.defines for footprint in footprints),
    )


def _unique(names: Iterable[TableName]) -> tuple[TableName, ...]:
    return tuple(dict.fromkeys(names))


def _calls(query: Query) -> Iterator[RoutineName]:
    for effect in query.effects:
        if isinstance(effect, Pin) and effect.reason is PinReason.ROUTINE:
            yield RoutineName(*_split(effect.what))


def _split(text: str) -> tuple[str, str]:
    # A name as people read it: with a dot between schema and name, and backticks around parts that have one.
    schema, _, name = text.rpartition(".")
    return (schema, name) if "`" not in text else ("`", text)


# Reading.


def _read_select(statement: Statement, query: Query) -> Footprint:
    why = _volatile(statement, query)
    if why:
        return replace(NOWHERE, uncacheable=why)
    try:
        reads = _unique(_sources(statement))
    except _UnsureError:
        return replace(NOWHERE, uncacheable="its tables are not surely known")
    if not reads:
        return replace(NOWHERE, uncacheable="it reads no table")
    if any(name.schema.lower() in _SERVER_SCHEMAS for name in reads):
        return replace(NOWHERE, uncacheable="it reads the server's own tables")
    return replace(NOWHERE, reads=reads, uncacheable="")


def _volatile(statement: Statement, query: Query) -> str:
    # Why the same text may give another result though no table changed.
    if statement.words[0] not in _QUERIES and statement.words[0] != "(":
        return "it is part of another statement"
    for at, kind in enumerate(statement.kinds):
        word = statement.words[at]
        match kind:
            case Token.USER_VARIABLE:
                return "user variable"
            case Token.SYSTEM_VARIABLE:
                return "system variable"
            case Token.WORD if word in _UNREPEATABLE:
                return word.replace("_", " ") if word == "SYSTEM_TIME" else word
            case Token.WORD if statement.word(at - 1) != "." and is_volatile(statement, at):
                return word
    if query.access is Access.LOCKING_READ:
        return "locking read"
    if query.needs or not query.is_plain or query.access is not Access.READ:
        return _entanglement(query)
    return ""


def is_volatile(statement: Statement, at: int) -> bool:
    """Whether what stands at `at` may give another value each time, though nothing was written."""
    word = statement.words[at]
    if word in VOLATILE_WORDS:
        return True
    if statement.word(at + 1) != "(":
        return False
    return word in VOLATILE or (word in VOLATILE_WITHOUT_ARGUMENTS and statement.word(at + 2) == ")")


def _entanglement(query: Query) -> str:
    for effect in query.effects:
        if isinstance(effect, Pin):
            return str(effect.reason)
    return "it asks what an earlier statement did" if query.needs & ~Needs.TRACKING else "it asks the server's state"


def _sources(statement: Statement) -> Iterator[TableName]:
    # Behind FROM and TABLE, wherever they stand; names that WITH gives to queries are no tables where they hold.
    given = _common_names(statement)
    for at, word in enumerate(statement.words):
        if word == "FROM" and not is_in_function(statement, at):
            for where in _factors(statement, at + 1, _end_of_list(statement, at + 1)):
                name, _ = _name(statement, where)
                if not _is_given(name, where, given):
                    yield name
        elif word == "TABLE" and statement.word(at - 1) != ".":
            name, _ = _name(statement, at + 1)
            if not _is_given(name, at + 1, given):
                yield name


def _is_given(name: TableName, at: int, given: dict[str, int]) -> bool:
    holds_from = given.get(name.table.lower())
    return not name.schema and holds_from is not None and at > holds_from


def _common_names(statement: Statement) -> dict[str, int]:
    # The names of WITH, and from where on each holds: behind its own query, and with RECURSIVE in it.
    given: dict[str, int] = {}
    if "WITH" not in statement.words:
        return given
    if statement.words[0] != "WITH" or statement.words.count("WITH") > 1:
        raise _UnsureError
    is_recursive = statement.word(1) == "RECURSIVE"
    at = 2 if is_recursive else 1
    while True:
        name, at = _name(statement, at)
        if statement.word(at) == "(":
            at = statement.closings[at] + 1
        if not statement.starts(at, "AS", "(") or name.schema:
            raise _UnsureError
        opened, closed = at + 1, statement.closings[at + 1]
        given[name.table.lower()] = opened if is_recursive else closed
        if statement.word(closed + 1) != ",":
            return given
        at = closed + 2


def _end_of_list(statement: Statement, start: int) -> int:
    # Where the list of tables ends that begins at `start`; rather too late than too early.
    at = start
    while at < len(statement):
        word = statement.words[at]
        if word == ")" or (word in _ENDS and statement.word(at - 1) != "."):
            return at
        if word == "FOR" and statement.word(at + 1) in ("UPDATE", "SHARE"):
            return at
        if statement.starts(at, "ON", "DUPLICATE"):
            return at
        at = statement.closings[at] + 1 if word == "(" else at + 1
    return at


def _factors(statement: Statement, start: int, end: int) -> Iterator[int]:
    # Where the names of tables stand in a list with commas and joins; queries in it have a FROM of their own.
    at, is_expected = start, True
    while at < end:
        word = statement.words[at]
        if is_expected:
            is_expected = word in ("LATERAL", "ONLY", *_JOINS)
            if is_expected:
                at += 1
            elif word == "(":
                closed = statement.closings[at]
                if statement.word(at + 1) not in _QUERIES:
                    yield from _factors(statement, at + 1, min(closed, end))
                at = closed + 1
            elif word == "JSON_TABLE" and statement.word(at + 1) == "(":
                at = statement.closings[at + 1] + 1
            elif word == "DUAL":
                at += 1
            else:
                yield at
                _, at = _name(statement, at)
        else:
            is_expected = word == "," or word in _JOINS
            at = statement.closings[at] + 1 if word == "(" else at + 1


def _name(statement: Statement, at: int) -> tuple[TableName, int]:
    # The table's name that must stand at `at`. Letters beyond ASCII are others in each character set of clients.
    parts: list[str] = []
    while statement.kind(at) in NAME:
        spelling = unquote(statement.spelling(at))
        if not spelling.isascii():
            raise _UnsureError
        parts.append(spelling.decode("ascii"))
        at += 1
        if statement.word(at) != "." or (statement.word(at + 1) == "*" and parts):
            break
        at += 1
    if not 1 <= len(parts) <= 2:
        raise _UnsureError
    return TableName("", parts[0]) if len(parts) == 1 else TableName(parts[0], parts[1]), at


# Writing.


def _written(statement: Statement, kind: Kind) -> Iterator[TableName]:
    verb = _outside(statement, 0, kind.upper())
    match kind:
        case Kind.INSERT | Kind.REPLACE if verb == 0:
            at = 1
            while statement.word(at) in ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"):
                at += 1
            yield _name(statement, at)[0]
        case Kind.LOAD if verb == 0:
            yield _name(statement, _outside(statement, 0, "TABLE") + 1)[0]
        case Kind.UPDATE if verb == 0 or statement.words[0] == "WITH":
            at = verb + 1
            while statement.word(at) in ("LOW_PRIORITY", "IGNORE"):
                at += 1
            yield from _names(statement, at, _outside(statement, at, "SET"))
        case Kind.DELETE if verb == 0 or statement.words[0] == "WITH":
            yield from _deleted(statement, verb + 1)
        case _:
            raise _UnsureError


def _outside(statement: Statement, at: int, word: str) -> int:
    # Behind a dot even a reserved word is a name.
    at = statement.outside(at, word)
    while statement.word(at - 1) == ".":
        at = statement.outside(at + 1, word)
    return at


def _names(statement: Statement, start: int, end: int) -> Iterator[TableName]:
    return (_name(statement, at)[0] for at in _factors(statement, start, end))


def _deleted(statement: Statement, at: int) -> Iterator[TableName]:
    # Either list may hold the tables and the other their aliases.
    while statement.word(at) in ("LOW_PRIORITY", "QUICK", "IGNORE", "HISTORY"):
        at += 1
    first = _outside(statement, at, "FROM")
    if first > at:
        yield from _names(statement, at, first)
    using = _outside(statement, first, "USING")
    is_list = statement.word(using + 1) != "("
    yield from _names(
        statement, first + 1, min(_end_of_list(statement, first + 1), using if is_list else len(statement))
    )
    if is_list and using < len(statement):
        yield from _names(statement, using + 1, _end_of_list(statement, using + 1))


def _is_of_tables(statement: Statement) -> bool:
    # Of other things it is not the table's name alone that counts.
    what = next((word for word in statement.words[1:] if word in _OBJECTS), "")
    return what in ("TABLE", "TABLES") or statement.words[0] == "TRUNCATE"


def _read_definition(statement: Statement, query: Query) -> Footprint:
    names = [*query.tables, *(effect.new for effect in query.effects if isinstance(effect, RenameTable))]
    if any("`" in name or not name.isascii() for name in names):
        return ANYWHERE
    is_quiet = statement.words[0] == "TRUNCATE" or "TEMPORARY" in statement.words[1:5]
    return replace(NOWHERE, writes=_unique(TableName(*_split(name)) for name in names), defines=not is_quiet)
