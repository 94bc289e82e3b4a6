"""Names that become reserved, functions and variables that go away."""

from __future__ import annotations

import pytest

from dbmux.upgrade import functions, words
from dbmux.upgrade.finding import Severity
from dbmux.upgrade.server import Server
from dbmux.upgrade.texts import Text, calls, system_variables
from tests.upgrade.servers import column, mariadb, mysql, procedure, table, view

RESERVED = frozenset(("RANK", "GROUPS"))


def told(a: Server) -> list[tuple[Severity, str, tuple[str, ...]]]:
    return [(one.severity, one.what, one.where) for one in words.find(a, mysql(), RESERVED)]


def test_a_column_with_a_reserved_name_is_to_know() -> None:
    a = mariadb(tables=(table("shop.scores", column("id"), column("rank")),))

    assert told(a) == [(Severity.KNOW, "RANK is a name", ("column shop.scores.rank",))]


@pytest.mark.parametrize(
    ("body", "blocks"),
    [
        ("SELECT rank FROM scores", True),
        ("SELECT `rank` FROM scores", False),
        ("SELECT s.rank FROM scores s", False),
        ("SELECT 'rank' FROM scores -- rank", False),
        ("SELECT RANK() OVER () FROM scores", False),
        ("BEGIN DECLARE groups INT; END", True),
        ("SELECT id AS groups FROM scores", True),
    ],
)
def test_a_routine_that_writes_it_without_quotes_blocks(body: str, blocks: bool) -> None:
    a = mariadb(tables=(table("shop.scores", column("rank")),), programs=(procedure(f"CREATE PROCEDURE `p`() {body}"),))

    found = [
        what for severity, what, where in told(a) if severity is Severity.BLOCKS and where == ("procedure shop.p",)
    ]

    assert bool(found) is blocks


def test_names_that_need_quotes_anyway_are_never_asked_about() -> None:
    a = mariadb(schemas={"my shop": ""}, tables=(table("my shop.order-lines", column("1st"), column("id")),))

    assert set(words.names(a)) == {"ID"}


def test_a_missing_function_is_told_with_all_who_call_it_and_what_to_use() -> None:
    texts = [Text("view shop.v", "SELECT JSON_DETAILED(j) FROM t"), Text("view shop.w", "SELECT json_detailed (j)")]
    used = functions.called(mariadb(), texts)

    (found,) = functions.find(mysql(), used, frozenset(("JSON_DETAILED",)))

    assert found.severity is Severity.BLOCKS
    assert found.where == ("view shop.v", "view shop.w")
    assert found.do == "use JSON_PRETTY()"


def test_stored_functions_are_not_the_servers_own() -> None:
    a = mariadb(programs=(procedure("CREATE PROCEDURE `enc`() SELECT 1", "shop.enc"),))

    assert "ENC" not in functions.called(a, [Text("view shop.v", "SELECT enc(1)")])


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT PASSWORD('a')", {"PASSWORD"}),
        ("SELECT 'PASSWORD(1)' -- ENCODE(1)", set()),
        ("SELECT `PASSWORD`(1)", set()),
        ("SELECT shop.enc(1)", set()),
        ("SELECT a IN (1)", {"IN"}),
    ],
)
def test_calls_are_told_from_strings_comments_and_names(sql: str, found: set[str]) -> None:
    assert calls(Text("", sql)) == found


@pytest.mark.parametrize("sql", ["SELECT @@old", "SELECT @@GLOBAL.old", "SET x = @@session.`old`"])
def test_system_variables_are_found_in_every_spelling(sql: str) -> None:
    assert system_variables(Text("", sql)) == {"old"}


def test_a_variable_that_only_the_first_server_has_blocks() -> None:
    a = mariadb(variables={"old": "1", "both": "1"}, programs=(view("SELECT @@old, @@both, @@nobody"),))
    b = mysql(variables={"both": "1"})

    (found,) = functions.find_variables(a, b, [Text("view shop.v", "SELECT @@old, @@both, @@nobody")])

    assert (found.severity, found.what) == (Severity.BLOCKS, "@@old is not there")
