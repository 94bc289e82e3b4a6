"""How a table's rows are logged: its columns, with all that the log tells of them, as values.

How much is told depends on the server's `binlog_row_metadata`: NO_LOG (types alone), MINIMAL (also signs and character
sets), FULL (also names, elements, the primary key). What is not told is None here, and is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from dbmux.wire.columns import BINARY_CHARSET


class LoggedType(IntEnum):
    """The types of columns, as the log numbers them. UUID, INET4 and INET6 of MariaDB are STRINGs there."""

    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    NULL = 6
    OLD_TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    OLD_TIME = 11
    OLD_DATETIME = 12
    YEAR = 13
    NEWDATE = 14
    VARCHAR = 15
    BIT = 16
    TIMESTAMP = 17
    DATETIME = 18
    TIME = 19
    BLOB_COMPRESSED = 140
    VARCHAR_COMPRESSED = 141
    VECTOR = 242
    JSON = 245
    DECIMAL = 246
    ENUM = 247
    SET = 248
    TINY_BLOB = 249
    MEDIUM_BLOB = 250
    LONG_BLOB = 251
    BLOB = 252
    VAR_STRING = 253
    STRING = 254
    GEOMETRY = 255


class Family(IntEnum):
    """Whose log it is: some numbers mean something else in the other's."""

    MYSQL = 1
    MARIADB = 2


class Declared(IntEnum):
    """MariaDB's types that the log does not tell from others; only who knows the table can say."""

    UUID = 1
    INET4 = 2
    INET6 = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `size` is the most bytes of a string, the bytes of a length, or the digits of a DECIMAL.

    `name`, `is_unsigned`, `collation`, `is_visible` and `geometry` are None where that is not told. `elements` are an
    ENUM's or a SET's, in the character set of the collation.
    """

    type: LoggedType
    size: int = 0
    decimals: int = 0
    is_nullable: bool = True
    name: str | None = None
    is_unsigned: bool | None = None
    collation: int | None = None
    elements: tuple[bytes, ...] = ()
    is_visible: bool | None = None
    geometry: int | None = None
    dimensions: int | None = None
    declared: Declared | None = None

    @property
    def is_binary(self) -> bool:
        """Whether it is a string of bytes and not of characters."""
        return self.collation == BINARY_CHARSET


@dataclass(frozen=True, slots=True)
class KeyPart:
    """A column of the primary key, by its place; `prefix` characters of it are the key, or all (0)."""

    column: int
    prefix: int = 0


class Detail(IntEnum):
    """How much is told of the columns."""

    NO_LOG = 0
    MINIMAL = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class Layout:
    """All columns in their order, and the primary key where there is one and it is told."""

    columns: tuple[Column, ...]
    primary_key: tuple[KeyPart, ...] = ()
    detail: Detail = Detail.NO_LOG

    def declaring(self, declared: Mapping[int, Declared]) -> Layout:
        """The same, with what the log does not tell of the columns at these places."""
        columns = (
            replace(column, declared=declared.get(place, column.declared)) for place, column in enumerate(self.columns)
        )
        return replace(self, columns=tuple(columns))
