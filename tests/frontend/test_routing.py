"""Reads go to replicas and everything else to the primary, and no session can tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.server import BackendState
from dbmux.config.model import Config
from dbmux.events import Event, QueryFinished, Warned
from dbmux.proxy import Engine
from dbmux.routes import Reason, Role
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import Row, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status, Track
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, PASSWORD, PLAIN, FakeBackend, TestClient, client, connect, row, run
from tests.net.loopback import until

NAMES = ("primary", "one", "two")
INSERT = b"INSERT INTO t VALUES (NULL)"


class Member(FakeBackend):
    """A server that answers every SELECT with its own name, and knows about transactions and insert ids."""

    def __init__(self, name: str) -> None:
        super().__init__(answer=self._answer)
        self.name = name
        self.hangs_up_on = b""
        # The same, and then no more.
        self.hangs_up_once_on = b""
        # Hears reads, and never answers.
        self.is_deaf = False
        # The same for whatever has this in it.
        self.hears_nothing_of = b""
        self._status: int = Status.AUTOCOMMIT

    def _hangs_up(self, command: CommandReceived) -> bool:
        if command.command == Command.QUIT or (self.hangs_up_on and self.hangs_up_on in command.body):
            return True
        is_last = bool(self.hangs_up_once_on) and self.hangs_up_once_on in command.body
        if is_last:
            self.hangs_up_once_on = b""
        return is_last

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if self._hangs_up(command):
            return None
        is_lost = self.hears_nothing_of and self.hears_nothing_of in command.body
        if is_lost or (self.is_deaf and command.body.startswith(b"SELECT")):
            return b""
        match command.body.upper().split():
            case [b"BEGIN"] | [b"START", *_]:
                self._status |= Status.IN_TRANSACTION
            case [b"COMMIT"] | [b"ROLLBACK"]:
                self._status &= ~Status.IN_TRANSACTION
            case [b"SET", b"AUTOCOMMIT=0"]:
                self._status &= ~Status.AUTOCOMMIT
            case [b"SELECT" | b"INSERT", *_] if not self._status & Status.AUTOCOMMIT:
                self._status |= Status.IN_TRANSACTION
        if b"missing" in command.body:
            return protocol.send_err(Err(number=1146, sqlstate=b"42S02", message=b"no such table"))
        if b"three rows" in command.body:
            return protocol.send_rows([COLUMN], [row(b"%d" % number) for number in (1, 2, 3)], self._status)
        if command.body.startswith(b"SELECT LAST_INSERT_ID()"):
            return protocol.send_rows([COLUMN], [row(b"500")], self._status)
        if command.body.startswith(b"SELECT"):
            return protocol.send_rows([COLUMN], [row(self.name.encode())], self._status)
        if command.body.startswith(b"INSERT"):
            return protocol.send_ok(Ok(status=self._status, affected_rows=1, last_insert_id=500))
        return protocol.send_ok(Ok(status=self._status))

    @property
    def statements(self) -> list[bytes]:
        """What clients asked it, without what DbMux itself sets and asks."""
        return [body for command, body in self.commands if command == Command.QUERY and not body.startswith(b"SET ")]


@dataclass
class Group:
    """An engine in front of a primary and two replicas."""

    engine: Engine
    members: dict[str, Any]
    port: int
    events: list[Event]

    @property
    def reasons(self) -> list[str]:
        return [event.route.reason for event in self.events if isinstance(event, QueryFinished)]

    def backend(self, name: str) -> Any:
        return self.engine.frontend.settings.topology.backends[name]


@asynccontextmanager
async def group(
    names: Sequence[str] = NAMES,
    top: dict[str, Any] | None = None,
    kind: Any = Member,
    max_connections: int | None = None,
    **config: Any,
) -> AsyncIterator[Group]:
    """An engine in front of servers with these names, the first of which is the primary; `top` are further sections."""
    members = {name: kind(name) for name in names}
    servers = []
    for member in members.values():
        servers.append(await asyncio.start_server(member.serve, "127.0.0.1", 0))
        member.port = servers[-1].sockets[0].getsockname()[1]
    made = Config.model_validate(
        {
            "listen": "127.0.0.1:0",
            "tls": "off",
            "backends": {
                name: {"address": f"127.0.0.1:{member.port}", "max_connections": max_connections}
                for name, member in members.items()
            },
            "groups": {"main": {"primary": names[0], "replicas": tuple(names[1:]), **config}},
            "users": {"app": PASSWORD.decode()},
            **(top or {}),
        }
    )
    events: list[Event] = []
    async with Engine(made, emit=events.append, state_folder=None) as engine:
        listener = next(iter(engine.listeners.values()))
        assert isinstance(listener.address, TcpAddress)
        yield Group(engine, members, listener.address.port, events)
    for server in servers:
        server.close()
        await server.wait_closed()


async def served_by(session: TestClient, sql: bytes = b"SELECT 1") -> str:
    """The name of the server that answered a read."""
    told = await session.ask(Command.QUERY, sql)
    (found,) = [message for message in told if isinstance(message, Row)]
    return found.payload[1:].decode()


def test_reads_are_shared_by_the_replicas_and_writes_go_to_the_primary() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)

            told = [await served_by(session) for _ in range(4)]
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert sorted(told) == ["one", "one", "two", "two"]
            assert found.members["primary"].statements == [b"UPDATE t SET a = 1"]
            session.close()

    run(scenario)


@pytest.mark.parametrize(
    "sql, reason",
    [
        ("SELECT 1", Reason.READ),
        ("SELECT a FROM t FOR UPDATE", Reason.LOCKING_READ),
        ("SELECT my_function()", Reason.UNSURE),
        ("SELECT GET_LOCK('a', 1)", Reason.WRITE),
        ("SELECT @a := 1", Reason.UNSURE),
        ("SELECT LAST_INSERT_ID()", Reason.DIAGNOSTICS),
        ("DELETE FROM t", Reason.WRITE),
        ("WITH x AS (SELECT 1) DELETE FROM t", Reason.WRITE),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", Reason.WRITE),
        ("SET @a = 1", Reason.SESSION),
        ("CALL p()", Reason.UNSURE),
        ("SELECT 1; DELETE FROM t", Reason.WRITE),
        ("XA RECOVER", Reason.UNSURE),
        ("START TRANSACTION READ ONLY", Reason.READ_ONLY_TRANSACTION),
    ],
)
def test_the_reason_is_told(sql: str, reason: Reason) -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)

            await session.ask(Command.QUERY, sql.encode())

            assert found.reasons == [reason]
            is_for_replicas = reason in (Reason.READ, Reason.READ_ONLY_TRANSACTION)
            assert ((Command.QUERY, sql.encode()) in found.members["primary"].commands) is not is_for_replicas
            session.close()

    run(scenario)


def test_a_transaction_stays_where_it_began() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"BEGIN")

            assert await served_by(session) == "primary"
            await session.ask(Command.QUERY, b"COMMIT")

            assert await served_by(session) != "primary"
            assert found.reasons == [Reason.UNSURE, Reason.TRANSACTION, Reason.TRANSACTION, Reason.READ]
            session.close()

    run(scenario)


def test_a_read_only_transaction_stays_at_its_replica() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"START TRANSACTION READ ONLY")

            told = {await served_by(session) for _ in range(3)}
            await session.ask(Command.QUERY, b"COMMIT")

            assert len(told) == 1
            assert told != {"primary"}
            assert found.members["primary"].statements == []
            session.close()

    run(scenario)


def test_what_was_just_written_is_not_read_from_a_replica_that_may_not_have_it() -> None:
    async def scenario() -> None:
        async with group() as found:
            session, other = await client(found.port), await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert await served_by(session) == "primary"
            assert await served_by(other) != "primary"
            found.backend("one").applied_until = float("inf")
            assert await served_by(session) == "one"
            assert found.reasons == [Reason.WRITE, Reason.OWN_WRITES, Reason.READ, Reason.READ]
            session.close()
            other.close()

    run(scenario)


def test_what_an_analyzed_statement_wrote_is_the_sessions_own_write_too() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"ANALYZE UPDATE t SET a = 1")

            assert await served_by(session) == "primary"
            assert found.reasons[-1] == Reason.OWN_WRITES
            session.close()

    run(scenario)


def test_a_transaction_that_only_read_keeps_its_session_at_the_replicas() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            for sql in (b"BEGIN", b"SELECT 1", b"COMMIT"):
                await session.ask(Command.QUERY, sql)

            assert await served_by(session) != "primary"
            session.close()

    run(scenario)


def test_the_insert_id_is_right_after_a_read_from_a_replica() -> None:
    async def scenario() -> None:
        async with group(read_your_writes="off") as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"INSERT INTO t VALUES (NULL)")

            assert await served_by(session) != "primary"
            told = await session.ask(Command.QUERY, b"SELECT LAST_INSERT_ID()")

            assert Row(row(b"500")) in told
            session.close()

    run(scenario)


@pytest.mark.parametrize("value", [b"LAST_INSERT_ID()", b"@@error_count"])
def test_a_write_that_asks_what_a_read_left_behind_goes_to_the_primary(value: bytes) -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"SELECT * FROM missing")

            (told,) = await session.ask(Command.QUERY, b"INSERT INTO t VALUES (%b)" % value)

            assert isinstance(told, Ok)
            written = [text for text in found.members["primary"].statements if text.startswith(b"INSERT")]
            assert len(written) == 1
            session.close()

    run(scenario)


def test_a_read_of_data_by_the_insert_id_is_not_drawn_to_the_replica_that_is_owed_an_answer() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"SELECT * FROM missing")

            assert await served_by(session, b"SELECT name FROM t WHERE id = LAST_INSERT_ID()") == "primary"
            session.close()

    run(scenario)


def test_without_autocommit_reads_stay_at_the_primary() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"SET autocommit=0")

            assert await served_by(session) == "primary"
            assert found.reasons == [Reason.SESSION, Reason.IMPLICIT_TRANSACTION]
            session.close()

    run(scenario)


def test_without_autocommit_reads_are_balanced_until_the_first_write_if_that_is_wished() -> None:
    async def scenario() -> None:
        async with group(implicit_transactions="until_write", read_your_writes="off") as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"SET autocommit=0")

            before = [await served_by(session) for _ in range(2)]
            await session.ask(Command.QUERY, b"INSERT INTO t VALUES (1)")
            after = await served_by(session)

            assert sorted(before) == ["one", "two"]
            assert after == "primary"
            assert [member.statements[-1] for member in (found.members["one"], found.members["two"])] == [b"COMMIT"] * 2
            session.close()

    run(scenario)


def test_the_warnings_of_such_a_read_are_fetched_before_its_transaction_ends() -> None:
    async def scenario() -> None:
        async with group(("primary", "one"), implicit_transactions="until_write") as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"SET autocommit=0")

            await session.ask(Command.QUERY, b"SELECT * FROM missing")
            await session.ask(Command.QUERY, b"SELECT 1")

            asked = found.members["one"].statements
            assert asked[asked.index(b"SELECT * FROM missing") + 1 :][:2] == [b"SHOW WARNINGS", b"COMMIT"]
            session.close()

    run(scenario)


def test_what_a_session_set_holds_at_every_server() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.INIT_DB, b"shop")
            await session.ask(Command.QUERY, b"SET @a = 7")

            name = await served_by(session)

            commands = found.members[name].commands
            assert (Command.INIT_DB, b"shop") in commands
            assert (Command.QUERY, b"SET @`a`=7") in commands
            session.close()

    run(scenario)


def test_observed_only_reads_go_to_the_primary_and_tell_where_they_would_have_gone() -> None:
    async def scenario() -> None:
        async with group(observe=True) as found:
            session = await client(found.port)

            assert await served_by(session) == "primary"

            (event,) = [event for event in found.events if isinstance(event, QueryFinished)]
            assert (event.route.reason, event.route.would) == (Reason.OBSERVED, "replica")
            assert found.engine.frontend.topology.groups["main"].observed == 1
            session.close()

    run(scenario)


def test_a_read_is_repeated_elsewhere_when_its_server_hangs_up() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            found.members["one"].hangs_up_on = b"SELECT"

            told = [await served_by(session) for _ in range(4)]

            assert told == ["two"] * 4
            session.close()

    run(scenario)


def test_a_read_is_repeated_that_crosses_with_the_word_of_a_server_that_has_waited_too_long_for_one() -> None:
    class Impatient(Member):
        """It was about to close the connection, and says so in the packet of number 0 that MySQL sends."""

        def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
            if self.name == "one" and command.body.startswith(b"SELECT"):
                return packet.encode(Err(number=4031, sqlstate=b"HY000", message=b"disconnected").build(), 0)
            return super()._answer(protocol, command)

    async def scenario() -> None:
        async with group(kind=Impatient) as found:
            session = await client(found.port)

            told = [await served_by(session) for _ in range(4)]

            assert told == ["two"] * 4
            session.close()

    run(scenario)


@pytest.mark.parametrize("before", [(), (Command.PING, b"")], ids=["nothing", "a ping"])
def test_a_read_is_repeated_as_what_it_is_whatever_its_session_sent_before(
    before: tuple[()] | tuple[int, bytes],
) -> None:
    async def scenario() -> None:
        async with group() as found:
            other = await client(found.port)
            assert {await served_by(other) for _ in range(4)} == {"one", "two"}
            session = await client(found.port)
            if before:
                await session.ask(*before)
            found.members["one"].hangs_up_on = b"SELECT"

            told = [await served_by(session) for _ in range(4)]

            assert told == ["two"] * 4
            session.close()
            other.close()

    run(scenario)


def test_reads_go_to_the_primary_when_no_replica_can_take_them() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            found.backend("one").suspect()
            found.backend("two").suspect()

            assert await served_by(session) == "primary"
            assert found.reasons == [Reason.NO_REPLICA]
            session.close()

    run(scenario)


def test_own_writes_are_read_at_the_primary_though_it_is_suspected() -> None:
    async def scenario() -> None:
        async with group() as found:
            await until(lambda: found.backend("primary").state is BackendState.UP)
            session, other = await client(found.port), await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")
            found.backend("primary").is_suspect = True

            assert await served_by(session) == "primary"
            assert await served_by(other) != "primary"

            found.backend("primary").state = BackendState.DOWN
            assert await served_by(session) != "primary"
            session.close()
            other.close()

    run(scenario)


@pytest.mark.parametrize("reads", ["replicas", "all"])
@pytest.mark.parametrize(("times", "servers"), [("once", {"primary"}), ("always", {"one", "two"})])
def test_own_writes_are_read_at_the_primary_once_more_when_it_hangs_up(
    times: str, servers: set[str], reads: str
) -> None:
    async def scenario() -> None:
        async with group(reads=reads) as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")
            primary = found.members["primary"]
            primary.hangs_up_once_on, primary.hangs_up_on = (b"SELECT", b"") if times == "once" else (b"", b"SELECT")

            assert await served_by(session) in servers
            assert len(primary.statements) == 3
            session.close()

    run(scenario)


def test_own_writes_are_read_at_the_primary_though_a_connection_is_lost_while_it_is_made_ready() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")
            await session.ask(Command.QUERY, b"SET time_zone = '+01:00'")
            other = await client(found.port)
            await other.ask(Command.QUERY, b"UPDATE t SET a = 2")
            found.members["primary"].hangs_up_once_on = b"time_zone"

            assert await served_by(session) == "primary"
            session.close()
            other.close()

    run(scenario)


def test_clients_log_in_and_read_while_the_primary_is_away() -> None:
    async def scenario() -> None:
        async with group() as found:
            # Asked how it is only now and then.
            await until(lambda: found.backend("primary").state is BackendState.UP)
            found.backend("primary").state = BackendState.DOWN

            session = await client(found.port)

            assert {await served_by(session) for _ in range(4)} == {"one", "two"}
            assert found.members["primary"].logins == 0
            found.backend("primary").state = BackendState.UP
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")
            assert found.members["primary"].statements == [b"UPDATE t SET a = 1"]
            session.close()

    run(scenario)


def test_a_client_that_logs_in_when_the_primary_has_just_gone_is_let_in_by_a_replica() -> None:
    async def scenario() -> None:
        async with group() as found:
            await until(lambda: found.backend("primary").state is BackendState.UP)
            found.backend("primary").config = found.backend("primary").config.model_copy(
                update={"address": TcpAddress("127.0.0.1", 1)}
            )

            session = await client(found.port)

            assert await served_by(session) in ("one", "two")
            session.close()

    run(scenario)


def test_a_write_is_never_repeated() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            found.members["primary"].hangs_up_on = b"UPDATE"

            (told,) = await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert isinstance(told, Err)
            assert told.number == 2013
            assert b"unknown" in told.message
            assert found.members["primary"].statements == [b"UPDATE t SET a = 1"]

    run(scenario)


class Positioned(Member):
    """A server that reports the GTIDs of writes, and has those of others once it is told so."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.has = {b"a:1"}
        self.answer = self._position

    def _position(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body.startswith(b"SELECT WAIT_FOR_EXECUTED_GTID_SET('x"):
            return protocol.send_err(Err(number=1772, message=b"Malformed GTID set specification"))
        if command.body.startswith(b"SELECT WAIT_FOR_EXECUTED_GTID_SET("):
            there = self.has.issuperset(command.body.split(b"'")[1].split(b","))
            return protocol.send_rows([COLUMN], [row(b"0" if there else b"1")], Status.AUTOCOMMIT)
        if command.body.startswith(b"UPDATE"):
            state = bytes((Track.GTIDS, 5, 0, 3)) + b"a:2"
            return protocol.send_ok(Ok(status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED, state=state))
        return self._answer(protocol, command)


@asynccontextmanager
async def positioned(**config: Any) -> AsyncIterator[Group]:
    async with group(kind=Positioned, read_your_writes="gtid", **config) as found:
        yield found


def test_a_replica_is_asked_whether_it_has_the_own_write() -> None:
    async def scenario() -> None:
        async with positioned() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")
            for name in ("one", "two"):
                found.members[name].has.add(b"a:2")

            assert await served_by(session) in ("one", "two")
            assert found.reasons == [Reason.WRITE, Reason.READ]
            session.close()

    run(scenario)


def test_a_read_for_which_no_replica_is_recent_enough_goes_to_the_primary() -> None:
    async def scenario() -> None:
        async with positioned() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert await served_by(session) == "primary"
            assert found.reasons == [Reason.WRITE, Reason.OWN_WRITES]
            session.close()

    run(scenario)


def test_a_read_that_is_killed_while_it_waits_for_its_data_ends_and_the_kill_hits_nobody_else() -> None:
    async def scenario() -> None:
        async with group(NAMES[:2], kind=Positioned, read_your_writes="gtid") as found:
            victim, other = await client(found.port), await client(found.port)
            await victim.ask(Command.QUERY, b"UPDATE t SET a = 1")
            one, pool = found.members["one"], found.backend("one").pool
            asked, killed = asyncio.Event(), asyncio.Event()
            one.gates = {b"SELECT WAIT_FOR_EXECUTED_GTID_SET('a:2',1) LIMIT 1": asked, b"KILL QUERY 7": killed}
            reading = asyncio.ensure_future(victim.ask(Command.QUERY, b"SELECT 1"))
            while not one.commands:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)
            (session,) = (each for each in found.engine.frontend.sessions.values() if each.connection is not None)
            waited_on = session.connection
            assert waited_on is not None
            killing = asyncio.ensure_future(other.ask(Command.QUERY, b"KILL QUERY %d" % session.id))
            while not waited_on.kills:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            asked.set()
            (told,) = await reading

            assert isinstance(told, Err)
            assert told.number == 1317
            assert waited_on not in [each for shelf in pool.shelves.values() for each in shelf.idle]
            killed.set()
            await killing
            victim.close()
            other.close()

    run(scenario)


