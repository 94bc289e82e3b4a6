"""One table of one server, as its information_schema describes it: columns, keys, foreign keys, triggers.

Whoever can put a question to a server comes in; a frozen `Table` goes out, and the names of the tables there are. The
same words mean the same for both families. Never reads rows. (Manual pages "INFORMATION_SCHEMA Tables" of both.)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from dbmux.errors import DbMuxError
from dbmux.wire.rows import TextRow

Ask = Callable[[bytes], Awaitable[list[TextRow]]]

# What every server has for itself.
SYSTEM = frozenset(("information_schema", "mysql", "performance_schema", "sys"))
# One character set under two names, which collations begin with: older servers say utf8, later ones utf8mb3.
_UTF8MB3, _UTF8 = "utf8mb3", re.compile(r"^utf8(?=_|$)")
# MariaDB's JSON is text with a condition.
_IS_JSON = re.compile(r"^json_valid\(`((?:[^`]|``)+)`\)$", re.IGNORECASE)
_TYPE = re.compile(r"^(\w+)(?: ?\((.*?)\))?((?: unsigned| zerofill| /\*.*\*/)*)$", re.DOTALL)


class TableName(NamedTuple):
    """Schema and name."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """Quoted."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


class NoSuchTable(DbMuxError):
    """The server has no table of this name, or the account may not see it."""


