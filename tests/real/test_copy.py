"""What is copied does on real servers what the prepared statement did: the same values, types of literals and rows."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbmux.events import NOBODY, QueryFinished
from dbmux.feed.copy import Form, Target, copied
from dbmux.feed.row import Row
from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind
from dbmux.routes import ONLY
from dbmux.sql.bind import Argument, bind
from dbmux.wire import packet
from dbmux.wire.client import Definition
from dbmux.wire.client import Row as Payload
from dbmux.wire.columns import FieldType, parse_column
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err
from dbmux.wire.rows import Moment, Span, Value, parse_binary_row
from dbmux.wire.statements import Execute as Execution
from dbmux.wire.statements import ParameterType
from tests.differential.client import Connection, Login, Reply
from tests.differential.steps import Execute, Parameter, Prepare, Sql
from tests.feed.engine import notes
from tests.real.conftest import ACCOUNT, PASSWORD, SERVERS

pytestmark = pytest.mark.real

T = FieldType
VALUES: tuple[Parameter, ...] = (
    *(
        Parameter(value, kind, is_unsigned)
        for kind, bits in ((T.TINY, 8), (T.SHORT, 16), (T.LONG, 32), (T.LONGLONG, 64))
        for value, is_unsigned in (
            (-(1 << (bits - 1)), False),
            (-1, False),
            (0, False),
            ((1 << (bits - 1)) - 1, False),
            ((1 << bits) - 1, True),
        )
    ),
    *(
        Parameter(value, T.DOUBLE)
        for value in (0.0, -0.0, 0.1, -1.5, 1e22, 1.7976931348623157e308, 2.2250738585072014e-308, 1 / 3, 123456789.123)
    ),
    *(Parameter(value, T.FLOAT) for value in (1.5, -0.25, 0.10000000149011612, 2.999999894026671e30)),
    *(
        Parameter(value, T.NEWDECIMAL)
        for value in (b"0", b"-0.01", b"12345678.90", b"5", b"-12345", b"9" * 65, b"-" + b"9" * 35 + b"." + b"9" * 30)
    ),
    *(
        Parameter(value, kind)
        for kind in (T.VAR_STRING, T.STRING, T.BLOB, T.LONG_BLOB)
        for value in (
            b"",
            b"007",
            b"12.5e3",
            b"it's",
            b'"',
            b"\\",
            b"\\'",
            b"'; DROP TABLE held; -- ",
            rb"App\Models\Post \% \_ \n \0",
            b"a\nb\tc\rd\x1a",
            b"a\0b",
            b"?",
            b"/* ? */ -- ?",
            b"`x` $(id) !",
            "hé😀 日本 \u202e".encode(),
            b"x" * 3000,
            b'{"a": [1, "x\\u00e9"]}',
        )
    ),
    *(Parameter(value, T.BLOB) for value in (b"\xff\x00\x80\xfe", bytes(range(256)))),
    *(
        Parameter(value, kind)
        for kind, values in (
            (T.DATE, (Moment(1000, 1, 1), Moment(9999, 12, 31), Moment(2024, 2, 29))),
            (
                T.DATETIME,
                (
                    Moment(2024, 2, 29),
                    Moment(2024, 2, 29, 12, 34, 56),
                    Moment(2024, 2, 29, 12, 34, 56, 789_123),
                    Moment(9999, 12, 31, 23, 59, 59, 999_999),
                    Moment(2024, 2, 29, 0, 0, 0, 1),
                ),
            ),
            (T.TIMESTAMP, (Moment(2038, 1, 19, 3, 14, 7, 999_999),)),
            (
                T.TIME,
                (
                    Span(False, 0, 0, 0, 0),
                    Span(False, 34, 22, 59, 59),
                    Span(True, 34, 22, 59, 59),
                    Span(True, 0, 0, 0, 0, 1),
                    Span(True, 0, 12, 34, 56, 789_123),
                ),
            ),
        )
        for value in values
    ),
    Parameter(None, T.NULL),
    Parameter(None, T.VAR_STRING),
)
# Values that no literal of their type can be: as strings they become the same in a column of dates.
ODD = (
    Parameter(Moment(0, 0, 0), T.DATE),
    Parameter(Moment(0, 0, 0), T.DATETIME),
    Parameter(Moment(2024, 0, 0), T.DATE),
)
COLUMNS = (
    "VARCHAR(4000) CHARACTER SET utf8mb4",
    "VARBINARY(4000)",
    "DECIMAL(65,30)",
    "DOUBLE",
    "BIGINT",
    "BIGINT UNSIGNED",
    "DATETIME(6)",
    "DATE",
    "TIME(6)",
    "BIT(64)",
)
DATES = ("DATETIME(6)", "DATE")
# MySQL gives arguments of these types six decimals where it makes text of them.
WITH_DECIMALS = (T.DATETIME, T.TIMESTAMP, T.TIME)
TEXTS = COLUMNS[:2]
MODES = {"": 0, "ANSI_QUOTES": ANSI_QUOTES, "NO_BACKSLASH_ESCAPES": NO_BACKSLASH_ESCAPES}

Outcome = list[tuple[Value, ...]] | int


class Session:
    """A connection that prepares all that it runs, so that all results have the same form."""

    def __init__(self, node: Node) -> None:
        self._connection = Connection(node.port, Login(user=ACCOUNT, password=PASSWORD, schema=b"test"))

    def close(self) -> None:
        self._connection.close()

    def query(self, text: str) -> None:
        reply = self._connection.ask(Sql(text.encode()), _nobody)
        assert not [message for message in reply if isinstance(message, Err)], reply

    def run(self, text: bytes, *values: Parameter) -> Outcome:
        """The rows, or the number of the error."""
        prepared = self._connection.ask(Prepare("s", text), _nobody)
        if (error := _error(prepared)) is not None:
            return error
        reply = self._connection.ask(Execute("s", values), _nobody)
        if (error := _error(reply)) is not None:
            return error
        columns = [parse_column(message.payload, 0) for message in reply if isinstance(message, Definition)]
        return [parse_binary_row(message.payload, columns) for message in reply if isinstance(message, Payload)]


def _nobody(session: str) -> int:
    raise AssertionError(session)


def _error(reply: Reply) -> int | None:
    return next((message.number for message in reply if isinstance(message, Err)), None)


@pytest.fixture(params=SERVERS)
def node(nodes: dict[str, Node], request: pytest.FixtureRequest) -> Node:
    return nodes[request.param]


@pytest.fixture
def session(node: Node) -> Iterator[Session]:
    session = Session(node)
    yield session
    session.close()


def arguments(*values: Parameter) -> list[Argument]:
    return [Argument(value.value, value.type) for value in values]


def told(value: Parameter) -> str:
    return f"{FieldType(value.type).name} {value.value!r:.60}"


@pytest.mark.parametrize("mode", MODES)
def test_bound_values_are_those_of_the_execution(session: Session, mode: str) -> None:
    session.query(f"SET sql_mode = '{mode}'")
    unlike = []

    for value in VALUES:
        shown = b"?" if value.type in WITH_DECIMALS else b"CONCAT('<', ?, '>')"
        text = b"SELECT ?, %b, ? IS NULL" % shown
        executed = session.run(text, value, value, value)
        bound = session.run(bind(text, arguments(value, value, value), MODES[mode]))
        if executed != bound or isinstance(executed, int):
            unlike.append((told(value), executed, bound))

    assert unlike == []


@pytest.mark.parametrize("column", COLUMNS)
def test_bound_values_are_stored_as_those_of_the_execution(session: Session, node: Node, column: str) -> None:
    session.query("SET sql_mode = ''")
    session.query("DROP TABLE IF EXISTS held")
    session.query(f"CREATE TABLE held (id INT PRIMARY KEY, c {column})")
    session.query("BEGIN")
    text = b"INSERT INTO held VALUES (?, ?)"
    unlike = []

    for number, value in enumerate((*VALUES, *(ODD if column in DATES else ()))):
        if node.software.kind is Kind.MYSQL and _differs_on_mysql(value, column):
            continue
        executed, bound = Parameter(2 * number, T.LONG), Parameter(2 * number + 1, T.LONG)
        outcomes = (session.run(text, executed, value), session.run(bind(text, arguments(bound, value))))
        rows = session.run(b"SELECT c, HEX(c) FROM held WHERE id BETWEEN ? AND ? ORDER BY id", executed, bound)
        assert isinstance(rows, list)
        if outcomes[0] != outcomes[1] or any(row != rows[0] for row in rows) or len(rows) not in (0, 2):
            unlike.append((told(value), outcomes, rows))

    assert unlike == []


def _differs_on_mysql(value: Parameter, column: str) -> bool:
    # The largest number becomes -1 second, but only as an argument.
    is_largest = value.value == (1 << 64) - 1 and column == "TIME(6)"
    return is_largest or (value.type in WITH_DECIMALS and column in TEXTS)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("SELECT a FROM few ORDER BY a LIMIT ?, ?", (b"1", b"2")),
        ("SELECT a FROM few ORDER BY a LIMIT ? OFFSET ?", (2, 1)),
        ("SELECT a, b FROM few ORDER BY ?, a DESC", (b"2",)),
        ("SELECT ? 'x', ? AS y", (b"a", b"b")),
        ("SELECT 5-?,?-?", (-1, -2, -3)),
        ("SELECT?+?,? FROM few WHERE a=? AND b IN(?,?)", (1, 2, 3, 1, b"one", b"two")),
        ("SELECT ? + INTERVAL ? DAY, DATE_ADD(?, INTERVAL ? HOUR)", (Moment(2024, 2, 29), 1, Moment(2024, 2, 29), 2)),
        ("SELECT 'a%b' LIKE CONCAT('%', ?, '%') ESCAPE ?", (b"|%", b"|")),
        ("SELECT a FROM few WHERE b LIKE CONCAT('%', ?, '%') OR b = ? ORDER BY a", (rb"o\n", rb"t\\wo")),
        ("SELECT a FROM few WHERE b = ? OR b = ? ORDER BY a", (b"ONE", "o\u0301ne".encode())),
        ("SELECT '?', \"?\", `a` /* ? */, ? FROM few -- ?\n WHERE a = ?", (b"?", 1)),
        ("SELECT ? = '1', ? = 1, ? + 1, ? / 3, ? / 3", (1, b"1", b"1", 1, 1.0)),
        ("SELECT CASE ? WHEN ? THEN ? ELSE ? END", (b"a", b"A", b"same", None)),
    ],
)
def test_arguments_mean_the_same_wherever_they_stand(session: Session, text: str, values: tuple[Value, ...]) -> None:
    session.query("DROP TABLE IF EXISTS few")
    session.query("CREATE TABLE few (a INT, b VARCHAR(20)) DEFAULT CHARACTER SET utf8mb4")
    session.query("INSERT INTO few VALUES (1, 'one'), (2, 'two'), (3, 't\\\\wo')")
    given = [Parameter(value, _kind(value)) for value in values]

    executed = session.run(text.encode(), *given)

    assert isinstance(executed, list)
    assert session.run(bind(text.encode(), arguments(*given))) == executed


def _kind(value: Value) -> int:
    match value:
        case int():
            return T.LONGLONG
        case float():
            return T.DOUBLE
        case Moment():
            return T.DATETIME
        case _:
            return T.VAR_STRING


# Through the tools for which it is made.


def row(text: str, *values: Parameter, schema: bytes = b"test") -> Row:
    kinds = tuple(ParameterType(value.type, value.is_unsigned) for value in values)
    body = Execution(statement=1, types=kinds, values=tuple(value.value for value in values)).build(0)
    sent = packet.encode(bytes((Command.STMT_EXECUTE,)) + body, 0)
    event = QueryFinished(
        0.0, 1, "db", Command.STMT_EXECUTE, 0.0, 0, 0, ONLY,
        who=NOBODY._replace(user=ACCOUNT), schema=schema, sent=sent, statement=text.encode(),
    )  # fmt: skip
    return Row(1, event, notes())


def by_query(text: str) -> Row:
    sent = packet.encode(b"\x03" + text.encode(), 0)
    event = QueryFinished(
        0.0, 1, "db", Command.QUERY, 0.0, 0, 0, ONLY, who=NOBODY._replace(user=ACCOUNT), schema=b"test", sent=sent
    )
    return Row(1, event, notes())


def pasted(line: str, node: Node, folder: Path) -> str:
    """What a shell does with a line, with the server's own client and a password instead of a prompt."""
    client = folder / "mysql"
    command = " ".join(map(_quoted, node.software.client))
    client.write_text(f'#!/bin/bash\nset -- "${{@/#-p/--password=$SECRET}}"\nexec {command} --no-defaults "$@"\n')
    client.chmod(0o755)
    done = subprocess.run(
        ("bash", "-c", line),
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SECRET": PASSWORD},
        cwd=folder,
        timeout=20,
    )
    return done.stdout + done.stderr


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


