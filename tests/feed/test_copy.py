"""Rows as SQL, command lines and Python that do what the statement did, and nothing else."""

from __future__ import annotations

import ast
import re
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.events import KEPT, NOBODY, QueryFinished
from dbmux.feed.copy import Form, Target, copied
from dbmux.feed.row import Row
from dbmux.lexer import tokens
from dbmux.routes import ONLY
from dbmux.sql.bind import NotBound
from dbmux.wire import packet
from dbmux.wire.columns import FieldType
from dbmux.wire.commands import Command
from dbmux.wire.rows import Moment, Span, Value
from dbmux.wire.statements import BulkExecute, BulkFlag, Execute, Indicator, ParameterType
from tests.feed.engine import notes

TARGET = Target(host="127.0.0.1", port=3307)
WHO = NOBODY._replace(user="shop")
TYPES = {
    int: FieldType.LONGLONG,
    float: FieldType.DOUBLE,
    Moment: FieldType.DATETIME,
    Span: FieldType.TIME,
}


def queried(sql: str, user: str = "shop", schema: bytes = b"shop") -> Row:
    sent = packet.encode(b"\x03" + sql.encode(), 0)[:KEPT]
    who = WHO._replace(user=user)
    return Row(
        1, QueryFinished(0.0, 1, "db", Command.QUERY, 0.001, 10, 0, ONLY, who=who, schema=schema, sent=sent), notes()
    )


def executed(sql: str, *values: Value, types: tuple[int, ...] = ()) -> Row:
    kinds = types or tuple(TYPES.get(type(value), FieldType.VAR_STRING) for value in values)
    told = tuple(ParameterType(kind, isinstance(value, int)) for kind, value in zip(kinds, values, strict=True))
    return _prepared(sql, Command.STMT_EXECUTE, Execute(statement=1, types=told, values=values).build(0))


def bulk(sql: str, *rows: tuple[Value | Indicator, ...]) -> Row:
    told = tuple(ParameterType(FieldType.VAR_STRING) for _ in rows[0])
    body = BulkExecute(statement=1, flags=BulkFlag.TYPES, types=told, rows=rows).build()
    return _prepared(sql, Command.MARIADB_STMT_BULK_EXECUTE, body)


def _prepared(sql: str, command: Command, body: bytes) -> Row:
    sent = packet.encode(bytes((command,)) + body, 0)[:KEPT]
    return Row(
        1,
        QueryFinished(
            0.0, 1, "db", command, 0.001, 10, 0, ONLY, who=WHO, schema=b"shop", sent=sent, statement=sql.encode()[:KEPT]
        ),
        notes(),
    )


def other(command: Command) -> Row:
    return Row(1, QueryFinished(0.0, 1, "db", command, 0.001, 10, 0, ONLY, sent=packet.encode(b"\x0e", 0)), notes())


def python_calls(told: str) -> list[tuple[Any, ...]]:
    """What the snippet gives to cursor.execute, as far as it is literals."""
    calls = [node for node in ast.walk(ast.parse(told)) if isinstance(node, ast.Call)]
    executes = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "execute"]
    return [tuple(ast.literal_eval(argument) for argument in call.args) for call in executes]


# SQL.


def test_a_statement_is_copied_as_it_was() -> None:
    text = "SELECT  *\nFROM t -- why\nWHERE a = '\\'x' ;"

    assert copied(Form.SQL, [queried(text)], TARGET) == text
    assert copied(Form.BOUND, [queried(text)], TARGET) == text


def test_several_are_one_script() -> None:
    told = copied(Form.SQL, [queried("SELECT 1"), queried("SELECT 2 -- two"), queried("SELECT 3")], TARGET)

    assert told == "SELECT 1;\nSELECT 2 -- two\n;\nSELECT 3;\n"


def test_arguments_stand_in_the_place_of_placeholders() -> None:
    row = executed("SELECT '?' FROM t WHERE a = ? AND b = ? AND c = ?", 7, b"it's", None)

    assert copied(Form.SQL, [row], TARGET) == "SELECT '?' FROM t WHERE a = ? AND b = ? AND c = ?"
    assert copied(Form.BOUND, [row], TARGET) == "SELECT '?' FROM t WHERE a = 7 AND b = 'it''s' AND c = NULL"


def test_a_bulk_execution_is_several_statements() -> None:
    row = bulk("INSERT INTO t VALUES (?, ?)", (b"a", b"1"), (b"b", Indicator.DEFAULT))

    told = copied(Form.BOUND, [row], TARGET)

    assert told == "INSERT INTO t VALUES ('a', '1');\nINSERT INTO t VALUES ('b', DEFAULT);\n"


