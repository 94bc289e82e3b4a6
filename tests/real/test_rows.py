"""Rows that real servers log are what a SELECT gives, and what is written of them elsewhere is the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from dbmux.errors import ProtocolError
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind
from dbmux.sync.literal import literal
from dbmux.wire.binlog.changes import changes
from dbmux.wire.binlog.columns import Column, Declared, Detail, LoggedType
from dbmux.wire.binlog.events import Committed, RowsChanged, TableMap
from dbmux.wire.binlog.plan import Plans
from dbmux.wire.binlog.rows import Row
from tests.real.column_types import CASES, TABLES, Case, Table
from tests.real.conftest import SERVERS
from tests.real.replay import connected, logged
from tests.real.test_binlog import started
from tests.wire.binlog.copying import Copy, agrees

pytestmark = pytest.mark.real

MODE = "sql_mode = 'ALLOW_INVALID_DATES'"


@dataclass(frozen=True, slots=True)
class Way:
    """How a server logs rows."""

    metadata: str
    image: str
    compresses: int = 0

    def __str__(self) -> str:
        return f"{self.metadata} metadata, {self.image} image{', compressed' * self.compresses}"


WAYS = (
    Way("FULL", "FULL"), Way("FULL", "FULL", 1), Way("MINIMAL", "FULL"), Way("FULL", "MINIMAL"),
    Way("MINIMAL", "MINIMAL", 1), Way("FULL", "NOBLOB"),
)  # fmt: skip


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    gtids = ("--gtid-mode=ON", "--enforce-gtid-consistency=ON") if request.param.startswith("mysql") else ()
    options = ("--log-bin=binlog", "--max-allowed-packet=1G", *gtids)
    node = started(request.param, tmp_path_factory.mktemp("rows"), *options)
    try:
        yield node
    finally:
        node.stop()


def log_as(node: Node, way: Way) -> tuple[str, ...]:
    """Have a server log in this way, and what a session of it must set."""
    session = (MODE, "binlog_format = ROW", f"binlog_row_image = {way.image}")
    with connected(node) as cursor:
        cursor.execute(f"SET GLOBAL binlog_row_metadata = {way.metadata}")
        if node.software.kind is Kind.MYSQL:
            return (*session, f"binlog_transaction_compression = {way.compresses}")
        cursor.execute("SET GLOBAL log_bin_compress_min_len = 10")
        cursor.execute(f"SET GLOBAL log_bin_compress = {way.compresses}")
        return session


def selected(case: Case, way: Way) -> str:
    """A column so that its SELECT tells all that a row does."""
    kind = case.type.partition("(")[0]
    if kind == "float":
        return "c + 0e0"
    if kind == "bit" or (kind in ("enum", "set") and way.metadata != "FULL"):
        return "CAST(c AS UNSIGNED)"
    if kind == "enum":
        # What is none of its elements is shown as an empty string, which may be one.
        return "IF(c = 0, '0', c)"
    return "c"


@dataclass
class Written:
    """A table that was written, and what it held after each transaction."""

    case: Case
    snapshots: list[list[tuple[bytes | None, ...]]] = field(default_factory=list)


DECLARED = {"uuid": Declared.UUID, "inet4": Declared.INET4, "inet6": Declared.INET6}
TYPES = {f"c_{case.name}": DECLARED[case.type] for case in CASES if case.type in DECLARED}


def declare(table: TableMap) -> Mapping[int, Declared]:
    return {1: TYPES[table.table]} if table.table in TYPES else {}


def write(cursor: Any, written: Written, way: Way) -> None:
    case, table = written.case, f"c_{written.case.name}"
    first = case.literals[0]
    statements = [f"INSERT INTO {table} VALUES ({at}, {value}, 0)" for at, value in enumerate(case.literals)]
    statements += [
        f"UPDATE {table} SET d = 1",
        f"UPDATE {table} SET c = NULL WHERE id = 0",
        f"UPDATE {table} SET c = {first}, d = 2 WHERE id = 0",
        f"DELETE FROM {table} WHERE id = 0",
        f"DELETE FROM {table}",
    ]
    for statement in statements:
        if cursor.execute(statement):
            cursor.execute(f"SELECT id, {selected(case, way)}, d FROM {table} ORDER BY id")
            written.snapshots.append(list(cursor.fetchall()))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_value_of_every_type_is_what_a_select_gives(server: Node, way: Way) -> None:
    session = log_as(server, way)
    everything = {f"c_{case.name}": Written(case) for case in CASES if case.on.has(server)}

    def write_all() -> None:
        with connected(server, *session) as cursor:
            cursor.execute("DROP DATABASE IF EXISTS shop")
            cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
            cursor.execute("USE shop")
            for table, written in everything.items():
                cursor.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, c {written.case.type}, d INT)")
                write(cursor, written, way)

    told = logged(server, write_all)

    plans = Plans(declare)
    copies = {table: Copy() for table in everything}
    seen = dict.fromkeys(everything, 0)
    wrong, touched = [], set[str]()
    for event in told:
        if isinstance(event, RowsChanged):
            copies[event.table.table].apply(event, plans.of(event.table))
            touched.add(event.table.table)
        elif isinstance(event, Committed):
            for table in touched:
                expected, rows = everything[table].snapshots[seen[table]], sorted(copies[table].rows, key=_id)
                seen[table] += 1
                if len(rows) != len(expected) or not all(map(agrees, rows, expected)):
                    wrong.append(f"{table}: {str(rows)[:200]} is {str(expected)[:200]}")
            touched.clear()
    assert wrong == []
    assert seen == {table: len(written.snapshots) for table, written in everything.items()}


def _id(row: tuple[Any, ...]) -> int:
    assert isinstance(row[0], int)
    return row[0]


@pytest.mark.parametrize("way", [WAYS[0], WAYS[4]], ids=str)
def test_tables_of_their_own_are_told_as_a_select_gives_them(server: Node, way: Way) -> None:
    session = log_as(server, way)
    everything = [table for table in TABLES if table.on.has(server) and not _fails(server, way, table)]
    snapshots: dict[str, list[list[tuple[bytes | None, ...]]]] = {table.name: [] for table in everything}

    def write_all() -> None:
        with connected(server, *session) as cursor:
            cursor.execute("DROP DATABASE IF EXISTS shop")
            cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
            cursor.execute("USE shop")
            for table in everything:
                cursor.execute(table.create.format(t=table.name))
                columns = _columns(cursor, table.name)
                for statement in table.statements:
                    cursor.execute(statement.format(t=table.name))
                    if statement.startswith(("insert", "update", "delete", "replace")):
                        cursor.execute(f"SELECT {columns} FROM {table.name}")
                        snapshots[table.name].append(list(cursor.fetchall()))

    told = logged(server, write_all)

    plans = Plans()
    copies = {table.name: Copy() for table in everything}
    ends = []
    for event in told:
        if isinstance(event, RowsChanged):
            table = event.table.table
            copies[table].apply(event, plans.of(event.table))
            ends.append(table)
        elif isinstance(event, Committed) and ends:
            table = ends[-1]
            ends.clear()
            rows, expected = [_without(table, row) for row in copies[table].rows], snapshots[table].pop(0)
            assert len(rows) == len(expected), table
            for row in expected:
                assert any(agrees(other, row) for other in rows), (table, str(rows)[:300], str(row)[:300])
    assert not any(snapshots.values())


# MariaDB leaves them out, or logs what they were before an update.
GENERATED = {"gen": slice(2, 4)}


def _without(table: str, row: Row) -> Row:
    values = list(row)
    if table in GENERATED:
        del values[GENERATED[table]]
    return tuple(values)


def _fails(server: Node, way: Way, table: Table) -> bool:
    # MySQL cannot log a row of no columns (error 1534).
    return table.name == "empty_row" and way.image == "MINIMAL" and server.software.kind is Kind.MYSQL


def _columns(cursor: Any, table: str) -> str:
    cursor.execute(
        "SELECT column_name, extra FROM information_schema.columns"
        f" WHERE table_schema = 'shop' AND table_name = '{table}' ORDER BY ordinal_position"
    )
    return ", ".join(f"`{name.decode()}`" for name, extra in cursor.fetchall() if b"GENERATED" not in extra)


# As text, a DECIMAL in JSON is a DOUBLE.
ROUNDED = {"json_opaque", "json_decimals"}


def test_a_literal_makes_the_same_value(server: Node) -> None:
    way = WAYS[0]
    session = log_as(server, way)
    cases = [case for case in CASES if case.on.has(server)]

    def write_all() -> None:
        with connected(server, *session) as cursor:
            cursor.execute("DROP DATABASE IF EXISTS shop")
            cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
            cursor.execute("USE shop")
            for case in cases:
                cursor.execute(f"CREATE TABLE c_{case.name} (id INT PRIMARY KEY, c {case.type}, d INT)")
                for at, value in enumerate(case.literals):
                    cursor.execute(f"INSERT INTO c_{case.name} VALUES ({at}, {value}, 0)")

    told = logged(server, write_all)

    plans, copies = Plans(declare), {f"c_{case.name}": Copy() for case in cases}
    layouts = {}
    for event in told:
        if isinstance(event, RowsChanged):
            plan = plans.of(event.table)
            layouts[event.table.table] = plan.layout
            copies[event.table.table].apply(event, plan)
    wrong = list[tuple[str, ...]]()
    with connected(server, MODE) as cursor:
        cursor.execute("USE shop")
        for case in cases:
            table = f"c_{case.name}"
            cursor.execute(f"CREATE TABLE x_{case.name} LIKE {table}")
            for row in copies[table].rows:
                values = [literal(value, column) for value, column in zip(row, layouts[table].columns, strict=True)]
                try:
                    cursor.execute(b"INSERT INTO x_%b VALUES (%b)" % (case.name.encode(), b", ".join(values)))
                except Exception as error:
                    wrong.append((case.name, str(error)[:100], str(values)[:100]))
            cursor.execute(
                f"SELECT a.id, HEX(a.c), HEX(b.c) FROM {table} a LEFT JOIN x_{case.name} b ON a.id = b.id"
                f" WHERE NOT (BINARY a.c <=> BINARY b.c)"
            )
            wrong += [
                (case.name, *(str(value) for value in row)) for row in cursor.fetchall() if case.name not in ROUNDED
            ]
    assert wrong == []


# The others keep what they had.
JSON_CHANGES = (
    "j = JSON_SET(j, '$.x', 2), k = JSON_ARRAY_APPEND(k, '$', 3)",
    "k = JSON_SET(k, '$[0]', 'text')",
    "j = JSON_REMOVE(j, '$.arr[1]')",
    "j = JSON_SET(j, '$.\"a b\"', CAST(1.50 AS DECIMAL(5,2)), '$.o.n', 'é')",
    'j = JSON_SET(j, \'$."é\\\\""\', 1)',
    "j = JSON_ARRAY_INSERT(j, '$.arr[0]', JSON_OBJECT('q', NULL))",
    "j = JSON_REPLACE(j, '$.arr[0].q', TRUE), k = NULL",
    "j = JSON_SET(j, '$.o', JSON_ARRAY(1, 2)), c = 7",
    "k = '[]'",
    "j = '{}'",
)


@pytest.mark.parametrize("image", ["FULL", "NOBLOB", "MINIMAL"])
def test_json_that_is_logged_in_parts_is_whole_or_refused(server: Node, image: str) -> None:
    if server.software.kind is not Kind.MYSQL:
        pytest.skip("MariaDB has no such JSON")
    session = (*log_as(server, Way("FULL", image)), "binlog_row_value_options = PARTIAL_JSON")
    snapshots = []

    def write_all() -> None:
        with connected(server, *session) as cursor:
            cursor.execute("DROP DATABASE IF EXISTS shop")
            cursor.execute("CREATE DATABASE shop")
            cursor.execute("USE shop")
            cursor.execute("CREATE TABLE t (id INT PRIMARY KEY, j JSON, k JSON, c INT)")
            cursor.execute("""INSERT INTO t VALUES (1, '{"x": 1, "arr": [1, 2, 3], "o": {"k": "v"}}', '[1, 2]', 1)""")
            for change in JSON_CHANGES:
                cursor.execute(f"UPDATE t SET {change}")
                cursor.execute("SELECT * FROM t")
                snapshots.append(cursor.fetchone())

    told = logged(server, write_all)

    events = [event for event in told if isinstance(event, RowsChanged)]
    copy, plans = Copy(), Plans()
    copy.apply(events[0], plans.of(events[0].table))
    if image == "MINIMAL":
        with pytest.raises(ProtocolError, match="PARTIAL_JSON"):
            copy.apply(events[1], plans.of(events[1].table))
        return
    for event, expected in zip(events[1:], snapshots, strict=True):
        copy.apply(event, plans.of(event.table))
        (row,) = copy.rows
        assert agrees(row, expected), (row, expected)


DOUBLES_A_ROW, ROWS_OF_DOUBLES = 100, 20


def a_double(random: Random) -> bytes:
    digits = random.choice((random.uniform(-10, 10), float(random.randrange(10**6))))
    return literal(digits * 10.0 ** random.randrange(-40, 40), Column(type=LoggedType.DOUBLE))


def test_doubles_in_json_are_printed_as_the_server_does(server: Node) -> None:
    if server.software.kind is not Kind.MYSQL:
        pytest.skip("MariaDB has no such JSON")
    session, random = log_as(server, WAYS[0]), Random(6)
    snapshots: list[tuple[bytes | None, ...]] = []

    def write_all() -> None:
        with connected(server, *session) as cursor:
            cursor.execute("DROP DATABASE IF EXISTS shop")
            cursor.execute("CREATE DATABASE shop")
            cursor.execute("USE shop")
            cursor.execute("CREATE TABLE t (j JSON)")
            for _ in range(ROWS_OF_DOUBLES):
                numbers = [a_double(random) for _ in range(DOUBLES_A_ROW)]
                cursor.execute(b"INSERT INTO t VALUES (JSON_ARRAY(%b))" % b", ".join(numbers))
            cursor.execute("SELECT j FROM t")
            snapshots.extend(cursor.fetchall())

    told = logged(server, write_all)

    copy, plans = Copy(), Plans()
    for event in told:
        if isinstance(event, RowsChanged):
            copy.apply(event, plans.of(event.table))
    assert copy.rows == snapshots


def test_without_metadata_types_alone_are_told(server: Node) -> None:
    if server.software.kind is Kind.MYSQL:
        pytest.skip("MySQL tells signs and character sets at least")
    session = log_as(server, Way("NO_LOG", "FULL"))

    def write_all() -> None:
        with connected(server, *session) as cursor:
            cursor.execute("DROP DATABASE IF EXISTS shop")
            cursor.execute("CREATE DATABASE shop")
            cursor.execute("CREATE TABLE shop.t (a INT UNSIGNED, b BINARY(3), e ENUM('x', 'y'), s SET('x', 'y'))")
            cursor.execute("INSERT INTO shop.t VALUES (4294967295, x'0100', 'y', 'x,y')")

    (rows,) = (event for event in logged(server, write_all) if isinstance(event, RowsChanged))

    plan = Plans().of(rows.table)
    assert plan.layout.detail is Detail.NO_LOG
    assert [after for _, after in changes(rows, plan)] == [(-1, b"\1", 2, 3)]
