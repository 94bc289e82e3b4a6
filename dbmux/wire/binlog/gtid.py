"""Events that begin a transaction: its GTID, in the three forms that there are; and those of the files before one.

The event's body comes in; out go GTIDs as SQL writes them (`uuid:5`, `uuid:tag:5`, `0-1-5`) and what else is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from uuid import UUID

from dbmux.errors import ErrorCode
from dbmux.wire.binlog.events import GtidsBefore, Header, TransactionBegan
from dbmux.wire.buffer import Reader

MICROSECONDS = 1_000_000
UUID_LENGTH = 16
# Behind the numbers for MySQL's parallel replicas, whose first byte has this value, stands when it was committed.
_LOGICAL_TIMESTAMPS = 2
_HAS_ORIGINAL_TIME = 1 << 55
# Number, domain and flags.
_MARIADB_HEAD = Struct("<QIB")


def parse_gtid(body: bytes, header: Header) -> TransactionBegan:
    """Of MySQL's GTID event; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    flags = reader.integer(1)
    gtid = f"{UUID(bytes=reader.take(UUID_LENGTH))}:{reader.integer(8)}"
    return TransactionBegan(gtid, _committed(reader, header), flags)


def parse_anonymous_gtid(body: bytes, header: Header) -> TransactionBegan:
    """Of the same event, of a server that has no GTIDs; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    flags = reader.integer(1)
    reader.take(UUID_LENGTH + 8)
    return TransactionBegan("", _committed(reader, header), flags)


def _committed(reader: Reader, header: Header) -> float:
    # MySQL 5.7 ends before it.
    if reader.remaining < 1 + 16 + 7 or reader.integer(1) != _LOGICAL_TIMESTAMPS:
        return float(header.at)
    reader.take(16)
    return (reader.integer(7) & ~_HAS_ORIGINAL_TIME) / MICROSECONDS


class _Field(IntEnum):
    """What a tagged GTID event says, in this order; what it does not say is left out."""

    FLAGS = 0
    SOURCE = 1
    NUMBER = 2
    TAG = 3
    LAST_COMMITTED = 4
    SEQUENCE_NUMBER = 5
    COMMITTED_AT = 6


def parse_tagged_gtid(body: bytes, header: Header) -> TransactionBegan:
    """Of MySQL's event for GTIDs with a tag, written in its serialisation library's form; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    # The form's version, the length, and the last field that may not be passed over.
    for _ in range(3):
        _number(reader)
    source, tag, number, committed_at, flags = b"", b"", 0, header.at * MICROSECONDS, 0
    while reader.remaining:
        match _number(reader):
            case _Field.SOURCE:
                source = bytes(_number(reader) & 0xFF for _ in range(UUID_LENGTH))
            case _Field.NUMBER:
                number = _signed(reader)
            case _Field.TAG:
                tag = reader.take(_number(reader))
            case _Field.FLAGS:
                flags = _number(reader)
            case _Field.LAST_COMMITTED | _Field.SEQUENCE_NUMBER:
                _number(reader)
            case _Field.COMMITTED_AT:
                committed_at = _number(reader)
                break
            case field:
                raise reader.error(f"field {field} of a GTID comes out of order")
    if not source:
        raise reader.error("a GTID has no source")
    parts = [str(UUID(bytes=source)), tag.decode("ascii", "replace"), str(number)]
    return TransactionBegan(":".join(filter(None, parts)), committed_at / MICROSECONDS, flags)


def _number(reader: Reader) -> int:
    # As many ones as end the first byte, so many more bytes there are.
    first = reader.integer(1)
    more = (first ^ (first + 1)).bit_length() - 1
    rest = reader.integer(more) if more else 0
    return rest if more == 8 else (first >> (more + 1)) | rest << (7 - more)


def _signed(reader: Reader) -> int:
    value = _number(reader)
    return ~(value >> 1) if value & 1 else value >> 1


class GroupFlag(IntFlag):
    """What MariaDB says of a transaction at its beginning."""

    STANDALONE = 1
    """It is one statement, and no commit follows."""
    GROUP_COMMIT = 2
    """Others were committed with it; which ones is told next."""
    TRANSACTIONAL = 4
    """All of it can be rolled back."""
    ALLOW_PARALLEL = 8
    WAITED = 16
    DEFINITION = 32
    PREPARED_XA = 64
    """It ends by being prepared."""
    COMPLETED_XA = 128
    """It commits what was prepared before, or rolls that back."""


# As plain numbers: the flags' own arithmetic takes longer than all else here, once a transaction.
_STANDALONE, _GROUP_COMMIT, _PREPARED_XA = (
    int(flag) for flag in (GroupFlag.STANDALONE, GroupFlag.GROUP_COMMIT, GroupFlag.PREPARED_XA)
)


@dataclass(frozen=True, slots=True)
class MariaDbGroup:
    """A MariaDB transaction's beginning; where `is_standalone`, its first statement is its last. `xid` is the name of
    one that is only being prepared."""

    began: TransactionBegan
    is_standalone: bool
    xid: str = ""


def parse_mariadb_gtid(body: bytes, header: Header) -> MariaDbGroup:
    """Of MariaDB's GTID event; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    number, domain, flags = _MARIADB_HEAD.unpack(reader.take(_MARIADB_HEAD.size))
    began = TransactionBegan(f"{domain}-{header.server}-{number}", float(header.at), flags)
    xid = ""
    if flags & _PREPARED_XA:
        if flags & _GROUP_COMMIT:
            reader.take(8)
        form, global_length, branch_length = reader.integer(4), reader.integer(1), reader.integer(1)
        xid = xid_of(form, reader.take(global_length), reader.take(branch_length))
    return MariaDbGroup(began, bool(flags & _STANDALONE), xid)


def xid_of(form: int, global_part: bytes, branch: bytes) -> str:
    """The name of a transaction in two phases as SQL writes it, in small letters."""
    return f"x'{global_part.hex()}',x'{branch.hex()}',{form}"


# The first byte says whether there are tags, and so does the last of the count.
_TAGGED = 1


def parse_gtids_before(body: bytes) -> GtidsBefore:
    """Of MySQL's list at the beginning of a file; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    count, is_tagged = reader.integer(8), False
    if count >> 56 == _TAGGED:
        count, is_tagged = count >> 8 & 0xFFFFFFFFFFFF, True
    told: dict[str, list[str]] = {}
    for _ in range(count):
        parts = told.setdefault(str(UUID(bytes=reader.take(UUID_LENGTH))), [])
        if tag := reader.take(_number(reader)) if is_tagged else b"":
            parts.append(tag.decode("ascii", "replace"))
        for _ in range(reader.integer(8)):
            first, behind = reader.integer(8), reader.integer(8)
            parts.append(f"{first}-{behind - 1}" if behind - first > 1 else f"{first}")
    return GtidsBefore(",".join(":".join((source, *parts)) for source, parts in told.items()))


_GTID_COUNT = (1 << 28) - 1


def parse_mariadb_gtid_list(body: bytes) -> GtidsBefore:
    """Of MariaDB's list at the beginning of a file; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    gtids = []
    # Above the count are flags.
    for _ in range(reader.integer(4) & _GTID_COUNT):
        domain, server, number = reader.integer(4), reader.integer(4), reader.integer(8)
        gtids.append(f"{domain}-{server}-{number}")
    return GtidsBefore(",".join(gtids))
