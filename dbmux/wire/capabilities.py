"""What two sides of a connection agree on in the login: manual page "Capabilities Flags".

MariaDB's own flags are the bits from 32 on. `OFFERED` names all that DbMux passes through when the server behind has
it too; every other flag is known by name and refused by leaving it out of the greeting.
"""

from __future__ import annotations

from enum import IntEnum


class Capability(IntEnum):
    """One bit of the agreement."""

    LONG_PASSWORD = 1 << 0
    FOUND_ROWS = 1 << 1
    LONG_FLAG = 1 << 2
    CONNECT_WITH_DB = 1 << 3
    NO_SCHEMA = 1 << 4
    COMPRESS = 1 << 5
    ODBC = 1 << 6
    LOCAL_FILES = 1 << 7
    IGNORE_SPACE = 1 << 8
    PROTOCOL_41 = 1 << 9
    INTERACTIVE = 1 << 10
    SSL = 1 << 11
    IGNORE_SIGPIPE = 1 << 12
    TRANSACTIONS = 1 << 13
    RESERVED = 1 << 14
    SECURE_CONNECTION = 1 << 15
    MULTI_STATEMENTS = 1 << 16
    MULTI_RESULTS = 1 << 17
    PS_MULTI_RESULTS = 1 << 18
    PLUGIN_AUTH = 1 << 19
    CONNECT_ATTRS = 1 << 20
    PLUGIN_AUTH_LENENC = 1 << 21
    EXPIRED_PASSWORDS = 1 << 22
    SESSION_TRACK = 1 << 23
    DEPRECATE_EOF = 1 << 24
    OPTIONAL_METADATA = 1 << 25
    ZSTD = 1 << 26
    QUERY_ATTRIBUTES = 1 << 27
    MULTI_FACTOR = 1 << 28
    EXTENSION = 1 << 29
    SSL_VERIFY = 1 << 30
    REMEMBER_OPTIONS = 1 << 31
    MARIADB_PROGRESS = 1 << 32
    MARIADB_MULTI = 1 << 33
    MARIADB_BULK = 1 << 34
    MARIADB_EXTENDED_METADATA = 1 << 35
    MARIADB_CACHE_METADATA = 1 << 36
    MARIADB_BULK_RESULTS = 1 << 37


C = Capability
OFFERED = (
    C.LONG_PASSWORD | C.FOUND_ROWS | C.LONG_FLAG | C.CONNECT_WITH_DB | C.NO_SCHEMA | C.ODBC | C.LOCAL_FILES
    | C.IGNORE_SPACE | C.PROTOCOL_41 | C.INTERACTIVE | C.IGNORE_SIGPIPE | C.TRANSACTIONS | C.RESERVED
    | C.SECURE_CONNECTION | C.MULTI_STATEMENTS | C.MULTI_RESULTS | C.PS_MULTI_RESULTS | C.PLUGIN_AUTH
    | C.CONNECT_ATTRS | C.PLUGIN_AUTH_LENENC | C.EXPIRED_PASSWORDS | C.SESSION_TRACK | C.DEPRECATE_EOF
    | C.QUERY_ATTRIBUTES | C.REMEMBER_OPTIONS | C.MARIADB_BULK | C.MARIADB_EXTENDED_METADATA
)  # fmt: skip
NEEDED = C.PROTOCOL_41 | C.SECURE_CONNECTION | C.PLUGIN_AUTH
REFRAMING = C.COMPRESS | C.ZSTD | C.OPTIONAL_METADATA | C.MARIADB_CACHE_METADATA


def names(flags: int) -> str:
    """The flags by name, for messages to people."""
    return ", ".join(flag.name for flag in Capability if flags & flag)
