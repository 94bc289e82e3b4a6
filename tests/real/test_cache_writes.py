"""Every kind of write ends what was read of all tables that it touches, through DbMux and past it by the binary log."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from dbmux.address import TcpAddress
from dbmux.control.ask import ask
from dbmux.errors import BackendRefused
from dbmux.playground.client import Client
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind, NoServer, find, parse_wish
from tests.real.conftest import SERVERS, SIMPLE_ACCOUNT, SIMPLE_PASSWORD, serve
from tests.real.ports import free_port, free_ports

pytestmark = pytest.mark.real

PATIENCE_S = 20.0
MARIADB, MYSQL = Kind.MARIADB, Kind.MYSQL
Rows = tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """What is there, and writes: each is made when what `reads` says is in memory. Between statements stands `;;`."""

    name: str
    before: str
    writes: tuple[str, ...]
    reads: tuple[str, ...] = (
        "SELECT COUNT(*), SUM(a), SUM(b) FROM t",
        "SELECT COUNT(*), SUM(a), SUM(b) FROM u",
    )
    only: Kind | None = None


T = "CREATE TABLE t (a INT PRIMARY KEY, b INT);; INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)"
TWO = f"{T};; CREATE TABLE u (a INT, b INT);; INSERT INTO u VALUES (1, 1), (2, 2)"
VIEWS = f"""{TWO};; CREATE VIEW v AS SELECT a, b FROM t;; CREATE VIEW w AS SELECT v.a, x.b FROM v
    JOIN (SELECT * FROM t) AS x ON v.a = x.a;; CREATE VIEW upon AS SELECT a, b FROM v WHERE a > 0"""
PARTS = """CREATE TABLE t (a INT PRIMARY KEY, b INT) PARTITION BY RANGE (a)
    (PARTITION p VALUES LESS THAN (10), PARTITION q VALUES LESS THAN MAXVALUE);; INSERT INTO t VALUES (1, 1), (11, 11);;
    CREATE TABLE u (a INT PRIMARY KEY, b INT);; INSERT INTO u VALUES (2, 2)"""
FAMILY = """CREATE TABLE p (a INT PRIMARY KEY, b INT);;
    CREATE TABLE t (a INT PRIMARY KEY, b INT, FOREIGN KEY (a) REFERENCES p (a) ON DELETE CASCADE ON UPDATE CASCADE);;
    CREATE TABLE u (a INT, b INT, FOREIGN KEY (a) REFERENCES t (a) ON DELETE SET NULL ON UPDATE CASCADE);;
    INSERT INTO p VALUES (1, 1), (2, 2), (3, 3);; INSERT INTO t SELECT * FROM p;; INSERT INTO u SELECT * FROM p"""
PROGRAMS = f"""{TWO};; CREATE TRIGGER g AFTER DELETE ON t FOR EACH ROW UPDATE u SET b = b + OLD.a;;
    CREATE FUNCTION f(x INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO u VALUES (x, x); RETURN x; END;;
    CREATE PROCEDURE inner_one() BEGIN INSERT INTO u VALUES (9, 9); UPDATE t SET b = b + 1; END;;
    CREATE PROCEDURE outer_one() CALL inner_one();;
    CREATE PROCEDURE dynamic() BEGIN SET @s = 'UPDATE t SET b = b + 1'; PREPARE s FROM @s; EXECUTE s; END;;
    CREATE PROCEDURE in_parts() BEGIN UPDATE t SET b = b + 1; SELECT 1; UPDATE u SET b = b + 1; SELECT 2; END"""
NAMES = """CREATE TABLE `sel``ect` (a INT, b INT);; CREATE TABLE `with space` (a INT, b INT);;
    CREATE TABLE `x.y` (a INT, b INT);; CREATE TABLE MiXed (a INT, b INT);; INSERT INTO MiXed VALUES (1, 1)"""

CASES = (
    Case("rows of one table", TWO, (
        "INSERT INTO t VALUES (4, 4)", "insert ignore t value (5, 5)", "REPLACE t SET a = 4, b = 9",
        "INSERT INTO t VALUES (1, 1) ON DUPLICATE KEY UPDATE b = 77", "UPDATE LOW_PRIORITY t AS x SET x.b = 8 LIMIT 1",
        "INSERT INTO u SELECT a, b FROM t", "DELETE QUICK FROM u LIMIT 1",
        "LOAD DATA INFILE '{file}' REPLACE INTO TABLE {s}.t (a, @b) SET b = @b + 1",
    )),
    Case("rows of several tables", TWO, (
        "UPDATE t AS x, u AS y SET x.b = 5, y.b = 6 WHERE x.a = y.a",
        "UPDATE (SELECT 1 AS n) AS d JOIN u ON u.a = d.n SET u.b = 99",
        "DELETE x FROM t AS x JOIN u AS y ON x.a = y.a WHERE x.a = 1",
        "DELETE FROM x, y USING t AS x JOIN u AS y ON x.a = y.a WHERE x.a = 2",
        "DELETE FROM {s}.t USING {s}.t WHERE a = 3",
    )),
    Case("WITH in front", TWO, (
        "WITH c AS (SELECT 1 AS n) UPDATE u JOIN c ON c.n = u.a SET u.b = 100",
        "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2) DELETE FROM t WHERE a IN "
        "(SELECT n FROM c)",
        "INSERT INTO t WITH c AS (SELECT 321 AS n) SELECT n, n FROM c", "INSERT INTO t (a, b) TABLE u",
    ), only=MYSQL),
    Case("comments that the server runs", TWO, (
        "/*! INSERT INTO t VALUES (4, 4) */", "/*!40101 UPDATE t SET b = 9 */", "/*!999999 x */ UPDATE t SET b = 10",
        "INSERT /*! INTO */ t VALUES (6, 6)", "# c\nUPDATE t SET b = 12", "/* SELECT */ UPDATE/**/t/**/SET b = 13",
        "SET sql_mode = 'ANSI_QUOTES';; UPDATE \"{s}\".\"t\" SET \"b\" = 14",
    )),
    Case("definitions", TWO, (
        "TRUNCATE {s}.t", "INSERT INTO t VALUES (8, 8)", "RENAME TABLE t TO x, u TO t, x TO u",
        "ALTER TABLE t RENAME TO y", "CREATE TABLE t AS SELECT 5 AS a, 5 AS b", "DROP TABLE t",
        "ALTER TABLE y ADD c INT, RENAME t", "DROP TABLE IF EXISTS nothing, u", "CREATE TABLE u LIKE t",
    )),
    Case("partitions", PARTS, (
        "INSERT INTO t PARTITION (p) VALUES (3, 3)", "DELETE FROM t PARTITION (q)",
        "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u", "ALTER TABLE t TRUNCATE PARTITION p",
    )),
    Case("views upon views", VIEWS, (
        "INSERT INTO upon VALUES (4, 4)", "UPDATE v SET b = 9", "UPDATE t SET b = 10", "DELETE FROM upon WHERE a = 3",
        "CREATE OR REPLACE VIEW v AS SELECT a, 0 AS b FROM t", "ALTER VIEW v AS SELECT a, 1 AS b FROM t",
    ), reads=("SELECT * FROM upon ORDER BY a", "SELECT * FROM w ORDER BY a", "SELECT SUM(a), SUM(b) FROM t")),
    Case("cascades", FAMILY, (
        "UPDATE p SET a = 10 WHERE a = 1", "DELETE FROM p WHERE a = 10", "REPLACE INTO p VALUES (2, 7)",
        "DELETE p FROM p WHERE a = 3",
    )),
    Case("triggers, functions and procedures", PROGRAMS, (
        "DELETE FROM t WHERE a = 3", "REPLACE INTO t VALUES (1, 7)", "SELECT f(1)", "SELECT `{s}`.f (2)", "DO f(3)",
        "SET @x = f(4)", "SELECT a FROM t ORDER BY f(a)", "INSERT INTO t VALUES (f(30), 1)", "SHOW TABLES WHERE f(1)",
        "PREPARE s FROM 'SELECT f(1)';; EXECUTE s", "CALL inner_one()", "CALL outer_one", "CALL {s}.dynamic()",
        "CALL in_parts()", "/*! CALL inner_one() */",
    )),
    Case("transactions", TWO, (
        "BEGIN;; INSERT INTO t VALUES (50, 1);; COMMIT", "SET autocommit = 0;; UPDATE t SET b = 2;; SET autocommit = 1",
        "BEGIN;; UPDATE t SET b = 3;; ALTER TABLE u ADD z INT", "BEGIN;; UPDATE t SET b = 4;; BEGIN;; ROLLBACK",
        "BEGIN;; UPDATE t SET b = 5;; SAVEPOINT s;; UPDATE u SET b = 9;; ROLLBACK TO s;; COMMIT",
        "BEGIN;; UPDATE t SET b = 6;; COMMIT AND CHAIN;; UPDATE u SET b = 44;; COMMIT",
        "LOCK TABLES t WRITE;; UPDATE t SET b = 7;; UNLOCK TABLES",
        "XA START 'x';; UPDATE t SET b = 10;; XA END 'x';; XA PREPARE 'x';; XA COMMIT 'x'",
        "XA START 'x';; UPDATE t SET b = 11;; XA END 'x';; XA COMMIT 'x' ONE PHASE",
    )),
    Case("names", NAMES, (
        "INSERT INTO `{s}`.`sel``ect` VALUES (2, 2)", "INSERT INTO {s} . `with space` VALUES (2, 2)",
        "INSERT INTO `x.y` VALUES (2, 2)", "UPDATE MiXed SET b = 4",
        "RENAME TABLE `with space` TO `x y`, MiXed TO `with space`",
    ), reads=("SELECT SUM(b) FROM `sel``ect`", "SELECT SUM(b) FROM `with space`", "SELECT SUM(b) FROM {s}.`x.y`",
              "SELECT SUM(b) FROM MiXed")),
    Case("two schemas", f"{T};; CREATE DATABASE {{s}}_two;; CREATE TABLE {{s}}_two.t (a INT, b INT)", (
        "INSERT INTO {s}_two.t VALUES (1, 1)", "USE {s}_two;; INSERT INTO t VALUES (2, 2);; UPDATE {s}.t SET b = 4",
        "RENAME TABLE {s}.t TO {s}_two.x, {s}_two.t TO {s}.t", "DROP DATABASE {s}_two",
    ), reads=("SELECT SUM(a), SUM(b) FROM t", "SELECT SUM(a), SUM(b) FROM {s}_two . t")),
    Case("other engines", "CREATE TABLE t (a INT, b INT) ENGINE=MyISAM;; CREATE TABLE u (a INT, b INT) ENGINE=MEMORY", (
        "BEGIN;; INSERT INTO t VALUES (2, 2);; ROLLBACK", "INSERT INTO u VALUES (2, 2)", "TRUNCATE u",
    )),
    Case("what only MariaDB has", TWO, (
        "ANALYZE UPDATE t SET b = b + 1", "ANALYZE FORMAT=JSON DELETE FROM t WHERE a = 1",
        "SET STATEMENT sql_mode = '' FOR UPDATE t SET b = b + 7", "IF 1 THEN UPDATE t SET b = 22; END IF",
        "BEGIN NOT ATOMIC UPDATE t SET b = b + 1; UPDATE u SET b = 9; END", "DELETE FROM t WHERE a = 2 RETURNING b",
        "EXECUTE IMMEDIATE CONCAT('UPDATE', ' t SET b = 2')", "CREATE OR REPLACE TABLE t AS SELECT 5 AS a, 5 AS b",
    ), only=MARIADB),
    Case("system versioning", "CREATE TABLE t (a INT, b INT) WITH SYSTEM VERSIONING;; INSERT INTO t VALUES (1, 1)", (
        "UPDATE t SET b = 9", "DELETE FROM t", "INSERT INTO t VALUES (3, 3)", "DELETE HISTORY FROM t",
    ), reads=("SELECT COUNT(*), SUM(b) FROM t",), only=MARIADB),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stage:
    """A server, and two DbMux before it: one that hears of writes by its clients alone, one that follows the log."""

    node: Node
    alone: int
    following: int
    controls: dict[int, int]

    def client(self, port: int, schema: str) -> Client:
        client = Client("127.0.0.1", port, SIMPLE_ACCOUNT, SIMPLE_PASSWORD)
        client.query(f"USE {schema}")
        return client

    def told(self, port: int) -> dict[str, Any]:
        found: dict[str, Any] = asyncio.run(ask(TcpAddress("127.0.0.1", self.controls[port]), "/cache"))
        return found

    def hits(self, port: int) -> int:
        return sum(one["hits"] for one in self.told(port)["statements"])

    def is_settled(self, port: int) -> bool:
        groups = self.told(port)["groups"]
        return bool(groups) and all(one["dictionary"] and one["binlog"] == (port == self.following) for one in groups)


@pytest.fixture(scope="module", params=SERVERS)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    root = tmp_path_factory.mktemp("writes")
    try:
        software = find(parse_wish(request.param), platformdirs.user_cache_path("dbmux") / "servers", print)
    except NoServer as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    gtids = ("--gtid-mode=ON", "--enforce-gtid-consistency=ON") if software.kind is MYSQL else ()
    options = ("--server-id=1", "--log-bin=binlog", "--log-bin-trust-function-creators=1", *gtids)
    node = Node("db", software, root / "node", options)
    node.start(free_port)
    try:
        if software.kind is MARIADB:
            node.run("DELETE FROM mysql.global_priv WHERE User=''; FLUSH PRIVILEGES")
        node.run(f"CREATE USER '{SIMPLE_ACCOUNT}'@'%' IDENTIFIED BY '{SIMPLE_PASSWORD}'")
        node.run(f"GRANT ALL ON *.* TO '{SIMPLE_ACCOUNT}'@'%'")
        node.run("CREATE DATABASE IF NOT EXISTS test")
        with Client("127.0.0.1", node.port, SIMPLE_ACCOUNT, SIMPLE_PASSWORD) as client:
            _make(client, software.kind)
        yield from _served(node, root)
    finally:
        node.stop()


def _make(client: Client, kind: Kind) -> None:
    # All of it before DbMux reads the dictionary.
    for number, case in enumerate(CASES):
        if case.only not in (None, kind):
            continue
        client.query(f"CREATE DATABASE s{number}")
        client.query(f"USE s{number}")
        for statement in case.before.split(";;"):
            client.query(statement.format(s=f"s{number}"))


def _served(node: Node, root: Path) -> Iterator[Stage]:
    ports = free_ports(4)
    stage = Stage(node, ports[0], ports[1], dict(zip(ports[:2], ports[2:], strict=True)))
    account = {"user": SIMPLE_ACCOUNT, "password": SIMPLE_PASSWORD}
    processes = [
        serve(
            root / name,
            {
                "listen": f"127.0.0.1:{port}",
                "control": f"127.0.0.1:{stage.controls[port]}",
                "backends": {"db": {"address": f"127.0.0.1:{node.port}"}},
                "users": {SIMPLE_ACCOUNT: SIMPLE_PASSWORD},
                "service": account,
                "cache": {"tables": {"*": "1h"}, "invalidate_from": invalidate_from},
            },
        )
        for name, port, invalidate_from in (
            ("alone", stage.alone, "off"),
            ("following", stage.following, "required"),
        )
    ]
    try:
        for port in (stage.alone, stage.following):
            _until(partial(_is_read, stage, port), "DbMux answers")
        yield stage
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            assert process.wait(PATIENCE_S) == 0


def _is_read(stage: Stage, port: int) -> bool:
    try:
        with stage.client(port, "s0") as client:
            client.query("SELECT a FROM t")
    except OSError:
        return False
    return stage.is_settled(port)


def _until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"not so within {PATIENCE_S:g} s: {what}")
        time.sleep(0.002)


def value(client: Client, sql: str) -> Rows | str:
    try:
        return client.query(sql).rows
    except BackendRefused as error:
        # Tables come and go.
        return str(error)


def remember(stage: Stage, port: int, client: Client, direct: Client, reads: list[str]) -> None:
    """Have what can be read be answered from memory."""
    for sql in reads:
        if not isinstance(value(direct, sql), str):
            _until(partial(_is_from_memory, stage, port, client, sql), f"it comes from memory: {sql}")


def _is_so(reader: Client, direct: Client, sql: str) -> bool:
    return value(reader, sql) == value(direct, sql)


def _is_from_memory(stage: Stage, port: int, client: Client, sql: str) -> bool:
    before = stage.hits(port)
    value(client, sql)
    return stage.hits(port) > before


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_a_write_through_dbmux_ends_all_that_it_touches(stage: Stage, number: int, tmp_path: Path) -> None:
    examine(stage, number, tmp_path, stage.alone, stage.alone)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_a_write_past_dbmux_ends_all_that_it_touches(stage: Stage, number: int, tmp_path: Path) -> None:
    examine(stage, number, tmp_path, stage.following, stage.node.port)


def examine(stage: Stage, number: int, tmp_path: Path, port: int, writers: int) -> None:
    case, schema = CASES[number], f"s{number}"
    if case.only not in (None, stage.node.software.kind):
        pytest.skip("the other family has it")
    file = tmp_path / "rows"
    file.write_text("7\t7\n8\t8\n")
    if writers != port:
        # The other test has made it.
        stage.node.run(f"DROP DATABASE {schema}; DROP DATABASE IF EXISTS {schema}_two; CREATE DATABASE {schema}")
        with stage.client(stage.node.port, schema) as maker:
            for statement in case.before.split(";;"):
                maker.query(statement.format(s=schema))
    reads = [sql.format(s=schema) for sql in case.reads]
    with stage.client(port, schema) as reader, stage.client(stage.node.port, schema) as direct:
        for write in case.writes:
            remember(stage, port, reader, direct, reads)

            with stage.client(writers, schema) as writer:
                for statement in write.format(s=schema, file=file).split(";;"):
                    writer.query(statement.strip())

            for sql in reads:
                if writers == port:
                    assert value(reader, sql) == value(direct, sql), write
                else:
                    _until(partial(_is_so, reader, direct, sql), f"{write} is seen by {sql}")


def test_an_xa_transaction_that_outlives_its_session_is_committed_by_another(stage: Stage) -> None:
    sql = "SELECT b FROM t WHERE a = 1"
    with stage.client(stage.alone, "s0") as reader, stage.client(stage.node.port, "s0") as direct:
        direct.query("REPLACE INTO t VALUES (1, 1)")
        with stage.client(stage.alone, "s0") as leaves:
            for statement in ("XA START 'l'", "UPDATE t SET b = 1000 WHERE a = 1", "XA END 'l'", "XA PREPARE 'l'"):
                leaves.query(statement)
        remember(stage, stage.alone, reader, direct, [sql])

        with stage.client(stage.alone, "s0") as commits:
            # The server notices a moment later that the session has gone.
            _until(lambda: value(commits, "XA COMMIT 'l'") == (), "the transaction can be committed")

        assert value(reader, sql) == value(direct, sql) == (("1000",),)


def test_after_a_server_was_away_nothing_is_used_that_was_stored_before(stage: Stage) -> None:
    # A table that is in the server's memory alone is empty then.
    sql = "SELECT COUNT(*) FROM m"
    with stage.client(stage.node.port, "test") as direct, stage.client(stage.alone, "test") as reader:
        direct.query("CREATE TABLE m (a INT) ENGINE=MEMORY")
        direct.query("INSERT INTO m VALUES (1)")
        remember(stage, stage.alone, reader, direct, [sql])

    stage.node.stop()
    with suppress(BackendRefused), stage.client(stage.alone, "test"):
        pass
    _until(lambda: _is_cleared(stage, "db was away"), "the server is missed")
    stage.node.start(free_port)
    _until(lambda: _is_answered(stage), "the server is asked again")

    with stage.client(stage.node.port, "test") as direct, stage.client(stage.alone, "test") as reader:
        assert value(reader, sql) == value(direct, sql) == (("0",),)


def _is_cleared(stage: Stage, cause: str) -> bool:
    return any(one["cause"] == cause for one in stage.told(stage.alone)["cleared"])


def _is_answered(stage: Stage) -> bool:
    with suppress(BackendRefused), stage.client(stage.alone, "test"):
        return True
    return False
