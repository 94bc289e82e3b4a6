"""Writes that real servers are asked for and that are taken back: what is answered, and that nothing stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import perf_counter

import pytest

from dbmux.backend.reading import Rights, Statement
from dbmux.cache.cache import Source
from dbmux.cache.tables import Tables
from dbmux.control.shadowing import TRIED
from dbmux.errors import BackendRefused
from dbmux.mirror.answer import Answer, Failure
from dbmux.mirror.catalogue import shipped
from dbmux.mirror.fairness import Epochs
from dbmux.mirror.ledger import Finding
from dbmux.mirror.read import Read
from dbmux.mirror.shadow import Shadow
from dbmux.mirror.side import KEEPS, TRIGGERS, NotAsked, Side
from dbmux.mirror.surroundings import Surroundings
from dbmux.mirror.write import HAS_IT, Write
from dbmux.mirror.writes import Writes
from dbmux.observe.histogram import Histogram
from dbmux.playground.node import Node
from dbmux.session import SessionState
from dbmux.sql.classify import classify
from dbmux.sql.repeatable import is_of_values
from dbmux.sync.table import TableName
from dbmux.wire.capabilities import Capability
from tests.real.conftest import SERVERS
from tests.real.mirroring import ACCOUNT, Pair, backend, client, mirrored, started

pytestmark = pytest.mark.real

TABLE = TableName("tried", "t")
TABLES = (
    "CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(5), UNIQUE (b))",
    "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
)
SCHEMA = (
    "CREATE DATABASE IF NOT EXISTS tried; USE tried; DROP TABLE IF EXISTS t, kept, watched, log;"
    "CREATE TABLE t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(5), UNIQUE (b));"
    "INSERT INTO t VALUES (1, 'x'), (2, 'y');"
    "CREATE TABLE kept (a INT) ENGINE=MyISAM; CREATE TABLE log (a INT);"
    "CREATE TABLE watched (a INT);"
    "CREATE TRIGGER noticed BEFORE INSERT ON watched FOR EACH ROW INSERT INTO log VALUES (1);"
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    root, running = tmp_path_factory.mktemp("tried"), dict[str, Node]()
    try:
        for number, name in enumerate(SERVERS, 1):
            running[name] = started(name, root, number)
        yield running
    finally:
        for node in running.values():
            node.stop()


@pytest.fixture(params=SERVERS)
def node(request: pytest.FixtureRequest, servers: dict[str, Node]) -> Node:
    found = servers[request.param]
    found.run(SCHEMA)
    return found


def a_side(node: Node) -> Side:
    rights = Rights(user=ACCOUNT.user.encode(), password=ACCOUNT.password.encode())
    return Side(backend(node), lambda user: rights, TRIED)


def tried(node: Node, sql: str, table: TableName = TABLE, capabilities: int = 0) -> Answer:
    async def scenario() -> Answer:
        side = a_side(node)
        try:
            await side.meet()
            state = SessionState(schema=b"tried")
            return await side.try_out(Statement(sql.encode()), "app", state, (table,), capabilities)
        finally:
            side.close()

    return asyncio.run(scenario())


def rows(node: Node, sql: str = "SELECT a, b FROM tried.t ORDER BY a") -> list[tuple[str | None, ...]]:
    with client(node) as session:
        return list(session.query(sql).rows)


@pytest.mark.parametrize(
    ("sql", "capabilities", "affected", "number"),
    [
        ("INSERT INTO t (b) VALUES ('z'), ('w')", 0, 2, 0),
        ("REPLACE INTO t VALUES (1, 'y')", 0, 3, 0),
        ("UPDATE t SET b = 'x' WHERE a = 1", 0, 0, 0),
        ("UPDATE t SET b = 'x' WHERE a = 1", Capability.FOUND_ROWS, 1, 0),
        ("DELETE FROM t", 0, 2, 0),
        ("INSERT INTO t VALUES (1, 'q')", 0, None, 1062),
        ("INSERT INTO t VALUES (5, 'too long')", 0, None, 1406),
        ("UPDATE t SET nothing = 1", 0, None, 1054),
        ("UPDATE t SETT b = 1", 0, None, 1064),
    ],
)
def test_it_answers_as_if_it_were_written_and_nothing_is(
    node: Node, sql: str, capabilities: int, affected: int | None, number: int
) -> None:
    before = rows(node)

    answer = tried(node, sql, capabilities=capabilities)

    assert (answer.affected_rows, answer.failure.number if answer.failure else 0) == (affected, number)
    assert rows(node) == before == [("1", "x"), ("2", "y")]


@pytest.mark.parametrize(
    ("table", "why"),
    [("kept", KEEPS), ("watched", TRIGGERS), ("nowhere", "error 1146"), ("t; DROP TABLE t", "error 1146")],
)
def test_a_table_that_could_keep_something_of_it_is_not_written(node: Node, table: str, why: str) -> None:
    with pytest.raises(NotAsked, match=why):
        tried(node, "INSERT INTO kept VALUES (1)", TableName("tried", table))

    assert rows(node, "SELECT * FROM tried.kept") == rows(node, "SELECT * FROM tried.log") == []


def test_it_does_not_wait_for_others_and_holds_up_nobody(node: Node) -> None:
    with client(node) as applying:
        applying.query("BEGIN")
        applying.query("UPDATE tried.t SET b = 'other' WHERE a = 1")
        begun = perf_counter()

        answer = tried(node, "UPDATE t SET b = 'mine' WHERE a IN (1, 2)")

        assert answer.failure is not None
        assert answer.failure.number in (1205, 3572)
        assert perf_counter() - begun < 5
        # What the other one goes on with is not locked.
        applying.query("UPDATE tried.t SET b = 'alike' WHERE a = 2")
        applying.query("COMMIT")
    assert rows(node) == [("1", "other"), ("2", "alike")]


def test_an_account_that_may_not_see_triggers_writes_nothing(node: Node) -> None:
    node.run(
        "DROP USER IF EXISTS 'blind'@'%'; CREATE USER 'blind'@'%' IDENTIFIED BY 'blind-pass';"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO 'blind'@'%';"
    )

    async def scenario() -> None:
        side = Side(backend(node), lambda user: Rights(user=b"blind", password=b"blind-pass"), TRIED)
        await side.meet()
        statement, state = Statement(b"INSERT INTO watched VALUES (1)"), SessionState(schema=b"tried")
        with pytest.raises(NotAsked, match=TRIGGERS):
            await side.try_out(statement, "app", state, (TableName("tried", "watched"),), 0)
        side.close()

    asyncio.run(scenario())


# What a client of the source wrote, how it came out there, and what is made of the target's answer.
JUDGED: tuple[tuple[str, str, str], ...] = (
    ("INSERT INTO t (b) VALUES ('new')", "", HAS_IT),
    ("INSERT INTO t (b) VALUES (NULL)", "", "same"),
    ("UPDATE t SET b = 'x' WHERE a = 1", "", "same"),
    ("INSERT INTO t VALUES (1, 'dup')", "", "same"),
    ("UPDATE t SET nothing = 1", "", "same"),
    ("UPDATE t SET b = 'y2' WHERE a = 2", "", HAS_IT),
    ("DELETE FROM t WHERE a = 77", "INSERT INTO t VALUES (77, 'extra')", "affected rows"),
    ("INSERT INTO t VALUES (1, 'dup')", "DELETE FROM t WHERE a = 1", "error at source"),
    ("INSERT INTO t VALUES (9, 'ok')", "ALTER TABLE t ADD c INT", "error at target"),
)


@pytest.mark.parametrize(("source", "target"), [("mariadb:10.11", "mysql:9"), ("mysql:9", "mariadb:11")])
@pytest.mark.parametrize(("sql", "planted", "outcome"), JUDGED)
def test_what_clients_were_told_is_compared_where_that_is_fair(
    servers: dict[str, Node], source: str, target: str, sql: str, planted: str, outcome: str
) -> None:
    findings: list[Finding] = []

    async def record(finding: Finding) -> None:
        findings.append(finding)

    async def scenario(pair: Pair) -> None:
        around = Surroundings(
            fairness=Epochs(Source("main"), Tables(), lambda: pair.mirror),
            record=record,
            durations=Histogram,
            random=lambda: 0.0,
            clock=lambda: 1.0,
            now=perf_counter,
            pause=asyncio.sleep,
        )
        sides = a_side(pair.source), a_side(pair.target)
        shadow = Shadow("upgrade", *sides, shipped(), around, 0.0)
        writes = Writes("upgrade", sides[0], sides[1], shadow.met, around, 1.0)
        await pair.begin()
        pair.write(*TABLES)
        await pair.equal()
        if planted:
            with client(pair.target) as session:
                session.query(f"USE {pair.schema}")
                session.query("SET sql_mode = 'STRICT_ALL_TABLES'")
                session.query(planted)
        write = ran(pair, sql)
        await writes.look(write)
        for side in sides:
            side.close()
        told = writes.tally.told()
        found = [*told["not_compared"], *told["kinds"], *(["same"] if told["same"] else [])]
        assert found == [outcome], (found, findings)

    schema = (
        f"judged_{JUDGED.index((sql, planted, outcome))}_{servers[source].name.replace('-', '_').replace('.', '_')}"
    )
    for name in (source, target):
        servers[name].run(f"DROP DATABASE IF EXISTS {schema}; CREATE DATABASE {schema};")
    mirrored(servers[source], servers[target], schema, scenario)


def ran(pair: Pair, sql: str) -> Write:
    """A client runs it on the source."""
    begun = perf_counter()
    text = sql.encode()
    with client(pair.source) as session:
        session.query(f"USE {pair.schema}")
        try:
            answer = Answer(affected_rows=session.query(sql).affected_rows)
        except BackendRefused as error:
            told = error.message.decode()
            answer = Answer(failure=Failure(error.number, error.sqlstate.decode(), told))
    query = classify(text, 0, 0)
    read = Read(
        statement=Statement(text), digest="d", text=sql, user="app", state=SessionState(schema=pair.schema.encode())
    )
    return Write(
        read=read,
        tables=(TableName(pair.schema, "t"),),
        answer=answer,
        begun=begun,
        ended=perf_counter(),
        has_values=is_of_values(text, 0, query),
    )
