"""The clients that people use read DbMux's own tables, in front of each server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
import sqlalchemy

from dbmux.playground.node import Node
from tests.real.clients import Login
from tests.real.conftest import ACCOUNT, PASSWORD, SERVERS, Server, serve, wait_until_served
from tests.real.ports import free_port
from tests.real.test_clients import CLIENTS, client

pytestmark = [
    pytest.mark.real,
    # Some of the clients leave their sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

ADMIN, SECRET = "ops", "door \\'\" word"
SCRIPT = [
    "SELECT name, state FROM backends ORDER BY name LIMIT 1",
    "SELECT COUNT(*), SUM(idle) IS NULL, NULL FROM dbmux.pools p JOIN dbmux.backends b ON b.name = p.backend",
    "SET NAMES utf8mb4",
    "SHOW TABLES LIKE 'pools'",
    "SELECT setting, value FROM config WHERE setting = 'admins.ops.password'",
    "SELECT * FROM missing",
    "DELETE FROM pools",
    "SELECT 'é😀', 1.5",
]


@pytest.fixture(scope="module")
def doors(nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """A port in front of each server, with an account for DbMux's own tables."""
    ports = {name: free_port() for name in nodes}
    config = {
        "listen": {f"127.0.0.1:{ports[name]}": name for name in nodes},
        "backends": {name: {"address": f"127.0.0.1:{node.port}"} for name, node in nodes.items()},
        "admins": {ADMIN: SECRET},
        "login": "learn",
    }
    process = serve(tmp_path_factory.mktemp("door"), config)
    try:
        for port in ports.values():
            wait_until_served(port)
        yield ports
    finally:
        process.terminate()
        assert process.wait(30) == 0


def plain(told: list[Any]) -> list[Any]:
    """What libraries give, or what a program printed, as rows of text."""
    if isinstance(told[1], str):
        return [line.split("\t") for line in told[1].splitlines()]
    return [row for one in told if isinstance(one, tuple) and one[0] != "error" for row in (one[0], *one[1])]


def errors(told: list[Any]) -> list[str]:
    """The numbers of the errors."""
    if isinstance(told[1], str):
        return re.findall(r"^ERROR (\d+)", told[2], re.MULTILINE)
    return [str(one[1]) for one in told if isinstance(one, tuple) and one[0] == "error"]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_reads_the_tables(
    name: str, tls: bool, server: Server, servers: dict[str, Server], doors: dict[str, int]
) -> None:
    login = Login(port=doors[server.name], user=ADMIN, password=SECRET, schema="dbmux", tls=tls)

    told = client(name, servers)(login, SCRIPT)

    rows = plain(told)
    assert rows[:2] == [["name", "state"], [sorted(SERVERS)[0], "up"]]
    assert [str(value) for value in rows[3]][:2] == ["3", "0"]
    assert rows[4:6] == [["Tables_in_dbmux"], ["pools"]]
    assert rows[7] == ["admins.ops.password", "(hidden)"]
    assert rows[-1] == ["é😀", "1.5"]
    assert errors(told) == ["1146", "1290"]


def test_the_prepared_statements_of_a_library_are_answered(server: Server, doors: dict[str, int]) -> None:
    import mysql.connector

    connection = mysql.connector.connect(
        host="127.0.0.1", port=doors[server.name], user=ADMIN, password=SECRET, database="dbmux", use_pure=True
    )
    cursor = connection.cursor(prepared=True)

    cursor.execute(
        "SELECT name, weight, latency_seconds >= 0, ? FROM backends WHERE name = ?", ("it's \\", server.name)
    )

    assert cursor.fetchall() == [(server.name, 1, 1, "it's \\")]
    connection.close()


def test_an_object_mapper_finds_the_tables_and_their_columns(server: Server, doors: dict[str, int]) -> None:
    url = sqlalchemy.URL.create("mysql+pymysql", ADMIN, SECRET, "127.0.0.1", doors[server.name], "dbmux")
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        found = sqlalchemy.inspect(connection)
        pools = sqlalchemy.Table("pools", sqlalchemy.MetaData(), autoload_with=connection)
        query = sqlalchemy.select(pools.c.backend).where(pools.c.backend == server.name)

        assert {"pools", "sessions", "digests", "config"} <= set(found.get_table_names())
        assert not found.has_table("missing")
        assert connection.execute(query).scalar() == server.name
    engine.dispose()


def test_what_a_user_ran_is_read_by_an_admin(server: Server, doors: dict[str, int]) -> None:
    port = doors[server.name]
    app = pymysql.connect(host="127.0.0.1", port=port, user=ACCOUNT, password=PASSWORD.encode(), database="test")
    with app.cursor() as cursor:
        cursor.execute(f"SELECT 'secret', %s AS door_of_{server.name.replace(':', '_').replace('.', '_')}", (5,))
        cursor.execute("SET @kept = 1")

    ops = pymysql.connect(host="127.0.0.1", port=port, user=ADMIN, password=SECRET.encode(), database="dbmux")
    with ops.cursor() as cursor:
        cursor.execute("SELECT calls, digest_text FROM digests WHERE digest_text LIKE %s", ("%door_of%",))
        digests = cursor.fetchall()
        cursor.execute("SELECT user, schema_name FROM sessions WHERE group_name = %s", (server.name,))
        sessions = cursor.fetchall()

    assert [calls for calls, text in digests if server.name.replace(":", "_").replace(".", "_") in text] == [1]
    assert all("secret" not in text for _, text in digests)
    assert (ACCOUNT, "test") in sessions
    app.close()
    ops.close()
