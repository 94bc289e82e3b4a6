"""What dbmux.sql says of statements is true of real servers: digests, functions, variables and literals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES, digest
from dbmux.playground.node import Node
from dbmux.query import Pin, PinReason, Query, SetNames, SetUserVariable, SetVariable
from dbmux.sql.classify import classify
from dbmux.sql.functions import ABOUT_THE_SERVER, PLAIN
from dbmux.sql.variables import CARRIED, CHANGE_TRACKING, SYNONYMS, reset
from tests.real.conftest import ACCOUNT, PASSWORD, SERVERS
from tests.sql.test_classify import STATEMENTS, TEXTS, twin

pytestmark = pytest.mark.real

NO_SUCH_FUNCTION = (1305, 1630)
NO_SUCH_VARIABLE, FOR_THE_SERVER_ONLY = 1193, 1229


def _connect(node: Node) -> Any:
    return pymysql.connect(
        host="127.0.0.1", port=node.port, user=ACCOUNT, password=PASSWORD.encode(), database="test", autocommit=True
    )


@pytest.fixture
def node(nodes: dict[str, Node], request: pytest.FixtureRequest) -> Node:
    return nodes[request.param]


@pytest.fixture
def cursor(node: Node) -> Iterator[Any]:
    with _connect(node) as connection:
        yield connection.cursor()


on_all_servers = pytest.mark.parametrize("node", SERVERS, indirect=True)
on_mysql_9 = pytest.mark.parametrize("node", ["mysql:9"], indirect=True)


def _ask(cursor: Any, sql: str | bytes) -> Any:
    cursor.execute(sql)
    return cursor.fetchall()


def _error(cursor: Any, sql: str | bytes) -> int:
    try:
        cursor.execute(sql)
    except pymysql.MySQLError as error:
        return int(error.args[0])
    return 0


# --- digests


def _their_digest(cursor: Any, text: bytes) -> str | None:
    try:
        cursor.execute("SELECT STATEMENT_DIGEST_TEXT(%s)", (text.decode("utf-8", "backslashreplace"),))
    except pymysql.MySQLError:
        return None
    return str(cursor.fetchone()[0])


@on_mysql_9
def test_texts_of_one_digest_have_one_digest_for_mysql_too(cursor: Any) -> None:
    compared = 0
    for text in TEXTS:
        theirs, other = _their_digest(cursor, text), _their_digest(cursor, twin(text))
        if theirs and other:
            assert digest(text, 0, 0) == digest(twin(text), 0, 0)
            assert theirs == other
            compared += 1

    assert compared > 200


@on_mysql_9
def test_texts_of_several_digests_for_mysql_have_several_digests(cursor: Any) -> None:
    # Lists of any length have one digest here and two there.
    known: dict[bytes, str] = {}
    for text in TEXTS:
        theirs = _their_digest(cursor, text)
        if theirs and "(?" not in theirs and "..." not in theirs:
            assert known.setdefault(digest(text, 0, 0), theirs) == theirs


# --- functions


@on_all_servers
def test_functions_of_the_server_are_in_the_table(cursor: Any) -> None:
    if _error(cursor, "SELECT function FROM information_schema.sql_functions"):
        pytest.skip("this server does not list its functions")
    listed = {str(row[0]).upper() for row in cursor.fetchall()}
    known = PLAIN | ABOUT_THE_SERVER
    special = {"FOUND_ROWS", "GET_LOCK", "LAST_INSERT_ID", "RELEASE_ALL_LOCKS", "RELEASE_LOCK", "ROW_COUNT"}

    # SCHEMAS is a word of SHOW, and the others are helpers of the server's own.
    assert {name for name in listed - known - special if not name.startswith("WSREP_")} <= {"SCHEMAS"}


def test_functions_of_the_table_are_functions_of_a_server(nodes: dict[str, Node]) -> None:
    unknown = set(PLAIN)
    for node in nodes.values():
        with _connect(node) as connection:
            cursor = connection.cursor()
            unknown -= {name for name in unknown if _error(cursor, f"SELECT {name}()") not in NO_SUCH_FUNCTION}

    # Of newer servers than those of the tests.
    assert unknown <= {"JSON_KEY_VALUE", "JSON_OBJECT_FILTER_KEYS", "VEC_DISTANCE"}


# --- variables


# These change with every statement, or with what stands in them.
RESTLESS = frozenset(
    (
        *("error_count", "gtid_binlog_pos", "gtid_current_pos", "identity", "in_transaction", "last_gtid"),
        *("last_insert_id", "pseudo_thread_id", "rand_seed1", "rand_seed2", "statement_id", "timestamp"),
        "warning_count",
    )
)
CHARACTER_SETS = frozenset(
    ("character_set_client", "character_set_connection", "character_set_results", "collation_connection")
)
TOGETHER = {
    "character_set_connection": CHARACTER_SETS,
    "collation_connection": CHARACTER_SETS,
    "max_join_size": frozenset(("sql_big_selects",)),
    "wsrep_sync_wait": frozenset(("wsrep_causal_reads",)),
    **{new: frozenset((old,)) for old, new in SYNONYMS.items()},
}
WORDS = {
    "default_storage_engine": "'MEMORY'",
    "lc_messages": "'de_DE'",
    "max_session_mem_used": "1000000000",
    "lc_time_names": "'de_DE'",
    "sql_mode": "'ANSI'",
    "time_zone": "'+01:00'",
    "transaction_isolation": "'SERIALIZABLE'",
}


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _variables(cursor: Any) -> dict[str, str]:
    return {_text(name).lower(): _text(value) for name, value in _ask(cursor, "SHOW SESSION VARIABLES")}


def _changes(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in after if after[name] != before.get(name)} - RESTLESS


def _other_values(name: str, value: str) -> list[str]:
    if name in WORDS:
        return [WORDS[name]]
    if name.startswith(("character_set_", "collation_")):
        return ["'latin1'"] if name.startswith("char") else ["'latin1_bin'"]
    if value in ("ON", "OFF"):
        return ["1" if value == "OFF" else "0"]
    number = int(float(value)) if value.replace(".", "").isdigit() else 0
    return [str(other) for other in (number * 2, number + 1, number // 2, 1, 0)]


@on_all_servers
def test_a_carried_variable_changes_alone_and_can_be_reset(cursor: Any) -> None:
    cursor.execute("SET NAMES DEFAULT")
    before = _variables(cursor)
    tried = 0
    # One of them has a value of DbMux's own where the session has none.
    for name in sorted(CARRIED - {"last_insert_id", CHANGE_TRACKING}):
        if _error(cursor, f"SELECT @@SESSION.{name}") or _error(cursor, f"SET SESSION {name} = DEFAULT"):
            continue
        changed: set[str] = set()
        for value in _other_values(name, before.get(name, "")):
            if not changed and not _error(cursor, f"SET SESSION {name} = {value}"):
                changed = _changes(before, _variables(cursor))
        cursor.execute(b"SET SESSION " + name.encode() + b" = " + reset(name))

        assert changed <= {name} | TOGETHER.get(name, set())
        assert _changes(before, _variables(cursor)) == set(), name
        tried += bool(changed)

    assert tried > 90


SETTINGS = [
    text
    for text, _ in STATEMENTS
    if "SET" in text.upper().split()[:2]
    and not any(word in text.upper() for word in ("GLOBAL", "PERSIST", "PASSWORD", "ROLE", "STATEMENT"))
]


def _tells(query: Query, changed: set[str]) -> bool:
    names: set[str] = set()
    for effect in query.effects:
        match effect:
            case Pin(PinReason.UNKNOWN):
                return True
            case SetVariable(name, _) | Pin(PinReason.SYSTEM_VARIABLE, name):
                names |= {name} | TOGETHER.get(name, set())
            case SetNames() | Pin(PinReason.CHARACTER_SET):
                names |= CHARACTER_SETS
    return changed <= names


@on_all_servers
def test_no_setting_changes_a_variable_without_its_being_told(node: Node) -> None:
    succeeded = 0
    for text in SETTINGS:
        with _connect(node) as connection:
            cursor = connection.cursor()
            before = _variables(cursor)
            error = _error(cursor, text)
            changed = _changes(before, _variables(cursor))
        succeeded += not error

        assert not changed if error else _tells(classify(text.encode(), 0, 0), changed), text

    assert succeeded > 60


# --- literals


LITERALS = [
    r"1",
    r"-1",
    r"+5",
    r"18446744073709551615",
    r"-9223372036854775809",
    r"1.50",
    r".5",
    r"1e3",
    r"0x41",
    r"x'4142'",
    r"X''",
    r"0b101",
    r"b'0'",
    r"''",
    r"'a''b'",
    r"'say \"so\"'",
    r'"it' 's"',
    r"'a\tb\'c\n'",
    r"TRUE",
    r"false",
    r"NULL",
]


def _value(cursor: Any, assignment: bytes) -> object:
    cursor.execute(assignment)
    facts = _ask(cursor, "SELECT @x, CHARSET(@x), COLLATION(@x), COERCIBILITY(@x)")
    cursor.execute("CREATE TEMPORARY TABLE kept AS SELECT @x AS x")
    columns = _ask(cursor, "SHOW COLUMNS FROM kept")
    cursor.execute("DROP TEMPORARY TABLE kept")
    return facts, columns


@on_all_servers
@pytest.mark.parametrize("literal", LITERALS)
def test_a_user_variable_set_again_in_another_sql_mode_is_the_same(cursor: Any, literal: str) -> None:
    (*_, effect) = classify(b"SET @x = " + literal.encode(), 0, 0).effects
    assert isinstance(effect, SetUserVariable)
    value = _value(cursor, b"SET @x = " + literal.encode())
    for mode in ("", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"):
        cursor.execute("SET sql_mode = %s", (mode,))

        assert _value(cursor, b"SET @x = " + effect.value) == value


@on_all_servers
@pytest.mark.parametrize(
    "flags, mode, literal",
    [
        (ANSI_QUOTES, "ANSI_QUOTES", r"'a''b'"),
        (NO_BACKSLASH_ESCAPES, "NO_BACKSLASH_ESCAPES", r"'say ''so'''"),
    ],
)
def test_a_literal_is_read_in_its_own_sql_mode(cursor: Any, flags: int, mode: str, literal: str) -> None:
    (_, effect) = classify(b"SET @x = " + literal.encode(), 0, flags).effects
    assert isinstance(effect, SetUserVariable)
    cursor.execute("SET sql_mode = %s", (mode,))
    value = _value(cursor, b"SET @x = " + literal.encode())
    cursor.execute("SET sql_mode = ''")

    assert _value(cursor, b"SET @x = " + effect.value) == value
