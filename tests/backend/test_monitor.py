"""The monitor measures how far replicas are, and follows the primary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.monitor import Monitor, Probe
from dbmux.backend.server import Backend, BackendState
from dbmux.config.model import Account, BackendConfig
from dbmux.events import PrimaryChanged, ReplicaCaughtUp, ReplicaFellBehind, Warned
from dbmux.net.dial import dial
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, PASSWORD, row, run
from tests.frontend.test_routing import Group, Member, group

UUID = b"3e11fa47-71ca-11e1-9e33-c80aa9429562"


class Replicating(Member):
    """A MySQL server with GTIDs: `position` is the number of its last transaction."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.position = 5
        self.is_read_only = name != "primary"
        self.refusal: Err | None = None
        self.status_refusal: Err | None = None
        self.answer = self._tell

    def _tell(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if not command.body.startswith((b"SELECT @@global", b"SHOW REPLICA")):
            return self._answer(protocol, command)
        if self.refusal is not None:
            return protocol.send_err(self.refusal)
        if command.body.startswith(b"SHOW") and self.status_refusal is not None:
            return protocol.send_err(self.status_refusal)
        if command.body.startswith(b"SHOW"):
            return protocol.send_rows([COLUMN], [], Status.AUTOCOMMIT)
        gtids = UUID + b":1-%d" % self.position if self.position else b""
        return protocol.send_rows([COLUMN] * 3, [row(b"%d" % self.is_read_only, gtids, gtids)], Status.AUTOCOMMIT)


@asynccontextmanager
async def monitored(**config: Any) -> AsyncIterator[tuple[Group, Monitor]]:
    async with group(**({"kind": Replicating} | config)) as found:
        account = Account(user="dbmux", password=PASSWORD.decode())
        monitor = Monitor(found.engine.frontend.topology.groups["main"], account, found.events.append)
        yield found, monitor
        monitor.close()


def told(found: Group) -> list[Any]:
    kinds = (PrimaryChanged, ReplicaFellBehind, ReplicaCaughtUp, Warned)
    return [event for event in found.events if isinstance(event, kinds)]


class MariaDb(Replicating):
    """A MariaDB: it knows nothing of what only MySQL has."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.capabilities &= ~Capability.LONG_PASSWORD
        self.answer = self._tell

    def _tell(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if b"super_read_only" in command.body:
            return protocol.send_err(Err(number=1193, message=b"Unknown system variable 'super_read_only'"))
        if not command.body.startswith(b"SELECT @@global"):
            return self._answer(protocol, command)
        gtids = b"0-1-%d" % self.position
        return protocol.send_rows([COLUMN] * 3, [row(b"%d" % self.is_read_only, gtids, gtids)], Status.AUTOCOMMIT)


def test_a_server_that_was_never_met_is_asked_in_its_own_words() -> None:
    async def scenario() -> None:
        async with monitored(kind=MariaDb) as (found, monitor):
            for name in found.members:
                found.backend(name).greeting = None

            await monitor.look()

            assert told(found) == []
            assert found.backend("one").lag_s == 0.0

    run(scenario)


def test_a_replica_that_has_everything_is_not_behind() -> None:
    async def scenario() -> None:
        async with monitored() as (found, monitor):
            await monitor.look()

            one = found.backend("one")
            assert one.lag_s == 0.0
            assert one.applied_until > 0

    run(scenario)


def test_a_replica_that_misses_something_is_behind_since_it_had_all() -> None:
    async def scenario() -> None:
        async with monitored(max_lag="0.000001") as (found, monitor):
            await monitor.look()
            one = found.backend("one")
            had_all = one.applied_until
            found.members["primary"].position = 6

            await monitor.look()

            assert one.lag_s > 0
            assert one.applied_until == had_all
            found.members["one"].position = found.members["two"].position = 6
            await monitor.look()
            assert one.lag_s == 0.0
            assert one.applied_until > had_all
            kinds = [type(event) for event in told(found) if getattr(event, "backend", "") == "one"]
            assert kinds == [ReplicaFellBehind, ReplicaCaughtUp]

    run(scenario)


@pytest.mark.parametrize("position", [0, 3])
def test_what_is_not_known_counts_as_too_far_behind(position: int) -> None:
    async def scenario() -> None:
        async with monitored(max_lag="1h") as (found, monitor):
            found.members["one"].position = position

            await monitor.look()

            assert found.backend("one").lag_s is None
            assert [
                (event.backend, event.seconds) for event in told(found) if isinstance(event, ReplicaFellBehind)
            ] == [("one", None)]

    run(scenario)


def test_a_server_that_refuses_to_tell_is_not_known_and_that_is_told_once() -> None:
    async def scenario() -> None:
        async with monitored(max_lag="1h") as (found, monitor):
            await monitor.look()
            found.members["one"].refusal = Err(number=1227, sqlstate=b"42000", message=b"Access denied")

            await monitor.look()
            await monitor.look()

            assert found.backend("one").lag_s is None
            warned = [event.message for event in told(found) if isinstance(event, Warned)]
            assert len(warned) == 1
            assert "one" in warned[0]
            assert "1227" in warned[0]

    run(scenario)


def test_while_the_primary_does_not_tell_its_replicas_are_not_known_to_have_all() -> None:
    async def scenario() -> None:
        async with monitored() as (found, monitor):
            await monitor.look()
            had_all = found.backend("one").applied_until
            found.members["primary"].refusal = Err(number=1227, sqlstate=b"42000", message=b"Access denied")

            await monitor.look()

            assert found.backend("one").lag_s > 0
            assert found.backend("one").applied_until == had_all

    run(scenario)


def test_while_the_primary_is_down_its_replicas_fall_no_further_behind() -> None:
    async def scenario() -> None:
        async with monitored(max_lag="1h") as (found, monitor):
            await monitor.look()
            found.backend("primary").state = BackendState.DOWN

            await monitor.look()

            assert found.backend("one").lag_s == 0.0
            assert told(found) == []

    run(scenario)


def test_a_replica_with_gtids_need_not_say_how_many_seconds_it_is_behind() -> None:
    async def scenario() -> None:
        async with monitored() as (found, monitor):
            found.members["one"].position = 3
            found.members["one"].status_refusal = Err(number=1227, sqlstate=b"42000", message=b"Access denied")

            await monitor.look()

            assert found.backend("one").lag_s is None
            assert told(found) == []

    run(scenario)


class Counting(Replicating):
    """Counts who comes, also those whom it does not let in."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.came = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        await super().serve(reader, writer)


def test_a_service_account_that_is_refused_is_tried_less_and_less_often() -> None:
    async def scenario() -> None:
        server, now, tried = Counting("one"), 100.0, []
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
            address = TcpAddress("127.0.0.1", listener.sockets[0].getsockname()[1])
            backend = Backend("one", BackendConfig(address=address), dial=dial, tls=None, connect_timeout_s=1.0)
            probe = Probe(backend, Account(user="dbmux", password="wrong"), clock=lambda: now)

            for _ in range(16):
                assert await probe.standing(as_primary=False) is None
                assert "1045" in probe.problem
                tried.append(server.came)
                now += 1.0

        assert tried == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]

    run(scenario)


