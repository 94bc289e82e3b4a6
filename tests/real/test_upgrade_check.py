"""`dbmux upgrade check` between real servers: every trap that is planted on the first is found, and nothing is left on
the second."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dbmux.backend.service import Service
from dbmux.config.model import Account
from dbmux.playground.client import Client
from dbmux.playground.node import Node
from dbmux.upgrade.check import Wish, check
from dbmux.upgrade.scratch import Ground
from tests.cli.conftest import run_here
from tests.real.conftest import ACCOUNT, PASSWORD, START_TIMEOUT_S, serve, wait_until_served
from tests.real.ports import free_port
from tests.real.test_verify import server_of

pytestmark = pytest.mark.real

MARIADB, NEWER, MYSQL = "mariadb:10.11", "mariadb:11", "mysql:9"
BLOCKS, CHANGES, KNOW = "blocks", "changes results", "to know"

OF_MARIADB = """
CREATE DATABASE uptrap COLLATE utf8mb4_general_ci; CREATE DATABASE uptrap_other; USE uptrap;
CREATE TABLE words (id INT PRIMARY KEY, `rank` INT, `groups` INT, `system` INT);
CREATE VIEW ranks AS SELECT rank, groups FROM words;
CREATE PROCEDURE climb() SELECT rank FROM words;
CREATE SEQUENCE tickets;
CREATE TABLE history (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
CREATE TABLE ids (u UUID PRIMARY KEY, a INET6, small TEXT COMPRESSED, j JSON);
CREATE TABLE old_aria (id INT PRIMARY KEY) ENGINE=Aria;
CREATE TABLE old_myisam (id INT PRIMARY KEY) ENGINE=MyISAM;
SET sql_mode='';
CREATE TABLE dated (id INT PRIMARY KEY, d DATE NOT NULL DEFAULT '0000-00-00', e DATETIME);
INSERT INTO dated VALUES (1, '0000-00-00', '2020-01-01'), (2, '2020-00-10', NULL);
SET sql_mode=@@GLOBAL.sql_mode;
CREATE TABLE uca (id INT PRIMARY KEY, t VARCHAR(20) COLLATE utf8mb4_uca1400_ai_ci);
CREATE VIEW secrets AS SELECT PASSWORD('a') AS p, JSON_DETAILED('{}') AS j;
CREATE FUNCTION enc(s VARCHAR(20)) RETURNS VARBINARY(40) DETERMINISTIC RETURN ENCODE(s, 'k');
CREATE TABLE wide (id INT PRIMARY KEY, v VARBINARY(1000), KEY v (v)) ENGINE=Aria ROW_FORMAT=PAGE;
CREATE TABLE child (id INT PRIMARY KEY, code INT);
CREATE TABLE parent (id INT PRIMARY KEY, code INT, KEY code (code));
ALTER TABLE child ADD CONSTRAINT loose FOREIGN KEY (code) REFERENCES parent (code);
CREATE TABLE uptrap_other.far (id INT PRIMARY KEY);
CREATE VIEW across AS SELECT f.id FROM uptrap_other.far f;
CREATE USER 'up_native'@'%' IDENTIFIED BY 'x', 'up_socket'@'localhost' IDENTIFIED VIA unix_socket;
CREATE ROLE up_role;
CREATE DEFINER='up_native'@'%' VIEW owned AS SELECT id FROM words;
CREATE TRIGGER gone BEFORE INSERT ON words FOR EACH ROW SET NEW.id = NEW.id + @@rowid_merge_buff_size;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM words;
SET NAMES utf8mb4 COLLATE utf8mb4_uca1400_ai_ci;
CREATE VIEW collated AS SELECT 1 AS one;
"""
DROP_OF_MARIADB = """
DROP DATABASE IF EXISTS uptrap; DROP DATABASE IF EXISTS uptrap_other;
DROP USER IF EXISTS 'up_native'@'%', 'up_socket'@'localhost'; DROP ROLE IF EXISTS up_role;
"""
OF_MYSQL = """
CREATE DATABASE uptrap; USE uptrap;
CREATE TABLE docs (id INT PRIMARY KEY, j JSON, n VARCHAR(20) COLLATE utf8mb4_0900_as_cs, KEY f ((lower(n))));
CREATE TABLE starts (id INT PRIMARY KEY, `offset` INT);
CREATE PROCEDURE skip() SELECT offset FROM starts;
CREATE FUNCTION packed() RETURNS BINARY(16) NO SQL RETURN UUID_TO_BIN(UUID());
CREATE USER 'up_sha'@'%' IDENTIFIED BY 'x';
"""
DROP_OF_MYSQL = "DROP DATABASE IF EXISTS uptrap; DROP USER IF EXISTS 'up_sha'@'%';"

STATEMENTS = (
    "SELECT rank FROM uptrap.words",
    "SELECT id, `system` FROM uptrap.words GROUP BY `system`",
    "SELECT id FROM uptrap.words WHERE id = 1 FOR UPDATE WAIT 5",
    "INSERT INTO uptrap.words (id) VALUES (1) RETURNING id",
    "SELECT NEXT VALUE FOR uptrap.tickets",
)
# These both take, those of tables that the second server refuses among them.
HARMLESS = (
    "SELECT id FROM uptrap.words WHERE id = 1 FOR UPDATE NOWAIT",
    "SELECT id FROM uptrap.words INTO @x",
    "SELECT u FROM uptrap.ids WHERE u = ?",
    "SELECT d FROM uptrap.dated",
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path) -> Iterator[None]:
    """In a folder without a configuration."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield
    os.chdir(before)


@contextmanager
def planted(node: Node, drop: str, plant: str) -> Iterator[None]:
    node.run(drop)
    try:
        node.run(plant)
        yield
    finally:
        node.run(drop)


def checked(nodes: dict[str, Node], pair: tuple[str, str], *options: str, account: str = ACCOUNT) -> tuple[int, Any]:
    """The exit code and what --json says."""
    first, second = (f"127.0.0.1:{nodes[name].port}" for name in pair)
    done = run_here(
        "upgrade", "check", first, second, "--schemas", "uptrap*", "--json", *options,
        DBMUX_VERIFY_USER=account, DBMUX_VERIFY_PASSWORD=PASSWORD,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.exit_code, json.loads(done.stdout)


def told(report: Any) -> dict[tuple[str, str], list[str]]:
    """By severity and what was found, where."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in report["findings"]:
        found.setdefault((one["severity"], one["what"]), []).extend(one["where"])
    return found


def left_on(node: Node) -> str:
    return node.run("SHOW DATABASES LIKE 'dbmux\\_upgrade\\_%'")


def test_from_mariadb_to_mysql_every_trap_is_found(nodes: dict[str, Node], tmp_path: Path) -> None:
    statements = tmp_path / "statements.sql"
    statements.write_text("\n".join((*STATEMENTS, *HARMLESS)))

    with planted(nodes[MARIADB], DROP_OF_MARIADB, OF_MARIADB):
        code, report = checked(nodes, (MARIADB, MYSQL), "--try", "--rows", "--statements", str(statements))

    found = told(report)
    assert code == 1
    for what, where in (
        ("RANK is written without quotes", ["procedure uptrap.climb"]),
        ("PASSWORD() is not there", ["view uptrap.secrets"]),
        ("JSON_DETAILED() is not there", ["view uptrap.secrets"]),
        ("ENCODE() is not there", ["function uptrap.enc"]),
        ("@@rowid_merge_buff_size is not there", ["trigger uptrap.gone"]),
        ("UUID has no home", ["column uptrap.ids.u"]),
        ("INET6 has no home", ["column uptrap.ids.a"]),
        ("sequences have no home", ["sequence uptrap.tickets"]),
        ("system versioned tables have no home", ["table uptrap.history"]),
        ("the engine Aria is not there", ["table uptrap.old_aria", "table uptrap.wide"]),
        ("the collation utf8mb4_uca1400_ai_ci is not there", ["column uptrap.uca.t"]),
        ("definitions were made in connections with utf8mb4_uca1400_ai_ci", ["view uptrap.collated"]),
        ("defaults are zero dates", ["column uptrap.dated.d"]),
        ("2 rows have zero dates", ["column uptrap.dated.d"]),
        ("a foreign key refers to columns that are no unique key", ["foreign key uptrap.child.loose"]),
        ("the definer up_native@% is not there", ["view uptrap.owned"]),
    ):
        assert found.get((BLOCKS, what)) == where, what
    assert found[KNOW, "GROUPS is a name"] == ["column uptrap.words.groups"]
    assert found[KNOW, "SYSTEM is a name"] == ["column uptrap.words.system"]
    assert found[KNOW, "COMPRESSED columns are kept as they are"] == ["column uptrap.ids.small"]
    assert found[KNOW, "JSON stays text"] == ["column uptrap.ids.j"]
    assert found[KNOW, "tables are kept by MyISAM"] == ["table uptrap.old_myisam"]
    assert (CHANGES, "utf8mb4 has another default collation") in found
    assert (BLOCKS, "sql_mode has ONLY_FULL_GROUP_BY") in found
    assert "procedure uptrap.climb" in found[BLOCKS, "the SQL mode NO_AUTO_CREATE_USER is not there"]
    assert "account 'up_native'@'%'" in found[BLOCKS, "nobody can log in with mysql_native_password"]
    assert "account 'up_socket'@'localhost'" in found[BLOCKS, "nobody can log in with unix_socket"]
    assert "account 'up_native'@'%'" in found[BLOCKS, "accounts are not there"]
    assert "account 'up_role'@''" in found[BLOCKS, "roles are not there"]
    assert (KNOW, "privileges have other names, or are not there") in found
    assert found[BLOCKS, "a statement is refused"] == list(STATEMENTS)
    refused = {"child", "climb", "dated", "gone", "history", "ids", "old_aria", "secrets", "tickets", "uca", "wide"}
    assert {where.partition(".")[2] for where in found[BLOCKS, "a definition is refused"]} == refused
    assert report["untold"] == []
    assert left_on(nodes[MYSQL]) == ""


def test_without_trying_the_texts_are_read_and_nothing_is_made(nodes: dict[str, Node], tmp_path: Path) -> None:
    statements = tmp_path / "statements.sql"
    statements.write_text("\n".join((*STATEMENTS, *HARMLESS)))

    with planted(nodes[MARIADB], DROP_OF_MARIADB, OF_MARIADB):
        code, report = checked(nodes, (MARIADB, MYSQL), "--statements", str(statements))

    found = told(report)
    assert code == 1
    unread = {"climb", "gone", "history", "ids", "old_aria", "tickets", "uca", "wide"}
    assert {where.partition(".")[2] for where in found[BLOCKS, "a definition cannot be read"]} == unread
    assert found[BLOCKS, "a statement is refused"] == [STATEMENTS[0], *STATEMENTS[2:]]
    (untold,) = report["untold"]
    assert "--try" in untold


def test_statements_without_a_schema_are_of_the_only_one(nodes: dict[str, Node], tmp_path: Path) -> None:
    statements = tmp_path / "statements.sql"
    statements.write_text("SELECT s.id, s.total FROM sales s GROUP BY s.total\nSELECT id FROM sales\n")
    plant = "CREATE DATABASE uptrap; CREATE TABLE uptrap.sales (id INT PRIMARY KEY, total INT);"

    with planted(nodes[MARIADB], DROP_OF_MARIADB, plant):
        _, tried = checked(nodes, (MARIADB, MYSQL), "--try", "--statements", str(statements))
        _, untried = checked(nodes, (MARIADB, MYSQL), "--statements", str(statements))

    (refused,) = [one for one in tried["findings"] if one["subject"] == "statements"]
    assert refused["where"] == ["SELECT s.id, s.total FROM sales s GROUP BY s.total"]
    assert "1055" in refused["why"]
    assert "dbmux_upgrade" not in refused["why"]
    assert "2 statements could not be tried" in untried["untold"][0]


class Ended(Exception):
    """The check is broken off."""


@pytest.mark.parametrize("loses_connection", [False, True])
def test_a_check_that_is_broken_off_leaves_nothing(nodes: dict[str, Node], loses_connection: bool) -> None:
    async def break_off() -> None:
        account = Account(user=ACCOUNT, password=PASSWORD)
        services = [await Service.connect(server_of(nodes[name]), account) for name in (MARIADB, MYSQL)]
        first, second = services
        ((thread,),) = await second.ask(b"SELECT CAST(CONNECTION_ID() AS CHAR)")

        def step(name: str) -> None:
            if name == "statements":
                assert left_on(nodes[MYSQL]) != ""
                if loses_connection:
                    nodes[MYSQL].run(f"KILL {(thread or b'').decode()}")
                raise Ended

        ground = Ground(lambda: "broken", lambda: Service.connect(server_of(nodes[MYSQL]), account))
        try:
            await check((first, second), Wish(patterns=("uptrap*",), ground=ground), step)
        finally:
            first.close()
            second.close()

    with planted(nodes[MARIADB], DROP_OF_MARIADB, OF_MARIADB), pytest.raises(Ended):
        asyncio.run(break_off())

    assert left_on(nodes[MYSQL]) == ""


def test_schemas_that_an_earlier_check_left_are_told(nodes: dict[str, Node]) -> None:
    drop = "DROP DATABASE IF EXISTS dbmux_upgrade_gone_0; DROP DATABASE IF EXISTS uptrap;"

    with planted(nodes[MYSQL], drop, "CREATE DATABASE dbmux_upgrade_gone_0; CREATE DATABASE uptrap;"):
        _, report = checked(nodes, (MARIADB, MYSQL))

    assert told(report)[KNOW, "schemas of an earlier check are left"] == ["schema dbmux_upgrade_gone_0"]


def test_what_a_running_dbmux_has_seen_is_tried(nodes: dict[str, Node], tmp_path: Path) -> None:
    node, port = nodes[MARIADB], free_port()
    config = {"listen": {f"127.0.0.1:{port}": "db"}, "backends": {"db": {"address": f"127.0.0.1:{node.port}"}}}
    runtime = tmp_path / "run"
    with planted(node, DROP_OF_MARIADB, OF_MARIADB):
        process = serve(tmp_path / "engine", {**config, "users": {ACCOUNT: PASSWORD}}, DBMUX_RUNTIME_DIR=str(runtime))
        try:
            wait_until_served(port)
            with Client("127.0.0.1", port, ACCOUNT, PASSWORD) as client:
                for sql in (
                    "SELECT id FROM uptrap.words WHERE id IN (1, 2)",
                    "SELECT rank FROM uptrap.words WHERE id = 3",
                ):
                    client.query(sql)
            _, report = checked(nodes, (MARIADB, MYSQL), "--try", "--digests", "--pid", str(process.pid))
        finally:
            process.terminate()
            process.wait(START_TIMEOUT_S)

    assert told(report)[BLOCKS, "a statement is refused"] == ["SELECT rank FROM uptrap.words WHERE id = ?"]


@pytest.mark.parametrize("newer", [MARIADB, NEWER])
def test_from_mysql_to_mariadb(nodes: dict[str, Node], newer: str) -> None:
    with planted(nodes[MYSQL], DROP_OF_MYSQL, OF_MYSQL):
        code, report = checked(nodes, (MYSQL, newer), "--try")

    found = told(report)
    assert code == 1
    assert found[BLOCKS, "OFFSET is written without quotes"] == ["procedure uptrap.skip"]
    assert found[BLOCKS, "UUID_TO_BIN() is not there"] == ["function uptrap.packed"]
    assert found[BLOCKS, "indexes over expressions have no home"] == ["index uptrap.docs.f"]
    assert found[CHANGES, "JSON becomes text"] == ["column uptrap.docs.j"]
    assert "account 'up_sha'@'%'" in found[BLOCKS, "nobody can log in with caching_sha2_password"]
    assert {"table uptrap.docs", "procedure uptrap.skip"} <= set(found[BLOCKS, "a definition is refused"])
    # The newer one knows those of MySQL by name.
    lacks = (BLOCKS, "the collation utf8mb4_0900_as_cs is not there")
    assert found.get(lacks) == (["column uptrap.docs.n"] if newer == MARIADB else None)
    assert left_on(nodes[newer]) == ""


def test_from_one_mariadb_to_the_next_only_accounts_block(nodes: dict[str, Node]) -> None:
    with planted(nodes[MARIADB], DROP_OF_MARIADB, OF_MARIADB):
        code, report = checked(nodes, (MARIADB, NEWER), "--try")

    blocks = {what: where for (severity, what), where in told(report).items() if severity == BLOCKS}
    assert code == 1
    assert set(blocks) == {"accounts are not there", "roles are not there", "the definer up_native@% is not there"}
    assert (CHANGES, "utf8mb4 has another default collation") in told(report)
    assert report["untold"] == []


@pytest.mark.parametrize("name", [MARIADB, NEWER, MYSQL])
def test_what_the_account_may_not_do_or_see_is_told(nodes: dict[str, Node], name: str) -> None:
    node = nodes[name]
    drop = "DROP DATABASE IF EXISTS uptrap; DROP USER IF EXISTS 'up_small'@'%';"
    password = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    plant = f"""CREATE DATABASE uptrap; CREATE TABLE uptrap.t (id INT PRIMARY KEY);
    CREATE USER 'up_small'@'%' IDENTIFIED BY '{password}'; GRANT SELECT ON uptrap.* TO 'up_small'@'%';"""
    other = MARIADB if name == MYSQL else MYSQL

    with planted(node, drop, plant), planted(nodes[other], drop, plant):
        code, report = checked(nodes, (name, other), "--try", account="up_small")

    sentences = "\n".join(report["untold"])
    assert code == 2 or report["verdict"] == "blocked"
    assert "GRANT EVENT, SHOW VIEW, TRIGGER ON *.* TO 'up_small'@'%'" in sentences
    assert f"the accounts of 127.0.0.1:{node.port}" in sentences
    assert "GRANT ALL ON `dbmux\\_upgrade\\_%`.* to the account of this check" in sentences


def test_markdown_and_text_say_the_same(nodes: dict[str, Node]) -> None:
    first, second = (f"127.0.0.1:{nodes[name].port}" for name in (MARIADB, MYSQL))
    given = ("upgrade", "check", first, second, "--schemas", "uptrap*")
    account = {"DBMUX_VERIFY_USER": ACCOUNT, "DBMUX_VERIFY_PASSWORD": PASSWORD}

    with planted(nodes[MARIADB], DROP_OF_MARIADB, OF_MARIADB):
        text = run_here(*given, **account)
        markdown = run_here(*given, "--markdown", **account)

    assert (text.exit_code, markdown.exit_code) == (1, 1)
    assert "reserved words (4)" in text.stdout
    assert "## Reserved words (4)" in markdown.stdout
    assert "- **blocks**: `RANK is written without quotes`" in markdown.stdout