@pytest.mark.parametrize("way", ["plain", "begin", "token"])
@pytest.mark.parametrize("scope", [b"QUERY", b"CONNECTION"])
def test_after_a_read_at_a_replica_nothing_that_is_not_for_it_goes_there_because_a_kill_is_on_its_way(
    scope: bytes, way: str
) -> None:
    async def scenario() -> None:
        async with group(NAMES[:2], kind=Positioned, read_your_writes="gtid") as found:
            victim, other = await client(found.port), await client(found.port)
            one, primary = found.members["one"], found.members["primary"]
            read, killed = asyncio.Event(), asyncio.Event()
            one.gates = {b"SELECT 1": read, b"KILL %b 7" % scope: killed}
            reading = asyncio.ensure_future(victim.ask(Command.QUERY, b"SELECT 1"))
            while not one.commands:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)
            (session,) = (each for each in found.engine.frontend.sessions.values() if each.connection is not None)
            waited_on = session.connection
            assert waited_on is not None
            number = waited_on.id
            one.gates[b"KILL %b %d" % (scope, number)] = killed
            killing = asyncio.ensure_future(other.ask(Command.QUERY, b"KILL %b %d" % (scope, session.id)))
            while not waited_on.kills:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)
            read.set()
            await reading
            assert session.connection is waited_on
            primary.commands.clear()

            sql = {
                "plain": b"UPDATE t SET a = 1",
                "begin": b"BEGIN",
                "token": b"SELECT /* dbmux: gtid='a:9' */ 1",
            }[way]
            await victim.ask(Command.QUERY, sql)

            assert (Command.QUERY, sql) in primary.commands
            assert (Command.QUERY, sql) not in one.commands
            killed.set()
            await killing
            assert (session in found.engine.frontend.sessions.values()) is (scope == b"QUERY")
            victim.close()
            other.close()

    run(scenario)


