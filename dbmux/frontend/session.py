# cython: annotation_typing=False, language_level=3, nonecheck=True
"""One client's life after its login: commands in, plans made, replies relayed.

The client's bytes come in through callbacks (dbmux.net.channel.Owner), and so does what its backend connection tells
(dbmux.backend.connection.Holder) while it holds one. The common case, a whole statement that leaves nothing behind
and a connection that is free, waits for nothing: the fast lane in `received`. Everything else takes the same steps one
by one: plan, get a connection, make it ready, send, follow what the reply says, let go. A session ends exactly once,
in `end`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import perf_counter, time
from typing import Protocol

from dbmux.backend.connection import Connection, Debt
from dbmux.backend.group import Group
from dbmux.backend.server import Backend, Origin
from dbmux.config.model import ReadYourWrites
from dbmux.errors import BackendRefused, ErrorCode, MySQLError, ProtocolError
from dbmux.events import KEPT, CloseReason, SessionClosed
from dbmux.footprint import ANYWHERE
from dbmux.frontend.cached import switches_cache
from dbmux.frontend.carried import Carried, PinKey
from dbmux.frontend.course import Course
from dbmux.frontend.gtids import asks_for_gtid, tracking
from dbmux.frontend.killing import KillingTenant, Sessions
from dbmux.frontend.orders import orders
from dbmux.frontend.prepared import EXECUTE
from dbmux.frontend.state import IDLE, REPLYING, State
from dbmux.frontend.statements import PREPARED
from dbmux.frontend.tenant import AUTOCOMMIT, IN_TRANSACTION, METADATA_CHANGED, QUERY, RESULT
from dbmux.frontend.upload import Upload, UploadKind
from dbmux.frontend.warned import asks_diagnostics
from dbmux.lexer import Digester
from dbmux.net.channel import Channel
from dbmux.plan import ChangeUser, Kill, KillByNumber, Plan, Quit, Refuse, Relay
from dbmux.planner.planner import COMMAND_PLANS, OPAQUE, command_query, plan_query
from dbmux.query import Access, Kind, Pin, PinReason, Query
from dbmux.session import SessionState
from dbmux.sql.charsets import UNREADABLE
from dbmux.sql.hint import read_hint
from dbmux.sql.kill import KillScope
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Shape
from dbmux.wire.replies import err_from
from dbmux.wire.server import ServerProtocol
from dbmux.wire.statements import parse_query

# What a client may send ahead while it is not listened to.
HELD_LIMIT = 64 * 1024
# So many of them are run before others have their turn: what is answered at once never waits.
TURN = 64
# As much of a statement that is streamed as is looked at.
HEAD = 4096

# A prepared statement's execution: what it does is known from its text, but for the id.
EXECUTION = Query(kind=Kind.OTHER, access=Access.UNSURE, moves_insert_id=True, is_digest_wide=False)
# In these a byte of a character may look like a quote or a backslash.
_UNREADABLE = frozenset(b"'%b'" % name.encode() for name in UNREADABLE)
# Of these a server may keep something on a connection even when it is reset.
_LASTING = frozenset((PinReason.UNKNOWN, PinReason.XA, PinReason.SEQUENCE))
# A debt that a plain statement leaves as it is; all others are greater.
AN_ID = int(Debt.INSERT_ID)
# After these the connection is as the last reply left it.
_ORDERLY = frozenset((CloseReason.QUIT, CloseReason.CLIENT_GONE))
# With neither of these flags a plain statement's connection can be given away at once.
_NOTABLE = IN_TRANSACTION | METADATA_CHANGED
_UNREAD = replace(OPAQUE, effects=(Pin(PinReason.UNKNOWN, "text in the client's character set"),))


class Surroundings(Sessions, Protocol):
    """What a session needs of the frontend that it belongs to."""

    # For one text after the other, of whichever session.
    digester: Digester

    def count_rule(self, name: str) -> None:
        """A rule has matched a statement."""

    def end_statement(self, session: Session) -> bool:
        """Have the server stop what runs on the session's connection, which is about to be closed."""

    def find(self, session_id: int) -> Session | None:
        """The session with this id."""

    def change_user(self, session: Session, payload: bytes) -> None:
        """Begin a new login on this session's connections."""

    def forget(self, session: Session) -> None:
        """The session has ended."""


