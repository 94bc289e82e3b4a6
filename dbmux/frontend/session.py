"""One client's life after its login: commands in, plans made, replies relayed.

The client's bytes come in through callbacks (dbmux.net.channel.Owner), and so does what its backend connection tells
(dbmux.backend.connection.Holder) while it holds one. The common case, a whole statement that leaves nothing behind
and a connection that is free, waits for nothing: the fast lane in `received`. Everything else takes the same steps one
by one: plan, get a connection, make it ready, send, follow what the reply says, let go. A session ends exactly once,
in `end`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from time import perf_counter, time
from typing import Protocol

from dbmux.backend.connection import Answer, Connection, Debt, Exchange
from dbmux.backend.occupation import Occupation
from dbmux.backend.pool import Choice, Shelf, ShelfKey
from dbmux.backend.server import Backend, Origin
from dbmux.engine.upload import Upload, UploadKind
from dbmux.errors import BackendRefused, ErrorCode, MySQLError, ProtocolError
from dbmux.events import CloseReason, Emit, Pinned, QueryFinished, SessionClosed, Unpinned
from dbmux.frontend.carried import Carried, PinKey, Warnings, settlement
from dbmux.frontend.diagnostics import only_errors
from dbmux.frontend.prepared import Statement, Statements, renumbered
from dbmux.lexer import digest
from dbmux.net.channel import Channel
from dbmux.plan import ChangeUser, Kill, KillByNumber, Plan, Quit, Refuse, Relay
from dbmux.planner.planner import (
    COMMAND_PLANS,
    OPAQUE,
    PLAIN,
    Planner,
    command_query,
    plan_query,
)
from dbmux.query import Access, Kind, Needs, Pin, PinReason, Query
from dbmux.session import SessionState
from dbmux.sql.charsets import UNREADABLE
from dbmux.sql.kill import KillScope
from dbmux.sql.modes import lexer_flags
from dbmux.sql.substitute import substitute
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command, Shape
from dbmux.wire.replies import Err, Ok, Status, err_from
from dbmux.wire.server import ServerProtocol
from dbmux.wire.statements import parse_query

# What a client may send ahead while it is not listened to.
HELD_LIMIT = 64 * 1024
# As much of a statement that is streamed as is looked at.
HEAD = 4096

QUERY, RESULT = int(Command.QUERY), int(Shape.RESULT)
# As a number: a flag's own arithmetic costs half a microsecond a query.
IN_TRANSACTION = int(Status.IN_TRANSACTION)
new_tuple = tuple.__new__


class State(IntEnum):
    """What a session is doing."""

    LOGIN = 0
    IDLE = 1
    REPLYING = 2
    STATEMENT_UPLOAD = 3
    FILE_UPLOAD = 4
    # A command waits for a connection, or for one to be made ready.
    WAITING = 5
    # Nothing may run until a question of DbMux's own is answered.
    SETTLING = 6
    CLOSED = 7


IDLE, REPLYING = int(State.IDLE), int(State.REPLYING)

KILL = Query(kind=Kind.KILL, access=Access.UNSURE)
COUNT_WARNINGS = Query(kind=Kind.DIAGNOSTICS, access=Access.READ, needs=Needs.WARNINGS)
# A prepared statement's execution: what it does is known from its text, but for the id.
EXECUTION = Query(kind=Kind.OTHER, access=Access.UNSURE, moves_insert_id=True)
# What is done with a prepared statement other than executing it: never plain, so that its end is followed.
USE = Query(kind=Kind.PREPARED, access=Access.UNSURE, is_digest_wide=False)
PREPARED = frozenset(
    (
        Command.STMT_PREPARE,
        Command.STMT_EXECUTE,
        Command.STMT_SEND_LONG_DATA,
        Command.STMT_CLOSE,
        Command.STMT_RESET,
        Command.STMT_FETCH,
        Command.MARIADB_STMT_BULK_EXECUTE,
    )
)
_NOT_CARRIED = Needs.FOUND_ROWS | Needs.ROW_COUNT | Needs.WARNINGS
_IN_USE = (PinReason.CURSOR, PinReason.LONG_DATA)
# In these a byte of a character may look like a quote or a backslash.
_UNREADABLE = frozenset(b"'%b'" % name.encode() for name in UNREADABLE)
_UNREAD = replace(OPAQUE, effects=(Pin(PinReason.UNKNOWN, "text in the client's character set"),))


class Surroundings(Protocol):
    """What a session needs of the frontend that it belongs to."""

    emit: Emit
    planner: Planner

    @property
    def inspect_max(self) -> int:
        """Statements up to this length, in bytes, are looked at whole."""

    @property
    def pool_wait_s(self) -> float:
        """How long a command may wait for a connection."""

    def find(self, session_id: int) -> Session | None:
        """The session with this id."""

    def change_user(self, session: Session, payload: bytes) -> None:
        """Begin a new login on this session's connections."""

    def forget(self, session: Session) -> None:
        """The session has ended."""


