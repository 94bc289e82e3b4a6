# cython: annotation_typing=False, language_level=3, nonecheck=True
"""A session's prepared statements, whose numbers are the session's own.

At the server a statement is prepared on each connection that runs it, when it first does. Commands with the session's
number come in; the same commands with the connection's number go out, with the types of the parameters wherever this
connection was not told them by this session (manual page "COM_STMT_EXECUTE": a client sends them once). Nothing is sent
here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dbmux.backend.connection import Connection, StatementKey
from dbmux.cache.cache import sizes
from dbmux.errors import ErrorCode, MySQLError
from dbmux.events import KEPT
from dbmux.frontend.derived import derived_after, read, recast, sent
from dbmux.query import Access, Kind, Query, SetVariable
from dbmux.session import SessionState, assignments
from dbmux.wire import packet
from dbmux.wire.buffer import Reader
from dbmux.wire.capabilities import Capability
from dbmux.wire.columns import FieldType as T
from dbmux.wire.commands import Command
from dbmux.wire.rows import Value
from dbmux.wire.statements import BulkFlag, Execute, ExecuteFlag, ParameterType, Prepared, parse_execute, parse_types

# MariaDB's clients name by it the statement that was prepared last, whose number they do not know yet.
LAST = 0xFFFFFFFF
NUMBER_AT, NUMBER_END = 5, 9
# A plain number, which is quickly compared.
EXECUTE = int(Command.STMT_EXECUTE)
# What servers have for all their sessions together, unless told otherwise (`max_prepared_stmt_count`).
MOST = 16_382
# Variables that hold for a statement as they were when it was prepared; all but the first on MySQL alone.
HELD = ("sql_mode", "default_week_format", "div_precision_increment", "group_concat_max_len")
_TEXTS = frozenset(
    (
        T.NULL, T.VARCHAR, T.ENUM, T.SET, T.TINY_BLOB, T.MEDIUM_BLOB, T.LONG_BLOB, T.BLOB, T.VAR_STRING, T.STRING,
        T.GEOMETRY, T.JSON,
    )
)  # fmt: skip
# Behind the number of an execution: its flags, and how often it is to be done.
_BEHIND_HEAD = NUMBER_END + 5
# What a server reads by one of these variables, outside of plain strings, names and comments.
_READ_BY = {
    "sql_mode": re.compile(rb"'[^'\\]*'|`[^`]*`|/\*(?![!+]).*?\*/|(?:#|--(?=\s|$))[^\n]*|(\"|\\|\|\||/\*)", re.DOTALL),
    "default_week_format": re.compile(rb"(week)", re.IGNORECASE),
    "div_precision_increment": re.compile(rb"(/|avg)", re.IGNORECASE),
    "group_concat_max_len": re.compile(rb"(group_concat)", re.IGNORECASE),
}


class Statement:
    """One statement, prepared when the session was in `state`; `types` as they were last told, as in the command."""

    __slots__ = (
        "_key",
        "_shown",
        "columns",
        "derived",
        "derived_at_first",
        "fitting",
        "id",
        "is_apart",
        "is_astray",
        "is_bare",
        "is_bent",
        "is_changed",
        "is_derailed",
        "is_homeless",
        "is_makeshift",
        "parameters",
        "query",
        "sizes",
        "state",
        "text",
        "types",
    )

    def __init__(
        self, id: int, text: bytes, query: Query, parameters: int, columns: int, state: SessionState, derived: bytes
    ) -> None:
        self.id = id
        self.text = text
        self.query = query
        self.parameters = parameters
        # Of its results, as the client was told last.
        self.columns = columns
        self.state = state
        self.types = b""
        # Those that MySQL has derived for the parameters: at first, and by now; empty elsewhere.
        self.derived_at_first = self.derived = derived
        # The types of values by which these do not change.
        self.fitting = b""
        # Whether the execution under way leaves the server's statement with types or a meaning that are not known.
        self.is_derailed = False
        # Whether it changes something, and only a repeated execution could bring about its types elsewhere.
        self.is_bent = False
        # Whether the server's statement is not what its key says, and good for the execution under way alone.
        self.is_makeshift = False
        # Whether it shares no server's statement: one with the same text has long data or an open cursor.
        self.is_apart = False
        # Whether it is prepared without a schema, because the session has none to come back to.
        self.is_astray = False
        # Whether the schema in which it was prepared is not there any more.
        self.is_homeless = False
        # Whether nothing can be ordered for it, and an execution leaves nothing behind.
        self.is_bare = query.is_plain and query.is_digest_wide and b"dbmux" not in text
        # Whether the next execution must tell the client that there are other columns than it knows.
        self.is_changed = False
        # For the cache's keys.
        self.sizes = sizes(text, columns)
        self._key: StatementKey | None = None
        self._shown: bytes | None = None

    @property
    def shown(self) -> bytes:
        """So much of the text as those who watch are told: the same bytes each time."""
        if self._shown is None:
            self._shown = self.text[:KEPT]
        return self._shown

    @property
    def home(self) -> bytes:
        """The schema to which its names without one belong, if that is still there."""
        return b"" if self.is_homeless else self.state.schema

    @property
    def key(self) -> StatementKey:
        """What must be the same for a server's statement to be this one."""
        key = self._key
        number = self.id if self.is_apart else 0
        if key is None or key.derived != self.derived or key.number != number:
            state = replace(self.state, schema=b"") if self.is_astray else self.state
            alike = key_of(self.text, state)
            key = self._key = alike._replace(derived=self.derived, number=number, columns=self.columns)
        return key

    def is_read_otherwise(self, now: SessionState) -> bool:
        """Whether its text may mean something else to a session in this state than when it was prepared.

        MySQL keeps the text as it came, and reads it again when it derives other types for the parameters.
        """
        for name in HELD:
            if self._is_read_by(name) and now.variable(name) != self.state.variable(name):
                return True
        names, then = now.names, self.state.names
        if self.text.isascii() or names == then:
            return False
        return names is None or then is None or names.client is None or names.client != then.client

    @property
    def is_ambiguous(self) -> bool:
        """Whether it may be another statement in another character set or `sql_mode`."""
        return not self.text.isascii() or self._is_read_by("sql_mode")

    def _is_read_by(self, variable: str) -> bool:
        return any(found[1] for found in _READ_BY[variable].finditer(self.text))

    def go_with(self, now: SessionState) -> None:
        """It is to be used on a connection in this state: one without a schema could not go back to having none."""
        is_astray = bool(self.state.schema) and not now.schema
        if self.is_astray is not is_astray:
            self.is_astray, self._key = is_astray, None

    def has_now(self, columns: int) -> None:
        """Its results have so many columns, and the client is told."""
        self.columns = columns
        self.sizes = sizes(self.text, columns)
        self._key = None

    def was_prepared_anew(self, columns: int) -> None:
        """A server that prepared it only now gives results with so many columns."""
        if columns != self.columns:
            self.has_now(columns)
            self.is_changed = True

    def has_only_values(self, data: bytes) -> bool:
        """Whether an execution says nothing new but values, of types that were told before, and wants no cursor.

        Not for clients with query attributes. (Manual page "COM_STMT_EXECUTE".)
        """
        count = self.parameters
        flag_at = _BEHIND_HEAD + (count + 7) // 8
        if len(data) < flag_at or data[4] != EXECUTE or data[9]:
            return False
        return not count or (len(data) > flag_at and not data[flag_at] and bool(self.types))

    @property
    def can_be_rehearsed(self) -> bool:
        """Whether it changes nothing, so that it may run with other values than the client's."""
        return self.query.kind is Kind.SELECT and self.query.access is Access.READ and self.query.is_plain

    def preparation(self, now: SessionState, spelling: Mapping[str, str]) -> list[tuple[Command, bytes]]:
        """The statements that prepare it on a connection in state `now`, which is left as it was.

        Names without a schema belong to the schema of the time when it was first prepared.
        """
        there = [(Command.QUERY, sql) for sql in assignments(now, self.as_it_was(now), spelling)]
        if self._is_elsewhere(now):
            there.append((Command.INIT_DB, self.state.schema))
        return [*there, (Command.STMT_PREPARE, self.text), *self.way_back(now, spelling)]

    def way_back(self, now: SessionState, spelling: Mapping[str, str]) -> list[tuple[Command, bytes]]:
        """The statements that undo what the preparation, which failed, had begun with."""
        back = [(Command.QUERY, sql) for sql in assignments(self.as_it_was(now), now, spelling)]
        if self._is_elsewhere(now):
            back.append((Command.INIT_DB, now.schema))
        return back

    def _is_elsewhere(self, now: SessionState) -> bool:
        return bool(self.state.schema) and self.state.schema != now.schema and not self.is_astray

    def as_it_was(self, now: SessionState) -> SessionState:
        """This state as it was then in all that a server reads while it prepares a statement, but for the schema."""
        then = replace(now, names=self.state.names)
        for name in HELD:
            then = then.after(SetVariable(name, self.state.variable(name)))
        return then


