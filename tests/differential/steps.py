"""The words of which scenarios are made: what a client sends, on which session, to which servers.

Plain data and nothing else; tests/differential/client.py knows how each command is sent. In every text `{u}` stands for
the scenario's own schema, a name that no other run has: whatever is global to a server (named locks, XA transactions,
further schemas) is called after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dbmux.wire.capabilities import Capability as C
from dbmux.wire.columns import FieldType
from dbmux.wire.rows import Moment, Span, Value
from dbmux.wire.statements import ExecuteFlag, Indicator

MARIADB_10, MARIADB_11, MYSQL_9 = "mariadb:10.11", "mariadb:11", "mysql:9"
MARIADB = frozenset((MARIADB_10, MARIADB_11))
MYSQL = frozenset((MYSQL_9,))
ALL = MARIADB | MYSQL

MULTI, FOUND_ROWS, TRACK, LOCAL = (
    int(C.MULTI_STATEMENTS),
    int(C.FOUND_ROWS),
    int(C.SESSION_TRACK),
    int(C.LOCAL_FILES),
)
IGNORE_SPACE, ATTRIBUTES, INTERACTIVE = int(C.IGNORE_SPACE), int(C.QUERY_ATTRIBUTES), int(C.INTERACTIVE)
BULK, DEPRECATE_EOF = int(C.MARIADB_BULK), int(C.DEPRECATE_EOF)

# A second account with all rights, for changes of user.
OTHER_ACCOUNT, OTHER_PASSWORD = "other", "other-password"

UTF8MB4 = 45
LAST_PREPARED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that is bound to a prepared statement, or a query attribute."""

    value: Value
    type: int
    is_unsigned: bool = False
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Stands for a value that long data has already brought."""

    type: int = FieldType.BLOB


Bound = Parameter | Elsewhere | Value | str


@dataclass(frozen=True, slots=True)
class Sql:
    """COM_QUERY; `file` is what the client sends, piece by piece, when the server asks for a local file."""

    text: bytes
    file: tuple[bytes, ...] = ()
    attributes: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Send:
    """COM_QUERY of which the reply is not waited for until `Collect`."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Collect:
    """The reply to what `Send` sent."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """COM_STMT_PREPARE; scenarios call the statement by `name`."""

    name: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Execute:
    """COM_STMT_EXECUTE; without `types` those of the execution before hold."""

    name: str
    values: tuple[Parameter | Elsewhere, ...] = ()
    types: bool = True
    flags: int = 0


@dataclass(frozen=True, slots=True)
class ExecuteLast:
    """COM_STMT_EXECUTE of the statement that was prepared last, by MariaDB's number for it."""

    values: tuple[Parameter | Elsewhere, ...] = ()


@dataclass(frozen=True, slots=True)
class BulkExecute:
    """MariaDB's COM_STMT_BULK_EXECUTE."""

    name: str
    types: tuple[int, ...]
    rows: tuple[tuple[Value | Indicator, ...], ...]


