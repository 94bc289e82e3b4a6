"""Reads how a table's rows are logged.

What a table map holds behind the names comes in, a Layout goes out; what it says of the columns beside their types is
read by dbmux.wire.binlog.metadata. (Manual pages "Table_map_event" of both servers.)
"""

from __future__ import annotations

from dataclasses import replace

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.binlog.columns import Column, Family, Layout, LoggedType
from dbmux.wire.binlog.metadata import told_of
from dbmux.wire.buffer import Reader

T = LoggedType
# More than any server allows.
_COLUMNS_LIMIT = 1 << 16
_FRACTIONS = frozenset((T.TIMESTAMP, T.DATETIME, T.TIME))
_BLOBS = frozenset((T.TINY_BLOB, T.MEDIUM_BLOB, T.LONG_BLOB, T.BLOB, T.BLOB_COMPRESSED))
_ONE_BYTE = _BLOBS | _FRACTIONS | {T.FLOAT, T.DOUBLE, T.GEOMETRY, T.JSON, T.VECTOR}
_TWO_BYTES = frozenset((T.VARCHAR, T.VARCHAR_COMPRESSED, T.BIT, T.DECIMAL, T.ENUM, T.SET, T.VAR_STRING))


def parse_layout(columns: bytes, family: Family) -> Layout:
    """Read what stands behind the names of a table map; raises ProtocolError."""
    reader = Reader(columns, ErrorCode.MALFORMED_REPLY)
    count = reader.lenenc()
    if count > _COLUMNS_LIMIT:
        raise reader.error(f"a table of {count} columns")
    types = reader.take(count)
    metadata = Reader(reader.lenenc_bytes(), reader.blame)
    nullable = reader.take((count + 7) // 8)
    found = [
        replace(_column(type_, metadata), is_nullable=bool(nullable[place >> 3] >> (place & 7) & 1))
        for place, type_ in enumerate(types)
    ]
    if metadata.remaining:
        raise metadata.error("more is told of the columns' types than there are columns")
    return told_of(found, family, reader)


def _column(number: int, metadata: Reader) -> Column:
    if number == T.STRING:
        return _fixed_string(metadata)
    try:
        type_ = LoggedType(number)
    except ValueError:
        raise ProtocolError(
            ErrorCode.NOT_SUPPORTED, f"the binary log has a column of type {number}, which is not known"
        ) from None
    if type_ in _ONE_BYTE:
        size = metadata.integer(1)
        return Column(type=type_, decimals=size) if type_ in _FRACTIONS else Column(type=type_, size=size)
    if type_ not in _TWO_BYTES:
        return Column(type=type_)
    match type_:
        case T.DECIMAL:
            digits, decimals = metadata.take(2)
            return Column(type=type_, size=digits, decimals=decimals)
        case T.BIT:
            bits, whole = metadata.take(2)
            return Column(type=type_, size=whole * 8 + bits)
        case T.ENUM | T.SET:
            return Column(type=type_, size=metadata.take(2)[1])
        case _:
            return Column(type=type_, size=metadata.integer(2))


def _fixed_string(metadata: Reader) -> Column:
    # Two bits of a length beyond 255 stand, inverted, in the type's byte.
    real, size = metadata.take(2)
    if real & 0x30 != 0x30:
        size |= (real & 0x30 ^ 0x30) << 4
        real |= 0x30
    if real not in (T.STRING, T.VAR_STRING, T.ENUM, T.SET):
        raise metadata.error(f"{real} is no type of a string")
    return Column(type=LoggedType(real), size=size)