@dataclass(slots=True)
class Statements:
    """All of one session's."""

    capabilities: int
    last: int = 0
    # The one that was prepared last; 0 when that failed.
    latest: int = 0
    by_id: dict[int, Statement] = field(default_factory=dict)
    # Of the texts, in bytes.
    size: int = 0

    def check_room(self, length: int, limit: int) -> None:
        """Raise MySQLError 1461 where one more would be too many, or their texts longer than `limit` bytes together."""
        if len(self.by_id) >= MOST or self.size + length > limit:
            self.latest = 0
            raise MySQLError(
                ErrorCode.TOO_MANY_STATEMENTS,
                f"this session keeps {len(self.by_id)} prepared statements, of {self.size} bytes: more than {MOST}, or "
                f"{limit} bytes (limits.prepared_max), are not kept; close those that are needed no longer",
            )

    def add(self, text: bytes, query: Query, told: Prepared, derived: bytes, state: SessionState) -> Statement:
        """A statement was prepared; `derived` are the types that MySQL gave to its parameters."""
        self.last += 1
        self.latest = self.last
        statement = Statement(self.last, text, query, told.parameters, told.columns, state, derived)
        self.by_id[self.last] = statement
        self.size += len(text)
        return statement

    def close(self, statement: Statement) -> None:
        """One is needed no longer."""
        del self.by_id[statement.id]
        self.size -= len(statement.text)

    def forget(self) -> None:
        """None is prepared any more; as at a server, their numbers are not given again."""
        self.latest = self.size = 0
        self.by_id.clear()

    def find(self, data: bytes) -> Statement:
        """The statement that a command is about; raises MySQLError 1243."""
        number = number_in(data)
        statement = self.by_id.get(self.latest if number == LAST else number)
        if statement is None:
            raise MySQLError(
                ErrorCode.UNKNOWN_STATEMENT, f"no prepared statement has the number {number} here; prepare it again"
            )
        return statement

    def check_types(self, statement: Statement, data: bytes) -> bytes:
        """The types of the values in an execution; nothing if they were never told, and all are NULL.

        Raises MySQLError 1210 when those of others were not, and ProtocolError for a malformed command. The server
        cannot say it: whoever shares the statement there may have told it types.
        """
        if data[4] != Command.STMT_EXECUTE:
            return statement.types
        reader = Reader(data[NUMBER_END:])
        count = self._count(statement, reader)
        if count:
            nulls = reader.integer((count + 7) // 8)
            if reader.integer(1):
                begin = reader.position
                end = _types_end(reader, count, bool(self.capabilities & Capability.QUERY_ATTRIBUTES))
                return data[NUMBER_END + begin : NUMBER_END + end]
            if not statement.types and ~nulls & (1 << count) - 1:
                raise MySQLError(ErrorCode.NO_TYPES, "values came whose types were never sent; send both together")
        return statement.types

    def sent(self, statement: Statement, types: bytes, data: bytes) -> bytes:
        """What the values of an execution are (dbmux.frontend.derived), none of which was sent ahead.

        Raises ProtocolError for a malformed one.
        """
        return read(*self._parse(statement, types, data))

    def sent_unread(self, statement: Statement, types: bytes, data: bytes) -> bytes:
        """The same without a look at the texts, which may have been sent ahead."""
        reader = Reader(data[NUMBER_END:])
        count = self._count(statement, reader)
        return sent(types, reader.integer((count + 7) // 8), self.capabilities)

    def recast(self, statement: Statement, types: bytes, data: bytes) -> bytes:
        """The execution by which a statement that was just prepared is as the session's is by now; nothing if none is.

        Raises ProtocolError for a malformed one.
        """
        anew = recast(*self._parse(statement, types, data), statement.derived)
        told, values = tuple(kind for kind, _ in anew), tuple(value for _, value in anew)
        at_first = statement.derived_at_first
        if derived_after(at_first, read(told, values), at_first) != statement.derived:
            return b""
        execution = Execute(statement=0, flags=data[NUMBER_END], types=told, values=values)
        return bytes(packet.HEADER) + data[4:5] + execution.build(self.capabilities)

    def _parse(
        self, statement: Statement, types: bytes, data: bytes
    ) -> tuple[tuple[ParameterType, ...], tuple[Value, ...]]:
        told = parse_types(types, self.capabilities)
        return told, parse_execute(data[NUMBER_AT:], self.capabilities, statement.parameters, told).values

    def _count(self, statement: Statement, reader: Reader) -> int:
        # How many values there are; the reader goes from the flags to behind the number.
        flags = reader.integer(1)
        reader.take(4)
        has_names = bool(self.capabilities & Capability.QUERY_ATTRIBUTES)
        if has_names and (statement.parameters or flags & ExecuteFlag.PARAMETER_COUNT):
            return reader.lenenc()
        return statement.parameters

    def execution(self, statement: Statement, data: bytes, connection: Connection, server_id: int) -> bytes:
        """The command to execute it on a connection; raises ProtocolError for a malformed one."""
        if not statement.parameters and not self.capabilities & Capability.QUERY_ATTRIBUTES:
            return in_packets(renumbered(data, server_id))
        head, tail = data[4:5] + server_id.to_bytes(4, "little"), data[NUMBER_END:]
        if data[4] == Command.MARIADB_STMT_BULK_EXECUTE:
            tail = self._bulk_types(statement, tail, connection, server_id)
        else:
            tail = self._types(statement, tail, connection, server_id)
        return packet.encode(head + tail, 0)

    def _types(self, statement: Statement, tail: bytes, connection: Connection, server_id: int) -> bytes:
        has_names = bool(self.capabilities & Capability.QUERY_ATTRIBUTES)
        reader = Reader(tail)
        count = self._count(statement, reader)
        if not count:
            return tail
        flag_at = reader.position = reader.position + (count + 7) // 8
        if reader.integer(1):
            end = _types_end(reader, count, has_names)
            statement.types = tail[flag_at + 1 : end]
            connection.bound[server_id] = statement.types
            return tail
        if not statement.types or connection.bound.get(server_id) == statement.types:
            return tail
        connection.bound[server_id] = statement.types
        return tail[:flag_at] + b"\x01" + statement.types + tail[flag_at + 1 :]

    def _bulk_types(self, statement: Statement, tail: bytes, connection: Connection, server_id: int) -> bytes:
        flags = int.from_bytes(tail[:2], "little")
        if flags & BulkFlag.TYPES:
            statement.types = tail[2 : 2 + 2 * statement.parameters]
        elif connection.bound.get(server_id) != statement.types:
            tail = (flags | BulkFlag.TYPES).to_bytes(2, "little") + statement.types + tail[2:]
        connection.bound[server_id] = statement.types
        return tail


def _types_end(reader: Reader, count: int, has_names: bool) -> int:
    if not has_names:
        reader.take(2 * count)
        return reader.position
    for _ in range(count):
        reader.take(2)
        reader.lenenc_bytes()
    return reader.position


def key_of(text: bytes, state: SessionState) -> StatementKey:
    """The key of a statement that is prepared in this state."""
    return StatementKey(text, state.schema, state.names, tuple(map(state.variable, HELD)))


def are_texts(types: bytes) -> bool:
    """Whether parameters of these types, without names, are all texts, bytes or NULL."""
    return _TEXTS.issuperset(types[::2])


def number_in(data: bytes) -> int:
    """The number of the statement that a command is about; 0, which none has, where it is cut short."""
    if len(data) < NUMBER_END:
        return 0
    return data[5] | data[6] << 8 | data[7] << 16 | data[8] << 24


def renumbered(data: bytes, number: int) -> bytes:
    """A command about a statement, or the answer to its preparation, with another number in the same place."""
    anew = bytearray(data)
    anew[5] = number & 0xFF
    anew[6] = number >> 8 & 0xFF
    anew[7] = number >> 16 & 0xFF
    anew[8] = number >> 24
    return bytes(anew)


def in_packets(command: bytes) -> bytes:
    """A command behind the header of its first packet, with those of the others."""
    is_one = len(command) < packet.HEADER + packet.MAX_PAYLOAD
    return command if is_one else packet.encode(command[packet.HEADER :], 0)
