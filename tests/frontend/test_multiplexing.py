"""Sessions of one user share connections, and none of them can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from dbmux.errors import ErrorCode
from dbmux.events import CloseReason, Pinned, SessionClosed, Unpinned
from dbmux.net.conversation import ConnectionClosed
from dbmux.wire import auth, packet
from dbmux.wire.buffer import lenenc_bytes
from dbmux.wire.capabilities import OFFERED, Capability
from dbmux.wire.client import Row
from dbmux.wire.commands import Command
from dbmux.wire.handshake import AuthSwitch, ChangeUser
from dbmux.wire.replies import Err, Ok, Status, Track
from dbmux.wire.server import CommandReceived, ServerProtocol
from dbmux.wire.statements import Prepared
from tests.fakes import (
    COLUMN,
    PASSWORD,
    PLAIN,
    FakeBackend,
    Running,
    TestClient,
    changed_user,
    client,
    connect,
    row,
    run,
    running,
    select,
)


def shared(backend: FakeBackend | None = None, **config: Any) -> AbstractAsyncContextManager[Running]:
    """An engine that knows the user's password, with one connection to the backend."""
    return running(backend, connections=1, users={"app": PASSWORD.decode()}, **config)


def report(name: bytes, value: bytes) -> bytes:
    """A variable, as a server reports it to clients that track the session's state."""
    return bytes((Track.SYSTEM_VARIABLE,)) + lenenc_bytes(lenenc_bytes(name) + lenenc_bytes(value))


