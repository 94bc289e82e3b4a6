# cython: annotation_typing=False, language_level=3, nonecheck=True
"""What a session carries from connection to connection, and what ties it to the one that it has.

Queries that were answered come in, with what the scanner saw of the reply; the session's state, pins and debts follow
from them. Out go the statements that make another connection ready for this session, and the questions that only the
server can answer. All of it is decided here, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from dbmux.backend.connection import LOST, Answer, Connection, Creditor, Debt
from dbmux.errors import ErrorCode
from dbmux.frontend.calls import COUNTERS, count_commands
from dbmux.frontend.diagnostics import added, count_errors, legible, limited, noted
from dbmux.frontend.found_rows import AS_BEFORE, ASK, count_found_rows
from dbmux.query import (
    AskLocks,
    ChangeSchema,
    Effect,
    Kind,
    Needs,
    Pin,
    PinReason,
    Query,
    RenameTable,
    SetUserVariable,
    SetVariable,
    Unpin,
)
from dbmux.session import (
    DEFAULT_NAMES,
    Names,
    Pairs,
    SessionState,
    assignments,
    has_collation,
    literal,
    names_set_one_by_one,
    needs_reset,
    schemas,
)
from dbmux.sql.variables import CHANGE_TRACKING, is_carried
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import ONE_ALONE, SEVERAL, Command
from dbmux.wire.replies import Status

Statement = tuple[Command, bytes]

NAMES_QUESTION = (
    b"SELECT @@character_set_client,@@character_set_connection,@@character_set_results,@@collation_connection LIMIT 1"
)
# Whether a server keeps notes, and how many conditions at most.
NOTES_QUESTION = b"SELECT @@sql_notes,@@max_error_count LIMIT 1"
BY_TRIGGER = "of a trigger or a view"
DATA = frozenset((Kind.SELECT, Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE, Kind.LOAD))
_WITH_TRIGGERS = DATA | {Kind.MULTI}
# In what a server stores, a definition, a question for the schema must stay as it is.
_ASKS_SCHEMA = DATA | {Kind.SET}
# CALL, and EXECUTE among others; with `Query.calls`, these two.
_CALLS = frozenset((Kind.CALL, Kind.PREPARED))
# Of what cannot be parsed nothing is done. What is read or called may say the same.
_SYNTAX = ErrorCode.BAD_SQL.number
# RESIGNAL outside of a handler: the one error that comes behind what was there before.
NO_HANDLER = 1645
# EXECUTE, or a call, of what is not there.
_NOT_RUN = (ErrorCode.UNKNOWN_STATEMENT.number, 1305)
_ENDS = frozenset((Kind.COMMIT, Kind.ROLLBACK))
COUNTS = Needs.FOUND_ROWS | Needs.ROW_COUNT | Needs.WARNINGS
_OWN_IDS = frozenset((Kind.INSERT, Kind.REPLACE))
# What runs statements that are not seen.
_UNSEEN = frozenset((PinReason.ROUTINE, PinReason.UNKNOWN))


class Call(NamedTuple):
    """What a CALL leaves as it was where it runs nothing that counts, and the commands that were run before it."""

    row_count: int
    found_rows: int
    commands: int


class PinKey(NamedTuple):
    """A reason, and the table, lock or variable that is the cause."""

    reason: PinReason
    what: str


class Carried:
    """One session's. `pins` has when each began, by the clock that `follow` is given.

    MySQL keeps a statement's warnings until the next one, and tells their number with every OK, also where no statement
    ran; MariaDB keeps them until the next statement that uses a table, or has warnings of its own.
    """

    __slots__ = (
        "_asks_locks",
        "_asks_warnings",
        "_call",
        "_errors_counted",
        "_first",
        "_foretold",
        "_lost",
        "_reset_names",
        "_stand_in",
        "_warnings_counted",
        "_warnings_of_asking",
        "apart",
        "failure",
        "found_rows",
        "insert_id",
        "is_mysql",
        "missing",
        "pins",
        "row_count",
        "state",
        "warnings",
        "warnings_names",
    )

    def __init__(self, state: SessionState, *, is_mysql: bool) -> None:
        self.state = state
        # The variables that DbMux itself needs, also after a reset.
        self._first: Pairs = ()
        self.is_mysql = is_mysql
        # MariaDB goes back to the names of the login, MySQL to the server's own.
        self._reset_names = DEFAULT_NAMES if is_mysql and state.names is not None else state.names
        self.pins: dict[PinKey, float] = {}
        self.insert_id = 0
        self.found_rows = 0
        self.row_count = 0
        # What is known here and by no connection: something else ran there, or nothing.
        self.apart = Needs.NOTHING
        # The session's schema, where it was dropped, and what the connection that is used has in its place.
        self.missing = b""
        self._stand_in = b""
        # The schema that was the session's until the statement before, if its loss is yet to be noted.
        self._lost = b""
        # The answer to SHOW WARNINGS, where it had to be fetched before the connection was given away.
        self.warnings: Answer | None = None
        # The character sets in which it was given.
        self.warnings_names: Names | None = None
        # The ERR packet of the statement that they are of; empty where that did not fail.
        self.failure = b""
        # More than are kept may be counted.
        self._warnings_counted = self._errors_counted = 0
        # Of commands that asked for them since, the last one's own; -1 if there was none.
        self._warnings_of_asking = -1
        self._foretold: Answer | None = None
        self._asks_locks = False
        self._asks_warnings = False
        # One under way whose count may be that of before.
        self._call: Call | None = None

    def count(self, rows: int) -> None:
        """ROW_COUNT() is this after a command that DbMux answered itself."""
        self.row_count = rows
        self.apart |= Needs.ROW_COUNT

    def count_warnings_asked(self) -> None:
        """A command that asks for warnings was answered: ROW_COUNT() is -1, and no further answer counts them."""
        self.count(-1)
        self.count_no_warnings()

    def count_no_warnings(self) -> None:
        """The answers to commands count none from now on, though they can be asked for."""
        self._warnings_of_asking = 0

    def forget_warnings(self) -> None:
        """Whatever was warned of before is over."""
        self.warnings, self.failure = None, b""
        self._warnings_counted = self._errors_counted = 0

    def foretell(self, warnings: Answer) -> None:
        """What SHOW WARNINGS will have to say after the error that is told next; its connection says it no more."""
        self._foretold = warnings

    def begin_call(self, counted: int) -> None:
        """A CALL is sent that may tell the count of before: when no command is counted but those that were."""
        self._call = Call(self.row_count, self.found_rows, counted)

    def keep_warnings(self, told: Answer, names: Names | None) -> None:
        """What SHOW WARNINGS said on a connection with these character sets, which says it no more."""
        self.warnings, self.warnings_names = legible(told), names

    def add_warnings(self, told: Answer, counted: int, most: int) -> None:
        """A statement that leaves those of before had so many more; a server keeps `most` at most."""
        stored, more = self.warnings, legible(told)
        assert stored is not None
        self._warnings_counted = self.count_warnings(stored) + counted
        self._errors_counted = self.count_errors(stored) + (count_errors(more) if more.rows else counted)
        self.warnings = added(stored, more, most)

    def replace_warnings(self, told: Answer) -> None:
        """A statement about those of before failed so that nothing is left but its error, if that is kept."""
        self.forget_warnings()
        self._errors_counted = 1
        self.keep_warnings(told, self.state.names)

    def begin_with(self, setting: SetVariable) -> None:
        """A variable that DbMux needs itself, as long as the session does not set it otherwise."""
        self.state = self.state.after(setting)
        self._first = self.state.variables

    def follow(self, query: Query, connection: Connection, now: float) -> None:
        """A query was answered on a connection that this session holds."""
        scanner = connection.scanner
        failed = scanner.error != 0
        is_anew = not failed and bool(scanner.status & Status.METADATA_CHANGED)
        if self.finds_no_way_back and query.kind is not Kind.DIAGNOSTICS and not is_anew:
            self._lost = self.missing
            # MySQL counts it as well, but not in the reply.
            scanner.warnings += int(self.is_mysql)
        if failed and not scanner.status & Status.AUTOCOMMIT and query.kind is not Kind.DIAGNOSTICS:
            # An error tells no status: what failed may all the same have begun a transaction.
            scanner.status |= Status.IN_TRANSACTION
        if failed or scanner.rows >= 0 or scanner.affected:
            # Whatever was called has counted.
            self._call = None
        if query.kind is Kind.DIAGNOSTICS:
            self._follow_asking(query, connection)
        else:
            self._follow_diagnostics(query, connection)
        self._follow_found_rows(query, connection)
        if self.pins:
            self._end_passing_pins(query, connection)
        self._take_effect(query, connection, now)
        if scanner.before & Status.IN_TRANSACTION and query.kind is Kind.SET and not connection.is_in_transaction:
            # Ended by SET autocommit = 1, it leaves to the next transaction whether that may write, and its isolation,
            # whatever the session has set meanwhile.
            self.pin(PinReason.NEXT_TRANSACTION, "", now)
        if failed and query.kind is Kind.MULTI and query.effects:
            # Which of them came true is not told.
            self.pin(PinReason.UNKNOWN, "several statements, one of which failed", now)
        if self.pins and not connection.is_in_transaction and scanner.status & Status.AUTOCOMMIT:
            # Without autocommit a savepoint may stand at the beginning of a transaction that is not told of yet.
            self._apply(Unpin(PinReason.SAVEPOINT), connection, now)
        self._follow_report(query, connection, now)
        tells_id = query.kind in _OWN_IDS and not failed and scanner.rows < 0
        if query.moves_insert_id and (scanner.insert_id or not tells_id):
            connection.insert_id = None
            connection.debt |= Debt.INSERT_ID
        is_used = query.kind is Kind.USE and not failed
        connection.state = self.there if is_used else self._there(query, connection)
        self._stand_in = b""

    def _take_effect(self, query: Query, connection: Connection, now: float) -> None:
        names = self.state.names
        error = connection.scanner.error
        for effect in query.effects:
            # XA START alone fails as a whole.
            if not error or (effect.survives_errors and query.kind is not Kind.XA):
                self._apply(effect, connection, now)
            elif isinstance(effect, SetUserVariable) and (error != _SYNTAX or query.tables or query.calls):
                # It may have come as far as this variable, and leaves at least its name.
                self.pin(PinReason.USER_VARIABLE, effect.name, now)
        if names != self.state.names:
            self._keep_strings(now)

    def _there(self, query: Query, connection: Connection) -> SessionState:
        # The session's state as a connection has to have it for this query, and has it after an error.
        there = self.there
        if query.needs & Needs.TRACKING and connection.can_track and not self._is_in_xa:
            there = _as_without_dbmux(there)
        has = connection.state
        if _needs_no_schema(query) and (there.schema, there.altered) != (has.schema, has.altered):
            there = replace(there, schema=has.schema, altered=has.altered)
        return there

    def _follow_report(self, query: Query, connection: Connection, now: float) -> None:
        if connection.reported_change and not query.effects and query.kind in _WITH_TRIGGERS:
            self.pin(PinReason.USER_VARIABLE, BY_TRIGGER, now)
        connection.reported_change = False
        # The server's own word for the schema holds, but where it is not the session's.
        is_told = bool(connection.capabilities & Capability.SESSION_TRACK)
        if connection.scanner.status & Status.DATABASE_DROPPED and not is_told and not connection.scanner.error:
            self.pin(PinReason.UNKNOWN, "perhaps no schema any more", now)
        reported, connection.reported_schema = connection.reported_schema, None
        if self._stand_in:
            # From another schema the server does not find back to one that is gone.
            self.state, self.missing = replace(self.state, schema=b""), b""
        elif reported is not None and not (self.missing and not reported):
            self.state, self.missing = replace(self.state, schema=reported), b""
            # Also after a statement that runs in whichever schema its connection has.
            connection.state = replace(connection.state, schema=reported)

    def _follow_diagnostics(self, query: Query, connection: Connection) -> None:
        scanner = connection.scanner
        # Of several statements only the last tells its warnings, and need not be the last that has any.
        connection.debt &= ~Debt.ROW_COUNT
        # MySQL does not count in its reply the note that a prepared statement's session is in no schema any more.
        is_lost = self.is_mysql and connection.reported_schema == b""
        is_loud = bool(scanner.warnings or scanner.error or is_lost)
        if query.kind is Kind.MULTI and not is_loud and self._keeps_warnings(query) and self.warnings is not None:
            # Either these stay, or one of the statements had others without telling.
            self._asks_warnings = True
        is_quiet = not (is_loud or query.kind is Kind.MULTI) or self._asks_warnings
        is_kept = is_quiet and not query.is_statement
        if not (is_quiet and query.is_bystander):
            # Behind a command of the protocol MySQL still has what was there before: perhaps another session's.
            self.apart &= Needs.FOUND_ROWS | Needs.WARNINGS if self.is_mysql and is_kept else Needs.FOUND_ROWS
        if query.kind in _CALLS and query.calls and is_quiet:
            # Hardly a procedure, or a statement that is executed, uses no table; what its connection still has, that
            # one knows.
            self.warnings = None
        if (self.is_mysql and not is_kept) or not is_quiet or query.tables or query.kind is Kind.SHOW:
            if self._asks_warnings:
                # They may yet be counted.
                self.warnings = None
            else:
                self.forget_warnings()
            connection.debt &= ~Debt.WARNINGS
            if self._foretold is not None:
                self.keep_warnings(self._foretold, self.state.names)
                self._foretold = None
                self.apart = COUNTS
            elif not is_quiet:
                connection.debt |= Debt.WARNINGS
            if not is_quiet:
                # How many an error counts with it is not told.
                self._warnings_of_asking, self._errors_counted = -1, 0
                self._warnings_counted = 0 if scanner.error or query.kind is Kind.MULTI else scanner.warnings
                self.failure = connection.error if scanner.error else b""
        self.row_count = -1 if scanner.has_rows or scanner.error else scanner.affected

    def _follow_asking(self, query: Query, connection: Connection) -> None:
        scanner = connection.scanner
        if query.needs:
            self._warnings_of_asking = scanner.warnings or int(bool(scanner.error))
            if connection.debt & Debt.WARNINGS:
                self._count_more(scanner.error, self._warnings_of_asking)
        if scanner.rows >= 0 or scanner.error or (query.needs and scanner.warnings):
            # A GET DIAGNOSTICS for a condition that is not there has an error, though none is told.
            self.row_count = -1

    def _count_more(self, error: int, counted: int) -> None:
        # What the connection that knows them has more, or instead of them.
        if error in (0, NO_HANDLER):
            self._warnings_counted += counted
            self._errors_counted = max(self._errors_counted, int(bool(self.failure))) + counted
        else:
            self.forget_warnings()
            self._errors_counted = 1

    def _follow_found_rows(self, query: Query, connection: Connection) -> None:
        found = count_found_rows(query, connection.scanner, is_mysql=self.is_mysql)
        if found != AS_BEFORE:
            self.found_rows = max(found, 0)
            connection.debt &= ~Debt.FOUND_ROWS
            if found == ASK:
                connection.debt |= Debt.FOUND_ROWS
            # What SQL_CALC_FOUND_ROWS counted before is over.
            self.pins.pop(PinKey(PinReason.FOUND_ROWS, ""), None)
            self.apart &= ~Needs.FOUND_ROWS
        elif _may_count_unseen(query) and connection.scanner.error not in _NOT_RUN:
            self.apart &= ~Needs.FOUND_ROWS
        elif not self.pins:
            # Should it be kept from now on: this connection may have found something for another session.
            self.apart |= Needs.FOUND_ROWS

    def _end_passing_pins(self, query: Query, connection: Connection) -> None:
        # A cause that passes by itself: the end of the next transaction.
        if connection.is_in_transaction or connection.scanner.error:
            return
        if query.kind in _ENDS or (query.kind in DATA and query.tables):
            self.pins.pop(PinKey(PinReason.NEXT_TRANSACTION, ""), None)

    def _apply(self, effect: Effect, connection: Connection, now: float) -> None:
        match effect:
            case Pin(reason, what):
                self.pins.setdefault(PinKey(reason, self._qualified(reason, what)), now)
            case Unpin(reason, what) if what:
                self.pins.pop(PinKey(reason, self._qualified(reason, what)), None)
            case Unpin(reason):
                for key in [key for key in self.pins if key.reason is reason]:
                    del self.pins[key]
            case RenameTable(old, new):
                key = PinKey(PinReason.TEMPORARY_TABLE, self._qualified(PinReason.TEMPORARY_TABLE, old))
                if (since := self.pins.pop(key, None)) is not None:
                    self.pins[key._replace(what=self._qualified(PinReason.TEMPORARY_TABLE, new))] = since
            case AskLocks():
                self._asks_locks = True
            case SetVariable("last_insert_id", bytes() as value) if value.isdigit():
                self.insert_id = connection.insert_id = int(value)
            case ChangeSchema():
                self.state = self.state.after(effect)
                self.missing = b""
            case SetVariable("last_insert_id", _):
                connection.insert_id = None
                connection.debt |= Debt.INSERT_ID
            case _:
                self.state = self.state.after(effect)

    def pin(self, reason: PinReason, what: str, now: float) -> None:
        """The connection is the session's own from now on, for this reason too."""
        self.pins.setdefault(PinKey(reason, what), now)

    def unpin(self, reason: PinReason, what: str) -> None:
        """This reason is gone."""
        self.pins.pop(PinKey(reason, what), None)

    def _keep_strings(self, now: float) -> None:
        # A string has the collation of its time, that of the same SET too: set again under other names it would be
        # another one.
        for name, value in self.state.user_variables:
            if has_collation(value):
                self.pins.setdefault(PinKey(PinReason.USER_VARIABLE, name), now)

    def _qualified(self, reason: PinReason, what: str) -> str:
        if reason is not PinReason.TEMPORARY_TABLE or "." in what or not what:
            return what
        return f"{self.state.schema.decode('utf-8', 'replace')}.{what}"

    # What only the server knows.

    def questions(self) -> list[bytes]:
        """What has to be asked on the connection before anything else runs on it."""
        told = []
        if self._call is not None:
            told.append(COUNTERS)
        if self._asks_warnings:
            told.append(b"SHOW WARNINGS")
        if self._lost:
            told.append(NOTES_QUESTION)
        if self._keeps_connection:
            return told
        if not self._knows_client():
            told.append(NAMES_QUESTION)
        told += [b"SELECT @@session.%b LIMIT 1" % name.encode() for name in self._unread()]
        if self._asks_locks:
            told += [
                b"SELECT IS_USED_LOCK(x'%b')=CONNECTION_ID() LIMIT 1" % name.encode().hex().encode()
                for name in self._locks()
            ]
        return told

    def claim_found_rows(self, connection: Connection) -> None:
        """What only the connection knows that this session holds is asked for before something else counts there."""
        if self._counts_rows or (self._ran_unseen and not self.apart & Needs.FOUND_ROWS):
            connection.debt |= Debt.FOUND_ROWS

    def learn_found_rows(self, number: int) -> None:
        """What FOUND_ROWS() is; the connection, which was asked, says it no more."""
        self.found_rows = number
        self.apart |= Needs.FOUND_ROWS
        self.pins.pop(PinKey(PinReason.FOUND_ROWS, ""), None)

    def learn(self, answers: list[Answer], connection: Connection, own: int) -> None:
        """The answers to `questions`, `own` behind others; raises ProtocolError for answers that are none."""
        told = iter(answers)
        self.apart |= Needs.ROW_COUNT | Needs.FOUND_ROWS
        if self._call is not None:
            self._end_call(self._call, next(told), own)
        if self._asks_warnings:
            if (warnings := next(told)).rows:
                self.keep_warnings(warnings, self.state.names)
            self._asks_warnings = False
        if self._lost:
            self._note_loss(next(told), connection.capabilities)
        if not self._keeps_connection:
            self._learn_state(told, connection)
        if connection.state == self.state:
            connection.state = self.state

    def _learn_state(self, told: Iterator[Answer], connection: Connection) -> None:
        if not self._knows_client():
            values = next(told).row(4)
            names = names_set_one_by_one(values)
            if self.state.names is not None:
                names = replace(self.state.names, client=names.client)
            self.state = replace(self.state, names=names)
            connection.state = replace(connection.state, names=names)
        for name in self._unread():
            (value,) = next(told).row(1)
            was_set = SetVariable(name, literal(value))
            self.state, connection.state = self.state.after(was_set), connection.state.after(was_set)
            del self.pins[PinKey(PinReason.SYSTEM_VARIABLE, name)]
        if self._asks_locks:
            for name in self._locks():
                if next(told).row(1) != (b"1",):
                    del self.pins[PinKey(PinReason.NAMED_LOCK, name)]
            self._asks_locks = False

    def _end_call(self, call: Call, counters: Answer, own: int) -> None:
        self._call = None
        if count_commands(counters) == call.commands + own + 1:
            self.row_count, self.found_rows = call.row_count, call.found_rows

    def _note_loss(self, told: Answer, capabilities: int) -> None:
        # Servers do so behind what the statement has to say, and count what they have no room for; a note that is not
        # wanted MariaDB counts in the reply alone.
        is_wanted, room = told.row(2)
        assert self.warnings is not None
        if self._warnings_counted == 1:
            # What the connection says besides is of a statement before.
            self.warnings = Answer((), limited(self.warnings.raw, 0, 0))
        if is_wanted == b"0":
            self._warnings_counted -= 1
        elif len(self.warnings.rows) < int(room or b"0"):
            text = b"Unknown database '%b'" % self._lost
            number = ErrorCode.UNKNOWN_SCHEMA.number
            self.warnings = noted(self.warnings, number, text, capabilities, is_mysql=self.is_mysql)
        self._lost = b""

    @property
    def _ran_unseen(self) -> bool:
        return any(key.reason in _UNSEEN for key in self.pins)

    @property
    def _keeps_connection(self) -> bool:
        # Such a session never has to say elsewhere what it is.
        return PinKey(PinReason.RELAYED_LOGIN, "") in self.pins

    @property
    def _counts_rows(self) -> bool:
        # Of a SELECT with SQL_CALC_FOUND_ROWS only the server knows how many it found.
        return PinKey(PinReason.FOUND_ROWS, "") in self.pins

    def _knows_client(self) -> bool:
        # In some character sets a statement is not read.
        return self.state.names is not None and self.state.names.client is not None

    def _unread(self) -> list[str]:
        # Variables that were set to what only the server can evaluate, and that can be carried once it is known.
        return [
            key.what for key in self.pins if key.reason is PinReason.SYSTEM_VARIABLE and is_carried(key.what, b"''")
        ]

    def _locks(self) -> list[str]:
        return [key.what for key in self.pins if key.reason is PinReason.NAMED_LOCK and key.what]

    # Another connection.

    def is_ready(self, connection: Connection, query: Query, owner: Creditor) -> bool:
        """Whether a query can run on this connection as it is."""
        if connection.creditor is not owner and (connection.debt or query.needs or _begins_xa(query)):
            return False
        if self._knows_found_rows(query) or self._is_apart(query, connection):
            return False
        if _asks_insert_id(query) and not self._has_insert_id(connection, owner):
            return False
        if query.needs & Needs.TRACKING or _needs_no_schema(query):
            return connection.state == self._there(query, connection)
        return connection.state is self.state or connection.state == self.state

    def has_reset(self, connection: Connection) -> bool:
        """Whether a `preparation` begins with a reset, which also forgets the statements that are prepared there."""
        return connection.state is not self.state and needs_reset(connection.state, self.state)

    def preparation(
        self, connection: Connection, query: Query, owner: Creditor, spelling: Mapping[str, str]
    ) -> list[Statement]:
        """The statements that make it ready, after those of `settlement`."""
        told: list[Statement] = []
        debts = connection.debt if connection.creditor is not owner else Debt.NONE
        have = connection.state
        if needs_reset(have, self.state):
            told.append((Command.RESET_CONNECTION, b""))
            have = connection.reset_state
        if self.state.option != have.option:
            option = self.state.option
            if option is None:
                option = SEVERAL if connection.capabilities & Capability.MULTI_STATEMENTS else ONE_ALONE
            told.append((Command.SET_OPTION, option))
        wants = self._there(query, connection)
        if _needs_no_schema(query):
            wants = replace(wants, schema=have.schema, altered=have.altered)
        if have.names != wants.names and not self.pins:
            # Another session's texts are not this one's, even where they look the same.
            have = have.without_texts()
        told += [(Command.INIT_DB, schema) for schema in schemas(have, wants)]
        told += [(Command.QUERY, sql) for sql in assignments(have, wants, spelling)]
        is_reset = bool(told) and told[0][0] is Command.RESET_CONNECTION
        if _asks_insert_id(query) and (debts or is_reset or not self._has_insert_id(connection, owner)):
            told.append((Command.QUERY, b"SET last_insert_id=%d" % max(self.insert_id, 0)))
        if self.is_about_counts(query) and (
            told
            or connection.creditor is not owner
            or self._is_apart(query, connection)
            or self._knows_found_rows(query)
        ):
            told += [(Command.QUERY, sql) for sql in self._prelude(query)]
        return told

    def _knows_found_rows(self, query: Query) -> bool:
        # Better than even its own connection, which may count what ran there for others: a BEGIN does not change it.
        return bool(query.needs & Needs.FOUND_ROWS) and not self.pins

    def _is_apart(self, query: Query, connection: Connection) -> bool:
        # Warnings that the connection owes are there, whatever was counted since; those that are stored never are.
        if query.needs & Needs.WARNINGS and self.warnings is not None:
            return True
        if self._tells_count(query) and self.apart & Needs.ROW_COUNT:
            return True
        is_owed = bool(connection.debt & Debt.WARNINGS)
        if self._keeps_warnings(query) and not is_owed:
            return True
        if _begins_xa(query) and self.apart & Needs.FOUND_ROWS:
            return True
        if query.needs & Needs.WARNINGS and not self.is_mysql and not is_owed:
            # This session has none; the connection may still have those of the one before.
            return not self._counts_rows
        asked = self.apart & query.needs
        return bool(asked & ~Needs.WARNINGS if is_owed else asked)

    @property
    def _is_in_xa(self) -> bool:
        return PinKey(PinReason.XA, "") in self.pins

    def is_about_counts(self, query: Query) -> bool:
        """Whether it matters what its connection counts, or which warnings it has, when it begins."""
        is_asked = bool(query.needs & COUNTS) or self._tells_count(query)
        return is_asked or self._keeps_warnings(query) or _begins_xa(query)

    def _tells_count(self, query: Query) -> bool:
        # MySQL answers a CALL with the count of the last statement, be it one of the procedure's or the one before.
        return self.is_mysql and query.kind is Kind.CALL

    def _keeps_warnings(self, query: Query) -> bool:
        # Afterwards those of the session before could no longer be told from its own.
        if self.is_mysql:
            return False
        return _begins_xa(query) or (query.kind is Kind.MULTI and not query.tables)

    def _prelude(self, query: Query) -> list[bytes]:
        # Puts in place of what others left behind what `substitutes` builds on, or where it can the very state.
        if self._is_in_xa:
            # Most would be refused there once XA END was said. This counts no rows, less than whatever is told.
            return [] if self._tells_count(query) else [b"SHOW WARNINGS LIMIT 0"]
        # A count of rows cannot be put in place.
        told = [COUNTERS] if self._tells_count(query) and self.row_count > 0 else []
        # MariaDB forgets warnings only for a statement with a table.
        told.append(b"SELECT 1 FROM (SELECT 1) one WHERE FALSE")
        if self.row_count >= 0:
            # DO would be counted by FOUND_ROWS() on MySQL.
            told.append(b"SET sql_warnings=@@sql_warnings")
        return told

    @property
    def there(self) -> SessionState:
        """The session's state as it can be on a connection."""
        if self.missing or self._stand_in:
            return replace(self.state, schema=self._stand_in)
        return self.state

    def expect_schema(self) -> None:
        """The session's schema may be there again."""
        self.missing = self._stand_in = b""

    def do_without_schema(self) -> None:
        """The session's schema is not there: until it is expected again, nothing is to be brought into it."""
        self.missing, self._stand_in = self.state.schema, b""
        # What failed is counted, too.
        self.apart = COUNTS

    def do_in_schema(self, stand_in: bytes) -> None:
        """The same, but what runs next is at home in this other schema."""
        self.do_without_schema()
        self._stand_in = stand_in

    @property
    def finds_no_way_back(self) -> bool:
        """Whether the server would note that from this other schema it does not come back to the session's.

        It would not if it had to prepare the statement anew, as for a table that was altered: that forgets the note.
        """
        return bool(self._stand_in and self.missing)

    def schema_to_tell(self, query: Query) -> bytes:
        """What DATABASE() has to say in a statement where its connection has no schema; nothing where it does."""
        is_simple = literal(self.missing) == b"'%b'" % self.missing
        return self.missing if is_simple and query.kind in _ASKS_SCHEMA else b""

    def substitutes(self, query: Query) -> dict[bytes, int]:
        """What a statement has to be told that it would otherwise ask its connection, after a `preparation`."""
        told = {}
        if query.needs & Needs.ROW_COUNT and (self.row_count > 0 or (self.row_count == 0 and self._is_in_xa)):
            told[b"ROW_COUNT"] = self.row_count
        if query.needs & Needs.FOUND_ROWS and (self.found_rows or self._is_in_xa):
            told[b"FOUND_ROWS"] = self.found_rows
        if query.needs & Needs.WARNINGS and self.warnings is not None:
            told[b"@@WARNING_COUNT"] = self.count_warnings(self.warnings)
            told[b"@@ERROR_COUNT"] = self.count_errors(self.warnings)
        return told

    def warnings_in_pings(self, debt: Debt) -> int | None:
        """How many MySQL counts in its answer to a command that is no statement: once they were asked for, only those
        that came with that. None where the connection, with this debt, knows it."""
        is_owed = bool(debt & Debt.WARNINGS)
        if self._warnings_of_asking >= 0 and (is_owed or self.warnings is not None):
            return self._warnings_of_asking
        if is_owed:
            return None
        return 0 if self.warnings is None else self.count_warnings(self.warnings)

    def count_warnings(self, stored: Answer) -> int:
        """How many there were: perhaps more than the server kept."""
        return max(self._warnings_counted, len(stored.rows), self.count_errors(stored))

    def count_errors(self, stored: Answer) -> int:
        """How many of them are errors: at least the one that a statement failed with, which may not have been kept."""
        return max(self._errors_counted, count_errors(stored), int(bool(self.failure)))

    def has_lost(self, query: Query, connection: Connection, owner: Creditor) -> bool:
        """Whether it asks for an insert id that only a connection knew which is closed."""
        if self.insert_id != LOST or not query.needs & Needs.LAST_INSERT_ID or self._has_insert_id(connection, owner):
            return False
        # Hardly any routine does.
        return not query.calls

    def _has_insert_id(self, connection: Connection, owner: Creditor) -> bool:
        if connection.insert_id is None:
            return connection.creditor is owner
        return connection.insert_id == self.insert_id

    def take_over(self, connection: Connection, query: Query, owner: Creditor) -> None:
        """The preparation was done: the connection is as this session needs it."""
        if needs_reset(connection.state, self.state):
            connection.forget_session()
        if _asks_insert_id(query) and not self._has_insert_id(connection, owner):
            connection.insert_id = max(self.insert_id, 0)
        if connection.creditor is owner and not self.is_about_counts(query):
            # A SET leaves what was found.
            self.apart |= Needs.ROW_COUNT | Needs.WARNINGS
        else:
            self.apart = COUNTS
        if connection.creditor is not owner:
            connection.forget_debt()
            connection.serve(owner)
        connection.state = self._there(query, connection)

    def reset(self, connection: Connection) -> None:
        """COM_RESET_CONNECTION was answered: nothing is left but the schema, and what the login itself pins."""
        self.claim_found_rows(connection)
        # FOUND_ROWS() alone is as it was.
        creditor, owed = connection.creditor, connection.debt & Debt.FOUND_ROWS
        self.pins = {key: since for key, since in self.pins.items() if _outlives_reset(key)}
        self.state = replace(self.state.when_reset(), names=self._reset_names, variables=self._first)
        self.insert_id = 0
        self.row_count = 0
        self.forget_warnings()
        # Which names the connection itself has now depends on with which it logged in, perhaps for another session.
        connection.forget_session()
        if self.pins:
            # No other session gets it: it is as the client has left it.
            connection.state = replace(connection.state, altered=self.state.altered)
        if owed:
            connection.creditor, connection.debt = creditor, owed
        if connection.state == self.state:
            connection.state = self.state