@pytest.mark.parametrize("has, server", [({b"a:2"}, "one"), (set(), "primary")])
def test_a_token_holds_also_in_a_hint_that_names_a_replica(has: set[bytes], server: str) -> None:
    async def scenario() -> None:
        async with positioned() as found:
            found.members["one"].has |= has
            session = await client(found.port)

            assert await served_by(session, b"SELECT /* dbmux: gtid='a:2', route=one */ 1") == server
            session.close()

    run(scenario)


def test_where_no_replica_can_take_what_a_hint_sends_there_the_primary_does_at_once_and_is_named() -> None:
    async def scenario() -> None:
        async with positioned() as found:
            session = await client(found.port)
            for name in ("one", "two"):
                found.backend(name).drain()

            assert await served_by(session, b"SELECT /* dbmux: gtid='a:9', route=main.replica */ 1") == "primary"
            assert [body for _, body in found.members["primary"].commands if b"WAIT_FOR" in body] == []
            (route,) = (event.route for event in found.events if isinstance(event, QueryFinished))
            assert (route.role, route.reason) == (Role.PRIMARY, Reason.HINT)
            session.close()

    run(scenario)


@pytest.mark.parametrize("way", ["variable", "hint"])
def test_another_session_can_be_told_what_it_must_see(way: str) -> None:
    async def scenario() -> None:
        async with positioned() as found:
            writer, reader = await client(found.port), await client(found.port)
            await writer.ask(Command.QUERY, b"UPDATE t SET a = 1")
            assert (Command.QUERY, b"SELECT 'a:2' AS `@dbmux_gtid`") not in found.members["primary"].commands
            await writer.ask(Command.QUERY, b"SELECT @dbmux_gtid")
            told = [body for member in found.members.values() for body in member.statements if b"@dbmux_gtid" in body]
            assert told == [b"SELECT 'a:2' AS `@dbmux_gtid`"]

            if way == "variable":
                await reader.ask(Command.QUERY, b"SET @dbmux_gtid = 'a:2'")
                name = await served_by(reader)
            else:
                name = await served_by(reader, b"SELECT /* dbmux: gtid='a:2' */ 1")

            assert name == "primary"
            assert found.reasons[-1] == Reason.OWN_WRITES
            writer.close()
            reader.close()

    run(scenario)


