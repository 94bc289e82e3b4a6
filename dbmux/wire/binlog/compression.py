"""What MariaDB compresses by itself: statements, rows, and the values of columns that are declared COMPRESSED.

Compressed bytes come in, the original goes out; nothing is made that is longer than was told. (Manual pages "Query
Compressed Event" and "Storage-Engine Independent Column Compression"; the latter's bytes as seen on 10.11 and 11.8.)
"""

from __future__ import annotations

import zlib

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.buffer import Reader

# What max_allowed_packet can be at most: neither a statement nor a value is longer.
LENGTH_LIMIT = 1 << 30
_ZLIB, _COLUMN_ZLIB = 0, 8
_RAW_DEFLATE = -zlib.MAX_WBITS


def decompress(data: bytes) -> bytes:
    """A statement or an event's rows: a byte of flags, the length with its first byte first, and zlib's own form."""
    reader = Reader(data, ErrorCode.MALFORMED_REPLY)
    flags = reader.integer(1)
    length = int.from_bytes(reader.take(flags & 7), "big")
    if not flags & 0x80 or flags >> 4 & 7 != _ZLIB:
        raise reader.error("not compressed in a way that is known")
    return _inflate(reader, length, zlib.MAX_WBITS)


def decompress_value(data: bytes) -> bytes:
    """A column's value: a zero byte and what was not worth it, or a byte of flags, the length and zlib's."""
    if not data or not data[0]:
        return data[1:]
    reader = Reader(data, ErrorCode.MALFORMED_REPLY)
    flags = reader.integer(1)
    length = int.from_bytes(reader.take(flags & 7), "big")
    if flags >> 4 != _COLUMN_ZLIB:
        raise reader.error(f"a column's compression {flags >> 4} is not known")
    return _inflate(reader, length, _RAW_DEFLATE if flags & 8 else zlib.MAX_WBITS)


def _inflate(reader: Reader, length: int, window: int) -> bytes:
    if length > LENGTH_LIMIT:
        raise reader.error("not compressed in a way that is known")
    machine = zlib.decompressobj(window)
    try:
        text = machine.decompress(reader.rest(), length + 1)
    except zlib.error as error:
        raise reader.error(f"what is compressed is broken: {error}") from error
    if len(text) != length or not machine.eof:
        raise ProtocolError(
            ErrorCode.MALFORMED_REPLY, "what is compressed is cut off, or has not the length that it tells"
        )
    return text