def test_without_a_service_account_any_more_no_lag_is_known() -> None:
    async def scenario() -> None:
        top = {"service": {"user": "dbmux", "password": PASSWORD.decode()}}
        async with monitored(top=top) as (found, monitor):
            await monitor.look()
            assert found.backend("one").lag_s == 0.0

            await found.engine.apply(found.engine.config.model_copy(update={"service": None}), "test", ())

            assert found.backend("one").lag_s is None
            assert found.engine.lags() == {}

    run(scenario)


def test_writes_are_not_held_up_because_the_service_account_gets_no_answer() -> None:
    async def scenario() -> None:
        async with monitored(roles="auto", top={"service": {"user": "nobody"}}) as (found, monitor):
            main = found.engine.frontend.topology.groups["main"]
            found.members["primary"].refusal = Err(number=1227, sqlstate=b"42000", message=b"Access denied")

            await monitor.look()
            assert main.is_writable
            main.is_writable = False
            await monitor.look()

            assert main.is_writable
            assert main.primary is found.backend("primary")
            # Nor do they go to a replica that somebody forgot to make read-only.
            found.members["two"].is_read_only = False
            await monitor.look()
            assert main.primary is found.backend("primary")

    run(scenario)


def test_the_primary_is_who_takes_writes() -> None:
    async def scenario() -> None:
        async with monitored(roles="auto", top={"service": {"user": "nobody"}}) as (found, monitor):
            main = found.engine.frontend.topology.groups["main"]
            found.members["primary"].is_read_only = True

            await monitor.look()
            assert not main.is_writable
            found.members["two"].is_read_only = False
            await monitor.look()

            assert main.is_writable
            assert main.primary is found.backend("two")
            assert {replica.name for replica in main.replicas} == {"primary", "one"}
            changes = [event for event in told(found) if isinstance(event, PrimaryChanged)]
            assert [(event.before, event.after) for event in changes] == [("primary", "two")]

    run(scenario)


def test_a_primary_that_refused_a_write_since_it_was_asked_is_asked_again() -> None:
    async def scenario() -> None:
        async with monitored(roles="auto", top={"service": {"user": "nobody"}}) as (found, monitor):
            main, one = found.engine.frontend.topology.groups["main"], found.members["one"]
            tell = one.answer

            def refused_meanwhile(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
                # The replicas are asked when the primary has answered.
                main.doubt()
                told: bytes | None = tell(protocol, command)
                return told

            one.answer = refused_meanwhile
            await monitor.look()
            assert not main.is_writable

            one.answer = tell
            await monitor.look()
            assert main.is_writable

    run(scenario)


def test_of_two_that_take_writes_the_present_primary_stays_and_it_is_told_once() -> None:
    async def scenario() -> None:
        async with monitored(roles="auto", top={"service": {"user": "nobody"}}) as (found, monitor):
            found.members["two"].is_read_only = False

            await monitor.look()
            await monitor.look()

            assert found.engine.frontend.topology.groups["main"].primary is found.backend("primary")
            warned = [event.message for event in told(found) if isinstance(event, Warned) and "two" in event.message]
            assert len([message for message in warned if "take writes" in message]) == 1

    run(scenario)


def test_it_asks_outside_of_the_pool_and_leaves_no_connection_behind() -> None:
    async def scenario() -> None:
        async with monitored() as (found, monitor):
            await monitor.look()
            await monitor.look()

            assert found.backend("one").pool.taken == 0
            assert found.members["one"].logins == 1
            monitor.close()
            while found.members["one"].open > 0:
                await found.members["one"].changed.wait()
                found.members["one"].changed.clear()
            assert (Command.QUIT, b"") in found.members["one"].commands

    run(scenario)
