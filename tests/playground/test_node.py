"""A node keeps its port and its data, tells why it failed, and ends nothing but its own server."""

from __future__ import annotations

import gzip
import itertools
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbmux.playground import state
from dbmux.playground.node import PORTS, Node, NodeFailed, is_free, next_free_port
from dbmux.playground.packages import Software, find, parse_wish
from dbmux.playground.state import State, started_at
from tests.playground import programs

Make = Callable[..., Node]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes nodes that are stopped at the end."""
    made: list[Node] = []

    def make(software: Software, name: str = "db", **options: object) -> Node:
        made.append(Node(name, software, tmp_path / "nodes" / name, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for node in made:
        node.stop()


@pytest.fixture
def mysql(tmp_path: Path) -> Software:
    return find(parse_wish("mysql"), tmp_path, print, programs.machine(programs.mysql(tmp_path / "mysql")))


@pytest.fixture
def mariadb(tmp_path: Path) -> Software:
    return find(parse_wish("mariadb"), tmp_path, print, programs.machine(programs.mariadb(tmp_path / "mariadb")))


@pytest.fixture
def failing(tmp_path: Path) -> Software:
    folder = programs.mysql(tmp_path / "failing")
    programs.program(folder, "mysqld", programs.FAILING_SERVER)
    return find(parse_wish("mysql"), tmp_path, print, programs.machine(folder))


class TestStart:
    def test_a_node_runs_until_it_is_stopped(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        assert node.pid is None

        node.start()
        pid = node.pid
        assert pid is not None
        assert started_at(pid) is not None

        node.stop()
        assert (node.pid, started_at(pid)) == (None, None)

    def test_it_listens_on_the_loopback_address_and_its_own_port_and_files(self, make: Make, mysql: Software) -> None:
        node = make(mysql, options=("--max-connections=7",))

        node.start()

        words = Path(mysql.server[0]).with_name("mysqld.starts").read_text().split()
        assert {"--bind-address=127.0.0.1", f"--port={node.port}", f"--socket={node.socket}"} <= set(words)
        assert {f"--datadir={node.data}", "--max-connections=7", "--no-defaults"} <= set(words)

    def test_a_node_that_runs_is_not_started_again(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        node.start()
        pid = node.pid

        make(mysql).start()

        assert node.pid == pid

    def test_another_server_in_its_place_is_refused_while_it_runs(
        self, make: Make, mysql: Software, mariadb: Software
    ) -> None:
        make(mysql).start()

        with pytest.raises(NodeFailed, match=r"^db is running as mysql 9\.1\.0; stop it first: dbmux playground down$"):
            make(mariadb).start()

    def test_mariadb_makes_its_system_tables_from_the_files_beside_it(self, make: Make, mariadb: Software) -> None:
        node = make(mariadb)

        node.start()

        script = (node.data / "bootstrap.sql").read_text()
        assert script.index("USE mysql;") < script.index("-- system_tables") < script.index("-- sys_schema")

    def test_files_that_are_missing_are_named(self, make: Make, mariadb: Software) -> None:
        (mariadb.share / "fill_help_tables.sql").unlink()

        with pytest.raises(NodeFailed, match=r"fill_help_tables.sql.*is all of mariadb 11\.8\.2's package installed"):
            make(mariadb).start()

    def test_each_series_has_data_of_its_own(self, make: Make, mysql: Software, mariadb: Software) -> None:
        assert make(mysql).data.name == "data-mysql-9.1"
        assert make(mariadb).data.name == "data-mariadb-11.8"

    def test_a_node_is_found_again_by_its_folder(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        node.start()

        found = Node.found_in(node.folder)

        assert found is not None
        assert (found.name, found.software, found.port, found.pid) == ("db", mysql, node.port, node.pid)
        assert Node.found_in(node.folder / "none") is None

    def test_the_lock_that_a_killed_server_left_is_in_nobodys_way(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        node.folder.mkdir(parents=True)
        lock = node.folder / "server.sock.lock"
        lock.write_text(f"{os.getpid()}\n")

        node.start()

        assert not lock.exists()


class TestFailure:
    def test_a_server_that_does_not_start_shows_the_end_of_its_log(self, make: Make, failing: Software) -> None:
        with pytest.raises(NodeFailed) as raised:
            make(failing).start()

        assert str(raised.value) == (
            "db (mysql 9.1.0) did not start:\nline 1\nline 2\nline 3\n[ERROR] the disk is on fire"
        )

    def test_data_that_cannot_be_made_shows_the_end_of_the_log_and_leaves_none(
        self, make: Make, mysql: Software
    ) -> None:
        programs.program(Path(mysql.server[0]).parent, "mysqld", "echo 'no space left'; exit 1")
        node = make(mysql)

        with pytest.raises(NodeFailed, match="db cannot make its data:\nno space left"):
            node.start()

        assert not node.data.exists()

    def test_sql_that_fails_is_told(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        node.start()

        with pytest.raises(NodeFailed, match=r"^db: ERROR 1064 \(42000\) at line 2: no such statement$"):
            node.run("SELECT 1;\nFAIL;\n")


class TestPorts:
    def test_the_port_is_kept_from_one_start_to_the_next(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        node.start()
        port = node.port
        node.stop()
        assert node.port == port

        make(mysql).start(lambda: port + 1)

        assert node.port == port

    def test_a_port_that_somebody_else_has_now_is_given_up(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            node.folder.mkdir(parents=True)
            state.write(node.folder / "state.json", State(port=taken))

            node.start()

        assert node.port in PORTS

    def test_a_port_that_is_taken_in_the_last_moment_is_given_up_too(self, make: Make, mysql: Software) -> None:
        folder = Path(mysql.server[0]).parent
        real = (folder / "mysqld").read_text()
        programs.program(
            folder,
            "mysqld",
            'case "$@" in *--port=13400*) echo "Bind: Address already in use"; exit 1;; esac\n'
            + real.split("\n", 1)[1],
        )
        node = make(mysql)
        ports = itertools.count(13400)

        node.start(lambda: next(ports))

        assert node.port == 13401

    def test_a_caller_who_knows_only_a_port_that_is_taken_gets_another(self, make: Make, mysql: Software) -> None:
        server = Path(mysql.server[0])
        taken = 'case "$@" in *--port=13400*) echo "Bind: Address already in use"; exit 1;; esac\n'
        server.write_text(server.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{taken}"))
        node = make(mysql)

        node.start(lambda: 13400)

        assert node.port not in (0, 13400)

    def test_ports_of_mysql_itself_are_never_given(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            assert not is_free(other.getsockname()[1])
        first = next_free_port()

        assert next_free_port([first]) > first >= PORTS[0] > 3306

    def test_when_all_are_taken_that_is_told(self) -> None:
        with pytest.raises(NodeFailed, match="no port from 13306 to 14305 is free"):
            next_free_port(PORTS)


class TestStop:
    def test_a_foreign_process_with_the_same_pid_is_never_signalled(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        node.folder.mkdir(parents=True)
        with subprocess.Popen(("sleep", "1000")) as foreign:
            kept = State(port=13306, pid=foreign.pid, started=started_at(os.getpid()), software=mysql)
            state.write(node.folder / "state.json", kept)

            node.stop()

            assert foreign.poll() is None
            foreign.kill()
        assert state.read(node.folder / "state.json") == State(port=13306, software=mysql)

    def test_a_server_that_does_not_listen_to_reason_is_killed(self, make: Make, mysql: Software) -> None:
        server = Path(mysql.server[0])
        server.write_text(server.read_text().replace("#!/bin/sh\n", "#!/bin/sh\ntrap '' TERM\n"))
        node = make(mysql, stop_timeout_s=0.1)
        node.start()

        node.stop()

        assert node.pid is None

    def test_stopping_what_is_stopped_does_nothing(self, make: Make, mysql: Software) -> None:
        node = make(mysql)

        node.stop()

        assert not node.folder.exists()


class TestData:
    def test_seed_data_are_put_in_once(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        node.start()

        node.seed("CREATE DATABASE shop;\n")
        make(mysql).seed("CREATE DATABASE shop;\n")

        assert Path(mysql.client[0]).with_name("mysql.ran").read_text() == "CREATE DATABASE shop;\n"

    def test_seed_data_that_failed_are_not_taken_for_whole(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        node.start()

        with pytest.raises(NodeFailed):
            node.seed("FAIL;\n")

        assert not node.is_seeded

    def test_discarding_leaves_the_data_of_other_versions(self, make: Make, mysql: Software, mariadb: Software) -> None:
        for software in (mysql, mariadb):
            node = make(software)
            node.start()
            node.seed("SELECT 1;\n")
            node.stop()

        make(mysql).discard()

        assert (make(mysql).data.exists(), make(mysql).is_seeded) == (False, False)
        assert (make(mariadb).data.exists(), make(mariadb).is_seeded) == (True, True)

    def test_wiping_leaves_nothing(self, make: Make, mysql: Software) -> None:
        node = make(mysql)
        node.start()
        node.stop()

        node.wipe()

        assert not node.folder.exists()

    def test_a_dump_runs_to_its_end_and_its_failures_are_told(
        self, make: Make, mysql: Software, tmp_path: Path
    ) -> None:
        node = make(mysql)
        node.start()
        dump = tmp_path / "my`shop.sql"
        dump.write_text("SELECT 1;\nFAIL here;\nSELECT 2;\nFAIL there;\n")

        failed = node.load(dump)

        assert [(failure.line, failure.statement) for failure in failed] == [(2, "FAIL here;"), (4, "FAIL there;")]
        ran = Path(mysql.client[0]).with_name("mysql.ran").read_text()
        assert ran.startswith("CREATE DATABASE IF NOT EXISTS `my``shop`")
        told = Path(mysql.client[0]).with_name("mysql.arguments").read_text().splitlines()[-1].split()
        assert {"--force", "--binary-mode", "--database=my`shop"} <= set(told)

    def test_what_a_dump_says_of_replication_is_left_out(self, make: Make, mysql: Software, tmp_path: Path) -> None:
        node = make(mysql)
        node.start()
        dump = tmp_path / "shop.sql.gz"
        dump.write_bytes(
            gzip.compress(b"USE shop;\nCHANGE MASTER TO MASTER_LOG_FILE='a.1', MASTER_LOG_POS=4;\nFAIL;\n")
        )

        failed = node.load(dump)

        assert [(failure.line, failure.statement) for failure in failed] == [(3, "FAIL;")]
        assert Path(mysql.client[0]).with_name("mysql.input").read_text() == "USE shop;\n\nFAIL;\n"

    def test_a_server_that_dies_under_a_dump_is_told(self, make: Make, mysql: Software, tmp_path: Path) -> None:
        programs.program(Path(mysql.client[0]).parent, "mysql", 'echo "ERROR 2002 (HY000): Can\'t connect" >&2; exit 1')
        dump = tmp_path / "shop.sql"
        dump.write_text("USE shop;\n")

        with pytest.raises(NodeFailed, match=r"^db: ERROR 2002 \(HY000\): Can't connect$"):
            make(mysql).load(dump)


def test_a_long_folder_has_a_short_socket(mysql: Software, tmp_path: Path) -> None:
    short, long = Node("db", mysql, Path("/tmp/db")), Node("db", mysql, Path("/tmp") / ("x" * 100))

    assert str(short.socket) == "/tmp/db/server.sock"
    assert len(str(long.socket)) < 100
    assert long.socket == Node("db", mysql, Path("/tmp") / ("x" * 100)).socket
