"""Several sessions by turns: nothing of one may show in another, whichever connections serve them."""

from __future__ import annotations

from tests.differential.steps import (
    FOUND_ROWS,
    MARIADB,
    MYSQL,
    ChangeUser,
    InitDb,
    Line,
    Quit,
    Raw,
    Step,
    execute,
    on,
    only,
    prepare,
    scenario,
)

RESET_CONNECTION = 31
STATE = (
    "SELECT DATABASE(), @a, @@sql_mode, @@time_zone, @@net_read_timeout, @@autocommit, @@character_set_client, "
    "@@collation_connection, LAST_INSERT_ID(), @@foreign_key_checks"
)


def by_turns(*lines: Line) -> list[Step]:
    """Each line on each of three sessions, one after the other."""
    return [on(session, line) for line in lines for session in "abc"]


SCENARIOS = (
    scenario(
        "three sessions do the same",
        *by_turns("SELECT COUNT(*) FROM t", "INSERT INTO t (name) VALUES ('x')", "SELECT LAST_INSERT_ID()", STATE),
    ),
    scenario(
        "three sessions with variables of their own",
        on("a", "SET @a = 'a', sql_mode = 'ANSI_QUOTES', time_zone = '+01:00'"),
        on("b", "SET @a = 'b', sql_mode = '', net_read_timeout = 91"),
        on("c", "SET foreign_key_checks = 0"),
        *by_turns(STATE),
        on("a", "SET sql_mode = DEFAULT"),
        on("b", "SET time_zone = '+02:00'"),
        on("c", "SET NAMES latin1"),
        *by_turns(STATE),
        on("b", Raw(RESET_CONNECTION)),
        *by_turns(STATE),
        on("a", Quit()),
        *by_turns(STATE),
    ),
    scenario(
        "three sessions in schemas of their own",
        "CREATE DATABASE {u}_2",
        "CREATE TABLE {u}_2.t (id INT)",
        on("b", "USE {u}_2"),
        on("c", InitDb(b"mysql")),
        *by_turns("SELECT DATABASE()"),
        on("a", "SELECT COUNT(*) FROM t"),
        on("b", "SELECT COUNT(*) FROM t"),
        on("c", "SELECT COUNT(*) FROM t"),
        on("a", "DROP DATABASE {u}_2"),
        *by_turns("SELECT DATABASE()"),
        on("b", "SELECT COUNT(*) FROM t"),
    ),
    scenario(
        "one session in a transaction, two without",
        on("a", "BEGIN"),
        *by_turns("SELECT COUNT(*) FROM t"),
        on("a", "INSERT INTO t (name) VALUES ('a')"),
        on("b", "INSERT INTO t (name) VALUES ('b')"),
        *by_turns("SELECT COUNT(*), @@autocommit FROM t", "SELECT COUNT(*) FROM t"),
        on("a", "ROLLBACK"),
        *by_turns("SELECT COUNT(*) FROM t", "SELECT LAST_INSERT_ID()"),
    ),
    scenario(
        "transactions by turns",
        *(
            on(session, line)
            for session in "abcabc"
            for line in ("BEGIN", "INSERT INTO t (name) VALUES ('x')", "SELECT LAST_INSERT_ID()", "COMMIT")
        ),
        *by_turns("SELECT COUNT(*) FROM t"),
    ),
    scenario(
        "autocommit off in one of three",
        on("b", "SET autocommit = 0"),
        *by_turns("SELECT @@autocommit", "INSERT INTO t (name) VALUES ('x')", "SELECT COUNT(*) FROM t"),
        on("b", "ROLLBACK"),
        *by_turns("SELECT COUNT(*) FROM t"),
        on("b", "SET autocommit = 1"),
        *by_turns("INSERT INTO t (name) VALUES ('y')", "ROLLBACK", "SELECT COUNT(*) FROM t"),
    ),
    scenario(
        "one session's table is another's temporary table",
        on("b", "CREATE TEMPORARY TABLE t (x INT)"),
        *by_turns("SELECT COUNT(*) FROM t", "DESCRIBE t"),
        on("c", "CREATE TEMPORARY TABLE t SELECT 5 AS five"),
        *by_turns("SELECT COUNT(*) FROM t"),
        on("b", "DROP TEMPORARY TABLE t"),
        *by_turns("SELECT COUNT(*) FROM t"),
        on("c", Quit()),
        *by_turns("SELECT COUNT(*) FROM t"),
    ),
    scenario(
        "the same names for different prepared statements",
        on("a", "PREPARE s FROM 'SELECT ''a'', @a'"),
        on("b", "PREPARE s FROM 'SELECT ''b'', ?'"),
        on("a", prepare("p", "SELECT ? + 1")),
        on("b", prepare("p", "SELECT CONCAT(?, '!')")),
        on("c", prepare("p", "SELECT ? + 1")),
        *by_turns("SET @a = 5", "EXECUTE s", "EXECUTE s USING @a"),
        *by_turns(execute("p", 1)),
        on("a", "DEALLOCATE PREPARE s"),
        *by_turns("EXECUTE s USING @a", execute("p", "2")),
    ),
    scenario(
        "warnings, counts and ids by turns",
        on("a", "SELECT CAST('a' AS SIGNED)"),
        on("b", "UPDATE t SET n = 5"),
        on("c", "SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1"),
        on("b", "SELECT ROW_COUNT()"),
        on("a", "SHOW WARNINGS"),
        on("c", "SELECT FOUND_ROWS()"),
        on("a", "INSERT INTO t (name) VALUES ('a')"),
        on("b", "SELECT * FROM missing"),
        on("c", "SELECT LAST_INSERT_ID(99)"),
        *by_turns("SHOW ERRORS", "SELECT LAST_INSERT_ID(), ROW_COUNT(), FOUND_ROWS()"),
    ),
    scenario(
        "locks by turns",
        *by_turns("SELECT GET_LOCK('{u}', 0)"),
        on("a", "SELECT RELEASE_LOCK('{u}')"),
        on("c", "SELECT GET_LOCK('{u}', 0)"),
        *by_turns("SELECT IS_USED_LOCK('{u}') = CONNECTION_ID()", "SELECT IS_FREE_LOCK('{u}')"),
        on("c", Quit()),
        on("b", "SELECT GET_LOCK('{u}', 5)"),
        *by_turns("SELECT RELEASE_ALL_LOCKS()"),
    ),
    scenario(
        "sessions that come and go find nothing of one another",
        "SET @a = 1, sql_mode = '', time_zone = '+09:00', autocommit = 0",
        "SET NAMES latin1",
        "USE mysql",
        "INSERT INTO {u}.t (name) VALUES ('x')",
        "CREATE TEMPORARY TABLE {u}.tt (id INT)",
        "PREPARE s FROM 'SELECT 1'",
        Quit(),
        STATE,
        "SELECT * FROM tt",
        "EXECUTE s",
        "SHOW WARNINGS",
        on("b", STATE),
        "SET foreign_key_checks = 0, @a = 2",
        "BEGIN",
        Quit(),
        STATE,
        on("b", STATE),
        on("c", STATE),
        "SELECT COUNT(*) FROM t",
    ),
    scenario(
        "users and resets by turns",
        *by_turns("SET @a = 7, net_read_timeout = 77"),
        on("b", ChangeUser()),
        on("c", Raw(RESET_CONNECTION)),
        *by_turns(STATE, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)"),
        on("a", ChangeUser()),
        on("b", Quit()),
        *by_turns(STATE, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)"),
    ),
    scenario(
        "isolation levels by turns",
        on("a", "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"),
        on("b", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        *by_turns(only(MYSQL, "SELECT @@transaction_isolation"), only(MARIADB, "SELECT @@tx_isolation")),
        on("c", "BEGIN"),
        on("c", "INSERT INTO t (name) VALUES ('c')"),
        on("a", "SELECT COUNT(*) FROM t"),
        on("c", "ROLLBACK"),
        *by_turns("SELECT COUNT(*) FROM t"),
    ),
    scenario(
        "sessions of a client that counts found rows",
        *by_turns("UPDATE t SET n = 5 WHERE id = 1", "SELECT ROW_COUNT()"),
        capabilities=FOUND_ROWS,
    ),
)
