"""Waiting one's turn: what was granted reaches who waits, or goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from dbmux.backend.connection import Connection, Debt
from dbmux.backend.pool import Shelf
from dbmux.backend.turn import Turn, run
from dbmux.errors import ErrorCode, MySQLError
from dbmux.wire import packet
from dbmux.wire.commands import Command
from tests import fakes
from tests.backend.pools import Client, Stage

OK = b"\x00\x00\x00\x02\x00\x00\x00"


def test_who_leaves_the_queue_leaves_no_trace() -> None:
    async def scenario() -> None:
        stage = Stage(limit=1)
        stage.held(stage.shelf("ann"))
        waiting = asyncio.create_task(Turn(stage.pool, stage.shelf("ann"), 1e9).wait())
        await asyncio.sleep(0)
        waited = len(stage.pool.queue)

        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert (waited, len(stage.pool.queue)) == (1, 0)

    fakes.run(scenario)


def test_what_was_granted_to_one_who_left_in_that_moment_goes_back() -> None:
    async def scenario() -> None:
        stage = Stage(limit=1)
        shelf = stage.shelf("ann")
        connection = stage.held(shelf)
        waiting = asyncio.create_task(Turn(stage.pool, shelf, 1e9).wait())
        await asyncio.sleep(0)

        stage.give(connection)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert shelf.idle == [connection]

    fakes.run(scenario)


def test_a_place_that_was_granted_to_one_who_left_is_free_again() -> None:
    async def scenario() -> None:
        stage = Stage(limit=1)
        connection = stage.held(stage.shelf("ann"))
        waiting = asyncio.create_task(Turn(stage.pool, None, 1e9).wait())
        await asyncio.sleep(0)

        connection.closed(None)
        taken = stage.pool.taken
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert (taken, stage.pool.taken) == (1, 0)

    fakes.run(scenario)


def test_a_connection_that_dies_before_it_is_taken_is_waited_for_anew() -> None:
    async def scenario() -> None:
        stage = Stage(limit=1)
        shelf = stage.shelf("ann")
        connection = stage.held(shelf)
        waiting = asyncio.create_task(Turn(stage.pool, shelf, 1e9).wait())
        await asyncio.sleep(0)

        stage.give(connection)
        connection.closed(None)
        await asyncio.sleep(0)
        another = stage.dialled()

        assert await waiting is another

    fakes.run(scenario)


def test_nothing_is_asked_on_a_connection_that_is_closed() -> None:
    async def scenario() -> None:
        connection = Stage().new_connection()
        connection.closed(None)

        with pytest.raises(MySQLError) as caught:
            await run(connection, [(Command.QUERY, b"SELECT 1")])

        assert caught.value.code is ErrorCode.LOST_IN_REPLY

    fakes.run(scenario)


@pytest.mark.parametrize("comes", [lambda one: one.received(packet.encode(OK, 1)), lambda one: one.closed(None)])
def test_an_answer_that_comes_in_the_moment_in_which_nobody_waits_any_more_is_dropped(
    comes: Callable[[Connection], None],
) -> None:
    async def scenario() -> None:
        connection = Stage().new_connection()
        waiting = asyncio.create_task(run(connection, [(Command.PING, b"")]))
        await asyncio.sleep(0)

        waiting.cancel()
        comes(connection)
        await asyncio.gather(waiting, return_exceptions=True)

        assert waiting.cancelled()
        assert connection.is_closed

    fakes.run(scenario)


class Owed(Client):
    """Whoever had a connection last, and wants to hear first what it still knows."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self.pays: Callable[[], None] = lambda: None

    def collect(self, connection: Connection, paid: Callable[[Connection], None]) -> None:
        def pay() -> None:
            connection.debt = Debt.NONE
            paid(connection)

        self.pays = pay


def test_a_connection_pays_its_debt_before_it_is_granted() -> None:
    async def scenario() -> None:
        stage = Stage(limit=1)
        shelf = stage.shelf("ann")
        owed = Owed(shelf)
        connection = stage.held(shelf)
        connection.creditor, connection.debt = owed, Debt.WARNINGS
        stage.give(connection)
        waiting = asyncio.create_task(Turn(stage.pool, shelf, 1e9).wait(shelf.take(connection.state, None)))
        await asyncio.sleep(0)
        was_granted = waiting.done()

        owed.pays()

        assert not was_granted
        assert await waiting is connection

    fakes.run(scenario)


def test_a_connection_that_paid_for_one_who_left_meanwhile_goes_back() -> None:
    async def scenario() -> None:
        stage = Stage(limit=1)
        shelf = stage.shelf("ann")
        owed = Owed(shelf)
        connection = stage.held(shelf)
        connection.creditor, connection.debt = owed, Debt.WARNINGS
        stage.give(connection)
        waiting = asyncio.create_task(Turn(stage.pool, shelf, 1e9).wait(shelf.take(connection.state, None)))
        await asyncio.sleep(0)

        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        owed.pays()

        assert shelf.idle == [connection]

    fakes.run(scenario)
