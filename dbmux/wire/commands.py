"""Every command byte of MySQL 5.7 to 9.x and MariaDB 10.6 to 11.x, and the shape of the answer to each.

A `Shape` tells the reply scanner how the answer begins. Commands without one in SHAPES are refused with error 1047, but
for COM_QUIT and COM_CHANGE_USER; why is said in REFUSED. Source: manual page "Command Phase" of both servers.
"""

from __future__ import annotations

from enum import IntEnum


class Command(IntEnum):
    """The first byte of a command."""

    SLEEP = 0x00
    QUIT = 0x01
    INIT_DB = 0x02
    QUERY = 0x03
    FIELD_LIST = 0x04
    CREATE_DB = 0x05
    DROP_DB = 0x06
    REFRESH = 0x07
    SHUTDOWN = 0x08
    STATISTICS = 0x09
    PROCESS_INFO = 0x0A
    CONNECT = 0x0B
    PROCESS_KILL = 0x0C
    DEBUG = 0x0D
    PING = 0x0E
    TIME = 0x0F
    DELAYED_INSERT = 0x10
    CHANGE_USER = 0x11
    BINLOG_DUMP = 0x12
    TABLE_DUMP = 0x13
    CONNECT_OUT = 0x14
    REGISTER_SLAVE = 0x15
    STMT_PREPARE = 0x16
    STMT_EXECUTE = 0x17
    STMT_SEND_LONG_DATA = 0x18
    STMT_CLOSE = 0x19
    STMT_RESET = 0x1A
    SET_OPTION = 0x1B
    STMT_FETCH = 0x1C
    DAEMON = 0x1D
    BINLOG_DUMP_GTID = 0x1E
    RESET_CONNECTION = 0x1F
    CLONE = 0x20
    SUBSCRIBE_GROUP_REPLICATION = 0x21
    MARIADB_STMT_BULK_EXECUTE = 0xFA
    MARIADB_SLAVE_WORKER = 0xFB
    MARIADB_SLAVE_IO = 0xFC
    MARIADB_SLAVE_SQL = 0xFD
    MARIADB_MULTI = 0xFE


class Shape(IntEnum):
    """How the answer to a command begins; the numbers are shared with the kernel."""

    NONE = 0
    RESULT = 1
    SIMPLE = 2
    PREPARED = 3
    ROWS = 4
    TEXT = 5


SHAPES: dict[int, Shape] = {
    Command.INIT_DB: Shape.SIMPLE,
    Command.QUERY: Shape.RESULT,
    Command.FIELD_LIST: Shape.ROWS,
    Command.CREATE_DB: Shape.SIMPLE,
    Command.DROP_DB: Shape.SIMPLE,
    Command.REFRESH: Shape.SIMPLE,
    Command.SHUTDOWN: Shape.SIMPLE,
    Command.STATISTICS: Shape.TEXT,
    Command.PROCESS_INFO: Shape.RESULT,
    Command.PROCESS_KILL: Shape.SIMPLE,
    Command.DEBUG: Shape.SIMPLE,
    Command.PING: Shape.SIMPLE,
    Command.BINLOG_DUMP: Shape.ROWS,
    Command.REGISTER_SLAVE: Shape.SIMPLE,
    Command.STMT_PREPARE: Shape.PREPARED,
    Command.STMT_EXECUTE: Shape.RESULT,
    Command.STMT_SEND_LONG_DATA: Shape.NONE,
    Command.STMT_CLOSE: Shape.NONE,
    Command.STMT_RESET: Shape.SIMPLE,
    Command.SET_OPTION: Shape.SIMPLE,
    Command.STMT_FETCH: Shape.ROWS,
    Command.BINLOG_DUMP_GTID: Shape.ROWS,
    Command.RESET_CONNECTION: Shape.SIMPLE,
    Command.MARIADB_STMT_BULK_EXECUTE: Shape.RESULT,
}

# The body of COM_SET_OPTION: whether several statements in one text are taken.
SEVERAL, ONE_ALONE = b"\0\0", b"\1\0"

REFUSED: dict[int, str] = {
    Command.SLEEP: "is internal to the server",
    Command.CONNECT: "is internal to the server",
    Command.TIME: "is internal to the server",
    Command.DELAYED_INSERT: "is internal to the server",
    Command.TABLE_DUMP: "was removed from all servers",
    Command.CONNECT_OUT: "is internal to the server",
    Command.DAEMON: "is internal to the server",
    Command.CLONE: "leaves the MySQL protocol; connect to the server directly to clone it",
    Command.SUBSCRIBE_GROUP_REPLICATION: "is between servers; connect to the server directly",
    Command.MARIADB_SLAVE_WORKER: "is internal to the server",
    Command.MARIADB_SLAVE_IO: "is internal to the server",
    Command.MARIADB_SLAVE_SQL: "is internal to the server",
    Command.MARIADB_MULTI: "was removed from MariaDB",
}