class Session(KillingTenant):
    """A client, and the command that is under way."""

    __slots__ = (
        "_digester",
        "_held",
        "_is_advancing",
        "_is_backend_congested",
        "_retiring",
        "_upload",
        "greeter",
        "listener",
        "origin",
        "peer",
        "place",
        "program",
        "scramble",
    )

    def __init__(self, session_id: int, channel: Channel, peer: str, listener: str, surroundings: Surroundings) -> None:
        super().__init__(session_id, channel, surroundings)
        self.surroundings: Surroundings = surroundings
        self._digester = surroundings.digester
        self.peer = peer
        # For limits on addresses; nothing where none counts.
        self.place = ""
        self.listener = listener
        # What the client says that it is.
        self.program = ""
        self.origin: Origin | None = None
        # Of which the client makes its proofs.
        self.scramble = b""
        self.greeter: ServerProtocol | None = None
        self._is_advancing = False
        self._is_backend_congested = False
        self._held: bytearray | None = None
        self._upload: Upload | None = None
        self._retiring: MySQLError | None = None

    def begin(self, group: Group, backend: Backend, state: SessionState, capabilities: int) -> None:
        """The login at `backend` is over: take the client's channel and serve commands.

        Connections come from `shelf`, which is set before.
        """
        self._leave_cache()
        self._begin_cached(self.surroundings.settings.cache)
        self.group = group
        self.course = Course(group, backend, self.shelf) if self.shelf is not None and group.has_choice else None
        is_changed = self.backend is not None
        if is_changed:
            # A change of user leaves it.
            state = replace(state, option=self.carried.state.option)
        self.backend = backend
        self.backend_name = backend.name
        found_rows = self.carried.found_rows if is_changed else 0
        self.carried = Carried(state, is_mysql=not backend.is_mariadb)
        self.carried.found_rows = found_rows
        # As a number: a flag's own arithmetic would be felt in each execution.
        self.capabilities = int(capabilities)
        if self._statements is not None:
            self._statements.forget()
        self._text_at = 7 if capabilities & Capability.QUERY_ATTRIBUTES else 5
        if self.course is not None and group.config.read_your_writes is ReadYourWrites.GTID:
            self.carried.begin_with(tracking(backend))
        self._read_sql_mode()
        self.state = IDLE
        self.greeter = None
        self._started = self._ended = perf_counter()
        self.channel.owner = self

    def keep(self, connection: Connection) -> None:
        """The session has this connection, which no other can use, for life."""
        connection.hold(self, self.capabilities)
        assert self.backend is not None
        self.backend.pool.busy += 1
        connection.serve(self)
        self.connection = connection
        # Of a change of user it is the same connection, which still has the option.
        connection.state = replace(connection.state, option=self.carried.state.option)
        if connection.state == self.carried.state:
            connection.state = self.carried.state
        self.carried.pins[PinKey(PinReason.RELAYED_LOGIN, "")] = self._started

    # What the SQL door tells, which has the channel of a client that visits DbMux itself.

    def begin_answer(self) -> None:
        """A command is being answered."""
        if self.state != State.CLOSED:
            self.state = REPLYING
            self._started = perf_counter()

    def end_answer(self) -> None:
        """It was answered whole: the next may come."""
        if self.state != State.CLOSED:
            self.state = IDLE
            self._ended = perf_counter()
            self._go_on()

    # What the client's channel tells.

    def received(self, data: bytes) -> None:
        """The client sent something."""
        if self.state == IDLE and not self._held and not self._is_congested:
            size = len(data)
            if size > 4 and data[0] | data[1] << 8 | data[2] << 16 == size - 4 and data[3] == 0:
                is_text = data[4] == QUERY and (self._text_at == 5 or size > 7 and data[5] == 0)
                # Not `in`: it tries bytes as a number first, and has an exception to forget.
                if is_text and self._lens is None and data.find(b"dbmux") < 0:
                    self._run_bare(data)
                elif data[4] != EXECUTE or self._lens is not None or not self._execute_bare(data):
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

    def _run_bare(self, data: bytes) -> None:
        # The fast lane, and all of it: a text of which nothing is ordered. What `_run` would do, without its calls.
        cache = self._cache
        connection = self.connection
        if cache is not None and connection is None and self._recall(cache, data, self._text_at):
            return
        query = self._plain.get(self._digester.digest(data, self._text_at, self._flags))
        if query is None:
            self._run(data)
            return
        self._orders = None
        if cache is not None and self._consult(cache, query):
            self._resume_with(query, data)
            return
        connection = self._take_bare(query)
        if connection is not None:
            self._command = QUERY
            self._sent = data
            self._send_bare(connection, query, data)
        else:
            self._relay_plain(query, data)

    def closed(self, error: Exception | None) -> None:
        """The client is gone."""
        self.end(CloseReason.CLIENT_GONE, str(error) if error else "")

    def congested(self) -> None:
        """The client reads slowly: the backend must wait."""
        self._is_congested = True
        self._stop_sharing()
        if self.connection is not None:
            self.connection.pause()

    def writable(self) -> None:
        """The client has caught up."""
        self._is_congested = False
        if self.connection is not None:
            self.connection.resume()
        self.resume_commands()

    # What the connection tells.

    def reply_ended(self) -> None:
        """The reply is whole and was passed on."""
        connection = self.connection
        assert connection is not None
        scanner = connection.scanner
        self.state = IDLE
        now = self._ended = self._finish(connection)
        carried = self.carried
        shelf = self.shelf
        # Only a login that was relayed is a pin that makes no difference here.
        is_tied = bool(carried.pins) and (shelf is not None or len(carried.pins) > 1)
        if self._is_plain and not (
            is_tied or scanner.error or scanner.warnings or connection.debt > AN_ID or carried.warnings
        ):
            # What `_follow` would do.
            carried.row_count = -1 if scanner.has_rows else scanner.affected
            if scanner.rows >= 0 or scanner.matched >= 0:
                carried.found_rows = scanner.rows if scanner.matched < 0 else scanner.matched
            course = self.course
            if course is not None and (
                self._query.access is not Access.READ
                or course.wrote
                or scanner.status & AUTOCOMMIT != course.autocommit
            ):
                course.follow(self._query, self._command, connection, now)
            if shelf is None:
                # It keeps its connection.
                if scanner.status & METADATA_CHANGED:
                    self._note_columns(connection)
            elif not (scanner.status & _NOTABLE or connection.kills or connection.debt):
                self.connection = None
                shelf.give(connection, now)
            else:
                if scanner.status & METADATA_CHANGED:
                    self._note_columns(connection)
                self._let_go(connection, now)
                if self.state != IDLE:
                    return
        else:
            self._follow_all(connection, now)
            if self.state != IDLE:
                return
        if self._retiring is not None:
            self.retire(self._retiring)
        elif self._held:
            self._advance()

    def _follow_all(self, connection: Connection, now: float) -> None:
        if self._killing is not None:
            self._end_killing(*self._killing, connection.scanner.error)
        if self.state == IDLE:
            self._follow(connection, now)

    def _go_on(self) -> None:
        if self._retiring is not None:
            self.retire(self._retiring)
        elif self._held:
            self._advance()

    def _answer_error(self, error: MySQLError | BackendRefused) -> None:
        # An error in place of a reply; the session goes on.
        self._fail_cached()
        if self._killing is not None:
            self._end_killing(*self._killing, ErrorCode.UNREACHABLE.number)
        told = err_from(error)
        if self._upload is not None:
            # What the client still sends of its long statement must not be read as commands.
            self.channel.write(packet.encode(told.build(), 1))
            self.end(CloseReason.BACKEND_GONE, str(error))
            return
        self.state = IDLE
        sent, self._pending = self._pending, b""
        self.carried.count(-1)
        error_packet = told.build()
        self.channel.write(packet.encode(error_packet, 1))
        self._emit_refusal(sent or self._sent, self._query, error_packet, perf_counter() - self._started)
        self.channel.resume()
        self._go_on()

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

    def leave_hanging(self) -> None:
        """The server is down, though its connections stand: a read that another one can take goes there."""
        connection = self.connection
        if connection is None or self.course is None or not self._is_retriable:
            return
        is_read = self._query.access is Access.READ and self.state == REPLYING and bool(self._sent)
        # While it is made ready, nothing of the command was sent; what it read for a transaction that ends is told.
        is_over = self.state == State.SETTLING and self._query.access is Access.READ and not self.carried.pins
        if self.state == State.WAITING or (is_read and not connection.reply_bytes) or is_over:
            # As if the server had closed it, which it cannot do any more.
            connection.channel.abort()

    def _resend(self) -> None:
        if self._command == QUERY:
            # The fast lane leaves both as another command had them.
            self._shape, self._statement = RESULT, None
        statement, data = self._statement, self._sent
        self._pending = data
        self._then = self._send_pending if statement is None else lambda: self._send_execution(statement, data)

    def rows_exceeded(self) -> None:
        """The result is larger than was ordered: an error ends it, and its connection, which still sends the rest."""
        connection, orders = self.connection, self._orders
        assert connection is not None
        assert orders is not None
        error = MySQLError(
            ErrorCode.TOO_MANY_ROWS,
            f"the result has more than the {orders.max_rows} rows that {orders.counted_by} allows; "
            f"add a LIMIT or raise max_rows",
        )
        connection.scanner.error = error.code.number
        self.carried.count(-1)
        self.carried.forget_warnings()
        # The server may go on for a while.
        self._leave_cache()
        self._finish(connection)
        self.surroundings.end_statement(self)
        # What else a write tells, such as its number, is behind the rows that nobody reads any more.
        is_read = self._query.access is Access.READ
        if not is_read or self.shelf is None or self.carried.pins or connection.is_in_transaction:
            self.fail(error, CloseReason.LIMIT)
            return
        self.channel.write(packet.encode(err_from(error).build(), connection.scanner.sequence))
        self.connection = None
        self.state = IDLE
        connection.abort()
        self._go_on()

    @property
    def limit(self) -> tuple[float, str] | None:
        """How long the command under way may take by a rule or a hint, and by which of them."""
        orders = self._orders
        return None if orders is None or orders.timeout_s is None else (orders.timeout_s, orders.timed_by)

    def backend_closed(self, error: Exception | None) -> None:
        """The backend's connection is gone."""
        lost, self.connection = self.connection, None
        if self.state == IDLE:
            reason = CloseReason.KILLED if lost is not None and lost.kills else CloseReason.BACKEND_GONE
            self.end(reason, str(error) if error else "the server closed the connection")
        elif self.state != State.CLOSED and lost is not None:
            self._lost_in_reply(lost)

    def _lost_in_reply(self, lost: Connection) -> None:
        is_read = self._query.access is Access.READ and self.state == REPLYING and bool(self._sent)
        # Who was killed does not come back, though the server closed no more than this connection.
        if is_read and self._is_retriable and not lost.reply_bytes and not lost.kills:
            self._retry()
            return
        what = "this connection was killed" if lost.kills else f"backend {self.backend_name} closed the connection"
        error = MySQLError(
            ErrorCode.LOST_IN_REPLY,
            f"{what} in the middle of the query; whether it took effect is unknown: check before you repeat it",
        )
        self._break_off(lost, error, CloseReason.KILLED if lost.kills else CloseReason.BACKEND_GONE)

    def _retry(self) -> None:
        # A read of which nothing came yet, once at the same server, and at each other one of the group.
        self._resend()
        if self.course is not None and self.backend is not None:
            self.backend.suspect()
        self._try_again()

    def backend_congested(self) -> None:
        """The backend reads slowly: the client must wait."""
        self._is_backend_congested = True
        self.channel.pause()

    def backend_writable(self) -> None:
        """The backend has caught up."""
        self._is_backend_congested = False
        self.channel.resume()

    # What the frontend tells.

    @property
    def is_between_transactions(self) -> bool:
        """Whether the session could end now without anything being lost."""
        if self.state != IDLE:
            return self.state == State.LOGIN
        return self.connection is None or not self.connection.is_in_transaction

    @property
    def busy_since(self) -> float | None:
        """Since when a server has the command under way, by time.perf_counter, or None."""
        is_ready = self.state in (State.REPLYING, State.FILE_UPLOAD)
        has_server = is_ready or (self.state == State.WAITING and self.connection is not None)
        return max(self._started, self._sent_at) if has_server else None

    @property
    def activity(self) -> str:
        """What it is doing, in a word."""
        match State(self.state):
            case State.LOGIN | State.CLOSED | State.WAITING as state:
                return {State.LOGIN: "login", State.CLOSED: "closed", State.WAITING: "waiting"}[state]
            case State.IDLE | State.SETTLING:
                return "idle"
            case _:
                return "query"

    @property
    def idle_since(self) -> float:
        """When the last reply ended, by time.perf_counter."""
        return self._ended

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
            self._leave_queues(self.shelf)
        if self._killing is not None:
            self._give_up_killing(*self._killing)
        self._leave_cache()
        self.state = int(State.CLOSED)
        self._upload = None
        connection = self.connection
        if connection is not None and not was_idle:
            self.connection = None
            connection.abort()
        elif connection is not None and self.shelf is None and reason in _ORDERLY:
            self._vacate(connection)
        self.leave_connections()
        if self._statements is not None:
            # Their texts may be long, and whoever still holds this session has no use for them.
            self._statements.forget()
        self.channel.close()
        self.surroundings.forget(self)
        self._emit(SessionClosed(time(), self.id, reason, detail))

    def _vacate(self, connection: Connection) -> None:
        # A relayed login is over: the next one can have the connection, unless something may stay behind on it.
        is_lasting = self.is_spoiled or any(key.reason in _LASTING for key in self.carried.pins)
        if connection.is_in_transaction or connection.kills or is_lasting or self.backend is None:
            return
        self.connection = None
        if connection.is_paused:
            connection.resume()
        self.backend.vacancy.take(connection, self.user)

    # Commands.

    def resume_commands(self) -> None:
        """A login is over: go on with what the client sent meanwhile."""
        if self.state == IDLE and self._held:
            self._advance()

    def _advance(self) -> None:
        # A command that is answered at once comes back here: the loop that runs it goes on, however many there are.
        if not self._is_advancing:
            self._take_turn()

    def _take_turn(self) -> None:
        self._is_advancing = True
        has_more = False
        try:
            has_more = self._run_held()
        finally:
            self._is_advancing = has_more
        if has_more:
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _run_held(self) -> bool:
        # Commands that came in pieces or ahead of time, one after the other; whether it is others' turn now.
        held = self._held
        left = TURN
        while self.state == IDLE and held and len(held) >= packet.HEADER and left and not self._is_congested:
            left -= 1
            length = held[0] | held[1] << 8 | held[2] << 16
            if held[3] != 0:
                self._misbehaved(ProtocolError(ErrorCode.PACKET_ORDER, f"packet 0 expected, {held[3]} came"))
            elif length == 0:
                self._misbehaved(ProtocolError(ErrorCode.MALFORMED, "a command has no bytes"))
            elif length > self.surroundings.settings.inspect_max or length == packet.MAX_PAYLOAD:
                if len(held) < packet.HEADER + HEAD:
                    break
                if held[packet.HEADER] in PREPARED:
                    if not self._run_whole(held):
                        break
                else:
                    self._stream(bytes(held))
                    if self.state != IDLE:
                        return False
                    held = self._held
            elif len(held) < packet.HEADER + length:
                break
            else:
                command = bytes(held[: packet.HEADER + length])
                del held[: packet.HEADER + length]
                self._run(command)
        if not held:
            self._held = None
        if self.state not in (State.CLOSED, State.LOGIN):
            # Of a command that is not whole the rest is wanted, however long it is.
            self._read_on(HELD_LIMIT if self.state != IDLE or self._is_congested or not left else None)
        return not left

    def _read_on(self, limit: int | None) -> None:
        # Unless more than that came ahead.
        if limit is not None and self._held is not None and len(self._held) > limit:
            self.channel.pause()
        elif not self._is_backend_congested:
            self.channel.resume()

    def _run_whole(self, held: bytearray) -> bool:
        # However long it is: the number in it is the session's own, and means another statement at the server.
        length, limit = packet.span(held), self.surroundings.settings.prepared_max
        if length > limit:
            why = f"this command is over {limit} bytes long; raise limits.prepared_max, or send the value in pieces"
            self._misbehaved(ProtocolError(ErrorCode.TOO_BIG, why))
            return False
        if len(held) < length:
            return False
        head = bytes(held[: packet.HEADER])
        reader = packet.PacketReader(limit)
        reader.feed(bytes(held[:length]))
        try:
            payload = reader.next()
        except ProtocolError as error:
            self._misbehaved(error)
            return False
        if payload is None:
            # As long as it is now, it goes on in another packet.
            return False
        del held[:length]
        self._run(head + payload)
        return True

    def _run(self, data: bytes) -> None:
        # One whole command, as if in one packet.
        command = data[4]
        self._orders = None
        self._sent = data
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
        if query.kind is Kind.DIAGNOSTICS and self._tell_warnings(query, data, start):
            return
        if query.kind is Kind.SET and (switch := switches_cache(data, start, self._flags)) is not None:
            self._switch_cache(switch)
            return
        if self.course is not None and asks_for_gtid(data[start:]):
            data = data[:4] + data[4:start] + b"SELECT '%b' AS `@dbmux_gtid`" % self.course.gtid
            data = packet.encode(data[packet.HEADER :], 0)
        if not self._heed(query, data, start):
            return
        if self._cache is not None and self._is_recalled(self._cache, query, data, start):
            return
        if asks_diagnostics(query):
            self._ask_diagnostics(query, data, start)
            return
        self._execute(plan_query(query, data, start), query, data)

    def _read(self, data: bytes, start: int) -> Query:
        names = self.carried.state.names
        if names is not None and names.client in _UNREADABLE and not data[start:].isascii():
            return _UNREAD
        return self.surroundings.planner.query(data, start, self._flags)

    def _heed(self, query: Query, text: bytes, start: int) -> bool:
        # What is ordered for this statement; answers it when that is to refuse it.
        hints = read_hint(text, start, self._flags)
        lens, group = self._lens, self.group
        if (lens is None and hints is None) or group is None:
            return True
        named = None
        if lens is not None:
            named = lens.match(query, self._digester.digest(text, start, self._flags), self.carried.state.schema)
        try:
            told = self._orders = orders(query, hints, named, self.surroundings.settings.topology, group)
        except MySQLError as error:
            self.refuse(error)
            return False
        if named is not None:
            self.surroundings.count_rule(named[0])
        if told is not None and told.refusal is not None:
            refusal = told.refusal.build()
            self.channel.write(packet.encode(refusal, 1))
            self._emit_refusal(self._sent, query, refusal, 0.0)
            return False
        if told is not None and told.target is not None and self.course is None and self.shelf is not None:
            self._set_out(group)
        return True

    def _execute(self, plan: Plan, query: Query, data: bytes) -> None:
        match plan:
            case Relay() if data[4] in PREPARED:
                self._run_prepared(data)
            case Relay(Shape.SIMPLE) if query.kind is Kind.DIAGNOSTICS or not query.is_statement:
                self._request(query, data, lambda: self._ask_and_count(data))
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

    def refuse(self, error: MySQLError) -> None:
        """Answer the command with an error of DbMux's own; the session goes on."""
        self.carried.count(-1)
        told = err_from(error).build()
        self.channel.write(packet.encode(told, 1))
        self._emit_refusal(self._sent, None, told, 0.0)

    def _misbehaved(self, error: ProtocolError) -> None:
        sequence = self._upload.sequence if self._upload is not None else 1
        self.channel.write(packet.encode(err_from(error).build(), sequence))
        self.end(CloseReason.PROTOCOL_ERROR, error.message)

    # Statements too long to hold, and files.

    def _stream(self, held: bytes) -> None:
        # A statement too long to hold goes to the backend as it comes.
        plan = COMMAND_PLANS[held[4]]
        if not isinstance(plan, Relay):
            self._misbehaved(ProtocolError(ErrorCode.TOO_BIG, "this command cannot be so long"))
            return
        self._held = None
        # What stands further behind is not looked at.
        query = replace(self._read_head(held), footprint=ANYWHERE, is_digest_wide=False)
        self._orders = None
        self._shape = plan.shape
        self._upload = Upload(UploadKind.STATEMENT, 0)
        self._request(query, held, self._begin_stream)
        if self.state == State.WAITING:
            self.channel.pause()

    def _read_head(self, held: bytes) -> Query:
        # All that is seen of it is its beginning: only of a long INSERT is it likely that what follows are values.
        if held[4] != QUERY:
            return EXECUTION
        if self.capabilities & Capability.MULTI_STATEMENTS or self.carried.state.option is not None:
            return OPAQUE
        return self._read_beginning(held, self._text_at)

    def _read_beginning(self, data: bytes, start: int) -> Query:
        query = self._read(data[: packet.HEADER + HEAD], start)
        return query if query.kind in (Kind.INSERT, Kind.REPLACE) else OPAQUE

    def _read_prepared(self, data: bytes, start: int) -> Query:
        if len(data) <= self.surroundings.settings.inspect_max:
            return self._read(data, start)
        return replace(self._read_beginning(data, start), footprint=ANYWHERE, is_digest_wide=False)

    def _begin_stream(self) -> None:
        assert self.connection is not None
        self.state = State.STATEMENT_UPLOAD
        self.connection.serve(self)
        self.connection.reply_bytes = 0
        held, self._pending = self._pending, b""
        self._sent = held[:KEPT]
        # Only its beginning is kept.
        self._is_retriable = False
        self.channel.resume()
        self._uploaded(held)

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