class Transactions(FakeBackend):
    """A server that tells whether a transaction is open."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer)
        self._status: int = Status.AUTOCOMMIT

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        match command.body:
            case b"BEGIN":
                self._status |= Status.IN_TRANSACTION
            case b"COMMIT":
                self._status &= ~Status.IN_TRANSACTION
        if command.command == Command.RESET_CONNECTION:
            self._status = Status.AUTOCOMMIT
        if command.body.startswith(b"SELECT"):
            return select(protocol, command)
        return None if command.command == Command.QUIT else protocol.send_ok(Ok(status=self._status))


def test_two_sessions_share_one_connection() -> None:
    async def scenario() -> None:
        async with shared() as proxy:
            one, two = await client(proxy.port), await client(proxy.port)

            for _ in range(3):
                assert Row(row(b"SELECT 1")) in await one.ask(Command.QUERY, b"SELECT 1")
                assert Row(row(b"SELECT 2")) in await two.ask(Command.QUERY, b"SELECT 2")

            assert proxy.backend.logins == 1
            one.close()
            two.close()

    run(scenario)


def test_a_session_waits_while_another_is_in_a_transaction() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")
            waiting = asyncio.ensure_future(two.ask(Command.QUERY, b"UPDATE t SET a = 2"))
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            await proxy.until(lambda: bool(pool.queue))

            await one.ask(Command.QUERY, b"UPDATE t SET a = 1")
            assert not waiting.done()
            await one.ask(Command.QUERY, b"COMMIT")

            assert isinstance((await waiting)[0], Ok)
            bodies = [body for number, body in proxy.backend.commands if number == 3]
            assert bodies == [b"BEGIN", b"UPDATE t SET a = 1", b"COMMIT", b"UPDATE t SET a = 2"]
            one.close()
            two.close()

    run(scenario)


class Crowded(Transactions):
    """A server that has a place for one connection."""

    def _check(self, protocol: ServerProtocol, answer: bytes) -> bytes:
        if self.logins:
            return protocol.send_err(Err(number=1040, sqlstate=b"08004", message=b"Too many connections"))
        return super()._check(protocol, answer)


def test_a_session_waits_for_a_connection_that_there_is_when_the_server_has_no_place_for_another() -> None:
    async def scenario() -> None:
        async with running(Crowded(), connections=5, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")
            waiting = asyncio.ensure_future(two.ask(Command.QUERY, b"UPDATE t SET a = 2"))
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            await proxy.until(lambda: pool.is_refused_more and bool(pool.queue))

            await one.ask(Command.QUERY, b"COMMIT")

            assert isinstance((await waiting)[0], Ok)
            one.close()
            two.close()

    run(scenario)


def test_the_schema_follows_the_session() -> None:
    async def scenario() -> None:
        async with shared() as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.INIT_DB, b"shop")
            await two.ask(Command.INIT_DB, b"bank")
            proxy.backend.commands.clear()

            await one.ask(Command.QUERY, b"SELECT 1")
            await one.ask(Command.QUERY, b"SELECT 2")
            await two.ask(Command.QUERY, b"SELECT 3")

            assert proxy.backend.commands == [
                (2, b"shop"),
                (3, b"SELECT 1"),
                (3, b"SELECT 2"),
                (2, b"bank"),
                (3, b"SELECT 3"),
            ]
            one.close()
            two.close()

    run(scenario)


def test_a_schema_told_to_one_session_is_not_recorded_for_the_next() -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body.startswith(b"DELETE"):
            return protocol.send_ok(
                Ok(
                    status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED,
                    state=bytes((Track.SCHEMA,)) + b"\x05\x04shop",
                )
            )
        return select(protocol, command)

    async def scenario() -> None:
        async with shared(FakeBackend(answer=answer)) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await two.ask(Command.INIT_DB, b"bank")
            await one.ask(Command.INIT_DB, b"shop")
            await one.ask(Command.QUERY, b"DELETE FROM t")

            await two.ask(Command.QUERY, b"SET sql_mode = ''")
            await one.ask(Command.QUERY, b"SELECT 1")
            proxy.backend.commands.clear()
            await two.ask(Command.QUERY, b"SELECT 2")

            assert (int(Command.INIT_DB), b"bank") in proxy.backend.commands
            one.close()
            two.close()

    run(scenario)


@pytest.mark.parametrize(
    "reported, told",
    [
        (report(b"autocommit", b"ON"), report(b"autocommit", b"ON")),
        (report(b"redirect_url", b""), report(b"redirect_url", b"")),
        (report(b"redirect_url", b"mysql://db"), b""),
    ],
    ids=["a variable", "no redirection", "a redirection, which would lead past DbMux"],
)
@pytest.mark.parametrize("users", [{"app": PASSWORD.decode()}, {}], ids=["users", "relay"])
def test_a_client_that_tracks_is_told_by_its_login_what_the_server_reports(
    users: dict[str, str], reported: bytes, told: bytes
) -> None:
    async def scenario() -> None:
        async with running(FakeBackend(report=reported), users=users) as proxy:
            one = await client(proxy.port, PLAIN | Capability.SESSION_TRACK)

            assert one.login.state == told
            one.close()

    run(scenario)


def test_what_failed_is_not_recorded_as_state() -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body == b"nowhere":
            return protocol.send_err(Err(number=1049, sqlstate=b"42000", message=b"Unknown database"))
        return select(protocol, command)

    async def scenario() -> None:
        async with shared(FakeBackend(answer=answer)) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.INIT_DB, b"shop")

            assert isinstance((await one.ask(Command.INIT_DB, b"nowhere"))[0], Err)
            await two.ask(Command.INIT_DB, b"bank")
            proxy.backend.commands.clear()
            await one.ask(Command.QUERY, b"SELECT 1")

            # The error's own diagnostics were fetched for the first session before the second got the connection.
            assert proxy.backend.commands == [(2, b"shop"), (3, b"SELECT 1")]
            one.close()
            two.close()

    run(scenario)


def test_pins_are_told_with_their_ends() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"CREATE TEMPORARY TABLE test.t (a INT)")
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            assert [shelf.idle for shelf in pool.shelves.values() if shelf.idle] == []

            await one.ask(Command.QUERY, b"DROP TEMPORARY TABLE test.t")

            assert [(e.reason, e.what) for e in proxy.of(Pinned)] == [("temporary table", "test.t")]
            assert [(e.reason, e.what) for e in proxy.of(Unpinned)] == [("temporary table", "test.t")]
            assert [len(shelf.idle) for shelf in pool.shelves.values() if shelf.idle] == [1]
            one.close()

    run(scenario)


def test_the_pins_of_a_session_end_with_it() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"CREATE TEMPORARY TABLE test.t (a INT)")

            one.close()
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))

            assert [(e.reason, e.what) for e in proxy.of(Unpinned)] == [("temporary table", "test.t")]

    run(scenario)


def test_a_session_that_leaves_in_a_transaction_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")
            one.close()
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))

            await two.ask(Command.QUERY, b"SELECT 1")

            assert (Command.RESET_CONNECTION, b"") in proxy.backend.commands
            assert proxy.backend.commands[-1] == (3, b"SELECT 1")
            two.close()

    run(scenario)


def test_waiting_in_vain_tells_where_the_connections_are() -> None:
    async def scenario() -> None:
        async with shared(Transactions(), timeouts={"pool_wait": "50ms"}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")

            refused = (await two.ask(Command.QUERY, b"SELECT 1"))[0]

            assert isinstance(refused, Err)
            assert (refused.number, refused.sqlstate) == (1040, b"HY000")
            assert b"the only connection to db is busy: 1 in transactions (oldest 0s); waited" in refused.message
            await one.ask(Command.QUERY, b"COMMIT")
            assert Row(row(b"SELECT 1")) in await two.ask(Command.QUERY, b"SELECT 1")
            one.close()
            two.close()

    run(scenario)


def test_a_read_on_a_connection_that_died_is_done_on_another() -> None:
    died: list[bytes] = []

    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body == b"SELECT 2" and not died:
            died.append(command.body)
            return None
        return select(protocol, command)

    async def scenario() -> None:
        async with shared(FakeBackend(answer=answer)) as proxy:
            one = await client(proxy.port)

            assert Row(row(b"SELECT 2")) in await one.ask(Command.QUERY, b"SELECT 2")

            assert died
            one.close()

    run(scenario)


@pytest.mark.parametrize("statement", [b"UPDATE t SET a = 1", b"INSERT INTO t VALUES (1)"])
def test_a_write_whose_outcome_is_unknown_is_never_sent_again(statement: bytes) -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        return None if command.body == statement else select(protocol, command)

    async def scenario() -> None:
        async with shared(FakeBackend(answer=answer)) as proxy:
            one = await client(proxy.port)

            error = (await one.ask(Command.QUERY, statement))[0]

            assert isinstance(error, Err)
            assert (error.number, error.sqlstate) == (2013, b"HY000")
            assert [body for number, body in proxy.backend.commands if number == 3] == [statement]

    run(scenario)


def test_a_wrong_password_never_reaches_the_backend() -> None:
    async def scenario() -> None:
        async with shared() as proxy:
            refused = await connect(proxy.port, password=b"wrong")

            assert isinstance(refused, Err)
            assert refused.number == 1045
            assert proxy.backend.logins == 0
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))
            assert proxy.of(SessionClosed)[0].reason is CloseReason.LOGIN_FAILED

    run(scenario)


def test_a_client_that_vanishes_while_it_waits_leaves_the_queue() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")
            two.conversation.send(two.protocol.command(Command.QUERY, b"SELECT 1"))
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            await proxy.until(lambda: bool(pool.queue))

            two.conversation.channel.abort()
            await proxy.until(lambda: not pool.queue)

            await one.ask(Command.QUERY, b"COMMIT")
            assert isinstance(one, TestClient)
            one.close()

    run(scenario)


def test_a_session_that_leaves_while_it_fetches_anothers_warnings_does_not_stop_that_one() -> None:
    class Silent(FakeBackend):
        """Answers everything but SHOW WARNINGS; an INSERT has a warning."""

        def __init__(self) -> None:
            super().__init__(answer=self._answer)

        def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
            if command.body == b"SHOW WARNINGS":
                return b""
            if command.body.startswith(b"INSERT"):
                return protocol.send_ok(Ok(warnings=1))
            return select(protocol, command)

    async def scenario() -> None:
        async with shared(Silent()) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES (1)")
            two.conversation.send(two.protocol.command(Command.QUERY, b"SELECT 2"))
            await proxy.until(lambda: (Command.QUERY, b"SHOW WARNINGS") in proxy.backend.commands)

            two.conversation.channel.abort()

            assert Row(row(b"SELECT 1")) in await one.ask(Command.QUERY, b"SELECT 1")
            one.close()

    run(scenario)


@pytest.mark.parametrize("statement, ends", [(b"KILL QUERY %d", False), (b"KILL %d", True)])
def test_an_idle_session_of_ones_own_user_is_killed_where_it_is(statement: bytes, ends: bool) -> None:
    async def scenario() -> None:
        async with shared() as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            victim = two.protocol.greeting
            assert victim is not None

            assert isinstance((await one.ask(Command.QUERY, statement % victim.connection_id))[0], Ok)

            assert bool(proxy.of(SessionClosed)) is ends
            assert not proxy.backend.commands
            one.close()
            two.close()

    run(scenario)


def test_a_statement_that_waits_is_killed_and_its_session_goes_on() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            holder, waiter, killer = [await client(proxy.port) for _ in range(3)]
            await holder.ask(Command.QUERY, b"BEGIN")
            waiting = asyncio.ensure_future(waiter.ask(Command.QUERY, b"UPDATE t SET a = 2"))
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            await proxy.until(lambda: bool(pool.queue))
            victim = waiter.protocol.greeting
            assert victim is not None

            await killer.ask(Command.QUERY, b"KILL QUERY %d" % victim.connection_id)
            (told,) = await waiting

            assert isinstance(told, Err)
            assert told.number == 1317
            assert not pool.queue
            await holder.ask(Command.QUERY, b"COMMIT")
            assert isinstance((await waiter.ask(Command.QUERY, b"UPDATE t SET a = 3"))[0], Ok)
            assert (Command.QUERY, b"UPDATE t SET a = 2") not in proxy.backend.commands
            for one in (holder, waiter, killer):
                one.close()

    run(scenario)


class Obedient(FakeBackend):
    """A server whose `SELECT 1` runs until its connection is killed."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer)
        self._writers: dict[object, asyncio.StreamWriter] = {}
        self._victim: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers[asyncio.current_task()] = writer
        await super().serve(reader, writer)

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body == b"SELECT 1":
            self._victim = self._writers[asyncio.current_task()]
            return b""
        if command.body.startswith(b"KILL") and self._victim is not None:
            self._victim.close()
            return protocol.send_ok(Ok())
        return select(protocol, command)


