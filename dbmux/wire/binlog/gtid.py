"""Events that begin a transaction: its GTID, in the three forms that there are.

The event's body comes in; out go the GTID as SQL writes it (`uuid:5`, `uuid:tag:5`, `0-1-5`) and what else is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from uuid import UUID

from dbmux.errors import ErrorCode
from dbmux.wire.binlog.events import Header, TransactionBegan
from dbmux.wire.buffer import Reader

MICROSECONDS = 1_000_000
UUID_LENGTH = 16
# Behind the numbers for MySQL's parallel replicas, whose first byte has this value, stands when it was committed.
_LOGICAL_TIMESTAMPS = 2
_HAS_ORIGINAL_TIME = 1 << 55


def parse_gtid(body: bytes, header: Header) -> TransactionBegan:
    """Of MySQL's GTID event; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    reader.take(1)
    return TransactionBegan(f"{UUID(bytes=reader.take(UUID_LENGTH))}:{reader.integer(8)}", _committed(reader, header))


def parse_anonymous_gtid(body: bytes, header: Header) -> TransactionBegan:
    """Of the same event, of a server that has no GTIDs; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    reader.take(1 + UUID_LENGTH + 8)
    return TransactionBegan("", _committed(reader, header))


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
    source, tag, number, committed_at = b"", b"", 0, header.at * MICROSECONDS
    while reader.remaining:
        match _number(reader):
            case _Field.SOURCE:
                source = bytes(_number(reader) & 0xFF for _ in range(UUID_LENGTH))
            case _Field.NUMBER:
                number = _signed(reader)
            case _Field.TAG:
                tag = reader.take(_number(reader))
            case _Field.FLAGS | _Field.LAST_COMMITTED | _Field.SEQUENCE_NUMBER:
                _number(reader)
            case _Field.COMMITTED_AT:
                committed_at = _number(reader)
                break
            case field:
                raise reader.error(f"field {field} of a GTID comes out of order")
    if not source:
        raise reader.error("a GTID has no source")
    parts = [str(UUID(bytes=source)), tag.decode("ascii", "replace"), str(number)]
    return TransactionBegan(":".join(filter(None, parts)), committed_at / MICROSECONDS)


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


@dataclass(frozen=True, slots=True)
class MariaDbGroup:
    """A MariaDB transaction's beginning; where `is_standalone`, its first statement is its last."""

    began: TransactionBegan
    is_standalone: bool


def parse_mariadb_gtid(body: bytes, header: Header) -> MariaDbGroup:
    """Of MariaDB's GTID event; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    number, domain, flags = reader.integer(8), reader.integer(4), reader.integer(1)
    began = TransactionBegan(f"{domain}-{header.server}-{number}", float(header.at))
    return MariaDbGroup(began, bool(flags & GroupFlag.STANDALONE))
