# cython: annotation_typing=False, language_level=3, nonecheck=True
"""A logged-in connection to a backend, and whoever uses it just now: a session, or an exchange of DbMux's own.

A session's replies are relayed: what the backend sends goes to the session's client as it came, and the end of each
reply is found. Rows are never looked at. A client that reads slowly stops the backend. An exchange's replies are
decoded. Between two uses a connection lies in its pool and remembers the state in which it was left.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntFlag
from time import perf_counter
from typing import NamedTuple, Protocol

from dbmux.backend.occupation import Occupation
from dbmux.backend.renewal import Renewal
from dbmux.errors import BackendRefused, ErrorCode, MySQLError, ProtocolError
from dbmux.kernel import ReplyScanner
from dbmux.net.channel import Channel
from dbmux.query import SetVariable
from dbmux.session import NOT_CHOSEN, Names, SessionState
from dbmux.sql.variables import CHANGE_TRACKING
from dbmux.wire import packet
from dbmux.wire.buffer import Reader
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import ClientProtocol, ColumnCount, Phase, Row, ServerMessage
from dbmux.wire.columns import parse_column
from dbmux.wire.commands import Command
from dbmux.wire.handshake import AuthSwitch, Greeting
from dbmux.wire.replies import (
    EOF_PAYLOAD,
    ERR,
    Err,
    Ok,
    Status,
    Track,
    changes,
    parse_eof,
    parse_ok,
    reported_gtid,
    tells_of_setting,
    with_schema,
    without,
)
from dbmux.wire.rows import TextRow, parse_text_row
from dbmux.wire.statements import Prepared, parse_prepared

MORE, DONE = ReplyScanner.MORE, ReplyScanner.DONE
IN_TRANSACTION, METADATA_CHANGED = int(Status.IN_TRANSACTION), int(Status.METADATA_CHANGED)
INFILE, REWRITE, TOO_MANY = ReplyScanner.INFILE, ReplyScanner.REWRITE, ReplyScanner.TOO_MANY


class Holder(Protocol):
    """Who uses the connection: a session."""

    channel: Channel

    @property
    def occupation(self) -> Occupation:
        """Why the connection is not free, and since when."""

    def reply_ended(self) -> None:
        """All of the reply was passed on."""

    def file_wanted(self) -> None:
        """The server waits for the client's file."""

    def reply_broke(self, reason: str) -> None:
        """The backend sent what is not a reply."""

    def changed_unseen(self) -> None:
        """The server tells, in the reply that comes, that a setting or a user variable was set, or the schema."""

    @property
    def hears_changes(self) -> bool:
        """Whether the client has asked to be told that, too."""

    @property
    def stays_in_schema(self) -> bool:
        """Whether the server goes to no other schema for what it runs just now."""

    def withholds(self, error: int, reply: bytes) -> bool:
        """The whole reply is an error: whether the client is not to see it, because the holder goes on otherwise."""

    def rows_exceeded(self) -> None:
        """A result has more rows than `scanner.row_limit`; what was sent on ends before the first of them."""

    def unasked(self, data: bytes) -> None:
        """The backend said something while nothing was asked."""

    def backend_closed(self, error: Exception | None) -> None:
        """The backend's connection is gone."""

    def backend_congested(self) -> None:
        """The backend reads slowly."""

    def backend_writable(self) -> None:
        """The backend reads again."""


class Sink(Protocol):
    """Where a reply goes: the client's channel, or what stands before it."""

    @property
    def write(self) -> Callable[[bytes | memoryview], None]:
        """Send bytes."""


class Creditor(Protocol):
    """Who used a connection last: a session. `latest` is where its own last statement ran."""

    latest: Connection | None

    def collect(self, connection: Connection, paid: Callable[[Connection], None]) -> None:
        """Have the connection, which is not idle any more, pay its debt; `paid` is told, also of one that was lost."""

    def is_being_settled(self) -> None:
        """Another session has the connection: nothing may run until it has paid, which `settle` tells."""

    def settle(self, connection: Connection, answers: list[Answer]) -> None:
        """The answers to what it owed; none, when it was lost."""

    def forget_row_count(self) -> None:
        """The connection does not know ROW_COUNT() of the session's last statement any more."""

    def miss(self, debt: Debt) -> None:
        """A connection was closed that still owed this."""


class Debt(IntFlag):
    """What a connection still knows for the session that used it last, and nobody else does."""

    NONE = 0
    INSERT_ID = 1
    WARNINGS = 2
    FOUND_ROWS = 4
    ROW_COUNT = 8