def test_a_session_that_is_killed_in_a_read_ends_and_the_read_is_not_done_again() -> None:
    async def scenario() -> None:
        async with running(Obedient(), connections=2, users={"app": PASSWORD.decode()}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            victim = one.protocol.greeting
            assert victim is not None
            reading = asyncio.ensure_future(one.ask(Command.QUERY, b"SELECT 1"))
            await proxy.until(lambda: (Command.QUERY, b"SELECT 1") in proxy.backend.commands)

            await two.ask(Command.QUERY, b"KILL %d" % victim.connection_id)
            (told,) = await reading

            assert isinstance(told, Err)
            assert (told.number, b"was killed" in told.message) == (2013, True)
            assert proxy.backend.commands.count((Command.QUERY, b"SELECT 1")) == 1
            assert [closed.reason for closed in proxy.of(SessionClosed)] == [CloseReason.KILLED]
            two.close()

    run(scenario)


class Numbered(FakeBackend):
    """An INSERT gets the number 77, and has a warning."""

    def __init__(self) -> None:
        super().__init__(answer=self._answer)

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        match command.body:
            case b"SELECT LAST_INSERT_ID() LIMIT 1":
                return protocol.send_rows([COLUMN], [row(b"77")], Status.AUTOCOMMIT)
            case b"INSERT INTO t VALUES (NULL)":
                return protocol.send_ok(Ok(last_insert_id=77, warnings=1))
        return select(protocol, command)


NO_ANSWERS: dict[str, Callable[[ServerProtocol], bytes]] = {
    "no row": lambda protocol: protocol.send_rows([COLUMN], [], Status.AUTOCOMMIT),
    "no number": lambda protocol: protocol.send_rows([COLUMN], [row(b"many")], Status.AUTOCOMMIT),
    "an OK": lambda protocol: protocol.send_ok(Ok(status=Status.AUTOCOMMIT)),
}


@pytest.mark.parametrize("what", NO_ANSWERS)
def test_a_question_of_dbmux_that_is_not_answered_as_it_should_be_keeps_nobody_waiting(what: str) -> None:
    class Vague(Numbered):
        def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
            is_asked = command.body == b"SELECT LAST_INSERT_ID() LIMIT 1"
            return NO_ANSWERS[what](protocol) if is_asked else super()._answer(protocol, command)

    async def scenario() -> None:
        async with shared(Vague()) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES (NULL)")

            assert Row(row(b"SELECT 2")) in await two.ask(Command.QUERY, b"SELECT 2")
            assert Row(row(b"SELECT 1")) in await one.ask(Command.QUERY, b"SELECT 1")

            # Rather nothing than the number of before.
            (lost,) = await one.ask(Command.QUERY, b"SELECT LAST_INSERT_ID()")
            assert isinstance(lost, Err)
            assert b"LAST_INSERT_ID() was lost" in lost.message
            one.close()
            two.close()

    run(scenario)


def test_results_in_utf_16_do_not_hide_what_a_connection_owes() -> None:
    class Wide(Numbered):
        def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
            if command.body == b"SELECT LAST_INSERT_ID() LIMIT 1":
                return protocol.send_rows([COLUMN], [row("77".encode("utf-16-be"))], Status.AUTOCOMMIT)
            return super()._answer(protocol, command)

    async def scenario() -> None:
        async with shared(Wide()) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES (NULL)")

            await two.ask(Command.QUERY, b"SELECT 2")
            told = await one.ask(Command.QUERY, b"SELECT LAST_INSERT_ID(), 'mine'")

            assert Row(row(b"SELECT LAST_INSERT_ID(), 'mine'")) in told
            one.close()
            two.close()

    run(scenario)


@pytest.mark.parametrize("waits", [False, True], ids=["an idle one", "one that comes back"])
def test_a_connection_that_makes_room_for_another_kind_of_client_pays_its_debt_first(waits: bool) -> None:  # noqa: FBT001
    async def scenario() -> None:
        insert, gate = b"INSERT INTO t VALUES (NULL)", asyncio.Event()
        async with shared(Numbered()) as proxy:
            one = await client(proxy.port)
            two = await client(proxy.port, capabilities=PLAIN | Capability.FOUND_ROWS)
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            if waits:
                proxy.backend.gates[insert] = gate
            inserting = asyncio.ensure_future(one.ask(Command.QUERY, insert))
            await proxy.until(lambda: bool(pool.busy) if waits else inserting.done())

            other = asyncio.ensure_future(two.ask(Command.QUERY, b"SELECT 2"))
            await proxy.until(lambda: bool(pool.queue) if waits else other.done())
            gate.set()
            assert Row(row(b"SELECT 2")) in await other
            await one.ask(Command.QUERY, b"SELECT LAST_INSERT_ID(), 'mine'")

            asked = [body for number, body in proxy.backend.commands if number == Command.QUERY]
            assert asked[1:3] == [b"SHOW WARNINGS", b"SELECT LAST_INSERT_ID() LIMIT 1"]
            assert b"SET last_insert_id=77" in asked[3:]
            one.close()
            two.close()

    run(scenario)


def test_where_the_server_knows_no_reset_a_change_of_user_stands_in_for_it() -> None:
    async def scenario() -> None:
        async with shared(FakeBackend(answer=select, version=b"5.6.51-log")) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            # Only a reset takes a user variable away.
            await one.ask(Command.QUERY, b"SET @a = 1")

            assert Row(row(b"SELECT 2")) in await two.ask(Command.QUERY, b"SELECT 2")

            assert proxy.backend.changes == [b"app"]
            assert proxy.backend.logins == 2
            assert Command.RESET_CONNECTION not in [number for number, _ in proxy.backend.commands]
            one.close()
            two.close()

    run(scenario)


@pytest.mark.parametrize(
    "flag, init_connect",
    [(Capability.INTERACTIVE, b""), (Capability.LONG_PASSWORD, b"SET time_zone = '+01:00'")],
    ids=["a capability", "init_connect"],
)
def test_a_connection_that_a_reset_would_not_leave_as_its_login_made_it_is_replaced(
    flag: Capability, init_connect: bytes
) -> None:
    async def scenario() -> None:
        async with shared(FakeBackend(answer=select, init_connect=init_connect)) as proxy:
            one, two = [await client(proxy.port, capabilities=PLAIN | flag) for _ in range(2)]
            await one.ask(Command.QUERY, b"SET @a = 1")

            assert Row(row(b"SELECT 2")) in await two.ask(Command.QUERY, b"SELECT 2")

            assert proxy.backend.logins == 2
            assert Command.RESET_CONNECTION not in [number for number, _ in proxy.backend.commands]
            one.close()
            two.close()

    run(scenario)


@pytest.mark.parametrize("is_limited, logins", [(b"0", 1), (b"1", 2)], ids=["the server's limit", "its own limit"])
def test_on_mariadb_a_connection_is_not_reset_where_the_account_has_a_time_limit_of_its_own(
    is_limited: bytes, logins: int
) -> None:
    fake = FakeBackend(
        answer=select,
        version=b"11.8.6-MariaDB",
        capabilities=OFFERED & ~Capability.LONG_PASSWORD,
        is_limited=is_limited,
    )

    async def scenario() -> None:
        async with shared(fake) as proxy:
            one, two = [await client(proxy.port) for _ in range(2)]
            await one.ask(Command.QUERY, b"SET @a = 1")

            assert Row(row(b"SELECT 2")) in await two.ask(Command.QUERY, b"SELECT 2")

            assert proxy.backend.logins == logins
            assert (Command.RESET_CONNECTION in [number for number, _ in fake.commands]) == (logins == 1)
            one.close()
            two.close()

    run(scenario)


def test_a_kill_that_got_no_connection_leaves_its_victim_as_it_was() -> None:
    async def scenario() -> None:
        async with shared(Transactions(), timeouts={"pool_wait": 0.01}) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")
            assert one.protocol.greeting is not None

            (told,) = await two.ask(Command.QUERY, b"KILL QUERY %d" % one.protocol.greeting.connection_id)
            assert isinstance(told, Err)
            await one.ask(Command.QUERY, b"COMMIT")

            assert Row(row(b"SELECT 2")) in await two.ask(Command.QUERY, b"SELECT 2")
            one.close()
            two.close()

    run(scenario)


def test_a_connection_that_cannot_be_reset_any_more_is_replaced() -> None:
    class Changed(FakeBackend):
        """A server at which the account has another password by now."""

        def _check(self, protocol: ServerProtocol, answer: bytes) -> bytes:
            if self.changes:
                self.changes.clear()
                return protocol.send_err(Err(number=1045, sqlstate=b"28000", message=b"Access denied"))
            return super()._check(protocol, answer)

    async def scenario() -> None:
        async with shared(Changed(answer=select, version=b"10.1.48-MariaDB")) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"SET @a = 1")

            assert Row(row(b"SELECT 2")) in await two.ask(Command.QUERY, b"SELECT 2")
            assert proxy.backend.logins == 2
            one.close()
            two.close()

    run(scenario)


