"""What a trigger sets: the server tells that something was set, and the session keeps the connection that has it."""

from __future__ import annotations

import pytest

from dbmux.events import Pinned, Unpinned
from dbmux.query import PinReason
from dbmux.sql.variables import TRACK_CHANGES
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status, Track
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import PASSWORD, PLAIN, FakeBackend, client, run, running, select

CHANGED = bytes((Track.STATE_CHANGE,)) + b"\x011"
USERS = {"app": PASSWORD.decode()}


class Triggered(FakeBackend):
    """A server on which every DELETE, and SET, sets something; it counts how often it was asked to tell."""

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__(answer=self._answer)
        self.refuses = refuses
        self.asked = 0

    def _reply(self, protocol: ServerProtocol, message: object) -> bytes | None:
        if isinstance(message, CommandReceived) and message.body == TRACK_CHANGES:
            self.asked += 1
            if self.refuses:
                return protocol.send_err(Err(number=1193, message=b"Unknown system variable"))
        return super()._reply(protocol, message)

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body[:6] == b"SELECT":
            return select(protocol, command)
        if command.body[:6] == b"DELETE" or command.body[:3] == b"SET":
            return protocol.send_ok(Ok(status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED, state=CHANGED))
        return None if command.command == Command.QUIT else protocol.send_ok(Ok(status=Status.AUTOCOMMIT))


def test_a_session_keeps_the_connection_on_which_a_trigger_set_something() -> None:
    async def scenario() -> None:
        async with running(Triggered(), connections=1, users=USERS) as proxy:
            one = await client(proxy.port)

            await one.ask(Command.QUERY, b"UPDATE t SET a = 1")
            assert proxy.of(Pinned) == []
            await one.ask(Command.QUERY, b"DELETE FROM t")

            assert [event.reason for event in proxy.of(Pinned)] == [PinReason.USER_VARIABLE]
            await one.ask(Command.RESET_CONNECTION)
            assert [event.reason for event in proxy.of(Unpinned)] == [PinReason.USER_VARIABLE]
            one.close()

    run(scenario)


@pytest.mark.parametrize("sql", [b"SET sql_mode = ''", b"SET @a = 1", b"SET NAMES latin1"])
def test_what_the_session_itself_sets_is_carried_as_ever(sql: bytes) -> None:
    async def scenario() -> None:
        async with running(Triggered(), connections=1, users=USERS) as proxy:
            one = await client(proxy.port)

            await one.ask(Command.QUERY, sql)

            assert proxy.of(Pinned) == []
            one.close()

    run(scenario)


@pytest.mark.parametrize(
    "state, is_pinned",
    [
        (CHANGED, True),
        (bytes((Track.SYSTEM_VARIABLE,)) + b"\x11\x09time_zone\x06+01:00" + CHANGED, True),
        (bytes((Track.SYSTEM_VARIABLE,)) + b"\x1d\x14character_set_client\x07utf8mb4" + CHANGED, False),
        (bytes((Track.SCHEMA,)) + b"\x05\x04shop" + CHANGED, False),
        (b"", False),
    ],
    ids=["something", "a variable", "MariaDB read a view", "MariaDB read its own tables", "nothing"],
)
def test_what_the_server_sets_and_sets_back_is_nothing(state: bytes, is_pinned: bool) -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body[:6] != b"DELETE":
            return select(protocol, command)
        changed = Status.SESSION_STATE_CHANGED if state else 0
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT | changed, state=state))

    async def scenario() -> None:
        async with running(FakeBackend(answer=answer), connections=1, users=USERS) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.INIT_DB, b"shop")

            await one.ask(Command.QUERY, b"DELETE FROM t")

            assert bool(proxy.of(Pinned)) is is_pinned
            one.close()

    run(scenario)


@pytest.mark.parametrize("setting, told", [(b"SET @a = 1", b""), (b"SET session_track_state_change = 1", CHANGED)])
def test_only_a_client_that_has_switched_it_on_is_told(setting: bytes, told: bytes) -> None:
    async def scenario() -> None:
        async with running(Triggered(), connections=1, users=USERS) as proxy:
            one = await client(proxy.port, PLAIN | Capability.SESSION_TRACK)
            await one.ask(Command.QUERY, setting)

            (ok,) = await one.ask(Command.QUERY, b"DELETE FROM t")

            assert isinstance(ok, Ok)
            assert ok.state == told
            assert bool(ok.status & Status.SESSION_STATE_CHANGED) is bool(told)
            one.close()

    run(scenario)


def test_a_connection_that_was_reset_is_asked_anew() -> None:
    async def scenario() -> None:
        backend = Triggered()
        async with running(backend, connections=1, users=USERS) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)
            assert backend.asked == 1

            await one.ask(Command.QUERY, b"SET @a = 1")
            await two.ask(Command.QUERY, b"SELECT 1")
            assert backend.asked == 2
            await two.ask(Command.RESET_CONNECTION)
            await two.ask(Command.QUERY, b"SELECT 1")

            assert backend.asked == 3
            one.close()
            two.close()

    run(scenario)


def test_when_a_session_has_switched_it_off_it_is_on_again_for_the_next() -> None:
    async def scenario() -> None:
        async with running(Triggered(), connections=1, users=USERS) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)

            await one.ask(Command.QUERY, b"SET session_track_state_change = DEFAULT")
            await two.ask(Command.QUERY, b"SELECT 1")
            await one.ask(Command.QUERY, b"SELECT 2")

            assert [body for _, body in proxy.backend.commands if b"track" in body] == [
                b"SET session_track_state_change = DEFAULT",
                b"SET session_track_state_change=@@GLOBAL.session_track_state_change",
            ]
            one.close()
            two.close()

    run(scenario)


@pytest.mark.parametrize(
    "sql", [b"SELECT @@session.session_track_state_change", b"SHOW VARIABLES", b"SELECT * FROM session_variables"]
)
def test_it_is_off_where_a_session_looks_at_it_and_on_again_after_that(sql: bytes) -> None:
    async def scenario() -> None:
        backend = Triggered()
        async with running(backend, connections=1, users=USERS) as proxy:
            one = await client(proxy.port)
            assert backend.asked == 1

            await one.ask(Command.QUERY, sql)
            asked = [body for _, body in proxy.backend.commands][-2:]
            assert asked == [b"SET session_track_state_change=@@GLOBAL.session_track_state_change", sql]
            await one.ask(Command.QUERY, b"SELECT 1")

            assert backend.asked == 2
            one.close()

    run(scenario)


def test_a_server_that_cannot_tell_is_used_all_the_same() -> None:
    async def scenario() -> None:
        backend = Triggered(refuses=True)
        async with running(backend, connections=1, users=USERS) as proxy:
            one, two = await client(proxy.port), await client(proxy.port)

            await one.ask(Command.QUERY, b"SET @a = 1")
            (ok, *_) = await two.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert isinstance(ok, Ok)
            assert backend.asked == 1
            one.close()
            two.close()

    run(scenario)
