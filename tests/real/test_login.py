"""What is special about logging in: proofs of a self-made certificate, accounts of the Unix socket, known passwords."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dbmux.playground.node import Node
from dbmux.wire.handshake import is_utf8
from tests.real.conftest import ACCOUNT, PASSWORD, Server, serve, wait_until_served
from tests.real.ports import free_port

pytestmark = pytest.mark.real


@pytest.fixture
def over_socket(server: Server, tmp_path: Path) -> Iterator[int]:
    """The port of a DbMux that relays logins to the server's Unix socket."""
    port = free_port()
    config = {"listen": f"127.0.0.1:{port}", "backends": {"db": str(server.node.socket)}}
    process = serve(tmp_path, config)
    try:
        wait_until_served(port)
        yield port
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _error(port: int, user: str, password: str) -> tuple[int, str]:
    with pytest.raises(pymysql.err.OperationalError) as refused:
        pymysql.connect(host="127.0.0.1", port=port, user=user, password=password)
    number, message = refused.value.args
    return number, message


def _make_socket_account(node: Node, is_mysql: bool) -> None:
    if is_mysql:
        node.run("INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'", "--force")
        node.run("CREATE USER IF NOT EXISTS by_socket IDENTIFIED WITH auth_socket")
    else:
        node.run("CREATE USER IF NOT EXISTS by_socket IDENTIFIED VIA unix_socket")


def test_the_collations_in_which_names_are_utf8_are_the_servers_own(server: Server) -> None:
    told = server.node.run("SELECT id, character_set_name FROM information_schema.collations WHERE id < 1024")
    named = [line.split() for line in told.splitlines() if line[:1].isdigit()]

    assert named
    assert [name for number, name in named if is_utf8(int(number)) != name.startswith("utf8")] == []


def test_an_account_of_the_unix_socket_is_refused_over_tcp_with_what_to_do(server: Server) -> None:
    _make_socket_account(server.node, server.is_mysql)

    number, message = _error(server.ports["relay"], "by_socket", "")

    assert number == 1698
    assert "make one that has a password" in message


def test_nobody_becomes_dbmuxs_own_user_over_a_unix_socket_backend(server: Server, over_socket: int) -> None:
    # The server would let in whoever comes from DbMux's process: root on this machine, without any password.
    if server.is_mysql:
        _make_socket_account(server.node, is_mysql=True)
        server.node.run("DROP USER IF EXISTS any_name; CREATE USER any_name IDENTIFIED WITH auth_socket AS 'root'")
    elif server.name == "mariadb:10.11":
        pytest.skip("this version cannot map its account to another name, and root is needed for the tests")
    else:
        server.node.run("CREATE OR REPLACE USER any_name IDENTIFIED VIA mysql_native_password OR unix_socket AS 'root'")

    number, message = _error(over_socket, "any_name", "wrong")

    assert number == 1698
    assert "that is DbMux's, not" in message


def test_accounts_with_passwords_log_in_over_a_unix_socket_backend(server: Server, over_socket: int) -> None:
    connection = pymysql.connect(host="127.0.0.1", port=over_socket, user=ACCOUNT, password=PASSWORD.encode())

    with connection.cursor() as cursor:
        cursor.execute("SELECT 5")
        assert cursor.fetchone() == (5,)
    connection.close()
    assert _error(over_socket, ACCOUNT, "wrong")[0] == 1045


@pytest.fixture
def by_hash(server: Server, tmp_path: Path) -> Iterator[int]:
    """The port of a DbMux that knows nothing but what the server itself keeps of the account's password."""
    direct = pymysql.connect(host="127.0.0.1", port=server.port, user=ACCOUNT, password=PASSWORD.encode())
    with direct, direct.cursor() as cursor:
        # The letters of a salt are random: "{" behind the "$" of the scheme would begin a variable.
        cursor.execute("SELECT CONCAT('0x', HEX(authentication_string)) FROM mysql.user WHERE user = %s", (ACCOUNT,))
        (stored,) = cursor.fetchone()
    port = free_port()
    users = {ACCOUNT: {"password_hash": stored}}
    config = {"listen": f"127.0.0.1:{port}", "backends": {"db": f"127.0.0.1:{server.port}"}, "users": users}
    process = serve(tmp_path, config)
    try:
        wait_until_served(port)
        yield port
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("ssl", [None, {"check_hostname": False}], ids=["plain", "TLS"])
def test_the_servers_own_hash_of_a_password_lets_its_owner_in(
    server: Server, by_hash: int, ssl: dict[str, bool] | None
) -> None:
    server.forget_logins()
    connections = [
        pymysql.connect(host="127.0.0.1", port=by_hash, user=ACCOUNT, password=PASSWORD.encode(), ssl=ssl)
        for _ in range(3)
    ]

    for number, connection in enumerate(connections):
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT %s", (number,))
            assert cursor.fetchone() == (number,)
    assert _error(by_hash, ACCOUNT, "wrong")[0] == 1045
    assert _error(by_hash, ACCOUNT, "")[0] == 1045


