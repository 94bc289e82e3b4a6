"""What the SQL door answers to statements, without a client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmux.door import database
from dbmux.door.database import Result, Value
from dbmux.door.desk import Desk, Visitor
from dbmux.door.table import Row, Source, Table, Type, integer, real, text
from dbmux.errors import MySQLError

FRUIT = Table("fruit", "what grows", (text("name", "its name"), integer("count", "how many"), real("weight", "in kg")))
TREES = Table("trees", "where it grows", (text("fruit_name", "of fruit"), integer("height", "in m")))
ROWS: list[Row] = [
    {"name": "apple", "count": 3, "weight": 0.5},
    {"name": "pear", "count": 5, "weight": None},
    {"name": "plum", "count": 5},
]


def desk(rows: Iterable[Row] = ROWS) -> Desk:
    """One with these fruits."""
    tall = [{"fruit_name": "apple", "height": 4}, {"fruit_name": "plum", "height": True}]
    return Desk([Source(FRUIT, lambda: rows), Source(TREES, lambda: tall)])


def ask(sql: str, at: Desk | None = None, parameters: tuple[Value, ...] = (), schema: str = "dbmux") -> Result | None:
    """The answer to a statement."""
    visitor = Visitor(user="ops", number=7, server_version="11.8.1-MariaDB", schema=schema)
    return asyncio.run((at or desk()).ask(sql.encode(), visitor, parameters))


def rows_of(sql: str, at: Desk | None = None, parameters: tuple[Value, ...] = ()) -> list[tuple[Value, ...]]:
    found = ask(sql, at, parameters)
    assert found is not None
    return found.rows


def error_of(sql: str, at: Desk | None = None) -> tuple[int, str]:
    with pytest.raises(MySQLError) as told:
        ask(sql, at)
    return told.value.code.number, told.value.message


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT name FROM fruit WHERE count = 5 ORDER BY name DESC", [("plum",), ("pear",)]),
        ("SELECT count, COUNT(*) FROM dbmux.fruit GROUP BY 1 HAVING count > 3", [(5, 2)]),
        ("select `name`, `height` from `dbmux`.`fruit` join trees on name = fruit_name order by 2 desc limit 1",
         [("apple", 4)]),
        ("SELECT name FROM fruit LEFT JOIN trees ON name = fruit_name WHERE height IS NULL", [("pear",)]),
        ("WITH few AS (SELECT * FROM fruit WHERE count < 4) SELECT name FROM few", [("apple",)]),
        ('SELECT name FROM fruit WHERE name LIKE "P%" LIMIT 1, 1 -- the second', [("plum",)]),
        ("SELECT /* any */ IF(1, 'a', 'b'), CONCAT('a', 1), CONCAT('a', NULL) # end", [("a", "a1", None)]),
        ("SELECT 1 FROM DUAL;", [(1,)]),
        (r"SELECT 'a\', 'it''s'", [("a\\", "it's")]),
        ('SELECT "name", "a""b\'", 1 AS `x` FROM trees LIMIT 1', [("name", "a\"b'", 1)]),
        ("SELECT x'00ff'", [(b"\x00\xff",)]),
        ("SELECT weight FROM fruit WHERE name = 'plum'", [(None,)]),
        ("SELECT height FROM trees WHERE fruit_name = 'plum'", [(1,)]),
    ],
)  # fmt: skip
def test_a_select_is_answered(sql: str, rows: list[tuple[Value, ...]]) -> None:
    assert rows_of(sql) == rows


def test_a_value_of_a_prepared_statement_is_never_taken_for_sql() -> None:
    assert rows_of("SELECT ?, COUNT(*) FROM fruit WHERE name = ?", parameters=("' OR 1", "pear")) == [("' OR 1", 1)]


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT * FROM fruit", [("name", Type.TEXT), ("count", Type.INTEGER), ("weight", Type.REAL)]),
        ("SELECT * FROM fruit WHERE 0", [("name", Type.TEXT), ("count", Type.INTEGER), ("weight", Type.REAL)]),
        ("SELECT COUNT(*), SUM(weight) AS kg, NULL FROM fruit",
         [("COUNT(*)", Type.INTEGER), ("kg", Type.REAL), ("NULL", Type.TEXT)]),
        ("SELECT a.name, b.name, b.name FROM fruit a, fruit b",
         [("name", Type.TEXT), ("name", Type.TEXT), ("name", Type.TEXT)]),
        ("SELECT @@version_comment, @@session.sql_mode, @@GLOBAL.max_allowed_packet AS packet",
         [("@@version_comment", Type.TEXT), ("@@session.sql_mode", Type.TEXT), ("packet", Type.INTEGER)]),
        ("SELECT DATABASE()", [("DATABASE()", Type.TEXT)]),
    ],
)  # fmt: skip
def test_columns_have_names_and_types_also_without_rows(sql: str, columns: list[tuple[str, Type]]) -> None:
    found = ask(sql)

    assert found is not None
    assert list(found.columns) == columns


@pytest.mark.parametrize(
    "sql",
    [
        "SET NAMES utf8mb4",
        "SET autocommit=0",
        "set session transaction isolation level read committed",
        "/*!40101 SET character_set_results = NULL */",
        "BEGIN",
        "START TRANSACTION READ ONLY",
        "COMMIT",
        "ROLLBACK",
        "USE dbmux",
        "use `information_schema`;",
    ],
)
def test_what_sets_something_up_is_taken_without_effect(sql: str) -> None:
    assert ask(sql) is None


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SHOW TABLES", [("fruit",), ("trees",)]),
        ("SHOW FULL TABLES FROM `dbmux` LIKE 'f%'", [("fruit", "BASE TABLE")]),
        ("SHOW TABLES FROM information_schema", []),
        ("SHOW DATABASES", [("dbmux",), ("information_schema",)]),
        ("SHOW VARIABLES LIKE 'sql\\_mode'", [("sql_mode", "NO_BACKSLASH_ESCAPES")]),
        ("SHOW SESSION VARIABLES WHERE Variable_name IN ('version', 'nonsense')", [("version", "11.8.1-MariaDB")]),
        ("SHOW WARNINGS", []),
        ("SHOW INDEX FROM fruit", []),
        ("DESCRIBE trees", [("fruit_name", "varchar(4096)", "YES", "", None, ""),
                            ("height", "bigint", "YES", "", None, "")]),
        ("EXPLAIN dbmux.trees", [("fruit_name", "varchar(4096)", "YES", "", None, ""),
                                 ("height", "bigint", "YES", "", None, "")]),
        ("SHOW COLUMNS FROM trees IN dbmux WHERE Field = 'height'", [("height", "bigint", "YES", "", None, "")]),
        ("SELECT table_name FROM information_schema.tables WHERE table_comment = 'what grows'", [("fruit",)]),
        ("SELECT DATABASE(), USER(), CONNECTION_ID(), VERSION()", [("dbmux", "ops@%", 7, "11.8.1-MariaDB")]),
    ],
)  # fmt: skip
def test_what_clients_ask_by_themselves_is_answered(sql: str, rows: list[tuple[Value, ...]]) -> None:
    assert rows_of(sql) == rows


def test_a_table_is_shown_as_its_create_table() -> None:
    ((name, shown),) = rows_of("SHOW CREATE TABLE dbmux.trees")

    assert name == "trees"
    assert "`height` bigint DEFAULT NULL COMMENT 'in m'" in str(shown)


def test_use_changes_the_schema_that_database_tells() -> None:
    visitor = Visitor(user="ops", number=7, server_version="8.4.0")

    asyncio.run(desk().ask(b"USE INFORMATION_SCHEMA", visitor))

    assert visitor.schema == "information_schema"
    assert rows_of("SELECT DATABASE()") == [("dbmux",)]


@pytest.mark.parametrize(
    ("sql", "number", "told"),
    [
        ("DELETE FROM fruit", 1290, "can only be read"),
        ("WITH a AS (SELECT 1) DELETE FROM fruit", 1064, "syntax error"),
        ("SELECT load_extension('x')", 1290, "can only be read"),
        ("SELECT * FROM pragma_database_list", 1290, "can only be read"),
        ("ATTACH '/tmp/x' AS y", 1064, "takes SELECT, WITH, SHOW and DESCRIBE"),
        ("PRAGMA writable_schema = 1", 1064, "takes SELECT, WITH, SHOW and DESCRIBE"),
        ("SELECT 1; DROP TABLE fruit", 1064, "send them one by one"),
        ("  ", 1064, "send a SELECT"),
        ("SELECT nonsense FROM fruit", 1064, "no such column: nonsense"),
        ("SELECT * FROM nonsense", 1146, "no table nonsense; SHOW TABLES lists"),
        ("SELECT * FROM mysql.user", 1146, "no table mysql.user; SHOW TABLES lists"),
        ("DESCRIBE nonsense", 1146, "no table nonsense"),
        ("SHOW NONSENSE", 1064, "SHOW TABLES lists"),
        ("SHOW TABLES LIKE name", 1064, "a string is expected"),
        ("SHOW TABLES nonsense", 1064, "LIKE or WHERE is expected"),
        ("USE shop", 1049, "not shop"),
        ("SELECT @@nonsense", 1193, "no system variable nonsense"),
        ("SELECT @x", 1064, "no user variables"),
        ("SELECT '" + "x" * 70_000 + "'", 1153, "at most 64 kB"),
        ("SELECT /*!80000 1 */", 1064, "leave out its special comments"),
        ("SELECT hex(zeroblob(600000))", 1064, "too big"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_what_to_do(sql: str, number: int, told: str) -> None:
    code, message = error_of(sql)

    assert code == number
    assert told in message


ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT "


@pytest.mark.parametrize(
    ("what", "limit_s", "number", "told"),
    [("COUNT(*)", 0.01, 3024, "ran longer than 0.01 s"), ("hex(zeroblob(99999))", 9.0, 1104, "takes more than 64 MB")],
)
def test_a_statement_without_an_end_is_ended(what: str, limit_s: float, number: int, told: str) -> None:
    code, message = error_of(f"{ENDLESS}{what} FROM t", Desk(limit_s=limit_s))

    assert code == number
    assert told in message


def test_a_result_with_too_many_rows_is_refused() -> None:
    code, message = error_of(f"{ENDLESS}n FROM t LIMIT {database.MAX_ROWS + 1}")

    assert code == 1104
    assert "add a LIMIT" in message


def test_others_get_their_turn_while_a_table_is_filled() -> None:
    turns: list[int] = []
    many = [{"name": "apple", "count": number} for number in range(5000)]

    async def scenario() -> None:
        asking = asyncio.ensure_future(
            desk(many).ask(b"SELECT COUNT(*) FROM fruit", Visitor(user="ops", number=7, server_version="8.4.0"))
        )
        while not asking.done():
            turns.append(1)
            await asyncio.sleep(0)
        found = asking.result()
        assert found is not None
        assert found.rows == [(5000,)]

    asyncio.run(scenario())

    assert len(turns) > 5


def test_a_statement_whose_client_is_gone_is_broken_off() -> None:
    async def scenario() -> None:
        visitor = Visitor(user="ops", number=7, server_version="8.4.0")
        at = desk()
        asking = asyncio.ensure_future(at.ask(f"{ENDLESS}COUNT(*) FROM t".encode(), visitor))
        for _ in range(5):
            await asyncio.sleep(0)
        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking

        assert (await at.ask(b"SELECT 1", visitor)) is not None

    asyncio.run(scenario())


def test_only_the_tables_that_a_statement_names_are_filled() -> None:
    def never() -> Iterable[Row]:
        raise AssertionError("nobody named it")

    at = Desk([Source(FRUIT, lambda: ROWS), Source(TREES, never)])

    assert rows_of("SELECT COUNT(*) FROM FRUIT", at) == [(3,)]


def test_a_name_that_would_steer_a_terminal_is_shown_as_text() -> None:
    at = desk([{"name": "\x1b]0;mine\x07[red]\n", "count": 1}])

    assert rows_of("SELECT name FROM fruit", at) == [(r"\x1b]0;mine\x07[red]\n",)]


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.binary().map(lambda data: data.decode("latin-1"))))
def test_any_text_is_answered_or_refused(sql: str) -> None:
    for prefix in ("", "SELECT ", "SHOW ", "DESCRIBE "):
        try:
            found: Any = ask(prefix + sql.encode("utf-8", "replace").decode())
        except MySQLError as error:
            assert error.code.number
        else:
            assert found is None or isinstance(found, Result)