@pytest.mark.parametrize("way", ["variable", "hint"])
def test_with_a_token_that_no_server_understands_the_primary_reads(way: str) -> None:
    async def scenario() -> None:
        async with positioned() as found:
            reader = await client(found.port)
            if way == "variable":
                await reader.ask(Command.QUERY, b"SET @dbmux_gtid = 'x:9'")

            read = b"SELECT 1" if way == "variable" else b"SELECT /* dbmux: gtid='x:9' */ 1"
            told = [await served_by(reader, read) for _ in range(3)]

            assert told == ["primary"] * 3
            assert found.reasons[-1] == Reason.OWN_WRITES
            reader.close()

    run(scenario)


@pytest.mark.parametrize("way", ["variable", "hint"])
@pytest.mark.parametrize("has, at_replica", [({b"a:2"}, True), (set(), False)], ids=["recent", "behind"])
def test_a_token_of_before_does_not_take_the_place_of_the_own_write(
    way: str, has: set[bytes], at_replica: bool
) -> None:
    async def scenario() -> None:
        async with positioned() as found:
            for name in ("one", "two"):
                found.members[name].has |= has
            session = await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")
            if way == "variable":
                await session.ask(Command.QUERY, b"SET @dbmux_gtid = 'a:1'")

            told = await served_by(session, b"SELECT 1" if way == "variable" else b"SELECT /* dbmux: gtid='a:1' */ 1")

            assert (told != "primary") is at_replica
            session.close()

    run(scenario)


