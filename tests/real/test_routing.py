"""A primary and two replicas with real replication: what goes where, and what their failures do to clients."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from dbmux.errors import BackendRefused
from dbmux.playground import playground, recipe, replication
from dbmux.playground.client import Client
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind, parse_wish
from tests.real.conftest import own_playground, serve
from tests.real.ports import free_port

pytestmark = pytest.mark.real

PRIMARY, REPLICA1, REPLICA2 = "1", "2", "3"
ACCOUNT = ("app", "app-password")
# Each of these configurations has a DbMux of its own.
WAYS: dict[str, dict[str, object]] = {
    "session": {},
    "gtid": {"read_your_writes": "gtid", "read_your_writes_wait": "200ms"},
    "auto": {"roles": "auto", "read_your_writes": "off"},
}
READ = "SELECT server FROM shop.answered_by"
READERS = 8


@dataclass(frozen=True, slots=True)
class Cluster:
    """A primary and two replicas; `ports` are those of each DbMux in front."""

    nodes: dict[str, Node]
    ports: dict[str, int]
    up: Callable[[], object]

    @property
    def primary(self) -> Node:
        return self.nodes["primary"]

    @property
    def replica(self) -> Node:
        return self.nodes["replica1"]

    def client(self, way: str = "session") -> Client:
        return Client("127.0.0.1", self.ports[way], *ACCOUNT)

    def readers(self, way: str = "session") -> set[str]:
        """Which servers answer the reads of a session that wrote nothing."""
        with self.client(way) as client:
            return {_value(client, READ) for _ in range(20)}

    def word(self, statement: str) -> str:
        """A statement about replication in the words of these servers."""
        return statement if self.primary.software.kind is Kind.MYSQL else statement.replace("REPLICA", "SLAVE")

    @contextmanager
    def stopped_applying(self, *names: str) -> Iterator[None]:
        """Replicas that get writes and do not apply them."""
        for name in names:
            self.nodes[name].run(self.word("STOP REPLICA SQL_THREAD"))
        try:
            yield
        finally:
            for name in names:
                self.nodes[name].run(self.word("START REPLICA SQL_THREAD"))

    @contextmanager
    def killed(self, node: Node) -> Iterator[None]:
        """A server that vanished, and is started again."""
        _send(node, signal.SIGKILL)
        until(lambda: node.pid is None)
        try:
            yield
        finally:
            self.up()

    def switch_over(self, before: Node, after: Node) -> None:
        """Another server is the primary, as an administrator does it: nothing is lost."""
        is_mysql = before.software.kind is Kind.MYSQL
        before.run(f"SET GLOBAL {'super_read_only' if is_mysql else 'read_only'} = ON")
        replication.follow(after, before)
        writable = "SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF"
        after.run(self.word("STOP REPLICA; RESET REPLICA ALL; ") + (writable if is_mysql else writable.split("; ")[1]))
        for node in self.nodes.values():
            if node is not after:
                replication.follow(node, after)


@pytest.fixture(scope="module", params=["mariadb:10.11", "mysql:9"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("replicas")
    places = own_playground(folder / "data")
    chosen, wish = recipe.load("replicas"), parse_wish(request.param)
    scenario = playground.up(chosen, (wish,), places, print)
    nodes = {node.name: node for node in scenario.nodes}
    nodes["primary"].run(
        "CREATE TABLE shop.counters (id INT PRIMARY KEY, n INT); INSERT INTO shop.counters VALUES (1, 0)"
    )
    nodes["primary"].run("CREATE TABLE shop.notes (id INT PRIMARY KEY AUTO_INCREMENT, writer INT, n INT)")
    ports = {way: free_port() for way in WAYS}
    processes = [serve(folder / way, _config(nodes, ports[way], options)) for way, options in WAYS.items()]
    found = Cluster(nodes, ports, lambda: playground.up(chosen, (wish,), places, print))
    try:
        for way in WAYS:
            until(lambda way=way: _serves(found, way))  # type: ignore[misc]
        yield found
    finally:
        for process in processes:
            process.terminate()
        playground.stop(list(playground.nodes(places)))
        assert [process.wait(30) for process in processes] == [0] * len(processes)


def _config(nodes: dict[str, Node], port: int, options: dict[str, object]) -> dict[str, object]:
    group = {"primary": "primary", "replicas": ["replica1", "replica2"], "max_lag": "2s", "slow_start": "1s"}
    return {
        "listen": f"127.0.0.1:{port}",
        "backends": {name: f"127.0.0.1:{node.port}" for name, node in nodes.items()},
        "groups": {"shop": group | options},
        "users": dict([ACCOUNT]),
        "service": {"user": "dbmux", "password": "dbmux-password"},
    }


def _serves(cluster: Cluster, way: str) -> bool:
    try:
        return cluster.readers(way) == {REPLICA1, REPLICA2}
    except OSError:
        return False


def until(is_so: Callable[[], bool], seconds: float = 30.0) -> float:
    """Wait for something; returns how long it took."""
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)
    return time.monotonic() - begun


def _value(client: Client, sql: str) -> str:
    return str(client.query(sql).rows[0][0])


def _send(node: Node, number: signal.Signals) -> None:
    pid = node.pid
    assert pid is not None
    os.kill(pid, number)


@dataclass(slots=True)
class Load:
    """What sessions that send a statement again and again saw, while the block below `running` ran."""

    answered: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @classmethod
    @contextmanager
    def running(cls, cluster: Cluster, way: str, statements: Sequence[str]) -> Iterator[Load]:
        load, over = cls(), threading.Event()

        def send(sql: str) -> None:
            with cluster.client(way) as client:
                while not over.is_set():
                    begun = time.monotonic()
                    try:
                        rows = client.query(sql).rows
                    except (OSError, BackendRefused) as error:
                        load.errors.append(str(error))
                        return
                    load.seconds.append(time.monotonic() - begun)
                    load.answered[str(rows[0][0]) if rows else sql] += 1

        threads = [threading.Thread(target=send, args=(sql,)) for sql in statements]
        for thread in threads:
            thread.start()
        try:
            yield load
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def goes_on(self, count: int = 200) -> float:
        """Wait for so many further answers."""
        wanted = len(self.seconds) + count
        return until(lambda: len(self.seconds) >= wanted or bool(self.errors))


class TestWhatGoesWhere:
    def test_reads_go_to_both_replicas_and_writes_to_the_primary(self, cluster: Cluster) -> None:
        assert cluster.readers() == {REPLICA1, REPLICA2}

        with cluster.client() as client:
            client.query("INSERT INTO shop.notes (writer, n) VALUES (0, @@server_id)")
            client.query("START TRANSACTION")
            assert {_value(client, READ) for _ in range(5)} == {PRIMARY}
            client.query("COMMIT")

        assert cluster.primary.run("SELECT n FROM shop.notes WHERE writer = 0", "-N").strip() == PRIMARY


@pytest.mark.parametrize("way", ["session", "gtid"])
class TestOwnWrites:
    def test_a_read_right_behind_a_write_has_it(self, way: str, cluster: Cluster) -> None:
        until(lambda: cluster.readers(way) == {REPLICA1, REPLICA2})

        seen = _write_and_read(cluster, way, 50)

        print(f"{way}: {seen}")
        assert set(seen) <= {PRIMARY, REPLICA1, REPLICA2}
        if way == "gtid":
            assert seen[REPLICA1] + seen[REPLICA2] > seen[PRIMARY]

    @pytest.mark.parametrize("late", [("replica1",), ("replica1", "replica2")], ids=["one", "both"])
    def test_also_while_replicas_do_not_apply_it(self, late: tuple[str, ...], way: str, cluster: Cluster) -> None:
        with cluster.stopped_applying(*late):
            seen = _write_and_read(cluster, way, 5 if len(late) == 2 else 20)

        print(f"{way}, {late}: {seen}")
        assert REPLICA1 not in seen
        assert len(late) == 1 or set(seen) == {PRIMARY}

    def test_a_write_is_read_from_a_replica_as_soon_as_that_has_it(self, way: str, cluster: Cluster) -> None:
        with cluster.client(way) as client:
            client.query("UPDATE shop.counters SET n = n + 1 WHERE id = 1")

            took = until(lambda: _value(client, READ) != PRIMARY)

        print(f"{way}: at a replica after {took:.2f} s")
        assert took < 10


def _write_and_read(cluster: Cluster, way: str, count: int) -> Counter[str]:
    # By which servers the reads were answered, each of which had the value just written.
    seen = Counter[str]()
    with cluster.client(way) as client:
        for n in range(1, count + 1):
            client.query(f"UPDATE shop.counters SET n = {n} WHERE id = 1")
            value, server = client.query("SELECT n, server FROM shop.counters, shop.answered_by WHERE id = 1").rows[0]
            assert value == str(n), f"an old value of server {server}"
            seen[str(server)] += 1
    return seen


def test_a_replica_that_falls_behind_takes_no_reads_until_it_has_caught_up(cluster: Cluster) -> None:
    until(lambda: cluster.readers() == {REPLICA1, REPLICA2})
    with cluster.stopped_applying("replica1"):
        with cluster.client() as client:
            client.query("UPDATE shop.counters SET n = 0 WHERE id = 1")
        left = until(lambda: cluster.readers() == {REPLICA2})

    back = until(lambda: cluster.readers() == {REPLICA1, REPLICA2})
    print(f"left out after {left:.1f} s, back after {back:.1f} s")


class TestReplicas:
    def test_no_read_fails_when_one_is_killed_and_it_takes_reads_again(self, cluster: Cluster) -> None:
        with Load.running(cluster, "session", [READ] * READERS) as load:
            load.goes_on()
            with cluster.killed(cluster.replica):
                load.goes_on(500)
                assert cluster.readers() == {REPLICA2}
            back = until(lambda: REPLICA1 in cluster.readers())
            load.goes_on(500)

        print(f"{load.answered}, longest {max(load.seconds):.2f} s, back after {back:.1f} s")
        assert load.errors == []
        assert min(load.answered[REPLICA1], load.answered[REPLICA2]) > 100

    def test_one_that_hangs_holds_only_the_reads_that_it_has(self, cluster: Cluster) -> None:
        until(lambda: cluster.readers() == {REPLICA1, REPLICA2})
        with Load.running(cluster, "session", [READ] * READERS) as load:
            load.goes_on()
            _send(cluster.replica, signal.SIGSTOP)
            try:
                time.sleep(4)
                before = len(load.seconds)
                load.goes_on(100)
            finally:
                _send(cluster.replica, signal.SIGCONT)
            back = until(lambda: REPLICA1 in cluster.readers())

        late = sorted(second for second in load.seconds if second > 0.3)
        print(f"{load.answered}, {before} before, late ones {[round(one, 2) for one in late]}, back after {back:.1f} s")
        assert load.errors == []
        assert len(late) <= 2 * READERS


class TestPrimary:
    def test_when_it_is_killed_writes_fail_with_the_right_error_and_reads_go_on(self, cluster: Cluster) -> None:
        until(lambda: cluster.readers() == {REPLICA1, REPLICA2})
        insert = "INSERT INTO shop.notes (writer, n) VALUES (9, 9)"
        slow = "UPDATE shop.counters SET n = n + 1 WHERE id = 1 AND SLEEP(20) = 0"
        client = cluster.client()
        with Load.running(cluster, "session", [READ] * 4) as load, Load.running(cluster, "session", [slow]) as writes:
            until(lambda: "SLEEP" in cluster.primary.run("SHOW FULL PROCESSLIST").replace("SHOW", ""))
            with cluster.killed(cluster.primary):
                until(lambda: bool(writes.errors))
                with pytest.raises(BackendRefused) as refused:
                    client.query(insert)
                assert cluster.readers() == {REPLICA1, REPLICA2}
                load.goes_on(500)
            back = until(lambda: _succeeds(client, insert))
            client.__exit__()

        print(
            f"{writes.errors}, {refused.value}; reads: {load.answered}, longest {max(load.seconds):.2f} s; {back:.1f} s"
        )
        assert "2013" in writes.errors[0]
        assert "1429" in str(refused.value)
        assert load.errors == []

    def test_a_switch_over_makes_writes_wait_and_none_fail(self, cluster: Cluster) -> None:
        primary, other = cluster.primary, cluster.replica
        statements = [f"INSERT INTO shop.notes (writer, n) VALUES ({100 + at}, 1)" for at in range(4)]
        with Load.running(cluster, "auto", statements) as load:
            load.goes_on()
            cluster.switch_over(primary, other)
            load.goes_on()
            between = int(other.run("SELECT COUNT(*) FROM shop.notes WHERE writer >= 100", "-N"))
            cluster.switch_over(other, primary)
            load.goes_on()

        written = int(primary.run("SELECT COUNT(*) FROM shop.notes WHERE writer >= 100", "-N"))
        print(f"{written} written, {between} by the middle, longest {sorted(load.seconds)[-8:]}")
        assert load.errors == []
        assert written == sum(load.answered.values())


def _succeeds(client: Client, sql: str) -> bool:
    try:
        client.query(sql)
    except BackendRefused:
        return False
    return True
