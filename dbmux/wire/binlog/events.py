"""What can stand in a binary log: the kinds of events, their header, and what DbMux understands of them, as values.

Source: manual pages "Replication Protocol" and "Binlog Event" of both servers; numbers from 160 on are MariaDB's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from typing import NamedTuple

from dbmux.wire.binlog.columns import Family

HEADER_LENGTH, CHECKSUM_LENGTH = 19, 4
_HEADER = Struct("<IBIIIH")


class EventType(IntEnum):
    """The kinds of events; those of servers before 5.1 are left out, and are as unknown as any of the future."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    INTVAR = 5
    APPEND_BLOCK = 9
    DELETE_FILE = 11
    RAND = 13
    USER_VAR = 14
    FORMAT_DESCRIPTION = 15
    XID = 16
    BEGIN_LOAD_QUERY = 17
    EXECUTE_LOAD_QUERY = 18
    TABLE_MAP = 19
    WRITE_ROWS_V1 = 23
    UPDATE_ROWS_V1 = 24
    DELETE_ROWS_V1 = 25
    INCIDENT = 26
    HEARTBEAT = 27
    IGNORABLE = 28
    ROWS_QUERY = 29
    WRITE_ROWS = 30
    UPDATE_ROWS = 31
    DELETE_ROWS = 32
    GTID = 33
    ANONYMOUS_GTID = 34
    PREVIOUS_GTIDS = 35
    TRANSACTION_CONTEXT = 36
    VIEW_CHANGE = 37
    XA_PREPARE = 38
    PARTIAL_UPDATE_ROWS = 39
    TRANSACTION_PAYLOAD = 40
    HEARTBEAT_V2 = 41
    TAGGED_GTID = 42
    ANNOTATE_ROWS = 160
    BINLOG_CHECKPOINT = 161
    MARIADB_GTID = 162
    MARIADB_GTID_LIST = 163
    START_ENCRYPTION = 164
    COMPRESSED_QUERY = 165
    COMPRESSED_WRITE_ROWS_V1 = 166
    COMPRESSED_UPDATE_ROWS_V1 = 167
    COMPRESSED_DELETE_ROWS_V1 = 168
    COMPRESSED_WRITE_ROWS = 169
    COMPRESSED_UPDATE_ROWS = 170
    COMPRESSED_DELETE_ROWS = 171


class EventFlag(IntFlag):
    """What the header says beside the kind."""

    ARTIFICIAL = 0x0020
    """Made for this replica; it stands in no file."""
    IGNORABLE = 0x0080
    """Whoever does not know this kind may pass over it."""


class Header(NamedTuple):
    """What precedes every event; `at` is in whole seconds, `end` where the event ends in its file, or 0."""

    at: int
    type: int
    server: int
    length: int
    end: int
    flags: int


def parse_header(event: bytes) -> Header:
    """The header of an event of at least HEADER_LENGTH bytes."""
    return Header._make(_HEADER.unpack_from(event))


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a server's log: a file's name, and the byte in it."""

    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class FormatDescribed:
    """A file begins: who wrote it, and whether its events end in a checksum."""

    server_version: bytes
    has_checksums: bool


@dataclass(frozen=True, slots=True)
class Rotated:
    """What follows stands there."""

    position: Position


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing was written for a while; the log ends there."""

    position: Position


@dataclass(frozen=True, slots=True)
class TransactionBegan:
    """A transaction, or a statement that is one, begins; `gtid` as the server's SQL writes it, or nothing.

    `committed_at` is when it was committed, in seconds since 1970; MariaDB tells when its last statement began instead.
    `flags` are the server's: on MariaDB those of dbmux.wire.binlog.gtid.GroupFlag.
    """

    gtid: str
    committed_at: float
    flags: int = 0


@dataclass(frozen=True, slots=True)
class GtidsBefore:
    """A file begins, and these transactions stand in the files before it, as the server's SQL writes them."""

    gtids: str


@dataclass(frozen=True, slots=True)
class RowsExplained:
    """The statement that made the rows which follow, as the client wrote it, in a character set that is not told."""

    text: bytes


@dataclass(frozen=True, slots=True)
class TableMap:
    """Rows of this table follow, or are changed by a foreign key; `columns` says how they look, as it came."""

    id: int
    schema: str
    table: str
    columns: bytes
    family: Family


class RowsChanged(NamedTuple):
    """Rows of this table were inserted, updated or deleted: `type` says which, and `body` which rows, as they came.

    dbmux.wire.binlog.changes reads them.
    """

    table: TableMap
    type: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that replicas run themselves: a definition, or a write that is not logged by rows.

    `text` is in the character set of the collation with the number `charset` (None: not told); `sql_mode` has the
    server's bits; `error` is the number of the error with which it ended, after it had changed something. It began `at`
    that many seconds after 1970; `time_zone` is empty where that was of no account to it, `increment` are its session's
    auto_increment_increment and auto_increment_offset.
    """

    schema: str
    text: bytes
    sql_mode: int
    charset: int | None
    error: int = 0
    at: float = 0.0
    time_zone: str = ""
    increment: tuple[int, int] = (1, 1)
    checks_keys: bool = True


class Counter(IntEnum):
    """A number that the next statement is run with."""

    LAST_INSERT_ID = 1
    INSERT_ID = 2


@dataclass(frozen=True, slots=True)
class CounterSet:
    """The next statement is run with this number."""

    counter: int
    value: int


@dataclass(frozen=True, slots=True)
class SeedsSet:
    """The next statement's RAND() begins with these."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class UserVariableSet:
    """The next statement is run with this user variable.

    `kind` is the server's number of a result's kind (0 string, 1 real, 2 integer, 4 decimal), `value` has its bytes in
    the server's form, or is None for NULL.
    """

    name: str
    value: bytes | None
    kind: int = 0
    charset: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class XaBegan:
    """What follows is the first phase of the transaction `xid`."""

    xid: str


@dataclass(frozen=True, slots=True)
class XaPrepared:
    """What the transaction changed is changed for others only when `xid` is committed."""

    xid: str


@dataclass(frozen=True, slots=True)
class XaCommitted:
    """What was prepared as `xid` is changed now."""

    xid: str


@dataclass(frozen=True, slots=True)
class XaRolledBack:
    """What was prepared as `xid` is not changed."""

    xid: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The transaction's last event ends there: a place from which reading may go on."""

    position: Position


Event = (
    FormatDescribed
    | Rotated
    | Heartbeat
    | GtidsBefore
    | TransactionBegan
    | RowsExplained
    | TableMap
    | RowsChanged
    | CounterSet
    | SeedsSet
    | UserVariableSet
    | Statement
    | XaBegan
    | XaPrepared
    | XaCommitted
    | XaRolledBack
    | Committed
)
