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
from dbmux.lexer import Token, tokens
from dbmux.query import AlterSchema, Kind, RenameTable
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
# Of a name, quoted where it has a dot or a backtick in it.
_PART = re.compile(r"`((?:[^`]|``)+)`|([^`.]+)")
# A comment that is code to some servers, and what they read of it.
_CODE = re.compile(rb"/\*M?!\d{0,6}(.*)\*/", re.DOTALL)

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
    MAKES_SCHEMA = auto()
    """CREATE DATABASE: tables that are there stay as they are."""
    SWAPS = auto()
    """EXCHANGE PARTITION: nobody can tell from the definitions whether it has run, and twice is not once."""
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
    meanings = {_meaning(statement, reading, flags) for reading in set(_readings(text, flags))}
    return meanings.pop() if len(meanings) == 1 else Meaning(Sort.WRITES, None)


def _readings(text: bytes, flags: int) -> Iterable[bytes]:
    # As servers read it that run the code in comments, and as others do.
    spans = [(start, end) for kind, start, end in tokens(text, 0, flags) if kind == Token.MAYBE]
    ran, skipped, at = b"", b"", 0
    for start, end in spans:
        code = _CODE.fullmatch(text, start, end)
        ran += text[at:start] + b" %b " % (code[1] if code else text[start:end])
        skipped += text[at:start] + b" "
        at = end
    return ran + text[at:], skipped + text[at:]


def _meaning(statement: Statement, text: bytes, flags: int) -> Meaning:
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
    renames = [effect for effect in query.effects if isinstance(effect, RenameTable)]
    if renames:
        return Meaning(Sort.RENAMES, _tables(statement, [name for one in renames for name in (one.old, one.new)]))
    if AlterSchema(b"") in query.effects:
        return Meaning(Sort.DEFINES, (TableName(statement.schema, ""),))
    parsed = read(text, 0, flags)
    named = _tables(statement, query.tables) if query.tables else None
    return _definition(_bare(parsed[0]), named) if parsed else Meaning(Sort.DEFINES, named)


def _bare(parsed: Parsed) -> Parsed:
    # Without the settings of SET STATEMENT ... FOR.
    if not parsed.starts(0, "SET", "STATEMENT"):
        return parsed
    return parsed.part(parsed.outside(2, "FOR") + 1, len(parsed))


def _definition(parsed: Parsed, named: tuple[TableName, ...] | None) -> Meaning:
    words = parsed.words
    at = next((place for place, word in enumerate(words) if word in _NAMED), len(words))
    what = parsed.word(at)
    if parsed.word(0) == "TRUNCATE" or _has(parsed, "TRUNCATE", "PARTITION"):
        return Meaning(Sort.EMPTIES, named)
    if what in _OF_THE_SERVER or "TEMPORARY" in words[1:4]:
        return Meaning(Sort.NOTHING)
    if what in ("DATABASE", "SCHEMA"):
        sort = Sort.MAKES_SCHEMA if words[:1] == ("CREATE",) and parsed.word(1) != "OR" else Sort.DEFINES
        while parsed.word(at + 1) in ("IF", "NOT", "EXISTS"):
            at += 1
        name, _ = read_name(parsed, at + 1)
        return Meaning(sort, (TableName(name, ""),) if name else None)
    return Meaning(Sort.SWAPS if _has(parsed, "EXCHANGE", "PARTITION") else Sort.DEFINES, named)


def _has(parsed: Parsed, *words: str) -> bool:
    return any(parsed.starts(at, *words) for at in range(len(parsed)))


def _tables(statement: Statement, names: Iterable[str]) -> tuple[TableName, ...] | None:
    found = []
    for name in names:
        if "\\" in name:
            # Perhaps bytes that are no text.
            return None
        *schema, table = [ticked.replace("``", "`") or bare for ticked, bare in _PART.findall(name)] or [""]
        found.append(TableName(schema[0] if schema else statement.schema, table))
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
        await target.run((Change(_as_client(text, logged_lexer_flags(statement.sql_mode))),), LONGEST_S)
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


def _as_client(text: bytes, flags: int) -> bytes:
    # Behind CREATE TABLE ... SELECT, MySQL logs two words that it takes from nobody; the rows follow.
    parsed = read(text, 0, flags)
    if not parsed or parsed[-1].words[-2:] != ("START", "TRANSACTION"):
        return text
    return text[: parsed[-1].spans[-2][0]] + text[parsed[-1].spans[-1][1] :]


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


async def tables_in(target: Target, schema: str) -> list[TableName]:
    """What there is in a schema, views too; nothing where it is not there."""
    try:
        rows = await target.ask(_sql("SHOW TABLES FROM " + quoted(schema)))
    except BackendRefused as error:
        if error.number != _UNKNOWN_SCHEMA:
            raise
        return []
    return [TableName(schema, (name or b"").decode(errors="surrogateescape")) for (name,) in rows]


async def wait_for_others(target: Target, tables: Iterable[TableName] | None) -> None:
    """Returns when nobody defines these tables any more, such as a connection that was lost while it did; raises
    BackendRefused when that takes too long. A schema has no lock that could be waited for."""
    for name in tables or ():
        if not name.name:
            continue
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