@pytest.mark.parametrize("size", [10, 10_000, packet.MAX_PAYLOAD - 10, packet.MAX_PAYLOAD + 10])
def test_a_prepared_statement_is_told_by_its_number_at_the_server_however_long_its_values_are(size: int) -> None:
    def prepares_as_77(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.command == Command.STMT_PREPARE:
            return packet.encode(Prepared(statement=77, columns=0, parameters=0).build(), 1)
        return None if command.command == Command.QUIT else protocol.send_ok(Ok(status=Status.AUTOCOMMIT))

    async def scenario() -> None:
        config: Any = {"limits": {"inspect_max": 4096}}
        async with shared(FakeBackend(answer=prepares_as_77), **config) as proxy:
            session = await client(proxy.port)
            (told,) = await session.ask(
                Command.STMT_PREPARE, b"INSERT INTO t VALUES ('%b')" % (b"x" * min(size, 10_000))
            )
            values = b"\0\x01\0\0\0" + b"v" * size

            assert isinstance(told, Prepared)
            assert told.statement == 1
            assert isinstance((await session.ask(Command.STMT_EXECUTE, b"\x01\0\0\0" + values))[0], Ok)
            assert (Command.STMT_EXECUTE, b"\x4d\0\0\0" + values) in proxy.backend.commands
            session.close()

    run(scenario)


def test_a_command_about_a_prepared_statement_that_is_longer_than_it_may_be_is_refused() -> None:
    async def scenario() -> None:
        config: Any = {"limits": {"inspect_max": 4096, "prepared_max": 8192}}
        async with shared(FakeBackend(answer=prepares), **config) as proxy:
            session = await client(proxy.port)
            await session.ask(Command.STMT_PREPARE, b"DELETE FROM t")

            (told,) = await session.ask(Command.STMT_EXECUTE, b"\x01\0\0\0\0\x01\0\0\0" + b"v" * 1_000_000)

            assert isinstance(told, Err)
            assert told.number == ErrorCode.TOO_BIG.number
            session.close()

    run(scenario)


def test_what_a_reset_leaves_behind_is_no_other_sessions() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.SET_OPTION, b"\x00\x00")
            await one.ask(Command.RESET_CONNECTION)
            one.close()
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))

            two = await client(proxy.port)
            await two.ask(Command.QUERY, b"SELECT 1")

            options = [body for number, body in proxy.backend.commands if number == Command.SET_OPTION]
            assert options == [b"\x00\x00", b"\x01\x00"]
            assert proxy.backend.logins == 1
            two.close()

    run(scenario)


