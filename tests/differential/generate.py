"""Random scenarios: fragments of what sessions do, strung together and interleaved.

A seed comes in, a scenario goes out, the same for the same seed; a scenario that fails is shrunk by leaving out steps
for as long as it still fails. Every sequence of steps is a valid one, as errors are compared like anything else.
Sessions share one table that they only read, and one that they add to and read without locks; all else they write
(tables, most locks) is their own, so that none waits for another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from dbmux.wire.columns import FieldType
from dbmux.wire.rows import Moment, Span
from tests.differential.steps import (
    FOUND_ROWS,
    MARIADB,
    MULTI,
    MYSQL,
    TRACK,
    Bound,
    ChangeUser,
    CloseStatement,
    Command,
    Elsewhere,
    Fetch,
    FieldList,
    InitDb,
    Line,
    LongData,
    Parameter,
    Prepare,
    Quit,
    Raw,
    ResetStatement,
    Scenario,
    Sql,
    Step,
    again,
    cursor,
    execute,
    only,
    prepare,
    step,
)

PING, STATISTICS, SET_OPTION, RESET_CONNECTION = 14, 9, 27, 31
SESSIONS = "abc"

SETUP = (
    "CREATE TABLE shared (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), n INT)",
    "INSERT INTO shared (name, n) VALUES ('one', 1), ('two', 2), ('three', 3)",
    *(f"CREATE TABLE t_{session} (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), n INT)" for session in SESSIONS),
    *(f"INSERT INTO t_{session} (name, n) VALUES ('one', 1), ('two', 2), ('three', 3)" for session in SESSIONS),
    "CREATE PROCEDURE results(x BIGINT) BEGIN SELECT x; SET @a = x; SELECT @a + 1, 'text'; END",
    "CREATE PROCEDURE gives(OUT x INT, INOUT y VARCHAR(99)) BEGIN SET x = 5, y = CONCAT(y, '!'); END",
    "CREATE PROCEDURE fails(x INT) BEGIN SET @b = x, net_read_timeout = 60 + x; SELECT x; "
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'by hand'; END",
    "CREATE PROCEDURE settles(x INT) BEGIN SET SESSION sql_mode = 'ANSI_QUOTES'; SET @c = x; END",
    "CREATE FUNCTION my_next() RETURNS INT NO SQL BEGIN SET @x = IFNULL(@x, 0) + 1; RETURN @x; END",
    "CREATE DATABASE {u}_2",
    "CREATE TABLE {u}_2.shared (other VARCHAR(9) DEFAULT 'x', id INT)",
    "INSERT INTO {u}_2.shared VALUES ('elsewhere', 100)",
)

VARIABLES = ("@a", "@b", "@c", "@x", "@y", "@z")
LITERALS = (
    "0", "1", "-1", "42", "18446744073709551615", "9223372036854775808", "1.50", "-0.001", "1e3", "NULL", "TRUE",
    "''", "'text'", "'it''s'", "'back\\\\slash'", "'\\''", '"double"', "'é日😀'", "x'00ff'", "0x41", "b'101'",
    "_latin1'abc'", "DATE'2024-02-29'", "TIME'-10:11:12'", "TIMESTAMP'2024-02-29 10:11:12.5'", "N'n'", "'1'",
    "'a' COLLATE utf8mb4_bin", "' SET @a = 5; '", "'/* no comment */'", "'-- x'", "5 + 5", "CONCAT('a', 'b')",
    "(SELECT MAX(n) FROM shared)", "1 / 0", "CAST('x' AS SIGNED)", "IF(1, 'y', 'n')", "@a", "@b", "@@sql_mode",
    "REPEAT('x', 300)", "LAST_INSERT_ID()",
)  # fmt: skip
SETTINGS: dict[str, tuple[str, ...]] = {
    "sql_mode": (
        "''", "'ANSI_QUOTES'", "'NO_BACKSLASH_ESCAPES'", "'TRADITIONAL'", "'ANSI'", "'PIPES_AS_CONCAT,IGNORE_SPACE'",
        "CONCAT(@@sql_mode, ',ANSI_QUOTES')", "'NO_SUCH_MODE'", "DEFAULT", "4",
    ),
    "time_zone": ("'+00:00'", "'+05:30'", "'-11:00'", "SYSTEM", "'Nowhere/Nothing'", "DEFAULT"),
    "timestamp": ("1700000000", "1000000000.5", "DEFAULT", "'x'"),
    "net_read_timeout": ("61", "62", "DEFAULT", "'x'", "-1"),
    "net_write_timeout": ("71", "72", "DEFAULT"),
    "group_concat_max_len": ("5", "100", "DEFAULT"),
    "div_precision_increment": ("2", "8", "DEFAULT"),
    "sql_select_limit": ("2", "0", "DEFAULT", "DEFAULT"),
    "auto_increment_increment": ("5", "1", "DEFAULT"),
    "foreign_key_checks": ("0", "1", "OFF", "ON", "2"),
    "unique_checks": ("0", "1"),
    "sql_safe_updates": ("0", "1"),
    "sql_notes": ("0", "1"),
    "sql_auto_is_null": ("0", "1"),
    # With 0, MariaDB counts on over a reset, and even for the next client of the thread.
    "max_error_count": ("1", "64", "DEFAULT"),
    "lc_time_names": ("'de_DE'", "'en_US'", "'xx'"),
    "last_insert_id": ("77", "0"),
    "insert_id": ("900", "5"),
    "character_set_results": ("latin1", "utf8mb4", "NULL", "gbk", "none", "utf16", "utf32"),
    "character_set_client": ("latin1", "utf8mb4", "sjis", "ucs2"),
    "character_set_connection": ("latin1", "utf8mb4"),
    "collation_connection": ("utf8mb4_bin", "utf8mb4_unicode_ci", "latin1_german2_ci", "none"),
    "default_week_format": ("3", "0"),
    "max_sort_length": ("64", "DEFAULT"),
    "no_such_variable": ("1",),
    "version": ("'x'",),
}  # fmt: skip
# Values of one type each.
ALIKE: tuple[tuple[None | int | float | str | Moment, ...], ...] = (
    (1, 3, -5, 1 << 40),
    ("text", "é", ""),
    (2.5, -1e9),
    (Moment(2024, 2, 29, 1, 2, 3), Moment(1999, 12, 31)),
    (None,),
)
# Of each type, values that look different.
TYPES: tuple[tuple[Bound, ...], ...] = (
    (1, 3, -5),
    (Parameter(7, FieldType.TINY), Parameter(7, FieldType.LONG, is_unsigned=True)),
    (2.5, 2.0),
    (Parameter(b"1.25", FieldType.NEWDECIMAL), Parameter(b"-3", FieldType.NEWDECIMAL)),
    ("two", "2", "2.5", "", "2024-02-29", "12:00:00"),
    (None,),
    (Parameter(Moment(2024, 2, 29), FieldType.DATE),),
    (Parameter(Moment(2024, 2, 29, 1, 2, 3), FieldType.DATETIME),),
    (Parameter(Span(False, 0, 12, 30, 0), FieldType.TIME),),
)
TYPED_READS = (
    "SELECT ?", "SELECT ?, ?", "SELECT ? + 1, ?", "SELECT COALESCE(?, ?)", "SELECT IF(? = 2, ?, 'other')",
    "SELECT id, ? FROM shared WHERE name = ? ORDER BY id", "SELECT n, ? FROM shared WHERE id BETWEEN ? AND ?",
    "SELECT name FROM shared ORDER BY id LIMIT ?", "SELECT ? IN (1, 2), ? IN ('two', 'three')", "SELECT CONCAT(?, ?)",
)  # fmt: skip
TYPED_WRITES = (
    "UPDATE {t} SET n = n + 1 WHERE name = ?", "UPDATE {t} SET name = ?, n = ? WHERE id < 3",
    "DELETE FROM {t} WHERE name IN (?, ?) AND id > 3", "INSERT INTO {t} (name, n) VALUES (?, ?)",
    "UPDATE {t} SET name = CONCAT(?, ?) WHERE id = ?", "UPDATE {t} SET n = ? WHERE id = 2",
    "INSERT INTO {t} (n, name) VALUES (?, 'x'), (?, ?)",
)  # fmt: skip
NAMES = (
    "utf8mb4", "latin1", "gbk", "sjis", "big5", "binary", "ascii", "utf8mb4 COLLATE utf8mb4_bin", "DEFAULT", "none",
    "latin1 COLLATE latin1_german1_ci", "utf8mb4 COLLATE latin1_bin", "'utf8mb4'", "utf16",
)  # fmt: skip
LOOKS = (
    "SELECT @a, @b, @c, @x, @y, @z",
    "SELECT LAST_INSERT_ID(), ROW_COUNT(), FOUND_ROWS()",
    "SELECT ROW_COUNT()",
    "SELECT FOUND_ROWS()",
    "SELECT LAST_INSERT_ID()",
    "SELECT @@sql_mode, @@time_zone, @@net_read_timeout, @@net_write_timeout, @@autocommit",
    "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection",
    "SELECT @@foreign_key_checks, @@unique_checks, @@sql_notes, @@group_concat_max_len, @@sql_select_limit",
    "SELECT @@warning_count, @@error_count",
    "SHOW WARNINGS",
    "SHOW ERRORS",
    "SHOW COUNT(*) WARNINGS",
    "SELECT DATABASE(), SCHEMA()",
    "SELECT NOW() > '2000-01-01', FROM_UNIXTIME(86400), 1 / 3, DAYNAME('2024-03-05')",
    "SELECT \"quoted\", 'a\\'b', 'a' || 'b', 'é' = 'E'",
    "SELECT COLLATION('x'), CHARSET('x'), HEX('é'), CHARSET(@a), COLLATION(@b)",
    "SELECT GROUP_CONCAT(name ORDER BY id) FROM shared",
    "SELECT id, name FROM {t} ORDER BY id",
    "SELECT COUNT(*), MAX(id) FROM {t}",
    "SELECT COUNT(*) FROM shared",
    "SELECT COUNT(*), MAX(id) FROM posts",
    "SELECT * FROM tt",
    "SELECT IS_USED_LOCK('{u}{t}') = CONNECTION_ID(), IS_FREE_LOCK('{u}')",
    "SELECT CONNECTION_ID() = @@pseudo_thread_id, USER() = CURRENT_USER()",
    "SELECT NULL, 1, 1.5, 'x'",
)  # fmt: skip
# MariaDB keeps warnings over a statement without a table, but in one text with it nobody looks for those of before.
AMONG_SEVERAL = tuple(look for look in LOOKS if "WARNING" not in look.upper() and "ERROR" not in look.upper())
ERRORS = (
    "SELECT * FROM missing",
    "SELECT syntax error",
    "INSERT INTO {t} (id) VALUES (1)",
    "INSERT INTO {t} (n) VALUES ('text')",
    "SELECT (SELECT id FROM shared)",
    "USE nowhere",
    "ROLLBACK TO missing",
    "DROP TABLE missing",
    "SELECT 18446744073709551615 + 1",
    "SELECT 'not closed",
    "",
)
PINNING_ERRORS = ("CALL missing()", "EXECUTE missing", "EXECUTE s", "SELECT @a := 9, nothing FROM shared")

# A server clears up some time after a disconnect: what could be seen of that is given back before.
LEAVING: tuple[Line, ...] = (
    "UNLOCK TABLES",
    "XA END '{u}{t}'",
    "XA ROLLBACK '{u}{t}'",
    "ROLLBACK",
    "DO RELEASE_ALL_LOCKS()",
    Quit(),
)

# A tuple of lines is never interrupted by others of the same session.
Lines = Sequence[Line | tuple[Line, ...]]
Make = Callable[[Random], Lines]


@dataclass(frozen=True, slots=True)
class Fragment:
    """Some steps that belong together; whether their session is pinned while they last, and for how long."""

    name: str
    make: Make
    holds: str = "nothing"


NOTHING, WITHIN, FOREVER = "nothing", "within", "forever"


def fragments() -> tuple[Fragment, ...]:
    """All kinds of fragments; those that happen more often in life stand here more often."""
    return (
        *(Fragment("look", lambda chance: (chance.choice(LOOKS),)) for _ in range(6)),
        *(Fragment("write", _write) for _ in range(4)),
        *(Fragment("set a variable", _set_variable, FOREVER) for _ in range(3)),
        *(Fragment("set a setting", _set_setting, FOREVER) for _ in range(3)),
        *(Fragment("transaction", _transaction, WITHIN) for _ in range(3)),
        *(Fragment("binary", _binary, FOREVER) for _ in range(2)),
        Fragment("diagnose", _diagnose, FOREVER),
        Fragment("error", lambda chance: (chance.choice(ERRORS),)),
        Fragment("error in a statement that pins", lambda chance: (chance.choice(PINNING_ERRORS),), FOREVER),
        Fragment("assign", _assign, FOREVER),
        Fragment("names", lambda chance: (f"SET NAMES {chance.choice(NAMES)}",), FOREVER),
        Fragment("insert id", _insert_id),
        Fragment("warn", _warn),
        Fragment("found rows", _found_rows, WITHIN),
        Fragment("autocommit off", _autocommit_off, WITHIN),
        Fragment("next transaction", _next_transaction, WITHIN),
        Fragment("temporary table", _temporary_table, WITHIN),
        Fragment("lock tables", _lock_tables, WITHIN),
        Fragment("handler", _handler, WITHIN),
        Fragment("named lock", _named_lock, WITHIN),
        Fragment("sql prepared", _sql_prepared, FOREVER),
        Fragment("cursor", _cursor, WITHIN),
        Fragment("long data", _long_data, WITHIN),
        Fragment("call", _call, FOREVER),
        Fragment("function", lambda chance: ("SELECT my_next()", "SELECT @x"), FOREVER),
        Fragment("several statements", _several, FOREVER),
        Fragment("schema", _schema),
        Fragment("command", _command),
        Fragment("reset", lambda chance: (Raw(RESET_CONNECTION),)),
        Fragment("change user", _change_user),
        Fragment("quit", lambda chance: (LEAVING,)),
        Fragment("xa", _xa, WITHIN),
        Fragment("ddl", _ddl),
    )


def generate(seed: int, length: int = 40) -> Scenario:
    """A scenario of about so many steps on one to three sessions."""
    chance = Random(seed)
    sessions = SESSIONS[: chance.choice((1, 1, 2, 3))]
    kinds = fragments()
    under_way: dict[str, list[list[Line | tuple[Line, ...]]]] = {session: [] for session in sessions}
    steps: list[Step] = []
    while len(steps) < length:
        session = chance.choice(sessions)
        mine = under_way[session]
        if not mine or (len(mine) < 3 and chance.random() < 0.4):
            mine.append(list(chance.choice(kinds).make(chance)))
        at = chance.randrange(len(mine))
        steps += _owned(mine[at].pop(0), session)
        if not mine[at]:
            del mine[at]
    for session, left in under_way.items():
        steps += [each for lines in left for line in lines for each in _owned(line, session)]
    return _scenario(f"seed {seed}", steps, chance)


def generate_crowded(seed: int, length: int = 40) -> Scenario:
    """The same for three sessions over fewer connections: at most one of them is pinned at a time."""
    chance = Random(seed)
    kinds = fragments()
    under_way: dict[str, list[Line | tuple[Line, ...]]] = {session: [] for session in SESSIONS}
    holder = ""
    steps: list[Step] = []
    while len(steps) < length or any(under_way.values()):
        session = chance.choice([each for each in SESSIONS if under_way[each] or len(steps) < length])
        if not under_way[session]:
            holder = "" if holder == session else holder
            kind = chance.choice([each for each in kinds if each.holds == NOTHING or not holder])
            under_way[session] = list(kind.make(chance))
            if kind.holds != NOTHING:
                holder = session
            if kind.holds == FOREVER:
                under_way[session].append(Raw(RESET_CONNECTION))
        steps += _owned(under_way[session].pop(0), session)
    # In gbk a text that is not ASCII pins.
    return replace(_scenario(f"crowded, seed {seed}", steps, chance), charset=chance.choice((45, 8, 46)))


def generate_types(seed: int, length: int = 40) -> Scenario:
    """Prepared statements on two sessions: reads and writes, with values of whatever type comes."""
    chance = Random(seed)
    texts = {f"r{number}": text for number, text in enumerate(chance.sample(TYPED_READS, 2))}
    texts |= {f"w{number}": text for number, text in enumerate(chance.sample(TYPED_WRITES, 2))}
    steps = [each for session in "ab" for name in texts for each in _owned(prepare(name, texts[name]), session)]
    while len(steps) < length:
        name, session = chance.choice(list(texts)), chance.choice("ab")
        values = [chance.choice(chance.choice(TYPES)) for _ in range(texts[name].count("?"))]
        steps += _owned(execute(name, *values), session)
        if chance.random() < 0.1:
            steps += _owned(chance.choice(("BEGIN", "COMMIT", "SELECT name, n FROM {t} ORDER BY id")), session)
    return _scenario(f"types, seed {seed}", steps, chance)


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool], attempts: int = 400) -> Scenario:
    """Leave out as many steps as possible, such that it still fails."""
    size = len(scenario.steps) // 2
    while size and attempts:
        start = 0
        while start < len(scenario.steps) and attempts:
            fewer = replace(scenario, steps=scenario.steps[:start] + scenario.steps[start + size :])
            attempts -= 1
            if fewer.steps and fails(fewer):
                scenario = fewer
            else:
                start += size
        size //= 2
    return scenario


def _scenario(name: str, steps: Sequence[Step], chance: Random) -> Scenario:
    capabilities = chance.choice((MULTI, MULTI, MULTI | FOUND_ROWS, MULTI | TRACK))
    return Scenario(
        name=name,
        steps=tuple(steps),
        setup=SETUP,
        # Until something was found, FOUND_ROWS() on MariaDB is what the thread's last client found.
        opening="SELECT 1",
        capabilities=capabilities,
        is_classic=chance.random() < 0.3,
        charset=chance.choice((45, 45, 45, 8, 46, 28)),
    )


def _owned(lines: Line | tuple[Line, ...], session: str) -> list[Step]:
    # {t} is the session's own table.
    taken = [replace(step(line), session=session) for line in (lines if isinstance(lines, tuple) else (lines,))]
    return [replace(each, command=_named(each.command, session)) for each in taken]


def _named(command: Command, session: str) -> Command:
    match command:
        case Sql() | Prepare():
            return replace(command, text=command.text.replace(b"{t}", b"t_" + session.encode()))
        case _:
            return command


def _write(chance: Random) -> Sequence[Line]:
    value = chance.choice(LITERALS)
    return (
        chance.choice(
            (
                f"INSERT INTO {{t}} (name, n) VALUES ({value}, 1)",
                "INSERT INTO {t} (name) VALUES ('a'), ('b')",
                "INSERT INTO posts (name) VALUES ('more')",
                f"INSERT INTO {{t}} (name, n) SELECT name, {value} FROM shared WHERE id = 1",
                f"UPDATE {{t}} SET n = {chance.randrange(5)} WHERE id < {chance.randrange(1, 5)}",
                "UPDATE {t} SET n = IFNULL(n, 0) + 1",
                f"DELETE FROM {{t}} WHERE id = {chance.randrange(1, 8)}",
                "REPLACE INTO {t} (id, name) VALUES (2, 'replaced')",
                "INSERT IGNORE INTO {t} (id, name) VALUES (1, 'ignored')",
                "INSERT INTO {t} (id, n) VALUES (1, 1) ON DUPLICATE KEY UPDATE n = n + 1",
                "INSERT INTO {t} (id, name) VALUES (500, 'explicit')",
            )
        ),
    )


def _insert_id(chance: Random) -> Sequence[Line]:
    return (
        chance.choice(
            (
                "INSERT INTO {t} (name) VALUES ('numbered')",
                "SELECT LAST_INSERT_ID(42)",
                "UPDATE {t} SET n = LAST_INSERT_ID(id + 100) WHERE id = 2",
                "INSERT INTO {t} (id, name) VALUES (NULL, 'n'), (600, 'x')",
                "INSERT INTO {t} (id) VALUES (1)",
            )
        ),
        "SELECT LAST_INSERT_ID()",
        chance.choice(("INSERT INTO {t} (n) VALUES (LAST_INSERT_ID())", "SELECT LAST_INSERT_ID(), @@identity")),
    )


def _set_variable(chance: Random) -> Sequence[Line]:
    count = chance.choice((1, 1, 2, 3))
    parts = [
        f"{name} {chance.choice(('=', ':='))} {chance.choice(LITERALS)}" for name in chance.sample(VARIABLES, count)
    ]
    return (f"SET {', '.join(parts)}", *chance.sample(("SELECT @a, @b, @c", "SELECT @x, @y, @z, @a"), 1))


def _assign(chance: Random) -> Sequence[Line]:
    name = chance.choice(VARIABLES)
    return (
        chance.choice(
            (
                f"SELECT {name} := {chance.choice(LITERALS)}",
                f"SELECT name, n INTO {name}, @z FROM shared WHERE id = {chance.randrange(1, 5)}",
                f"SELECT {name} := IFNULL({name}, 0) + n FROM shared WHERE id < 4 ORDER BY id",
                f"DO {name} := {chance.choice(LITERALS)}",
                f"UPDATE {{t}} SET n = ({name} := 3) WHERE id = 1",
            )
        ),
        f"SELECT {name}",
    )


def _set_setting(chance: Random) -> Lines:
    parts = []
    for name in chance.sample(tuple(SETTINGS), chance.choice((1, 1, 1, 2, 3))):
        form = chance.choice(("{}", "SESSION {}", "@@session.{}", "@@{}", "LOCAL {}"))
        parts.append(f"{form.format(name)} = {chance.choice(SETTINGS[name])}")
    if chance.random() < 0.2:
        parts.insert(chance.randrange(len(parts) + 1), f"@a = {chance.choice(LITERALS)}")
    names = chance.sample([name for name in SETTINGS if name != "no_such_variable"], 3)
    return (
        (f"SET {', '.join(parts)}",),
        f"SELECT {', '.join('@@' + name for name in names if name != 'timestamp')}",
    )


def _warn(chance: Random) -> Sequence[Line]:
    return (
        chance.choice(
            ("SELECT CAST('x' AS SIGNED)", "SELECT 1 / 0, CAST('1y' AS SIGNED)", "DROP TABLE IF EXISTS gone")
        ),
        *chance.sample(
            (
                "SHOW WARNINGS",
                "SELECT @@warning_count",
                "SHOW WARNINGS LIMIT 1",
                "SET @a = 1",
                "SHOW COUNT(*) WARNINGS",
            ),
            2,
        ),
    )


def _diagnose(chance: Random) -> Lines:
    before = chance.choice(
        (
            "SELECT 1 / 0, CAST('1y' AS SIGNED)",
            "SELECT * FROM missing",
            "SELECT COUNT(*) FROM shared",
            "DROP TABLE IF EXISTS gone",
            "UPDATE {t} SET id = id + 'x' WHERE id = 1",
        )
    )
    asked = (
        "GET DIAGNOSTICS @a = NUMBER, @b = ROW_COUNT",
        "GET DIAGNOSTICS CONDITION 1 @a = RETURNED_SQLSTATE, @b = MESSAGE_TEXT",
        "GET CURRENT DIAGNOSTICS CONDITION 2 @a = MYSQL_ERRNO, @b = CLASS_ORIGIN",
        "RESIGNAL",
        "SHOW WARNINGS",
    )
    return ((before, *chance.sample(asked, 2)), "SELECT @a, @b")


def _found_rows(chance: Random) -> Sequence[Line]:
    return (
        chance.choice(
            (
                "SELECT SQL_CALC_FOUND_ROWS id FROM shared ORDER BY id LIMIT 1",
                "SELECT id FROM shared ORDER BY id LIMIT 2",
            )
        ),
        "SELECT FOUND_ROWS()",
    )


def _transaction(chance: Random) -> Sequence[Line]:
    middle: list[Line] = []
    for _ in range(chance.randrange(4)):
        middle += _write(chance)
    if chance.random() < 0.4:
        middle = ["SAVEPOINT s1", *middle, "SAVEPOINT s2", *_write(chance)]
        middle += [chance.choice(("ROLLBACK TO s1", "ROLLBACK TO s2", "RELEASE SAVEPOINT s1"))]
    begin = chance.choice(
        ("BEGIN", "START TRANSACTION", "START TRANSACTION READ ONLY", "START TRANSACTION WITH CONSISTENT SNAPSHOT")
    )
    end = chance.choice(("COMMIT", "COMMIT", "ROLLBACK", "CREATE TABLE IF NOT EXISTS u_{t} (id INT)", "BEGIN"))
    ends = (end, "COMMIT") if end == "BEGIN" else (end,)
    return (begin, *middle, "SELECT COUNT(*), MAX(n) FROM {t}", *ends, "SELECT COUNT(*) FROM {t}")


def _autocommit_off(chance: Random) -> Sequence[Line]:
    return (
        chance.choice(("SET autocommit = 0", "SET @@session.autocommit = OFF", "SET autocommit = 0, @a = 5")),
        chance.choice(("SELECT COUNT(*) FROM {t}", "SELECT 1")),
        *_write(chance),
        chance.choice(("COMMIT", "ROLLBACK")),
        *_write(chance),
        chance.choice(("SET autocommit = 1", "SET autocommit = DEFAULT")),
        "SELECT COUNT(*) FROM {t}",
        # Where that has failed, the transaction that inherits from the one before is still to come.
        "COMMIT",
    )


def _next_transaction(chance: Random) -> Sequence[Line]:
    return (
        chance.choice(
            (
                "SET TRANSACTION READ ONLY",
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
                "SET SESSION TRANSACTION READ ONLY",
                "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            )
        ),
        *_write(chance),
        *_write(chance),
        # Where both have failed, the next transaction is still to come.
        "COMMIT",
        "SET SESSION TRANSACTION READ WRITE",
        only(MYSQL, "SELECT @@session.transaction_isolation, @@session.transaction_read_only"),
        only(MARIADB, "SELECT @@session.tx_isolation, @@session.tx_read_only"),
    )


def _temporary_table(chance: Random) -> Sequence[Line]:
    name = chance.choice(("tt", "tt", "{t}", "shared"))
    return (
        chance.choice((f"CREATE TEMPORARY TABLE {name} (x INT)", f"CREATE TEMPORARY TABLE {name} SELECT 5 AS x")),
        f"INSERT INTO {name} (x) VALUES ({chance.randrange(9)})",
        f"SELECT * FROM {name} ORDER BY 1",
        chance.choice((f"DROP TEMPORARY TABLE {name}", f"DROP TEMPORARY TABLE IF EXISTS {name}, missing")),
        f"SELECT COUNT(*) FROM {name}",
    )


def _lock_tables(chance: Random) -> Sequence[Line]:
    return (
        chance.choice(("LOCK TABLES {t} READ", "LOCK TABLES {t} WRITE, {t} AS x READ", "LOCK TABLES {t} WRITE")),
        *_write(chance),
        "SELECT COUNT(*) FROM {t}",
        "UNLOCK TABLES",
    )


def _handler(chance: Random) -> Sequence[Line]:
    return (
        "HANDLER {t} OPEN",
        "HANDLER {t} READ FIRST",
        chance.choice(("HANDLER {t} READ NEXT", "HANDLER {t} READ `PRIMARY` LAST")),
        "HANDLER {t} CLOSE",
        "HANDLER {t} READ NEXT",
    )


def _named_lock(chance: Random) -> Sequence[Line]:
    name = chance.choice(("{u}", "{u}{t}", "{u}{t}"))
    end = chance.choice((f"SELECT RELEASE_LOCK('{name}')", f"DO RELEASE_LOCK('{name}')", "SELECT RELEASE_ALL_LOCKS()"))
    return (
        f"SELECT GET_LOCK('{name}', 0)",
        f"SELECT IS_FREE_LOCK('{name}')",
        end,
        "SELECT RELEASE_ALL_LOCKS()",
    )


def _sql_prepared(chance: Random) -> Sequence[Line]:
    name = chance.choice(("s", "s", "r"))
    text = chance.choice(
        (
            "SELECT ? + 1, @a",
            "INSERT INTO {t} (name) VALUES (?)",
            "SELECT name FROM shared WHERE id = ?",
            "SET @b = ?",
            "SELECT * FROM missing WHERE ?",
        )
    )
    return (
        f"PREPARE {name} FROM '{text}'",
        f"SET @a = {chance.choice(LITERALS)}",
        f"EXECUTE {name} USING @a",
        chance.choice((f"EXECUTE {name} USING @b", f"EXECUTE {name}", "SELECT LAST_INSERT_ID()")),
        f"DEALLOCATE PREPARE {name}",
    )


def _binary(chance: Random) -> Sequence[Line]:
    name = _name(chance)
    text = chance.choice(
        (
            "SELECT ?, @a, @@sql_mode",
            "INSERT INTO {t} (name) VALUES (?)",
            "SELECT id, name FROM {t} WHERE id < ? ORDER BY id",
            "UPDATE {t} SET n = ? WHERE id = 1",
            "SET @c = ?",
            "SELECT COUNT(*), ? FROM shared",
            "CALL results(?)",
            "SELECT 'é', \"x\", ?",
        )
    )
    alike = chance.choice(ALIKE)
    other = chance.choice((b"\x00\xff", *chance.choice(ALIKE)))
    first, second, third, fourth = (chance.choice(alike) for _ in range(4))
    lines: list[Line] = [prepare(name, text), execute(name, first)]
    if chance.random() < 0.5:
        lines += [execute(name, second), again(name, third)]
    # Behind a definition of other fragments MySQL takes the types of the values that come then: see docs/pinning.md.
    last = chance.choice((CloseStatement(name), ResetStatement(name), only(MARIADB, execute(name, other))))
    lines += [last, execute(name, fourth)]
    # MySQL keeps the type that a variable had at the preparation.
    return [only(MARIADB, line) for line in lines] if "@a" in text else lines


def _name(chance: Random) -> str:
    # A statement is used only by the fragment that prepared it.
    return f"s{chance.randrange(1 << 32)}"


def _cursor(chance: Random) -> Sequence[Line]:
    # Statements with cursors are never executed without one: see tests/differential/subjects/binary.py.
    name = _name(chance)
    return (
        prepare(name, chance.choice(("SELECT id, name FROM shared ORDER BY id", "SELECT id FROM {t} ORDER BY id"))),
        cursor(name),
        Fetch(name, chance.choice((1, 2))),
        Fetch(name, chance.choice((1, 100))),
        chance.choice((CloseStatement(name), ResetStatement(name))),
    )


def _long_data(chance: Random) -> Sequence[Line]:
    name = _name(chance)
    return (
        prepare(name, "SELECT LENGTH(?), ?"),
        *(LongData(name, 0, b"x" * chance.choice((1, 100, 5000))) for _ in range(chance.randrange(1, 3))),
        execute(name, Elsewhere(), chance.choice((1, "text"))),
        CloseStatement(name),
    )


def _call(chance: Random) -> Lines:
    call = chance.choice(
        ("CALL results(5)", "CALL gives(@x, @y)", "CALL fails(7)", "CALL settles(8)", "CALL {u}.results('x')")
    )
    return (
        # What MySQL counts for a CALL that changes nothing is no subject here: see docs/pinning.md.
        (only(MYSQL, "SELECT 1"), call),
        "SELECT @a, @b, @c, @x, @y, @@sql_mode, @@net_read_timeout",
    )


def _several(chance: Random) -> Sequence[Line]:
    parts = [
        chance.choice(
            (chance.choice(AMONG_SEVERAL), *_write(chance), *_set_variable(chance), chance.choice(ERRORS[:6]))
        )
        for _ in range(chance.randrange(2, 5))
    ]
    texts = [part for part in parts if isinstance(part, str)]
    if not all(text.isascii() for text in texts):
        # In gbk such a text is not read, and FOUND_ROWS() in it is the connection's: see docs/pinning.md.
        texts = [text for text in texts if "FOUND_ROWS" not in text]
    return ("; ".join(texts), "SELECT 'after'")


def _schema(chance: Random) -> Sequence[Line]:
    there = chance.choice(("USE {u}_2", InitDb(b"{u}_2"), "USE information_schema", "USE nowhere", InitDb(b"nowhere")))
    return (there, "SELECT DATABASE()", "SELECT * FROM shared ORDER BY id", chance.choice(("USE {u}", InitDb(b"{u}"))))


def _command(chance: Random) -> Sequence[Line]:
    return (
        chance.choice(
            (Raw(PING), Raw(STATISTICS), Raw(SET_OPTION, b"\1\0"), Raw(SET_OPTION, b"\0\0"), FieldList(b"shared", b"%"))
        ),
    )


def _change_user(chance: Random) -> Lines:
    # How many rows SQL_CALC_FOUND_ROWS counted is not asked for when the user is changed.
    return (("SELECT 1", ChangeUser(schema=chance.choice((b"{u}", b"{u}_2")))),)


def _xa(chance: Random) -> Lines:
    end = chance.choice(("XA COMMIT '{u}{t}' ONE PHASE", "XA ROLLBACK '{u}{t}'"))
    # What is prepared on MySQL locks rows against the very session, should that begin another transaction.
    prepared: Line | tuple[Line, ...] = ("XA PREPARE '{u}{t}'", "XA COMMIT '{u}{t}'") if chance.random() < 0.4 else end
    return ("XA START '{u}{t}'", *_write(chance), "XA END '{u}{t}'", prepared)


def _ddl(chance: Random) -> Sequence[Line]:
    return (
        chance.choice(
            (
                "ALTER TABLE {t} ADD COLUMN extra INT DEFAULT 5",
                "CREATE TABLE IF NOT EXISTS u_{t} (id INT)",
                "DROP TABLE IF EXISTS u_{t}",
                "TRUNCATE TABLE {t}",
                "CREATE OR REPLACE VIEW v_{t} AS SELECT id FROM {t}",
                "ANALYZE TABLE {t}",
            )
        ),
        "SELECT * FROM {t} ORDER BY id LIMIT 3",
    )