class Session:
    """A client, the connection that it holds or none, and the command that is under way.

    `shelf` is where its connections come from; None means that it has one of its own for life (a relayed login).
    """

    __slots__ = (
        "_command",
        "_debtor",
        "_emit",
        "_ended",
        "_is_backend_congested",
        "_flags",
        "_held",
        "_is_plain",
        "_is_retriable",
        "_killing",
        "_pending",
        "_plain",
        "_query",
        "_retiring",
        "_sent",
        "_shape",
        "_started",
        "_statement",
        "_statements",
        "_text_at",
        "_then",
        "_transaction_since",
        "_upload",
        "backend",
        "backend_name",
        "capabilities",
        "carried",
        "channel",
        "connection",
        "deadline",
        "greeter",
        "id",
        "listener",
        "origin",
        "peer",
        "shelf",
        "state",
        "surroundings",
        "user",
    )

    def __init__(self, session_id: int, channel: Channel, peer: str, listener: str, surroundings: Surroundings) -> None:
        self.id = session_id
        self.channel = channel
        self.peer = peer
        self.listener = listener
        self.surroundings = surroundings
        self.state = int(State.LOGIN)
        self.user = ""
        self.capabilities = 0
        self.origin: Origin | None = None
        self.backend: Backend | None = None
        self.backend_name = ""
        self.shelf: Shelf | None = None
        self.connection: Connection | None = None
        self.deadline = 0.0
        self.carried: Carried
        self._debtor: Connection | None = None
        self._emit = surroundings.emit
        self._command = 0
        self._shape = 0
        self._started = 0.0
        self._ended = 0.0
        self._is_backend_congested = False
        self.greeter: ServerProtocol | None = None
        self._text_at = 5
        self._flags = 0
        self._plain: dict[bytes, Query] = {}
        self._query = PLAIN
        self._is_plain = False
        self._is_retriable = False
        self._sent = b""
        self._statements: Statements | None = None
        self._statement: Statement | None = None
        self._pending = b""
        self._then: Callable[[], None] = self._send_pending
        self._held: bytearray | None = None
        self._upload: Upload | None = None
        self._killing: Session | None = None
        self._retiring: MySQLError | None = None
        # When the transaction began for which the connection is kept; 0.0 for none.
        self._transaction_since = 0.0

    def begin(self, backend: Backend, state: SessionState, capabilities: int) -> None:
        """The login is over: take the client's channel and serve commands, with connections of `shelf`."""
        self.backend = backend
        self.backend_name = backend.name
        is_mariadb = backend.greeting is not None and backend.greeting.is_mariadb
        self.carried = Carried(state, warnings_last=Warnings.UNTIL_A_TABLE if is_mariadb else Warnings.UNTIL_THE_NEXT)
        self.capabilities = capabilities
        self._statements = None
        self._text_at = 7 if capabilities & Capability.QUERY_ATTRIBUTES else 5
        self._read_sql_mode()
        self.state = IDLE
        self.greeter = None
        self._started = self._ended = perf_counter()
        self.channel.owner = self

    def keep(self, connection: Connection) -> None:
        """The session has this connection, which no other can use, for life."""
        connection.hold(self, self.capabilities)
        connection.creditor = self
        self.connection = connection
        self.carried.pins[PinKey(PinReason.RELAYED_LOGIN, "")] = self._started

    def leave_connections(self) -> None:
        """The session becomes somebody else's: what it held or was owed is of no use to it any more."""
        connection, self.connection = self.connection, None
        if self.backend is not None and self.carried.pins:
            self._drop_pins()
        if connection is not None and self.shelf is not None:
            _clean(connection, self.shelf)
        elif connection is not None:
            connection.quit()
        if self._debtor is not None:
            self._debtor.forget_debt()
            self._debtor = None

    # What the client's channel tells.

    def received(self, data: bytes) -> None:
        """The client sent something."""
        if self.state == IDLE and not self._held:
            size = len(data)
            if size > 4 and data[0] | data[1] << 8 | data[2] << 16 == size - 4 and data[3] == 0:
                text_at = self._text_at
                if data[4] == QUERY and (text_at == 5 or size > 7 and data[5] == 0):
                    query = self._plain.get(digest(data, text_at, self._flags))
                    if query is not None:
                        # The fast lane, and all of it: what `_run` would do, without its calls.
                        connection = self.connection
                        if connection is None:
                            connection = self._take()
                        if connection is not None and (
                            connection.state is self.carried.state
                            and (connection.creditor is self or not connection.debt)
                        ):
                            self._query = query
                            self._is_plain = True
                            self._command = QUERY
                            self._sent = data
                            self.state = REPLYING
                            connection.creditor = self
                            connection.reply_bytes = 0
                            connection.scanner.begin(RESULT, 1)
                            self._started = perf_counter()
                            connection.channel.write(data)
                        else:
                            self._relay(query, RESULT, data)
                        return
                self._run(data)
                return
        if self._upload is not None:
            self._uploaded(data)
            return
        if self._held is None:
            self._held = bytearray()
        self._held += data
        if self.state == IDLE:
            self._advance()
        elif len(self._held) > HELD_LIMIT:
            self.channel.pause()

    def closed(self, error: Exception | None) -> None:
        """The client is gone."""
        self.end(CloseReason.CLIENT_GONE, str(error) if error else "")

    def congested(self) -> None:
        """The client reads slowly: the backend must wait."""
        if self.connection is not None:
            self.connection.channel.pause()

    def writable(self) -> None:
        """The client has caught up."""
        if self.connection is not None:
            self.connection.channel.resume()

    # What the connection tells.

    def reply_ended(self) -> None:
        """The reply is whole and was passed on."""
        connection = self.connection
        assert connection is not None
        scanner = connection.scanner
        self.state = IDLE
        self._sent = b""
        now = self._ended = self._finish(connection)
        carried = self.carried
        shelf = self.shelf
        if self._is_plain and shelf is None:
            # It keeps its connection, and the connection knows all the rest.
            pass
        elif self._is_plain and not (
            scanner.error or scanner.warnings or connection.debt or carried.warnings or carried.pins
        ):
            # What `_follow` would do.
            if scanner.rows >= 0:
                carried.row_count = -1
                carried.found_rows = scanner.rows
            else:
                carried.row_count = scanner.affected
            if not scanner.status & IN_TRANSACTION and not connection.kills:
                self.connection = None
                shelf.give(connection, now)  # type: ignore[union-attr]  # the case above has none
            elif not self._transaction_since:
                self._transaction_since = self._started
        else:
            self._follow(connection, now)
            if self.state != IDLE:
                return
        if self._retiring is not None:
            self.retire(self._retiring)
        elif self._held:
            self._advance()

    def _finish(self, connection: Connection) -> float:
        now = perf_counter()
        self._emit(
            # Half the price of calling QueryFinished.
            new_tuple(
                QueryFinished,
                (
                    time(),
                    self.id,
                    self.backend_name,
                    self._command,
                    now - self._started,
                    connection.reply_bytes,
                    connection.scanner.error,
                ),
            )
        )
        return now

    def _follow(self, connection: Connection, now: float) -> None:
        # What the query did to the session, and whether the connection can be given away after it.
        carried = self.carried
        before = dict(carried.pins)
        sql_mode = carried.state.variable("sql_mode")
        carried.follow(self._query, connection, now)
        if self._statement is not None:
            self._follow_prepared(self._statement, connection, now)
        elif self._command == Command.RESET_CONNECTION and not connection.scanner.error:
            carried.reset(connection)
            self._statements = None
        if self._killing is not None:
            self._spare(self._killing)
        if carried.pins != before:
            self._tell_pins(before, now)
        if carried.state.variable("sql_mode") != sql_mode:
            self._read_sql_mode()
        # A session with a connection of its own never has to say elsewhere what it is.
        questions = carried.questions() if self.shelf is not None else []
        if questions:
            self.state = int(State.SETTLING)
            statements = [(Command.QUERY, question) for question in questions]
            Exchange(statements, self._answered, self._not_answered).begin(connection)
        else:
            self._let_go(connection, now)

    def _answered(self, answers: list[Answer]) -> None:
        connection = self.connection
        assert connection is not None
        now = perf_counter()
        before = dict(self.carried.pins)
        try:
            self.carried.learn(answers, connection)
        except ProtocolError as error:
            self.fail(error, CloseReason.PROTOCOL_ERROR)
            return
        self._tell_pins(before, now)
        self._read_sql_mode()
        self.state = IDLE
        self._let_go(connection, now)
        self._go_on()

    def _not_answered(self, error: BackendRefused | MySQLError) -> None:
        self.end(CloseReason.BACKEND_GONE, str(error))

    def _tell_pins(self, before: dict[PinKey, float], now: float) -> None:
        at, pins = time(), self.carried.pins
        for key in pins.keys() - before.keys():
            self._emit(Pinned(at, self.id, key.reason, key.what))
        for key in before.keys() - pins.keys():
            self._emit(Unpinned(at, self.id, key.reason, key.what, now - before[key]))

    def _drop_pins(self) -> None:
        # They end with what they pinned. A login that was relayed is no event.
        before = self.carried.pins
        self.carried.pins = {key: since for key, since in before.items() if key.reason is PinReason.RELAYED_LOGIN}
        self._tell_pins(before, perf_counter())

    def _read_sql_mode(self) -> None:
        told = self.carried.state.variable("sql_mode")
        assert self.backend is not None
        self._flags = lexer_flags(self.backend.sql_mode if told is None else told.strip(b"'"))
        self._plain = self.surroundings.planner.plain[self._flags]

    def _let_go(self, connection: Connection, now: float) -> None:
        if not connection.is_in_transaction:
            self._transaction_since = 0.0
        elif not self._transaction_since:
            self._transaction_since = self._started
        if self.shelf is None or self.carried.pins or connection.is_in_transaction or connection.kills:
            return
        if connection.debt and self.shelf.pool.choice is Choice.ANOTHER:
            self._settle_now(connection)
            return
        self.connection = None
        if connection.debt:
            self._debtor = connection
        if connection.state.schema and not self.shelf.key.has_schema:
            key = self.shelf.key
            self.shelf = self.shelf.sibling(ShelfKey(key.user, key.capabilities, True))
            self.shelf.move(connection)
        self.shelf.give(connection, now)

    def _settle_now(self, connection: Connection) -> None:
        def paid(answers: list[Answer]) -> None:
            self._note(connection, answers)
            connection.debt = Debt.NONE
            self.state = IDLE
            self._let_go(connection, perf_counter())
            self._go_on()

        self.state = int(State.SETTLING)
        Exchange(settlement(connection), paid, self._not_answered).begin(connection)

    def _go_on(self) -> None:
        if self._retiring is not None:
            self.retire(self._retiring)
        elif self._held:
            self._advance()

    def unasked(self, data: bytes) -> None:
        """The backend said something while nothing was asked: why it is about to close, or what was wrong so far."""
        length = int.from_bytes(data[:3], "little")
        if len(data) != packet.HEADER + length or data[packet.HEADER : packet.HEADER + 1] != b"\xff":
            self.fail(
                MySQLError(ErrorCode.MALFORMED_REPLY, "the server spoke without being asked; connect again"),
                CloseReason.PROTOCOL_ERROR,
            )
            return
        self.channel.write(packet.encode(data[packet.HEADER :], self._next_sequence(self.connection)))
        self.end(CloseReason.BACKEND_GONE, "the server ended the connection")

    def file_wanted(self) -> None:
        """The server waits for a file: the client's packets go to it until an empty one."""
        assert self.connection is not None
        self.state = State.FILE_UPLOAD
        self._upload = Upload(UploadKind.FILE, self.connection.scanner.sequence)
        if self._held:
            held, self._held = bytes(self._held), None
            self._uploaded(held)

    def reply_broke(self, reason: str) -> None:
        """The backend cannot be understood any more."""
        error = MySQLError(ErrorCode.MALFORMED_REPLY, f"the server's reply is malformed ({reason}); connect again")
        self.fail(error, CloseReason.PROTOCOL_ERROR)

    def backend_closed(self, error: Exception | None) -> None:
        """The backend's connection is gone."""
        lost, self.connection = self.connection, None
        if self.state == IDLE:
            self.end(CloseReason.BACKEND_GONE, str(error) if error else "the server closed the connection")
        elif self.state != State.CLOSED and lost is not None:
            self._lost_in_reply(lost)

    def backend_congested(self) -> None:
        """The backend reads slowly: the client must wait."""
        self._is_backend_congested = True
        self.channel.pause()

    def backend_writable(self) -> None:
        """The backend has caught up."""
        self._is_backend_congested = False
        self.channel.resume()

    # A connection for the command that is pending.

    def _take(self) -> Connection | None:
        # One that is free, if there is; the one that owes this session something before all others.
        shelf, debtor = self.shelf, self._debtor
        if shelf is None:
            return None
        connection = None
        if debtor is not None:
            self._debtor = None
            if shelf.claim(debtor):
                connection = debtor
        if connection is None:
            connection = shelf.take(self.carried.state, self)
            if connection is None:
                return None
        connection.hold(self, self.capabilities)
        self.connection = connection
        self._transaction_since = 0.0
        self._is_retriable = True
        return connection

    def _relay(self, query: Query, shape: int, data: bytes) -> None:
        self._shape = shape
        self._request(query, data, self._send_pending)

    def _request(self, query: Query, data: bytes, then: Callable[[], None], statement: Statement | None = None) -> None:
        # Have a connection that is ready for this query, and then do something on it.
        self._query = query
        self._is_plain = query.is_plain and query.is_digest_wide and data[4] != Command.RESET_CONNECTION
        self._statement = statement
        self._command = data[4]
        self._pending = data
        self._then = then
        self._started = perf_counter()
        self._get_connection()

    def _get_connection(self) -> None:
        connection = self.connection
        if connection is None:
            connection = self._take()
        else:
            self._is_retriable = False
        if connection is not None:
            self._make_ready(connection)
        elif self.shelf is not None:
            self.state = int(State.WAITING)
            self.deadline = self._started + self.surroundings.pool_wait_s
            self.shelf.pool.wait(self)

    def granted(self, connection: Connection | None) -> None:
        """The pool says: here is the connection that was waited for."""
        assert connection is not None
        connection.hold(self, self.capabilities)
        self.connection = connection
        self._transaction_since = 0.0
        self._is_retriable = True
        self._make_ready(connection)

    def denied(self, error: MySQLError | BackendRefused) -> None:
        """The pool says: there is no connection."""
        self._answer_error(error)

    def _make_ready(self, connection: Connection) -> None:
        carried, statement = self.carried, self._statement
        key = statement.key if statement is not None else None
        is_prepared = key is None or key in connection.statements
        if is_prepared and carried.is_ready(connection, self._query, self):
            self._then()
            return
        self.state = int(State.WAITING)
        if self.shelf is not None:
            self.shelf.pool.carried += 1
        creditor = connection.creditor
        assert self.backend is not None
        spelling = self.backend.spelling
        statements = carried.preparation(connection, self._query, self, spelling)
        # What prepares it for this session destroys what it still knew, for another one or for this.
        debts = settlement(connection) if isinstance(creditor, Session) else []
        if debts and isinstance(creditor, Session) and creditor is not self:
            creditor.is_being_settled()
        if statement is not None and not is_prepared:
            at = len(debts) + len(statements)
            preparation = statement.preparation(carried.state, spelling)
            at += [command for command, _ in preparation].index(Command.STMT_PREPARE)
            statements += preparation

        def done(answers: list[Answer]) -> None:
            if debts and isinstance(creditor, Session):
                creditor.settle(connection, answers[: len(debts)])
            connection.forget_debt()
            carried.take_over(connection, self._query, self)
            if self._query.needs and statement is None:
                self._substitute()
            if key is not None and not is_prepared:
                connection.remember_statement(key, answers[at].prepared().statement)
            self._then()

        def failed(error: BackendRefused | MySQLError) -> None:
            if debts and isinstance(creditor, Session):
                creditor.settle(connection, [])
            self._not_ready(connection, error)

        Exchange([*debts, *statements], done, failed).begin(connection)

    def _substitute(self) -> None:
        values = self.carried.substitutes(self._query)
        if values and self._command == QUERY:
            start = self._text_at
            text = substitute(self._pending, start, self._flags, values)
            self._pending = packet.encode(self._pending[packet.HEADER : start] + text, 0)

    def _not_ready(self, connection: Connection, error: BackendRefused | MySQLError) -> None:
        if self.state == State.CLOSED:
            return
        was_closed = connection.is_closed
        connection.quit()
        self.connection = None
        if was_closed and self._is_retriable:
            # Nothing of the command was sent: another connection is as good.
            self._is_retriable = False
            self._get_connection()
            return
        self._answer_error(error)

    def _answer_error(self, error: MySQLError | BackendRefused) -> None:
        # An error in place of a reply; the session goes on.
        self.state = IDLE
        self._upload = None
        self._pending = b""
        told = (
            err_from(error)
            if isinstance(error, MySQLError)
            else Err(number=error.number, sqlstate=error.sqlstate, message=error.message)
        )
        self.channel.write(packet.encode(told.build(), 1))
        self.channel.resume()
        self._go_on()

    def collect(self, connection: Connection) -> None:
        """The pool wants to close a connection that owes this session something: that is asked for first."""
        shelf = connection.home
        self.is_being_settled()

        def paid(answers: list[Answer]) -> None:
            self._note(connection, answers)
            connection.forget_debt()
            if isinstance(shelf, Shelf):
                shelf.give(connection, connection.idle_since)
            self.settle(connection, [])

        def lost(error: BackendRefused | MySQLError) -> None:
            connection.abort()
            self.settle(connection, [])

        Exchange(settlement(connection), paid, lost).begin(connection)

    def is_being_settled(self) -> None:
        """Another session got the connection that owes this one something: nothing may run until it has paid."""
        self._debtor = None
        self.state = int(State.SETTLING)

    def settle(self, connection: Connection, answers: list[Answer]) -> None:
        """What the connection still knew for this session; nothing, when it was lost."""
        self._note(connection, answers)
        if self.state != State.SETTLING:
            return
        self.state = IDLE
        self._go_on()

    def _note(self, connection: Connection, answers: list[Answer]) -> None:
        debt = connection.debt if answers else Debt.NONE
        if debt & Debt.WARNINGS:
            self.carried.warnings = answers[0]
        if debt & Debt.INSERT_ID:
            self.carried.insert_id = connection.insert_id = answers[-1].number()

    def _lost_in_reply(self, lost: Connection) -> None:
        is_read = self._query.access is Access.READ and self.state == REPLYING and bool(self._sent)
        if is_read and self._is_retriable and not lost.reply_bytes:
            self._is_retriable = False
            if self._statement is None:
                self._relay(self._query, RESULT, self._sent)
            else:
                self._execute_prepared(self._statement, self._sent)
            return
        error = MySQLError(
            ErrorCode.LOST_IN_REPLY,
            f"backend {self.backend_name} closed the connection in the middle of the query; "
            "whether it took effect is unknown: check before you repeat it",
        )
        self._break_off(lost, error, CloseReason.BACKEND_GONE)

    # What the frontend tells.

    @property
    def is_between_transactions(self) -> bool:
        """Whether the session could end now without anything being lost."""
        if self.state != IDLE:
            return self.state == State.LOGIN
        return self.connection is None or not self.connection.is_in_transaction

    @property
    def busy_since(self) -> float | None:
        """When the command under way began, by time.perf_counter, or None."""
        return self._started if self.state in (State.REPLYING, State.FILE_UPLOAD) else None

    @property
    def occupation(self) -> Occupation:
        """Why the session holds its connection, for one who waits in vain."""
        if self.connection is not None and self.connection.is_in_transaction:
            return Occupation(PinReason.TRANSACTION, self._transaction_since or self._started)
        if self.carried.pins:
            key, since = next(iter(self.carried.pins.items()))
            return Occupation(key.reason, since)
        return Occupation(None, self._started)

    def is_idle_since(self, moment: float) -> bool:
        """Whether the last reply ended before `moment`, by time.perf_counter, and nothing is under way."""
        return self.state == IDLE and self.is_between_transactions and self._ended < moment

    def retire(self, error: MySQLError) -> None:
        """End with this error as soon as no command and no transaction is under way."""
        self._retiring = error
        if self.is_between_transactions:
            self.fail(error, CloseReason.DRAINED)
        elif self.state == IDLE and self._held:
            self._advance()

    def fail(self, error: MySQLError, reason: CloseReason) -> None:
        """Tell the client an error, as far as the place in the stream allows it, and end."""
        self._break_off(self.connection, error, reason)

    def _break_off(self, connection: Connection | None, error: MySQLError, reason: CloseReason) -> None:
        # The error can only be told between two packets of what the client was sent.
        if self.greeter is not None:
            self.channel.write(self.greeter.send_err(err_from(error)))
        elif self.state != REPLYING or (connection is not None and connection.is_at_packet_boundary):
            self.channel.write(packet.encode(err_from(error).build(), self._next_sequence(connection)))
        self.end(reason, error.message)

    def _next_sequence(self, connection: Connection | None) -> int:
        # The number that the client expects of the next packet.
        if self._upload is not None:
            return self._upload.sequence
        if self.state == REPLYING and connection is not None:
            return connection.scanner.sequence
        return 0 if self.state == IDLE else 1

    def end(self, reason: CloseReason, detail: str = "") -> None:
        """Close the client, give back or close the connection; the only way out, and harmless when taken twice."""
        if self.state == State.CLOSED:
            return
        was_idle = self.state == IDLE
        if self.state == State.WAITING and self.connection is None and self.shelf is not None:
            self.shelf.pool.cancel(self)
        self.state = int(State.CLOSED)
        self._upload = None
        connection = self.connection
        if connection is not None and not was_idle:
            self.connection = None
            connection.abort()
        self.leave_connections()
        self.channel.close()
        self.surroundings.forget(self)
        self._emit(SessionClosed(time(), self.id, reason, detail))

    # Commands.

    def _run(self, data: bytes) -> None:
        # One whole command, in one packet.
        command = data[4]
        if command != QUERY:
            self._execute(COMMAND_PLANS[command], command_query(command, data[5:]), data)
            return
        start = self._text_at
        if start == 7 and len(data) > 7 and data[5] != 0:
            try:
                text = parse_query(data[5:], self.capabilities).text
            except ProtocolError as error:
                self.refuse(error)
                return
            start = len(data) - len(text)
        query = self._read(data, start)
        if query.kind is Kind.DIAGNOSTICS and self._tell_warnings(data, start):
            return
        self._execute(plan_query(query, data, start), query, data)

    def _read(self, data: bytes, start: int) -> Query:
        names = self.carried.state.names
        if names is not None and names.client in _UNREADABLE and not data[start:].isascii():
            return _UNREAD
        return self.surroundings.planner.query(data, start, self._flags)

    def _execute(self, plan: Plan, query: Query, data: bytes) -> None:
        match plan:
            case Relay() if data[4] in PREPARED:
                self._run_prepared(data)
            case Relay(shape):
                self._relay(query, shape, data)
            case Kill(start=start, end=end):
                self._kill(plan, data[:start], data[end:])
            case KillByNumber():
                target = int.from_bytes(data[5:9], "little")
                self._kill(Kill(target, 5, 9, KillScope.CONNECTION), data[:5], None)
            case ChangeUser():
                self.state = int(State.LOGIN)
                self.surroundings.change_user(self, data[packet.HEADER :])
            case Quit():
                self.end(CloseReason.QUIT)
            case Refuse(error):
                self.refuse(error)

    # Prepared statements.

    def _run_prepared(self, data: bytes) -> None:
        if self._statements is None:
            self._statements = Statements(self.capabilities)
        try:
            match data[4]:
                case Command.STMT_PREPARE:
                    self._prepare(data)
                case Command.STMT_EXECUTE | Command.MARIADB_STMT_BULK_EXECUTE:
                    self._execute_prepared(self._statements.find(data), data)
                case Command.STMT_CLOSE:
                    self._close_prepared(self._statements.find(data))
                case _:
                    self._use_prepared(self._statements.find(data), data)
        except MySQLError as error:
            # Two of these commands have no answer, not even an error.
            if data[4] not in (Command.STMT_CLOSE, Command.STMT_SEND_LONG_DATA):
                self.refuse(error)

    def _prepare(self, data: bytes) -> None:
        query = self._read(data, packet.HEADER + 1)
        self._request(PLAIN, data, lambda: self._ask_to_prepare(data[5:], query))

    def _ask_to_prepare(self, text: bytes, query: Query) -> None:
        # Asked instead of relayed: the answer has the server's number, and the client gets one of the session's.
        connection, statements = self.connection, self._statements
        assert connection is not None
        assert statements is not None
        self.state = int(State.WAITING)

        def done(answers: list[Answer]) -> None:
            told = answers[0].prepared()
            statement = statements.add(text, query, told.parameters, self.carried.state)
            connection.close_statement(statement.key)
            connection.remember_statement(statement.key, told.statement)
            if query.needs & _NOT_CARRIED:
                # Such a statement asks its own connection, and there is no text in which to put the answer.
                self.carried.pin(PinReason.SQL_PREPARED, f"#{statement.id}", perf_counter())
            self._answer_prepare(connection, renumbered(answers[0].raw, statement.id), 0)

        def failed(error: BackendRefused | MySQLError) -> None:
            if isinstance(error, BackendRefused):
                told = Err(number=error.number, sqlstate=error.sqlstate, message=error.message)
                self._answer_prepare(connection, packet.encode(told.build(), 1), error.number)
            else:
                self._not_ready(connection, error)

        Exchange([(Command.STMT_PREPARE, text)], done, failed).begin(connection)

    def _answer_prepare(self, connection: Connection, reply: bytes, error: int) -> None:
        connection.scanner.begin(Shape.NONE, 0)
        connection.scanner.error = error
        connection.reply_bytes = len(reply)
        connection.creditor = self
        self.channel.write(reply)
        self.reply_ended()

    def _execute_prepared(self, statement: Statement, data: bytes) -> None:
        self._shape = RESULT
        query = statement.query
        if self.carried.pins or _asks_for_cursor(data):
            # With a cursor, or after long data, something is left behind or ends.
            query = replace(query, is_digest_wide=False)
        self._request(query, data, lambda: self._send_execution(statement, data), statement)

    def _send_execution(self, statement: Statement, data: bytes) -> None:
        connection, statements = self.connection, self._statements
        assert connection is not None
        assert statements is not None
        number = connection.statements[statement.key]
        connection.statements.move_to_end(statement.key)
        try:
            self._pending = statements.execution(statement, data, connection, number)
        except ProtocolError as error:
            self._misbehaved(error)
            return
        self._send_pending()
        connection.scanner.opens_cursor = int(_asks_for_cursor(data))
        self._sent = data

    def _use_prepared(self, statement: Statement, data: bytes) -> None:
        in_use = [key for key in self.carried.pins if key.reason in _IN_USE and key.what == str(statement.id)]
        match data[4]:
            case Command.STMT_RESET if not in_use:
                self.channel.write(packet.encode(Ok().build(self.capabilities), 1))
            case Command.STMT_SEND_LONG_DATA:
                self._shape = Shape.NONE
                self._request(USE, data, lambda: self._send_use(statement, data), statement)
            case Command.STMT_RESET:
                self._shape = Shape.SIMPLE
                self._request(USE, data, lambda: self._send_use(statement, data), statement)
            case _:
                self._shape = Shape.ROWS
                self._request(USE, data, lambda: self._send_use(statement, data), statement)

    def _send_use(self, statement: Statement, data: bytes) -> None:
        connection = self.connection
        assert connection is not None
        self._pending = renumbered(data, connection.statements[statement.key])
        self._send_pending()
        if self._shape == Shape.NONE:
            connection.scanner.begin(Shape.NONE, 0)
            self.reply_ended()

    def _follow_prepared(self, statement: Statement, connection: Connection, now: float) -> None:
        # Long data waits for the execution, an open cursor for its last row; both on this connection.
        carried, what, status = self.carried, str(statement.id), connection.scanner.status
        match self._command:
            case Command.STMT_SEND_LONG_DATA:
                carried.pin(PinReason.LONG_DATA, what, now)
            case Command.STMT_FETCH if connection.scanner.error or status & Status.LAST_ROW_SENT:
                carried.unpin(PinReason.CURSOR, what)
            case Command.STMT_RESET:
                carried.unpin(PinReason.CURSOR, what)
                carried.unpin(PinReason.LONG_DATA, what)
            case Command.STMT_EXECUTE | Command.MARIADB_STMT_BULK_EXECUTE:
                carried.unpin(PinReason.LONG_DATA, what)
                carried.unpin(PinReason.CURSOR, what)
                if status & Status.CURSOR_EXISTS and not connection.scanner.error:
                    carried.pin(PinReason.CURSOR, what, now)

    def _close_prepared(self, statement: Statement) -> None:
        assert self._statements is not None
        del self._statements.by_id[statement.id]
        connection, what = self.connection, str(statement.id)
        before = dict(self.carried.pins)
        self.carried.unpin(PinReason.CURSOR, what)
        self.carried.unpin(PinReason.LONG_DATA, what)
        self.carried.unpin(PinReason.SQL_PREPARED, f"#{what}")
        if connection is not None and self.carried.pins != before:
            connection.close_statement(statement.key)
            now = perf_counter()
            self._tell_pins(before, now)
            self._let_go(connection, now)

    def _tell_warnings(self, data: bytes, start: int) -> bool:
        # The connection that knew them was given away, and what it knew was fetched before.
        stored = self.carried.warnings
        if stored is None:
            return False
        words = data[start:].strip(b" \t\r\n;").upper().split()
        match words:
            case [b"SHOW", b"WARNINGS"]:
                self.channel.write(stored.raw)
            case [b"SHOW", b"ERRORS"]:
                self.channel.write(only_errors(stored.raw))
            case [b"SHOW", b"COUNT(*)", what]:
                name = b"@@session.warning_count" if what == b"WARNINGS" else b"@@session.error_count"
                count = len(stored.rows) if what == b"WARNINGS" else sum(row[0] == b"Error" for row in stored.rows)
                text = b"SELECT GREATEST(%b,CAST(%d AS UNSIGNED)) AS `%b`" % (name, count, name)
                statement = packet.encode(data[packet.HEADER : start] + text, 0)
                self._relay(COUNT_WARNINGS, RESULT, statement)
            case _:
                self.refuse(
                    MySQLError(
                        ErrorCode.NOT_SUPPORTED,
                        "these diagnostics can no longer be asked for, their connection serves another session; "
                        "use SHOW WARNINGS, or ask in the same transaction",
                    )
                )
        return True

    def _kill(self, plan: Kill, before: bytes, behind: bytes | None) -> None:
        # The client knows other sessions by DbMux's numbers; numbers that are not DbMux's are the server's own.
        victim = self.surroundings.find(plan.target)
        number = plan.target
        assert self.backend is not None
        if victim is not None:
            if victim.backend is None or victim.backend.config.address != self.backend.config.address:
                self.refuse(
                    MySQLError(
                        ErrorCode.UNKNOWN_THREAD,
                        f"connection {number} is at another backend; send KILL through a connection to that one",
                    )
                )
                return
            if victim.connection is None:
                self._kill_idle(victim, plan.scope)
                return
            # Until the server has done it, the connection must not become another session's.
            victim.connection.kills += 1
            self._killing = victim
            number = victim.connection.id
        if behind is None:
            data = packet.encode(before[4:] + number.to_bytes(4, "little"), 0)
            self._relay(KILL, Shape.SIMPLE, data)
        else:
            self._relay(KILL, RESULT, packet.encode(before[4:] + str(number).encode() + behind, 0))

    def _kill_idle(self, victim: Session, scope: KillScope) -> None:
        # It has no connection at the server: there is nothing to stop but the session itself.
        if victim.user != self.user:
            self.refuse(
                MySQLError(ErrorCode.UNKNOWN_THREAD, f"connection {victim.id} is another user's; kill it as that user")
            )
            return
        self.channel.write(packet.encode(Ok(status=Status.AUTOCOMMIT).build(self.capabilities), 1))
        if scope is KillScope.CONNECTION and victim is not self:
            victim.end(CloseReason.KILLED, f"by {self.id}")

    def _spare(self, victim: Session) -> None:
        self._killing = None
        connection = victim.connection
        if connection is not None:
            connection.kills -= 1
            if victim.state == IDLE:
                victim._let_go(connection, perf_counter())

    def refuse(self, error: MySQLError) -> None:
        """Answer the command with an error of DbMux's own; the session goes on."""
        self.channel.write(packet.encode(err_from(error).build(), 1))

    def resume_commands(self) -> None:
        """A login is over: go on with what the client sent meanwhile."""
        if self.state == IDLE and self._held:
            self._advance()

    def _advance(self) -> None:
        # Commands that came in pieces or ahead of time, one after the other.
        held = self._held
        while self.state == IDLE and held and len(held) >= packet.HEADER:
            length = held[0] | held[1] << 8 | held[2] << 16
            if held[3] != 0:
                self._misbehaved(ProtocolError(ErrorCode.PACKET_ORDER, f"packet 0 expected, {held[3]} came"))
            elif length == 0:
                self._misbehaved(ProtocolError(ErrorCode.MALFORMED, "a command has no bytes"))
            elif length > self.surroundings.inspect_max or length == packet.MAX_PAYLOAD:
                if len(held) < packet.HEADER + HEAD:
                    break
                self._stream(bytes(held))
                return
            elif len(held) < packet.HEADER + length:
                break
            else:
                command = bytes(held[: packet.HEADER + length])
                del held[: packet.HEADER + length]
                self._run(command)
        if not held:
            self._held = None
        is_listening = held is None or len(held) <= HELD_LIMIT or self.state == IDLE
        if is_listening and self.state != State.CLOSED and not self._is_backend_congested:
            self.channel.resume()

    def _stream(self, held: bytes) -> None:
        # A statement too long to hold goes to the backend as it comes.
        plan = COMMAND_PLANS[held[4]]
        if not isinstance(plan, Relay):
            self._misbehaved(ProtocolError(ErrorCode.TOO_BIG, "this command cannot be so long"))
            return
        self._held = None
        self._query = self._read_head(held)
        self._is_plain = False
        self._command = held[4]
        self._started = perf_counter()
        self._shape = plan.shape
        self._upload = Upload(UploadKind.STATEMENT, 0)
        self._pending = held
        self._then = self._begin_stream
        self._get_connection()
        if self.state == State.WAITING:
            self.channel.pause()

    def _read_head(self, held: bytes) -> Query:
        # All that is seen of it is its beginning: what comes behind may only be more of the same statement.
        if held[4] != QUERY or self.capabilities & Capability.MULTI_STATEMENTS:
            return OPAQUE if held[4] == QUERY else EXECUTION
        query = self._read(held[: packet.HEADER + HEAD], self._text_at)
        return replace(query, access=Access.UNSURE)

    def _begin_stream(self) -> None:
        assert self.connection is not None
        self.state = State.STATEMENT_UPLOAD
        self.connection.creditor = self
        self.connection.reply_bytes = 0
        held, self._pending = self._pending, b""
        self.channel.resume()
        self._uploaded(held)

    def _send_pending(self) -> None:
        connection = self.connection
        assert connection is not None
        data, self._pending = self._pending, b""
        self._sent = data
        self.state = REPLYING
        connection.creditor = self
        connection.reply_bytes = 0
        connection.scanner.begin(self._shape, 1)
        connection.channel.write(data)

    def _uploaded(self, data: bytes) -> None:
        upload, connection = self._upload, self.connection
        if upload is None or connection is None:
            self._pending += data
            return
        try:
            size = upload.follow(data)
        except ProtocolError as error:
            self._misbehaved(error)
            return
        kind = self.state
        if upload.has_ended:
            self._upload = None
            self._held = bytearray(data[size:]) if size < len(data) else None
            shape = Shape.SIMPLE if kind == State.FILE_UPLOAD else Shape(self._shape)
            connection.scanner.begin(shape, upload.sequence)
            self.state = REPLYING if shape else IDLE
        connection.channel.write(data if size == len(data) else data[:size])
        if self.state == IDLE:
            self.reply_ended()

    def _misbehaved(self, error: ProtocolError) -> None:
        sequence = self._upload.sequence if self._upload is not None else 1
        self.channel.write(packet.encode(err_from(error).build(), sequence))
        self.end(CloseReason.PROTOCOL_ERROR, error.message)


def _asks_for_cursor(data: bytes) -> bool:
    return data[4] == Command.STMT_EXECUTE and bool(data[9:10].strip(b"\0\x08"))


def _clean(connection: Connection, shelf: Shelf) -> None:
    """Have a connection forget the session that left it, and give it back."""
    connection.holder = None

    def done(answers: list[Answer]) -> None:
        connection.forget_session()
        shelf.give(connection, perf_counter())

    Exchange([(Command.RESET_CONNECTION, b"")], done, lambda error: connection.abort()).begin(connection)
