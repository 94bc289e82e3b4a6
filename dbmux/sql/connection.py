"""Statements about the connection itself: its schema, its locks, its cursors and its prepared statements.

A statement that begins with the verb comes in, its query goes out.
"""

from __future__ import annotations

from collections.abc import Callable

from dbmux.query import Access, ChangeSchema, Effect, FoundRows, Kind, Pin, PinReason, Query, Unpin
from dbmux.sql.expressions import read_expressions
from dbmux.sql.meanings import maintenance, routine, unknown
from dbmux.sql.names import NAME, read_name, read_string, unquote
from dbmux.sql.statement import Statement, read


def _use(statement: Statement) -> Query:
    if len(statement) != 2 or statement.kind(1) not in NAME:
        return unknown("USE")
    return Query(kind=Kind.USE, access=Access.READ, effects=(ChangeSchema(unquote(statement.spelling(1))),))


_READ_LOCK, _INSTANCE, _STAGE, _BACKUP_LOCK = "READ LOCK", "INSTANCE", "BACKUP STAGE", "BACKUP LOCK"


def _lock(statement: Statement) -> Query:
    if statement.word(1) in ("TABLE", "TABLES"):
        return _of_tables(statement, 2)
    if statement.word(1) != "INSTANCE":
        return unknown("LOCK")
    return Query(kind=Kind.LOCK, access=Access.WRITE, effects=(Pin(PinReason.GLOBAL_LOCK, _INSTANCE),))


def _of_tables(statement: Statement, at: int) -> Query:
    # Behind each name may stand an alias, and how it is locked.
    names: list[str] = []
    while at < len(statement):
        name, _ = read_name(statement, at)
        names.append(name)
        at = statement.outside(at, ",") + 1
    return Query(kind=Kind.LOCK, access=Access.WRITE, effects=(Pin(PinReason.LOCK_TABLES),), tables=tuple(names))


def _unlock(statement: Statement) -> Query:
    effects: tuple[Effect, ...]
    if statement.word(1) in ("TABLE", "TABLES"):
        effects = (Unpin(PinReason.LOCK_TABLES), Unpin(PinReason.GLOBAL_LOCK, _READ_LOCK))
    elif statement.word(1) == "INSTANCE":
        effects = (Unpin(PinReason.GLOBAL_LOCK, _INSTANCE),)
    else:
        return unknown("UNLOCK")
    return Query(kind=Kind.LOCK, access=Access.UNSURE, effects=effects)


def _flush(statement: Statement) -> Query:
    # Of named tables it is like LOCK TABLES, also in what ends it.
    words = statement.words
    if "USER_VARIABLES" in words:
        return unknown("FLUSH USER_VARIABLES")
    is_lock = any(statement.starts(at, "WITH", "READ", "LOCK") for at in range(len(words)))
    if not is_lock and not statement.starts(len(words) - 2, "FOR", "EXPORT"):
        return maintenance(statement)
    at = 2 if words[1] not in ("LOCAL", "NO_WRITE_TO_BINLOG") else 3
    if statement.word(at) != "WITH":
        return _of_tables(statement, at)
    return Query(kind=Kind.LOCK, access=Access.WRITE, effects=(Pin(PinReason.GLOBAL_LOCK, _READ_LOCK),))


def _backup(statement: Statement) -> Query:
    effect: Effect
    if statement.word(1) == "STAGE":
        ends = statement.word(2) == "END"
        effect = Unpin(PinReason.GLOBAL_LOCK, _STAGE) if ends else Pin(PinReason.GLOBAL_LOCK, _STAGE)
    elif statement.word(1) == "LOCK":
        effect = Pin(PinReason.GLOBAL_LOCK, _BACKUP_LOCK)
    elif statement.word(1) == "UNLOCK":
        effect = Unpin(PinReason.GLOBAL_LOCK, _BACKUP_LOCK)
    else:
        return unknown("BACKUP")
    return Query(kind=Kind.LOCK, access=Access.WRITE, effects=(effect,))


def _handler(statement: Statement) -> Query:
    table, at = read_name(statement, 1)
    name = table.rpartition(".")[2]
    effects: tuple[Effect, ...] = ()
    if statement.word(at) == "OPEN":
        alias, _ = read_name(statement, at + 2 if statement.word(at + 1) == "AS" else at + 1)
        effects = (Pin(PinReason.HANDLER, alias or name),)
    elif statement.word(at) == "CLOSE":
        effects = (Unpin(PinReason.HANDLER, name),)
    return Query(
        kind=Kind.HANDLER,
        access=Access.UNSURE,
        effects=effects,
        found_rows=FoundRows.AS_BEFORE,
        tables=(table,) if table else (),
    )


def read_prepare(statement: Statement, classify: Callable[[Statement], Query]) -> Query:
    """PREPARE, by the meaning of the statement that it prepares."""
    name, at = read_name(statement, 1)
    found = read_expressions(statement, 2)
    found.at_least(Access.UNSURE)
    found.effects.append(Pin(PinReason.SQL_PREPARED, name.lower()))
    text = read_string(statement, at + 1) if len(statement) == at + 2 else None
    for inner in read(text, 0, statement.flags) or () if text is not None else ():
        # Already when it is prepared, its tables are opened, also those that SHOW shows, and its variables made.
        meaning = classify(inner)
        found.tables += ("information_schema.tables",) if meaning.kind is Kind.SHOW else meaning.tables
        found.effects += [Pin(PinReason.USER_VARIABLE, name) for name in meaning.assigned]
    found.is_digest_wide &= text is None
    return found.query(Kind.PREPARED)


def read_deallocate(statement: Statement) -> Query:
    """DEALLOCATE PREPARE, which is also called DROP PREPARE."""
    name, _ = read_name(statement, 2)
    return Query(kind=Kind.PREPARED, access=Access.UNSURE, effects=(Unpin(PinReason.SQL_PREPARED, name.lower()),))


def _execute(statement: Statement) -> Query:
    return routine(Kind.PREPARED, "EXECUTE")


def _kill(statement: Statement) -> Query:
    found = read_expressions(statement, 1)
    found.at_least(Access.UNSURE)
    return found.query(Kind.KILL)


# The readers of statements, by their first words.
READERS: dict[str, Callable[[Statement], Query]] = {
    "BACKUP": _backup,
    "DEALLOCATE": read_deallocate,
    "EXECUTE": _execute,
    "FLUSH": _flush,
    "HANDLER": _handler,
    "KILL": _kill,
    "LOCK": _lock,
    "UNLOCK": _unlock,
    "USE": _use,
}
