"""What the monitor says of real replication: how far a replica is, what it surely has, and who is the primary."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import platformdirs
import pytest
import uvloop

from dbmux.address import TcpAddress
from dbmux.backend.group import Group
from dbmux.backend.monitor import Monitor, Probe
from dbmux.backend.server import Backend, BackendState
from dbmux.config.grants import grants
from dbmux.config.model import Account, BackendConfig, Config, GroupConfig, Roles
from dbmux.events import Event, PrimaryChanged, Warned
from dbmux.net.dial import dial
from dbmux.playground import replication
from dbmux.playground.client import Client
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind, NoServer, find, parse_wish
from dbmux.playground.replication import Part
from tests.real.conftest import SERVERS
from tests.real.ports import free_port

pytestmark = pytest.mark.real

SERVICE = Account(user="dbmux", password="service-pass")
UNABLE = Account(user="unable", password="unable-pass")
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary and its replica."""

    primary: Node
    replica: Node

    @property
    def is_mysql(self) -> bool:
        return self.primary.software.kind is Kind.MYSQL

    def on_replica(self, statement: str) -> None:
        """Run a statement about replication in the words of this server."""
        old = (
            statement.replace("SOURCE_", "MASTER_").replace("REPLICATION SOURCE", "MASTER").replace("REPLICA", "SLAVE")
        )
        self.replica.run(statement if self.is_mysql else old)

    def write(self) -> None:
        self.primary.run("INSERT INTO test.written VALUES ()")

    @contextmanager
    def stopped(self, thread: str) -> Iterator[None]:
        """Replication of which one thread does not run."""
        self.on_replica(f"STOP REPLICA {thread}")
        try:
            yield
        finally:
            self.on_replica(f"START REPLICA {thread}")

    def client(self, node: Node) -> Client:
        return Client("127.0.0.1", node.port, "app", "app-pass")


