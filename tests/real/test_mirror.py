"""A mirror of real servers: whatever is written to one is on the other, in every pair of versions and direction."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from dbmux.config.model import OnDefinition
from dbmux.mirror.mirror import Begun, MirrorState, NoSuchPlace
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind
from dbmux.sync.definition import fingerprint
from dbmux.sync.dumped import place_in
from dbmux.sync.places import Definition, intended
from dbmux.sync.table import TableName
from dbmux.sync.target import EACH_ALONE, Target
from dbmux.wire.binlog.events import HEADER_LENGTH, Position, parse_header
from tests.real.attacks import kill
from tests.real.column_types import CASES, Case
from tests.real.conftest import SERVERS
from tests.real.mirroring import ACCOUNT, Pair, backend, client, mirrored, started

pytestmark = pytest.mark.real

PAIRS = list(permutations(SERVERS, 2))
MODES = "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'"

UUID = "123e4567-e89b-12d3-a456-426655440000"

# A table before, on both, and what is written on the source.
WRITES = (
    ("inserts", "CREATE TABLE inserts (a INT PRIMARY KEY, b INT)", ("INSERT INTO inserts VALUES (1, 1), (2, NULL)",)),
    (
        "updates",
        "CREATE TABLE updates (a INT PRIMARY KEY, b INT)",
        (
            "INSERT INTO updates VALUES (1, 1), (2, 2), (3, 3)",
            "UPDATE updates SET b = b + 1",
            # Each row takes the key of the one before it.
            "UPDATE updates SET a = a + 1 ORDER BY a DESC",
        ),
    ),
    (
        "deletes",
        "CREATE TABLE deletes (a INT, b VARCHAR(9), PRIMARY KEY (a, b))",
        ("INSERT INTO deletes VALUES (1, 'x'), (1, 'y'), (2, 'x')", "DELETE FROM deletes WHERE b = 'x'"),
    ),
    (
        "replaces",
        "CREATE TABLE replaces (a INT PRIMARY KEY, b INT UNIQUE, c INT)",
        ("INSERT INTO replaces VALUES (1, 1, 1), (2, 2, 2)", "REPLACE INTO replaces VALUES (1, 2, 3)"),
    ),
    (
        "on duplicate",
        "CREATE TABLE duplicates (a INT PRIMARY KEY, b INT)",
        (
            "INSERT INTO duplicates VALUES (1, 1)",
            "INSERT INTO duplicates VALUES (1, 1), (2, 2) ON DUPLICATE KEY UPDATE b = 9",
        ),
    ),
    (
        "no key",
        "CREATE TABLE keyless (a INT, b VARCHAR(9))",
        (
            "INSERT INTO keyless VALUES (1, 'x'), (1, 'x'), (NULL, NULL), (2, 'y')",
            "UPDATE keyless SET a = 5 WHERE b = 'x' LIMIT 1",
            "DELETE FROM keyless WHERE a IS NULL",
        ),
    ),
    (
        "no key, and rows that are equal by their collation",
        "CREATE TABLE cased (a VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, b INT)",
        (
            "INSERT INTO cased VALUES ('A', 1), ('a', 1), ('a ', 1), ('á', 1)",
            "DELETE FROM cased WHERE a = BINARY 'a'",
            "UPDATE cased SET b = 2 WHERE a = BINARY 'á'",
        ),
    ),
    (
        "moments that a server sets by itself",
        "CREATE TABLE renewed (a INT PRIMARY KEY, b INT,"
        " c DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
        ("INSERT INTO renewed VALUES (1, 1, '2020-01-01')", "UPDATE renewed SET b = 2, c = c"),
    ),
    (
        "no element of an ENUM, and an empty one",
        "CREATE TABLE wrong (a INT PRIMARY KEY, b ENUM('', 'x'), c VARCHAR(9))",
        (
            "SET sql_mode = ''", "INSERT INTO wrong VALUES (1, 'y', 'a'), (2, '', 'b')",
            "UPDATE wrong SET b = 'y', c = 'c' WHERE a = 2", "UPDATE wrong SET a = 3 WHERE a = 2",
            "INSERT INTO wrong VALUES (4, '', 'd')",
        ),
    ),
    (
        "rolled back",
        "CREATE TABLE rolled (a INT PRIMARY KEY)",
        (
            "BEGIN", "INSERT INTO rolled VALUES (1)", "ROLLBACK",
            "BEGIN", "INSERT INTO rolled VALUES (2)", "SAVEPOINT s", "INSERT INTO rolled VALUES (3)", "ROLLBACK TO s",
            "INSERT INTO rolled VALUES (4)", "COMMIT",
        ),
    ),
    (
        "auto increment",
        "CREATE TABLE counted (a INT PRIMARY KEY AUTO_INCREMENT, b INT)",
        (
            "INSERT INTO counted (b) VALUES (1), (2)", "BEGIN", "INSERT INTO counted (b) VALUES (3)", "ROLLBACK",
            "INSERT INTO counted (b) VALUES (4)", "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
            "INSERT INTO counted VALUES (0, 0)",
        ),
    ),
    (
        "two phases",
        "CREATE TABLE phases (a INT PRIMARY KEY)",
        (
            "XA START 'x', 'b', 7", "INSERT INTO phases VALUES (1), (2)", "DELETE FROM phases WHERE a = 1",
            "XA END 'x', 'b', 7", "XA PREPARE 'x', 'b', 7", "XA COMMIT 'x', 'b', 7",
            "XA START 'y'", "INSERT INTO phases VALUES (3)", "XA END 'y'", "XA PREPARE 'y'", "XA ROLLBACK 'y'",
            "XA START 'z'", "INSERT INTO phases VALUES (4)", "XA END 'z'", "XA COMMIT 'z' ONE PHASE",
        ),
    ),
    (
        "generated columns",
        "CREATE TABLE computed (a INT PRIMARY KEY, b INT, v INT GENERATED ALWAYS AS (a + b) VIRTUAL,"
        " s INT GENERATED ALWAYS AS (a * b) STORED)",
        ("INSERT INTO computed (a, b) VALUES (1, 2), (2, 3)", "UPDATE computed SET b = 7 WHERE a = 1"),
    ),
    (
        "partitions",
        "CREATE TABLE parts (a INT PRIMARY KEY, b INT) PARTITION BY HASH (a) PARTITIONS 4",
        ("INSERT INTO parts VALUES (1, 1), (2, 2), (3, 3)", "UPDATE parts SET b = 0 WHERE a > 1"),
    ),
    (
        "names",
        "CREATE TABLE `a ``b.é` (`select` INT PRIMARY KEY, `x``y` INT, `naïve 名` VARCHAR(9) CHARACTER SET utf8mb4)",
        ("INSERT INTO `a ``b.é` VALUES (1, 2, '値')", "UPDATE `a ``b.é` SET `x``y` = 3"),
    ),
    (
        "hostile text",
        "CREATE TABLE hostile (a VARCHAR(99) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, b BLOB)",
        (
            r"""INSERT INTO hostile VALUES ('it''s', x'00275c00'), ('\\', '\\'), ('"', NULL), (';--', '')""",
            "INSERT INTO hostile VALUES ('%s', '😀')",
            r"""UPDATE hostile SET b = CONCAT(b, '\\\'') WHERE a = '\\'""",
        ),
    ),
    (
        "a view and a procedure",
        "CREATE TABLE behind (a INT PRIMARY KEY)",
        (
            "CREATE VIEW before_it AS SELECT * FROM behind", "INSERT INTO before_it VALUES (1)",
            "CREATE PROCEDURE fill() INSERT INTO behind VALUES (2)", "CALL fill()",
        ),
    ),
    (
        "definitions",
        "CREATE TABLE defined (a INT PRIMARY KEY)",
        (
            "INSERT INTO defined VALUES (1)", "ALTER TABLE defined ADD COLUMN b VARCHAR(9) DEFAULT 'x' FIRST",
            "INSERT INTO defined VALUES ('y', 2)", "CREATE INDEX i ON defined (b)", "TRUNCATE TABLE defined",
            "INSERT INTO defined VALUES ('z', 3)", "CREATE TABLE made (a INT PRIMARY KEY)",
            "INSERT INTO made VALUES (1)",
            "CREATE TABLE gone (a INT PRIMARY KEY)", "INSERT INTO gone VALUES (1)", "DROP TABLE gone",
            "ALTER TABLE defined DROP COLUMN b",
            "CREATE TABLE for_some (a INT PRIMARY KEY, b INT DEFAULT 5 /*!80023 INVISIBLE */)",
            "INSERT INTO for_some (a) VALUES (1)",
        ),
    ),
    (
        "a table made of another",
        "CREATE TABLE model (a INT PRIMARY KEY, b VARCHAR(9))",
        (
            "INSERT INTO model VALUES (1, 'x'), (2, 'y')", "CREATE TABLE copied (PRIMARY KEY (a)) SELECT * FROM model",
            "INSERT INTO copied VALUES (3, 'z')",
        ),
    ),
    (
        "a partition that changes places with a table",
        "CREATE TABLE swapped (a INT PRIMARY KEY) PARTITION BY HASH (a) PARTITIONS 1",
        (
            "INSERT INTO swapped VALUES (1), (2)", "CREATE TABLE with_it (a INT PRIMARY KEY)",
            "INSERT INTO with_it VALUES (3)", "ALTER TABLE swapped EXCHANGE PARTITION p0 WITH TABLE with_it",
            "DELETE FROM with_it WHERE a = 1", "DELETE FROM swapped WHERE a = 3",
        ),
    ),
    (
        "definitions that depend on their session",
        "CREATE TABLE dependent (a INT PRIMARY KEY)",
        (
            "INSERT INTO dependent VALUES (1)",
            "SET timestamp = 1000000000.25, time_zone = '+05:00', sql_mode = 'PIPES_AS_CONCAT'",
            "ALTER TABLE dependent ADD COLUMN b DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6),"
            " ADD COLUMN c TIMESTAMP NULL DEFAULT '2020-01-01 00:00:00',"
            " ADD COLUMN d VARCHAR(9) GENERATED ALWAYS AS (a || 'x') STORED",
        ),
    ),
    (
        "a long row",
        "CREATE TABLE long_rows (a INT PRIMARY KEY, b LONGBLOB)",
        ("INSERT INTO long_rows VALUES (1, REPEAT('x', 20000000)), (2, 'y')", "UPDATE long_rows SET a = 3 WHERE a = 1"),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    root = tmp_path_factory.mktemp("mirrors")
    running: dict[str, Node] = {}
    try:
        for number, name in enumerate(SERVERS):
            running[name] = started(name, root, number + 1)
        yield running
    finally:
        for node in running.values():
            node.stop()


@pytest.fixture(params=PAIRS, ids=" to ".join)
def pair(request: pytest.FixtureRequest, nodes: dict[str, Node]) -> tuple[Node, Node]:
    source, target = request.param
    return nodes[source], nodes[target]


def test_every_kind_of_write_arrives(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both(*(before for _, before, _ in WRITES))
        await found.begin()

        for _, _, writes in WRITES:
            found.write(*writes)

        await found.equal()

    mirrored(*pair, schema(pair, "writes"), scenario)


def schema(pair: tuple[Node, Node], subject: str) -> str:
    """One that no other test has."""
    source, target = (node.name.replace("-", "").replace(".", "") for node in pair)
    return f"{subject}_{source}_{target}"


def test_values_of_every_type_arrive(pair: tuple[Node, Node]) -> None:
    source, target = pair
    cases = [case for case in CASES if case.on.has(source) and case.type_on(target)]

    async def scenario(found: Pair) -> None:
        for case in cases:
            found.both()
            for node in pair:
                with client(node) as session:
                    session.query(f"USE {found.schema}")
                    session.query(MODES)
                    session.query(
                        f"CREATE TABLE t_{case.name} (id INT PRIMARY KEY AUTO_INCREMENT, v {case.type_on(node)})"
                    )
        await found.begin()

        for case in cases:
            found.write(MODES, *_writes_of(case))

        await found.equal()

    mirrored(source, target, schema(pair, "types"), scenario)


def _writes_of(case: Case) -> Iterator[str]:
    for literal in case.literals:
        yield f"INSERT INTO t_{case.name} (v) VALUES ({literal})"
    # From each value to another one, and to none.
    yield f"UPDATE t_{case.name} SET v = ({case.literals[0]}) WHERE id > 1"
    yield f"INSERT INTO t_{case.name} (v) VALUES (NULL), ({case.literals[-1]})"
    yield f"UPDATE t_{case.name} SET v = NULL WHERE id = 1"


@pytest.mark.parametrize("pair", [(SERVERS[0], SERVERS[1])], indirect=True, ids=" to ".join)
def test_columns_that_have_moved_since_are_what_they_were(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE moved (a INT PRIMARY KEY, u UUID, b VARBINARY(36))")
        await found.begin()
        found.mirror.pause()

        found.write(
            f"INSERT INTO moved VALUES (1, '{UUID}', REPEAT(x'ff', 16))",
            "ALTER TABLE moved ADD COLUMN c INT FIRST",
            f"INSERT INTO moved VALUES (2, 2, '{UUID}', REPEAT(x'fe', 16))",
        )
        found.mirror.resume()

        await found.equal()

    mirrored(*pair, schema(pair, "moved"), scenario)


def test_rows_that_foreign_keys_change_arrive(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both(
            "CREATE TABLE parent (a INT PRIMARY KEY)",
            "CREATE TABLE child (a INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (a)"
            " ON DELETE CASCADE ON UPDATE SET NULL)",
            "CREATE TABLE grandchild (a INT PRIMARY KEY, c INT,"
            " FOREIGN KEY (c) REFERENCES child (a) ON DELETE CASCADE)",
        )
        await found.begin()

        found.write(
            "INSERT INTO parent VALUES (1), (2), (3)",
            "INSERT INTO child VALUES (10, 1), (20, 2), (30, 3)",
            "INSERT INTO grandchild VALUES (100, 10), (200, 20)",
            "DELETE FROM parent WHERE a = 1",
            "UPDATE parent SET a = 7 WHERE a = 2",
            "DELETE p, c FROM parent p JOIN child c ON p.a = c.p",
            "INSERT INTO parent VALUES (4)",
            "INSERT INTO child VALUES (40, 4)",
            "SET foreign_key_checks = 0",
            "DELETE FROM parent WHERE a = 4",
            "INSERT INTO grandchild VALUES (500, 50)",
            "CREATE TABLE early (a INT PRIMARY KEY, FOREIGN KEY (a) REFERENCES later (a))",
        )

        await found.equal()
        assert found.rows(found.target, "SELECT a, p FROM child") == [("20", None), ("40", "4")]

    mirrored(*pair, schema(pair, "keys"), scenario)


@pytest.mark.parametrize("pair", [(SERVERS[0], SERVERS[2])], indirect=True, ids=" to ".join)
def test_a_foreign_key_that_comes_later_and_is_not_followed_halts_it(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE parent (a INT PRIMARY KEY)", "CREATE TABLE child (a INT PRIMARY KEY)")
        await found.begin()
        found.write("INSERT INTO parent VALUES (1)", "INSERT INTO child VALUES (1)")
        await found.caught_up()

        found.write(
            "ALTER TABLE child ADD FOREIGN KEY (a) REFERENCES parent (a) ON DELETE CASCADE", "DELETE FROM parent"
        )

        assert "child" in await found.until(MirrorState.HALTED)

    mirrored(*pair, schema(pair, "new_keys"), scenario, OnDefinition.IGNORE)


def test_what_triggers_do_arrives_once(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both(
            "CREATE TABLE watched (a INT PRIMARY KEY)", "CREATE TABLE noted (id INT PRIMARY KEY AUTO_INCREMENT, a INT)"
        )
        await found.begin()

        found.write(
            "CREATE TRIGGER note AFTER INSERT ON watched FOR EACH ROW INSERT INTO noted (a) VALUES (NEW.a)",
            "INSERT INTO watched VALUES (1), (2)",
        )

        await found.equal()

    mirrored(*pair, schema(pair, "triggers"), scenario)


def test_compressed_transactions_arrive(pair: tuple[Node, Node]) -> None:
    source, _ = pair

    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE squeezed (a INT PRIMARY KEY, b VARCHAR(200))")
        await found.begin()
        rows = ", ".join(f"({number}, REPEAT('{number % 10}', 150))" for number in range(200))

        if source.software.kind is Kind.MYSQL:
            found.write("SET SESSION binlog_transaction_compression = ON", f"INSERT INTO squeezed VALUES {rows}")
        else:
            found.write(
                "SET GLOBAL log_bin_compress = ON",
                f"INSERT INTO squeezed VALUES {rows}",
                "SET GLOBAL log_bin_compress = OFF",
            )
        found.write("UPDATE squeezed SET b = 'short' WHERE a % 2")

        await found.equal()

    mirrored(*pair, schema(pair, "squeezed"), scenario)


ONE_PAIR = [(SERVERS[0], SERVERS[2])]


@pytest.mark.parametrize("pair", ONE_PAIR, indirect=True, ids=" to ".join)
@pytest.mark.parametrize(
    ("writes", "told"),
    [
        (("SET SESSION binlog_format = STATEMENT", "INSERT INTO t VALUES (7)"), "binlog_format = ROW"),
        (("RENAME TABLE t TO u",), "renames are not followed"),
        (("ALTER TABLE t ADD COLUMN b INT",), '"ddl" is "stop"'),
        (("CREATE TABLE odd (a INT PRIMARY KEY) ENGINE=MyISAM",), '"ddl" is "stop"'),
    ],
    ids=["statement", "rename", "definition", "other definition"],
)
def test_what_cannot_be_followed_halts_it_with_a_remedy(
    pair: tuple[Node, Node], writes: tuple[str, ...], told: str
) -> None:
    async def scenario(found: Pair) -> None:
        found.both("DROP TABLE IF EXISTS t, u", "CREATE TABLE t (a INT PRIMARY KEY)")
        await found.begin()

        found.write("INSERT INTO t VALUES (1)", *writes)

        assert told in await found.until(MirrorState.HALTED)
        # What stands before it has arrived.
        assert found.rows(found.target, "SELECT a FROM t") == [("1",)]

    mirrored(*pair, schema(pair, "halts"), scenario, OnDefinition.STOP)


@pytest.mark.parametrize("pair", ONE_PAIR, indirect=True, ids=" to ".join)
@pytest.mark.parametrize(
    ("key", "column"), [("PRIMARY KEY", "INET6"), ("", "INT AUTO_INCREMENT UNIQUE")], ids=["refused", "without order"]
)
def test_a_definition_that_cannot_be_repeated_halts_it(pair: tuple[Node, Node], key: str, column: str) -> None:
    async def scenario(found: Pair) -> None:
        found.both("DROP TABLE IF EXISTS t", f"CREATE TABLE t (a INT {key})")
        await found.begin()

        found.write("INSERT INTO t VALUES (1)", f"ALTER TABLE t ADD COLUMN b {column}")

        assert f"ADD COLUMN b {column}" in await found.until(MirrorState.HALTED)
        assert found.rows(found.target, "SELECT * FROM t") == [("1",)]

    mirrored(*pair, schema(pair, "refused"), scenario)


@pytest.mark.parametrize("pair", ONE_PAIR, indirect=True, ids=" to ".join)
def test_a_definition_that_was_made_by_hand_is_passed_over(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE t (a INT PRIMARY KEY)")
        await found.begin()
        found.write("ALTER TABLE t ADD COLUMN b INT DEFAULT 5", "INSERT INTO t VALUES (1, 2)")
        await found.until(MirrorState.HALTED)
        with client(found.target) as session:
            session.query(f"ALTER TABLE {found.schema}.t ADD COLUMN b INT DEFAULT 5")

        found.mirror.pass_over_definition()

        await found.equal()

    mirrored(*pair, schema(pair, "past"), scenario, OnDefinition.STOP)


@pytest.mark.parametrize("pair", ONE_PAIR, indirect=True, ids=" to ".join)
@pytest.mark.parametrize(
    "definition",
    ["DROP DATABASE {}", "DROP TABLE {0}.t, {0}.other", "ALTER TABLE {0}.other EXCHANGE PARTITION p0 WITH TABLE {0}.t"],
    ids=["schema", "tables", "partition"],
)
def test_a_definition_to_which_tables_belong_that_are_not_mirrored_halts_it(
    pair: tuple[Node, Node], definition: str
) -> None:
    name = schema(pair, "apart")

    async def scenario(found: Pair) -> None:
        found.both(
            "DROP TABLE IF EXISTS t, other",
            "CREATE TABLE t (a INT PRIMARY KEY)",
            "CREATE TABLE other (a INT PRIMARY KEY) PARTITION BY HASH (a) PARTITIONS 1",
        )
        await found.begin()
        found.write("INSERT INTO t VALUES (1)", definition.format(name))

        assert "tables that are not mirrored belong to it" in await found.until(MirrorState.HALTED)

        assert found.rows(found.target, "SELECT a FROM t") == [("1",)]
        assert found.rows(found.target, "SELECT a FROM other") == []
        with client(found.target) as session:
            session.query(f"DROP TABLE {name}.t")
        found.mirror.pass_over_definition()
        with client(found.source) as session:
            session.query(f"CREATE DATABASE IF NOT EXISTS {name}")
        # Only that definition is passed over.
        found.write(
            "DROP TABLE IF EXISTS t", "CREATE TABLE t (a INT PRIMARY KEY, b INT)", "INSERT INTO t VALUES (2, 3)"
        )
        await found.caught_up()
        assert found.rows(found.target, "SELECT b FROM t") == [("3",)]

    mirrored(*pair, name, scenario, tables="t")


@pytest.mark.parametrize("pair", ONE_PAIR, indirect=True, ids=" to ".join)
def test_a_schema_is_dropped_when_all_that_is_in_it_is_mirrored(pair: tuple[Node, Node]) -> None:
    name = schema(pair, "dropped")

    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE t (a INT PRIMARY KEY)")
        await found.begin()

        found.write(f"DROP DATABASE {name}")

        await found.caught_up()
        with client(found.target) as session:
            assert session.query(f"SHOW DATABASES LIKE '{name}'").rows == ()

    mirrored(*pair, name, scenario, tables="t")


@pytest.mark.parametrize("pair", ONE_PAIR, indirect=True, ids=" to ".join)
@pytest.mark.parametrize(
    ("definition", "tables", "is_told"),
    [
        ("ALTER DATABASE {} CHARACTER SET latin1", ("",), True),
        ("ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE u", ("t", "u"), False),
    ],
    ids=["schema", "partition"],
)
def test_a_definition_that_was_interrupted_runs_once(
    pair: tuple[Node, Node], definition: str, tables: tuple[str, ...], is_told: bool
) -> None:
    name = schema(pair, "interrupted")
    sql = definition.format(name)

    async def scenario(found: Pair) -> None:
        found.both(
            "DROP TABLE IF EXISTS t, u",
            "CREATE TABLE t (a INT PRIMARY KEY) PARTITION BY HASH (a) PARTITIONS 1",
            "CREATE TABLE u (a INT PRIMARY KEY)",
            "INSERT INTO t VALUES (1)",
        )
        await found.begin()
        await found.caught_up()
        found.mirror.pause()
        found.write(sql)
        await under_way(found, sql, tuple(TableName(name, table) for table in tables))

        found.mirror.resume()

        if not is_told:
            assert "cannot be told" in await found.until(MirrorState.HALTED)
            found.mirror.pass_over_definition()
        await found.equal()

    mirrored(*pair, name, scenario)


async def under_way(found: Pair, sql: str, tables: tuple[TableName, ...]) -> None:
    """It has run on the target when everything ends."""
    target = await Target.connect(backend(found.target), ACCOUNT, checks_keys=False)
    try:
        intent = Definition(sql.encode(), tables, await fingerprint(target, tables))
        await target.run((intended(found.schema, intent), EACH_ALONE))
        await target.ask(f"USE {found.schema}".encode())
        await target.ask(sql.encode())
    finally:
        target.close()


@pytest.mark.parametrize("pair", ONE_PAIR, indirect=True, ids=" to ".join)
def test_a_row_that_is_not_as_it_must_be_halts_it(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE t (a INT PRIMARY KEY, b INT)", "INSERT INTO t VALUES (1, 1)")
        await found.begin()
        with client(found.target) as session:
            session.query(f"DELETE FROM {found.schema}.t")

        found.write("UPDATE t SET b = 2")

        assert "0 rows instead of 1" in await found.until(MirrorState.HALTED)

    mirrored(*pair, schema(pair, "disagrees"), scenario)


@pytest.mark.parametrize("pair", [("mariadb:11", "mysql:9")], indirect=True, ids=" to ".join)
def test_half_a_transaction_that_a_crash_has_left_in_the_log_is_not_applied(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE t (a INT PRIMARY KEY)")
        await found.begin()
        await found.caught_up()
        found.mirror.pause()
        found.write("BEGIN", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)", "COMMIT")

        kill(found.source, lambda: take_last_event_from(newest_log(found.source)))
        found.write("INSERT INTO t VALUES (3)")
        found.mirror.resume()

        assert "a transaction without an end" in await found.until(MirrorState.HALTED)
        assert found.rows(found.target, "SELECT a FROM t") == []

    mirrored(*pair, schema(pair, "half"), scenario)


def newest_log(node: Node) -> Path:
    return max(node.data.glob("binlog.[0-9]*[0-9]"))


def take_last_event_from(log: Path) -> None:
    data = log.read_bytes()
    start, end = 0, 4
    while end < len(data):
        start, end = end, end + parse_header(data[end : end + HEADER_LENGTH]).length
    log.write_bytes(data[:start])


def test_a_new_file_of_an_idle_source_is_a_place_too(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE t (a INT PRIMARY KEY)")
        await found.begin()

        found.write("FLUSH BINARY LOGS")
        await found.caught_up()

        (place,) = found.rows(found.target, f"SELECT file FROM dbmux_mirror.places WHERE name = '{found.schema}'")
        (end, *_), *_ = found.rows(found.source, found.log_status)
        assert place == (end,)

    mirrored(*pair, schema(pair, "rotated"), scenario)


@pytest.mark.parametrize("pair", ONE_PAIR, indirect=True, ids=" to ".join)
def test_while_it_is_paused_nothing_arrives_and_nothing_is_lost(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE t (a INT PRIMARY KEY)")
        await found.begin()
        found.write("INSERT INTO t VALUES (1)")
        await found.caught_up()

        found.mirror.pause()
        found.write("INSERT INTO t VALUES (2)")

        assert found.rows(found.target, "SELECT a FROM t") == [("1",)]
        found.mirror.resume()
        await found.equal()

    mirrored(*pair, schema(pair, "paused"), scenario)


@pytest.mark.parametrize("pair", ONE_PAIR, indirect=True, ids=" to ".join)
@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=MyISAM", "", "ENGINE=InnoDB"),
        (
            "CREATE TABLE t (a INT PRIMARY KEY)",
            "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW SET @x = 1",
            "triggers",
        ),
        ("CREATE TABLE t (f FLOAT)", "", "primary key"),
        ("CREATE TABLE t (b INT PRIMARY KEY)", "", "lacks the columns a"),
    ],
    ids=["engine", "trigger", "no key", "column"],
)
def test_a_table_that_cannot_be_fed_is_refused_by_name(
    pair: tuple[Node, Node], before: str, after: str, told: str
) -> None:
    async def scenario(found: Pair) -> None:
        found.both("DROP TABLE IF EXISTS t")
        column = "f FLOAT" if "FLOAT" in before else "a INT PRIMARY KEY"
        with client(found.source) as session:
            session.query(f"CREATE TABLE {found.schema}.t ({column})")
        with client(found.target) as session:
            session.query(f"USE {found.schema}")
            session.query(before)
            if after:
                session.query(after)
        await found.begin()

        found.write("INSERT INTO t VALUES (1)", "UPDATE t SET f = 2" if "FLOAT" in before else "DELETE FROM t")

        why = await found.until(MirrorState.HALTED)
        assert told in why
        assert f"{found.schema}.t" in why

    mirrored(*pair, schema(pair, "unfit"), scenario)


@pytest.mark.parametrize("pair", [(SERVERS[0], SERVERS[2]), (SERVERS[2], SERVERS[0])], indirect=True, ids=" to ".join)
def test_what_was_prepared_before_it_began_halts_it_when_it_is_committed(pair: tuple[Node, Node]) -> None:
    async def scenario(found: Pair) -> None:
        found.both("CREATE TABLE t (a INT PRIMARY KEY)")
        found.write("XA START 'before'", "INSERT INTO t VALUES (1)", "XA END 'before'", "XA PREPARE 'before'")
        await found.begin()
        # In one session: when one has just gone, its server may not know yet that another may end what it prepared.
        after = ("XA START 'after'", "INSERT INTO t VALUES (2)", "XA END 'after'", "XA PREPARE 'after'")
        found.write(*after, "XA COMMIT 'after'")
        await found.caught_up()

        found.write("XA COMMIT 'before'")

        assert "prepared before the mirror began" in await found.until(MirrorState.HALTED)
        with client(found.target) as session:
            session.query(f"INSERT INTO {found.schema}.t VALUES (1)")
        found.mirror.pass_over_definition()
        await found.equal()

    mirrored(*pair, schema(pair, "prepared"), scenario)


def dumped(node: Node, schema: str, path: Path) -> Path:
    """A dump of a schema by the server's own tool, with the place where it was made."""
    if node.software.kind is Kind.MYSQL:
        *run, program = node.software.client
        tool = [*run, str(Path(program).with_name("mysqldump"))]
        options = ["--source-data=2", "--set-gtid-purged=OFF"]
    else:
        tool, options = [shutil.which("mariadb-dump") or pytest.skip("no mariadb-dump is on PATH")], ["--master-data=1"]
    line = [*tool, "--no-defaults", f"--socket={node.socket}", "--user=root", *options, "--single-transaction", schema]
    with path.open("wb") as file:
        subprocess.run(line, stdout=file, check=True, timeout=60)
    return path


