"""Rows as JSON, CSV and Markdown, whatever is in them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dbmux.events import NOBODY, QueryFinished
from dbmux.feed.row import FIELDS, Row
from dbmux.feed.tables import as_csv, as_json, as_markdown
from dbmux.routes import ONLY
from dbmux.wire import packet
from dbmux.wire.commands import Command
from tests.feed.engine import notes

hostile = st.text(max_size=30) | st.text(alphabet="`|\\<>&*_[]()#!~=+-@ \n\r\t\x1b\u202ea\"',;", max_size=30)


def ran(sql: str, user: str = "shop", error: str = "", rows: int = 2) -> Row:
    told = b"\xff\x28\x04#42000" + error.encode("utf-8", "replace") if error else b""
    event = QueryFinished(
        1_700_000_000.25,
        7,
        "db",
        Command.QUERY,
        0.0123,
        10,
        1064 if error else 0,
        ONLY,
        who=NOBODY._replace(user=user, program="web"),
        sent=packet.encode(b"\x03" + sql.encode("utf-8", "replace"), 0),
        error=told,
        rows=rows,
    )
    return Row(3, event, notes())


def cells(told: str) -> list[list[str]]:
    """The table's rows as a reader of Markdown sees them: the text of each cell."""
    parsed = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(told)
    table: list[list[str]] = []
    row: list[str] = []
    for at, token in enumerate(parsed):
        match token.type:
            case "tr_open":
                row = []
            case "td_open" | "th_open":
                row.append(
                    "".join(child.content for child in parsed[at + 1].children or () if child.type != "html_inline")
                )
            case "tr_close":
                table.append(row)
    return table


def test_json_has_all_that_is_known() -> None:
    told = as_json([ran("SELECT 1")])

    assert json.loads(told) == json.loads(json.dumps(ran("SELECT 1").told()))
    assert [each["sql"] for each in json.loads(as_json([ran("SELECT 1"), ran("SELECT 2")]))] == ["SELECT 1", "SELECT 2"]


def test_csv_has_a_head_and_all_that_is_known() -> None:
    head, first = csv.reader(io.StringIO(as_csv([ran("SELECT 'a,b',\n\"c\"")])))

    assert tuple(head) == FIELDS
    assert dict(zip(head, first, strict=True))["sql"] == "SELECT 'a,b',\n\"c\""
    assert dict(zip(head, first, strict=True))["seconds"] == "0.0123"
    assert as_csv([]) == ""


@pytest.mark.parametrize("user", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_csv_has_no_formulas(user: str) -> None:
    head, first = csv.reader(io.StringIO(as_csv([ran("SELECT 1", user, rows=-1)])))

    told = dict(zip(head, first, strict=True))
    assert (told["user"], told["rows"]) == (f"'{user}", "-1")


def test_markdown_has_what_people_look_at_first() -> None:
    told = as_markdown([ran("SELECT *\n  FROM t"), ran("SELEC", error="no", rows=-1)])

    assert told == (
        "| time (UTC) | took | rows | backend | application | error | statement |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| 2023-11-14 22:13:20.250 | 12ms | 2 | `db` | `web` |  | `SELECT * FROM t` |\n"
        "| 2023-11-14 22:13:20.250 | 12ms |  | `db` | `web` | 1064 `no` | `SELEC` |\n"
    )


@given(hostile)
def test_markdown_shows_the_statement_and_nothing_else(sql: str) -> None:
    (_, first) = cells(as_markdown([ran(sql)]))

    shown = " ".join(sql.encode("utf-8", "replace").decode().split())
    assert len(first) == 7
    assert first[-1] == "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in shown)


@given(hostile, hostile, hostile)
def test_nothing_in_a_table_steers_a_terminal(sql: str, user: str, error: str) -> None:
    row = ran(sql, user, error)

    for told in (as_json([row]), as_csv([row]), as_markdown([row])):
        assert told.replace("\n", "").isprintable()
    assert json.loads(as_json([row]))["sql"] == sql.encode("utf-8", "replace").decode()
    assert len(list(csv.reader(io.StringIO(as_csv([row]))))) == 2