def prepares(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """Gives every statement the number 1, and says OK to everything else."""
    match command.command:
        case Command.STMT_PREPARE:
            return packet.encode(Prepared(statement=1, columns=0, parameters=0).build(), 1)
        case Command.QUIT:
            return None
        case _:
            return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))


def test_a_number_of_before_a_reset_is_not_given_to_another_statement() -> None:
    async def scenario() -> None:
        async with shared(FakeBackend(answer=prepares)) as proxy:
            one = await client(proxy.port)
            (before,) = await one.ask(Command.STMT_PREPARE, b"DELETE FROM t")
            await one.ask(Command.RESET_CONNECTION)

            (behind,) = await one.ask(Command.STMT_PREPARE, b"DELETE FROM u")
            (told,) = await one.ask(Command.STMT_EXECUTE, b"\x01\0\0\0\0\x01\0\0\0")

            assert [each.statement for each in (before, behind) if isinstance(each, Prepared)] == [1, 2]
            assert isinstance(told, Err)
            assert told.number == ErrorCode.UNKNOWN_STATEMENT.number
            one.close()

    run(scenario)


def test_a_statement_is_prepared_anew_when_its_connection_is_reset_for_it() -> None:
    async def scenario() -> None:
        async with shared(FakeBackend(answer=prepares)) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await two.ask(Command.STMT_PREPARE, b"DELETE FROM t")
            # Only a reset takes a user variable away.
            await one.ask(Command.QUERY, b"SET @a = 1")
            proxy.backend.commands.clear()

            (told,) = await two.ask(Command.STMT_EXECUTE, b"\x01\0\0\0\0\x01\0\0\0")

            assert isinstance(told, Ok)
            assert [number for number, _ in proxy.backend.commands if number != Command.QUERY] == [
                Command.RESET_CONNECTION,
                Command.STMT_PREPARE,
                Command.STMT_EXECUTE,
            ]
            one.close()
            two.close()

    run(scenario)


