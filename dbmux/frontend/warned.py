# cython: annotation_typing=False, language_level=3, nonecheck=True
"""What a session asks about its statement before: its warnings and errors, wherever they are by now.

While the connection that ran the statement owes them to this session, it is asked, as a server would be. After that
DbMux has what SHOW WARNINGS said there, and answers from it: SHOW as it was told, GET DIAGNOSTICS by the same values.
What adds to them, an error of GET DIAGNOSTICS or RESIGNAL itself, the server says, and it is stored behind them.
"""

from __future__ import annotations

from dbmux.backend.connection import Answer, Connection, Debt, Exchange
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.frontend.carried import NO_HANDLER
from dbmux.frontend.conditions import Known
from dbmux.frontend.diagnostics import limited, only_errors, translated, with_status
from dbmux.frontend.state import State
from dbmux.frontend.statements import StatementTenant
from dbmux.frontend.tenant import RESULT
from dbmux.query import Access, FoundRows, Kind, Needs, PinReason, Query
from dbmux.sql.diagnostics import Asked, read_get_diagnostics
from dbmux.wire import packet
from dbmux.wire.commands import Command
from dbmux.wire.replies import Ok, err_from, parse_ok

# More than a server keeps of warnings.
ALL_ROWS = 1 << 16
# How many it keeps at most.
ROOM_QUESTION = b"SELECT @@max_error_count LIMIT 1"
COUNT_WARNINGS = Query(kind=Kind.DIAGNOSTICS, access=Access.READ, needs=Needs.WARNINGS, is_digest_wide=False)
TRANSLATION = Query(kind=Kind.DIAGNOSTICS, access=Access.READ, found_rows=FoundRows.AS_BEFORE, is_digest_wide=False)


def asks_diagnostics(query: Query) -> bool:
    """Whether it is a GET DIAGNOSTICS, or RESIGNAL: what asks for warnings, and is no SHOW."""
    return query.kind is Kind.DIAGNOSTICS and query.access is Access.UNSURE