@pytest.mark.parametrize("client", ["mariadb:10.11", "mariadb:11", "mysql:9"])
def test_command_line_clients_log_in_by_a_hash(
    server: Server, by_hash: int, client: str, servers: dict[str, Server]
) -> None:
    program = servers[client].node.software.client
    trusting = ["--disable-ssl-verify-server-cert"] if client == "mariadb:11" else []
    line = [*program, "--no-defaults", "-h127.0.0.1", f"-P{by_hash}", f"-u{ACCOUNT}", *trusting]

    done = subprocess.run(
        [*line, f"-p{PASSWORD}", "-Ne", "SELECT 5"], capture_output=True, text=True, check=False, timeout=30
    )

    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr


def _maria11_says(servers: dict[str, Server], port: int, user: str, password: str) -> subprocess.CompletedProcess[str]:
    # From 127.0.0.1 this program takes any certificate; 127.0.0.2 is a stranger to it.
    line = [*servers["mariadb:11"].node.software.client, "--no-defaults", "-h127.0.0.2", f"-P{port}", f"-u{user}"]
    # Without -p it thinks that there is no password, and then checks nothing.
    return subprocess.run(
        [*line, f"-p{password}", "-e", "SHOW STATUS LIKE 'Ssl_version'"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize("way, admitted", [("users", True), ("learn", True), ("relay", False)])
def test_mariadb_11_takes_the_self_made_certificate_where_the_password_is_known(
    way: str, admitted: bool, servers: dict[str, Server], tmp_path: Path
) -> None:
    port = free_port()
    users = {"users": {ACCOUNT: PASSWORD}} if way == "users" else {"login": way}
    backend = f"127.0.0.1:{servers['mariadb:11'].port}"
    process = serve(tmp_path, {"listen": f"0.0.0.0:{port}", "backends": {"db": backend}, **users})
    try:
        wait_until_served(port)
        if way == "learn":
            # A first client, which does not check, shows the password; from then on it is known.
            pymysql.connect(host="127.0.0.1", port=port, user=ACCOUNT, password=PASSWORD.encode()).close()
        done = _maria11_says(servers, port, ACCOUNT, PASSWORD)
        wrong = _maria11_says(servers, port, ACCOUNT, "wrong")
    finally:
        process.terminate()
        assert process.wait(30) == 0

    assert (done.returncode == 0) == admitted, done.stderr
    assert wrong.returncode != 0
    if not admitted:
        assert "certificate" in done.stderr.lower()


@pytest.mark.parametrize("way", ["relay", "learn"])
def test_an_accounts_own_time_limit_holds_for_each_of_its_sessions(way: str, server: Server) -> None:
    if server.is_mysql:
        pytest.skip("its accounts have no such limit")
    server.node.run("CREATE OR REPLACE USER hasty IDENTIFIED BY 'hasty' WITH MAX_STATEMENT_TIME 7")

    for _ in range(3):
        connection = pymysql.connect(
            host="127.0.0.1", port=server.ports[way], user="hasty", password="hasty", autocommit=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@max_statement_time")
            assert cursor.fetchone() == (7,)
            # What another session has to have reset.
            cursor.execute("SET @a = 1, max_statement_time = 5")


def test_of_two_passwords_that_were_learnt_the_one_shown_last_may_be_discarded(mysql9: Server) -> None:
    mysql9.node.run(
        "DROP USER IF EXISTS turning; CREATE USER turning IDENTIFIED BY 'old';"
        "ALTER USER turning IDENTIFIED BY 'new' RETAIN CURRENT PASSWORD"
    )

    def connect(password: str) -> pymysql.Connection[Any]:
        return pymysql.connect(host="127.0.0.1", port=mysql9.ports["learn"], user="turning", password=password)

    with connect("new") as one, connect("old") as two, connect("old") as third:
        for holding in (one, two):
            with holding.cursor() as cursor:
                cursor.execute("SELECT GET_LOCK('held by %s', 0)", (holding.thread_id(),))
        mysql9.node.run("ALTER USER turning DISCARD OLD PASSWORD")

        # The connections that there are belong to the others: one has to be opened.
        with third.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER()")
            assert cursor.fetchone() == ("turning@%",)
