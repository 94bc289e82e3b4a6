"""A mirror under attack: writers, and kill -9 of everything at any moment. Nothing is lost or done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pymysql
import pytest
import uvloop

from dbmux.backend.service import Service
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind
from dbmux.sync.verify.result import Verdict, overall
from dbmux.sync.verify.run import Wish, verify
from dbmux.sync.verify.settle import Delay
from tests.real.conftest import SERVERS, serve
from tests.real.mirroring import ACCOUNT, Silent, backend, started
from tests.real.ports import free_port

pytestmark = pytest.mark.real

SECONDS = float(os.environ.get("DBMUX_TORTURE_SECONDS", 6))
PATIENCE_S = 150.0
WRITERS = 4
ROWS = 200


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    root = tmp_path_factory.mktemp("torture")
    running: dict[str, Node] = {}
    try:
        for number, name in enumerate(SERVERS):
            running[name] = started(name, root, number + 1, "--max-connections=500")
        yield running
    finally:
        for node in running.values():
            node.stop()


def connect(node: Node, **options: Any) -> Any:
    """Whoever writes goes past DbMux."""
    return pymysql.connect(
        host="127.0.0.1", port=node.port, user=ACCOUNT.user, password=ACCOUNT.password, read_timeout=20, **options
    )


class Proxy:
    """A `dbmux serve` that mirrors one server on another, and can be killed."""

    def __init__(self, folder: Path, source: Node, target: Node, schema: str) -> None:
        self._folder = folder
        self._config = {
            "listen": f"127.0.0.1:{free_port()}",
            "backends": {
                "old": {"address": f"127.0.0.1:{source.port}", "tls": "off"},
                "new": {"address": f"127.0.0.1:{target.port}", "tls": "off"},
            },
            "default": "old",
            "service": {"user": ACCOUNT.user, "password": ACCOUNT.password},
            "mirrors": {schema: {"from": "old", "to": "new", "ddl": "apply", "tables": [f"{schema}.*"]}},
        }
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._folder.chmod(0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(self._folder)
        self._process = serve(self._folder, self._config)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def asked(self, *words: str) -> Any:
        """What `dbmux mirror` says; None while nobody answers."""
        command = (sys.executable, "-m", "dbmux.cli", "mirror", *words, "--json")
        done = subprocess.run(command, capture_output=True, env=self._environment, check=False)
        return json.loads(done.stdout) if not done.returncode else None


def until(is_so: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


class Writers:
    """Sessions that change rows in transactions of every shape; each row's `version` only grows."""

    def __init__(self, node: Node, schema: str, seed: int) -> None:
        self._node = node
        self._schema = schema
        self._over = threading.Event()
        self._versions = iter(range(1, 1 << 62))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(Random(seed + n),)) for n in range(WRITERS)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _version(self) -> int:
        with self._lock:
            return next(self._versions)

    def _write(self, random: Random) -> None:
        while not self._over.is_set():
            # The server is killed now and then; deadlocks are a part of life.
            with suppress(pymysql.Error, OSError):
                connection = connect(self._node, database=self._schema)
                try:
                    while not self._over.is_set():
                        with suppress(pymysql.err.IntegrityError, pymysql.err.OperationalError):
                            self._transact(connection, random)
                        connection.rollback()
                        # What comes is more than a target keeps up with, and not more than it catches up with.
                        self._over.wait(0.01)
                finally:
                    connection.close()

    def _transact(self, connection: Any, random: Random) -> None:
        shape = random.choice(("one", "many", "savepoint", "rolled back", "two phases", "definition", "large"))
        with connection.cursor() as cursor:
            match shape:
                case "two phases":
                    name = f"'{self._version()}'"
                    cursor.execute(f"XA START {name}")
                    try:
                        self._change(cursor, random)
                    finally:
                        cursor.execute(f"XA END {name}")
                        cursor.execute(f"XA PREPARE {name}")
                        cursor.execute(f"XA {random.choice(('COMMIT', 'COMMIT', 'ROLLBACK'))} {name}")
                    return
                case "definition" if random.random() < 0.03:
                    table = f"made_{random.randrange(3)}"
                    cursor.execute(f"DROP TABLE IF EXISTS {table}")
                    cursor.execute(f"CREATE TABLE {table} (a INT PRIMARY KEY)")
                    cursor.execute(f"ALTER TABLE {table} ADD COLUMN b INT DEFAULT 5")
                    cursor.execute(f"INSERT INTO {table} (a) VALUES (1), (2)")
                    return
                case "large" if random.random() < 0.1:
                    values = ", ".join(f"({self._version()}, REPEAT('x', 500))" for _ in range(1000))
                    cursor.execute(f"INSERT INTO log VALUES {values}")
            cursor.execute("BEGIN")
            for _ in range(1 if shape == "one" else random.randrange(1, 8)):
                self._change(cursor, random)
            if shape == "savepoint":
                cursor.execute("SAVEPOINT s")
                self._change(cursor, random)
                cursor.execute("ROLLBACK TO s")
            cursor.execute("ROLLBACK" if shape == "rolled back" else "COMMIT")

    def _change(self, cursor: Any, random: Random) -> None:
        row, version = random.randrange(ROWS), self._version()
        match random.randrange(5):
            case 0:
                cursor.execute(
                    f"INSERT INTO rows_ VALUES ({row}, {version}, '{version}') ON DUPLICATE KEY UPDATE v = {version}"
                )
            case 1:
                cursor.execute(f"UPDATE rows_ SET v = {version}, t = CONCAT(t, 'x') WHERE id = {row}")
            case 2:
                cursor.execute(f"DELETE FROM rows_ WHERE id = {row}")
            case 3:
                cursor.execute(f"REPLACE INTO rows_ VALUES ({row}, {version}, NULL)")
            case _:
                cursor.execute(f"INSERT INTO log VALUES ({version}, 'é')")


