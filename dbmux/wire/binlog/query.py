"""Statements in the log: the text that replicas run, and under what they read it.

The event's body comes in, a Statement goes out. Of the status variables only the sql_mode and the character set are
kept; behind one that is not known nothing can be read, which loses nothing: those two are written among the first.
(Manual pages "Query Event" of both servers; MariaDB's "Query Compressed Event".)
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

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


def _skip_short_text(reader: Reader) -> None:
    reader.take(reader.integer(1))


_SKIP: dict[int, Callable[[Reader], object]] = {
    _Variable.FLAGS: lambda reader: reader.take(4),
    _Variable.CATALOG: lambda reader: reader.take(reader.integer(1) + 1),
    _Variable.AUTO_INCREMENT: lambda reader: reader.take(4),
    _Variable.TIME_ZONE: _skip_short_text,
    _Variable.CATALOG_WITHOUT_NUL: _skip_short_text,
    _Variable.LC_TIME_NAMES: lambda reader: reader.take(2),
    _Variable.CHARSET_DATABASE: lambda reader: reader.take(2),
    _Variable.TABLE_MAP_FOR_UPDATE: lambda reader: reader.take(8),
    _Variable.MASTER_DATA_WRITTEN: lambda reader: reader.take(4),
}


def parse_query(body: bytes) -> Statement:
    """Read a statement; raises ProtocolError."""
    return _parse(body, 0, lambda text: text)


def parse_load_query(body: bytes) -> Statement:
    """Read a LOAD DATA that is logged as a statement; raises ProtocolError."""
    return _parse(body, LOAD_LENGTH, lambda text: text)


def parse_compressed_query(body: bytes) -> Statement:
    """Read a statement that MariaDB has compressed; raises ProtocolError."""
    return _parse(body, 0, decompress)


def _parse(body: bytes, further: int, read: Callable[[bytes], bytes]) -> Statement:
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    # The connection's number and how long it took.
    reader.take(8)
    schema_length = reader.integer(1)
    error, variables_length = reader.integer(2), reader.integer(2)
    reader.take(further)
    sql_mode, charset = _variables(reader.take(variables_length))
    schema = reader.take(schema_length + 1)[:-1].decode(errors="surrogateescape")
    return Statement(schema, read(reader.rest()), sql_mode, charset, error)


def _variables(data: bytes) -> tuple[int, int | None]:
    reader = Reader(data, ErrorCode.MALFORMED_REPLY)
    sql_mode, charset = 0, None
    while reader.remaining:
        match reader.integer(1):
            case _Variable.SQL_MODE:
                sql_mode = reader.integer(8)
            case _Variable.CHARSET:
                charset = reader.integer(2)
                # Those of the connection and of the server.
                reader.take(4)
            case number if number in _SKIP:
                _SKIP[number](reader)
            case _:
                break
    return sql_mode, charset