class StatementKey(NamedTuple):
    """What makes two prepared statements the same at a server."""

    text: bytes
    schema: bytes
    names: Names | None
    # The values of those that hold as they are then, in the order of their list.
    variables: tuple[bytes | None, ...]
    # The types of the parameters, on MySQL, which takes values for them (dbmux.frontend.derived).
    derived: bytes = b""
    # Not 0 for one that a session has for itself, since another one of its own is in the middle of something.
    number: int = 0
    # How many its results have, as the server and the client know it: who knows another number is told of a change.
    columns: int = 0


# Of no reply: an ERR with the number 0, which MySQL sends to a client that was idle for `wait_timeout`.
FAREWELL = bytes((0, ERR))
# No packet counts more.
MOST_WARNINGS = 0xFFFF
# Insert ids that no session has, and of which it is not known any more which it was.
NOBODYS, LOST = -1, -2
# Statements that are kept prepared on one connection; the one unused for longest is closed for a new one.
PREPARED_LIMIT = 100
# The same for their texts, of which the newest is kept however long it is.
PREPARED_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's answer in an exchange: the rows of a text's, and all of its bytes as they came."""

    rows: tuple[TextRow, ...]
    raw: bytes

    def row(self, width: int) -> TextRow:
        """The only row, of so many columns; raises ProtocolError for anything else."""
        if len(self.rows) != 1 or len(self.rows[0]) != width:
            raise ProtocolError(ErrorCode.MALFORMED_REPLY, "the server answered a question of DbMux's with other rows")
        # A session may have its results in UTF-16 or UTF-32, where ASCII stands between zeros.
        return tuple(value and value.replace(b"\0", b"") for value in self.rows[0])

    def names(self) -> tuple[bytes, ...]:
        """The names of its columns; raises ProtocolError. Not for connections with extended metadata."""
        told = []
        at = packet.HEADER + int.from_bytes(self.raw[:3], "little")
        for _ in range(len(self.rows[0]) if self.rows else 0):
            end = at + packet.HEADER + int.from_bytes(self.raw[at : at + 3], "little")
            told.append(parse_column(self.raw[at + packet.HEADER : end], 0).name)
            at = end
        return tuple(told)

    def prepared(self) -> Prepared:
        """What a preparation gave; raises ProtocolError."""
        return parse_prepared(self.raw[packet.HEADER : packet.HEADER + int.from_bytes(self.raw[:3], "little")])

    def number(self) -> int:
        """The only value, which is a number; raises ProtocolError."""
        (value,) = self.row(1)
        if value is None or not value.isdigit():
            raise ProtocolError(ErrorCode.MALFORMED_REPLY, "the server answered a question of DbMux's with no number")
        return int(value)


class Exchange:
    """Statements of DbMux's own, one after the other; `done` is told the answers, `failed` why there are none.

    One that is `optional` may be refused: then its answer has no rows.
    """

    __slots__ = (
        "_answers",
        "_columns",
        "_commands",
        "_done",
        "_failed",
        "_is_optional",
        "_is_text",
        "_optional",
        "_protocol",
        "_raw",
        "_rows",
    )

    def __init__(
        self,
        commands: Iterable[tuple[Command, bytes]],
        done: Callable[[list[Answer]], None],
        failed: Callable[[BackendRefused | MySQLError], None],
        optional: bytes | None = None,
    ) -> None:
        self._optional = optional
        self._is_optional = False
        self._commands: Iterator[tuple[Command, bytes]] = iter(commands)
        self._done = done
        self._failed = failed
        self._answers: list[Answer] = []
        self._rows: list[TextRow] = []
        self._raw = b""
        self._columns = 0
        self._is_text = True
        self._protocol: ClientProtocol

    @property
    def answers(self) -> list[Answer]:
        """Those that have come."""
        return self._answers

    def begin(self, connection: Connection) -> None:
        """Take the connection and send the first statement."""
        # Not every answer tells the status: a preparation's says nothing of an open transaction.
        status = connection.scanner.status
        self._protocol = ClientProtocol.logged_in(connection.greeting, connection.capabilities, status)
        connection.exchange = self
        if connection.is_paused:
            # However slowly a client reads, these answers are not for it.
            connection.resume()
        if not self._send_next(connection):
            self._done(self._answers)

    def received(self, connection: Connection, data: bytes) -> None:
        """The backend sent something; it is kept, so only short answers are asked for."""
        self._raw += data
        self._protocol.receive(data)
        try:
            goes_on = self._read(connection, data)
        except BackendRefused as refused:
            connection.exchange = None
            # What was done before it may have changed the status, which an error does not tell.
            connection.scanner.status = self._protocol.status
            self._failed(refused)
            return
        except MySQLError as error:
            connection.exchange = None
            connection.abort()
            self._failed(error)
            return
        # Whoever asked has been told once, and is told nothing else, whatever comes of that.
        if not goes_on:
            self._done(self._answers)

    def abandoned(self) -> None:
        """The connection was closed before the last answer."""
        self._failed(MySQLError(ErrorCode.LOST_IN_REPLY, "the backend closed the connection; try again"))

    def _read(self, connection: Connection, data: bytes) -> bool:
        # Whether more is to come.
        protocol = self._protocol
        while (message := protocol.next()) is not None:
            if protocol.phase is Phase.AUTH:
                return self._renewed(connection, message, data)
            match message:
                case Err() as err if not self._is_optional:
                    raise BackendRefused(err.number, err.sqlstate, err.message)
                case ColumnCount(count):
                    self._columns = count
                case Row(payload) if self._is_text:
                    self._rows.append(parse_text_row(payload, self._columns))
            if protocol.is_reply_whole:
                self._answers.append(Answer(tuple(self._rows), self._raw))
                self._rows, self._raw = [], b""
                return self._send_next(connection)
        return True

    def _renewed(self, connection: Connection, message: ServerMessage, data: bytes) -> bool:
        # What stands in for a reset goes on, or has come to its end: each word of the server waits for an answer.
        renewal = connection.renewal
        answer = renewal.answer(message) if renewal is not None and isinstance(message, AuthSwitch) else None
        self._raw = b""
        if isinstance(message, Ok):
            self._protocol = ClientProtocol.logged_in(connection.greeting, connection.capabilities, message.status)
            self._answers.append(Answer((), data))
            return self._send_next(connection)
        if answer is None:
            why = "the backend does not take the password any more with which it was reached; try again"
            raise MySQLError(ErrorCode.LOST_IN_REPLY, why)
        connection.channel.write(self._protocol.answer(answer))
        return True

    def _send_next(self, connection: Connection) -> bool:
        # Whether there was one.
        match next(self._commands, None):
            case (Command.QUERY, sql):
                self._is_text, self._is_optional = True, sql == self._optional
                connection.channel.write(self._protocol.query(sql))
                return True
            case (Command.RESET_CONNECTION, _) if connection.renewal is not None:
                connection.channel.write(self._protocol.change_user(connection.renewal.request()))
                return True
            case (command, body):
                self._is_text, self._is_optional = False, body == self._optional
                connection.channel.write(self._protocol.command(command, body))
                return True
        if self._answers:
            connection.scanner.status = self._protocol.status
        connection.exchange = None
        return False


class Ration:
    """How many statements a pool's connections keep prepared, and how many they may: `most`, None if that is not known.

    A server has so many for all its clients together (`max_prepared_stmt_count`).
    """

    __slots__ = ("kept", "most")

    def __init__(self) -> None:
        self.kept = 0
        self.most: int | None = None

    @property
    def is_exceeded(self) -> bool:
        """Whether some should be closed."""
        return self.most is not None and self.kept > self.most


class Connection:
    """The owner of a backend's channel after the login.

    `state` is what the session that used it last left behind. `insert_id` is what LAST_INSERT_ID() gives on it; None
    while only the server knows, and it belongs to `creditor`, the session that used it last and has a claim to `debt`.
    """

    __slots__ = (
        "_held",
        "_owed_schema",
        "bound",
        "can_be_reset",
        "can_track",
        "capabilities",
        "channel",
        "client",
        "client_capabilities",
        "creditor",
        "debt",
        "error",
        "exchange",
        "first_at",
        "greeting",
        "holder",
        "home",
        "idle_since",
        "insert_id",
        "is_closed",
        "is_paused",
        "kills",
        "opened_at",
        "ration",
        "renewal",
        "reply_bytes",
        "reported_change",
        "reported_gtid",
        "reported_schema",
        "reported_state",
        "scanner",
        "state",
        "statements",
    )

    def __init__(self, channel: Channel, greeting: Greeting, capabilities: int, state: SessionState) -> None:
        self.channel = channel
        self.greeting = greeting
        self.capabilities = capabilities
        self.state = state
        self.scanner = ReplyScanner(int(bool(capabilities & Capability.DEPRECATE_EOF)), 1)
        self.scanner.reads_matched = int(not greeting.is_mariadb)
        self.holder: Holder | None = None
        self.client: Sink = channel
        self.client_capabilities = 0
        self.exchange: Exchange | None = None
        self.home: Home | None = None
        # Whether it is as a new one once it was reset.
        self.can_be_reset = True
        # Where the server knows no reset, and the account is known.
        self.renewal: Renewal | None = None
        self.creditor: Creditor | None = None
        self.debt = Debt.NONE
        self.insert_id: int | None = 0
        self.is_closed = False
        # Nothing is read from it until its holder's client has caught up.
        self.is_paused = False
        self.kills = 0
        # The server's numbers of the statements prepared here, and the types of parameters that each was told last.
        self.statements: OrderedDict[StatementKey, int] = OrderedDict()
        self.bound: dict[int, bytes] = {}
        self.ration = Ration()
        self.opened_at = 0.0
        self.idle_since = 0.0
        self.reply_bytes = 0
        # When the first of several pieces of a reply came, and the ERR packet of the last that was one.
        self.first_at = 0.0
        self.error = b""
        # Whether the server can tell that a setting or a user variable was set, by whatever.
        self.can_track = False
        # Whether it did in this reply.
        self.reported_change = False
        # All that the last OK reported, until somebody empties it.
        self.reported_state = b""
        # What the server said of the schema in this reply.
        self.reported_schema: bytes | None = None
        # And as what it recorded what was written.
        self.reported_gtid = b""
        self._held = b""
        # What it says of the schema with the next OK that reports anything.
        self._owed_schema = b""
        channel.owner = self

    @property
    def id(self) -> int:
        """The server's number of this connection."""
        return self.greeting.connection_id

    @property
    def is_in_transaction(self) -> bool:
        """Whether the server said so last."""
        return bool(self.scanner.status & IN_TRANSACTION)

    @property
    def is_at_packet_boundary(self) -> bool:
        """Whether an ERR packet can be put behind what the client was sent."""
        return not self.scanner.inside_packet()

    def hold(self, holder: Holder, client_capabilities: int) -> None:
        """From now on this session uses it."""
        self.holder = holder
        # Perhaps told in a reply of which nothing was expected: it was about whoever was here before.
        self.reported_change = False
        self.reported_schema = None
        self.reported_gtid = b""
        self._owed_schema = b""
        self.client = holder.channel
        self.client_capabilities = client_capabilities

    def pause(self) -> None:
        """Read nothing until `resume`: the client reads slowly."""
        self.is_paused = True
        self.channel.pause()

    def resume(self) -> None:
        """Read again."""
        self.is_paused = False
        self.channel.resume()

    @property
    def reset_state(self) -> SessionState:
        """The state in which a reset leaves it."""
        # The schema stays, but its character set, in which LOAD DATA reads files, does not.
        state = replace(self.state.when_reset(), altered=NOT_CHOSEN)
        if self.renewal is not None:
            state = replace(state, schema=b"")
        return state.after(SetVariable(CHANGE_TRACKING, b"0")) if self.can_track else state

    def forget_session(self) -> None:
        """The server has reset it: hardly anything is left of what was there."""
        self.state = self.reset_state
        self.creditor = None
        self.debt = Debt.NONE
        self.insert_id = 0
        self.ration.kept -= len(self.statements)
        self.statements.clear()
        self.bound.clear()

    def share(self, ration: Ration) -> None:
        """It belongs to those that have this ration."""
        self.ration.kept -= len(self.statements)
        self.ration = ration
        ration.kept += len(self.statements)

    def remember_statement(self, key: StatementKey, number: int, in_use: Collection[StatementKey]) -> None:
        """A statement was prepared here; the oldest of too many, or too long ones, are closed, but none `in_use`."""
        there = self.statements
        self.close_statement(key)
        there[key] = number
        self.ration.kept += 1
        if self.ration.is_exceeded and self.home is not None:
            self.home.keep_ration()
        spare = [one for one in there if one != key and one not in in_use]
        while spare and self._keeps_too_much:
            self.close_statement(spare.pop(0))

    @property
    def _keeps_too_much(self) -> bool:
        there = self.statements
        is_full = len(there) > PREPARED_LIMIT or self.ration.is_exceeded
        return is_full or sum(len(one.text) for one in there) > PREPARED_BYTES

    def yield_statements(self, in_use: Collection[StatementKey]) -> bool:
        """Close the older half of those not `in_use`, so that the server has room; whether there were any."""
        spare = [one for one in self.statements if one not in in_use]
        self.close_statements(spare[: (len(spare) + 1) // 2])
        return bool(spare)

    def rename_statement(self, key: StatementKey, name: StatementKey) -> None:
        """What was prepared as one is the other from now on."""
        number = self.statements.pop(key)
        self.close_statement(name)
        self.statements[name] = number

    def close_statement(self, key: StatementKey) -> None:
        """Have the server forget a statement."""
        if key in self.statements:
            self.close_statements((key,))

    def close_statements(self, keys: Collection[StatementKey]) -> None:
        """The same for several that are here."""
        numbers = [self.statements.pop(key) for key in keys]
        self.ration.kept -= len(numbers)
        for number in numbers:
            self.bound.pop(number, None)
        closed = (bytes((Command.STMT_CLOSE,)) + number.to_bytes(4, "little") for number in numbers)
        self.channel.write(b"".join(packet.encode(payload, 0) for payload in closed))

    def serve(self, creditor: Creditor) -> None:
        """This session uses it now, and no other connection knows its last statement any more."""
        latest = creditor.latest
        if latest is not None and latest is not self and latest.creditor is creditor and not latest.debt:
            latest.creditor = None
        creditor.latest = self
        self.creditor = creditor

    def forget_debt(self) -> None:
        """Its creditor has gone; whatever the server still knows is nobody's."""
        self.debt = Debt.NONE
        if self.insert_id is None:
            self.insert_id = NOBODYS

    def quit(self) -> None:
        """Close it as a client does that is done."""
        if not self.is_closed:
            self.channel.write(packet.encode(bytes((Command.QUIT,)), 0))
            self.channel.close()
            self._forget()

    def abort(self) -> None:
        """Close it at once: something is under way on it."""
        if not self.is_closed:
            self.channel.abort()
            self._forget()

    def _forget(self) -> None:
        self.is_closed = True
        # The server forgets its statements with it.
        self.share(Ration())
        exchange, self.exchange = self.exchange, None
        if self.home is not None:
            self.home.lost(self)
        self.holder = None
        if self.debt and self.creditor is not None:
            self.creditor.miss(self.debt)
        if exchange is not None:
            # Somebody waits for its answers, perhaps not the one who closed the connection.
            exchange.abandoned()

    # What the channel tells.

    def received(self, data: bytes) -> None:
        """A piece of a reply came."""
        if self.exchange is not None:
            self.exchange.received(self, data)
            return
        holder = self.holder
        if holder is None:
            # A server that is about to close says why, unasked; nobody is here to hear it.
            self.abort()
            return
        if self._held:
            data = self._held + data
            self._held = b""
        scanner = self.scanner
        verdict = scanner.scan(data)
        consumed = scanner.consumed
        if verdict == DONE and consumed == len(data):
            if scanner.error:
                self.error = packet.last(data)
                # Of several statements the first may have done something, which must not be done twice.
                is_all = not self.reply_bytes and data[packet.HEADER] == ERR
                if is_all and holder.withholds(scanner.error, data):
                    return
            self.reply_bytes += consumed
            self.client.write(data)
            holder.reply_ended()
        elif not consumed and verdict in (DONE, INFILE):
            # Nothing was owed: no command, or only a file of the client's, is under way.
            holder.unasked(data)
        elif not self.reply_bytes and data[3:5] == FAREWELL:
            # It has crossed with the command, which a server that is about to close does not read any more.
            self.channel.abort()
        else:
            self._relay(holder, data, verdict)

    def _relay(self, holder: Holder, data: bytes, verdict: int) -> None:
        # Anything but the end of a reply at the end of what came.
        scanner = self.scanner
        if not self.reply_bytes:
            self.first_at = perf_counter()
        while True:
            consumed = scanner.consumed
            self.reply_bytes += consumed
            if consumed == len(data):
                self.client.write(data)
            elif consumed:
                self.client.write(memoryview(data)[:consumed])
            if verdict != REWRITE:
                break
            rest = self._report(holder, data[consumed:])
            if rest is None:
                return
            data, consumed = rest, 0
            verdict = MORE if scanner.phase else DONE
            if verdict == DONE or not data:
                break
            verdict = scanner.scan(data)
        if verdict == DONE and consumed == len(data):
            self._ended(holder, data)
        elif verdict == MORE:
            self._held = data[consumed:]
        elif verdict == INFILE and consumed == len(data):
            holder.file_wanted()
        elif verdict == TOO_MANY:
            holder.rows_exceeded()
        else:
            holder.reply_broke("more or other bytes than a reply has")

    def _ended(self, holder: Holder, data: bytes) -> None:
        if self.scanner.error:
            self.error = packet.last(data)
        holder.reply_ended()

    def closed(self, error: Exception | None) -> None:
        """The backend is gone."""
        if self.is_closed:
            return
        holder, is_own = self.holder, self.exchange is not None
        self._forget()
        if holder is not None and not is_own:
            holder.backend_closed(error)

    def congested(self) -> None:
        """The backend reads slowly."""
        if self.holder is not None:
            self.holder.backend_congested()

    def writable(self) -> None:
        """The backend reads again."""
        if self.holder is not None:
            self.holder.backend_writable()

    def _report(self, holder: Holder, data: bytes) -> bytes | None:
        # An OK packet reports session state: the client is told what it asked for. Or the end of columns or rows is to
        # have further flags, or that of the reply to count further warnings. What follows it, or None for now.
        end = packet.HEADER + int.from_bytes(data[:3], "little")
        if len(data) < end:
            self._held = data
            return None
        whole = data[:end]
        scanner = self.scanner
        marks, more = scanner.marks, scanner.more_warnings
        scanner.rewrite_state = scanner.marks = scanner.more_warnings = 0
        verdict = scanner.scan(whole)
        scanner.rewrite_state, scanner.marks, scanner.more_warnings = 1, marks, more
        scanner.status |= marks
        if verdict != DONE or scanner.status & METADATA_CHANGED:
            # What the server has prepared anew does not warn of what it had warned of before.
            more = 0
        scanner.warnings += more
        try:
            told = self._tell(whole[packet.HEADER :], marks, more)
        except ProtocolError as error:
            holder.reply_broke(error.message)
            return None
        if verdict not in (MORE, DONE):
            holder.reply_broke("an OK that is none")
            return None
        self.client.write(packet.encode(told, whole[3]))
        self.reply_bytes += end
        return data[end:]

    def _tell(self, payload: bytes, marks: int, more: int) -> bytes:
        if len(payload) == EOF_PAYLOAD:
            eof = parse_eof(payload)
            return replace(eof, status=eof.status | marks, warnings=min(eof.warnings + more, MOST_WARNINGS)).build()
        ok = self.note(parse_ok(payload))
        if marks or more:
            ok = replace(ok, status=ok.status | marks, warnings=min(ok.warnings + more, MOST_WARNINGS))
        return ok.build(self.client_capabilities)

    def note(self, ok: Ok) -> Ok:
        """Remember what an OK reports of the session's state; gives what the client is to see. Raises ProtocolError."""
        self.reported_state = ok.state
        for kind, change in changes(ok.state):
            if kind == Track.SCHEMA:
                self.reported_schema = Reader(change).lenenc_bytes()
                self._tell_of_change()
            elif gtid := reported_gtid(kind, change):
                self.reported_gtid = gtid
        if tells_of_setting(ok.state):
            self.reported_change = True
            self._tell_of_change()
        holder = self.holder
        if not self.can_track or (holder is not None and holder.hears_changes):
            return ok
        told = without(ok, Track.STATE_CHANGE)
        if told is not ok and self.greeting.is_mariadb and holder is not None and holder.stays_in_schema:
            told = self._without_late_schema(told)
        if told.state and self._owed_schema:
            told = with_schema(told, self._owed_schema)
            self._owed_schema = b""
        return told

    def as_told(self, raw: bytes) -> bytes:
        """The OK packet that an exchange got, as the holder's client is to see it. Raises ProtocolError."""
        return packet.encode(self.note(parse_ok(raw[packet.HEADER :])).build(self.client_capabilities), raw[3])

    def _without_late_schema(self, told: Ok) -> Ok:
        # MariaDB has gone to a routine's schema and come back, and the error that followed has no room to tell: it does
        # so with the next OK that reports anything, and this one reports only for DbMux.
        pieces = list(changes(told.state))
        if [kind for kind, _ in pieces] != [Track.SCHEMA]:
            return told
        self._owed_schema = pieces[0][1]
        return without(told, Track.SCHEMA)

    def _tell_of_change(self) -> None:
        if self.holder is not None:
            self.holder.changed_unseen()


class Home(Protocol):
    """Where a connection belongs: a pool."""

    def lost(self, connection: Connection) -> None:
        """It is closed and will not come back."""

    def keep_ration(self) -> None:
        """Too many statements are prepared: rather those are closed that nobody uses now."""