XA = (b"XA START 'x'", b"UPDATE t SET a = 1", b"XA END 'x'", b"XA PREPARE 'x'")


def test_a_connection_that_was_left_with_an_xa_transaction_is_nobody_elses() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            for statement in XA:
                await one.ask(Command.QUERY, statement)

            one.close()
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))

            await two.ask(Command.QUERY, b"SELECT a FROM t")
            assert proxy.backend.logins == 2
            two.close()

    run(scenario)


def test_a_connection_that_a_client_reset_with_an_xa_transaction_is_nobody_elses() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            for statement in XA:
                await one.ask(Command.QUERY, statement)

            await one.ask(Command.RESET_CONNECTION)

            await two.ask(Command.QUERY, b"SELECT a FROM t")
            assert proxy.backend.logins == 2
            one.close()
            two.close()

    run(scenario)


def test_a_savepoint_without_autocommit_keeps_the_connection() -> None:
    async def scenario() -> None:
        status = 0
        async with shared(FakeBackend(answer=lambda protocol, _: protocol.send_ok(Ok(status=status)))) as proxy:
            one = await client(proxy.port)

            await one.ask(Command.QUERY, b"SAVEPOINT s")

            assert [(e.reason, e.what) for e in proxy.of(Pinned)] == [("savepoint", "")]
            assert proxy.of(Unpinned) == []
            one.close()

    run(scenario)


