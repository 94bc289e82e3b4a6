"""Statements that define: CREATE, ALTER, DROP, RENAME, and the stored programs that have semicolons in them.

A statement that begins with the verb comes in, its query goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dbmux.query import Access, AlterSchema, Effect, FoundRows, Kind, Pin, PinReason, Query, RenameTable, Unpin
from dbmux.sql.connection import read_deallocate
from dbmux.sql.expressions import read_expressions
from dbmux.sql.meanings import DEFINITION
from dbmux.sql.names import NAME, read_name, read_names, unquote
from dbmux.sql.statement import Statement

_PROGRAMS = frozenset(("EVENT", "FUNCTION", "PACKAGE", "PROCEDURE", "TRIGGER"))
_OBJECTS = _PROGRAMS | {
    *("DATABASE", "INDEX", "INSTANCE", "LOGFILE", "RESOURCE", "ROLE", "SCHEMA", "SEQUENCE", "SERVER", "SPATIAL"),
    *("TABLE", "TABLES", "TABLESPACE", "UNDO", "USER", "VIEW"),
}


# By these a partition becomes a table, or a table a partition.
_SWAPS = (("EXCHANGE", "PARTITION"), ("CONVERT", "PARTITION"), ("CONVERT", "TABLE"))
_SCHEMA_OPTIONS = ("CHARACTER", "CHARSET", "COLLATE", "COMMENT", "DEFAULT", "ENCRYPTION", "READ")


def _object(statement: Statement) -> tuple[str, int]:
    # What kind of thing a definition is of, and where its name may begin.
    at = 1
    while at < len(statement) and statement.words[at] not in _OBJECTS:
        # The account behind DEFINER = may have any name.
        at += 3 if statement.starts(at, "DEFINER", "=") else 1
    return statement.word(at), at + 1


def _behind(statement: Statement, at: int, *words: str) -> int:
    while statement.word(at) in words:
        at += 1
    return at


def _create(statement: Statement) -> Query:
    what, at = _object(statement)
    if what in ("INDEX", "TRIGGER", "VIEW"):
        named = at if what == "VIEW" else statement.outside(at, "ON") + 1
        name, _ = read_name(statement, _behind(statement, named, "IF", "NOT", "EXISTS"))
        return replace(DEFINITION, tables=(name,))
    if what not in ("TABLE", "SEQUENCE"):
        return DEFINITION
    name, at = read_name(statement, _behind(statement, at, "IF", "NOT", "EXISTS"))
    # Only the query that fills a table is run.
    source = next((n for n in range(at, len(statement)) if _is_source(statement, n)), len(statement))
    found = read_expressions(statement, source)
    found.at_least(Access.WRITE)
    found.moves_insert_id |= source < len(statement)
    if "TEMPORARY" in statement.words[1:5]:
        found.effects.append(Pin(PinReason.TEMPORARY_TABLE, name))
    found.tables = [name, *(other for other in found.tables if other != name)]
    query = found.query(Kind.DDL)
    return query if source == len(statement) else replace(query, found_rows=FoundRows.ASKED_ON_MARIADB)


def _is_source(statement: Statement, at: int) -> bool:
    # VALUES of partitions is followed by IN or LESS THAN.
    word = statement.words[at]
    return word == "SELECT" or (word == "VALUES" and statement.word(at + 1) in ("(", "ROW"))


def _drop(statement: Statement) -> Query:
    if statement.word(1) == "PREPARE":
        return read_deallocate(statement)
    what, at = _object(statement)
    if what not in ("TABLE", "TABLES", "SEQUENCE"):
        return DEFINITION
    names = read_names(statement, _behind(statement, at, "IF", "EXISTS"))
    return Query(
        kind=Kind.DDL,
        access=Access.WRITE,
        effects=tuple(Unpin(PinReason.TEMPORARY_TABLE, name) for name in names),
        tables=tuple(names),
    )


def _alter(statement: Statement) -> Query:
    what, at = _object(statement)
    if what in ("DATABASE", "SCHEMA"):
        return _alter_schema(statement, at)
    if what not in ("TABLE", "SEQUENCE"):
        return DEFINITION
    old, at = read_name(statement, _behind(statement, at, "IF", "EXISTS"))
    effects: list[Effect] = []
    while at < len(statement):
        if statement.words[at] == "RENAME" and statement.word(at + 1) not in ("COLUMN", "INDEX", "KEY"):
            new, _ = read_name(statement, _behind(statement, at + 1, "TO", "AS", "="))
            effects.append(RenameTable(old, new))
        at = statement.outside(at, ",") + 1
    return Query(
        kind=Kind.DDL,
        access=Access.WRITE,
        effects=tuple(effects),
        # What checks partitions has rows.
        found_rows=FoundRows.AS_BEFORE,
        tables=(old, *_swapped(statement)),
    )


def _swapped(statement: Statement) -> Iterator[str]:
    # The table that a partition is exchanged with, that it becomes, or that becomes one.
    for at in range(1, len(statement)):
        if any(statement.starts(at, *words) for words in _SWAPS):
            yield read_name(statement, statement.outside(at, "TABLE") + 1)[0]


def _alter_schema(statement: Statement, at: int) -> Query:
    # The name may be left out: then an option stands there.
    name = b"" if statement.word(at) in _SCHEMA_OPTIONS else unquote(statement.spelling(at))
    return replace(DEFINITION, effects=(AlterSchema(name),))


def _rename(statement: Statement) -> Query:
    if statement.word(1) not in ("TABLE", "TABLES"):
        return DEFINITION
    effects: list[Effect] = []
    at = 1
    while at < len(statement):
        old, at = read_name(statement, _behind(statement, at + 1, "IF", "EXISTS"))
        at = statement.outside(at, "TO")
        new, at = read_name(statement, at + 1)
        effects.append(RenameTable(old, new))
        at = statement.outside(at, ",")
    tables = tuple(effect.old for effect in effects if isinstance(effect, RenameTable))
    return Query(kind=Kind.DDL, access=Access.WRITE, effects=tuple(effects), tables=tables)


def is_program(statement: Statement) -> bool:
    """Whether it defines a stored program, whose semicolons do not end it."""
    return statement.words[0] in ("CREATE", "ALTER") and _object(statement)[0] in _PROGRAMS


def is_one_program(statements: Sequence[Statement]) -> bool:
    """Whether these are the parts of one stored program: its first block ends with the last of them."""
    # BEGIN and CASE open, END closes.
    depth = 0
    closed_at: list[tuple[int, int]] = []
    for number, statement in enumerate(statements):
        for at, word in enumerate(statement.words):
            if word in ("BEGIN", "CASE") and statement.word(at - 1) != "END":
                depth += 1
            elif word == "END" and statement.word(at + 1) not in ("IF", "LOOP", "WHILE", "REPEAT", "FOR"):
                depth -= 1
                if depth <= 0:
                    closed_at.append((number, at))
    last = statements[-1]
    return bool(closed_at) and closed_at[0][0] == len(statements) - 1 and closed_at[0][1] >= len(last) - 2


_COMPOUND = frozenset(("CASE", "DECLARE", "FOR", "IF", "LOOP", "REPEAT", "WHILE"))


def is_compound(statement: Statement) -> bool:
    """Whether it begins a block, as MariaDB runs them outside of stored programs too."""
    if statement.words[0] == "BEGIN":
        return len(statement) > 1 and statement.words != ("BEGIN", "WORK")
    return statement.words[0] in _COMPOUND or (statement.word(1) == ":" and statement.kind(0) in NAME)


# The readers of statements, by their first words.
READERS: dict[str, Callable[[Statement], Query]] = {
    "ALTER": _alter,
    "CREATE": _create,
    "DROP": _drop,
    "RENAME": _rename,
}
