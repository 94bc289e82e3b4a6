"""Statements that read and write data, or look at it: SELECT, INSERT, CALL, SHOW, EXPLAIN and their kin.

A statement that begins with the verb comes in, its query goes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dbmux.lexer import Token
from dbmux.query import Access, Effect, FoundRows, Kind, Needs, Pin, PinReason, Query
from dbmux.sql.expressions import Expressions, read_expressions, read_tables, strongest
from dbmux.sql.meanings import ADMIN, NOTHING, maintenance, unknown
from dbmux.sql.names import read_name, variable_name
from dbmux.sql.statement import Statement


def _select(statement: Statement) -> Query:
    return read_expressions(statement).query(Kind.SELECT)


def _values(statement: Statement) -> Query:
    return replace(_select(statement), found_rows=FoundRows.ITS_ROWS_ON_MYSQL)


def _changes(query: Query, statement: Statement) -> Query:
    words = statement.words
    is_many = len(query.tables) > 1 or (query.kind is Kind.DELETE and _is_for_many(statement))
    if _is_outside(statement, "SELECT") or ("SELECT" not in words and is_many):
        return replace(query, found_rows=FoundRows.ASKED)
    if "SELECT" in words:
        return replace(query, found_rows=FoundRows.ASKED_ON_MYSQL)
    # Rows that MariaDB returns of what was changed are not counted.
    return replace(query, found_rows=FoundRows.AS_BEFORE) if "RETURNING" in words else query


def _is_for_many(statement: Statement) -> bool:
    # DELETE in one of its forms for several tables, even if there is only one.
    at = statement.outside(0, "FROM")
    return statement.word(at - 1) not in _BEFORE_FROM or _is_outside(statement, "USING")


def _is_outside(statement: Statement, word: str) -> bool:
    return statement.outside(0, word) < len(statement)


_BEFORE_FROM = ("DELETE", "LOW_PRIORITY", "QUICK", "IGNORE", "")


def _with(statement: Statement) -> Query:
    # The verb behind the tables of WITH decides.
    at = 1
    while at < len(statement) and statement.words[at] not in _AFTER_WITH:
        at = statement.closings[at] if statement.words[at] == "(" else at
        at += 1
    kind, access = _AFTER_WITH.get(statement.word(at), (Kind.OTHER, Access.UNSURE))
    found = read_expressions(statement)
    found.at_least(access)
    if kind is Kind.DELETE:
        _read_using(statement, found)
    if kind is Kind.OTHER:
        found.effects.append(Pin(PinReason.UNKNOWN, "WITH"))
    query = found.query(kind)
    return query if kind is Kind.SELECT else _changes(query, statement)


_AFTER_WITH = {
    "SELECT": (Kind.SELECT, Access.READ),
    "TABLE": (Kind.SELECT, Access.READ),
    "VALUES": (Kind.SELECT, Access.READ),
    "UPDATE": (Kind.UPDATE, Access.WRITE),
    "DELETE": (Kind.DELETE, Access.WRITE),
}


def _parenthesis(statement: Statement) -> Query:
    at = 0
    while statement.word(at) == "(":
        at += 1
    if statement.word(at) not in ("SELECT", "TABLE", "VALUES", "WITH"):
        return unknown("(")
    return read_expressions(statement).query(Kind.SELECT)


def _insert(statement: Statement) -> Query:
    at = 1
    while statement.word(at) in ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"):
        at += 1
    if statement.word(at) == "INTO":
        at += 1
    table, at = read_name(statement, at)
    if statement.word(at) == "PARTITION" and statement.word(at + 1) == "(":
        at = statement.closings[at + 1] + 1
    if statement.word(at) == "(" and statement.word(at + 1) not in ("SELECT", "TABLE", "VALUES", "WITH", "("):
        at = statement.closings[at] + 1
    if statement.word(at) == "VALUE":
        at += 1
    found = read_expressions(statement, min(at, len(statement)))
    found.at_least(Access.WRITE)
    found.moves_insert_id = True
    if table:
        found.tables = [table, *(other for other in found.tables if other != table)]
    return _changes(found.query(Kind.INSERT if statement.words[0] == "INSERT" else Kind.REPLACE), statement)


def _update(statement: Statement) -> Query:
    found = read_expressions(statement)
    found.at_least(Access.WRITE)
    return _changes(found.query(Kind.UPDATE), statement)


def _delete(statement: Statement) -> Query:
    found = read_expressions(statement)
    found.at_least(Access.WRITE)
    _read_using(statement, found)
    return _changes(found.query(Kind.DELETE), statement)


def _read_using(statement: Statement, found: Expressions) -> None:
    # What stands behind FROM may be aliases of the tables here; behind a JOIN it is a list of columns.
    using = statement.outside(0, "USING")
    if using < statement.outside(0, "JOIN"):
        read_tables(statement, using, found)


def _truncate(statement: Statement) -> Query:
    name, _ = read_name(statement, 2 if statement.word(1) == "TABLE" else 1)
    return Query(kind=Kind.DDL, access=Access.WRITE, tables=(name,) if name else ())


def _load(statement: Statement) -> Query:
    # LOAD DATA and LOAD XML; their variables stand in the list of columns and behind SET.
    if statement.word(1) == "INDEX":
        return ADMIN
    settings = [
        at for at, word in enumerate(statement.words) if word == "SET" and statement.word(at - 1) != "CHARACTER"
    ]
    found = read_expressions(statement, settings[-1] if settings else len(statement))
    found.at_least(Access.WRITE)
    found.moves_insert_id = True
    found.effects += (
        Pin(PinReason.USER_VARIABLE, variable_name(statement.spelling(at)))
        for at, kind in enumerate(statement.kinds)
        if kind == Token.USER_VARIABLE
    )
    at = statement.outside(0, "TABLE")
    name, _ = read_name(statement, at + 1)
    found.tables = [name, *found.tables] if name else found.tables
    return found.query(Kind.LOAD)


def _call(statement: Statement) -> Query:
    name, at = read_name(statement, 1)
    found = read_expressions(statement, at + 1)
    found.at_least(Access.UNSURE)
    found.effects.append(Pin(PinReason.ROUTINE, name))
    found.needs |= Needs.LAST_INSERT_ID
    found.moves_insert_id = True
    return found.query(Kind.CALL)


def _do(statement: Statement) -> Query:
    return replace(read_expressions(statement, 1).query(Kind.OTHER), found_rows=FoundRows.ONE_ON_MYSQL)


# What SHOW tells alike on every server of a group, and on every connection.
_SHOWN_ANYWHERE = frozenset(
    (
        *("CHARACTER", "CHARSET", "COLLATION", "COLUMNS", "CREATE", "DATABASES", "ENGINES", "EVENTS", "FIELDS"),
        *("FUNCTION", "GRANTS", "INDEX", "INDEXES", "KEYS", "PACKAGE", "PRIVILEGES", "PROCEDURE", "SCHEMAS", "STORAGE"),
        *("TABLE", "TABLES", "TRIGGERS"),
    )
)
# What SHOW reads as a SELECT from information_schema would. Its other rows are not counted.
_COUNTED = frozenset(
    (
        *("CHARACTER", "CHARSET", "COLLATION", "COLUMNS", "DATABASES", "ENGINES", "EVENTS", "FIELDS", "FUNCTION"),
        *("GLOBAL", "INDEX", "INDEXES", "KEYS", "LOCAL", "OPEN", "PACKAGE", "PLUGINS", "PROCEDURE", "SCHEMAS"),
        *("SESSION", "STATUS", "STORAGE", "TABLE", "TABLES", "TRIGGERS", "VARIABLES"),
    )
)


def _show(statement: Statement) -> Query:
    if statement.word(1) in ("WARNINGS", "ERRORS"):
        return Query(kind=Kind.DIAGNOSTICS, access=Access.READ, needs=Needs.WARNINGS, found_rows=FoundRows.AS_BEFORE)
    if statement.starts(1, "COUNT", "("):
        return Query(kind=Kind.DIAGNOSTICS, access=Access.READ, needs=Needs.WARNINGS)
    at = 1
    while statement.word(at) in ("EXTENDED", "FULL"):
        at += 1
    found = read_expressions(statement, at + 1)
    found.tables.clear()
    if "VARIABLES" in statement.words[at : at + 2] and statement.word(at) != "GLOBAL":
        # Among them is last_insert_id.
        found.needs |= Needs.LAST_INSERT_ID | Needs.TRACKING
    if statement.word(at) not in _SHOWN_ANYWHERE:
        found.at_least(Access.UNSURE)
    query = found.query(Kind.SHOW)
    return query if statement.word(at) in _COUNTED else replace(query, found_rows=FoundRows.AS_BEFORE)


_EXPLAINED = frozenset(("(", "DELETE", "INSERT", "REPLACE", "SELECT", "TABLE", "UPDATE", "VALUES", "WITH"))


def read_explain(statement: Statement, classify: Callable[[Statement], Query]) -> Query:
    """EXPLAIN and DESCRIBE, of a table or of a statement whose meaning `classify` tells."""
    at = 1
    runs = statement.words[0] == "ANALYZE"
    stored: list[Effect] = []
    while at < len(statement):
        if statement.words[at] in ("EXTENDED", "PARTITIONS"):
            at += 1
        elif statement.words[at] == "ANALYZE":
            runs = True
            at += 1
        elif statement.words[at] == "FORMAT" and statement.word(at + 1) == "=":
            at += 3
        elif statement.words[at] == "INTO" and statement.kind(at + 1) == Token.USER_VARIABLE:
            stored.append(Pin(PinReason.USER_VARIABLE, variable_name(statement.spelling(at + 1))))
            at += 2
        else:
            break
    if statement.word(at) == "FOR" and statement.word(at + 1) in ("SCHEMA", "DATABASE"):
        at += 3
    elif statement.word(at) == "FOR":
        return Query(kind=Kind.EXPLAIN, access=Access.UNSURE, found_rows=FoundRows.AS_BEFORE)
    if statement.word(at) not in _EXPLAINED:
        name, _ = read_name(statement, at)
        return Query(kind=Kind.EXPLAIN, access=Access.READ, tables=(name,) if name else ())
    inner = classify(statement.part(at, len(statement)))
    # Without ANALYZE, constant expressions are run all the same.
    access = inner.access if runs or inner.access is Access.READ else Access.UNSURE
    return Query(
        kind=Kind.EXPLAIN,
        access=strongest(access, Access.UNSURE) if stored else access,
        effects=(*stored, *inner.effects),
        needs=inner.needs,
        moves_insert_id=inner.moves_insert_id and (runs or inner.kind is Kind.SELECT),
        found_rows=_explained(inner, runs=runs),
        is_digest_wide=inner.is_digest_wide,
        tables=inner.tables,
    )


def _explained(inner: Query, *, runs: bool) -> FoundRows:
    if runs:
        return FoundRows.ASKED if inner.kind is Kind.SELECT else FoundRows.AS_BEFORE
    # MariaDB runs what reads no table.
    return FoundRows.AS_BEFORE if inner.tables else FoundRows.NONE_ON_MARIADB


def read_analyze(statement: Statement, classify: Callable[[Statement], Query]) -> Query:
    """ANALYZE TABLE, or MariaDB's ANALYZE of a statement."""
    if statement.word(1) in _EXPLAINED - {"TABLE"} or statement.word(1) == "FORMAT":
        return read_explain(statement, classify)
    return maintenance(statement)


def _help(statement: Statement) -> Query:
    return replace(NOTHING, found_rows=FoundRows.AS_BEFORE)


def _get_diagnostics(statement: Statement) -> Query:
    return Query(
        kind=Kind.DIAGNOSTICS,
        access=Access.UNSURE,
        effects=tuple(
            Pin(PinReason.USER_VARIABLE, variable_name(statement.spelling(at)))
            for at, kind in enumerate(statement.kinds)
            if kind == Token.USER_VARIABLE and statement.word(at + 1) == "="
        ),
        needs=Needs.WARNINGS,
    )


# The readers of statements, by their first words.
READERS: dict[str, Callable[[Statement], Query]] = {
    "(": _parenthesis,
    "CALL": _call,
    "DELETE": _delete,
    "DO": _do,
    "GET": _get_diagnostics,
    "HELP": _help,
    "INSERT": _insert,
    "LOAD": _load,
    "REPLACE": _insert,
    "SELECT": _select,
    "SHOW": _show,
    "TABLE": _select,
    "TRUNCATE": _truncate,
    "UPDATE": _update,
    "VALUES": _values,
    "WITH": _with,
}