def test_a_hint_with_a_token_does_not_lead_past_the_own_write_where_gtids_are_not_told() -> None:
    async def scenario() -> None:
        async with group(kind=Positioned, read_your_writes="session") as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert await served_by(session, b"SELECT /* dbmux: gtid='a:1' */ 1") == "primary"
            session.close()

    run(scenario)


def test_a_session_that_does_not_have_gtids_told_any_more_reads_its_own_writes_at_the_primary() -> None:
    async def scenario() -> None:
        async with positioned() as found:
            found.members["one"].has.add(b"a:2")
            found.members["two"].has.add(b"a:2")
            session = await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")
            assert await served_by(session) != "primary"

            await session.ask(Command.QUERY, b"SET session_track_gtids = 'OFF'")
            await session.ask(Command.QUERY, b"UPDATE t SET a = 2")
            assert await served_by(session) == "primary"
            await session.ask(Command.QUERY, b"SET @dbmux_gtid = 'a:1'")
            assert await served_by(session) == "primary"
            session.close()

    run(scenario)


def test_the_primary_is_not_asked_whether_it_has_what_was_written_there() -> None:
    async def scenario() -> None:
        async with positioned() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")
            for name in ("one", "two"):
                found.backend(name).state = BackendState.DOWN
            found.members["primary"].commands.clear()

            assert await served_by(session) == "primary"
            assert [body for _, body in found.members["primary"].commands if b"WAIT_FOR" in body] == []
            session.close()

    run(scenario)


def test_a_reset_session_still_reads_its_own_writes() -> None:
    async def scenario() -> None:
        async with positioned() as found:
            session = await client(found.port)
            await session.ask(Command.RESET_CONNECTION)
            found.members["primary"].commands.clear()

            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert found.members["primary"].commands[0] == (
                Command.QUERY,
                b"SET session_track_state_change=1,session_track_gtids=OWN_GTID",
            )
            assert await served_by(session) == "primary"
            session.close()

    run(scenario)


