"""A line of the log: everything about a statement, and without literals none of its values."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from dbmux.events import KEPT, QueryFinished
from dbmux.feed.comments import origin
from dbmux.feed.log.entry import with_literals, without_literals
from dbmux.feed.notes import EngineNotes
from dbmux.feed.row import Row
from dbmux.routes import ONLY
from dbmux.wire import packet
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err
from tests.feed.engine import WHO
from tests.feed.log.statements import NUMBER, SECRET, statements


def row(statement: bytes, **more: Any) -> Row:
    sent = packet.encode(b"\x03" + statement, 0)[:KEPT]
    event = QueryFinished(1_700_000_000.25, 1, "db", Command.QUERY, 0.0015, 10, 0, ONLY, who=WHO, sent=sent, **more)
    return Row(7, event, EngineNotes(lambda: 0.2, origin, lambda row: 0))


def test_a_line_tells_a_statement_with_what_its_comments_say() -> None:
    told = row(b"SELECT a FROM shop.t WHERE id = 5 /*app='web',line='views.py:4'*/", rows=3, schema=b"shop")

    line = without_literals(told)

    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "at": "2023-11-14T22:13:20.250000+00:00",
        "seq": 7,
        "session": 1,
        "seconds": 0.0015,
        "command": "query",
        "kind": "select",
        "user": "app",
        "client": "10.0.0.9:5000",
        "schema": "shop",
        "group": "main",
        "backend": "db",
        "reason": "the group has one server",
        "bytes": 10,
        "code": 0,
        "rows": 3,
        "digest": told.digest,
        "text": "SELECT a FROM shop.t WHERE id = ?",
        "tables": ["shop.t"],
        "app": "web",
        "site": "views.py:4",
    }


def test_with_literals_the_statement_and_its_error_are_as_they_were() -> None:
    error = Err(number=1062, message=b"Duplicate entry 'x' for key 'a'").build()

    told = json.loads(with_literals(row(b"INSERT INTO t VALUES ('x')", error=error)))

    assert (told["sql"], told["error"]) == ("INSERT INTO t VALUES ('x')", "Duplicate entry 'x' for key 'a'")
    assert "text" not in told


def test_without_them_an_error_is_its_number_for_its_message_quotes_values() -> None:
    error = Err(number=1062, message=f"Duplicate entry '{SECRET}' for key 'a'".encode()).build()

    line = without_literals(row(f"INSERT INTO t VALUES ('{SECRET}')".encode(), error=error))

    assert SECRET.encode() not in line


def test_what_may_be_in_a_literal_is_taken_for_no_comment() -> None:
    line = without_literals(row(rb"SELECT 'a\', '/*app=" + SECRET.encode() + rb"*/ \''"))

    assert "app" not in json.loads(line)


def test_a_command_without_a_statement_has_a_line_too() -> None:
    event = QueryFinished(0.0, 1, "db", Command.PING, 0.001, 10, 0, ONLY, who=WHO)

    told = json.loads(without_literals(Row(0, event, EngineNotes(lambda: 0.2, origin, lambda row: 0))))

    assert told["command"] == "ping"
    assert "text" not in told


@given(statements())
def test_no_value_of_a_statement_is_anywhere_in_its_line(statement: bytes) -> None:
    line = without_literals(row(statement))

    assert SECRET.encode() not in line
    assert NUMBER.encode() not in line
    assert line.count(b"\n") == 1
