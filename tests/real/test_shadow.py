"""Real servers side by side: what differs between them, that it is found, and that nothing else is reported."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.reading import Rights, Statement
from dbmux.backend.server import Backend
from dbmux.config.model import BackendConfig, Config
from dbmux.control.shadowing import Tap, session_states
from dbmux.differences import DifferenceKind as K
from dbmux.lexer import digest
from dbmux.mirror.catalogue import shipped
from dbmux.mirror.compare import Order, compare
from dbmux.mirror.ledger import Finding
from dbmux.mirror.read import Read
from dbmux.mirror.shadow import Shadow
from dbmux.mirror.side import Side
from dbmux.mirror.surroundings import Surroundings
from dbmux.mirror.writes import Writes
from dbmux.net.dial import dial
from dbmux.observe.digests import identity
from dbmux.observe.histogram import Histogram
from dbmux.observe.observer import Observer
from dbmux.playground.node import Node
from dbmux.proxy import Engine
from dbmux.session import SessionState
from dbmux.sql.ordering import is_ordered
from dbmux.wire.columns import FieldType
from dbmux.wire.commands import Command
from dbmux.wire.statements import Execute, ParameterType
from tests.fakes import TestClient, connect
from tests.mirror.corpus import ALIKE, DIFFERENT, SCHEMA
from tests.mirror.test_shadow import FakeFairness
from tests.real.conftest import ACCOUNT, PASSWORD, SERVERS

pytestmark = pytest.mark.real

# As many as a person wants to wait for.
MANY = int(os.environ.get("DBMUX_SHADOW_READS", 1000))
OLD, NEW = "mariadb:10.11", "mysql:9"
STATE = SessionState(schema=b"mirrored")
PAIRS = [(one, other) for one in SERVERS for other in SERVERS if one != other]
# What an application asks again and again; each takes a number of a row.
READS = (
    "SELECT id, name, email, born, score, salary, made, kind, options FROM people WHERE id = {} OR id = 2",
    "SELECT p.name, o.total FROM people p JOIN orders o ON o.person = p.id WHERE o.id > {} ORDER BY o.id",
    "SELECT city, COUNT(*), SUM(salary), AVG(score) FROM people WHERE id <> {} GROUP BY city",
    "SELECT n, f, d, t, z, dec30 FROM numbers WHERE n > {}",
    "SELECT id, doc FROM docs WHERE id >= {}",
    "SELECT id, ROUND(score, 2), UPPER(name), note IS NULL FROM people ORDER BY id LIMIT {}",
)


@pytest.fixture(scope="module", autouse=True)
def _mirrored(nodes: dict[str, Node]) -> None:
    for node in nodes.values():
        node.run(SCHEMA, "--default-character-set=utf8mb4")


def a_side(name: str, node: Node) -> Side:
    config = BackendConfig(address=TcpAddress("127.0.0.1", node.port))
    backend = Backend(name.replace(":", ""), config, dial=dial, tls=None, connect_timeout_s=5.0)
    rights = Rights(user=ACCOUNT.encode(), password=PASSWORD.encode())
    return Side(backend, lambda user: rights)


@dataclass
class Shadowed:
    """A shadow between two servers, and what it found."""

    shadow: Shadow
    source: Side
    target: Side
    around: Surroundings
    findings: list[Finding] = field(default_factory=list)


@asynccontextmanager
async def shadowed(nodes: dict[str, Node], share: float = 1.0) -> AsyncIterator[Shadowed]:
    findings: list[Finding] = []

    async def record(finding: Finding) -> None:
        findings.append(finding)

    around = Surroundings(
        fairness=FakeFairness(),
        record=record,
        durations=Histogram,
        random=Random(1).random,
        clock=lambda: 1.0,
        now=lambda: 1.0,
        pause=asyncio.sleep,
    )
    source, target = a_side(OLD, nodes[OLD]), a_side(NEW, nodes[NEW])
    try:
        yield Shadowed(Shadow("upgrade", source, target, shipped(), around, share), source, target, around, findings)
    finally:
        source.close()
        target.close()


def a_read(sql: str) -> Read:
    text = sql.encode()
    told = digest(text, 0, 0)
    return Read(
        statement=Statement(text), digest=identity(told), text=told.decode(), user=ACCOUNT, state=STATE, flags=0
    )


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_between_versions_only_what_is_known_to_differ_does(nodes: dict[str, Node], source: str, target: str) -> None:
    async def unexpected() -> dict[str, set[K]]:
        one, other = a_side(source, nodes[source]), a_side(target, nodes[target])
        await one.meet()
        await other.meet()
        expected = shipped().between(one.version, other.version)
        found: dict[str, set[K]] = {}
        for sql in (*ALIKE, *DIFFERENT):
            statement = Statement(sql.encode())
            answers = [await side.ask(statement, ACCOUNT, STATE) for side in (one, other)]
            order = Order.STATED if is_ordered(statement.text) else Order.OPEN
            left = {
                difference.kind
                for difference in compare(answers[0], answers[1], order).differences
                if expected.rule_for(difference, sql) is None
            }
            if left:
                found[sql] = left
        one.close()
        other.close()
        return found

    found = asyncio.run(unexpected())

    assert {sql: kinds for sql, kinds in found.items() if sql in ALIKE} == {}
    if source.partition(":")[0] != target.partition(":")[0]:
        assert len(found) > len(DIFFERENT) * 0.8


def test_many_reads_without_a_difference_report_none(nodes: dict[str, Node]) -> None:
    async def scenario() -> None:
        async with shadowed(nodes) as told:
            for number in range(MANY):
                await told.shadow.look(a_read(READS[number % len(READS)].format(number % 9)))

            figures = told.shadow.tally.told()
            assert [finding for finding in told.findings if finding.kind is not K.PLAN] == []
            assert figures["same"] + figures["expected"] == MANY
            assert figures["not_compared"] == {}

    asyncio.run(scenario())


def test_differences_that_are_planted_in_the_target_are_found_and_rightly_classed(nodes: dict[str, Node]) -> None:
    planted = {
        "UPDATE people SET name = 'ANN' WHERE id = 1": (READS[0].format(1), {K.LETTER_CASE}),
        "UPDATE people SET email = 'x@example.org' WHERE id = 1": (READS[0].format(1), {K.VALUE}),
        "UPDATE people SET born = NULL WHERE id = 5": (READS[0].format(5), {K.ZERO_DATE}),
        "UPDATE people SET score = 1.5000000000000002 WHERE id = 1": (READS[0].format(1), {K.FLOAT_DIGITS}),
        "UPDATE people SET salary = 100.01 WHERE id = 1": (READS[0].format(1), {K.VALUE}),
        "UPDATE people SET note = '' WHERE id = 2": ("SELECT id, note FROM people", {K.NULL_OR_EMPTY}),
        "UPDATE people SET note = 'trailing' WHERE id = 4": ("SELECT id, note FROM people", {K.TRAILING_SPACES}),
        "UPDATE people SET bits = b'100' WHERE id = 1": ("SELECT id, bits FROM people", {K.VALUE}),
        "UPDATE people SET raw = x'00ff11' WHERE id = 1": ("SELECT id, raw FROM people", {K.VALUE}),
        "DELETE FROM orders WHERE id = 3": ("SELECT id, total, state FROM orders", {K.MISSING_ROW}),
        "INSERT INTO orders VALUES (9, 1, 1, NULL, NULL, NULL)": ("SELECT id, total FROM orders", {K.EXTRA_ROW}),
        "UPDATE people SET city = 'Aaa' WHERE id = 6": ("SELECT id FROM people ORDER BY city, id", {K.ORDER}),
        "ALTER TABLE orders MODIFY total DECIMAL(14, 6)": ("SELECT id, total FROM orders", {K.DECIMAL_SCALE}),
        "ALTER TABLE orders RENAME COLUMN state TO status": ("SELECT id, state FROM orders", {K.ERROR_AT_TARGET}),
        "ALTER TABLE orders ADD extra INT": ("SELECT * FROM orders WHERE id = 1", {K.COLUMN_COUNT}),
        "ALTER TABLE orders MODIFY id DOUBLE": ("SELECT id FROM orders", {K.COLUMN_TYPE}),
        "ALTER TABLE people MODIFY made DATETIME(6)": ("SELECT id, made FROM people", {K.TIME_TEXT}),
    }

    async def scenario(sql: str) -> set[K]:
        async with shadowed(nodes) as told:
            await told.shadow.look(a_read(sql))
            return {finding.kind for finding in told.findings}

    found = {}
    for change, (sql, _) in planted.items():
        nodes[NEW].run(SCHEMA, "--default-character-set=utf8mb4")
        nodes[NEW].run(f"SET sql_mode = ''; USE mirrored; {change};", "--default-character-set=utf8mb4")
        found[change] = asyncio.run(scenario(sql))
    nodes[NEW].run(SCHEMA, "--default-character-set=utf8mb4")

    assert found == {change: kinds for change, (_, kinds) in planted.items()}


@pytest.mark.parametrize("name", SERVERS)
def test_each_server_gives_its_plan_also_for_an_execution(nodes: dict[str, Node], name: str) -> None:
    async def scenario() -> list[str]:
        side = a_side(name, nodes[name])
        await side.meet()
        execution = Execute(statement=0, types=(ParameterType(FieldType.LONG),), values=(2,))
        statements = (
            Statement(b"SELECT name FROM people WHERE id = 2"),
            Statement(b"SELECT name FROM people WHERE id = ?", execution),
            Statement(b"SELECT name FROM nowhere"),
        )
        told = [await side.explain(statement, ACCOUNT, STATE) for statement in statements]
        side.close()
        return told

    *plans, failed = asyncio.run(scenario())

    assert all("people" in plan or "Rows fetched before execution" in plan for plan in plans)
    assert failed.startswith("no plan: Table 'mirrored.nowhere' doesn't exist")


def test_reads_of_clients_are_tapped_and_compared_in_their_sessions_state(nodes: dict[str, Node]) -> None:
    async def scenario() -> None:
        observer = Observer(None)
        listen, address = "127.0.0.1:0", f"127.0.0.1:{nodes[OLD].port}"
        config = {"listen": listen, "backends": {"old": address}, "users": {ACCOUNT: PASSWORD}, "tls": "off"}
        made = Config.model_validate(config)
        async with Engine(made, emit=observer.emit, state_folder=None) as engine, shadowed(nodes) as told:
            backend = engine.frontend.topology.backends["old"]
            states = session_states(engine.frontend, backend)
            writes = Writes("upgrade", told.source, told.target, told.shadow.met, told.around, 0.0)
            tap = Tap(observer.queries, frozenset(("old",)), told.shadow, writes, lambda table: True, states)
            (listener,) = engine.listeners.values()
            assert isinstance(listener.address, TcpAddress)
            client = await connect(listener.address.port, PASSWORD.encode(), user=ACCOUNT.encode())
            assert isinstance(client, TestClient)
            await client.ask(Command.INIT_DB, b"mirrored")
            await client.ask(Command.QUERY, b"SET sql_mode = 'ANSI_QUOTES,NO_AUTO_CREATE_USER', time_zone = '+05:00'")
            for number in range(30):
                sql = f'SELECT "id", UNIX_TIMESTAMP("made"), "made" FROM "orders" WHERE "id" > {number % 4}'
                await client.ask(Command.QUERY, sql.encode())

            tap.take()
            working = asyncio.create_task(told.shadow.run())
            while told.shadow.waiting or told.shadow.tally.outcomes.total() < 30:  # noqa: ASYNC110 - nothing says so
                await asyncio.sleep(0.01)
            working.cancel()
            client.close()

            figures = told.shadow.tally.told()
            # How long a busy machine takes is no concern of this.
            unequal = [finding for finding in told.findings if finding.kind is not K.PLAN]
            assert (figures["chosen"], figures["compared"], unequal) == (30, 30, [])
            assert figures["not_compared"] == {}

    asyncio.run(asyncio.wait_for(scenario(), 60))