class Switchable(Member):
    """A server that can be made read-only."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_read_only = False
        self.answer = self._refuse

    def _refuse(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        message = b"The MariaDB server is running with the --read-only option so it cannot execute this statement"
        if self.is_read_only and command.body.startswith((b"UPDATE", b"CALL")):
            return protocol.send_err(Err(number=1290, message=message))
        if self.is_read_only and b"; UPDATE" in command.body:
            done = protocol.send_ok(Ok(status=Status.AUTOCOMMIT | Status.MORE_RESULTS))
            return done + protocol.send_err(Err(number=1290, message=message))
        return self._answer(protocol, command)


@asynccontextmanager
async def switchable(top: dict[str, Any] | None = None, **config: Any) -> AsyncIterator[Group]:
    sections = {"service": {"user": "nobody"}, **(top or {})}
    async with group(kind=Switchable, roles="auto", top=sections, **config) as found:
        yield found


async def written_in_a_switch_over(found: Group, session: TestClient) -> list[ServerMessage]:
    """The answer to a write that waited until "two" was the primary."""
    main = found.engine.frontend.topology.groups["main"]
    found.members["primary"].is_read_only = True
    waiting = asyncio.ensure_future(session.ask(Command.QUERY, b"UPDATE t SET a = 1"))
    while not main.writers:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)
    main.promote(found.backend("two"))
    main.found_writable()
    return await waiting


def test_writes_wait_for_the_new_primary_in_a_switch_over() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)

            assert isinstance((await written_in_a_switch_over(found, session))[0], Ok)
            assert found.members["two"].statements == [b"UPDATE t SET a = 1"]
            session.close()

    run(scenario)


def test_a_write_that_the_new_primary_refuses_as_well_waits_on() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            main = found.engine.frontend.topology.groups["main"]
            found.members["primary"].is_read_only = found.members["one"].is_read_only = True
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, b"UPDATE t SET a = 1"))
            for name in ("one", "two"):
                while not main.writers:  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0)
                main.promote(found.backend(name))
                main.found_writable()

            assert isinstance((await waiting)[0], Ok)
            assert found.members["two"].statements == [b"UPDATE t SET a = 1"]
            session.close()

    run(scenario)


def test_of_several_statements_of_which_one_was_done_none_is_sent_again() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port, capabilities=PLAIN | Capability.MULTI_STATEMENTS)
            found.members["primary"].is_read_only = True

            *_, told = await session.ask(Command.QUERY, b"DELETE FROM mine; UPDATE t SET a = 1")

            assert isinstance(told, Err)
            assert told.message.startswith(b"The MariaDB server is running")
            assert found.members["primary"].statements == [b"DELETE FROM mine; UPDATE t SET a = 1"]
            session.close()

    run(scenario)


def test_a_call_whose_first_statements_may_have_been_carried_out_is_not_sent_again() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            found.members["primary"].is_read_only = True

            (told,) = await session.ask(Command.QUERY, b"CALL transfer(1)")

            assert isinstance(told, Err)
            assert told.message.startswith(b"The MariaDB server is running")
            assert found.members["primary"].statements.count(b"CALL transfer(1)") == 1
            session.close()

    run(scenario)


def test_a_write_does_not_wait_for_ever_and_says_that_nothing_was_sent() -> None:
    async def scenario() -> None:
        async with switchable(failover_wait="10ms") as found:
            session = await client(found.port)
            found.members["primary"].is_read_only = True

            (told,) = await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert isinstance(told, Err)
            assert told.number == 1290
            assert b"nothing was sent" in told.message
            assert await served_by(session) in ("one", "two")
            session.close()

    run(scenario)


def test_what_the_old_primary_owes_is_fetched_before_a_write_waits_for_the_new_one() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, INSERT)

            await written_in_a_switch_over(found, session)
            await session.ask(Command.QUERY, b"SELECT LAST_INSERT_ID()")

            assert (Command.QUERY, b"SET last_insert_id=500") in found.members["two"].commands
            session.close()

    run(scenario)


def test_an_account_that_is_refused_is_no_reason_to_doubt_the_primary() -> None:
    class Choosy(Switchable):
        refuses = False

        def _check(self, protocol: ServerProtocol, answer: bytes) -> bytes:
            if self.refuses:
                return protocol.send_err(Err(number=1045, sqlstate=b"28000", message=b"Access denied"))
            return super()._check(protocol, answer)

    async def scenario() -> None:
        async with group(kind=Choosy, roles="auto", top={"service": {"user": "nobody"}}) as found:
            main = found.engine.frontend.topology.groups["main"]
            session = await client(found.port)
            found.members["primary"].refuses = True
            for connection in list(main.primary.pool.connections()):
                connection.quit()

            (told,) = await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert isinstance(told, Err)
            assert told.number == 1045
            assert main.is_writable
            session.close()

    run(scenario)


def test_no_more_writes_wait_than_are_allowed_to() -> None:
    async def scenario() -> None:
        async with switchable(failover_queue=0) as found:
            session = await client(found.port)
            found.members["primary"].is_read_only = True

            (told,) = await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert isinstance(told, Err)
            assert told.number == 1290
            session.close()

    run(scenario)


def test_a_client_that_goes_while_its_write_waits_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            main = found.engine.frontend.topology.groups["main"]
            main.is_writable = False
            session.conversation.send(session.protocol.command(Command.QUERY, b"UPDATE t SET a = 1"))
            while not main.writers:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            session.close()
            while main.writers:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            main.found_writable()
            assert found.members["primary"].statements == []

    run(scenario)


def test_in_a_group_with_fixed_roles_the_servers_error_is_told() -> None:
    async def scenario() -> None:
        async with group(kind=Switchable) as found:
            session = await client(found.port)
            found.members["primary"].is_read_only = True

            (told,) = await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert isinstance(told, Err)
            assert told.message.startswith(b"The MariaDB server is running")
            session.close()

    run(scenario)


def test_a_kill_goes_where_its_victim_is() -> None:
    async def scenario() -> None:
        async with group() as found:
            victim, killer = await client(found.port), await client(found.port)
            await victim.ask(Command.QUERY, b"START TRANSACTION READ ONLY")
            name = await served_by(victim)
            number = min(found.engine.frontend.sessions)

            await killer.ask(Command.QUERY, b"KILL QUERY %d" % number)

            assert found.members[name].statements[-1].startswith(b"KILL QUERY ")
            assert found.members["primary"].statements == []
            victim.close()
            killer.close()

    run(scenario)


def without(found: Group, *names: str, primary: str = "primary") -> Config:
    """The configuration with these servers removed, and perhaps another primary."""
    config = found.engine.config
    backends = {name: backend for name, backend in config.backends.items() if name not in names}
    replicas = tuple(name for name in backends if name != primary)
    main = config.groups["main"].model_copy(update={"primary": primary, "replicas": replicas})
    return config.model_copy(update={"backends": backends, "groups": {"main": main}})


@pytest.mark.parametrize("name", ["main", "another"], ids=["the group stays", "the group goes"])
def test_a_write_that_waits_for_a_primary_is_not_forgotten_by_a_reload(name: str) -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            main = found.engine.frontend.topology.groups["main"]
            main.is_writable = False
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, b"UPDATE t SET a = 1"))
            while not main.writers:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            changed = {"groups": {name: found.engine.config.groups["main"]}}
            await found.engine.apply(found.engine.config.model_copy(update=changed), "test", ())
            if name == "main":
                found.engine.frontend.topology.groups["main"].found_writable()
            (told,) = await waiting

            assert isinstance(told, Ok if name == "main" else Err)
            session.close()

    run(scenario)


def test_a_write_that_was_sent_to_the_primary_by_name_finds_the_new_one_after_a_reload() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            main = found.engine.frontend.topology.groups["main"]
            found.members["primary"].is_read_only = True
            write = b"UPDATE /* dbmux: route=main.primary */ t SET a = 1"
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, write))
            while not main.writers:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            await found.engine.apply(found.engine.config, "test", ())
            main = found.engine.frontend.topology.groups["main"]
            main.promote(found.backend("two"))
            main.found_writable()

            assert isinstance((await waiting)[0], Ok)
            assert found.members["two"].statements == [write]
            session.close()

    run(scenario)


@pytest.mark.parametrize(("route", "answer"), [("one", Err), ("main.replica", Ok)])
def test_who_was_sent_to_a_server_that_is_removed_goes_to_another_or_is_told(route: str, answer: type) -> None:
    async def scenario() -> None:
        async with group(("primary", "one"), max_connections=1) as found:
            holder, waiter = await client(found.port), await client(found.port)
            await holder.ask(Command.QUERY, b"START TRANSACTION READ ONLY")
            read = b"/* dbmux: route=%s */ SELECT 1" % route.encode()
            waiting = asyncio.ensure_future(waiter.ask(Command.QUERY, read))
            while not found.backend("one").pool.queue:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            await found.engine.apply(without(found, "one"), "test", ())
            *_, told = await waiting

            assert isinstance(told, answer)
            holder.close()
            waiter.close()

    run(scenario)


def limited(found: Group, name: str) -> Config:
    """The configuration with another limit for one of the servers."""
    config = found.engine.config
    changed = config.backends[name].model_copy(update={"max_connections": 7})
    return config.model_copy(update={"backends": {**config.backends, name: changed}})


def test_the_primary_that_was_found_stays_it_when_its_configuration_changes() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            found.engine.frontend.topology.groups["main"].promote(found.backend("two"))

            await found.engine.apply(limited(found, "two"), "test", ())
            main = found.engine.frontend.topology.groups["main"]
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            assert main.primary is found.backend("two")
            assert main.primary.config.max_connections == 7
            assert {replica.name for replica in main.replicas} == {"primary", "one"}
            assert found.members["two"].statements == [b"UPDATE t SET a = 1"]
            session.close()

    run(scenario)


def test_another_server_under_the_name_of_the_primary_that_was_found_is_not_it() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            found.engine.frontend.topology.groups["main"].promote(found.backend("two"))
            config = found.engine.config
            moved = config.backends["two"].model_copy(update={"address": TcpAddress("127.0.0.2", 3306)})

            backends = {**config.backends, "two": moved}
            await found.engine.apply(config.model_copy(update={"backends": backends}), "test", ())

            assert found.engine.frontend.topology.groups["main"].primary is found.backend("primary")

    run(scenario)


def test_a_session_goes_on_when_its_servers_are_removed() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"SET @a = 7")
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            await found.engine.apply(without(found, "primary", "one", primary="two"), "test", ())
            await session.ask(Command.QUERY, b"UPDATE t SET a = 2")

            assert await served_by(session) == "two"
            assert (Command.QUERY, b"SET @`a`=7") in found.members["two"].commands
            assert (Command.QUERY, b"UPDATE t SET a = 2") in found.members["two"].commands
            session.close()

    run(scenario)


@pytest.mark.parametrize(("before", "after"), [([INSERT], []), ([b"BEGIN", INSERT], [b"COMMIT"])])
def test_the_insert_id_is_right_after_its_server_was_removed(before: list[bytes], after: list[bytes]) -> None:
    async def scenario() -> None:
        async with group(("primary", "one")) as found:
            session = await client(found.port)
            for statement in before:
                await session.ask(Command.QUERY, statement)

            await found.engine.apply(without(found, "primary", primary="one"), "test", ())
            for statement in [*after, b"SELECT LAST_INSERT_ID()"]:
                await session.ask(Command.QUERY, statement)

            assert (Command.QUERY, b"SET last_insert_id=500") in found.members["one"].commands
            session.close()

    run(scenario)


def test_a_transaction_ends_where_it_began_though_its_server_was_removed() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"BEGIN")

            await found.engine.apply(without(found, "primary", primary="one"), "test", ())
            await session.ask(Command.QUERY, b"UPDATE t SET a = 2")
            await session.ask(Command.QUERY, b"COMMIT")
            await session.ask(Command.QUERY, b"UPDATE t SET a = 3")

            assert found.members["primary"].statements == [b"BEGIN", b"UPDATE t SET a = 2", b"COMMIT"]
            assert found.members["one"].statements == [b"UPDATE t SET a = 3"]
            await found.members["primary"].changed.wait()
            assert found.members["primary"].open == 0
            session.close()

    run(scenario)


@pytest.mark.parametrize("sql", [b"UPDATE t SET a = 1", b"SELECT 1"])
def test_a_transaction_goes_on_when_its_group_gets_replicas_in_the_middle_of_a_statement(sql: bytes) -> None:
    async def scenario() -> None:
        async with group(("primary", "one")) as found:
            full = found.engine.config
            await found.engine.apply(without(found, "one"), "test", ())
            session = await client(found.port)
            await session.ask(Command.QUERY, b"BEGIN")
            gate = found.members["primary"].gates[sql] = asyncio.Event()
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, sql))
            while sql not in found.members["primary"].statements:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            await found.engine.apply(full, "test", ())
            gate.set()
            await waiting
            await session.ask(Command.QUERY, b"ROLLBACK")

            assert found.members["primary"].statements == [b"BEGIN", sql, b"ROLLBACK"]
            session.close()

    run(scenario)


def test_who_waits_for_a_server_that_is_removed_goes_to_another() -> None:
    async def scenario() -> None:
        async with group(max_connections=1) as found:
            one, two = await client(found.port), await client(found.port)
            await one.ask(Command.QUERY, b"BEGIN")
            waiting = asyncio.ensure_future(two.ask(Command.QUERY, b"UPDATE t SET a = 2"))
            while not found.backend("primary").pool.queue:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            await found.engine.apply(without(found, "primary", primary="one"), "test", ())

            assert isinstance((await waiting)[0], Ok)
            assert found.members["one"].statements == [b"UPDATE t SET a = 2"]
            one.close()
            two.close()

    run(scenario)


def test_a_login_that_waits_for_a_server_that_is_removed_goes_to_another() -> None:
    async def scenario() -> None:
        async with group(max_connections=1) as found:
            one = await client(found.port)
            await one.ask(Command.QUERY, b"BEGIN")
            waiting = asyncio.ensure_future(
                connect(found.port, capabilities=PLAIN | Capability.CONNECT_WITH_DB, schema=b"shop")
            )
            while not found.backend("primary").pool.queue:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            await found.engine.apply(without(found, "primary", primary="one"), "test", ())
            two = await waiting

            assert isinstance(two, TestClient)
            await two.ask(Command.QUERY, b"UPDATE t SET a = 2")
            assert found.members["one"].statements == [b"UPDATE t SET a = 2"]
            one.close()
            two.close()

    run(scenario)


class ImplicitByDefault(Member):
    """A server with autocommit off from the start."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._status = 0


