# cython: annotation_typing=False, language_level=3, nonecheck=True
"""A session as the tenant of backend connections: it holds one only while it must.

A command that needs a connection comes in; it is sent once there is one that is ready for it: taken from the shelf or
waited for, paid what it owed to whoever had it last, and made this session's. When its reply has ended, what it did is
followed, questions that only the server can answer are asked, and the connection is let go unless something ties it.
Never reads what the client sends.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter, time
from typing import Protocol

from dbmux.backend.connection import Answer, Connection, Debt, Exchange
from dbmux.backend.group import Group
from dbmux.backend.occupation import Occupation
from dbmux.backend.pool import Choice, Shelf
from dbmux.backend.server import Backend
from dbmux.cache.fill import Fill
from dbmux.cache.plans import Plan
from dbmux.config.model import Roles
from dbmux.errors import BackendRefused, ErrorCode, MySQLError, ProtocolError
from dbmux.events import KEPT, KEPT_ERROR, NOBODY, OWN, CloseReason, Emit, QueryFinished
from dbmux.frontend.calls import COUNTERS, CallReply
from dbmux.frontend.carried import COUNTS, settlement
from dbmux.frontend.course import Course, needs_primary
from dbmux.frontend.creditor import CreditorSession
from dbmux.frontend.diagnostics import LASTING
from dbmux.frontend.orders import Orders
from dbmux.frontend.prepared import Statement
from dbmux.frontend.rules import Lens
from dbmux.frontend.settings import Settings
from dbmux.frontend.state import IDLE, REPLYING, WAITING, State
from dbmux.kernel import ReplyScanner
from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES
from dbmux.net.channel import Channel
from dbmux.planner.planner import PLAIN, Planner
from dbmux.query import Access, Kind, PinReason, Query
from dbmux.routes import ONLY, Route
from dbmux.sql.modes import lexer_flags
from dbmux.sql.variables import CHANGE_TRACKING
from dbmux.wire import packet
from dbmux.wire.commands import Command, Shape
from dbmux.wire.replies import Status

QUERY, RESULT, MAX_PAYLOAD = int(Command.QUERY), int(Shape.RESULT), packet.MAX_PAYLOAD
# As a number: a flag's own arithmetic costs half a microsecond a query.
IN_TRANSACTION, AUTOCOMMIT = int(Status.IN_TRANSACTION), int(Status.AUTOCOMMIT)
METADATA_CHANGED = int(Status.METADATA_CHANGED)
# With these servers refuse writes while they are read-only.
_READ_ONLY = (1290, 1836)
# With which a server refuses everybody: it shuts down, has blocked this host, or is in offline mode.
_OF_SERVER = (1053, 1129, 3032)
_ON = (b"1", b"ON", b"TRUE")
_OFF = (b"0", b"OFF", b"FALSE")
# A connection that is reset with an XA transaction loses it on MariaDB, and InnoDB's tables with it, for good.
_STAINS = frozenset((PinReason.UNKNOWN, PinReason.XA))
# A `row_limit` that no number of rows reaches.
ANY = -2
new_tuple = tuple.__new__


class Market(Protocol):
    """What a tenant needs of the frontend that it belongs to."""

    emit: Emit
    planner: Planner
    # What holds now: it may be another one for the next command.
    settings: Settings
    # Those whose statement under way has a time limit of its own.
    limited: set[Tenant]


class Tenant(CreditorSession):
    """The connection that a session holds or none, and the query for which it is held; the connection's Holder.

    `shelf` is where its connections come from; None means that it has one of its own for life (a relayed login).
    `backend` is the server of that shelf; with a `course` it may be another for each query.
    """

    __slots__ = (
        "_call_reply",
        "_command",
        "_ended",
        "_fill",
        "_flags",
        "_is_congested",
        "_is_plain",
        "_is_retriable",
        "_lens",
        "_orders",
        "_pending",
        "_plain",
        "_plan",
        "_query",
        "_sent",
        "_sent_at",
        "_shape",
        "_started",
        "_statement",
        "_text_at",
        "_then",
        "_transaction_since",
        "_transactions",
        "_verdict",
        "backend",
        "backend_name",
        "capabilities",
        "channel",
        "connection",
        "course",
        "deadline",
        "group",
        "shelf",
        "surroundings",
        "who",
    )

    def __init__(self, session_id: int, channel: Channel, surroundings: Market) -> None:
        super().__init__(session_id, surroundings.emit)
        self.channel = channel
        self.surroundings = surroundings
        self.capabilities = 0
        self.group: Group | None = None
        self.course: Course | None = None
        self.backend: Backend | None = None
        self.backend_name = ""
        self.shelf: Shelf | None = None
        self.connection: Connection | None = None
        self.deadline = 0.0
        self.who = NOBODY
        self._command = 0
        self._shape = 0
        self._started = 0.0
        self._text_at = 5
        self._flags = 0
        self._plain: dict[bytes, Query] = {}
        self._query = PLAIN
        self._statement: Statement | None = None
        self._is_congested = False
        self._is_plain = False
        self._is_retriable = False
        # What a rule or a hint says of the command under way.
        self._orders: Orders | None = None
        self._lens: Lens | None = None
        self._sent = b""
        # When it was, where that was not at once.
        self._sent_at = 0.0
        self._pending = b""
        self._then: Callable[[], None] = self._send_pending
        # What the cache has to do with the command under way, and its reading, if that is to be stored.
        self._plan: Plan | None = None
        self._fill: Fill | None = None
        self._verdict = ""
        # Of a CALL whose count has to be asked for.
        self._call_reply: CallReply | None = None
        self._ended = 0.0
        # When the transaction began for which the connection is kept; 0.0 for none.
        self._transaction_since = 0.0
        self._transactions = 0

    @abstractmethod
    def end(self, reason: CloseReason, detail: str = "") -> None:
        """Close the client, give back or close the connection."""

    @abstractmethod
    def fail(self, error: MySQLError, reason: CloseReason) -> None:
        """Tell the client an error, as far as the place in the stream allows it, and end."""

    # What the connection tells besides (dbmux.backend.connection.Holder, which no compiled class can inherit).

    @abstractmethod
    def reply_ended(self) -> None:
        """All of the reply was passed on."""

    @abstractmethod
    def file_wanted(self) -> None:
        """The server waits for the client's file."""

    @abstractmethod
    def reply_broke(self, reason: str) -> None:
        """The backend sent what is not a reply."""

    @abstractmethod
    def rows_exceeded(self) -> None:
        """A result has more rows than were ordered."""

    @abstractmethod
    def unasked(self, data: bytes) -> None:
        """The backend said something while nothing was asked."""

    @abstractmethod
    def backend_closed(self, error: Exception | None) -> None:
        """The backend's connection is gone."""

    @abstractmethod
    def backend_congested(self) -> None:
        """The backend reads slowly."""

    @abstractmethod
    def backend_writable(self) -> None:
        """The backend reads again."""

    # What the rest of a session does.

    @abstractmethod
    def _answer_error(self, error: MySQLError | BackendRefused) -> None:
        """Answer the command under way with an error in place of a reply; the session goes on."""

    @abstractmethod
    def _listen(self, plan: Plan, connection: Connection) -> None:
        """Have the cache hear of the reply to what is about to be sent, as far as it must."""

    @abstractmethod
    def _conclude(self, plan: Plan, connection: Connection) -> None:
        """Tell the cache that the command under way was answered whole."""

    @abstractmethod
    def _follow_command(self, connection: Connection, now: float) -> None:
        """What a command that is no statement's text did to the session."""

    @abstractmethod
    def _make_ready(self, connection: Connection) -> None:
        """Bring the connection into this session's state, and go on with `_then`."""

    # Getting a connection.

    def _relay(self, query: Query, shape: int, data: bytes) -> None:
        self._shape = shape
        self._request(query, data, self._send_pending)

    def _request(self, query: Query, data: bytes, then: Callable[[], None], statement: Statement | None = None) -> None:
        # Have a connection that is ready for this query, and then do something on it.
        self._is_retriable = self.connection is None
        self._request_on(query, data, then, statement)

    def _request_on(
        self, query: Query, data: bytes, then: Callable[[], None], statement: Statement | None = None
    ) -> None:
        # The same where a connection may have been taken already, for this very query.
        self._query = query
        self._is_plain = query.is_plain and query.is_digest_wide and data[4] != Command.RESET_CONNECTION
        self._statement = statement
        self._command = data[4]
        self._pending = data
        self._then = then
        self._started = perf_counter()
        if self.course is not None:
            self.course.begin()
        self._get_connection()

    def _get_connection(self) -> None:
        connection = self.connection
        if connection is None:
            if self.course is not None and not self._turn(self.course, self._query):
                return
            connection = self._take()
        elif self.course is not None:
            if connection.kills and self._is_elsewhere(self.course, connection):
                self._leave_to_kill(connection)
                return
            self.course.stay(self.backend, connection)
        if connection is not None:
            self._make_ready(connection)
        elif self.shelf is not None:
            self.state = int(State.WAITING)
            # The time that it waited for a primary, or for the answer of a server that is down by now, is another one.
            self.deadline = perf_counter() + self.surroundings.settings.pool_wait_s
            self.shelf.pool.wait(self)

    def _is_elsewhere(self, course: Course, connection: Connection) -> bool:
        # Whether a replica's connection is kept for no other reason than a KILL on its way there, and will not do.
        if self.shelf is None or self.carried.pins or connection.is_in_transaction:
            return False
        is_bound = self._orders is not None and bool(self._orders.gtid)
        return self.backend is not course.group.primary and (self._query.access is not Access.READ or is_bound)

    def _leave_to_kill(self, connection: Connection) -> None:
        def left() -> None:
            # Nothing of the session is on that connection: the statement can be sent again elsewhere like any other.
            self._is_retriable = True
            self._get_connection()

        self._leave(connection, left, lambda error: self._lost_to_kill(connection, error))

    def _lost_to_kill(self, connection: Connection, error: BackendRefused | MySQLError) -> None:
        if self.state == State.CLOSED:
            return
        self.connection = None
        connection.abort()
        self._answer_error(error)

    def _turn(self, course: Course, query: Query) -> bool:
        # Towards the server that is to take this query; answers with an error when there is none.
        debtor = self._debtor
        if debtor is not None and _asks_for_no_data(query):
            backend = self._debtor_backend
        else:
            backend = course.steer(query, self._orders)
        if backend is None:
            self._answer_error(course.refusal or _nobody(course))
            return False
        must_wait = backend is course.group.primary and needs_primary(query) and course.must_wait_for_primary
        if debtor is not None and (must_wait or backend is not self._debtor_backend):
            # What the other server still knows is asked for first: a session has one debtor at most, and is free to be
            # paid only while nothing is under way.
            self._settle_debtor(debtor, self._get_connection)
            return False
        if must_wait:
            self._await_primary(course)
            return False
        if backend is not self.backend:
            self._face(course, backend)
        return True

    def _relay_plain(self, query: Query, data: bytes) -> None:
        # Most wait because no connection is free; for them this is what `_relay` would do, without its calls.
        self._orders = None
        shelf = self.shelf
        if self.connection is not None or self.course is not None or shelf is None:
            # What the cache has to do with it was settled: asking once more would lose the reading that has begun.
            self._shape = RESULT
            self._request_on(query, data, self._send_pending)
            return
        self._query = query
        self._is_plain = True
        self._statement = None
        self._command = QUERY
        self._shape = RESULT
        self._pending = data
        self._then = self._send_pending
        self._started = now = perf_counter()
        self.state = WAITING
        self.deadline = now + self.surroundings.settings.pool_wait_s
        shelf.pool.wait(self, now)

    def _take_for(self, course: Course, query: Query) -> Connection | None:
        # For a plain query; None also when more thought is needed.
        backend = course.glance(query) if self._debtor is None else None
        if backend is None:
            return None
        if backend is not self.backend:
            self._face(course, backend)
        connection = self._take()
        if connection is None:
            course.chosen = backend
        return connection

    def _face(self, course: Course, backend: Backend) -> None:
        self.shelf = course.shelf(backend)
        self.backend = backend
        self.backend_name = backend.name

    def _await_primary(self, course: Course) -> None:
        self.state = int(State.WAITING)
        # However often a server is found that then is none, the time does not begin anew.
        self.deadline = course.deadline = course.deadline or perf_counter() + course.group.config.failover_wait
        if self.deadline <= perf_counter() or not course.group.wait(self):
            self._answer_error(course.group.no_primary())

    def primary_found(self) -> None:
        """The group says: there is a primary now."""
        self._get_connection()

    def changed_unseen(self) -> None:
        """The reply tells of a change, which may be a trigger's."""
        self._is_plain = False

    @property
    def hears_changes(self) -> bool:
        """Whether the session itself has switched this on, or MariaDB confirms that it just did."""
        is_now = self.backend is not None and self.backend.is_mariadb and bool(self._query.effects)
        is_switched = is_now and any(getattr(effect, "name", "") == CHANGE_TRACKING for effect in self._query.effects)
        value = self.carried.state.variable(CHANGE_TRACKING)
        return is_switched or (value is not None and value.strip(b"'").upper() in _ON)

    @property
    def stays_in_schema(self) -> bool:
        """Whether the server goes to no other schema for the command under way."""
        statement = self._statement
        is_at_home = statement is None or statement.state.schema == self.carried.state.schema
        return is_at_home and self._query.stays_in_schema

    def withholds(self, error: int, reply: bytes) -> bool:
        """Whether an error is not passed on, because the write that it refuses can wait for another primary."""
        course, connection = self.course, self.connection
        is_refused = course is not None and error in _READ_ONLY and b"read" in reply and b"only" in reply
        if not is_refused or course is None or connection is None or self.shelf is None or self._may_be_half_done:
            return False
        if course.group.config.roles is not Roles.AUTO or not self._is_retriable or not self._sent:
            return False
        self._lift_limits(connection)
        # Of the statement before it knows the id alone; the rest was cleared by the one that it refused.
        connection.debt &= Debt.INSERT_ID
        self._debtor, self._debtor_backend = (connection, self.backend) if connection.debt else (None, None)
        self._part_with(connection, self.shelf)
        course.group.doubt()
        self._resend()
        if self._debtor is None:
            self._await_primary(course)
        else:
            self._settle_debtor(self._debtor, lambda: self._await_primary(course))
        return True

    @property
    def _may_be_half_done(self) -> bool:
        # A procedure, or one of many rows' values, may have come to its second write; what is behind it is not known.
        is_bulk = self._command == Command.MARIADB_STMT_BULK_EXECUTE
        return is_bulk or any(effect.survives_errors for effect in self._query.effects)

    @abstractmethod
    def _resend(self) -> None:
        """Have the command that was sent ready to be sent again."""

    def _take(self) -> Connection | None:
        # One that is free, if there is; the one that owes this session something before all others.
        shelf, debtor = self.shelf, self._debtor
        if shelf is None:
            return None
        connection = None
        if debtor is not None and self._debtor_backend is self.backend:
            self._debtor = None
            if shelf.claim(debtor):
                connection = debtor
        if connection is None:
            connection = shelf.take(self.carried.state, self)
            if connection is None:
                return None
        connection.hold(self, self.capabilities)
        shelf.pool.busy += 1
        self.connection = connection
        self._transaction_since = 0.0
        if self._is_congested:
            connection.pause()
        return connection

    @property
    def account(self) -> bytes:
        """The account at the server whose connection is waited for."""
        return self.shelf.key.user if self.shelf is not None else b""

    def granted(self, connection: Connection | None) -> None:
        """The pool says: here is the connection that was waited for."""
        assert connection is not None
        assert self.shelf is not None
        connection.hold(self, self.capabilities)
        self.shelf.pool.busy += 1
        self.connection = connection
        self._transaction_since = 0.0
        if (
            self._is_plain
            and connection.state is self.carried.state
            and (connection.creditor is self or not connection.debt)
            and self._statement is None
            and self.course is None
        ):
            # What `_make_ready` would find out.
            self._then()
        else:
            self._make_ready(connection)

    def denied(self, error: MySQLError | BackendRefused) -> None:
        """The pool says: there is no connection."""
        course, is_overdue = self.course, perf_counter() >= self.deadline
        if course is not None and isinstance(error, BackendRefused):
            course.refusal = error
        if is_overdue:
            self._answer_error(error)
        elif course is not None and self.backend is not None and self.backend not in course.group.members:
            # It was removed from the configuration while its connections were waited for. A rule or hint of before may
            # still name it.
            course.tried += (self.backend,)
            self._get_connection()
        elif course is not None and not _is_of_account(error) and self._needs_primary(course):
            course.group.doubt()
            self._get_connection()
        elif not self._go_elsewhere():
            self._wait_on(error)

    def _wait_on(self, error: MySQLError | BackendRefused) -> None:
        # A server without a place for one more connection still has those that others hold.
        is_full = isinstance(error, BackendRefused) and error.number == ErrorCode.TOO_MANY_CLIENTS.number
        if is_full and self.shelf is not None and self.shelf.pool.is_refused_more:
            self.shelf.pool.wait(self, self._started)
        else:
            self._answer_error(error)

    def _needs_primary(self, course: Course) -> bool:
        # Whether no other server will do, and another one may soon be the primary.
        is_there = self.backend is course.group.primary and self._query.access is not Access.READ
        return is_there and course.group.config.roles is Roles.AUTO

    def _try_again(self) -> None:
        # After a connection was lost: over another one, and rather at another server unless that lacks something.
        course, backend = self.course, self.backend
        self._is_retriable = course is not None and backend is not None and course.is_sent_again(self._query, backend)
        if self._is_retriable or not self._go_elsewhere():
            self._get_connection()

    def _go_elsewhere(self) -> bool:
        # After a server failed to take a query of which nothing was sent, or a read that it had not begun to answer.
        course, failed = self.course, self.backend
        if course is None or failed is None or failed in course.tried or self._query.access is not Access.READ:
            return False
        course.tried += (failed,)
        self._is_retriable = True
        self._get_connection()
        return True

    def _change_shelf(self, connection: Connection) -> None:
        # Connections with a schema and those without are of two kinds.
        shelf, has_schema = self.shelf, bool(connection.state.schema)
        if shelf is not None and shelf.key.has_schema is not has_schema:
            other = shelf.sibling(replace(shelf.key, has_schema=has_schema))
            other.move(connection)
            self._face_shelf(other)

    def _face_shelf(self, shelf: Shelf) -> None:
        self.shelf = shelf
        if self.course is not None and self.backend is not None:
            self.course.move(self.backend, shelf)

    def _send_pending(self) -> None:
        connection = self.connection
        assert connection is not None
        data, self._pending = self._pending, b""
        self._sent = data
        self._sent_at = perf_counter()
        self.state = REPLYING
        self._claim(connection)
        connection.reply_bytes = 0
        connection.scanner.begin(self._shape, 1 if len(data) < MAX_PAYLOAD else packet.count(data))
        if self._is_congested:
            connection.pause()
        if self._orders is not None:
            self._limit(self._orders, connection)
        if self._plan is not None:
            self._listen(self._plan, connection)
        connection.channel.write(data)

    def _claim(self, connection: Connection) -> None:
        if connection.creditor is self:
            return
        if not self._is_plain and (self._query.is_bystander or not self._query.is_statement):
            self.carried.apart = COUNTS
        connection.serve(self)

    def _limit(self, orders: Orders, connection: Connection) -> None:
        if orders.max_rows is not None:
            connection.scanner.row_limit = orders.max_rows
        if orders.timeout_s is not None:
            self.surroundings.limited.add(self)

    def regroup(self, group: Group, lens: Lens | None) -> None:
        """From the next transaction on, its statements go to the servers of this group, by these rules."""
        self.group, self._lens = group, lens
        if self.shelf is None:
            return
        if self.course is None and (group.has_choice or self.backend is not group.primary):
            self._set_out(group)
        if self.course is not None:
            self.course.regroup(group)

    def _set_out(self, group: Group) -> None:
        assert self.backend is not None
        assert self.shelf is not None
        self.course = Course(group, self.backend, self.shelf)
        if self._started:
            # It has had no replicas until now: whatever it wrote, it may not have been told so.
            self.course.written_at = perf_counter()
            self.course.autocommit = self.status & AUTOCOMMIT

    # Following what was answered.

    def _finish(self, connection: Connection) -> float:
        now = perf_counter()
        if self._plan is not None:
            self._conclude(self._plan, connection)
        course = self.course
        route = ONLY if course is None else course.route
        if course is not None and course.group.is_timed and self.backend is not None:
            self.backend.note(now - self._started)
        if self._orders is not None:
            route = self._obeyed(self._orders, route, connection)
        started, sent, scanner = self._started, self._sent, connection.scanner
        statement = None if self._command == QUERY else self._statement
        self._emit(
            # Half the price of calling QueryFinished.
            new_tuple(
                QueryFinished,
                (
                    time(),
                    self.id,
                    self.backend_name,
                    self._command,
                    now - started,
                    connection.reply_bytes,
                    scanner.error,
                    route,
                    self._verdict,
                    self.who,
                    self.carried.state.schema,
                    sent if len(sent) <= KEPT else sent[:KEPT],
                    b"" if statement is None else statement.shown,
                    self._query,
                    self._sent_at - started if self._sent_at > started else 0.0,
                    now - connection.first_at if connection.first_at > started else 0.0,
                    scanner.rows if scanner.has_rows else scanner.affected,
                    scanner.status,
                    connection.error[:KEPT_ERROR] if scanner.error else b"",
                    bool(self.carried.pins),
                    self._count_transaction(scanner) if (scanner.before | scanner.status) & IN_TRANSACTION else 0,
                    b"" if statement is None else statement.types[:KEPT],
                ),
            )
        )
        self._sent = b""
        return now

    def _count_transaction(self, scanner: ReplyScanner) -> int:
        # Its number: unique among all sessions, as long as none has more than 16 million of them.
        if not scanner.before & IN_TRANSACTION:
            self._transactions += 1
        return self.id << 24 | self._transactions & 0xFFFFFF

    def _emit_refusal(self, sent: bytes, query: Query | None, error: bytes, seconds: float) -> None:
        # A command that no server answered: `error` is the ERR packet that the client got.
        route = ONLY if self.course is None else self.course.route
        if self._orders is not None:
            route = route._replace(rule=self._orders.rule, would=self._orders.would or route.would)
        self._emit(
            QueryFinished(
                time(),
                self.id,
                OWN,
                sent[packet.HEADER] if sent else self._command,
                seconds,
                len(error) + packet.HEADER,
                int.from_bytes(error[1:3], "little"),
                route,
                who=self.who,
                schema=self.carried.state.schema,
                sent=sent[:KEPT],
                query=query,
                waited=seconds,
                error=error[:KEPT_ERROR],
                is_pinned=bool(self.carried.pins),
            )
        )

    def _obeyed(self, orders: Orders, route: Route, connection: Connection) -> Route:
        self._lift_limits(connection)
        return route._replace(rule=orders.rule, would=orders.would or route.would)

    def _lift_limits(self, connection: Connection) -> None:
        connection.scanner.row_limit = ANY
        self.surroundings.limited.discard(self)

    def _follow(self, connection: Connection, now: float) -> None:
        # What the query did to the session, and whether the connection can be given away after it.
        carried = self.carried
        if self._call_reply is not None:
            # Nothing of what comes now belongs to its reply.
            connection.client = self.channel
        before = dict(carried.pins)
        sql_mode = carried.state.variable("sql_mode")
        carried.follow(self._query, connection, now)
        self._follow_command(connection, now)
        if self.course is not None:
            self.course.follow(self._query, self._command, connection, now)
        if carried.pins != before:
            self._tell_pins(before, now)
        if carried.state.variable("sql_mode") != sql_mode:
            self._read_sql_mode()
        questions = carried.questions()
        if questions:
            # They destroy what the connection still knows for this session.
            carried.claim_found_rows(connection)
            debts = settlement(connection)
            self.state = int(State.SETTLING)
            statements = [*debts, *((Command.QUERY, question) for question in questions)]
            Exchange(
                statements,
                lambda answers: self._answered(answers, len(debts)),
                self._not_answered,
                optional=COUNTERS,
            ).begin(connection)
        else:
            self._release_call(0)
            self._let_go(connection, now)

    def _answered(self, answers: list[Answer], debts: int) -> None:
        connection = self.connection
        assert connection is not None
        now = perf_counter()
        try:
            self._note(connection, answers[:debts])
            connection.debt = Debt.NONE
            before = dict(self.carried.pins)
            self.carried.learn(answers[debts:], connection, debts)
        except ProtocolError as error:
            self.fail(error, CloseReason.PROTOCOL_ERROR)
            return
        self._tell_pins(before, now)
        self._read_sql_mode()
        self._release_call(max(self.carried.row_count, 0))
        self.state = IDLE
        self._let_go(connection, now)
        self._go_on()

    def _release_call(self, rows: int) -> None:
        # What of its reply was kept from the client.
        reply, self._call_reply = self._call_reply, None
        if reply is not None:
            reply.release(rows)

    def _not_answered(self, error: BackendRefused | MySQLError) -> None:
        self._release_call(0)
        self.end(CloseReason.BACKEND_GONE, str(error))

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

    # Letting it go.

    def _part_with(self, connection: Connection, shelf: Shelf) -> None:
        # In the middle of a command: nobody else must get what was made ready for this session alone.
        if self._statement is not None and self._statement.is_makeshift:
            connection.close_statement(self._statement.key)
        if connection.kills:
            # One that is on its way must hit no other session.
            shelf.pool.worn.add(connection)
        self.connection = None
        shelf.give(connection, perf_counter())

    def _leave(
        self,
        connection: Connection,
        left: Callable[[], None],
        lost: Callable[[BackendRefused | MySQLError], None],
    ) -> None:
        # The same for a connection that may still owe something to this session.
        shelf = self.shelf
        assert shelf is not None

        def paid() -> None:
            self._part_with(connection, shelf)
            left()

        if connection.debt and connection.creditor is self:
            self.state = int(State.WAITING)
            self._call_in(connection, paid, lost)
        else:
            paid()

    def _let_go(self, connection: Connection, now: float) -> None:
        if not connection.is_in_transaction:
            self._transaction_since = 0.0
        elif not self._transaction_since:
            self._transaction_since = self._started
        if self.shelf is None or self.carried.pins or connection.kills:
            return
        if connection.is_in_transaction:
            if self.course is not None and self.course.is_reading_ahead:
                self._end_reading(connection)
            return
        if connection.debt and self.shelf.pool.choice is Choice.ANOTHER:
            self._settle_now(connection)
            return
        self.connection = None
        if connection.debt:
            self._debtor = connection
            self._debtor_backend = self.backend
        self._change_shelf(connection)
        self.shelf.give(connection, now)

    def _end_reading(self, connection: Connection) -> None:
        # What was read of an implicit transaction that has not written yet: the next read may go to another server.
        def ended() -> None:
            self.state = IDLE
            self._let_go(connection, perf_counter())
            self._go_on()

        def lost(error: BackendRefused | MySQLError) -> None:
            # With the connection the transaction ends as well, in which nothing was written.
            if self.state == State.CLOSED:
                return
            self.connection = None
            connection.abort()
            self.state = IDLE
            self._go_on()

        self.state = int(State.SETTLING)
        self._call_in(connection, ended, lost, (Command.QUERY, b"COMMIT"))

    def _settle_now(self, connection: Connection) -> None:
        def paid() -> None:
            self.state = IDLE
            self._let_go(connection, perf_counter())
            self._go_on()

        self.state = int(State.SETTLING)
        self._call_in(connection, paid, self._not_answered)

    def leave_connections(self) -> None:
        """The session becomes somebody else's: what it held or was owed is of no use to it any more."""
        connection, self.connection = self.connection, None
        is_spoiled = self.backend is not None and self.is_spoiled
        if self.backend is not None and self.carried.pins:
            self._drop_pins()
        is_spoiled = is_spoiled or (connection is not None and not connection.can_be_reset)
        if connection is not None and self.shelf is not None and not is_spoiled and not connection.kills:
            _clean(connection, self.shelf)
        elif connection is not None:
            connection.quit()
        if self._debtor is not None:
            self._debtor.forget_debt()
            self._debtor = None
        latest, self.latest = self.latest, None
        if latest is not None and latest.creditor is self and self.state != State.CLOSED:
            # What it counted was before the change of user.
            latest.creditor = None

    @property
    def status(self) -> int:
        """The flags that last, for a reply that no server gives."""
        if self.connection is not None:
            return self.connection.scanner.status & LASTING
        autocommit = self.carried.state.variable("autocommit")
        status = 0 if autocommit is not None and autocommit.strip(b"'").upper() in _OFF else Status.AUTOCOMMIT
        if self._flags & NO_BACKSLASH_ESCAPES:
            status |= Status.NO_BACKSLASH_ESCAPES
        if self._flags & ANSI_QUOTES and self.backend is not None and self.backend.is_mariadb:
            status |= Status.ANSI_QUOTES
        return int(status)

    @property
    def is_spoiled(self) -> bool:
        """Whether even a reset may leave something behind on the connection."""
        # A shared connection is told the option of each session; one that a relayed login leaves is not.
        is_told = self.shelf is not None or self.carried.state.option is None
        return not is_told or any(key.reason in _STAINS for key in self.carried.pins)

    @property
    def occupation(self) -> Occupation:
        """Why the session holds its connection, for one who waits in vain."""
        if self.connection is not None and self.connection.is_in_transaction:
            return Occupation(PinReason.TRANSACTION, self._transaction_since or self._started)
        if self.carried.pins:
            key, since = next(iter(self.carried.pins.items()))
            return Occupation(key.reason, since)
        return Occupation(None, self._started)


def _asks_for_no_data(query: Query) -> bool:
    # Only for what the statement before left behind, which whoever ran that one knows best.
    is_read = query.access is Access.READ and not query.tables
    return bool(query.needs) and (is_read or query.kind is Kind.DIAGNOSTICS)


def _is_of_account(error: MySQLError | BackendRefused) -> bool:
    # A server that refuses an account, or one more connection, is as well as before.
    return isinstance(error, BackendRefused) and error.number not in _OF_SERVER


def _nobody(course: Course) -> MySQLError:
    names = ", ".join(dict.fromkeys(tried.name for tried in course.tried)) or course.group.primary.name
    return MySQLError(
        ErrorCode.UNREACHABLE,
        f"no server of {course.group.name} can take this statement ({names} cannot be reached); try again",
    )


def _clean(connection: Connection, shelf: Shelf) -> None:
    """Have a connection forget the session that left it, and give it back."""
    connection.holder = None
    shelf.pool.busy -= 1

    def done(answers: list[Answer]) -> None:
        connection.forget_session()
        shelf.give(connection, perf_counter())

    Exchange([(Command.RESET_CONNECTION, b"")], done, lambda error: connection.abort()).begin(connection)