def test_the_rest_of_a_long_statement_that_got_no_connection_is_not_read_as_commands() -> None:
    async def scenario() -> None:
        config: Any = {"limits": {"inspect_max": 4096}, "timeouts": {"pool_wait": 0.01}}
        async with shared(Transactions(), **config) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")
            hidden = b"\x0e\0\0\0\x03DELETE FROM t"

            (told,) = await two.ask(Command.QUERY, b"INSERT INTO t VALUES ('" + hidden * 50_000 + b"')")

            assert isinstance(told, Err)
            assert told.number == 1040
            with pytest.raises(ConnectionClosed):
                await two.ask(Command.PING)
            await one.ask(Command.QUERY, b"COMMIT")
            assert [body for number, body in proxy.backend.commands if number == 3] == [b"BEGIN", b"COMMIT"]
            one.close()


def test_for_a_long_statement_the_prepared_one_before_is_not_prepared_anew() -> None:
    async def scenario() -> None:
        config: Any = {"limits": {"inspect_max": 4096}, "users": {"app": PASSWORD.decode()}}
        async with running(FakeBackend(answer=prepares), connections=2, **config) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            await one.ask(Command.STMT_PREPARE, b"DELETE FROM gone")
            await one.ask(Command.STMT_EXECUTE, b"\x01\0\0\0\0\x01\0\0\0")
            await two.ask(Command.QUERY, b"LOCK TABLES t WRITE")

            (told,) = await one.ask(Command.QUERY, b"INSERT INTO t VALUES ('%b')" % (b"x" * 1_000_000))

            assert isinstance(told, Ok)
            assert proxy.backend.logins == 2
            assert [number for number, _ in proxy.backend.commands].count(Command.STMT_PREPARE) == 1
            one.close()
            two.close()

    run(scenario)


def test_a_client_that_reads_slowly_leaves_no_connection_that_is_never_read_again() -> None:
    async def scenario() -> None:
        async with shared() as proxy:
            slow, other = await client(proxy.port), await client(proxy.port)
            channel = min(proxy.engine.frontend.sessions.items())[1].channel
            write = channel.write

            def write_the_last_that_fits(data: bytes | memoryview) -> None:
                write(data)
                channel.pause_writing()

            # As the loop says it when the end of a reply is more than waits well.
            channel.write = write_the_last_that_fits
            await slow.ask(Command.QUERY, b"SELECT 1")

            assert Row(row(b"SELECT 2")) in await other.ask(Command.QUERY, b"SELECT 2")
            assert proxy.backend.logins == 1
            slow.close()
            other.close()

    run(scenario)


def test_no_connection_is_taken_for_a_client_that_reads_slowly_until_it_has_caught_up() -> None:
    async def scenario() -> None:
        async with shared() as proxy:
            slow, other = await client(proxy.port), await client(proxy.port)
            session = min(proxy.engine.frontend.sessions.items())[1]
            await slow.ask(Command.QUERY, b"SELECT 1")
            session.channel.pause_writing()
            slow.conversation.send(slow.protocol.command(Command.QUERY, b"SELECT 2"))
            await other.ask(Command.PING)

            is_sent = (Command.QUERY, b"SELECT 2") in proxy.backend.commands
            session.channel.resume_writing()

            assert not is_sent
            assert Row(row(b"SELECT 2")) in await slow.reply()
            slow.close()
            other.close()

    run(scenario)


def test_a_session_whose_query_was_killed_shares_its_connection_again() -> None:
    async def scenario() -> None:
        async with running(Transactions(), connections=2, users={"app": PASSWORD.decode()}) as proxy:
            killer, victim = await client(proxy.port), await client(proxy.port)
            session = max(proxy.engine.frontend.sessions.items())[1]
            await victim.ask(Command.QUERY, b"BEGIN")
            await killer.ask(Command.QUERY, b"KILL QUERY %d" % session.id)

            await victim.ask(Command.QUERY, b"COMMIT")

            assert session.connection is None
            killer.close()
            victim.close()

    run(scenario)


def test_a_connection_that_was_killed_goes_to_no_other_session() -> None:
    async def scenario() -> None:
        async with running(Transactions(), connections=2, users={"app": PASSWORD.decode()}) as proxy:
            killer, victim = await client(proxy.port), await client(proxy.port)
            session = max(proxy.engine.frontend.sessions.items())[1]
            await victim.ask(Command.QUERY, b"BEGIN")
            await killer.ask(Command.QUERY, b"KILL %d" % session.id)

            await victim.ask(Command.QUERY, b"COMMIT")

            assert session.connection is not None
            killer.close()
            victim.close()

    run(scenario)


def test_a_kill_whose_client_leaves_before_it_is_sent_leaves_its_victim_as_it_was() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            victim, killer = await client(proxy.port), await client(proxy.port)
            session = min(proxy.engine.frontend.sessions.items())[1]
            await victim.ask(Command.QUERY, b"BEGIN")
            killer.conversation.send(killer.protocol.command(Command.QUERY, b"KILL %d" % session.id))
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            await proxy.until(lambda: bool(pool.queue))

            killer.close()
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))
            await victim.ask(Command.QUERY, b"COMMIT")

            assert session.connection is None
            assert proxy.backend.open == 1
            victim.close()

    run(scenario)


