"""What a statement to the SQL door asks for: a SELECT for SQLite, or one of the things that clients say by themselves.

A statement's text comes in; out goes what is to be done. SHOW and DESCRIBE become SELECTs from `information_schema`.
What sets something up, such as SET NAMES or BEGIN, has no effect and no error: clients send it before everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbmux.door.catalogue import SCHEMAS
from dbmux.door.database import Select, called
from dbmux.errors import ErrorCode, MySQLError
from dbmux.lexer import NO_BACKSLASH_ESCAPES, Token, tokens
from dbmux.sql.statement import Statement, read
from dbmux.text import visible

LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to do."""


@dataclass(frozen=True, slots=True)
class Use:
    """Another schema is the one of names without any."""

    schema: str


@dataclass(frozen=True, slots=True)
class Describe:
    """As `select`, of a table that must be there."""

    table: str
    select: Select


@dataclass(frozen=True, slots=True)
class Define:
    """The CREATE TABLE of a table is asked for."""

    table: str


Phrase = Nothing | Use | Describe | Define | Select

_READS = frozenset(("SELECT", "WITH", "VALUES"))
_WITHOUT_EFFECT = frozenset(("SET", "BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"))
_WRITES = frozenset(
    (
        "INSERT",
        "UPDATE",
        "DELETE",
        "REPLACE",
        "CREATE",
        "DROP",
        "ALTER",
        "TRUNCATE",
        "LOAD",
        "RENAME",
        "GRANT",
        "REVOKE",
    )
)
_SCOPES = frozenset(("@@SESSION", "@@GLOBAL", "@@LOCAL"))
_FIELDS = (
    'column_name AS "Field", column_type AS "Type", is_nullable AS "Null", column_key AS "Key", '
    'column_default AS "Default", extra AS "Extra"'
)
_FULL_FIELDS = (
    'column_name AS "Field", column_type AS "Type", collation_name AS "Collation", is_nullable AS "Null", '
    'column_key AS "Key", column_default AS "Default", extra AS "Extra", privileges AS "Privileges", '
    'column_comment AS "Comment"'
)
_VARIABLES = 'SELECT lower(variable_name) AS "Variable_name", variable_value AS "Value" FROM information_schema.'
_NONE = 'SELECT * FROM (SELECT NULL AS "Name") WHERE 0'
_KEYS = (
    'SELECT table_name AS "Table", non_unique AS "Non_unique", index_name AS "Key_name", '
    'seq_in_index AS "Seq_in_index", column_name AS "Column_name" FROM information_schema.statistics'
)
# What SHOW lists, by its first words; `{schema}` is a string of SQL.
_SHOWN = {
    "DATABASES": 'SELECT schema_name AS "Database" FROM information_schema.schemata',
    "SCHEMAS": 'SELECT schema_name AS "Database" FROM information_schema.schemata',
    "TABLES": ('SELECT table_name AS "Tables_in_{name}" FROM information_schema.tables WHERE table_schema = {schema}'),
    "FULL TABLES": (
        'SELECT table_name AS "Tables_in_{name}", table_type AS "Table_type" FROM information_schema.tables '
        "WHERE table_schema = {schema}"
    ),
    "TABLE STATUS": (
        'SELECT table_name AS "Name", engine AS "Engine", table_rows AS "Rows", create_time AS "Create_time", '
        'table_collation AS "Collation", table_comment AS "Comment" FROM information_schema.tables '
        "WHERE table_schema = {schema}"
    ),
    "VARIABLES": _VARIABLES + "session_variables",
    "STATUS": _VARIABLES + "session_status",
    "WARNINGS": 'SELECT * FROM (SELECT NULL AS "Level", 0 AS "Code", NULL AS "Message") WHERE 0',
    "ERRORS": 'SELECT * FROM (SELECT NULL AS "Level", 0 AS "Code", NULL AS "Message") WHERE 0',
    "CHARACTER SET": (
        'SELECT character_set_name AS "Charset", description AS "Description", '
        'default_collate_name AS "Default collation", maxlen AS "Maxlen" FROM information_schema.character_sets'
    ),
    "COLLATION": (
        'SELECT collation_name AS "Collation", character_set_name AS "Charset", id AS "Id", is_default AS "Default", '
        'is_compiled AS "Compiled", sortlen AS "Sortlen" FROM information_schema.collations'
    ),
    "ENGINES": (
        'SELECT engine AS "Engine", support AS "Support", comment AS "Comment", transactions AS "Transactions", '
        'xa AS "XA", savepoints AS "Savepoints" FROM information_schema.engines'
    ),
    "PLUGINS": 'SELECT plugin_name AS "Name", plugin_status AS "Status" FROM information_schema.plugins',
    "INDEX": _KEYS,
    "INDEXES": _KEYS,
    "KEYS": _KEYS,
    "TRIGGERS": _NONE,
    "EVENTS": _NONE,
    "FUNCTION STATUS": _NONE,
    "PROCEDURE STATUS": _NONE,
}