def test_it_begins_where_a_dump_was_made_and_nowhere_else(pair: tuple[Node, Node], tmp_path: Path) -> None:
    name = schema(pair, "dumped")

    async def scenario(found: Pair) -> None:
        with client(found.source) as session:
            session.query(f"CREATE DATABASE {name}")
        found.write(
            "CREATE TABLE t (a INT PRIMARY KEY, b INT) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "INSERT INTO t VALUES (1, 1), (2, 2)",
        )
        dump = await asyncio.to_thread(dumped, found.source, name, tmp_path / f"{name}.sql")
        found.write("UPDATE t SET b = 9 WHERE a = 1", "DELETE FROM t WHERE a = 2", "INSERT INTO t VALUES (3, 3)")
        assert await asyncio.to_thread(found.target.load, dump) == []

        await found.mirror.begin(place_in(dump))

        found.write("INSERT INTO t VALUES (4, 4)")
        await found.equal()
        with pytest.raises(Begun, match="is fed already"):
            await found.mirror.begin(None)
        for nowhere in (Position("nowhere.000001", 4), Position(place_in(dump).file, 5)):
            with pytest.raises(NoSuchPlace, match="is no place in the log"):
                await found.mirror.begin(nowhere)
        found.write("INSERT INTO t VALUES (5, 5)")
        await found.equal()
        # As many as there were since the dump.
        place = found.mirror.figures.place
        assert place is not None
        assert place.transactions == 5

    mirrored(*pair, name, scenario)
