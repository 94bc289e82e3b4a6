"""Column definitions: what a result says of each of its columns, and a prepared statement of its parameters.

Payloads come in and values go out, and back without a loss. Rule: manual page "Column Definition Packet", and MariaDB's
of the same name for the extended metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from dbmux.errors import ErrorCode
from dbmux.wire.buffer import Reader, lenenc, lenenc_bytes
from dbmux.wire.capabilities import Capability

FIXED_LENGTH = 12
BINARY_CHARSET = 63


class FieldType(IntEnum):
    """The type of a column on the wire."""

    DECIMAL = 0
    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    NULL = 6
    TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    TIME = 11
    DATETIME = 12
    YEAR = 13
    NEWDATE = 14
    VARCHAR = 15
    BIT = 16
    VECTOR = 242
    JSON = 245
    NEWDECIMAL = 246
    ENUM = 247
    SET = 248
    TINY_BLOB = 249
    MEDIUM_BLOB = 250
    LONG_BLOB = 251
    BLOB = 252
    VAR_STRING = 253
    STRING = 254
    GEOMETRY = 255


class FieldFlag(IntFlag):
    """What else is said of a column."""

    NOT_NULL = 0x0001
    PRIMARY_KEY = 0x0002
    UNIQUE_KEY = 0x0004
    MULTIPLE_KEY = 0x0008
    BLOB = 0x0010
    UNSIGNED = 0x0020
    ZEROFILL = 0x0040
    BINARY = 0x0080
    ENUM = 0x0100
    AUTO_INCREMENT = 0x0200
    TIMESTAMP = 0x0400
    SET = 0x0800
    NO_DEFAULT = 0x1000
    ON_UPDATE_NOW = 0x2000
    NUMERIC = 0x8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One definition; names are in the connection's character set.

    `extended` is MariaDB's extended metadata as it came; `default` a column's default value, which only COM_FIELD_LIST
    reports.
    """

    name: bytes
    type: int
    charset: int = BINARY_CHARSET
    length: int = 0
    flags: int = 0
    decimals: int = 0
    catalog: bytes = b"def"
    schema: bytes = b""
    table: bytes = b""
    original_table: bytes = b""
    original_name: bytes = b""
    extended: bytes = b""
    default: bytes = b""

    @property
    def is_unsigned(self) -> bool:
        """Whether integers of this column have no sign."""
        return bool(self.flags & FieldFlag.UNSIGNED)

    def build(self, capabilities: int) -> bytes:
        """The payload for a connection with these capabilities."""
        names = (self.catalog, self.schema, self.table, self.original_table, self.name, self.original_name)
        parts = [lenenc_bytes(name) for name in names]
        if capabilities & Capability.MARIADB_EXTENDED_METADATA:
            parts.append(lenenc_bytes(self.extended))
        parts += (
            lenenc(FIXED_LENGTH),
            self.charset.to_bytes(2, "little"),
            self.length.to_bytes(4, "little"),
            bytes((self.type,)),
            self.flags.to_bytes(2, "little"),
            bytes((self.decimals, 0, 0)),
            self.default,
        )
        return b"".join(parts)


def parse_column(payload: bytes, capabilities: int) -> Column:
    """Read a definition; raises ProtocolError."""
    reader = Reader(payload, ErrorCode.MALFORMED_REPLY)
    catalog, schema, table, original_table, name, original_name = (reader.lenenc_bytes() for _ in range(6))
    extended = reader.lenenc_bytes() if capabilities & Capability.MARIADB_EXTENDED_METADATA else b""
    if reader.lenenc() != FIXED_LENGTH:
        raise reader.error("a column definition has another length of its fixed part")
    charset, length, kind = reader.integer(2), reader.integer(4), reader.integer(1)
    flags, decimals = reader.integer(2), reader.integer(1)
    reader.take(2)
    return Column(
        name=name,
        type=kind,
        charset=charset,
        length=length,
        flags=flags,
        decimals=decimals,
        catalog=catalog,
        schema=schema,
        table=table,
        original_table=original_table,
        original_name=original_name,
        extended=extended,
        default=reader.rest(),
    )