def understood(text: bytes, schema: str) -> Phrase:
    """What a text asks for, in a session with this schema; raises MySQLError."""
    if len(text) > LONGEST:
        raise MySQLError(ErrorCode.TOO_BIG, f"a statement to schema dbmux has at most {LONGEST >> 10} kB")
    statements = read(text, 0, NO_BACKSLASH_ESCAPES)
    if statements is None:
        raise MySQLError(ErrorCode.BAD_SQL, "servers differ about what this text is; leave out its special comments")
    if len(statements) != 1:
        what = "several statements; send them one by one" if statements else "no statement; send a SELECT"
        raise MySQLError(ErrorCode.BAD_SQL, f"the text has {what}")
    statement = statements[0]
    word = statement.word(0)
    if word in _READS:
        return _select(statement)
    if word in _WITHOUT_EFFECT:
        return Nothing()
    if word == "USE" and len(statement) == 2:
        return Use(known_schema(_name(statement, 1)))
    if word in ("DESCRIBE", "DESC", "EXPLAIN") and _is_name(statement, 1) and statement.word(1) not in _READS:
        return _describe(statement, 1, _FIELDS, schema)
    if word == "SHOW":
        return _show(statement, schema)
    if word in _WRITES:
        raise MySQLError(ErrorCode.READ_ONLY, "the tables of schema dbmux can only be read; send a SELECT")
    raise MySQLError(ErrorCode.BAD_SQL, "schema dbmux takes SELECT, WITH, SHOW and DESCRIBE, and nothing of this kind")


def known_schema(name: str) -> str:
    """The schema of this name; raises MySQLError when there is none."""
    found = next((one for one in SCHEMAS if one == name.lower()), None)
    if found is None:
        raise MySQLError(
            ErrorCode.UNKNOWN_SCHEMA,
            f"an account of `admins` sees schema dbmux only, not {visible(name)}; "
            "log in as another user for the servers' own",
        )
    return found


def _select(statement: Statement) -> Select:
    # The text without its comments. System variables become functions, for SQLite has none, and strings in double
    # quotes get single ones, for there they would be names.
    parts: list[str] = []
    variables: list[str] = []
    end, at = statement.spans[0][0], 0
    while at < len(statement):
        start, stop = statement.spans[at]
        gap = statement.text[end:start]
        parts.append(gap.decode() if gap.isspace() or not gap else " ")
        if statement.kind(at) == Token.SYSTEM_VARIABLE:
            is_scoped = statement.spelling(at).upper().decode("latin-1") in _SCOPES
            at += 2 if is_scoped and statement.word(at + 1) == "." else 0
            stop = statement.spans[min(at, len(statement) - 1)][1]
            variables.append(_text(statement.text[start:stop]))
            parts.append(called(variables[-1]))
        else:
            if statement.kind(at) == Token.USER_VARIABLE:
                raise MySQLError(ErrorCode.BAD_SQL, "schema dbmux has no user variables; write the value")
            spelling = _text(statement.spelling(at))
            parts.append(_string(_unquoted(spelling)) if spelling[:1] == '"' else spelling)
        end, at = stop, at + 1
    return Select("".join(parts), tuple(variables))


