"""Connections that relayed logins leave behind, for the next such login to change the user on.

A connection whose session is over comes in. It is reset at once, so that nobody waits for what the session held, and
then lies idle on its shelf if a change of user gives the next client all that a new connection would; else it is
closed. Nobody is let in here: a connection that lies idle is still logged in as whoever had it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from dbmux.backend.connection import Answer, Connection, Exchange
from dbmux.backend.pool import Pool, Shelf
from dbmux.errors import ProtocolError
from dbmux.wire.commands import Command

# What a new connection would do and a change of user does not: run init_connect. And whether the account may have only
# so many connections: one that lies idle would be missing elsewhere.
QUESTION = b"SELECT @@init_connect,@@max_user_connections,@@max_connections"
# On MariaDB the role of the former user, which may be its default one, outlasts a reset and a change of user, and with
# it the rights that it gives. MySQL's end with the change.
NO_ROLE = b"SET ROLE NONE"
# On MySQL FOUND_ROWS() outlasts both; of a new connection it is 0.
NO_ROWS = b"SELECT 1 LIMIT 0"
ASKED_AGAIN_S = 60.0
USERS_KNOWN = 1000
# Of those that the server can have, so many percent may lie idle: nobody but DbMux can use them.
IDLE_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Answered:
    """How many connections may lie idle, as the server answered one account, and when."""

    count: int
    at: float


class Vacancy:
    """One backend's. The server is asked once in a while for each account that leaves."""

    __slots__ = ("_answered", "_clock", "_pool")

    def __init__(self, pool: Pool, clock: Callable[[], float] = perf_counter) -> None:
        self._pool = pool
        self._clock = clock
        self._answered: dict[str, Answered] = {}

    def take(self, connection: Connection, user: str) -> None:
        """The session that held the connection as this user is over; no command is under way on it."""
        shelf = connection.home
        if not isinstance(shelf, Shelf) or not shelf.is_relayed or self._pool.is_closing:
            connection.quit()
            return
        connection.holder = None
        self._pool.busy -= 1
        known = self._known(user)
        commands = [(Command.RESET_CONNECTION, b"")]
        if known is None:
            commands.append((Command.QUERY, QUESTION))
        commands.append((Command.QUERY, NO_ROLE if connection.greeting.is_mariadb else NO_ROWS))

        def done(answers: list[Answer]) -> None:
            connection.forget_session()
            count = self._learn(user, answers[1]) if known is None else known
            self._lay_down(connection, shelf, count)

        Exchange(commands, done, lambda error: connection.quit()).begin(connection)

    def clear(self) -> None:
        """Close all that lie idle, and those in use when they are left: a new one would be another."""
        for shelf in self._shelves():
            for connection in list(shelf.members):
                self._pool.worn.add(connection)
            for connection in list(shelf.idle):
                connection.quit()

    def _lay_down(self, connection: Connection, shelf: Shelf, count: int) -> None:
        if not count:
            connection.quit()
            return
        shelf.give(connection, self._clock())
        idle = [one for shelf in self._shelves() for one in shelf.idle]
        if len(idle) > count:
            min(idle, key=lambda one: one.idle_since).quit()

    def _shelves(self) -> list[Shelf]:
        return [shelf for shelf in self._pool.shelves.values() if shelf.is_relayed]

    def _known(self, user: str) -> int | None:
        told = self._answered.get(user)
        return told.count if told is not None and self._clock() - told.at < ASKED_AGAIN_S else None

    def _learn(self, user: str, answer: Answer) -> int:
        try:
            init_connect, of_account, of_server = answer.row(3)
        except ProtocolError:
            return 0
        is_free = not init_connect and of_account == b"0" and of_server is not None and of_server.isdigit()
        count = max(1, int(of_server) * IDLE_PERCENT // 100) if is_free and of_server is not None else 0
        if len(self._answered) >= USERS_KNOWN:
            self._answered.clear()
        self._answered[user] = Answered(count, self._clock())
        return count