@dataclass(frozen=True, slots=True)
class LongData:
    """COM_STMT_SEND_LONG_DATA, which has no reply."""

    name: str
    parameter: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Fetch:
    """COM_STMT_FETCH."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class ResetStatement:
    """COM_STMT_RESET."""

    name: str


@dataclass(frozen=True, slots=True)
class CloseStatement:
    """COM_STMT_CLOSE, which has no reply."""

    name: str


@dataclass(frozen=True, slots=True)
class InitDb:
    """COM_INIT_DB."""

    schema: bytes


@dataclass(frozen=True, slots=True)
class FieldList:
    """COM_FIELD_LIST."""

    table: bytes
    wildcard: bytes = b""


@dataclass(frozen=True, slots=True)
class ChangeUser:
    """COM_CHANGE_USER."""

    user: str = OTHER_ACCOUNT
    password: str = OTHER_PASSWORD
    schema: bytes = b"{u}"
    charset: int = UTF8MB4


@dataclass(frozen=True, slots=True)
class Raw:
    """Any other command."""

    command: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Kill:
    """KILL with the connection id that another session was greeted with."""

    session: str
    words: bytes = b"KILL"


@dataclass(frozen=True, slots=True)
class Together:
    """Two commands sent at once; then both replies."""

    first: Sql | Prepare
    second: Sql | ExecuteLast


@dataclass(frozen=True, slots=True)
class Listen:
    """Nothing is sent: the server is expected to say something, or to hang up, by itself."""


@dataclass(frozen=True, slots=True)
class Quit:
    """The session ends; the next step on it opens it anew."""


Command = (
    Sql
    | Send
    | Collect
    | Prepare
    | Execute
    | ExecuteLast
    | BulkExecute
    | LongData
    | Fetch
    | ResetStatement
    | CloseStatement
    | InitDb
    | FieldList
    | ChangeUser
    | Raw
    | Kill
    | Together
    | Listen
    | Quit
)


@dataclass(frozen=True, slots=True)
class Step:
    """A command on a session; `apart` says why its values may differ from run to run (its form may not)."""

    command: Command
    session: str = "a"
    servers: frozenset[str] = ALL
    apart: str = ""


Line = str | bytes | Command | Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A list of steps that must look the same through DbMux as it does directly.

    `capabilities` are added to those of the server's own client, which speaks without DEPRECATE_EOF if it `is_classic`;
    `charset` is the collation of the login. `setup` runs before, on a connection of its own; every session begins with
    `opening`.
    """

    name: str
    steps: tuple[Step, ...]
    setup: tuple[str, ...] = ()
    opening: str = ""
    servers: frozenset[str] = ALL
    capabilities: int = 0
    is_classic: bool = False
    charset: int = UTF8MB4
    has_schema: bool = True

    def for_server(self, server: str) -> Scenario:
        """The same with only the steps that are meant for this server."""
        return replace(self, steps=tuple(step for step in self.steps if server in step.servers))


# A table that every scenario finds.
TABLE = (
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), n INT)",
    "INSERT INTO t (name, n) VALUES ('one', 1), ('two', 2), ('three', 3)",
)


def scenario(
    name: str,
    *lines: Line,
    setup: Iterable[str] = TABLE,
    servers: frozenset[str] = ALL,
    capabilities: int = 0,
    charset: int = UTF8MB4,
    has_schema: bool = True,
) -> Scenario:
    """A scenario of steps on session `a` unless they say otherwise."""
    return Scenario(
        name=name,
        steps=tuple(step(line) for line in lines),
        setup=tuple(setup),
        servers=servers,
        capabilities=capabilities,
        charset=charset,
        has_schema=has_schema,
    )


def step(line: Line) -> Step:
    """A line as a step: text is a statement."""
    match line:
        case Step():
            return line
        case str():
            return Step(Sql(line.encode()))
        case bytes():
            return Step(Sql(line))
        case _:
            return Step(line)


def on(session: str, line: Line) -> Step:
    """A step on another session."""
    return replace(step(line), session=session)


def only(servers: frozenset[str] | str, line: Line) -> Step:
    """A step for some servers."""
    return replace(step(line), servers=frozenset((servers,)) if isinstance(servers, str) else servers)


def apart(why: str, line: Line) -> Step:
    """A step whose values differ from run to run."""
    return replace(step(line), apart=why)


def prepare(name: str, text: str | bytes) -> Prepare:
    """Prepare a statement and call it `name`."""
    return Prepare(name, text.encode() if isinstance(text, str) else text)


def execute(name: str, *values: Bound) -> Execute:
    """Execute with these values and their types."""
    return Execute(name, tuple(bound(value) for value in values))


def again(name: str, *values: Bound) -> Execute:
    """Execute with the types of the execution before."""
    return Execute(name, tuple(bound(value) for value in values), types=False)


def cursor(name: str, *values: Bound) -> Execute:
    """Execute and open a cursor."""
    return Execute(name, tuple(bound(value) for value in values), flags=ExecuteFlag.READ_ONLY_CURSOR)


def bound(value: Bound) -> Parameter | Elsewhere:
    """A value with the type that clients give it."""
    match value:
        case Parameter() | Elsewhere():
            return value
        case None:
            return Parameter(None, FieldType.NULL)
        case int():
            return Parameter(value, FieldType.LONGLONG)
        case float():
            return Parameter(value, FieldType.DOUBLE)
        case str():
            return Parameter(value.encode(), FieldType.VAR_STRING)
        case bytes():
            return Parameter(value, FieldType.BLOB)
        case Moment():
            return Parameter(value, FieldType.DATETIME)
        case Span():
            return Parameter(value, FieldType.TIME)