def test_where_autocommit_is_off_by_default_no_transaction_is_left_open_at_a_replica() -> None:
    async def scenario() -> None:
        async with group(kind=ImplicitByDefault) as found:
            session = await client(found.port)

            first = await served_by(session)
            await session.ask(Command.QUERY, b"INSERT INTO t VALUES (1)")

            assert found.members[first].statements[-1] in (b"COMMIT", b"INSERT INTO t VALUES (1)")
            assert found.members["primary"].statements[-1] == b"INSERT INTO t VALUES (1)"
            assert await served_by(session) == "primary"
            session.close()

    run(scenario)


class Closed(Member):
    """A server that lets nobody in, but at the primary."""

    def _check(self, protocol: ServerProtocol, answer: bytes) -> bytes:
        if self.name == "primary":
            return super()._check(protocol, answer)
        self.refused = getattr(self, "refused", 0) + 1
        return protocol.send_err(Err(number=1045, sqlstate=b"28000", message=b"Access denied"))


def test_a_replica_that_refuses_the_account_is_not_tried_by_every_read() -> None:
    async def scenario() -> None:
        async with group(kind=Closed) as found:
            session = await client(found.port)

            assert await served_by(session) == "primary"
            refused = [found.members[name].refused for name in ("one", "two")]
            told = [await served_by(session) for _ in range(5)]

            assert told == ["primary"] * 5
            assert [found.members[name].refused for name in ("one", "two")] == refused
            warned = [event.message for event in found.events if isinstance(event, Warned)]
            assert len(warned) == 2
            assert "refuses app" in warned[0]
            session.close()

    run(scenario)


