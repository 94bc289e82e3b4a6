"""Which tables a statement reads and writes: never one too few."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dbmux.footprint import Footprint
from dbmux.sql.classify import classify


def footprint(text: str) -> Footprint:
    return classify(text.encode("latin-1"), 0, 0).footprint


def names(found: Iterable[tuple[str, str]]) -> str:
    return " ".join(".".join(filter(None, name)) for name in found)


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT * FROM t", "t"),
        ("SELECT * FROM shop.t AS x", "shop.t"),
        ("SELECT * FROM `shop`.`a b`, c", "shop.a b c"),
        ("SELECT * FROM a JOIN b ON a.x = b.x, c", "a b c"),
        ("SELECT * FROM a JOIN b ON a.group = b.where, c", "a b c"),
        ("SELECT * FROM a LEFT JOIN (b, c STRAIGHT_JOIN d) ON TRUE", "a b c d"),
        ("SELECT * FROM ((a)) x", "a"),
        ("SELECT * FROM a PARTITION (p0, p1) USE INDEX FOR JOIN (i), b", "a i b"),
        ("SELECT * FROM a x WINDOW w AS (ORDER BY y)", "a"),
        ("SELECT * FROM a window, b", "a b"),
        ("SELECT (SELECT MAX(x) FROM b) FROM a WHERE EXISTS (SELECT 1 FROM c)", "b a c"),
        ("SELECT * FROM (SELECT * FROM a) d JOIN b USING (id)", "b a"),
        ("SELECT * FROM a, LATERAL (SELECT * FROM b) d", "a b"),
        ("SELECT * FROM a, JSON_TABLE('[]', '$[*]' COLUMNS (x INT PATH '$')) j, b", "a b"),
        ("SELECT * FROM a UNION SELECT x, y FROM b", "a b"),
        ("(SELECT * FROM a) UNION ALL TABLE b", "a b"),
        ("TABLE t", "t"),
        ("SELECT TRIM(BOTH 'x' FROM y), EXTRACT(DAY FROM z) FROM t", "t"),
        ("SELECT * FROM t WHERE a IS NOT DISTINCT FROM b", "t"),
        ("SELECT TRIM((SELECT x FROM t))", "t"),
        ("/*! STRAIGHT_JOIN */ TABLE t", None),
        ("SELECT /*! x */ FROM t", "t"),
    ],
)
def test_every_table_that_is_read_is_named(statement: str, tables: str | None) -> None:
    assert footprint(statement).uncacheable == "" or tables is None
    assert names(footprint(statement).reads) == (tables or "")


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("WITH x AS (SELECT * FROM a) SELECT * FROM x, b", "a b"),
        ("WITH x AS (SELECT 1), y AS (SELECT * FROM x) SELECT * FROM y JOIN a", "a"),
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", "t"),
        ("WITH y AS (SELECT * FROM x), x AS (SELECT 1) SELECT * FROM y, x", "x"),
        ("WITH x AS (SELECT 1) SELECT * FROM shop.x", "shop.x"),
        ("WITH x AS (SELECT 1) TABLE t", "t"),
        ("WITH RECURSIVE x AS (SELECT 1 UNION SELECT n + 1 FROM x) SELECT * FROM x, t", "t"),
    ],
)
def test_a_name_of_with_is_a_table_where_it_does_not_hold_yet(statement: str, tables: str) -> None:
    assert names(footprint(statement).reads) == tables


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("SELECT 1", "it reads no table"),
        ("SELECT NOW() FROM t", "NOW"),
        ("SELECT CURRENT_TIMESTAMP FROM t", "CURRENT_TIMESTAMP"),
        ("SELECT UNIX_TIMESTAMP() FROM t", "UNIX_TIMESTAMP"),
        ("SELECT * FROM t ORDER BY rand()", "RAND"),
        ("SELECT DEFAULT(made_at) FROM t", "DEFAULT"),
        ("SELECT SQL_NO_CACHE * FROM t", "SQL_NO_CACHE"),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF '2020-01-01', u", "SYSTEM TIME"),
        ("SELECT * FROM t PROCEDURE ANALYSE()", "PROCEDURE"),
        ("SELECT * FROM t FOR UPDATE", "locking read"),
        ("SELECT * FROM t LOCK IN SHARE MODE", "locking read"),
        ("SELECT @x FROM t", "user variable"),
        ("SELECT @@sql_mode FROM t", "system variable"),
        ("SELECT * FROM t INTO OUTFILE '/x'", "it asks the server's state"),
        ("SELECT f(x) FROM t", "stored routine"),
        ("SELECT FOUND_ROWS() FROM t", "it asks what an earlier statement did"),
        ("SELECT SQL_CALC_FOUND_ROWS * FROM t", "SQL_CALC_FOUND_ROWS"),
        ("SELECT * FROM information_schema.tables", "it reads the server's own tables"),
        ("SELECT * FROM MySQL.user", "it reads the server's own tables"),
        ("SELECT * FROM { OJ a LEFT JOIN b ON TRUE }", "its tables are not surely known"),
        ("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) y, t", "its tables are not surely known"),
        ("SELECT * FROM \xfcbersicht", "its tables are not surely known"),
        ("SELECT * FROM t; SELECT * FROM t", "several statements"),
        ("SET STATEMENT max_statement_time = 1 FOR SELECT * FROM t", "it is part of another statement"),
        ("SHOW TABLES", "not a SELECT"),
        ("INSERT INTO t VALUES (1) RETURNING x", "not a SELECT"),
    ],
)
def test_what_may_be_another_result_the_next_time_is_never_stored(statement: str, why: str) -> None:
    assert footprint(statement).uncacheable == why
    assert footprint(statement).reads == ()


def test_a_column_may_be_called_like_a_function() -> None:
    found = footprint("SELECT t.now, user, t.current_date FROM t")

    assert names(found.reads) == "t"


def test_white_space_of_other_character_sets_hides_no_table() -> None:
    assert footprint("SELECT * FROM t a\xa0JOIN\xa0b").reads == ()


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("INSERT INTO t VALUES (1)", "t"),
        ("INSERT LOW_PRIORITY IGNORE shop.t SET x = 1 ON DUPLICATE KEY UPDATE x = 2, y = 3", "shop.t"),
        ("REPLACE INTO t SELECT * FROM u", "t"),
        ("INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x", "t"),
        ("UPDATE t SET x = 1 WHERE y IN (SELECT y FROM u)", "t"),
        ("UPDATE a JOIN b ON a.set = b.x, c SET a.y = 1", "a b c"),
        ("WITH x AS (SELECT 1) UPDATE t, x SET t.y = 1", "t x"),
        ("DELETE FROM t WHERE x = 1", "t"),
        ("DELETE a, b.* FROM t AS a JOIN u AS b ON a.x = b.x", "a b t u"),
        ("DELETE FROM a, b USING t AS a JOIN u AS b USING (id) WHERE TRUE", "a b t u"),
        ("DELETE QUICK t FROM t JOIN u USING (id)", "t u"),
        ("LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE shop.t FIELDS TERMINATED BY ','", "shop.t"),
        ("TRUNCATE TABLE t", "t"),
        ("SELECT * FROM t; UPDATE u SET x = 1; DELETE FROM v", "u v"),
    ],
)
def test_every_table_that_is_written_is_named(statement: str, tables: str) -> None:
    found = footprint(statement)

    assert names(found.writes) == tables
    assert not found.is_boundless
    assert not found.defines


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("DROP TABLE IF EXISTS a, shop.b", "a shop.b"),
        ("RENAME TABLE a TO b, c TO shop.d", "a c b shop.d"),
        ("ALTER TABLE a RENAME TO b", "a b"),
        ("ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES b (x) ON DELETE CASCADE", "a"),
        ("CREATE TABLE a SELECT * FROM b", "a b"),
    ],
)
def test_a_definition_may_change_what_names_stand_for(statement: str, tables: str) -> None:
    found = footprint(statement)

    assert names(found.writes) == tables
    assert found.defines


@pytest.mark.parametrize("statement", ["CREATE TEMPORARY TABLE t (x INT)", "DROP TEMPORARY TABLE t"])
def test_a_temporary_table_is_no_definition(statement: str) -> None:
    assert not footprint(statement).defines


@pytest.mark.parametrize(
    ("statement", "routines"),
    [
        ("CALL shop.restock(1)", "shop.restock"),
        ("INSERT INTO t VALUES (f(1))", "f"),
        ("SELECT f(x), shop.g(x) FROM t", "f shop.g"),
        ("SET @x = f(1)", "f"),
        ("DO f(1)", "f"),
    ],
)
def test_routines_are_named_for_what_they_may_write(statement: str, routines: str) -> None:
    assert names(footprint(statement).calls) == routines
    assert not footprint(statement).is_boundless


@pytest.mark.parametrize(
    "statement",
    [
        "DROP DATABASE shop",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @y = 1",
        "REVOKE SELECT ON t FROM ann",
        "SET GLOBAL sql_mode = ''",
        "XA COMMIT 'x'",
        "XA ROLLBACK 'x'",
        "EXECUTE s",
        "OPTIMIZE TABLE t",
        "UPDATE \xfcbersicht SET x = 1",
        "ANALYZE UPDATE t SET x = 1",
        "BINLOG 'x'",
        "INSERT INTO t VALUES (1) /*!80000 , (2) */",
        "begin not atomic update t set x = 1; end",
    ],
)
def test_what_cannot_be_bounded_may_write_anything(statement: str) -> None:
    assert footprint(statement).is_boundless


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN",
        "COMMIT",
        "SET NAMES utf8mb4",
        "USE shop",
        "SHOW TABLES",
        "SELECT 1",
        "EXPLAIN UPDATE t SET x = 1",
        "KILL 1",
    ],
)
def test_what_surely_writes_nothing_is_harmless(statement: str) -> None:
    assert footprint(statement).is_harmless
