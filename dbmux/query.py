"""What a client asked for: the meaning of a statement, a small frozen value.

Made by dbmux.sql.classify, once per digest where the digest does not hide what matters. It says what a statement is,
whether it reads or writes, which of the session's earlier results it asks for, and what it does to the session: its
effects. Effects are facts about the text; they hold when the server has said OK, unless `survives_errors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag, StrEnum, auto

from dbmux.footprint import NOWHERE, Footprint


class Kind(StrEnum):
    """What a statement is, by its first words; several statements in one text are MULTI."""

    SELECT = auto()
    INSERT = auto()
    REPLACE = auto()
    UPDATE = auto()
    DELETE = auto()
    LOAD = auto()
    CALL = auto()
    SET = auto()
    USE = auto()
    SHOW = auto()
    EXPLAIN = auto()
    DIAGNOSTICS = auto()
    BEGIN = auto()
    COMMIT = auto()
    ROLLBACK = auto()
    SAVEPOINT = auto()
    XA = auto()
    LOCK = auto()
    HANDLER = auto()
    PREPARED = auto()
    DDL = auto()
    KILL = auto()
    ADMIN = auto()
    MULTI = auto()
    OTHER = auto()


class Access(StrEnum):
    """What a statement may do to data, for routing: only a READ may be answered by a replica."""

    READ = auto()
    LOCKING_READ = auto()
    WRITE = auto()
    UNSURE = auto()


class Needs(IntFlag):
    """What a statement asks of the statements before it on the same connection; TRACKING, of the connection itself."""

    NOTHING = 0
    LAST_INSERT_ID = 1
    FOUND_ROWS = 2
    ROW_COUNT = 4
    WARNINGS = 8
    TRACKING = 16


class FoundRows(StrEnum):
    """What FOUND_ROWS() is after a statement, as it was seen on the servers."""

    ITS_ROWS = auto()
    """The number of its rows, and on MySQL of those that an UPDATE matched; after other statements, what it was."""
    AS_BEFORE = auto()
    """What it was, though there may be rows."""
    ONE_ON_MYSQL = auto()
    """1 on MySQL; on MariaDB what it was."""
    ITS_ROWS_ON_MYSQL = auto()
    """The number of its rows on MySQL; on MariaDB what it was."""
    NONE_ON_MARIADB = auto()
    """0 on MariaDB; on MySQL what it was."""
    STORED = auto()
    """The number of rows that it put into variables or a file."""
    ASKED = auto()
    """Only the server knows."""
    ASKED_ON_MARIADB = auto()
    """Only the server knows, if it is a MariaDB; on MySQL what it was."""
    ASKED_ON_MYSQL = auto()
    """The same the other way round."""


class PinReason(StrEnum):
    """Why a session's connection cannot be given to another session."""

    TRANSACTION = "transaction"
    SAVEPOINT = "savepoint"
    NEXT_TRANSACTION = "next transaction"
    XA = "XA transaction"
    TEMPORARY_TABLE = "temporary table"
    LOCK_TABLES = "LOCK TABLES"
    GLOBAL_LOCK = "global lock"
    NAMED_LOCK = "GET_LOCK"
    HANDLER = "HANDLER"
    SEQUENCE = "sequence"
    USER_VARIABLE = "user variable"
    SYSTEM_VARIABLE = "session variable"
    SQL_PREPARED = "PREPARE"
    CURSOR = "open cursor"
    LONG_DATA = "long data"
    FOUND_ROWS = "SQL_CALC_FOUND_ROWS"
    CHARACTER_SET = "character set"
    ROUTINE = "stored routine"
    UNKNOWN = "unknown state"
    RELAYED_LOGIN = "relayed login"


@dataclass(frozen=True, slots=True)
class SetVariable:
    """A session variable gets a literal, as SQL text that means the same in every sql_mode; None is DEFAULT."""

    name: str
    value: bytes | None

    survives_errors = False


@dataclass(frozen=True, slots=True)
class SetNames:
    """SET NAMES or, with `only_client`, SET CHARACTER SET; None is DEFAULT, an absent collation the charset's own."""

    charset: str | None
    collation: str | None
    only_client: bool = False

    survives_errors = False


@dataclass(frozen=True, slots=True)
class SetUserVariable:
    """A user variable gets a literal, as SQL text that means the same in every sql_mode and character set."""

    name: str
    value: bytes

    survives_errors = False


