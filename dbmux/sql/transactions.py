"""Statements that begin, end and divide transactions.

A statement that begins with the verb comes in, its query goes out. Whether a transaction is open is not told here: the
server's status says that, whatever was asked.
"""

from __future__ import annotations

from collections.abc import Callable

from dbmux.query import Access, Effect, FoundRows, Kind, Pin, PinReason, Query, Unpin
from dbmux.sql.meanings import ADMIN, unknown
from dbmux.sql.statement import Statement

_BEGINS = (Unpin(PinReason.LOCK_TABLES), Unpin(PinReason.SAVEPOINT))
_ENDS = (Unpin(PinReason.SAVEPOINT),)


def _begin(statement: Statement) -> Query:
    return Query(kind=Kind.BEGIN, access=Access.UNSURE, effects=_BEGINS)


def _start(statement: Statement) -> Query:
    if statement.word(1) != "TRANSACTION":
        return ADMIN
    is_read = any(statement.starts(at, "READ", "ONLY") for at in range(2, len(statement)))
    return Query(kind=Kind.BEGIN, access=Access.READ if is_read else Access.UNSURE, effects=_BEGINS)


_ENDINGS = frozenset(("AND", "CHAIN", "NO", "RELEASE", "WORK"))


def _commit(statement: Statement) -> Query:
    if not _ENDINGS.issuperset(statement.words[1:]):
        return unknown("COMMIT")
    return Query(kind=Kind.COMMIT, access=Access.UNSURE, effects=_ending(statement))


def _rollback(statement: Statement) -> Query:
    if statement.word(1) == "TO" or statement.starts(1, "WORK", "TO"):
        return Query(kind=Kind.SAVEPOINT, access=Access.UNSURE)
    if not _ENDINGS.issuperset(statement.words[1:]):
        return unknown("ROLLBACK")
    return Query(kind=Kind.ROLLBACK, access=Access.UNSURE, effects=_ending(statement))


def _ending(statement: Statement) -> tuple[Effect, ...]:
    # The server is about to close a connection that is released, and the session ends with it.
    is_released = statement.words[-1] == "RELEASE" and statement.words[-2] != "NO"
    return (*_ENDS, Pin(PinReason.UNKNOWN, "RELEASE")) if is_released else _ENDS


def _savepoint(statement: Statement) -> Query:
    return Query(kind=Kind.SAVEPOINT, access=Access.UNSURE, effects=(Pin(PinReason.SAVEPOINT),))


def _release(statement: Statement) -> Query:
    # Others may be left.
    return Query(kind=Kind.SAVEPOINT, access=Access.UNSURE)


_XA: dict[str, tuple[Effect, ...]] = {
    "BEGIN": (Pin(PinReason.XA),),
    "START": (Pin(PinReason.XA),),
    "COMMIT": (Unpin(PinReason.XA),),
    "ROLLBACK": (Unpin(PinReason.XA),),
    "END": (),
    "PREPARE": (),
    "RECOVER": (),
}


def _xa(statement: Statement) -> Query:
    if statement.word(1) not in _XA:
        return unknown("XA")
    return Query(kind=Kind.XA, access=Access.UNSURE, effects=_XA[statement.word(1)], found_rows=FoundRows.AS_BEFORE)


# The readers of statements, by their first words.
READERS: dict[str, Callable[[Statement], Query]] = {
    "BEGIN": _begin,
    "COMMIT": _commit,
    "RELEASE": _release,
    "ROLLBACK": _rollback,
    "SAVEPOINT": _savepoint,
    "START": _start,
    "XA": _xa,
}
