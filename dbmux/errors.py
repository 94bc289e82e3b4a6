"""Every error that DbMux makes itself: number, SQLSTATE and the next step, in one row each.

What a client may see is a `MySQLError`; what stops the program is one of the others. Messages to clients start
with `DbMux:`, say what to do, and never contain a secret. docs/errors.md lists the rows; a test keeps it complete.
"""

from __future__ import annotations

from enum import Enum


class ErrorCode(Enum):
    """MySQL's error number, its SQLSTATE, and when DbMux sends it."""

    HANDSHAKE = (1043, "08S01", "the client did not speak MySQL's login")
    TOO_MANY_CLIENTS = (1040, "08004", "the client limit is reached, of all or of one address")
    BUSY = (1040, "HY000", "all connections to the backend are taken, for longer than timeouts.pool_wait")
    TOO_MANY_OF_USER = (1203, "42000", "the user's client limit is reached")
    BLOCKED = (1129, "HY000", "too many logins from the client's address failed")
    ACCESS_DENIED = (1045, "28000", "user name or password is wrong")
    UNKNOWN_COMMAND = (1047, "08S01", "the command is not known or not supported")
    SHUTDOWN = (1053, "08S01", "DbMux or the session's backend is being drained")
    BAD_HINT = (1064, "42000", "a hint cannot be read, or names what is not there")
    BAD_SQL = (1064, "42000", "a statement to the SQL door cannot be read")
    UNKNOWN_SCHEMA = (1049, "42000", "an account of the SQL door asks for another schema than dbmux")
    NO_SUCH_TABLE = (1146, "42S02", "the SQL door has no table of this name")
    UNKNOWN_VARIABLE = (1193, "HY000", "the SQL door has no system variable of this name")
    UNKNOWN_THREAD = (1094, "HY000", "KILL names a connection that is not here")
    INTERRUPTED = (1317, "70100", "KILL QUERY ended a statement that was still waiting in DbMux")
    TOO_BIG = (1153, "08S01", "a packet or statement is over the limit")
    MALFORMED = (1835, "HY000", "a packet does not have the form its kind must have")
    PACKET_ORDER = (1156, "08S01", "a packet came out of sequence")
    NOT_SUPPORTED = (1235, "42000", "the server could do it, DbMux does not yet")
    AUTH_UNSUPPORTED = (1251, "08004", "the client cannot do the account's way of logging in")
    NO_TYPES = (1210, "HY000", "a prepared statement is executed with values of types that were never sent")
    UNKNOWN_STATEMENT = (1243, "HY000", "a command names a prepared statement that is not there")
    TOO_MANY_STATEMENTS = (1461, "42000", "the session has more prepared statements, or longer ones, than are kept")
    NO_CURSOR = (1421, "HY000", "rows are fetched of a prepared statement without an open cursor")
    SOCKET_ONLY = (1698, "28000", "the account can log in only over the server's own Unix socket")
    TOO_MANY_ROWS = (1104, "42000", "a result has more rows than a rule, a hint or the SQL door allows")
    READ_ONLY = (
        1290,
        "HY000",
        "a write would go to a replica or to the SQL door, or no server of the group can be written to",
    )
    TIMED_OUT_MYSQL = (
        3024,
        "HY000",
        "the query ran longer than timeouts.query, a rule or a hint allows (MySQL), or than the SQL door does",
    )
    TIMED_OUT_MARIADB = (1969, "70100", "the query ran longer than timeouts.query, a rule or a hint allows (MariaDB)")
    # Not 2003: to clients made of MariaDB's C library numbers from 2000 to 2999 are malformed packets.
    UNREACHABLE = (1429, "HY000", "the backend cannot be reached")
    LOST_IN_REPLY = (2013, "HY000", "the backend went away in the middle of a reply")
    MALFORMED_REPLY = (2027, "HY000", "the backend sent what is not a MySQL reply")
    TLS_REQUIRED = (3159, "HY000", "this listener takes clients with TLS only")

    def __init__(self, number: int, sqlstate: str, when: str) -> None:
        self.number = number
        self.sqlstate = sqlstate
        self.when = when


class DbMuxError(Exception):
    """The root of all errors that DbMux raises on purpose."""


class MySQLError(DbMuxError):
    """An error that a client is told: `code` gives number and SQLSTATE, `message` says the next step."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = f"DbMux: {message}"


class ProtocolError(MySQLError):
    """The peer broke MySQL's protocol; its connection cannot be used any further."""


class BackendRefused(DbMuxError):
    """A backend answered with its own ERR packet, to be relayed as it came."""

    def __init__(self, number: int, sqlstate: bytes, message: bytes) -> None:
        super().__init__(f"{number} ({sqlstate.decode('ascii', 'replace')}): {message.decode(errors='replace')}")
        self.number = number
        self.sqlstate = sqlstate
        self.message = message


class ConfigError(DbMuxError):
    """The configuration cannot be used; `problems` has one sentence each, with file, line and column."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
