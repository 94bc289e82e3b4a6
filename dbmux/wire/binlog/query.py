"""Statements in the log: the text that replicas run, and under what they read it.

The event's body comes in, a Statement goes out. Status variables that mean nothing to who runs it elsewhere are passed
over; behind one that is not known nothing can be read, which loses no more than parts of a second: the others are
written among the first. (Manual pages "Query Event" of both servers; MariaDB's "Query Compressed Event".)
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from dbmux.errors import ErrorCode
from dbmux.wire.binlog.compression import decompress
from dbmux.wire.binlog.events import Statement
from dbmux.wire.buffer import Reader

# What stands behind the ordinary head where a file was loaded.
LOAD_LENGTH = 13


class _Variable(IntEnum):
    """The status variables up to the last that is of interest; all are written in the order of no number."""

    FLAGS = 0
    SQL_MODE = 1
    CATALOG = 2
    AUTO_INCREMENT = 3
    CHARSET = 4
    TIME_ZONE = 5
    CATALOG_WITHOUT_NUL = 6
    LC_TIME_NAMES = 7
    CHARSET_DATABASE = 8
    TABLE_MAP_FOR_UPDATE = 9
    MASTER_DATA_WRITTEN = 10
    INVOKER = 11
    SCHEMAS = 12
    MICROSECONDS = 13
    MARIADB_MICROSECONDS = 128


# Of the flags: the session does not check foreign keys.
_CHECKS_NO_KEYS = 1 << 26
# Instead of a count: more schemas than are written.
_TOO_MANY_SCHEMAS = 254


def _short_text(reader: Reader) -> bytes:
    return reader.take(reader.integer(1))


def _charset(reader: Reader) -> int:
    charset = reader.integer(2)
    # Those of the connection and of the server.
    reader.take(4)
    return charset


def _schemas(reader: Reader) -> None:
    count = reader.integer(1)
    for _ in range(count if count != _TOO_MANY_SCHEMAS else 0):
        reader.until_nul()


_READ: dict[int, Callable[[Reader], Any]] = {
    _Variable.FLAGS: lambda reader: reader.integer(4),
    _Variable.SQL_MODE: lambda reader: reader.integer(8),
    _Variable.CATALOG: lambda reader: reader.take(reader.integer(1) + 1),
    _Variable.AUTO_INCREMENT: lambda reader: (reader.integer(2), reader.integer(2)),
    _Variable.CHARSET: _charset,
    _Variable.TIME_ZONE: _short_text,
    _Variable.CATALOG_WITHOUT_NUL: _short_text,
    _Variable.LC_TIME_NAMES: lambda reader: reader.take(2),
    _Variable.CHARSET_DATABASE: lambda reader: reader.take(2),
    _Variable.TABLE_MAP_FOR_UPDATE: lambda reader: reader.take(8),
    _Variable.MASTER_DATA_WRITTEN: lambda reader: reader.take(4),
    _Variable.INVOKER: lambda reader: (_short_text(reader), _short_text(reader)),
    _Variable.SCHEMAS: _schemas,
    _Variable.MICROSECONDS: lambda reader: reader.integer(3),
    _Variable.MARIADB_MICROSECONDS: lambda reader: reader.integer(3),
}


def parse_query(body: bytes, at: int) -> Statement:
    """Read a statement that began in this second; raises ProtocolError."""
    return _parse(body, at, 0, lambda text: text)


def parse_load_query(body: bytes, at: int) -> Statement:
    """Read a LOAD DATA that is logged as a statement; raises ProtocolError."""
    return _parse(body, at, LOAD_LENGTH, lambda text: text)


def parse_compressed_query(body: bytes, at: int) -> Statement:
    """Read a statement that MariaDB has compressed; raises ProtocolError."""
    return _parse(body, at, 0, decompress)


def _parse(body: bytes, at: int, further: int, read: Callable[[bytes], bytes]) -> Statement:
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    # The connection's number and how long it took.
    reader.take(8)
    schema_length = reader.integer(1)
    error, variables_length = reader.integer(2), reader.integer(2)
    reader.take(further)
    told = _variables(reader.take(variables_length))
    schema = reader.take(schema_length + 1)[:-1].decode(errors="surrogateescape")
    microseconds = told.get(_Variable.MICROSECONDS, 0) or told.get(_Variable.MARIADB_MICROSECONDS, 0)
    return Statement(
        schema,
        read(reader.rest()),
        sql_mode=told.get(_Variable.SQL_MODE, 0),
        charset=told.get(_Variable.CHARSET),
        error=error,
        at=at + microseconds / 1e6,
        time_zone=told.get(_Variable.TIME_ZONE, b"").decode(errors="replace"),
        increment=told.get(_Variable.AUTO_INCREMENT, (1, 1)),
        checks_keys=not told.get(_Variable.FLAGS, 0) & _CHECKS_NO_KEYS,
    )


def _variables(data: bytes) -> dict[int, Any]:
    reader = Reader(data, ErrorCode.MALFORMED_REPLY)
    told: dict[int, Any] = {}
    while reader.remaining and (read := _READ.get(number := reader.integer(1))) is not None:
        told[number] = read(reader)
    return told
