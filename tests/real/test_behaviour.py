"""What applications and tools do beyond queries, through DbMux on real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pymysql
import pymysql.cursors
import pytest

from tests.real.clients import Login, command_line_client
from tests.real.conftest import ACCOUNT, PASSWORD, WAYS, Server

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

SLEEPING = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(30)%'"
NUMBERS = "(WITH RECURSIVE r AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM r WHERE n < {last}) SELECT n FROM r)"


def connect(port: int, **options: Any) -> Any:
    return pymysql.connect(
        host="127.0.0.1",
        port=port,
        user=ACCOUNT,
        password=PASSWORD.encode(),
        database="test",
        autocommit=True,
        **options,
    )


def one(connection: Any, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def test_kill_query_with_the_number_of_the_greeting_ends_the_query(server: Server) -> None:
    victim, killer = connect(server.ports["relay"]), connect(server.ports["relay"])
    told: list[object] = []

    def sleep() -> None:
        try:
            told.append(one(victim, "SELECT SLEEP(30), 'end'"))
        except pymysql.err.OperationalError as error:
            told.append(error.args[0])

    thread = threading.Thread(target=sleep)
    thread.start()
    while not one(killer, SLEEPING)[0]:
        time.sleep(0.01)
    one(killer, f"KILL QUERY {victim.thread_id()}")
    thread.join(10)

    assert told in ([1317], [(1, "end")])
    assert one(victim, "SELECT 5") == (5,)
    victim.close()
    killer.close()


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_in_the_mysql_program_ends_the_query(way: str, server: Server) -> None:
    line = [*server.node.software.client, "--no-defaults", "-h127.0.0.1", f"-P{server.ports[way]}", f"-u{ACCOUNT}"]
    line += ["--unbuffered", "-e", "SELECT SLEEP(30); SELECT 'after'"]
    process = subprocess.Popen(
        line, env={"MYSQL_PWD": PASSWORD, "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    watcher = connect(server.port)
    while not one(watcher, SLEEPING)[0]:
        time.sleep(0.01)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)

    assert not one(watcher, SLEEPING)[0]
    watcher.close()


def test_a_local_file_is_loaded(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{n},name {n}\n" for n in range(100_000)))
    connection = connect(server.ports["relay"], local_infile=True)
    one(connection, "DROP TABLE IF EXISTS loaded")
    one(connection, "CREATE TABLE loaded (id INT PRIMARY KEY, name VARCHAR(20))")

    one(connection, f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE loaded FIELDS TERMINATED BY ','")

    assert one(connection, "SELECT COUNT(*), SUM(id) FROM loaded") == (100_000, 4999950000)
    with pytest.raises((pymysql.err.OperationalError, FileNotFoundError)):
        one(connection, "LOAD DATA LOCAL INFILE '/no/such/file' INTO TABLE loaded")
    connection.close()


@pytest.mark.parametrize("size", [(1 << 24) - 20, 1 << 24, 40 << 20], ids=["under 16 MiB", "16 MiB", "40 MiB"])
def test_values_larger_than_a_packet_come_through_both_ways(size: int, server: Server) -> None:
    direct = connect(server.port)
    one(direct, "SET GLOBAL max_allowed_packet = 67108864")
    direct.close()
    connection = connect(server.ports["relay"], max_allowed_packet=1 << 26)

    length, value = one(connection, f"SELECT LENGTH('{'x' * size}'), REPEAT('y', {size})")

    assert length == size
    assert value == "y" * size
    connection.close()


def test_several_results_of_one_command_arrive_in_order(server: Server) -> None:
    connection = connect(server.ports["relay"], client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1; DO 0; SELECT 2, 3; SELECT * FROM missing")
        told = [cursor.fetchall()]
        cursor.nextset()
        cursor.nextset()
        told.append(cursor.fetchall())
        with pytest.raises(pymysql.err.ProgrammingError):
            cursor.nextset()

    assert told == [((1,),), ((2, 3),)]
    connection.close()


def test_multi_statements_stay_off_for_clients_that_left_them_off(server: Server) -> None:
    connection = connect(server.ports["relay"])
    connection.client_flag &= ~pymysql.constants.CLIENT.MULTI_STATEMENTS

    connection.close()
    fresh = pymysql.connect(
        host="127.0.0.1",
        port=server.ports["relay"],
        user=ACCOUNT,
        password=PASSWORD.encode(),
        client_flag=0,
    )
    with pytest.raises(pymysql.err.ProgrammingError):
        one(fresh, "SELECT 1; SELECT 2")
    fresh.close()


@pytest.mark.parametrize(
    "raw", ["SELECT ?, ?, ?", "SELECT id, name FROM prepared WHERE id > ? AND name <> ? AND ? = 1"]
)
def test_prepared_statements_and_cursors(raw: str, server: Server) -> None:
    import mysql.connector

    told = []
    for port in (server.port, server.ports["relay"]):
        connection = mysql.connector.connect(
            host="127.0.0.1",
            port=port,
            user=ACCOUNT,
            password=PASSWORD,
            database="test",
            use_pure=True,
            charset="utf8mb4",
            collation="utf8mb4_general_ci",
        )
        plain = connection.cursor()
        plain.execute("DROP TABLE IF EXISTS prepared")
        plain.execute("CREATE TABLE prepared (id INT, name VARCHAR(50))")
        plain.executemany("INSERT INTO prepared VALUES (%s, %s)", [(n, f"name {n}") for n in range(300)])
        connection.commit()
        cursor = connection.cursor(prepared=True)
        for _ in range(2):
            cursor.execute(raw, (5, "name 7", 1))
            told.append(cursor.fetchall())
        plain.execute("ALTER TABLE prepared ADD COLUMN more INT DEFAULT 9")
        cursor.execute(raw, (5, "name 7", 1))
        told.append(cursor.fetchall())
        connection.close()

    assert told[:3] == told[3:]


@pytest.mark.parametrize("way", ["relay", "users", "learn"])
def test_change_user_and_reset_connection(way: str, server: Server) -> None:
    if way != "relay" and server.is_mysql:
        pytest.skip("the client library answers COM_CHANGE_USER with the greeting's plugin only")
    MySQLdb = pytest.importorskip("MySQLdb")
    connection = MySQLdb.connect(
        host="127.0.0.1", port=server.ports[way], user=ACCOUNT, password=PASSWORD, database="test"
    )
    cursor = connection.cursor()
    cursor.execute("SET @x = 1")
    connection.change_user("empty", "", "test")
    cursor.execute("SELECT CURRENT_USER(), @x")

    assert cursor.fetchall() == (("empty@%", None),)
    connection.close()


def test_dump_and_restore_through_dbmux(server: Server, tmp_path: Path) -> None:
    connection = connect(server.port)
    one(connection, "DROP DATABASE IF EXISTS dumped")
    one(connection, "CREATE DATABASE dumped")
    one(connection, "CREATE TABLE dumped.t (id INT PRIMARY KEY, v VARCHAR(100) CHARACTER SET utf8mb4, b BLOB)")
    one(connection, "INSERT INTO dumped.t VALUES (1, 'é😀', x'00ff27'), (2, NULL, NULL)")
    before = one(connection, "CHECKSUM TABLE dumped.t")
    dump = tmp_path / "dump.sql"
    tools = ("-h127.0.0.1", f"-P{server.ports['relay']}", f"-u{ACCOUNT}")
    environment = {"MYSQL_PWD": PASSWORD, "PATH": os.environ["PATH"]}

    with dump.open("wb") as file:
        subprocess.run(
            ["mariadb-dump", "--no-defaults", *tools, "--skip-ssl", "--hex-blob", "--databases", "dumped"],
            stdout=file,
            check=True,
            env=environment,
        )
    one(connection, "DROP DATABASE dumped")
    with dump.open("rb") as file:
        subprocess.run(["mariadb", "--no-defaults", *tools, "--skip-ssl"], stdin=file, check=True, env=environment)

    assert one(connection, "CHECKSUM TABLE dumped.t") == before
    connection.close()


@pytest.mark.parametrize("mode", ["disable", "auto"], ids=["text", "prepared"])
def test_sysbench_runs_clean(mode: str, server: Server) -> None:
    line = [
        "sysbench",
        "oltp_read_write",
        "--mysql-host=127.0.0.1",
        f"--mysql-port={server.ports['relay']}",
        f"--mysql-user={ACCOUNT}",
        f"--mysql-password={PASSWORD}",
        "--mysql-db=test",
        "--mysql-ssl=off",
        "--tables=2",
        "--table-size=500",
        "--threads=4",
        "--time=2",
        f"--db-ps-mode={mode}",
    ]
    # MySQL must know the password before a client without a secure line can use it.
    connect(server.port).close()
    for action in ("cleanup", "prepare"):
        subprocess.run([*line, action], check=True, capture_output=True)

    done = subprocess.run([*line, "run"], check=True, capture_output=True, text=True)

    assert "transactions:" in done.stdout
    assert "reconnects:                          0" in done.stdout
    assert "FATAL" not in done.stdout + done.stderr


def test_the_version_is_the_servers_own(server: Server) -> None:
    connection = connect(server.ports["relay"])
    direct = connect(server.port)

    assert connection.get_server_info() == direct.get_server_info()
    assert one(connection, "SELECT VERSION()") == one(direct, "SELECT VERSION()")
    connection.close()
    direct.close()


def test_unbuffered_rows_of_a_large_result(server: Server) -> None:
    connection = connect(server.ports["relay"], cursorclass=pymysql.cursors.SSCursor)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT a.n, b.n, REPEAT('x', 100) FROM {NUMBERS.format(last=99)} a, {NUMBERS.format(last=499)} b"
        )
        total = sum(1 for _ in cursor)

    assert total == 50_000
    connection.close()


def test_a_client_program_works_over_ipv4_with_its_own_tls(server: Server, servers: dict[str, Server]) -> None:
    run = command_line_client(servers["mysql:9"].node.software.client, "mysql")
    if not server.is_mysql:
        pytest.skip("this program has no plugin for MariaDB's accounts")
    told = run(
        Login(port=server.ports["relay"], user=ACCOUNT, password=PASSWORD, tls=True), ["SHOW STATUS LIKE 'Ssl_version'"]
    )

    assert told[0] == 0
