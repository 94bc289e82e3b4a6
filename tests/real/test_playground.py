"""The playground's commands with real servers, in folders of the test's own."""

from __future__ import annotations

import functools
import gzip
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbmux.playground import playground, recipe
from dbmux.playground.node import Node
from dbmux.playground.packages import find, parse_wish, this_machine
from dbmux.playground.playground import Places
from tests.real.ports import free_port

pytestmark = pytest.mark.real

Dbmux = Callable[..., subprocess.CompletedProcess[str]]
LINE = (sys.executable, "-m", "dbmux.cli", "playground")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where data are kept from one test to the next, as making them takes longest."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def places(home: Path) -> Places:
    return _places(home)


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return os.environ | {"XDG_DATA_HOME": str(home)}


@pytest.fixture
def dbmux(places: Places, environment: dict[str, str]) -> Iterator[Dbmux]:
    """Runs `dbmux playground`; whatever still runs at the end is stopped."""

    yield functools.partial(_run, environment)
    playground.stop(list(playground.nodes(places)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_whatever_ends_it_stops_the_servers(
    number: signal.Signals, places: Places, environment: dict[str, str], tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen([*LINE, "up", "single", "--server", "mariadb"], env=environment, stdout=out)
    _until(lambda: "Ctrl-C stops them." in (tmp_path / "out").read_text())
    pid = playground.running_node("db", places).pid
    assert pid is not None

    process.send_signal(number)
    process.send_signal(number)

    assert process.wait(30) == 0
    assert "The servers are stopped; their data stays for the next time." in (tmp_path / "out").read_text()
    assert not Path(f"/proc/{pid}").exists()


class TestDumps:
    def test_each_statement_that_failed_is_reported_per_version(self, dbmux: Dbmux, tmp_path: Path) -> None:
        dump = tmp_path / "my-shop.sql"
        dump.write_text(
            "CREATE TABLE fine (id INT PRIMARY KEY);\n"
            "CREATE TABLE mysqls (id INT) COLLATE=utf8mb4_0900_ai_ci;\n"
            "CREATE TABLE mariadbs (id UUID);\n"
            f"\\! touch {tmp_path}/obeyed\n"
            "INSERT INTO fine VALUES (1);\n"
        )

        done = dbmux("up", "--server", "mariadb:10.11", "--server", "mysql:9", "--load", str(dump), "--detach")

        assert done.returncode == 1
        told = done.stdout[: done.stdout.index("export")].split("mysql9 (mysql")
        assert "line 2: 1273 (HY000): Unknown collation: 'utf8mb4_0900_ai_ci'\n    CREATE TABLE mysqls" in told[0]
        assert "CREATE TABLE mariadbs" not in told[0]
        assert "line 3: 1064 (42000)" in told[1]
        assert "CREATE TABLE mysqls" not in told[1]
        assert not (tmp_path / "obeyed").exists()
        for name in ("db", "mysql9"):
            tables = dbmux("sql", name, "-N", "-e", "SHOW TABLES FROM `my-shop`").stdout.split()
            assert "fine" in tables

    def test_dumps_of_mariadb_load_into_mysql(self, dbmux: Dbmux, nodes: dict[str, Node], tmp_path: Path) -> None:
        source = nodes["mariadb:10.11"]
        source.run(
            "CREATE OR REPLACE DATABASE moved; CREATE TABLE moved.t (id INT, b BLOB); "
            "INSERT INTO moved.t VALUES (1, x'000d0a1a5c27')"
        )
        dump = tmp_path / "moved.sql"
        with dump.open("wb") as file:
            line = ["mariadb-dump", "--no-defaults", f"--socket={source.socket}", "--user=root", "moved"]
            subprocess.run(line, stdout=file, check=True)
        assert b"sandbox mode" in dump.read_bytes()

        packed = tmp_path / "second.sql.gz"
        packed.write_bytes(gzip.compress(b"CHANGE MASTER TO MASTER_LOG_FILE='a', MASTER_LOG_POS=4;\nSELECT 1;\n"))

        done = dbmux("up", "--server", "mysql:9", "--load", str(dump), "--load", str(packed), "--detach")

        assert done.returncode == 0, done.stdout + done.stderr
        assert dbmux("sql", "db", "-N", "-e", "SELECT HEX(b) FROM moved.t").stdout == "000D0A1A5C27\n"

    @pytest.mark.parametrize(
        "content, error",
        [
            (b"\x28\xb5\x2f\xfdpacked", "is compressed; unpack it first: unzstd dump.sql.gz"),
            (b"\x1f\x8b\x08\x00packed", "is damaged, or not all of it is there"),
            (b"-- MySQL dump 10.13  Distrib 9.7.4\nUSE shop;\n", "ends before its dump does"),
        ],
    )
    def test_a_file_that_is_no_dump_is_told_before_anything_starts(
        self, content: bytes, error: str, dbmux: Dbmux, places: Places, tmp_path: Path
    ) -> None:
        dump = tmp_path / "dump.sql.gz"
        dump.write_bytes(content)

        done = dbmux("up", "--load", str(dump), "--detach")

        assert done.returncode == 1
        assert error in done.stderr
        assert [node for node in playground.nodes(places) if node.pid] == []


def test_a_server_that_was_killed_is_seen_and_starts_again_with_its_data_and_port(dbmux: Dbmux, places: Places) -> None:
    dbmux("up", "--server", "mariadb", "--detach")
    node = playground.running_node("db", places)
    port = node.port
    node.run("CREATE DATABASE mine")
    assert node.pid is not None
    os.kill(node.pid, signal.SIGKILL)
    _until(lambda: node.pid is None)
    assert dbmux("ps").stdout.endswith("stopped\n")

    assert dbmux("up", "--server", "mariadb", "--detach").returncode == 0

    assert playground.running_node("db", places).port == port
    assert "mine" in dbmux("sql", "db", "-N", "-e", "SHOW DATABASES").stdout.split()


def test_ctrl_c_during_the_start_leaves_no_process_and_the_next_start_is_fine(tmp_path: Path) -> None:
    places, environment = _places(tmp_path), os.environ | {"XDG_DATA_HOME": str(tmp_path)}
    process = subprocess.Popen([*LINE, "up", "single", "--server", "mariadb"], env=environment, stderr=subprocess.PIPE)
    _until(lambda: (places.data / "single" / "db").is_dir())

    process.send_signal(signal.SIGINT)

    assert process.communicate(timeout=30)[1] == b""
    assert [node.pid for node in playground.nodes(places) if node.pid] == []
    try:
        assert _run(environment, "up", "--server", "mariadb", "--detach").returncode == 0
        assert _run(environment, "sql", "db", "-N", "-e", "SELECT COUNT(*) FROM shop.products").stdout == "5\n"
    finally:
        playground.stop(list(playground.nodes(places)))


def test_a_server_that_fails_shows_its_last_log_lines(tmp_path: Path, places: Places) -> None:
    software = find(parse_wish("mariadb"), places.cache, print)
    node = Node("db", software, tmp_path / "db", ("--no-such-option",))

    with pytest.raises(
        Exception, match=r"db \(mariadb .*\) did not start:\n(.*\n)*.*unknown option '--no-such-option'"
    ):
        node.start(free_port)

    assert node.pid is None


def test_a_newcomers_round(dbmux: Dbmux, places: Places) -> None:
    up = dbmux("up", "--server", "mariadb:10.11", "--server", "mysql:9", "--detach")
    assert up.returncode == 0, up.stderr
    assert re.search(r"^export DB_PORT=(\d+)\nexport MYSQL9_PORT=(\d+)\n", up.stdout, re.MULTILINE)
    assert f"\ndbmux serve --config {recipe.load('single').config}   # DbMux in front of them\n" in up.stdout
    assert re.search(r"^mysql -h 127.0.0.1 -P \d+ -u app -papp-password   # mysql9$", up.stdout, re.MULTILINE)

    told = dbmux("ps").stdout.splitlines()
    assert [re.sub(r" [\d.]+, .*", "", line) for line in told] == ["single/db: mariadb", "single/mysql9: mysql"]
    rows = dbmux("sql", "mysql9", "-N", "-e", "SELECT name FROM shop.customers ORDER BY id").stdout
    assert rows == "Ada\nGrace\nÉdith\n"
    assert "ready for connections" in dbmux("logs", "single/db").stdout

    assert dbmux("down").stdout == "single/db stopped\nsingle/mysql9 stopped\n"
    assert dbmux("down").stdout == "No server of the playground is running.\n"
    assert dbmux("sql", "db").stderr == "Error: node 'db' is stopped; start it: dbmux playground up\n"

    kept = dbmux("down", "--wipe", answer="n\n").stdout
    assert f"This deletes all data of single/db, single/mysql9 in {places.data}.\nDelete it?" in kept
    assert len(list(playground.nodes(places))) == 2
    assert dbmux("down", "--wipe", "--yes").stdout.endswith("Deleted.\n")
    assert dbmux("ps").stdout == "There are no servers yet; dbmux playground up starts some.\n"


def _places(home: Path) -> Places:
    cache = playground.default_places().cache
    return Places(data=home / "dbmux" / "playground", cache=cache, machine=this_machine())


def _run(environment: dict[str, str], *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LINE, *words], input=answer, env=environment, capture_output=True, text=True, check=False)


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