@dataclass(slots=True)
class Watched:
    """A monitor that looks when it is told to."""

    group: Group
    account: Account
    events: list[Event] = field(default_factory=list)
    monitor: Monitor = field(init=False)

    def __post_init__(self) -> None:
        self.monitor = Monitor(self.group, self.account, self.events.append)

    @property
    def replica(self) -> Backend:
        (replica,) = self.group.replicas
        return replica

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Look until something is so."""
        begun = perf_counter()
        await self.monitor.look()
        while not is_so():
            assert perf_counter() - begun < PATIENCE_S, (self.replica.lag_s, self.warnings)
            await self.monitor.look()


Scenario = Callable[[Watched], Awaitable[None]]


def watch(pair: Pair, scenario: Scenario, account: Account = SERVICE, roles: Roles = Roles.FIXED) -> None:
    async def run() -> None:
        config = GroupConfig(primary="primary", replicas=("replica",), roles=roles)
        watched = Watched(Group("main", config, _backend(pair.primary), (_backend(pair.replica),)), account)
        try:
            await scenario(watched)
        finally:
            watched.monitor.close()

    uvloop.run(run())


def _backend(node: Node) -> Backend:
    config = BackendConfig(address=TcpAddress("127.0.0.1", node.port))
    return Backend(node.name, config, dial=dial, tls=None, connect_timeout_s=5.0)


@pytest.fixture(scope="module", params=SERVERS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    try:
        software = find(parse_wish(request.param), platformdirs.user_cache_path("dbmux") / "servers", print)
    except NoServer as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("replication")
    nodes = []
    for number, part in enumerate(Part, 1):
        options = replication.options(part, software.kind, number)
        nodes.append(Node(part.value, software, folder / part.value, options))
    try:
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda node: node.start(free_port), nodes))
        primary, replica = nodes
        primary.run(_accounts(primary, replica))
        replication.follow(replica, primary)
        yield Pair(primary, replica)
    finally:
        # A primary whose replica is still there takes its time to end.
        for node in reversed(nodes):
            node.stop()


def _accounts(primary: Node, replica: Node) -> str:
    config = Config.model_validate(
        {
            "backends": {node.name: f"127.0.0.1:{node.port}" for node in (primary, replica)},
            "groups": {"main": {"primary": "primary", "replicas": ("replica",)}},
            "users": {"app": "app-pass"},
            "service": {"user": SERVICE.user, "password": SERVICE.password},
        }
    )
    # As it is printed, on either family: what an administrator would run.
    lines = [grants(config).replace("<the password of service>", SERVICE.password)]
    if primary.software.kind is Kind.MARIADB:
        lines.insert(0, "SET sql_log_bin=0; DELETE FROM mysql.global_priv WHERE User=''; FLUSH PRIVILEGES;")
        lines.insert(1, "SET sql_log_bin=1;")
        primary_only = "REVOKE READ_ONLY ADMIN ON *.* FROM 'app'@'%';"
    else:
        primary_only = ""
    return "\n".join(
        [
            *lines,
            f"CREATE USER '{UNABLE.user}'@'%' IDENTIFIED BY '{UNABLE.password}';",
            "CREATE USER 'app'@'%' IDENTIFIED BY 'app-pass'; GRANT ALL ON *.* TO 'app'@'%';",
            primary_only,
            replication.account(),
            "CREATE DATABASE IF NOT EXISTS test;",
            "CREATE TABLE test.written (id INT PRIMARY KEY AUTO_INCREMENT);",
            "CREATE TABLE test.own (id INT PRIMARY KEY AUTO_INCREMENT);",
        ]
    )


@pytest.mark.parametrize("account", [SERVICE, UNABLE], ids=["with rights", "without"])
def test_a_replica_that_follows_is_not_behind_and_has_what_was_written(pair: Pair, account: Account) -> None:
    async def scenario(watched: Watched) -> None:
        pair.write()
        written_at = perf_counter()

        await watched.until(lambda: watched.replica.applied_until >= written_at)

        assert watched.replica.lag_s == 0.0
        assert watched.warnings == []

    watch(pair, scenario, account)


@pytest.mark.parametrize("thread", ["SQL_THREAD", "IO_THREAD"])
def test_one_that_does_not_follow_is_behind_by_more_and_more(pair: Pair, thread: str) -> None:
    async def scenario(watched: Watched) -> None:
        await watched.until(lambda: watched.replica.lag_s == 0.0)
        with pair.stopped(thread):
            pair.write()
            written_at = perf_counter()

            await watched.monitor.look()
            first = watched.replica.lag_s
            await watched.monitor.look()
            second = watched.replica.lag_s

            assert first is not None
            assert second is not None
            assert 0 < first < second
            assert watched.replica.applied_until < written_at
        await watched.until(lambda: watched.replica.applied_until >= written_at)
        assert watched.replica.lag_s == 0.0

    watch(pair, scenario)


@pytest.mark.parametrize("thread", ["SQL_THREAD", "IO_THREAD"])
def test_of_one_that_never_had_what_was_seen_nothing_is_known_while_a_thread_is_broken(pair: Pair, thread: str) -> None:
    async def scenario(watched: Watched) -> None:
        with pair.stopped(thread):
            pair.write()

            await watched.monitor.look()

            assert watched.replica.lag_s is None
            assert watched.replica.applied_until == 0.0

    watch(pair, scenario)


def test_what_it_is_said_to_have_can_be_read_there(pair: Pair) -> None:
    # MariaDB counts it from the beginning of a second: of one second next to nothing may be left, each time.
    pair.on_replica("STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_DELAY=2; START REPLICA")
    written: list[tuple[str, float]] = []
    lags = set[float | None]()

    def was_late() -> bool:
        # A server may count whole seconds, and find the first ones too few.
        return any(lag is not None and lag > 0.5 for lag in lags)

    async def scenario(watched: Watched) -> None:
        replica = watched.replica
        await watched.until(lambda: replica.applied_until > 0)
        with pair.client(pair.primary) as primary, pair.client(pair.replica) as reader:
            checked = 0
            # Until then nothing has been proved.
            while checked < 50 or not was_late():
                if len(written) < 50 or not was_late():
                    primary.query("INSERT INTO test.written VALUES ()")
                    (row,) = primary.query("SELECT MAX(id) FROM test.written").rows
                    written.append((str(row[0]), perf_counter()))
                await watched.monitor.look()
                lags.add(replica.lag_s)
                ids = {str(row[0]) for row in reader.query("SELECT id FROM test.written").rows}
                known = [one for one, written_at in written if written_at <= replica.applied_until]
                assert set(known) <= ids
                checked = len(known)

    try:
        watch(pair, scenario)
    finally:
        pair.on_replica("STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_DELAY=0; START REPLICA")


def test_a_replica_says_how_far_it_is_behind_to_who_has_the_right_of_the_printed_grants(pair: Pair) -> None:
    async def scenario(watched: Watched) -> None:
        able, unable = Probe(watched.replica, SERVICE), Probe(watched.replica, UNABLE)
        await watched.until(lambda: watched.replica.lag_s == 0.0)

        async with asyncio.timeout(PATIENCE_S):
            # Its threads may just have been started.
            while await able.seconds_behind() is None:
                await watched.monitor.look()
        assert await unable.seconds_behind() is None

        assert able.problem == ""
        assert "1227" in unable.problem
        for thread in ("SQL_THREAD", "IO_THREAD"):
            with pair.stopped(thread):
                assert await able.seconds_behind() is None
        able.close()
        unable.close()

    watch(pair, scenario)


def test_the_primary_is_whichever_is_not_read_only(pair: Pair) -> None:
    variable = "super_read_only" if pair.is_mysql else "read_only"
    off = "SET GLOBAL super_read_only=OFF; SET GLOBAL read_only=OFF" if pair.is_mysql else "SET GLOBAL read_only=OFF"

    async def scenario(watched: Watched) -> None:
        group = watched.group
        before, after = group.primary, watched.replica
        await watched.monitor.look()

        pair.primary.run(f"SET GLOBAL {variable}=ON")
        await watched.monitor.look()
        assert (group.primary, group.is_writable) == (before, False)

        pair.replica.run(off)
        await watched.monitor.look()
        assert (group.primary, group.is_writable) == (after, True)

        pair.primary.run(off)
        await watched.monitor.look()
        await watched.monitor.look()
        assert group.primary is after
        assert watched.warnings == ["main: replica and primary take writes"]

        pair.replica.run(f"SET GLOBAL {variable}=ON")
        await watched.monitor.look()
        assert group.primary is before
        changes = [event for event in watched.events if isinstance(event, PrimaryChanged)]
        assert [(event.before, event.after) for event in changes] == [("primary", "replica"), ("replica", "primary")]

    watch(pair, scenario, roles=Roles.AUTO)


def test_a_server_that_hangs_is_asked_for_so_long_and_no_longer(pair: Pair) -> None:
    async def scenario(watched: Watched) -> None:
        await watched.until(lambda: watched.replica.lag_s == 0.0)
        pid = pair.replica.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            await watched.monitor.look()
            took = time.monotonic() - begun
        finally:
            os.kill(pid, signal.SIGCONT)

        assert took < 4
        assert watched.replica.lag_s is None
        assert watched.replica.is_suspect
        assert watched.replica.state is not BackendState.DOWN
        await watched.until(lambda: watched.replica.lag_s == 0.0)

    watch(pair, scenario)


def test_what_a_replica_wrote_itself_does_not_count_as_the_primarys(pair: Pair) -> None:
    if not pair.is_mysql:
        # Or it would refuse the primary's next write, which has a number that it used itself.
        pair.replica.run("SET GLOBAL gtid_strict_mode=OFF")

    async def scenario(watched: Watched) -> None:
        await watched.until(lambda: watched.replica.lag_s == 0.0)
        with pair.stopped("SQL_THREAD"):
            off, on = (
                ("SET GLOBAL super_read_only=OFF;", "SET GLOBAL super_read_only=ON") if pair.is_mysql else ("", "")
            )
            pair.replica.run(f"{off} INSERT INTO test.own VALUES (); INSERT INTO test.own VALUES (); {on}")
            pair.write()
            written_at = perf_counter()

            await watched.monitor.look()

            assert watched.replica.lag_s != 0.0
            assert watched.replica.applied_until < written_at
        await watched.until(lambda: watched.replica.applied_until >= written_at)

    watch(pair, scenario)


def test_without_gtids_the_replica_is_asked_and_own_writes_are_never_known_to_be_there(pair: Pair) -> None:
    if not pair.is_mysql:
        pytest.skip("MariaDB always has GTIDs")
    pair.replica.run("STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=0; START REPLICA")
    for mode in ("ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"):
        for node in (pair.primary, pair.replica):
            node.run(f"SET GLOBAL gtid_mode={mode}")
    pair.write()

    async def told(watched: Watched) -> None:
        await watched.until(lambda: watched.replica.lag_s == 0.0)

        assert watched.replica.applied_until == 0.0
        with pair.stopped("SQL_THREAD"):
            await watched.monitor.look()
            assert watched.replica.lag_s is None
        assert watched.warnings == []

    async def untold(watched: Watched) -> None:
        await watched.monitor.look()
        await watched.monitor.look()

        assert watched.replica.lag_s is None
        (warning,) = watched.warnings
        assert warning.startswith("replica does not tell how it stands: 1227")

    watch(pair, told)
    watch(pair, untold, UNABLE)
