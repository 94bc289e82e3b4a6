# cython: annotation_typing=False, language_level=3, nonecheck=True
"""The commands of prepared statements, as a session runs them on whichever connection it has.

Commands with the session's own numbers come in; what goes to the server has the numbers that the statements have on
the connection at hand (dbmux.frontend.prepared). A statement is prepared anew wherever it is not yet; what only the
connection knows of it, long data and open cursors, keeps the connection.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import perf_counter

from dbmux.backend.connection import Answer, Connection, Debt, Exchange, StatementKey
from dbmux.config.model import PreparedTypes
from dbmux.errors import BackendRefused, ErrorCode, MySQLError, ProtocolError
from dbmux.frontend.cached import CachedTenant
from dbmux.frontend.carried import COUNTS, PinKey
from dbmux.frontend.derived import (
    NULL,
    UNKNOWN,
    are_at_odds,
    derived_after,
    derived_at_first,
    derives,
    fits,
    likely_after,
    rehearsal,
    sent,
)
from dbmux.frontend.diagnostics import with_status, with_warnings
from dbmux.frontend.prepared import EXECUTE, Statement, Statements, are_texts, in_packets, number_in, renumbered
from dbmux.frontend.schemaless import NO_SCHEMA, is_unknown
from dbmux.frontend.state import State
from dbmux.frontend.tenant import METADATA_CHANGED, QUERY, RESULT, Market
from dbmux.net.channel import Channel
from dbmux.query import Access, Kind, Needs, Pin, PinReason, Query
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command, Shape
from dbmux.wire.replies import Ok, Status, err_from, parse_ok

# What is done with a prepared statement other than executing it: never plain, so that its end is followed.
USE = Query(kind=Kind.PREPARED, access=Access.UNSURE, is_statement=False, is_digest_wide=False)
# Not answered, and of what the statement before left nothing changes.
LONG_DATA = replace(USE, kind=Kind.DIAGNOSTICS)
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
ATTRIBUTES = int(Capability.QUERY_ATTRIBUTES)
# So often a server that keeps no more statements is asked to keep one.
MOST_REFUSALS = 8
_IN_USE = (PinReason.CURSOR, PinReason.LONG_DATA)
# What a pin says of a statement of the binary protocol.
_NUMBERED = re.compile(r"#[0-9]+")


class StatementTenant(CachedTenant):
    """A tenant with prepared statements."""

    __slots__ = ("_refusals", "_statements")

    def __init__(self, session_id: int, channel: Channel, surroundings: Market) -> None:
        super().__init__(session_id, channel, surroundings)
        self._statements: Statements | None = None
        # How often the server had no room for the statement that is being prepared.
        self._refusals = 0

    @abstractmethod
    def refuse(self, error: MySQLError) -> None:
        """Answer the command with an error of DbMux's own."""

    @abstractmethod
    def _read(self, data: bytes, start: int) -> Query:
        """What the statement means that begins at `start`."""

    @abstractmethod
    def _read_prepared(self, data: bytes, start: int) -> Query:
        """The same for what is to be prepared, of which a long one is read only at its beginning."""

    @abstractmethod
    def _heed(self, query: Query, text: bytes, start: int) -> bool:
        """Read what is ordered for this statement; False when it was answered with a refusal."""

    @abstractmethod
    def _misbehaved(self, error: ProtocolError) -> None:
        """The client broke the protocol."""

    def _run_prepared(self, data: bytes) -> None:
        if self._statements is None:
            self._statements = Statements(self.capabilities)
        try:
            match data[4]:
                case Command.STMT_PREPARE:
                    self._statements.check_room(len(data) - packet.HEADER - 1, self.surroundings.settings.prepared_max)
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
        query = self._read_prepared(data, packet.HEADER + 1)
        if not self._heed(query, data, packet.HEADER + 1):
            return
        # Where it is executed is ordered for each time that it is.
        self._orders = None
        preparation = replace(
            USE,
            # To the primary, which has the newest columns; as long as there is one.
            access=Access.UNSURE if query.access is Access.READ else Access.WRITE,
            # The server makes the variables of a statement already when it prepares it.
            effects=tuple(Pin(PinReason.USER_VARIABLE, name) for name in query.assigned),
            is_statement=True,
            is_digest_wide=True,
            tables=query.tables,
        )
        self._request(preparation, data, lambda: self._ask_to_prepare(data[5:], query))

    def _ask_to_prepare(self, text: bytes, query: Query) -> None:
        # Asked instead of relayed: the answer has the server's number, and the client gets one of the session's.
        connection, statements = self.connection, self._statements
        assert connection is not None
        assert statements is not None
        self.state = int(State.WAITING)

        def done(answers: list[Answer]) -> None:
            told = answers[0].prepared()
            derived = derived_at_first(answers[0].raw, told.parameters) if derives(connection.greeting) else b""
            statement = statements.add(text, query, told, derived, self.carried.state)
            self._keep_apart(statement)
            self._remember(connection, statement, told.statement)
            if query.needs & COUNTS:
                # Such a statement asks its own connection, and there is no text in which to put the answer.
                self.carried.pin(PinReason.SQL_PREPARED, f"#{statement.id}", perf_counter())
            self._answer_asked(connection, renumbered(answers[0].raw, statement.id), 0)

        def failed(error: BackendRefused | MySQLError) -> None:
            if self._makes_room(connection, error):
                # What was refused has changed what the connection counts.
                self.carried.apart |= Needs.ROW_COUNT
                self._ask_to_prepare(text, query)
                return
            statements.latest = 0
            self._answer_failure(connection, self._as_in(self.carried.state.schema, error, query))

        Exchange([(Command.STMT_PREPARE, text)], done, failed).begin(connection)

    def _ask_and_count(self, data: bytes) -> None:
        # MySQL counts in its answer the warnings of the statement before, which may have been another session's.
        connection = self.connection
        assert connection is not None
        self.state = int(State.WAITING)

        def done(answers: list[Answer]) -> None:
            reply = answers[0].raw
            if data[4] in (Command.INIT_DB, Command.PING):
                # A PING also tells what a result before it had no room for.
                ok = connection.note(parse_ok(reply[packet.HEADER :]))
                reply = packet.encode(ok.build(self.capabilities), 1)
            warnings = self.carried.warnings_in_pings(connection.debt) if self.carried.is_mysql else None
            if warnings is not None:
                reply = with_warnings(reply, warnings)
            self.carried.row_count = -1 if data[4] == Command.SET_OPTION else 0
            self._answer_asked(connection, reply, 0)

        def failed(error: BackendRefused | MySQLError) -> None:
            self._answer_failure(connection, error)

        Exchange([(Command(data[4]), data[5:])], done, failed).begin(connection)

    def _answer_failure(self, connection: Connection, error: BackendRefused | MySQLError) -> None:
        if isinstance(error, BackendRefused):
            self._answer_asked(connection, packet.encode(err_from(error).build(), 1), error.number)
        else:
            self._not_ready(connection, error)

    def _as_in(self, schema: bytes, error: BackendRefused | MySQLError, query: Query) -> BackendRefused | MySQLError:
        # Where the schema was dropped: none was chosen instead, or it was asked for before the statement was read.
        if not schema or not isinstance(error, BackendRefused):
            return error
        is_for_none = error.number == NO_SCHEMA and schema == self.carried.missing
        is_for_it = is_unknown(error) and b"'%b'" % schema in error.message
        return self._unknown_schema(schema, query) if is_for_none or is_for_it else error

    def _remember(self, connection: Connection, statement: Statement, number: int) -> None:
        self._refusals = 0
        connection.remember_statement(statement.key, number, self._keys_in_use())

    def _makes_room(self, connection: Connection, error: BackendRefused | MySQLError) -> bool:
        # Where the server keeps no more statements, because others use it too, some of DbMux's are closed. Whether to
        # ask again: what is closed on another connection the server may see a moment later.
        assert self.backend is not None
        is_full = isinstance(error, BackendRefused) and error.number == ErrorCode.TOO_MANY_STATEMENTS.number
        if is_full and self._refusals < MOST_REFUSALS:
            self._refusals += 1
            is_closed = connection.yield_statements(self._keys_in_use()) or self.backend.pool.close_idle_statements()
            if is_closed or self._refusals > 1:
                return True
        self._refusals = 0
        return False

    def _not_prepared(self, connection: Connection, statement: Statement, error: BackendRefused) -> None:
        # The session may be in a transaction on this connection, which must be as it was before.
        assert self.backend is not None
        back = statement.way_back(self.carried.there, self.backend.spelling)
        is_asked_again = self._makes_room(connection, error)

        def answer() -> None:
            if is_asked_again:
                self._make_ready(connection)
            elif self._command == Command.STMT_SEND_LONG_DATA:
                # This has no answer; the execution will.
                self._answer_asked(connection, b"", 0)
            else:
                self._answer_failure(connection, self._as_in(statement.state.schema, error, statement.query))

        def returned(answers: list[Answer]) -> None:
            if not is_asked_again:
                told = with_status(answers[0].raw, connection.scanner.status)
                self.carried.foretell(replace(answers[0], raw=told))
            answer()

        def lost(other: BackendRefused | MySQLError) -> None:
            if is_unknown(other) and not self._is_held(connection):
                # As the server itself, which would not find back either.
                self._is_plain = False
                self.carried.do_in_schema(statement.state.schema)
                returned(exchange.answers)
            else:
                self._not_ready(connection, other)

        if back:
            # What the way back clears is asked for before.
            exchange = Exchange([(Command.QUERY, b"SHOW WARNINGS"), *back], returned, lost)
            exchange.begin(connection)
        else:
            answer()

    def _answer_asked(self, connection: Connection, reply: bytes, error: int, warnings: int = 0) -> None:
        scanner, row_count = connection.scanner, self.carried.row_count
        scanner.begin(Shape.NONE, 0)
        scanner.error, scanner.warnings = error, warnings
        # As if the reply had told it: a preparation leaves it as it is.
        scanner.has_rows, scanner.affected = int(row_count < 0), max(row_count, 0)
        connection.reply_bytes = len(reply)
        connection.error = packet.last(reply) if error and reply else b""
        self._sent, self._pending = self._pending, b""
        self._claim(connection)
        self.channel.write(reply)
        self.reply_ended()

    def _keep_apart(self, statement: Statement) -> None:
        # The server has long data and a cursor for each of its statements: no other may take or end them.
        for other in self._in_use():
            # Types and columns may yet become the same.
            is_alike = other.key._replace(derived=b"", columns=0) == statement.key._replace(derived=b"", columns=0)
            if other is not statement and is_alike:
                statement.is_apart = True

    def _keys_in_use(self) -> set[StatementKey]:
        assert self._statements is not None
        # A name that SQL has given may look the same; then one more is kept.
        names = [key.what for key in self.carried.pins if key.reason is PinReason.SQL_PREPARED]
        numbers = [int(name[1:]) for name in names if _NUMBERED.fullmatch(name)]
        pinned = [self._statements.by_id[number] for number in numbers if number in self._statements.by_id]
        return {statement.key for statement in (*self._in_use(), *pinned)}

    def _in_use(self) -> list[Statement]:
        assert self._statements is not None
        numbers = [int(key.what) for key in self.carried.pins if key.reason in _IN_USE]
        return [self._statements.by_id[number] for number in numbers if number in self._statements.by_id]

    def _execute_bare(self, data: bytes) -> bool:
        """The fast lane of executions, and all of it: what `_run_prepared` would do for most; False for the others."""
        statement = self._statements.by_id.get(number_in(data)) if self._statements is not None else None
        # Only a login that was relayed is a pin that makes no difference here.
        is_tied = len(self.carried.pins) > (self.shelf is None)
        is_bare = statement is not None and statement.is_bare and not statement.is_astray
        if statement is None or not is_bare or self._has_attributes or is_tied:
            return False
        types = statement.types
        if (
            statement.is_changed
            or not statement.has_only_values(data)
            or (statement.derived_at_first and types != statement.fitting)
        ):
            return False
        cache, query = self._cache, statement.query
        self._orders = None
        if cache is not None:
            self._key = b""
            if self.connection is None and self._recall_prepared(cache, statement, types, data):
                return True
            if self._consult(cache, query):
                self._command = EXECUTE
                send = partial(self._send_execution, statement, data, is_usual=True)
                self._resume = partial(self._request_alone, query, data, send, statement)
                return True
        connection, key = self._take_bare(query), statement.key
        there = None if connection is None else connection.statements.get(key)
        if connection is None or there is None or (types and connection.bound.get(there) != types):
            self._shape = RESULT
            send = partial(self._send_execution, statement, data, is_usual=True)
            self._request_on(query, data, send, statement)
            return True
        connection.statements.move_to_end(key)
        self._command = EXECUTE
        self._statement = statement
        self._sent = data
        self._send_bare(connection, query, renumbered(data, there))
        return True

    def _execute_prepared(self, statement: Statement, data: bytes) -> None:
        assert self._statements is not None
        self._key = b""
        self._keep_apart(statement)
        is_usual = not self._has_attributes and statement.has_only_values(data)
        types = b""
        with suppress(ProtocolError):
            # The server knows best what to say of a malformed one.
            types = statement.types if is_usual else self._statements.check_types(statement, data)
            if statement.derived != UNKNOWN:
                self._follow_types(statement, types, data)
        # Clients tell them once, whatever becomes of it: answered from memory, refused, or not prepared anew.
        statement.types = types or statement.types
        self._shape = RESULT
        query = statement.query
        if not self._heed(query, statement.text, 0):
            return
        if _asks_for_cursor(data):
            # It keeps the connection until the last row is fetched, and what else the session does comes there too.
            query = replace(query, access=Access.UNSURE, is_digest_wide=False)
        elif (
            self._is_in_use()
            or statement.is_derailed
            or statement.is_bent
            or statement.is_makeshift
            or data[4] == Command.MARIADB_STMT_BULK_EXECUTE
        ):
            # After long data something ends, and many rows leave their count behind.
            query = replace(query, is_digest_wide=False)
        elif (
            self._cache is not None
            and not self._is_bypassed
            and self._recall_prepared(self._cache, statement, types, data)
        ):
            return
        self._request(query, data, lambda: self._send_execution(statement, data, is_usual=is_usual), statement)

    def _follow_types(self, statement: Statement, types: bytes, data: bytes) -> None:
        # Which types MySQL's own statement will have for these values, after all that the session sent before.
        assert self._statements is not None
        connection, key, at_first = self.connection, statement.key, statement.derived_at_first
        values = self._values_sent(self._statements, statement, types, data)
        is_there = connection is not None and key in connection.statements
        after = derived = derived_after(statement.derived, values, at_first)
        if not statement.can_be_rehearsed and (after == UNKNOWN or (not is_there and NULL in statement.derived)):
            # Nothing but these values can bring them about.
            derived = likely_after(statement.derived, values, at_first) or after
        is_read_again = after != statement.derived
        is_read_otherwise = is_read_again and statement.is_read_otherwise(self.carried.state)
        is_respelt = is_read_otherwise and (statement.can_be_rehearsed or statement.is_ambiguous)
        statement.is_makeshift = is_read_otherwise and not is_respelt
        statement.is_derailed = is_respelt or derived == UNKNOWN or (after == UNKNOWN and is_there)
        if (
            is_read_again
            and not statement.can_be_rehearsed
            and (statement.is_ambiguous or are_at_odds(at_first, values))
        ):
            statement.is_bent = self.surroundings.settings.prepared_types is PreparedTypes.PIN
        if derived != UNKNOWN and not is_respelt:
            statement.derived = derived
        elif not is_there and not statement.can_be_rehearsed:
            statement.derived = at_first
        if connection is not None and is_there and statement.derived != key.derived:
            connection.rename_statement(key, statement.key)
        is_fitting = fits(statement.derived, sent(types, 0, self.capabilities))
        statement.fitting = types if is_fitting else b""

    def _values_sent(self, statements: Statements, statement: Statement, types: bytes, data: bytes) -> bytes:
        is_ahead = PinKey(PinReason.LONG_DATA, str(statement.id)) in self.carried.pins
        return (statements.sent_unread if is_ahead else statements.sent)(statement, types, data)

    def _follow_derailed(self, statement: Statement, connection: Connection, now: float) -> None:
        # Nobody else may execute it, nor this session anything but it; the others do without what was before.
        key, statement.is_derailed = statement.key, False
        if (statement.can_be_rehearsed or statement.is_bent) and key in connection.statements:
            statement.derived, statement.is_apart, statement.is_makeshift = UNKNOWN, True, False
            connection.rename_statement(key, statement.key)
            self.carried.pin(PinReason.SQL_PREPARED, f"#{statement.id}", now)
        else:
            connection.close_statement(key)

    def _derived_anew(self, statement: Statement) -> bytes:
        statements, at_first = self._statements, statement.derived_at_first
        assert statements is not None
        if self._command != Command.STMT_EXECUTE or not at_first:
            return at_first
        try:
            types = statements.check_types(statement, self._pending)
            return derived_after(at_first, self._values_sent(statements, statement, types, self._pending), at_first)
        except (MySQLError, ProtocolError):
            return at_first

    def _rehearsal(self, statement: Statement, number: int) -> bytes:
        derived, at_first = self._derived_anew(statement), statement.derived_at_first
        if statement.derived == at_first:
            return b""
        is_read_otherwise = statement.is_read_otherwise(self.carried.state)
        if derived == statement.derived and not is_read_otherwise:
            return b""
        if derived == UNKNOWN:
            derived = at_first
        is_next = PinKey(PinReason.NEXT_TRANSACTION, "") in self.carried.pins
        if statement.can_be_rehearsed and statement.derived != UNKNOWN and not is_next:
            assert self.connection is not None
            return rehearsal(number, statement.derived, self.connection.capabilities)
        # What it does would be done twice: instead the values are sent as what they become, or as they came.
        is_recast = bool(self._recast(statement, self._pending))
        if statement.derived == UNKNOWN:
            statement.derived = derived
        elif is_read_otherwise or not is_recast:
            statement.is_makeshift, self._is_plain = True, False
        return b""

    def _recast(self, statement: Statement, data: bytes) -> bytes:
        statements = self._statements
        assert statements is not None
        is_as_it_was = statement.derived in (statement.derived_at_first, UNKNOWN)
        if is_as_it_was or statement.can_be_rehearsed or self._is_in_use(str(statement.id)):
            return b""
        try:
            return statements.recast(statement, statements.check_types(statement, data), data)
        except (MySQLError, ProtocolError):
            return b""

    @property
    def _has_attributes(self) -> bool:
        return bool(self.capabilities & ATTRIBUTES)

    def _is_in_use(self, what: str = "") -> bool:
        # Whether any statement has long data, or an open cursor; or this one.
        pins = self.carried.pins
        return bool(pins) and any(key.reason in _IN_USE and what in ("", key.what) for key in pins)

    def _send_execution(self, statement: Statement, data: bytes, *, is_usual: bool = False) -> None:
        # `is_usual`: with nothing but values, of types that were told before.
        connection, statements = self.connection, self._statements
        assert connection is not None
        assert statements is not None
        key = statement.key
        number = connection.statements[key]
        connection.statements.move_to_end(key)
        recast = self._recast(statement, data) if number not in connection.bound else b""
        if recast:
            types = statements.check_types(statement, data)
            self._pending = statements.execution(statement, recast, connection, number)
            statement.types = types
        elif is_usual and (not statement.parameters or connection.bound.get(number) == statement.types):
            self._pending = in_packets(renumbered(data, number))
        else:
            try:
                self._pending = statements.execution(statement, data, connection, number)
            except ProtocolError:
                # The server knows best what to say of it.
                self._pending = in_packets(renumbered(data, number))
        self._send_pending()
        connection.scanner.opens_cursor = int(_asks_for_cursor(data))
        if statement.is_changed:
            # As the server itself would say, had it been there before.
            connection.scanner.marks = METADATA_CHANGED
            statement.is_changed = False
        if self.carried.finds_no_way_back and not self.carried.is_mysql:
            connection.scanner.more_warnings = 1
        self._sent = data

    def _use_prepared(self, statement: Statement, data: bytes) -> None:
        self._keep_apart(statement)
        in_use = [key for key in self.carried.pins if key.reason in _IN_USE and key.what == str(statement.id)]
        match data[4]:
            case Command.STMT_RESET if not in_use:
                self.carried.count(0)
                self.carried.count_no_warnings()
                self.channel.write(packet.encode(Ok(status=self.status).build(self.capabilities), 1))
            case Command.STMT_FETCH if not any(key.reason is PinReason.CURSOR for key in in_use):
                # The server's statement, where there is one, may be shared by somebody who has.
                self.refuse(
                    MySQLError(
                        ErrorCode.NO_CURSOR, f"the statement ({statement.id}) has no open cursor; execute it with one"
                    )
                )
            case Command.STMT_SEND_LONG_DATA:
                self._shape = Shape.NONE
                self._request(LONG_DATA, data, lambda: self._send_use(statement, data), statement)
            case Command.STMT_RESET:
                self._shape = Shape.SIMPLE
                self._request(USE, data, lambda: self._send_use(statement, data), statement)
            case _:
                self._shape = Shape.ROWS
                self._request(USE, data, lambda: self._send_use(statement, data), statement)

    def _is_misread(self, statement: Statement, connection: Connection) -> bool:
        # MariaDB reads what is sent ahead as a value of the type that was there last, whoever told that one.
        if self._command != Command.STMT_SEND_LONG_DATA or self.carried.is_mysql or self._is_in_use(str(statement.id)):
            return False
        return not are_texts(connection.bound.get(connection.statements[statement.key], b""))

    def _send_use(self, statement: Statement, data: bytes) -> None:
        connection = self.connection
        assert connection is not None
        self._pending = in_packets(renumbered(data, connection.statements[statement.key]))
        self._send_pending()
        if self._shape == Shape.NONE:
            connection.scanner.begin(Shape.NONE, 0)
            self.reply_ended()

    def _follow_command(self, connection: Connection, now: float) -> None:
        if self._statement is not None:
            self._follow_prepared(self._statement, connection, now)
        elif self._command == Command.RESET_CONNECTION and not connection.scanner.error:
            if (self.is_spoiled or not connection.can_be_reset) and self.backend is not None:
                self.backend.pool.worn.add(connection)
            self.carried.reset(connection)
            if self._statements is not None:
                self._statements.forget()
            self._is_cache_off = False

    def _follow_prepared(self, statement: Statement, connection: Connection, now: float) -> None:
        # Long data waits for the execution, an open cursor for its last row; both on this connection.
        carried, what, scanner = self.carried, str(statement.id), connection.scanner
        had_cursor = PinKey(PinReason.CURSOR, what) in carried.pins or scanner.opens_cursor
        if self._command in (Command.STMT_FETCH, Command.STMT_RESET) and not scanner.error:
            carried.count_no_warnings()
        match self._command:
            case Command.STMT_SEND_LONG_DATA:
                carried.pin(PinReason.LONG_DATA, what, now)
            case Command.STMT_FETCH if scanner.error or scanner.status & Status.LAST_ROW_SENT:
                carried.unpin(PinReason.CURSOR, what)
            case Command.STMT_RESET:
                carried.unpin(PinReason.CURSOR, what)
                carried.unpin(PinReason.LONG_DATA, what)
            case Command.STMT_EXECUTE | Command.MARIADB_STMT_BULK_EXECUTE:
                self._follow_execution(statement, connection, now)
        if ((had_cursor and carried.is_mysql) or statement.is_makeshift) and not self._is_in_use(what):
            # MySQL answers a plain execution that follows a first one with a cursor so that no client can read it.
            connection.close_statement(statement.key)
            statement.is_makeshift = False

    def _follow_execution(self, statement: Statement, connection: Connection, now: float) -> None:
        carried, what, status = self.carried, str(statement.id), connection.scanner.status
        if not connection.scanner.error:
            # Long data for a parameter that is not there fails until the statement is reset.
            carried.unpin(PinReason.LONG_DATA, what)
            if status & METADATA_CHANGED:
                self._note_columns(connection)
        if self._command == Command.MARIADB_STMT_BULK_EXECUTE:
            # That of the last row alone, and only the server knows it.
            connection.debt |= Debt.ROW_COUNT
        carried.unpin(PinReason.CURSOR, what)
        if statement.is_derailed:
            self._follow_derailed(statement, connection, now)
        elif statement.is_bent:
            carried.pin(PinReason.SQL_PREPARED, f"#{what}", now)
        if status & Status.CURSOR_EXISTS and not connection.scanner.error:
            carried.pin(PinReason.CURSOR, what, now)
            # It found its rows already, and only the server knows how many.
            connection.debt |= Debt.FOUND_ROWS

    def _note_columns(self, connection: Connection) -> None:
        # The reply said that the columns have changed: at this connection the server knows it now, and so does the
        # client, but not others who share the statement.
        statement = None if self._command == QUERY else self._statement
        if statement is not None:
            key = statement.key
            statement.has_now(connection.scanner.width)
            if key in connection.statements:
                connection.rename_statement(key, statement.key)

    def _close_prepared(self, statement: Statement) -> None:
        assert self._statements is not None
        self._statements.close(statement)
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


def _asks_for_cursor(data: bytes) -> bool:
    return data[4] == Command.STMT_EXECUTE and bool(data[9:10].strip(b"\0\x08"))