class WarnedTenant(StatementTenant):
    """A tenant that knows the warnings of its statement before."""

    __slots__ = ()

    def _tell_warnings(self, query: Query, data: bytes, start: int) -> bool:
        # The connection that knew them was given away, and what it knew was fetched before.
        stored = self.carried.warnings
        if stored is None or asks_diagnostics(query):
            return False
        words = data[start:].strip(b" \t\r\n;").upper().replace(b",", b" , ").split()
        match words:
            case [b"SHOW", b"WARNINGS" | b"ERRORS" as what, *limit] if (window := _window(limit)) is not None:
                if self._reads_as_stored:
                    self._tell_rows(_shown(stored, what, window))
                else:
                    self._request(TRANSLATION, data, lambda: self._translate(stored, what, window))
            case [b"SHOW", b"COUNT(*)", what]:
                name = b"@@session.warning_count" if what == b"WARNINGS" else b"@@session.error_count"
                carried = self.carried
                count = carried.count_warnings(stored) if what == b"WARNINGS" else carried.count_errors(stored)
                text = b"SELECT GREATEST(%b,CAST(%d AS UNSIGNED)) AS `%b`" % (name, count, name)
                statement = packet.encode(data[packet.HEADER : start] + text, 0)
                self._relay(COUNT_WARNINGS, RESULT, statement)
            case _:
                self.refuse(
                    MySQLError(
                        ErrorCode.NOT_SUPPORTED,
                        "these warnings can no longer be asked for so, their connection serves another session; "
                        "use SHOW WARNINGS as it is, or ask in the same transaction",
                    )
                )
        return True

    @property
    def _reads_as_stored(self) -> bool:
        # Of some character sets only the server knows what the session has now.
        carried = self.carried
        is_known = not any(key.reason is PinReason.UNKNOWN for key in carried.pins)
        return is_known and carried.warnings_names == carried.state.names

    def _tell_rows(self, reply: bytes) -> None:
        self.carried.count_warnings_asked()
        # Whether there is a transaction by now, a client learns from this reply as from any other.
        self.channel.write(with_status(reply, self.status))

    def _translate(self, stored: Answer, what: bytes, window: tuple[int, int]) -> None:
        # MariaDB keeps warnings over SET NAMES, and tells them in the new character set.
        connection = self.connection
        assert connection is not None
        self.state = int(State.WAITING)

        def done(answers: list[Answer]) -> None:
            told = translated(stored, answers[0].raw, connection.capabilities)
            self.carried.keep_warnings(told, self.carried.state.names)
            self.carried.row_count = -1
            self._answer_asked(connection, with_status(_shown(told, what, window), self.status), 0)

        def failed(error: BackendRefused | MySQLError) -> None:
            self._answer_failure(connection, error)

        Exchange([(Command.QUERY, b"SHOW WARNINGS LIMIT 0")], done, failed).begin(connection)

    def _ask_diagnostics(self, query: Query, data: bytes, start: int) -> None:
        self._shape = RESULT
        self._request(query, data, lambda: self._get_diagnostics(data, start))

    def _get_diagnostics(self, data: bytes, start: int) -> None:
        connection = self.connection
        assert connection is not None
        assert self.backend is not None
        if connection.debt & (Debt.WARNINGS | Debt.ROW_COUNT):
            self._send_pending()
            return
        carried = self.carried
        known = Known(
            row_count=carried.row_count,
            stored=carried.warnings,
            failure=carried.failure,
            capabilities=connection.capabilities,
            is_mariadb=self.backend.is_mariadb,
        )
        # What is asked here instead changes what the connection counts, but for the rows that a SELECT found.
        carried.apart |= Needs.ROW_COUNT | Needs.WARNINGS
        self.state = int(State.WAITING)
        asked = read_get_diagnostics(data, start, self._flags)
        if asked is None or _is_beyond(asked, known):
            self._let_server_add(connection, data[start:])
        elif (text := known.assignment(asked)) is not None:
            self._assign(connection, text)
        else:
            error = err_from(
                MySQLError(
                    ErrorCode.NOT_SUPPORTED,
                    "the connection that knows all of this serves another session; ask for NUMBER, ROW_COUNT, "
                    "MYSQL_ERRNO or MESSAGE_TEXT, use SHOW WARNINGS, or ask in the same transaction",
                )
            )
            self._answer_asked(connection, packet.encode(error.build(), 1), error.number)

    def _assign(self, connection: Connection, text: bytes) -> None:
        def done(answers: list[Answer]) -> None:
            # On MySQL this very SET may have a warning.
            self._answer_asked(connection, packet.encode(Ok(status=self.status).build(self.capabilities), 1), 0)

        def failed(error: BackendRefused | MySQLError) -> None:
            self._answer_failure(connection, error)

        Exchange([(Command.QUERY, text)], done, failed).begin(connection)

    def _let_server_add(self, connection: Connection, text: bytes) -> None:
        # The connection has no warnings by now: those that it has afterwards come behind the stored ones.
        asked = [(Command.QUERY, b"SHOW WARNINGS")]
        if self.carried.warnings is not None:
            asked.append((Command.QUERY, ROOM_QUESTION))

        def done(answers: list[Answer]) -> None:
            reply, *told = answers
            counted = parse_ok(reply.raw[packet.HEADER :]).warnings
            self._store(told, counted)
            self._answer_asked(connection, connection.as_told(reply.raw), 0, counted)

        def failed(error: BackendRefused | MySQLError) -> None:
            if not isinstance(error, BackendRefused):
                self._answer_failure(connection, error)
                return

            def told(answers: list[Answer]) -> None:
                if error.number == NO_HANDLER:
                    self._store(answers, 1)
                else:
                    self.carried.replace_warnings(answers[0])
                self._answer_failure(connection, error)

            Exchange(asked, told, broken).begin(connection)

        def broken(error: BackendRefused | MySQLError) -> None:
            self._answer_failure(connection, error)

        Exchange([(Command.QUERY, text), *asked], done, failed).begin(connection)

    def _store(self, told: list[Answer], counted: int) -> None:
        match told:
            case [more, room]:
                self.carried.add_warnings(more, counted, room.number())
            case [more]:
                self.carried.keep_warnings(more, self.carried.state.names)


def _shown(stored: Answer, what: bytes, window: tuple[int, int]) -> bytes:
    return limited(stored.raw if what == b"WARNINGS" else only_errors(stored), *window)


def _is_beyond(asked: Asked, known: Known) -> bool:
    return asked.condition is not None and asked.condition >= 0 and not 0 < asked.condition <= len(known.rows)


def _window(limit: list[bytes]) -> tuple[int, int] | None:
    # The rows that a LIMIT lets through: from which one on, and how many; None for what is no LIMIT.
    match limit:
        case []:
            return 0, ALL_ROWS
        case [b"LIMIT", count] if count.isdigit():
            return 0, int(count)
        case [b"LIMIT", offset, b",", count] | [b"LIMIT", count, b"OFFSET", offset]:
            return (int(offset), int(count)) if offset.isdigit() and count.isdigit() else None
        case _:
            return None
