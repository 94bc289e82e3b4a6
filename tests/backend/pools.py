"""Stand-ins for tests of pools: a pool with a clock moved by hand, connections, and those who wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from dbmux.backend.connection import Answer, Connection, Debt, Holder
from dbmux.backend.occupation import Occupation
from dbmux.backend.pool import Choice, Pool, Shelf, ShelfKey
from dbmux.errors import BackendRefused, MySQLError
from dbmux.net.channel import Channel
from dbmux.session import SessionState
from dbmux.wire.handshake import Greeting

STATE = SessionState(schema=b"shop")


class Wire:
    """A channel that leads nowhere."""

    def write(self, data: bytes) -> None:
        """Say it to nobody."""

    def close(self) -> None:
        """There is nothing to close."""

    def abort(self) -> None:
        """There is nothing to break."""


class Client:
    """Waits for a connection, and holds it as a session does."""

    def __init__(self, shelf: Shelf | None, deadline: float = 1e9, account: bytes = b"") -> None:
        self.shelf = shelf
        self.account = account if shelf is None else shelf.key.user
        self.deadline = deadline
        self.connection: Connection | None = None
        self.latest: Connection | None = None
        self.places = 0
        self.errors: list[MySQLError | BackendRefused] = []
        self.answers = 0
        self.occupation = Occupation(None, 0.0)

    def collect(self, connection: Connection, paid: Callable[[Connection], None]) -> None:
        """It is owed nothing."""

    def is_being_settled(self) -> None:
        """It is owed nothing."""

    def settle(self, connection: Connection, answers: list[Answer]) -> None:
        """It is owed nothing."""

    def forget_row_count(self) -> None:
        """It never had one."""

    def miss(self, debt: Debt) -> None:
        """It is owed nothing."""

    def granted(self, connection: Connection | None) -> None:
        """Note it."""
        self.answers += 1
        if connection is None:
            self.places += 1
        else:
            assert isinstance(connection.home, Shelf)
            connection.holder = cast(Holder, self)
            connection.home.pool.busy += 1
            self.connection = connection

    def denied(self, error: MySQLError | BackendRefused) -> None:
        """Note it."""
        self.answers += 1
        self.errors.append(error)

    def backend_closed(self, error: Exception | None) -> None:
        """Have it no more."""
        self.connection = None


class Stage:
    """A pool, its clock, and the dials that it asked for and that have not ended."""

    def __init__(self, limit: int | None = None, *, min_idle: int = 0, choice: Choice = Choice.LAST_USED) -> None:
        self.now = 0.0
        self.dials: list[Shelf] = []
        self.pool = Pool("db1", limit, self.dials.append, choice, min_idle=min_idle, clock=lambda: self.now)
        self._number = 0
        # As the event loop does it, which has their sockets.
        self._alive: list[Connection] = []

    def shelf(self, user: str, *, has_schema: bool = True) -> Shelf:
        """The shelf of a user."""
        return self.pool.shelf(ShelfKey(user.encode(), 0, has_schema))

    def new_connection(self, state: SessionState = STATE) -> Connection:
        """One that stands and belongs nowhere yet."""
        self._number += 1
        greeting = Greeting(
            server_version=b"11.8",
            connection_id=self._number,
            scramble=b"",
            capabilities=0,
            charset=45,
            status=2,
            plugin=b"",
        )
        self._alive.append(Connection(cast(Channel, Wire()), greeting, 0, state))
        return self._alive[-1]

    def dialled(self) -> Connection:
        """The oldest dial succeeds."""
        shelf = self.dials.pop(0)
        connection = self.new_connection(STATE if shelf.key.has_schema else SessionState())
        self.pool.connected(shelf, connection, self.now)
        return connection

    def give(self, connection: Connection) -> None:
        """Whoever has it needs it no more."""
        assert isinstance(connection.home, Shelf)
        connection.home.give(connection, self.now)

    def held(self, shelf: Shelf) -> Connection:
        """A connection of this shelf that a new client holds."""
        client = Client(shelf)
        self.pool.wait(client)
        connection = client.connection or self.dialled()
        assert client.connection is connection
        return connection
