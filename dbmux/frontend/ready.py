# cython: annotation_typing=False, language_level=3, nonecheck=True
"""A tenant's connection made ready: before a command is sent, it is brought into the session's state.

A connection comes in that another session may have had; it pays what it owes to that one, gets this session's state,
schema and prepared statement, and then the command is sent. A session whose schema is there no more goes on where none
is chosen. When it cannot be made ready, another one is taken, or the client is told why. Never follows what was
answered.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from dbmux.backend.connection import Answer, Connection, Debt, Exchange, StatementKey
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.events import CloseReason
from dbmux.frontend.calls import COUNTERS, CallReply, count_commands
from dbmux.frontend.carried import settlement
from dbmux.frontend.course import Course
from dbmux.frontend.gtids import has_come, waiting
from dbmux.frontend.preparation import Preparation
from dbmux.frontend.prepared import Statement
from dbmux.frontend.schemaless import NO_SCHEMA, is_unknown, unknown
from dbmux.frontend.state import State
from dbmux.frontend.tenant import QUERY, Tenant
from dbmux.query import Kind, Query, SetVariable
from dbmux.session import assignments
from dbmux.sql.substitute import substitute
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import SEVERAL, Command
from dbmux.wire.replies import Status, err_from


class ReadyTenant(Tenant):
    """A tenant whose connection is as if the session had never had another one."""

    __slots__ = ()

    @abstractmethod
    def _not_prepared(self, connection: Connection, statement: Statement, error: BackendRefused) -> None:
        """The server refused to prepare a statement anew: answer the command with its error, or ask again."""

    @abstractmethod
    def _remember(self, connection: Connection, statement: Statement, number: int) -> None:
        """It was prepared there, with this number of the server's."""

    @abstractmethod
    def _derived_anew(self, statement: Statement) -> bytes:
        """The types that a statement which was just prepared has after the command under way."""

    @abstractmethod
    def _rehearsal(self, statement: Statement, number: int) -> bytes:
        """The execution by which a statement that was just prepared gets the types that it is to have; or nothing."""

    @abstractmethod
    def _keys_in_use(self) -> set[StatementKey]:
        """The session's statements that have long data, or an open cursor."""

    @abstractmethod
    def _is_misread(self, statement: Statement, connection: Connection) -> bool:
        """Whether the server's statement would take the command under way for something else than the client says."""

    def _make_ready(self, connection: Connection) -> None:
        carried, course, statement = self.carried, self.course, self._statement
        carried.expect_schema()
        is_wasted = not connection.can_be_reset and connection.creditor is not self and carried.has_reset(connection)
        if is_wasted and not self._is_held(connection):
            self._replace(connection)
            return
        if carried.has_lost(self._query, connection, self):
            self._refuse_lost(connection)
            return
        if statement is not None and statement.is_astray:
            statement.go_with(carried.state)
        is_prepared = statement is None or self._is_there(statement, connection)
        gtid = course.wait_for if course is not None else b""
        if is_prepared and not gtid and carried.is_ready(connection, self._query, self):
            self._then()
            return
        if statement is not None and not is_prepared:
            statement.go_with(carried.state)
        if statement is not None and not carried.state.schema and self._can_run_at_home(connection, statement):
            self._run_at_home(connection, statement, gtid)
        elif connection.state.schema and not carried.state.schema and self._query.kind is not Kind.USE:
            # The session itself has dropped its own.
            self._seek_without_schema(connection)
        else:
            self._carry_over(connection, gtid)

    def _refuse_lost(self, connection: Connection) -> None:
        if not self._is_held(connection):
            assert self.shelf is not None
            self._part_with(connection, self.shelf)
        why = "the connection that knew this session's LAST_INSERT_ID() was lost; connect again"
        self._answer_error(MySQLError(ErrorCode.LOST_IN_REPLY, why))

    def _replace(self, connection: Connection) -> None:
        # What its login brought about would be gone with a reset.
        shelf = self.shelf
        assert shelf is not None
        shelf.pool.worn.add(connection)
        self._part_with(connection, shelf)
        self._get_connection()

    def _is_there(self, statement: Statement, connection: Connection) -> bool:
        if self.carried.has_reset(connection):
            return False
        key, there = statement.key, connection.statements
        if key not in there and statement.derived != statement.derived_at_first:
            first = key._replace(derived=statement.derived_at_first)
            is_alike = first in there and self._derived_anew(statement) == statement.derived
            if is_alike and not statement.is_read_otherwise(self.carried.state):
                connection.rename_statement(first, key)
        if key in there and self._is_misread(statement, connection):
            connection.close_statement(key)
        return key in there

    def _carry_over(self, connection: Connection, gtid: bytes) -> None:
        carried, course, statement, backend = self.carried, self.course, self._statement, self.backend
        is_prepared = statement is None or self._is_there(statement, connection)
        self.state = int(State.WAITING)
        if self.shelf is not None:
            self.shelf.pool.carried += 1
        debts = self._debts(connection)
        creditor = connection.creditor if debts else None
        if creditor is not None and creditor is not self:
            creditor.is_being_settled()
        unprepared = None if is_prepared else statement
        parts = Preparation(
            debts,
            self._preparation(connection, gtid),
            [] if unprepared is None or backend is None else unprepared.preparation(carried.there, backend.spelling),
        )

        def done(answers: list[Answer]) -> None:
            paid, told, anew = parts.split(answers)
            if creditor is not None:
                creditor.settle(connection, paid)
            connection.forget_debt()
            carried.take_over(connection, self._query, self)
            self._change_shelf(connection)
            self._begin_call(connection, parts.statements, [*told, *anew])
            if (self._query.needs or carried.missing) and statement is None:
                self._substitute()
            rehearsal = b""
            if unprepared is not None:
                at = [command for command, _ in parts.anew].index(Command.STMT_PREPARE)
                rehearsal = self._prepared_anew(connection, unprepared, anew[at])
            if course is not None and gtid and not has_come(told[0]):
                self._wait_no_longer(course, connection)
            else:
                self._rehearse(connection, rehearsal)

        def failed(error: BackendRefused | MySQLError) -> None:
            paid, told, anew = parts.split(exchange.answers)
            is_paid = len(paid) == len(debts)
            if creditor is not None:
                creditor.settle(connection, paid if is_paid else [])
                connection.debt = Debt.NONE if is_paid else connection.debt
            refused = parts.commands[len(exchange.answers) :][:1]
            if is_unknown(error) and refused == [(Command.INIT_DB, carried.there.schema)]:
                self._do_without_schema(connection, gtid, len(told) + len(anew))
                return
            if unprepared is None or len(told) < len(parts.statements) or isinstance(error, MySQLError):
                self._not_ready(connection, error, gtid if is_paid and not told else b"")
                return
            connection.forget_debt()
            carried.take_over(connection, self._query, self)
            self._not_prepared(connection, unprepared, error)

        exchange = Exchange(parts.commands, done, failed, optional=COUNTERS)
        exchange.begin(connection)

    def _prepared_anew(self, connection: Connection, statement: Statement, answer: Answer) -> bytes:
        # What is to be done before it is as if the session had executed it here before.
        told = answer.prepared()
        statement.was_prepared_anew(told.columns)
        rehearsal = self._rehearsal(statement, told.statement)
        self._remember(connection, statement, told.statement)
        return rehearsal

    def _rehearse(self, connection: Connection, execution: bytes) -> None:
        # Without rows, as far as the statement has no LIMIT of its own; should it fail, it has the types all the same.
        assert self.backend is not None
        if not execution:
            self._then()
            return
        state, spelling = connection.state, self.backend.spelling
        # The server reads its text again.
        meant = state if self._statement is None else self._statement.as_it_was(state)
        limited = meant.after(SetVariable("sql_select_limit", b"0"))
        there = [(Command.QUERY, sql) for sql in assignments(state, limited, spelling)]
        back = [(Command.QUERY, sql) for sql in assignments(limited, state, spelling)]

        def done(_: list[Answer]) -> None:
            self._then()

        def failed(error: BackendRefused | MySQLError) -> None:
            self._not_ready(connection, error)

        commands = [*there, (Command.STMT_EXECUTE, execution), *back]
        Exchange(commands, done, failed, optional=execution).begin(connection)

    def _begin_call(
        self, connection: Connection, statements: list[tuple[Command, bytes]], answers: list[Answer]
    ) -> None:
        # `answers` has those of the statements, and of what was prepared behind them.
        if (Command.QUERY, COUNTERS) not in statements:
            return
        at = statements.index((Command.QUERY, COUNTERS))
        counted = count_commands(answers[at])
        if counted:
            self.carried.begin_call(counted + len(answers) - at - 1)
            self._call_reply = connection.client = CallReply(self.channel.write)

    def _debts(self, connection: Connection) -> list[tuple[Command, bytes]]:
        # What prepares it for this session destroys what it still knew, for another one or for this.
        if connection.creditor is None:
            return []
        if connection.debt & ~Debt.WARNINGS or self.carried.is_about_counts(self._query):
            self.carried.claim_found_rows(connection)
        return settlement(connection)

    def _do_without_schema(self, connection: Connection, gtid: bytes, prepared: int) -> None:
        # The session's own was dropped: what was prepared in another one runs there; what names its schemas, or needs
        # none, can run where none is chosen.
        connection.forget_debt()
        # What failed was a statement, too: it no longer counts what was done for whoever had it last.
        connection.creditor = None
        statement, carried = self._statement, self.carried
        if statement is not None and statement.home == carried.there.schema:
            statement.is_homeless = True
        if statement is not None and not prepared and self._can_run_at_home(connection, statement):
            self._run_at_home(connection, statement, gtid)
        elif connection.state.schema:
            if prepared:
                # Some of what was to be done on it is done.
                connection.quit()
            self._seek_without_schema(connection)
        else:
            carried.do_without_schema()
            if statement is not None:
                statement.go_with(carried.there)
            self._carry_over(connection, gtid)

    def _can_run_at_home(self, connection: Connection, statement: Statement) -> bool:
        # The connection does not find back from there: neither before nor after it may this session hold it.
        ends_there = not self._query.effects and bool(connection.scanner.status & Status.AUTOCOMMIT)
        return bool(statement.home) and ends_there and not self._is_held(connection)

    def _run_at_home(self, connection: Connection, statement: Statement, gtid: bytes) -> None:
        # Afterwards the session is in no schema: that is to be followed, however plain the statement.
        self._is_plain = False
        self.carried.do_in_schema(statement.home)
        statement.go_with(self.carried.there)
        self._carry_over(connection, gtid)

    def _seek_without_schema(self, connection: Connection) -> None:
        shelf = self.shelf
        if shelf is None or self._is_held(connection):
            why = "the session's schema was dropped, and the connection that it holds is in another one; connect again"
            self._not_ready(connection, MySQLError(ErrorCode.LOST_IN_REPLY, why))
            return

        def left() -> None:
            self._face_shelf(shelf.sibling(replace(shelf.key, has_schema=False)))
            self._get_connection()

        self._leave(connection, left, lambda error: self._not_ready(connection, error))

    def _is_held(self, connection: Connection) -> bool:
        # Whether no other one has what is on it.
        return self.shelf is None or bool(self.carried.pins) or connection.is_in_transaction

    def _preparation(self, connection: Connection, gtid: bytes) -> list[tuple[Command, bytes]]:
        # What is sent before the query: first of all the question whether a replica has what this session wrote.
        backend, course = self.backend, self.course
        assert backend is not None
        told: list[tuple[Command, bytes]] = []
        if gtid and course is not None:
            told.append((Command.QUERY, waiting(backend, gtid, course.group.config.read_your_writes_wait)))
        return told + self.carried.preparation(connection, self._query, self, backend.spelling)

    def _wait_no_longer(self, course: Course, connection: Connection) -> None:
        assert self.shelf is not None
        is_killed = bool(connection.kills)
        if self._statement is not None:
            # It may have been prepared there, and is not what its key says until it was rehearsed.
            connection.close_statement(self._statement.key)
        self._part_with(connection, self.shelf)
        if is_killed:
            self._answer_error(
                MySQLError(ErrorCode.INTERRUPTED, "the statement was killed while it waited for its data")
            )
            return
        course.has_waited_in_vain()
        self._get_connection()

    def _substitute(self) -> None:
        if self._query.kind is Kind.MULTI and not self._takes_several:
            # The server will say what it thinks of the text, and nothing is asked in it.
            return
        values, schema = self.carried.substitutes(self._query), self.carried.schema_to_tell(self._query)
        if (values or schema) and self._command == QUERY:
            start = self._text_at
            text = substitute(self._pending, start, self._flags, values, schema)
            self._pending = packet.encode(self._pending[packet.HEADER : start] + text, 0)

    @property
    def _takes_several(self) -> bool:
        # Whether the server takes several statements in one text from this session.
        option = self.carried.state.option
        return option == SEVERAL if option is not None else bool(self.capabilities & Capability.MULTI_STATEMENTS)

    def _not_ready(self, connection: Connection, error: BackendRefused | MySQLError, asked: bytes = b"") -> None:
        # `asked` is the GTID of which the server was being asked.
        if self.state == State.CLOSED:
            return
        self.carried.expect_schema()
        if asked and self.course is not None and isinstance(error, BackendRefused):
            # It makes no sense to this server, or whoever had the connection allows no waiting: the primary has it.
            connection.forget_debt()
            # The question counts, too, instead of what was done for whoever had it last.
            connection.creditor = None
            self._wait_no_longer(self.course, connection)
            return
        was_closed = connection.is_closed
        is_missed = self._is_held(connection)
        connection.quit()
        self.connection = None
        if is_missed:
            if isinstance(error, BackendRefused):
                why = f"the session's connection could not be made ready: {error}; connect again"
                error = MySQLError(ErrorCode.LOST_IN_REPLY, why)
            self.fail(error, CloseReason.BACKEND_GONE)
            return
        if was_closed and self._is_retriable:
            # Nothing of the command was sent: another connection is as good, and perhaps one of another server.
            self._try_again()
            return
        self._answer_error(error)

    def withholds(self, error: int, reply: bytes) -> bool:
        """The same for an error that a session on a connection of its own would get in other words."""
        if error == NO_SCHEMA and self.carried.missing and self.connection is not None:
            self._tell_unknown(self.connection, reply)
            return True
        return super().withholds(error, reply)

    def _tell_unknown(self, connection: Connection, reply: bytes) -> None:
        error = self._unknown_schema(self.carried.missing, self._query)
        connection.scanner.error = error.number
        connection.error = err_from(error).build()
        told = packet.encode(connection.error, reply[3])
        connection.reply_bytes = len(told)
        connection.client.write(told)
        self.reply_ended()

    def _unknown_schema(self, schema: bytes, query: Query) -> BackendRefused:
        assert self.backend is not None
        return unknown(schema, query, is_mariadb=self.backend.is_mariadb)