class Family(StrEnum):
    """What a column's values are, whatever its type is called on a server."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    DOUBLE = "double"
    BIT = "bit"
    DATE = "date"
    DATETIME = "datetime"
    TIMESTAMP = "timestamp"
    TIME = "time"
    YEAR = "year"
    TEXT = "text"
    BYTES = "bytes"
    ENUM = "enum"
    SET = "set"
    JSON = "json"
    GEOMETRY = "geometry"
    UUID = "uuid"
    INET4 = "inet4"
    INET6 = "inet6"
    VECTOR = "vector"
    OTHER = "other"


_FAMILIES = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint"), Family.INTEGER),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), Family.TEXT),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), Family.BYTES),
    **dict.fromkeys(
        (
            "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
            "geometrycollection", "geomcollection",
        ),
        Family.GEOMETRY,
    ),
    **{family.value: family for family in Family if family not in (Family.TEXT, Family.BYTES, Family.OTHER)},
}  # fmt: skip
# Values of these can be longer than what a server builds in one piece.
_LONG = frozenset(("text", "mediumtext", "longtext", "blob", "mediumblob", "longblob"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. `type` is the full type in the server's words, `family` what it means.

    `charset` and `collation` are empty where there are none, `generated` is the expression or empty; `is_renewed` tells
    that the server sets it to the moment of each change that does not set it.
    """

    name: str
    type: str
    family: Family
    charset: str = ""
    collation: str = ""
    is_nullable: bool = False
    generated: str = ""
    is_renewed: bool = False

    @property
    def base(self) -> str:
        """The type's first word."""
        return _parts(self.type)[0]

    @property
    def arguments(self) -> str:
        """What stands in its brackets."""
        return _parts(self.type)[1]

    @property
    def is_unsigned(self) -> bool:
        """Whether its numbers have no sign."""
        return "unsigned" in _parts(self.type)[2]

    @property
    def is_zerofill(self) -> bool:
        """Whether its numbers are shown with zeros before them."""
        return "zerofill" in _parts(self.type)[2]

    @property
    def is_long(self) -> bool:
        """Whether a value can be larger than a packet."""
        return self.base in _LONG or self.family in (Family.JSON, Family.GEOMETRY)

    @property
    def sql(self) -> str:
        """Its name, quoted."""
        return quoted(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A primary or unique key; `is_whole` tells that every column is not null and none stands for its beginning only,
    so that it tells all rows apart."""

    name: str
    columns: tuple[str, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key and what becomes of its rows when those that they refer to change."""

    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    on_update: str
    on_delete: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table. `primary` is None where it has no primary key, `unique` are the other unique keys, `triggers` names."""

    name: TableName
    engine: str
    columns: tuple[Column, ...]
    primary: Index | None = None
    unique: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    triggers: tuple[str, ...] = ()
    rows: int = 0
    """As the server guesses."""

    @property
    def key(self) -> Index | None:
        """What tells its rows apart: the primary key, or the first unique one that does."""
        if self.primary is not None and self.primary.is_whole:
            return self.primary
        return next((index for index in self.unique if index.is_whole), None)

    def column(self, name: str) -> Column:
        """The column of this name; raises KeyError. Case is of no account, as for the servers."""
        wanted = name.lower()
        for column in self.columns:
            if column.name.lower() == wanted:
                return column
        raise KeyError(name)

    @property
    def fingerprint(self) -> str:
        """Equal for tables whose rows can be compared one with the other, whichever versions their servers are.

        Column names and what their values are, in order, and the key; not how a server calls or displays it.
        """
        key = self.key
        told = [(column.name.lower(), *_meaning(column)) for column in self.columns]
        keyed = tuple(name.lower() for name in key.columns) if key is not None else ()
        return hashlib.sha256(repr((told, keyed)).encode()).hexdigest()[:32]


def _meaning(column: Column) -> tuple[object, ...]:
    match column.family:
        case Family.INTEGER:
            return column.family, column.base, column.is_unsigned
        case Family.DECIMAL:
            return column.family, column.arguments, column.is_unsigned
        case Family.TEXT:
            return column.family, same_name(column.charset)
        case Family.ENUM | Family.SET | Family.BIT | Family.VECTOR | Family.DATETIME | Family.TIMESTAMP | Family.TIME:
            return column.family, column.arguments
        case Family.BYTES:
            return column.family, column.arguments if column.base == "binary" else ""
        case _:
            return (column.family,)


def same_name(charset: str) -> str:
    """A character set or collation by the name that all servers have for it."""
    return _UTF8.sub(_UTF8MB3, charset)


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


async def tables(ask: Ask) -> list[TableName]:
    """The server's tables that hold rows, but its own; no views, no sequences."""
    rows = await ask(
        b"SELECT TABLE_SCHEMA,TABLE_NAME FROM information_schema.TABLES "
        b"WHERE TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED') ORDER BY TABLE_SCHEMA,TABLE_NAME"
    )
    names = (TableName(_text(schema), _text(name)) for schema, name in rows)
    return [name for name in names if name.schema.lower() not in SYSTEM]


async def describe(ask: Ask, name: TableName) -> Table:
    """The table of this name; raises NoSuchTable."""
    schema_is, is_it = _of("TABLE_SCHEMA", name.schema), _of("TABLE_NAME", name.name)
    heads = await ask(f"SELECT ENGINE,TABLE_ROWS FROM information_schema.TABLES WHERE {schema_is} AND {is_it}".encode())
    columns = await ask(
        "SELECT COLUMN_NAME,COLUMN_TYPE,CHARACTER_SET_NAME,COLLATION_NAME,IS_NULLABLE,GENERATION_EXPRESSION,EXTRA "
        f"FROM information_schema.COLUMNS WHERE {schema_is} AND {is_it} "
        "ORDER BY ORDINAL_POSITION".encode()
    )
    if not heads or not columns:
        raise NoSuchTable(f"there is no table {name}, or the account has no rights on it")
    indexes = await ask(
        "SELECT INDEX_NAME,COLUMN_NAME,SUB_PART,NULLABLE FROM information_schema.STATISTICS "
        f"WHERE {schema_is} AND {is_it} AND NON_UNIQUE=0 ORDER BY INDEX_NAME,SEQ_IN_INDEX".encode()
    )
    foreign = await ask(
        "SELECT k.CONSTRAINT_NAME,k.COLUMN_NAME,k.REFERENCED_TABLE_SCHEMA,k.REFERENCED_TABLE_NAME,"
        "k.REFERENCED_COLUMN_NAME,r.UPDATE_RULE,r.DELETE_RULE FROM information_schema.KEY_COLUMN_USAGE k "
        "JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA=k.CONSTRAINT_SCHEMA "
        "AND r.CONSTRAINT_NAME=k.CONSTRAINT_NAME AND r.TABLE_NAME=k.TABLE_NAME "
        f"WHERE {_of('k.TABLE_SCHEMA', name.schema)} AND {_of('k.TABLE_NAME', name.name)} "
        "ORDER BY k.CONSTRAINT_NAME,k.ORDINAL_POSITION".encode()
    )
    triggers = await ask(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS "
        f"WHERE {_of('EVENT_OBJECT_SCHEMA', name.schema)} AND {_of('EVENT_OBJECT_TABLE', name.name)} "
        "ORDER BY TRIGGER_NAME".encode()
    )
    documents = await _documents(ask, name)
    unique = _indexes(indexes)
    engine, rows = heads[0]
    return Table(
        name=name,
        engine=_text(engine),
        columns=tuple(_column(row, documents) for row in columns),
        primary=next((index for index in unique if index.name == "PRIMARY"), None),
        unique=tuple(index for index in unique if index.name != "PRIMARY"),
        foreign_keys=_foreign_keys(foreign),
        triggers=tuple(_text(row[0]) for row in triggers),
        rows=int(rows or b"0"),
    )


async def referring(ask: Ask, name: TableName) -> list[TableName]:
    """The tables whose foreign keys refer to this one."""
    rows = await ask(
        "SELECT DISTINCT TABLE_SCHEMA,TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE "
        f"{_of('REFERENCED_TABLE_SCHEMA', name.schema)} AND {_of('REFERENCED_TABLE_NAME', name.name)} "
        "ORDER BY TABLE_SCHEMA,TABLE_NAME".encode()
    )
    return [TableName(_text(schema), _text(table)) for schema, table in rows]


async def _documents(ask: Ask, name: TableName) -> frozenset[str]:
    # The columns that MariaDB keeps as text and checks for being JSON. MySQL's list of conditions names no tables.
    if not await ask(
        b"SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='information_schema' "
        b"AND TABLE_NAME='CHECK_CONSTRAINTS' AND COLUMN_NAME='TABLE_NAME'"
    ):
        return frozenset()
    checks = await ask(
        "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS "
        f"WHERE {_of('CONSTRAINT_SCHEMA', name.schema)} AND {_of('TABLE_NAME', name.name)}".encode()
    )
    found = (_IS_JSON.match(_text(row[0])) for row in checks)
    return frozenset(match[1].replace("``", "`") for match in found if match)


def _column(row: TextRow, documents: frozenset[str]) -> Column:
    name, kind, charset, collation, nullable, generated, extra = (_text(value) for value in row)
    family = _FAMILIES.get(_parts(kind)[0], Family.OTHER)
    if family is Family.TEXT and name in documents:
        family = Family.JSON
    return Column(
        name=name,
        type=kind,
        family=family,
        charset=charset,
        collation=collation,
        is_nullable=nullable == "YES",
        generated=generated,
        is_renewed="on update" in extra.lower(),
    )


def _parts(kind: str) -> tuple[str, str, str]:
    match = _TYPE.match(kind)
    return (match[1].lower(), match[2] or "", match[3]) if match else (kind.lower(), "", "")


def _indexes(rows: Iterable[TextRow]) -> list[Index]:
    columns: dict[str, list[TextRow]] = {}
    for row in rows:
        columns.setdefault(_text(row[0]), []).append(row)
    return [
        Index(
            name=name,
            columns=tuple(_text(row[1]) for row in parts),
            # One over an expression has no column.
            is_whole=all(row[1] is not None and row[2] is None and not row[3] for row in parts),
        )
        for name, parts in columns.items()
    ]


def _foreign_keys(rows: Iterable[TextRow]) -> tuple[ForeignKey, ...]:
    columns: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        columns.setdefault(_text(row[0]), []).append(tuple(_text(value) for value in row))
    return tuple(
        ForeignKey(
            columns=tuple(part[1] for part in parts),
            parent=TableName(parts[0][2], parts[0][3]),
            parent_columns=tuple(part[4] for part in parts),
            on_update=parts[0][5],
            on_delete=parts[0][6],
        )
        for parts in columns.values()
    )


def _of(column: str, value: str) -> str:
    # In hexadecimal nothing has to be escaped. The first half is what servers look up by, the second knows case.
    plain = f"x'{value.encode().hex()}'"
    return f"{column}=CONVERT({plain} USING utf8mb4) AND CAST({column} AS BINARY)={plain}"


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")