HOSTILE = (b"it's", b"\\", b"$(touch owned) `touch owned` !!", b"a\x1b[2Jb", "é😀".encode(), b"; DROP TABLE held; $$")


def test_a_command_line_gives_what_the_execution_gave(node: Node, tmp_path: Path) -> None:
    target = Target(host="127.0.0.1", port=node.port)

    for value in HOSTILE:
        copy = copied(Form.MYSQL, [row("SELECT HEX(?), '?' -- ?", Parameter(value, T.VAR_STRING))], target)
        answer = pasted(copy, node, tmp_path)
        assert f"| {value.hex().upper()} " in answer, answer

    assert [path.name for path in tmp_path.iterdir()] == ["mysql"]


@pytest.mark.parametrize(
    "text",
    [
        "\\! touch owned",
        "SELECT 1 \\! touch owned",
        "system touch owned",
        "SELECT `a\\`, '`\\! touch owned'",
        "SELECT 1\n\\! touch owned\n",
        "source owned",
        "tee owned",
        "/* \\! touch owned\n*/ SELECT 1",
        "SELECT 'a\n\\! touch owned\nsystem touch owned\n'",
    ],
)
def test_the_client_obeys_no_commands_in_what_was_copied(node: Node, tmp_path: Path, text: str) -> None:
    target = Target(host="127.0.0.1", port=node.port)

    pasted(copied(Form.MYSQL, [by_query(text)], target), node, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["mysql"]


def test_a_body_with_semicolons_stays_one_statement(node: Node, session: Session, tmp_path: Path) -> None:
    session.query("DROP PROCEDURE IF EXISTS both_of_them")
    body = by_query("CREATE PROCEDURE both_of_them() BEGIN SELECT '$$'; SELECT 2; END")

    pasted(copied(Form.MYSQL, [body], Target(host="127.0.0.1", port=node.port)), node, tmp_path)

    session.query("CALL both_of_them()")


def test_a_python_snippet_gives_what_the_execution_gave(node: Node, session: Session) -> None:
    texts = [
        *(Parameter(value, T.VAR_STRING) for value in HOSTILE),
        Parameter(b"\xff\0", T.BLOB),
        Parameter(-7, T.LONG),
    ]
    typed = {
        "DECIMAL(20,5)": Parameter(b"-123456789.12345", T.NEWDECIMAL),
        "DATE": Parameter(Moment(2024, 2, 29), T.DATE),
        "DATETIME(6)": Parameter(Moment(2024, 2, 29, 1, 2, 3, 4), T.DATETIME),
        "TIME(6)": Parameter(Span(True, 1, 2, 3, 4, 5), T.TIME),
    }
    parts = [*("HEX(?)" for _ in texts), *(f"CAST(CAST(? AS {name}) AS CHAR)" for name in typed), "'100%', ?"]
    values = [*texts, *typed.values(), Parameter(b"1.0", T.VAR_STRING)]
    text = f"SELECT {', '.join(parts)} LIMIT ?"
    values.append(Parameter(b"1", T.VAR_STRING))
    copy = copied(Form.PYTHON, [row(text, *values)], Target(host="127.0.0.1", port=node.port))

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(copy.replace("getpass()", repr(PASSWORD.encode())), {})

    executed: Any = session.run(text.encode(), *values)
    shown = tuple(value.decode() if isinstance(value, bytes) else value for value in executed[0])
    assert printed.getvalue() == f"{shown!r}\n"