def test_a_text_with_a_question_mark_has_no_arguments() -> None:
    assert copied(Form.BOUND, [queried("SELECT ?")], TARGET) == "SELECT ?"


@pytest.mark.parametrize("form", [Form.BOUND, Form.MYSQL, Form.PYTHON])
@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param(queried("DELETE FROM t WHERE a = 1 AND b IN (" + "1, " * KEPT), "4096 bytes", id="a long text"),
        pytest.param(executed("DELETE FROM t WHERE a = ?" + " " * KEPT, 1), "4096 bytes", id="a long prepared text"),
        pytest.param(executed("DELETE FROM t WHERE a = ?", b"x" * KEPT), "4096 bytes", id="a long argument"),
        pytest.param(executed("DELETE FROM t WHERE a = ? AND b = ?", 1), "not kept|arguments are", id="no argument"),
        pytest.param(executed("SELECT ?", float("inf")), "cannot write", id="no literal"),
        pytest.param(other(Command.PING), "no statement", id="no text"),
        pytest.param(Row.of(executed("SELECT ?", 1).told()), "have it copy", id="told over the socket"),
    ],
)
def test_what_is_not_whole_is_not_made_to_run(form: Form, row: Row, why: str) -> None:
    with pytest.raises(NotBound, match=why):
        copied(form, [row], TARGET)


def test_a_text_that_was_cut_cannot_be_run_by_mistake() -> None:
    row = queried("DELETE FROM t WHERE a = 1 AND b IN (" + "1, " * KEPT)

    for told in (copied(Form.SQL, [row], TARGET), copied(Form.SQL, [Row.of(row.told())], TARGET)):
        assert told.startswith("DELETE FROM t WHERE a = 1")
        assert "/* of a statement 4096 bytes are kept" in told
        assert "*/" not in told


# A command line.


def words(row: Row, target: Target = TARGET) -> list[str]:
    return shlex.split(copied(Form.MYSQL, [row], target))


def test_a_command_line_says_where_who_and_what_and_asks_for_the_password() -> None:
    told = words(executed("SELECT * FROM t WHERE a = ?", b"it's $HOME `x` !"))

    assert told[:4] == ["mysql", "--host=127.0.0.1", "--port=3307", "--user=shop"]
    assert told[4:6] == ["-p", "--database=shop"]
    assert "--binary-mode" in told
    assert told[-1] == "--execute=SELECT * FROM t WHERE a = 'it''s $HOME `x` !'"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("db.example", ["--host=db.example", "--port=3307"]),
        ("localhost", ["--host=localhost", "--port=3307", "--protocol=tcp"]),
        ("/run/my sqld.sock", ["--socket=/run/my sqld.sock"]),
    ],
)
def test_a_command_line_reaches_the_same_address(host: str, expected: list[str]) -> None:
    told = words(queried("SELECT 1"), Target(host=host, port=3307))

    assert told[1 : told.index("--user=shop")] == expected


def test_the_client_finds_one_statement_where_the_server_did() -> None:
    told = words(queried("SELECT `a\\`, '`; DROP TABLE t; -- $$'"))

    assert "--delimiter=$$$" in told
    assert "--delimiter" not in copied(Form.MYSQL, [queried("SELECT 1")], TARGET)


def test_what_is_not_seen_is_written_out() -> None:
    row = queried("SELECT 'a\x1b[201~!\t\u202e', 'é'")

    told = copied(Form.MYSQL, [row], TARGET)

    assert told.endswith(r"$'--execute=SELECT \047a\033[201~\041\011\342\200\256\047, \047é\047'")
    with pytest.raises(NotBound, match="zero byte"):
        copied(Form.MYSQL, [queried("SELECT 'a\0'")], TARGET)


# Python.


def test_a_python_snippet_has_the_parameters_apart() -> None:
    row = executed("SELECT '?%', a FROM t\nWHERE a = ? AND b = ? LIMIT ?", 7, b"it's", b"10")

    told = copied(Form.PYTHON, [row], TARGET)

    assert told == (
        "from getpass import getpass\n"
        "\n"
        "import pymysql\n"
        "\n"
        "connection = pymysql.connect(\n"
        "    host='127.0.0.1', port=3307, user='shop', password=getpass(), database='shop', charset='utf8mb4',\n"
        "    autocommit=True\n"
        ")\n"
        "with connection, connection.cursor() as cursor:\n"
        "    cursor.execute((\n"
        "        \"SELECT '?%%', a FROM t\\n\"\n"
        "        'WHERE a = %s AND b = %s LIMIT %s'\n"
        '    ), (7, "it\'s", 10,))\n'
        "    for row in cursor:\n"
        "        print(row)\n"
    )