class Slow(Transactions):
    """A server that never gets to a KILL."""

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        return b"" if command.body.startswith(b"KILL") else super()._answer(protocol, command)


def test_a_connection_that_a_kill_may_still_hit_goes_to_no_other_session_and_is_not_held_for_ever() -> None:
    async def scenario() -> None:
        async with running(Slow(), connections=2, users={"app": PASSWORD.decode()}) as proxy:
            victim, killer = await client(proxy.port), await client(proxy.port)
            session = min(proxy.engine.frontend.sessions.items())[1]
            await victim.ask(Command.QUERY, b"BEGIN")
            killer.conversation.send(killer.protocol.command(Command.QUERY, b"KILL QUERY %d" % session.id))
            await proxy.until(lambda: any(body.startswith(b"KILL") for _, body in proxy.backend.commands))

            killer.close()
            await proxy.until(lambda: bool(proxy.of(SessionClosed)))
            await victim.ask(Command.QUERY, b"COMMIT")

            assert session.connection is None
            assert proxy.engine.frontend.settings.topology.backends["db"].pool.taken == 0
            victim.close()

    run(scenario)


@pytest.mark.parametrize("under_way", [b"BEGIN", b"UPDATE t SET a = 1"])
def test_a_transaction_goes_on_when_its_server_is_replaced_in_the_middle_of_a_statement(under_way: bytes) -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            session = await client(proxy.port)
            if under_way != b"BEGIN":
                await session.ask(Command.QUERY, b"BEGIN")
            gate = proxy.backend.gates[under_way] = asyncio.Event()
            asking = asyncio.ensure_future(session.ask(Command.QUERY, under_way))
            await proxy.until(lambda: (Command.QUERY, under_way) in proxy.backend.commands)
            config = proxy.engine.config
            db = config.backends["db"].model_copy(update={"max_connections": 2})

            await proxy.engine.apply(config.model_copy(update={"backends": {"db": db}}), "test", ())
            gate.set()
            await asking
            await session.ask(Command.QUERY, b"ROLLBACK")

            assert (Command.QUERY, b"COMMIT") not in proxy.backend.commands
            assert proxy.backend.commands[-1] == (Command.QUERY, b"ROLLBACK")
            session.close()

    run(scenario)


def test_a_change_of_user_goes_on_while_another_session_takes_the_connection_that_owes_something() -> None:
    async def scenario() -> None:
        async with shared(Numbered()) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            session = min(proxy.engine.frontend.sessions.items())[1]
            await one.ask(Command.QUERY, b"INSERT INTO t VALUES (1)")
            app = ChangeUser(user=b"app", answer=b"", schema=b"", charset=45, plugin=auth.NATIVE)
            one.conversation.send(one.protocol.change_user(app))
            asked = await one.conversation.next()
            assert isinstance(asked, AuthSwitch)

            await two.ask(Command.QUERY, b"SELECT 2")
            activity = session.activity
            answer = auth.answer_to(asked.plugin, PASSWORD, asked.scramble) or b""
            one.conversation.send(one.protocol.answer(answer))

            assert activity == "login"
            assert isinstance(await one.conversation.next(), Ok)
            one.close()
            two.close()

    run(scenario)


def test_a_login_that_waits_for_a_connection_is_let_in_when_a_reload_gives_its_server_more() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")
            logging_in = asyncio.ensure_future(
                connect(proxy.port, capabilities=PLAIN | Capability.CONNECT_WITH_DB, schema=b"shop")
            )
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            await proxy.until(lambda: bool(pool.queue))
            config = proxy.engine.config
            db = config.backends["db"].model_copy(update={"max_connections": 2})

            await proxy.engine.apply(config.model_copy(update={"backends": {"db": db}}), "test", ())
            two = await logging_in

            assert isinstance(two, TestClient)
            assert isinstance((await two.ask(Command.QUERY, b"UPDATE t SET a = 2"))[0], Ok)
            one.close()
            two.close()

    run(scenario)


def test_a_change_of_user_does_not_wait_for_the_connection_that_the_session_itself_holds() -> None:
    async def scenario() -> None:
        async with shared(Transactions()) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"BEGIN")

            await changed_user(one, schema=b"shop")

            assert proxy.backend.commands[-1] == (Command.INIT_DB, b"shop")
            one.close()

    run(scenario)


@pytest.mark.parametrize("plugin", [auth.NATIVE, auth.CACHING_SHA2])
def test_a_change_of_user_asks_for_the_clients_plugin_with_the_connections_scramble(plugin: bytes) -> None:
    # MariaDB's client answers with what it made of that scramble before it was asked.
    async def scenario() -> None:
        async with shared(FakeBackend(answer=select)) as proxy:
            one = await client(proxy.port)
            (session,) = proxy.engine.frontend.sessions.values()

            asked = await changed_user(one, plugin)

            assert (asked.plugin, asked.scramble.rstrip(b"\0")) == (plugin, session.scramble)
            assert len(session.scramble) == 20
            one.close()

    run(scenario)