class Watcher:
    """Looks at the target all the time: a row's version never goes back."""

    def __init__(self, node: Node, schema: str) -> None:
        self._node = node
        self._schema = schema
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.went_back: list[tuple[int, int, int]] = []
        self.looks = 0

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        seen: dict[int, int] = {}
        while not self._over.is_set():
            with suppress(pymysql.Error, OSError):
                connection = connect(self._node, database=self._schema, autocommit=True)
                with connection, connection.cursor() as cursor:
                    while not self._over.wait(0.02):
                        cursor.execute("SELECT id, v FROM rows_")
                        for row, version in cursor.fetchall():
                            if version < seen.get(row, 0):
                                self.went_back.append((row, seen[row], version))
                            seen[row] = version
                        self.looks += 1


def attack(random: Random, proxy: Proxy, source: Node, target: Node) -> None:
    """Kill something, and have it back."""
    match random.choice(("proxy", "proxy", "target", "source", "connections")):
        case "proxy":
            proxy.kill()
            proxy.start()
        case "target":
            kill(target)
        case "source":
            kill(source)
        case _:
            for node in (source, target):
                with suppress(pymysql.Error), connect(node) as connection, connection.cursor() as cursor:
                    cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()")
                    for (number,) in cursor.fetchall():
                        with suppress(pymysql.Error):
                            cursor.execute(f"KILL {number}")


def kill(node: Node) -> None:
    pid, port = node.pid, node.port
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: node.pid is None)
    # There, though the system still remembers connections.
    node.start(lambda: port)


def logged(node: Node) -> int:
    """How many transactions stand in the server's log."""
    with connect(node) as connection, connection.cursor() as cursor:
        if node.software.kind is Kind.MARIADB:
            cursor.execute("SELECT @@gtid_binlog_pos")
            return int(str(cursor.fetchone()[0] or "0-0-0").rsplit("-", 1)[1])
        cursor.execute("SELECT @@gtid_executed")
        intervals = [part for group in cursor.fetchone()[0].split(",") for part in group.strip().split(":")[1:]]
        ends = [interval.partition("-") for interval in intervals]
        return sum(int(last or first) - int(first) + 1 for first, _, last in ends)


def differences(source: Node, target: Node, schema: str) -> list[dict[str, Any]]:
    async def compare() -> list[dict[str, Any]]:
        first, second = [await Service.connect(backend(node), ACCOUNT) for node in (source, target)]
        results = await verify((first, second), Wish(patterns=(f"{schema}.*",), passage=Delay(0.2)), Silent())
        first.close()
        second.close()
        assert results
        return [] if overall(results) is Verdict.EQUAL else [result.as_json() for result in results]

    return uvloop.run(compare())


@pytest.mark.timeout(600 + SECONDS)
@pytest.mark.parametrize("names", list(permutations(SERVERS, 2)), ids=" to ".join)
def test_nothing_is_lost_or_done_twice_whatever_is_killed(
    names: tuple[str, str], nodes: dict[str, Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = (nodes[name] for name in names)
    random = Random(0)
    schema = f"torture_{SERVERS.index(names[0])}_{SERVERS.index(names[1])}"
    for node in (source, target):
        with connect(node) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {schema} CHARACTER SET utf8mb4")
            cursor.execute(f"CREATE TABLE {schema}.rows_ (id INT PRIMARY KEY, v BIGINT, t VARCHAR(999))")
            cursor.execute(f"CREATE TABLE {schema}.log (v BIGINT PRIMARY KEY, t VARCHAR(999))")
    proxy = Proxy(tmp_path, source, target, schema)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    proxy.start()
    try:
        until(lambda: proxy.asked("status") is not None)
        assert proxy.asked("start") is not None
        before = logged(source)

        with Watcher(target, schema) as watcher, Writers(source, schema, 7):
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(random.uniform(0.2, 1.5))
                attack(random, proxy, source, target)
        finish_prepared(source)
        wanted = logged(source) - before

        def has_all() -> bool:
            status = proxy.asked("status")
            assert not status or status[0]["state"] != "halted", status
            return bool(status) and status[0]["transactions"] == wanted and status[0]["state"] == "running"

        until(has_all, lambda: f"{wanted} transactions wanted: {proxy.asked('status')}")
        assert differences(source, target, schema) == []
        assert watcher.went_back == []
        assert watcher.looks
        assert wanted > 100
    finally:
        proxy.kill()


def finish_prepared(node: Node) -> None:
    """Roll back what its session could not end any more."""
    with connect(node, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("XA RECOVER")
        for _, length, _, name in cursor.fetchall():
            cursor.execute("XA ROLLBACK %s", (name[:length],))