def test_without_parameters_percent_signs_stay() -> None:
    told = copied(Form.PYTHON, [queried("SELECT '%s' -- 100%"), executed("SELECT 5 % 3")], TARGET)

    assert python_calls(told) == [("SELECT '%s' -- 100%",), ("SELECT 5 % 3",)]


def test_values_are_of_their_types_in_python() -> None:
    values = (b"1.50", Moment(2024, 2, 29), Moment(2024, 2, 29, 1, 2, 3, 4), Moment(0, 0, 0), Span(True, 1, 2, 3, 4))
    kinds = (FieldType.NEWDECIMAL, FieldType.DATE, FieldType.DATETIME, FieldType.DATE, FieldType.TIME)
    others = (b"\xff", "é".encode(), None, 1.5)

    told = copied(
        Form.PYTHON,
        [
            executed("SELECT ?, ?, ?, ?, ?", *values, types=kinds),
            executed(
                "SELECT ?, ?, ?, ?",
                *others,
                types=(FieldType.VAR_STRING, FieldType.BLOB, FieldType.LONG, FieldType.DOUBLE),
            ),
        ],
        TARGET,
    )

    assert "(decimal.Decimal('1.50'), datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3, 4)," in told
    assert "'0000-00-00', '-26:03:04',)" in told
    assert "(b'\\xff', b'\\xc3\\xa9', None, 1.5,)" in told
    assert told.startswith("import datetime\nimport decimal\nfrom getpass import getpass\n")


def test_each_account_and_schema_has_its_own_connection() -> None:
    rows = [queried("SELECT 1"), queried("SELECT 2"), queried("SELECT 3", user="o'x", schema=b"")]

    told = copied(Form.PYTHON, rows, Target(host="/run/mysqld.sock", port=0))

    assert told.count("pymysql.connect(") == 2
    assert "    unix_socket='/run/mysqld.sock', user=\"o'x\", password=getpass(), charset='utf8mb4',\n" in told
    assert python_calls(told) == [("SELECT 1",), ("SELECT 2",), ("SELECT 3",)]


# Whatever is in them.

hostile = st.text(max_size=20) | st.text(alphabet="'\"\\`;$!\n\r\t \x1b-#/*%s?{}()", max_size=20)
storable = hostile.map(lambda text: text.encode("utf-8", "replace").decode())


@given(storable.filter(bool), storable, storable)
def test_nothing_leaves_its_place(sql: str, user: str, schema: str) -> None:
    row = queried(sql, user, schema.encode())

    assert python_calls(copied(Form.PYTHON, [row], TARGET)) == [(sql,)]
    ast.parse(copied(Form.PYTHON, [row], TARGET))
    if "\0" not in sql + user + schema:
        told = copied(Form.MYSQL, [row], TARGET)
        assert told.replace("\n", "").isprintable()
        assert _bash_words(told)[-1] == f"--execute={sql}"
        assert f"--user={user}" in _bash_words(told)


@given(st.lists(storable | st.binary(max_size=9), min_size=1, max_size=3))
def test_arguments_never_become_statements(values: list[str | bytes]) -> None:
    given_ = [value.encode() if isinstance(value, str) else value for value in values]
    row = executed("SELECT " + ", ".join("?" for _ in given_), *given_)

    told = copied(Form.BOUND, [row], TARGET).encode()

    plain = b"SELECT " + b", ".join(b"_binary 'x'" for _ in given_)
    assert len(tokens(told.replace(b"_utf8mb4 ", b"").replace(b"_binary ", b""), 0, 0)) <= len(tokens(plain, 0, 0))
    (call,) = python_calls(copied(Form.PYTHON, [row], TARGET))
    assert [one.encode() if isinstance(one, str) else one for one in call[1]] == given_


_OCTAL = re.compile(rb"\\([0-7]{3})")


def _bash_words(line: str) -> list[str]:
    """The words of a command line with quotes as bash has them: '...' and $'...'."""
    found, at, word = [], 0, ""
    while at < len(line):
        if line.startswith("$'", at):
            end = line.index("'", at + 2)
            word += _OCTAL.sub(lambda found: bytes((int(found[1], 8),)), line[at + 2 : end].encode()).decode()
            at = end + 1
        elif line[at] == "'":
            end = line.index("'", at + 1)
            word += line[at + 1 : end]
            at = end + 1
        elif line[at] == '"':
            end = line.index('"', at + 1)
            word += line[at + 1 : end]
            at = end + 1
        elif line[at] == " ":
            found.append(word)
            word, at = "", at + 1
        else:
            word, at = word + line[at], at + 1
    return [*found, word]
