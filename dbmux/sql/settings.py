"""SET: what it does to the session.

A SET statement comes in, its query goes out. A literal is an effect with a value that can be set again elsewhere, in
another sql_mode and in any order; everything else pins. What stands behind GLOBAL or PERSIST is the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dbmux.lexer import Token
from dbmux.query import (
    Access,
    Effect,
    FoundRows,
    Kind,
    Pin,
    PinReason,
    Query,
    SetNames,
    SetUserVariable,
    SetVariable,
    Unpin,
)
from dbmux.sql.charsets import UNREADABLE
from dbmux.sql.expressions import Expressions, read_expressions
from dbmux.sql.functions import VOLATILE_WORDS
from dbmux.sql.names import NAME, is_literal, quote, read_literal, read_string, show, unquote, variable_name
from dbmux.sql.statement import Statement
from dbmux.sql.variables import CARRIED, NEXT_TRANSACTION, SYNONYMS, WATCHING, is_at_rest, is_carried

_SESSION = frozenset(("SESSION", "LOCAL"))
_SERVER = frozenset(("GLOBAL", "PERSIST", "PERSIST_ONLY"))
_ASSIGN = frozenset(("=", ":="))
_ISOLATION = {
    ("READ", "COMMITTED"): b"'READ-COMMITTED'",
    ("READ", "UNCOMMITTED"): b"'READ-UNCOMMITTED'",
    ("REPEATABLE", "READ"): b"'REPEATABLE-READ'",
    ("SERIALIZABLE",): b"'SERIALIZABLE'",
}
_ACCESS = {("READ", "ONLY"): b"1", ("READ", "WRITE"): b"0"}

# Other words, as values, are spellings of strings.
_NO_SPELLINGS = VOLATILE_WORDS | {"DEFAULT", "ROWNUM"}


def read_set(statement: Statement, classify: Callable[[Statement], Query]) -> Query:
    """The meaning of a statement that begins with SET; `classify` tells that of another statement in it."""
    first, second = statement.word(1), statement.word(2)
    if first == "STATEMENT":
        return _set_statement(statement, classify)
    if first in ("ROLE", "RESOURCE"):
        return Query(kind=Kind.SET, access=Access.UNSURE, effects=(Pin(PinReason.UNKNOWN, f"SET {first}"),))
    if first == "PASSWORD" or (first, second) == ("DEFAULT", "ROLE"):
        return Query(kind=Kind.SET, access=Access.WRITE)
    if first == "TRANSACTION":
        return Query(kind=Kind.SET, access=Access.READ, effects=(Pin(PinReason.NEXT_TRANSACTION),))
    if second == "TRANSACTION" and first in _SERVER:
        return Query(kind=Kind.SET, access=Access.WRITE)
    if second == "TRANSACTION" and first in _SESSION:
        return Query(kind=Kind.SET, access=Access.READ, effects=_transaction(statement.part(3, len(statement))))
    found = Expressions()
    scope = "SESSION"
    start = 1
    while start < len(statement):
        end = statement.outside(start, ",")
        scope = _assignment(statement.part(start, end), scope, found)
        start = end + 1
    query = found.query(Kind.SET)
    return replace(query, found_rows=FoundRows.ASKED_ON_MARIADB) if "SELECT" in statement.words else query


def _set_statement(statement: Statement, classify: Callable[[Statement], Query]) -> Query:
    # MariaDB's SET STATEMENT a = 1 FOR ...: the settings end with the statement.
    split = statement.outside(2, "FOR")
    inner = classify(statement.part(split + 1, len(statement)))
    found = read_expressions(statement.part(0, split), 2)
    found.add(Expressions.of(inner))
    return found.query(inner.kind)


def _transaction(statement: Statement) -> tuple[Effect, ...]:
    # SET SESSION TRANSACTION: the isolation level and the access mode, in any order.
    effects: list[Effect] = []
    start = 0
    while start < len(statement):
        end = statement.outside(start, ",")
        words = statement.words[start:end]
        if words[:2] == ("ISOLATION", "LEVEL") and words[2:] in _ISOLATION:
            effects += _set_variable("transaction_isolation", _ISOLATION[words[2:]])
        elif words in _ACCESS:
            effects += _set_variable("transaction_read_only", _ACCESS[words])
        else:
            effects.append(Pin(PinReason.UNKNOWN, "SET TRANSACTION"))
        start = end + 1
    return tuple(effects)


def _assignment(statement: Statement, scope: str, found: Expressions) -> str:
    # One of the assignments of a SET. A scope holds for the variables behind it that have none of their own.
    if statement.kind(0) == Token.USER_VARIABLE and statement.word(1) in _ASSIGN:
        _assign_user_variable(statement, found)
        return scope
    if statement.word(0) == "NAMES":
        _set_names(statement, 1, found)
        return scope
    if statement.starts(0, "CHARACTER", "SET") or statement.word(0) == "CHARSET":
        _set_character_set(statement, 2 if statement.word(1) == "SET" else 1, found)
        return scope
    at = 0
    own = scope
    is_next = False
    if statement.word(0) in _SESSION | _SERVER and statement.word(1) not in _ASSIGN:
        scope = own = statement.words[0]
        at = 1
    if statement.kind(at) == Token.SYSTEM_VARIABLE:
        word = unquote(statement.spelling(at)[2:]).upper().decode("latin-1")
        own = "SESSION"
        if word in _SESSION | _SERVER and statement.word(at + 1) == ".":
            own = word
            at += 2
        else:
            is_next = True
    name, at = _variable(statement, at)
    if not name or statement.word(at) not in _ASSIGN:
        found.at_least(Access.UNSURE)
        found.effects.append(Pin(PinReason.UNKNOWN, "SET"))
        return scope
    value = statement.part(at + 1, len(statement))
    found.add(read_expressions(value))
    if own in _SERVER:
        found.at_least(Access.WRITE)
        if own != "PERSIST_ONLY" and name in CARRIED:
            # New connections begin with it; this session has the value of before.
            found.effects.append(Pin(PinReason.SYSTEM_VARIABLE, f"global {name}"))
    elif is_next and name in NEXT_TRANSACTION:
        found.effects.append(Pin(PinReason.NEXT_TRANSACTION))
    else:
        _assign_variable(name, value, found)
    return scope


def _variable(statement: Statement, at: int) -> tuple[str, int]:
    # The name of a system variable, without @@; components and key caches have names of two parts.
    parts = []
    while statement.kind(at) in NAME or statement.kind(at) == Token.SYSTEM_VARIABLE:
        spelling = statement.spelling(at)
        parts.append(show(unquote(spelling[2:] if spelling[:2] == b"@@" else spelling)).lower())
        at += 1
        if statement.word(at) != ".":
            break
        at += 1
    name = ".".join(parts)
    return SYNONYMS.get(name, name), at


def _assign_user_variable(statement: Statement, found: Expressions) -> None:
    value = statement.part(2, len(statement))
    found.add(read_expressions(value))
    name = variable_name(statement.spelling(0))
    found.is_digest_wide &= not is_literal(value)
    literal = read_literal(value)
    if literal is None or not name.isascii():
        found.effects.append(Pin(PinReason.USER_VARIABLE, name))
        return
    if literal != b"NULL":
        # NULL keeps the type of what it replaces, which may be known to the connection alone.
        found.effects.append(Unpin(PinReason.USER_VARIABLE, name))
    found.effects.append(SetUserVariable(name, literal))


def _assign_variable(name: str, value: Statement, found: Expressions) -> None:
    literal = _setting(value)
    is_default = value.words == ("DEFAULT",)
    is_known = is_default or literal is not None
    found.is_digest_wide &= not is_literal(value)
    if name in WATCHING:
        found.effects.append(Pin(PinReason.UNKNOWN, name))
        return
    if name == "character_set_client" and not is_default and not _is_readable(literal):
        found.effects.append(Pin(PinReason.UNKNOWN, "character set"))
        if literal is not None:
            found.effects.append(SetVariable(name, literal))
    elif is_known and is_carried(name, literal):
        found.effects += _set_variable(name, literal)
    elif is_known and is_at_rest(name, literal):
        found.effects.append(Unpin(PinReason.SYSTEM_VARIABLE, name))
    else:
        found.effects.append(Pin(PinReason.SYSTEM_VARIABLE, name))


def _is_readable(literal: bytes | None) -> bool:
    # A number may be that of any character set.
    return literal is not None and literal[:1] == b"'" and show(literal).strip("'").lower() not in UNREADABLE


def _set_variable(name: str, literal: bytes | None) -> tuple[Effect, ...]:
    return (Unpin(PinReason.SYSTEM_VARIABLE, name), SetVariable(name, literal))


def _setting(value: Statement) -> bytes | None:
    # The value of a system variable may be a word without quotes.
    literal = read_literal(value)
    if literal is not None or len(value) != 1 or value.kind(0) not in NAME or value.words[0] in _NO_SPELLINGS:
        return literal
    return quote(unquote(value.spelling(0)))


def _set_names(statement: Statement, at: int, found: Expressions) -> None:
    charset, collation = _charset(statement, at, found), None
    if statement.word(at + 1) == "COLLATE":
        collation = _charset(statement, at + 2, found)
        at += 2
    is_whole = charset is not None and len(statement) == at + 1
    found.effects += _names(SetNames(charset or None, collation or None) if is_whole else None)


def _set_character_set(statement: Statement, at: int, found: Expressions) -> None:
    charset = _charset(statement, at, found)
    is_whole = charset is not None and len(statement) == at + 1
    found.effects += _names(SetNames(charset or None, None, only_client=True) if is_whole else None)


def _names(names: SetNames | None) -> tuple[Effect, ...]:
    if names is None:
        return (Pin(PinReason.CHARACTER_SET),)
    if names.charset in UNREADABLE:
        return (Pin(PinReason.UNKNOWN, f"character set {names.charset}"), names)
    return (Unpin(PinReason.CHARACTER_SET), names)


def _charset(statement: Statement, at: int, found: Expressions) -> str | None:
    # The name of a character set or a collation, "" for DEFAULT; None if there is something else.
    if statement.word(at) == "DEFAULT":
        return ""
    name: bytes | None = None
    if statement.kind(at) in NAME:
        name = unquote(statement.spelling(at))
    elif statement.kind(at) == Token.STRING:
        found.is_digest_wide = False
        name = read_string(statement, at)
    if name is None or not name.replace(b"_", b"").isalnum():
        return None
    return show(name).lower()
