"""Waiting one's turn for a connection, and for the answers of what runs on it.

For code that can wait: logins, and DbMux's own work. A pool comes in, or a connection and statements; a connection goes
out, or the answers.
"""

from __future__ import annotations

import asyncio

from dbmux.backend.connection import Answer, Connection, Exchange
from dbmux.backend.pool import Pool, Shelf
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.wire.commands import Command


class Turn:
    """One place in a pool's queue."""

    def __init__(self, pool: Pool, shelf: Shelf | None, deadline: float, account: bytes = b"") -> None:
        self.shelf = shelf
        self.account = account if shelf is None else shelf.key.user
        self.deadline = deadline
        self._pool = pool
        self._future: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()

    async def wait(self, found: Connection | None = None) -> Connection | None:
        """The connection, or None for a place; raises MySQLError or BackendRefused. Cancelling loses nothing.

        It is one that owes nobody anything; `found`, if the shelf had one at once.
        """
        while True:
            connection = await self._wait_once(found)
            if connection is None or not connection.is_closed:
                return connection
            # It was lost between the grant and this moment.
            found = None
            self._future = asyncio.get_running_loop().create_future()

    async def _wait_once(self, found: Connection | None) -> Connection | None:
        if found is None:
            self._pool.wait(self)
        else:
            self.granted(found)
        try:
            return await self._future
        except asyncio.CancelledError:
            self._pool.cancel(self)
            if self._future.done() and not self._future.cancelled() and self._future.exception() is None:
                self._give_back(self._future.result())
            raise

    def granted(self, connection: Connection | None) -> None:
        """The pool says: here it is."""
        if self._future.done():
            self._give_back(connection)
        elif connection is not None and connection.debt and connection.creditor is not None:
            # Whatever runs on it now would destroy what it still knows for the session that had it last.
            connection.creditor.collect(connection, self.granted)
        else:
            self._future.set_result(connection)

    def denied(self, error: MySQLError | BackendRefused) -> None:
        """The pool says: there will be none."""
        if not self._future.done():
            self._future.set_exception(error)

    def _give_back(self, connection: Connection | None) -> None:
        if connection is None:
            self._pool.release(self.account)
        elif self.shelf is not None:
            self.shelf.give(connection, connection.idle_since)


async def run(connection: Connection, commands: list[tuple[Command, bytes]]) -> list[Answer]:
    """Run statements on a connection; raises BackendRefused or MySQLError. Cancelling closes the connection."""
    if connection.is_closed:
        raise MySQLError(ErrorCode.LOST_IN_REPLY, "the backend closed the connection; try again")
    future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()

    # Between the moment in which who waits is cancelled and the one in which it hears of that, both may still come.
    def done(answers: list[Answer]) -> None:
        if not future.done():
            future.set_result(answers)

    def failed(error: BackendRefused | MySQLError) -> None:
        if not future.done():
            future.set_exception(error)

    Exchange(commands, done, failed).begin(connection)
    try:
        return await future
    except asyncio.CancelledError:
        # Its answers are for nobody any more.
        connection.exchange = None
        connection.abort()
        raise
