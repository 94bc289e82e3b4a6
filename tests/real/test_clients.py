"""Every client people use gets the same through DbMux as from the server itself, by each way of logging in."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

from tests.real.clients import LIBRARIES, Login, Run, command_line_client
from tests.real.conftest import ACCOUNT, ED_ACCOUNT, ED_PASSWORD, PASSWORD, UNSEEN_ACCOUNT, WAYS, Server

pytestmark = [
    pytest.mark.real,
    # Some of the clients leave their sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

CLIENTS = [*LIBRARIES, "mariadb-cli", "mariadb11-cli", "mysql9-cli"]

SCRIPT = [
    "SELECT 1, 'é😀', NULL, 1.50, x'00ff'",
    "DROP TABLE IF EXISTS mixed",
    "CREATE TABLE mixed (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) CHARACTER SET utf8mb4, n BIGINT UNSIGNED)",
    "INSERT INTO mixed (name, n) VALUES ('one', 1), ('zwei', 18446744073709551615), (NULL, NULL)",
    "SELECT LAST_INSERT_ID()",
    "UPDATE mixed SET name = 'one' WHERE id = 1",
    "SELECT ROW_COUNT()",
    "SELECT * FROM mixed ORDER BY id",
    "SELECT * FROM missing",
    "SELECT syntax error",
    "BEGIN",
    "DELETE FROM mixed",
    "SELECT COUNT(*) FROM mixed",
    "ROLLBACK",
    "SELECT COUNT(*) FROM mixed",
    "SET @x = 7",
    "SELECT @x",
    "SELECT REPEAT('x', 70000), REPEAT('y', 300)",
    "SELECT a.id, b.id, c.id FROM mixed a, mixed b, mixed c ORDER BY 1, 2, 3",
    "SET NAMES utf8mb4",
    "SELECT CAST('abc' AS SIGNED)",
    "SELECT DATABASE(), USER()",
]


def client(name: str, servers: dict[str, Server]) -> Run:
    """A client by name; those programs that come with a server are taken from it."""
    match name:
        case "mariadb-cli":
            return command_line_client(servers["mariadb:10.11"].node.software.client, "mariadb")
        case "mariadb11-cli":
            return command_line_client(servers["mariadb:11"].node.software.client, "mariadb")
        case "mysql9-cli":
            return command_line_client(servers["mysql:9"].node.software.client, "mysql")
        case "mysqlclient" if not os.environ.get("CI"):
            pytest.importorskip("MySQLdb")
    return LIBRARIES[name]


def outcome(run: Run, login: Login) -> Any:
    """What a script gives, or how the login fails."""
    try:
        return run(login, SCRIPT)
    except Exception as error:
        return ("refused", getattr(error, "args", ("",))[0])


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("way", WAYS)
def test_the_same_through_dbmux_as_direct(
    name: str, tls: bool, way: str, server: Server, servers: dict[str, Server]
) -> None:
    if name == "mysql9-cli" and not server.is_mysql:
        pytest.skip("this client has no plugin for MariaDB's accounts, with or without DbMux")
    if name == "connector" and way == "learn" and not tls:
        pytest.skip("this client shows its password only inside TLS: test_learning_needs_tls_with_some_clients")
    run = client(name, servers)
    direct = Login(port=server.port, user=ACCOUNT, password=PASSWORD, tls=tls)
    through = Login(port=server.ports[way], user=ACCOUNT, password=PASSWORD, tls=tls)

    server.forget_logins()
    expected_cold = outcome(run, direct)
    server.forget_logins()
    cold = outcome(run, through)
    LIBRARIES["pymysql"](direct, ["SELECT 'the server knows the password now'"])
    expected = outcome(run, direct)
    warm = outcome(run, through)

    assert expected[0] != "refused"
    assert warm == expected
    # Without TLS some clients cannot log in cold at the server; DbMux, which knows the password, can let them in.
    assert cold == (expected if way == "users" else expected_cold)


@pytest.mark.parametrize("name", ["mariadb-cli", "mariadb11-cli", "mysqlclient"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_ed25519_accounts_log_in_by_relay(name: str, tls: bool, mariadb: Server, servers: dict[str, Server]) -> None:
    run = client(name, servers)
    direct = Login(port=mariadb.port, user=ED_ACCOUNT, password=ED_PASSWORD, tls=tls)
    through = Login(port=mariadb.ports["relay"], user=ED_ACCOUNT, password=ED_PASSWORD, tls=tls)

    expected = outcome(run, direct)

    assert outcome(run, through) == expected


def test_learning_needs_tls_with_some_clients(server: Server) -> None:
    login = Login(port=server.ports["learn"], user=UNSEEN_ACCOUNT, password="unseen")

    assert outcome(LIBRARIES["connector"], login) == ("refused", 1045)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("user, password", [(ACCOUNT, "wrong"), ("nobody", "x"), (ACCOUNT, "")])
def test_a_wrong_password_is_refused_with_1045(way: str, user: str, password: str, server: Server) -> None:
    login = Login(port=server.ports[way], user=user, password=password)

    assert outcome(LIBRARIES["pymysql"], login) == ("refused", 1045)


@pytest.mark.parametrize("way", WAYS)
def test_an_empty_password_logs_in_where_the_account_has_none(way: str, server: Server) -> None:
    login = Login(port=server.ports[way], user="empty", password="")

    assert LIBRARIES["pymysql"](login, ["SELECT 5"]) == [(["5"], [["5"]])]


def test_the_clients_programs_are_here() -> None:
    assert shutil.which("mariadb")