def _needs_no_schema(query: Query) -> bool:
    # Whoever chooses another schema may do so because the session's is there no more; and to enter it is a statement,
    # which would take from SHOW WARNINGS what it is asked for.
    return query.kind is Kind.USE or (query.kind is Kind.DIAGNOSTICS and bool(query.needs))


def _as_without_dbmux(state: SessionState) -> SessionState:
    # What DbMux has switched on for itself is off, unless the session has set it.
    if state.variable(CHANGE_TRACKING) is not None:
        return state
    return state.after(SetVariable(CHANGE_TRACKING, None))


def _begins_xa(query: Query) -> bool:
    # The last chance to put anything in place.
    return bool(query.effects) and any(
        isinstance(effect, Pin) and effect.reason is PinReason.XA for effect in query.effects
    )


def _may_count_unseen(query: Query) -> bool:
    # A SET of what is not known runs no statements, but for the functions in it.
    unseen = (PinReason.ROUTINE,) if query.kind is Kind.SET else _UNSEEN
    return any(isinstance(effect, Pin) and effect.reason in unseen for effect in query.effects)


def _outlives_reset(key: PinKey) -> bool:
    return key.reason is PinReason.RELAYED_LOGIN


def _asks_insert_id(query: Query) -> bool:
    # What may move it may also fail to, and must then find the session's own; in an XA transaction none can be set.
    return query.moves_insert_id or bool(query.needs & Needs.LAST_INSERT_ID) or _begins_xa(query)


def settlement(connection: Connection) -> list[Statement]:
    """The questions by which a connection pays its debt; warnings first, because every other statement clears them.

    Like all of DbMux's own they say their LIMIT, which holds over a session's `sql_select_limit`.
    """
    told: list[Statement] = []
    if connection.debt & Debt.ROW_COUNT:
        # MariaDB's alone, which keeps warnings over this one.
        told.append((Command.QUERY, b"SELECT ROW_COUNT() LIMIT 1"))
    if connection.debt & Debt.WARNINGS:
        told.append((Command.QUERY, b"SHOW WARNINGS"))
    if connection.debt & Debt.FOUND_ROWS:
        told.append((Command.QUERY, b"SELECT FOUND_ROWS() LIMIT 1"))
    if connection.debt & Debt.INSERT_ID:
        told.append((Command.QUERY, b"SELECT LAST_INSERT_ID() LIMIT 1"))
    return told
