# cython: annotation_typing=False, language_level=3, nonecheck=True
"""A session as the creditor of connections: what they still know of its last statement, and how it comes by that.

A connection that is given away may still owe the session its counts, warnings or the like. Somebody else who wants it
has that asked for first; the answers come in, and what the session carries has them from then on. Never takes a
connection for a command.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from time import perf_counter, time

from dbmux.backend.connection import LOST, Answer, Connection, Debt, Exchange
from dbmux.backend.pool import Shelf
from dbmux.backend.server import Backend
from dbmux.errors import BackendRefused, MySQLError, ProtocolError
from dbmux.events import Emit, Pinned, Unpinned
from dbmux.frontend.carried import Carried, PinKey, settlement
from dbmux.frontend.state import IDLE, State
from dbmux.wire.commands import Command


class CreditorSession:
    """What a session carries, and the connections that owe it something (dbmux.backend.connection.Creditor).

    `latest` is where its last statement ran; the debtor is an idle connection that alone knows what that left.
    """

    __slots__ = ("_debtor", "_debtor_backend", "_emit", "carried", "id", "latest", "state")

    def __init__(self, session_id: int, emit: Emit) -> None:
        self.id = session_id
        self.state = int(State.LOGIN)
        self.carried: Carried
        self.latest: Connection | None = None
        self._debtor: Connection | None = None
        self._debtor_backend: Backend | None = None
        self._emit = emit

    @abstractmethod
    def _go_on(self) -> None:
        """Run what the client sent meanwhile."""

    def _call_in(
        self,
        connection: Connection,
        paid: Callable[[], None],
        lost: Callable[[BackendRefused | MySQLError], None],
        *behind: tuple[Command, bytes],
    ) -> None:
        # Have the connection pay what it owes to this session, and do what stands behind that.
        debts = settlement(connection)

        def done(answers: list[Answer]) -> None:
            self._note(connection, answers[: len(debts)])
            connection.forget_debt()
            # The questions were statements, too: it no longer counts what this session's did.
            connection.creditor = None
            paid()

        Exchange([*debts, *behind], done, lost).begin(connection)

    def miss(self, debt: Debt) -> None:
        """A connection was closed that still owed this: rather nothing is told than the number of before."""
        if debt & Debt.INSERT_ID:
            self.carried.insert_id = LOST

    def forget_row_count(self) -> None:
        """The connection has counted something else since: only this session knows it."""
        self.carried.count(self.carried.row_count)

    def collect(self, connection: Connection, paid: Callable[[Connection], None]) -> None:
        """Somebody else wants a connection that owes this session something: that is asked for first."""
        self.is_being_settled()

        def told() -> None:
            paid(connection)
            self.settle(connection, [])

        def lost(error: BackendRefused | MySQLError) -> None:
            connection.abort()
            told()

        self._call_in(connection, told, lost)

    def is_being_settled(self) -> None:
        """Another session got the connection that owes this one something: nothing may run until it has paid."""
        self._debtor = None
        if self.state == IDLE:
            self.state = int(State.SETTLING)

    def settle(self, connection: Connection, answers: list[Answer]) -> None:
        """What the connection still knew for this session; nothing, when it was lost."""
        self._note(connection, answers)
        if self.state != State.SETTLING:
            return
        self.state = IDLE
        self._go_on()

    def _note(self, connection: Connection, answers: list[Answer]) -> None:
        # Of an answer that is none, nothing is known: that is no reason to keep anybody waiting.
        try:
            self._learn_debt(connection, answers)
        except ProtocolError:
            self.miss(connection.debt)

    def _learn_debt(self, connection: Connection, answers: list[Answer]) -> None:
        debt = connection.debt if answers else Debt.NONE
        told = iter(answers)
        if debt & Debt.ROW_COUNT:
            (count,) = next(told).row(1)
            self.carried.row_count = int(count or b"-1")
        if debt & Debt.WARNINGS:
            self.carried.keep_warnings(next(told), connection.state.names)
        if debt & Debt.FOUND_ROWS:
            before = dict(self.carried.pins)
            self.carried.learn_found_rows(next(told).number())
            if before != self.carried.pins:
                self._tell_pins(before, perf_counter())
        if debt & Debt.INSERT_ID:
            self.carried.insert_id = connection.insert_id = next(told).number()

    def _settle_debtor(self, debtor: Connection, then: Callable[[], None]) -> None:
        shelf = debtor.home
        assert isinstance(shelf, Shelf)
        self._debtor = None
        self.state = int(State.SETTLING)

        def go_on() -> None:
            if self.state != State.CLOSED:
                then()

        def paid() -> None:
            shelf.give(debtor, perf_counter())
            go_on()

        def lost(error: BackendRefused | MySQLError) -> None:
            debtor.abort()
            go_on()

        if shelf.claim(debtor):
            self._call_in(debtor, paid, lost)
        else:
            go_on()

    def _tell_pins(self, before: dict[PinKey, float], now: float) -> None:
        at, pins = time(), self.carried.pins
        for key in pins.keys() - before.keys():
            self._emit(Pinned(at, self.id, key.reason, key.what))
        for key in before.keys() - pins.keys():
            self._emit(Unpinned(at, self.id, key.reason, key.what, now - before[key]))