def test_an_account_that_no_server_takes_any_more_is_told_so() -> None:
    async def scenario() -> None:
        async with group(kind=Closed, max_connections=1) as found:
            session = await client(found.port)
            found.members["primary"].name = "closed as well"
            found.members["primary"].hangs_up_on = b"UPDATE"
            leaving = await client(found.port)
            await leaving.ask(Command.QUERY, b"UPDATE t SET a = 1")

            (told,) = await session.ask(Command.QUERY, b"SELECT 1")

            assert isinstance(told, Err)
            assert (told.number, told.message) == (1045, b"Access denied")
            session.close()

    run(scenario)


def test_a_read_does_not_wait_for_a_primary_that_is_away() -> None:
    async def scenario() -> None:
        async with switchable() as found:
            session = await client(found.port)
            for name in NAMES:
                found.members[name].hangs_up_on = b"SELECT"

            (told,) = await session.ask(Command.QUERY, b"SELECT 1")

            assert isinstance(told, Err)
            assert told.number in (1429, 2013)
            session.close()

    run(scenario)


def test_a_read_that_hangs_at_a_server_which_is_down_goes_to_another() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            for name in ("one", "two"):
                found.members[name].is_deaf = True
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, b"SELECT 1"))
            hanging: list[str] = []
            while not hanging:
                await asyncio.sleep(0)
                hanging = [name for name in ("one", "two") if b"SELECT 1" in found.members[name].statements]
            (name,) = hanging
            for other in {"one", "two"} - {name}:
                found.members[other].is_deaf = False

            found.engine.frontend.leave_hanging(found.backend(name))

            (told,) = [message for message in await waiting if isinstance(message, Row)]
            assert told.payload[1:].decode() == ({"one", "two"} - {name}).pop()
            session.close()

    run(scenario)


def test_a_read_that_has_hung_for_long_waits_for_a_connection_to_another_server_like_any() -> None:
    async def scenario() -> None:
        top = {"timeouts": {"pool_wait": "500ms"}}
        async with group(("primary", "one"), max_connections=1, top=top) as found:
            holder, session = await client(found.port), await client(found.port)
            await holder.ask(Command.QUERY, b"BEGIN")
            found.members["one"].is_deaf = True
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, b"SELECT 1"))
            await until(lambda: b"SELECT 1" in found.members["one"].statements)
            await asyncio.sleep(0.6)

            found.engine.frontend.leave_hanging(found.backend("one"))
            await until(lambda: bool(found.backend("primary").pool.queue))
            found.engine.frontend.end_overdue(perf_counter())
            await holder.ask(Command.QUERY, b"COMMIT")

            (told,) = [message for message in await waiting if isinstance(message, Row)]
            assert told.payload[1:].decode() == "primary"
            holder.close()
            session.close()

    run(scenario)


@pytest.mark.parametrize(
    "before, read, question",
    [
        (b"SELECT 1", b"SELECT * FROM missing", b"SHOW WARNINGS"),
        (b"SET autocommit=0", b"SELECT 1", b"COMMIT"),
    ],
    ids=["what it owes", "the end of its transaction"],
)
def test_nor_is_anything_else_waited_for_at_a_server_which_is_down(before: bytes, read: bytes, question: bytes) -> None:
    async def scenario() -> None:
        async with group(("primary", "one"), implicit_transactions="until_write") as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, before)
            found.members["one"].hears_nothing_of = question
            await session.ask(Command.QUERY, read)
            waiting = asyncio.ensure_future(session.ask(Command.QUERY, b"UPDATE t SET a = 1"))
            while question not in found.members["one"].statements:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

            found.engine.frontend.leave_hanging(found.backend("one"))

            assert isinstance((await waiting)[0], Ok)
            assert found.members["primary"].statements == [b"UPDATE t SET a = 1"]
            session.close()

    run(scenario)


def test_the_primary_takes_its_share_of_reads_if_that_is_wished() -> None:
    async def scenario() -> None:
        async with group(reads="all", balance="round_robin") as found:
            session = await client(found.port)

            told = [await served_by(session) for _ in range(9)]

            assert sorted(told) == ["one"] * 3 + ["primary"] * 3 + ["two"] * 3
            session.close()

    run(scenario)


def test_what_was_ordered_for_the_statement_before_does_not_hold_for_one_that_is_too_long_to_be_held() -> None:
    async def scenario() -> None:
        async with group(top={"limits": {"inspect_max": 4096}}) as found:
            session = await client(found.port)
            assert await served_by(session, b"SELECT /* dbmux: route=one */ 1") == "one"
            insert = b"INSERT INTO t VALUES ('%b')" % (b"x" * 1_000_000)

            await session.ask(Command.QUERY, insert)

            assert found.members["primary"].statements == [insert]
            assert found.members["one"].statements == [b"SELECT /* dbmux: route=one */ 1"]
            session.close()

    run(scenario)


def test_servers_that_failed_the_statement_before_are_asked_for_one_that_is_too_long_to_be_held() -> None:
    async def scenario() -> None:
        async with group(names=("primary", "one"), top={"limits": {"inspect_max": 4096}}) as found:
            session = await client(found.port)
            for member in found.members.values():
                member.hangs_up_on = b"SELECT"
            await session.ask(Command.QUERY, b"SELECT 1")
            for member in found.members.values():
                member.hangs_up_on = b""

            (told,) = await session.ask(Command.QUERY, b"INSERT INTO t VALUES ('%b')" % (b"x" * 1_000_000))

            assert isinstance(told, Ok)
            session.close()

    run(scenario)