def _show(statement: Statement, schema: str) -> Phrase:
    at = 1
    is_full = statement.word(at) in ("FULL", "EXTENDED")
    while statement.word(at) in ("FULL", "EXTENDED", "GLOBAL", "SESSION", "LOCAL", "STORAGE"):
        at += 1
    what, two = statement.word(at), f"{statement.word(at)} {statement.word(at + 1)}"
    if two == "CREATE TABLE" and _is_name(statement, at + 2):
        return Define(_last_name(statement, at + 2))
    if what in ("COLUMNS", "FIELDS") and statement.word(at + 1) in ("FROM", "IN"):
        return _describe(statement, at + 2, _FULL_FIELDS if is_full else _FIELDS, schema)
    what, at = (two, at + 2) if two in _SHOWN else (what, at + 1)
    if what == "CHARSET":
        what = "CHARACTER SET"
    if is_full and f"FULL {what}" in _SHOWN:
        what = f"FULL {what}"
    if what not in _SHOWN:
        raise MySQLError(ErrorCode.BAD_SQL, "schema dbmux does not know this SHOW; SHOW TABLES lists what there is")
    while statement.word(at) in ("FROM", "IN") and _is_name(statement, at + 1):
        schema = _name(statement, at + 1) if what not in ("INDEX", "INDEXES", "KEYS") else schema
        at = _behind_name(statement, at + 1)
    asked = _SHOWN[what].format(name=schema.replace('"', ""), schema=_string(schema))
    return _filtered(asked, statement, at)


def _describe(statement: Statement, at: int, fields: str, schema: str) -> Describe:
    table, behind = _last_name(statement, at), _behind_name(statement, at)
    if behind - at > 1:
        schema = _name(statement, at)
    if statement.word(behind) in ("FROM", "IN") and _is_name(statement, behind + 1):
        schema, behind = _name(statement, behind + 1), behind + 2
    asked = (
        f"SELECT {fields} FROM information_schema.columns "
        f"WHERE table_schema = {_string(schema)} AND table_name = {_string(table)}"
    )
    return Describe(table, _filtered(asked, statement, behind))


def _filtered(asked: str, statement: Statement, at: int) -> Select:
    # LIKE or WHERE at the end of a SHOW, or nothing.
    match statement.word(at):
        case "":
            if at < len(statement):
                raise MySQLError(ErrorCode.BAD_SQL, "LIKE or WHERE is expected at the end of this statement")
            return Select(asked)
        case "LIKE" if at + 2 == len(statement):
            pattern = _text(statement.spelling(at + 1))
            if pattern[:1] not in ("'", '"'):
                raise MySQLError(ErrorCode.BAD_SQL, "a string is expected behind LIKE")
            value = _string(_unquoted(pattern))
            return Select(f"SELECT * FROM ({asked}) WHERE {_first_column(asked)} LIKE {value} ESCAPE '\\'")
        case "WHERE":
            condition = _select(statement.part(at + 1, len(statement)))
            return Select(f"SELECT * FROM ({asked}) WHERE {condition.sql}", condition.variables)
        case _:
            raise MySQLError(ErrorCode.BAD_SQL, "LIKE or WHERE is expected at the end of this statement")


def _first_column(asked: str) -> str:
    start = asked.index('"')
    return asked[start : asked.index('"', start + 1) + 1]


def _is_name(statement: Statement, at: int) -> bool:
    return statement.kind(at) in (Token.WORD, Token.QUOTED)


def _behind_name(statement: Statement, at: int) -> int:
    return at + 3 if statement.word(at + 1) == "." and _is_name(statement, at + 2) else at + 1


def _last_name(statement: Statement, at: int) -> str:
    return _name(statement, _behind_name(statement, at) - 1)


def _name(statement: Statement, at: int) -> str:
    spelling = _text(statement.spelling(at))
    return _unquoted(spelling) if spelling[:1] == "`" else spelling


def _unquoted(spelling: str) -> str:
    quote = spelling[0]
    return spelling[1:-1].replace(quote * 2, quote)


def _string(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _text(spelling: bytes) -> str:
    return spelling.decode("utf-8", "replace")


def values_of(select: Select, known: Mapping[str, str]) -> dict[str, str | int]:
    """The variables that a statement names, with their values; raises MySQLError for one that is not there."""
    found: dict[str, str | int] = {}
    for spelled in select.variables:
        name = spelled.rpartition(".")[2].removeprefix("@@").strip("` ").lower()
        if name not in known:
            raise MySQLError(ErrorCode.UNKNOWN_VARIABLE, f"there is no system variable {visible(name)} here")
        value = known[name]
        found[spelled] = int(value) if value.isdecimal() else value
    return found


def placeholders(text: bytes) -> int:
    """How many values a prepared text wants."""
    return sum(kind == Token.PLACEHOLDER for kind, _, _ in tokens(text, 0, NO_BACKSLASH_ESCAPES))
