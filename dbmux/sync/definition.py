"""What a logged statement means to a target that is fed by rows: nothing, a definition, or a write to stop at.

A Statement of the log comes in, its meaning goes out; and definitions run on the target, which knows no transactions
for them: what was there before is told by a fingerprint, so that after an interruption it is known whether one has run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from dbmux.errors import BackendRefused
from dbmux.lexer import Token
from dbmux.query import Kind, RenameTable
from dbmux.sql.classify import classify
from dbmux.sql.footprint import is_volatile
from dbmux.sql.modes import logged_lexer_flags, logged_modes
from dbmux.sql.names import read_name
from dbmux.sql.statement import Statement as Parsed
from dbmux.sql.statement import read
from dbmux.sync.table import Ask, NoSuchTable, TableName, describe, quoted
from dbmux.sync.target import STRICT_MODE, Change, Target
from dbmux.wire.binlog.charsets import text_in_utf8
from dbmux.wire.binlog.events import Statement

# A large table is rebuilt in hours.
LONGEST_S = 86_400.0
# Rights, upkeep, and the parts of a transaction that write nothing. Whatever else is logged may write, also SELECT f().
_WRITES_NOTHING = frozenset((Kind.ADMIN, Kind.SET, Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.SAVEPOINT, Kind.XA))
# What else there is to define, and is no data of anybody's.
_OF_THE_SERVER = frozenset(
    ("INSTANCE", "LOGFILE", "RESOURCE", "ROLE", "SERVER", "TABLESPACE", "UNDO", "USER", "EVENT", "TRIGGER")
)
_NAMED = _OF_THE_SERVER | {
    "DATABASE",
    "FUNCTION",
    "INDEX",
    "PACKAGE",
    "PROCEDURE",
    "SCHEMA",
    "SEQUENCE",
    "TABLE",
    "VIEW",
}
# As servers write it themselves.
_ROLLBACK_TO = b"ROLLBACK TO "
_UNKNOWN_SCHEMA = 1049
_NOT_THERE = frozenset((_UNKNOWN_SCHEMA, 1146))
_AUTO_INCREMENT = re.compile(rb" AUTO_INCREMENT=\d+")

# Of what may be another value each time: what is of the moment, which is the source's, and what is none of it.
_REPEATED = frozenset(
    (
        *("CURDATE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURTIME", "DEFAULT", "LOCALTIME"),
        *("LOCALTIMESTAMP", "NOW", "UNIX_TIMESTAMP", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP"),
    )
)


class Sort(Enum):
    """What a statement means to a target."""

    NOTHING = auto()
    """It changes no data that is followed."""
    UNDOES = auto()
    """A part of the transaction was taken back, as far as its tables can: not all of them know transactions, or this
    would not be logged."""
    EMPTIES = auto()
    """TRUNCATE: a write, though it is logged as a statement."""
    DEFINES = auto()
    """CREATE, ALTER, DROP."""
    RENAMES = auto()
    """A table has another name: no longer the one that was asked for, or only now."""
    WRITES = auto()
    """Rows are written, and not logged as rows."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """`tables` are those that it is about; None where that cannot be said. A schema is a table without a name."""

    sort: Sort
    tables: tuple[TableName, ...] | None = ()


def meaning_of(statement: Statement) -> Meaning:
    """What a statement of the log means."""
    text, flags = text_in_utf8(statement), logged_lexer_flags(statement.sql_mode)
    if text is None:
        return Meaning(Sort.WRITES, None)
    query = classify(text, 0, flags)
    match query.kind:
        case Kind.SAVEPOINT if text.startswith(_ROLLBACK_TO):
            return Meaning(Sort.UNDOES, None)
        case Kind.DDL if query.moves_insert_id:
            # CREATE TABLE ... SELECT without the rows that it selected.
            return Meaning(Sort.WRITES, _tables(statement, query.tables))
        case Kind.DDL:
            pass
        case kind if kind in _WRITES_NOTHING:
            return Meaning(Sort.NOTHING)
        case _:
            return Meaning(Sort.WRITES, _tables(statement, query.tables) if query.tables else None)
    if any(isinstance(effect, RenameTable) for effect in query.effects):
        return Meaning(
            Sort.RENAMES, _tables(statement, [f"{name.schema}.{name.table}" for name in query.footprint.writes])
        )
    if text[:8].upper() == b"TRUNCATE":
        return Meaning(Sort.EMPTIES, _tables(statement, query.tables))
    return _definition(statement, text, flags, query.tables)


def _definition(statement: Statement, text: bytes, flags: int, named: Iterable[str]) -> Meaning:
    parsed = read(text, 0, flags)
    if not parsed:
        return Meaning(Sort.DEFINES, None)
    words = parsed[0].words
    at = next((place for place, word in enumerate(words) if word in _NAMED), len(words))
    what = words[at] if at < len(words) else ""
    if what in _OF_THE_SERVER or "TEMPORARY" in words[1:4]:
        return Meaning(Sort.NOTHING)
    if what in ("DATABASE", "SCHEMA"):
        while parsed[0].word(at + 1) in ("IF", "NOT", "EXISTS"):
            at += 1
        name, _ = read_name(parsed[0], at + 1)
        return Meaning(Sort.DEFINES, (TableName(name, ""),) if name else None)
    return Meaning(Sort.DEFINES, _tables(statement, named) if named else None)


def _tables(statement: Statement, names: Iterable[str]) -> tuple[TableName, ...] | None:
    found = []
    for name in names:
        if "`" in name or "\\" in name:
            # Quoted parts, or bytes that are no text.
            return None
        schema, _, table = name.rpartition(".")
        found.append(TableName(schema or statement.schema, table))
    return tuple(found)


async def why_not_repeatable(ask: Ask, statement: Statement, tables: Iterable[TableName] | None) -> str:
    """Why rows that are there would get other values of it than those of the source; empty where they get the same.
    Whoever asks the target comes in."""
    text = text_in_utf8(statement)
    parsed = read(text, 0, logged_lexer_flags(statement.sql_mode)) if text is not None else None
    for one in parsed or ():
        if not {"ALTER", "ADD"} <= set(one.words):
            continue
        words = [(at, word) for at, word in enumerate(one.words) if one.kinds[at] == Token.WORD]
        for at, word in words:
            if (is_volatile(one, at) and word not in _REPEATED) or word == "NEXTVAL" or one.starts(at, "NEXT", "VALUE"):
                return f"what {word} gives cannot be repeated"
        # With a number behind it, it is what the next row gets.
        if any(word == "AUTO_INCREMENT" and not _is_number(one, at + 1) for at, word in words):
            for name in tables or ():
                if await _is_without_order(ask, name):
                    return f"{name} has no key that tells in which order its rows are numbered"
    return ""


def _is_number(parsed: Parsed, at: int) -> bool:
    return parsed.word(at) == "=" or parsed.kind(at) == Token.NUMBER


async def _is_without_order(ask: Ask, name: TableName) -> bool:
    try:
        return (await describe(ask, name)).key is None
    except NoSuchTable:
        return False


async def define(target: Target, statement: Statement) -> None:
    """Run it there, as it ran on the source; raises BackendRefused. The session is as before afterwards."""
    text = text_in_utf8(statement)
    assert text is not None
    settings = _settings(statement, target)
    # A schema that is being made cannot be used yet.
    if statement.schema:
        await _use(target, statement.schema)
    await target.ask(_sql("SET " + ",".join(f"SESSION {name} = {then}" for name, then, _ in settings)))
    try:
        await target.run((Change(text),), LONGEST_S)
    finally:
        await target.ask(_sql("SET " + ",".join(f"SESSION {name} = {usual}" for name, _, usual in settings)))


def _settings(statement: Statement, target: Target) -> list[tuple[str, str, str]]:
    # What it depends on, as it was on the source, and as it is otherwise.
    modes = {"ALLOW_INVALID_DATES", *logged_modes(statement.sql_mode)}
    time_zone = statement.time_zone.replace("'", "''") or "+00:00"
    settings = [
        ("sql_mode", f"'{','.join(sorted(modes))}'", f"'{STRICT_MODE}'"),
        ("foreign_key_checks", f"{statement.checks_keys:d}", f"{target.checks_keys:d}"),
        ("time_zone", f"'{time_zone}'", "'+00:00'"),
        ("timestamp", f"{statement.at:.6f}", "DEFAULT"),
    ]
    increment, offset = statement.increment
    if statement.increment != (1, 1):
        # Some versions of MySQL let not every account set them.
        settings.append(("auto_increment_increment", f"{increment}", "DEFAULT"))
        settings.append(("auto_increment_offset", f"{offset}", "DEFAULT"))
    return settings


async def _use(target: Target, schema: str) -> None:
    try:
        await target.ask(_sql("USE " + quoted(schema)))
    except BackendRefused as error:
        if error.number != _UNKNOWN_SCHEMA:
            raise


async def fingerprint(target: Target, tables: Iterable[TableName] | None) -> str:
    """Tells how these tables and schemas are defined; equal as long as nobody changes that."""
    told = hashlib.sha256()
    for name in tables or ():
        if name.name:
            shown = await _asked(target, _sql(f"SHOW CREATE TABLE {name.sql}"))
        else:
            shown = await _asked(target, _sql("SHOW CREATE DATABASE " + quoted(name.schema)))
        told.update(_AUTO_INCREMENT.sub(b"", b"\0".join(value or b"" for row in shown for value in row)) + b"\1")
    return told.hexdigest()


async def wait_for_others(target: Target, tables: Iterable[TableName] | None) -> None:
    """Returns when nobody defines these tables any more, such as a connection that was lost while it did; raises
    BackendRefused when that takes too long."""
    for name in tables or ():
        try:
            await target.ask(_sql(f"LOCK TABLES {name.sql} WRITE"))
        except BackendRefused as error:
            if error.number not in _NOT_THERE:
                raise
        await target.ask(b"UNLOCK TABLES")


async def _asked(target: Target, sql: bytes) -> list[tuple[bytes | None, ...]]:
    try:
        return await target.ask(sql)
    except BackendRefused as error:
        # What is not there has no definition.
        return [(b"%d" % error.number,)]


def _sql(text: str) -> bytes:
    # Names are as the log has them, also where they are no text.
    return text.encode(errors="surrogateescape")
