"""The connections to one backend: how many there may be, which lie idle, and who waits for one.

Connections lie on shelves, one for each account and class of capabilities: only those can serve one another's sessions.
Whoever finds its shelf empty waits; the first to come is the first to be served. Every decision is synchronous: a
connection that comes back goes to the next who waits for it, or makes room for one that is wanted elsewhere, or lies
down. Dialling is somebody else's work, asked for through `dial`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from dbmux.backend.connection import Connection
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.session import SessionState

# How many idle connections are looked at for one that needs no preparation.
CHOICE = 8


@dataclass(frozen=True, slots=True)
class ShelfKey:
    """Whose connections may serve one another: the account at the server, and the capabilities agreed with it.

    A connection without a schema can get one, but never lose it again, so those without are a kind of their own.
    """

    user: bytes
    capabilities: int
    has_schema: bool


@dataclass(frozen=True, slots=True)
class Account:
    """An account's password at the server, never shown, and the collation with which to log in."""

    password: bytes
    charset: int

    def __repr__(self) -> str:
        return f"Account(charset={self.charset})"


class Waiter(Protocol):
    """Who waits for a connection of `shelf`, or with None for a mere place under the limit."""

    shelf: Shelf | None
    deadline: float

    def granted(self, connection: Connection | None) -> None:
        """Here it is; None is the place that was asked for."""

    def denied(self, error: MySQLError | BackendRefused) -> None:
        """There will be none."""


class Choice(Enum):
    """Which idle connection is taken."""

    LAST_USED = auto()
    """Few connections are kept busy, and those without work grow old and are closed."""
    ANOTHER = auto()
    """For tests: never the one that the session had last, and every debt is paid at once."""


class Shelf:
    """The connections of one key. `idle` has the one that was used last at its end."""

    __slots__ = ("account", "connecting", "idle", "key", "members", "pool")

    def __init__(self, pool: Pool, key: ShelfKey) -> None:
        self.pool = pool
        self.key = key
        self.idle: list[Connection] = []
        self.members: set[Connection] = set()
        self.connecting = 0
        # With what the next connection is dialled; whoever brings a newer password replaces it.
        self.account: Account | None = None

    def take(self, state: SessionState, session: object) -> Connection | None:
        """An idle connection, rather one that is in this state already; None when all are in use."""
        idle = self.idle
        if not idle:
            return None
        if self.pool.choice is Choice.ANOTHER:
            return self._take_another(session)
        connection = idle[-1]
        if connection.state is state and (not connection.debt or connection.creditor is session):
            return idle.pop()
        for at in range(len(idle) - 1, max(-1, len(idle) - 1 - CHOICE), -1):
            connection = idle[at]
            if connection.state == state and (not connection.debt or connection.creditor is session):
                connection.state = state
                return idle.pop(at)
        return idle.pop()

    def _take_another(self, session: object) -> Connection | None:
        for connection in self.idle:
            if connection.creditor is not session:
                self.idle.remove(connection)
                return connection
        return None

    def claim(self, connection: Connection) -> bool:
        """Take this very connection if it is idle."""
        if connection in self.members and connection in self.idle:
            self.idle.remove(connection)
            return True
        return False

    def give(self, connection: Connection, now: float) -> None:
        """A connection is free again, in the state that it says: to the next who waits, or to lie idle."""
        connection.holder = None
        pool = self.pool
        if pool.is_closing:
            connection.quit()
            return
        if pool.queue:
            if pool.has_starving(self):
                # Whoever is first has no connection of his own kind to hope for: this one makes room.
                connection.quit()
                return
            if (waiter := pool.first(self)) is not None:
                waiter.granted(connection)
                return
        connection.idle_since = now
        self.idle.append(connection)
        if pool.queue:
            pool.decide()

    def sibling(self, key: ShelfKey) -> Shelf:
        """The shelf of the same pool and account with another key."""
        found = self.pool.shelf(key)
        found.account = self.account
        return found

    def move(self, connection: Connection) -> None:
        """Take over a connection in use from another shelf of the same pool."""
        assert isinstance(connection.home, Shelf)
        connection.home.members.discard(connection)
        connection.home = self
        self.members.add(connection)

    def lost(self, connection: Connection) -> None:
        """A connection of this shelf was closed."""
        self.members.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self.pool.release()


