"""One of the two servers, as its dictionary describes it.

Values only, the same for both families; dbmux.upgrade.read makes them. What the account may not see is None where that
makes a difference, and is said in `unseen`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dbmux.sql.modes import lexer_flags
from dbmux.sync.table import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table or view. `type` is the full type; `octets` how many bytes a value has at most, where it is
    text or bytes, and `letters` how many characters."""

    name: str
    type: str
    charset: str = ""
    collation: str = ""
    default: str | None = None
    octets: int = 0
    letters: int = 0

    @property
    def base(self) -> str:
        """The type's first word."""
        return self.type.partition("(")[0].partition(" ")[0].lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A column in an index: with the first letters or bytes of it only, unless `length` is None. Of an expression,
    `column` is empty."""

    column: str
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index; `type` is such as BTREE."""

    name: str
    parts: tuple[Part, ...]
    is_unique: bool = False
    type: str = "BTREE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key."""

    name: str
    parent: TableName
    parent_columns: tuple[str, ...]


class TableKind(StrEnum):
    """What is called a table in the dictionary."""

    TABLE = "BASE TABLE"
    VERSIONED = "SYSTEM VERSIONED"
    SEQUENCE = "SEQUENCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; `text` is what SHOW CREATE says, or empty where the account may not see that."""

    name: TableName
    kind: TableKind = TableKind.TABLE
    engine: str = "InnoDB"
    collation: str = ""
    row_format: str = "Dynamic"
    columns: tuple[Column, ...] = ()
    indexes: tuple[Index, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    text: str = ""


class ProgramKind(StrEnum):
    """What has a definer."""

    VIEW = "view"
    PROCEDURE = "procedure"
    FUNCTION = "function"
    TRIGGER = "trigger"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A view, routine, trigger or event; `text` as of a table. `collation` is that of the connection that made it."""

    kind: ProgramKind
    name: TableName
    definer: str = ""
    is_definers: bool = True
    sql_mode: str = ""
    collation: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def flags(self) -> int:
        """How the lexer reads its text; of a view it is always in backticks."""
        return 0 if self.kind is ProgramKind.VIEW else lexer_flags(self.sql_mode.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account or role; of several plugins one is enough to log in."""

    user: str
    host: str
    plugins: tuple[str, ...] = ()
    is_role: bool = False

    def __str__(self) -> str:
        return f"'{self.user}'@'{self.host}'"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A privilege: on everything, on a schema, a table or a column, as far as those are not empty."""

    account: str
    privilege: str
    schema: str = ""
    table: str = ""
    column: str = ""

    @property
    def on(self) -> str:
        """On what, as GRANT has it."""
        if not self.schema:
            return "*.*"
        return f"{self.schema}.{self.table or '*'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server. Names of engines and plugins are in lower case, those of privileges in upper case.

    `collations` and `charsets` are those that it knows, `defaults` the collation of each character set; `leftovers` are
    schemas of checks that could not clear up.
    """

    name: str
    version: str
    is_mariadb: bool
    number: tuple[int, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    schemas: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    programs: tuple[Program, ...] = ()
    accounts: tuple[Account, ...] | None = ()
    grants: frozenset[Grant] = frozenset()
    privileges: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    plugins: frozenset[str] = frozenset()
    loaded: frozenset[str] = frozenset()
    charsets: frozenset[str] = frozenset()
    collations: frozenset[str] = frozenset()
    defaults: Mapping[str, str] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """MySQL or MariaDB, with the version."""
        return f"{'MariaDB' if self.is_mariadb else 'MySQL'} {'.'.join(str(part) for part in self.number[:2])}"

    @property
    def modes(self) -> frozenset[str]:
        """The SQL modes."""
        return frozenset(mode for mode in self.variables.get("sql_mode", "").upper().split(",") if mode)

    def reaches(self, mysql: tuple[int, ...] | None, mariadb: tuple[int, ...] | None) -> bool:
        """Whether it is of that version or a later one; None stands for no version of that family."""
        wanted = mariadb if self.is_mariadb else mysql
        return wanted is not None and self.number >= wanted