@dataclass(frozen=True, slots=True)
class ChangeSchema:
    """USE: the session's schema is another one; the name as it was written, without quotes."""

    name: bytes

    survives_errors = False


@dataclass(frozen=True, slots=True)
class AlterSchema:
    """ALTER DATABASE: a schema has other defaults, which USE tells a connection; no name means the session's own."""

    name: bytes

    survives_errors = False


@dataclass(frozen=True, slots=True)
class SetOption:
    """COM_SET_OPTION, with its body: whether several statements in one text are taken."""

    value: bytes

    survives_errors = False


@dataclass(frozen=True, slots=True)
class Pin:
    """From now on the connection is the session's own, because of `what` (a table's, lock's or variable's name)."""

    reason: PinReason
    what: str = ""

    @property
    def survives_errors(self) -> bool:
        """Whether the cause may be there even when the statement failed."""
        return self.reason in _BEFORE_THE_ERROR


@dataclass(frozen=True, slots=True)
class Unpin:
    """The cause of a pin is gone; without `what`, all causes of this reason."""

    reason: PinReason
    what: str = ""

    survives_errors = False


@dataclass(frozen=True, slots=True)
class RenameTable:
    """A table has another name; if it is a temporary one, it is known by that from now on."""

    old: str
    new: str

    survives_errors = False


@dataclass(frozen=True, slots=True)
class AskLocks:
    """RELEASE_LOCK was called: which named locks the session still has is for the server to say."""

    survives_errors = True


Effect = (
    SetVariable
    | SetNames
    | SetUserVariable
    | ChangeSchema
    | AlterSchema
    | SetOption
    | Pin
    | Unpin
    | RenameTable
    | AskLocks
)

_BEFORE_THE_ERROR = frozenset(
    (
        PinReason.NAMED_LOCK,
        PinReason.ROUTINE,
        PinReason.SEQUENCE,
        PinReason.UNKNOWN,
        PinReason.USER_VARIABLE,
        PinReason.XA,
    )
)


# What their replies tell matters though their texts leave nothing behind: warnings of all but the last of several
# statements, and that the session's schema is gone.
_FOLLOWED = (Kind.MULTI, Kind.DDL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One text of SQL.

    `moves_insert_id` tells that LAST_INSERT_ID() may be another one afterwards. `tables` are the names behind FROM,
    JOIN, INTO, UPDATE and TABLE, as they were written, for people and rules: not a proof of what is touched.
    `is_statement` is False for a command that no text is run for: MySQL keeps the warnings of the statement before.
    `is_digest_wide` tells that all statements of the same digest have this very meaning. `footprint` is the proof that
    `tables` is not.
    """

    kind: Kind
    access: Access
    effects: tuple[Effect, ...] = ()
    needs: Needs = Needs.NOTHING
    moves_insert_id: bool = False
    found_rows: FoundRows = FoundRows.ITS_ROWS
    is_statement: bool = True
    is_digest_wide: bool = True
    tables: tuple[str, ...] = ()
    footprint: Footprint = NOWHERE

    @property
    def assigned(self) -> Iterator[str]:
        """The user variables that get values by it."""
        for effect in self.effects:
            match effect:
                case SetUserVariable(name, _) | Pin(PinReason.USER_VARIABLE, name):
                    yield name

    @property
    def is_bystander(self) -> bool:
        """Whether the counts of the statement before stay, on whichever connection they are."""
        return self.kind is Kind.PREPARED or (self.kind is Kind.DIAGNOSTICS and not self.needs)

    @property
    def stays_in_schema(self) -> bool:
        """Whether the server surely goes to no other schema for it, not even for a routine or a view."""
        return self.kind in (Kind.SET, Kind.PREPARED) and not self.tables and not self.calls

    @property
    def calls(self) -> bool:
        """Whether code runs that is not seen: a routine, or what EXECUTE names."""
        return any(isinstance(effect, Pin) and effect.reason is PinReason.ROUTINE for effect in self.effects)

    @property
    def is_self_contained(self) -> bool:
        """Whether it leaves nothing behind on its connection but counts, and asks for nothing of before."""
        return not self.effects and not self.needs and not self.moves_insert_id and self.kind not in _FOLLOWED

    @property
    def is_plain(self) -> bool:
        """Whether it is self-contained, and counted as usual: most statements."""
        return self.is_self_contained and self.found_rows is FoundRows.ITS_ROWS and not self.is_bystander