class Pool:
    """All shelves of a backend under one limit; None leaves the limit to the server.

    `unshared` has the connections that are their session's for life.
    """

    __slots__ = ("_dial", "choice", "is_closing", "limit", "name", "queue", "shelves", "taken", "unshared")

    def __init__(
        self, name: str, limit: int | None, dial: Callable[[Shelf], None], choice: Choice = Choice.LAST_USED
    ) -> None:
        self.name = name
        self.choice = choice
        self.limit = limit
        self.taken = 0
        self.shelves: dict[ShelfKey, Shelf] = {}
        self.unshared = Shelf(self, ShelfKey(b"", 0, False))
        self.queue: deque[Waiter] = deque()
        self.is_closing = False
        self._dial = dial

    def shelf(self, key: ShelfKey) -> Shelf:
        """The shelf of a key, made when there is none."""
        found = self.shelves.get(key)
        if found is None:
            found = self.shelves[key] = Shelf(self, key)
        return found

    def connections(self) -> Iterator[Connection]:
        """All that are open, idle or in use."""
        for shelf in (self.unshared, *self.shelves.values()):
            yield from shelf.members

    def wait(self, waiter: Waiter) -> None:
        """Queue for a connection; granted or denied later, or at once."""
        self.queue.append(waiter)
        self.decide()

    def cancel(self, waiter: Waiter) -> None:
        """Leave the queue."""
        if waiter in self.queue:
            self.queue.remove(waiter)

    def first(self, shelf: Shelf) -> Waiter | None:
        """The first who waits for a connection of this shelf, who then waits no more."""
        for waiter in self.queue:
            if waiter.shelf is shelf:
                self.queue.remove(waiter)
                return waiter
        return None

    def has_starving(self, giver: Shelf) -> bool:
        """Whether the first in the queue could only be served in the place of one of `giver`'s connections."""
        first = self.queue[0].shelf
        is_full = self.limit is not None and self.taken >= self.limit
        return is_full and first is not giver and (first is None or not (first.members or first.connecting))

    def connected(self, shelf: Shelf, connection: Connection, now: float) -> None:
        """A dialled connection stands."""
        shelf.connecting -= 1
        self.admit(shelf, connection, now)
        shelf.give(connection, now)

    def admit(self, shelf: Shelf, connection: Connection, now: float) -> None:
        """A connection whose place is taken already belongs to a shelf from now on."""
        connection.home = shelf
        connection.opened_at = now
        shelf.members.add(connection)

    def failed(self, shelf: Shelf, error: MySQLError | BackendRefused) -> None:
        """A dial failed: the first who waits for it is told."""
        shelf.connecting -= 1
        self.taken -= 1
        if (waiter := self.first(shelf)) is not None:
            waiter.denied(error)
        self.decide()

    def release(self) -> None:
        """A place is free again."""
        self.taken -= 1
        self.decide()

    def close(self) -> None:
        """Keep nothing any more: idle connections end now, the others when they come back."""
        self.is_closing = True
        for shelf in self.shelves.values():
            for connection in list(shelf.idle):
                connection.quit()

    def end(self) -> None:
        """Close every connection now."""
        self.is_closing = True
        for connection in list(self.connections()):
            connection.quit()

    def expire(self, now: float, waited_s: float) -> None:
        """Deny those whose time is over."""
        while self.queue and self.queue[0].deadline < now:
            waiter = self.queue.popleft()
            waiter.denied(MySQLError(ErrorCode.UNREACHABLE, f"{self._state()}; waited {waited_s:g} s"))

    def tend(self, now: float, idle_s: float, lifetime_s: float) -> None:
        """Close connections that were idle for too long, or are too old; each has its own share of jitter."""
        for shelf in self.shelves.values():
            for connection in list(shelf.idle):
                age = lifetime_s * (0.9 + (connection.id % 21) / 100)
                if now - connection.idle_since > idle_s or now - connection.opened_at > age:
                    connection.quit()

    def decide(self) -> None:
        """Dial for those who wait, as far as there is room; idle connections of others make some."""
        if self.is_closing:
            return
        expected: dict[Shelf, int] = {}
        for waiter in list(self.queue):
            shelf = waiter.shelf
            if shelf is not None:
                expected[shelf] = expected.get(shelf, 0) + 1
                if expected[shelf] <= shelf.connecting:
                    continue
            if not self._make_room():
                return
            self.taken += 1
            if shelf is not None:
                shelf.connecting += 1
                self._dial(shelf)
            else:
                self.queue.remove(waiter)
                waiter.granted(None)

    def _make_room(self) -> bool:
        if self.limit is None or self.taken < self.limit:
            return True
        idle = [(shelf, connection) for shelf in self.shelves.values() for connection in shelf.idle]
        if not idle:
            return False
        shelf, oldest = min(idle, key=lambda one: one[1].idle_since)
        # Its loss would decide again, in the middle of this decision.
        oldest.home = None
        shelf.idle.remove(oldest)
        shelf.members.discard(oldest)
        self.taken -= 1
        oldest.quit()
        return True

    def _state(self) -> str:
        # Where the connections are, for the one who waited in vain.
        told: dict[str, int] = {}
        for connection in self.connections():
            occupation = getattr(connection.holder, "occupation", "")
            if occupation:
                told[occupation] = told.get(occupation, 0) + 1
        where = ", ".join(f"{count} in {what}" for what, count in sorted(told.items()))
        return f"all {self.taken} connections to {self.name} are busy{': ' + where if where else ''}"
