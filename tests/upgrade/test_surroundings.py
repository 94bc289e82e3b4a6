"""Settings, accounts, definers and behaviour that differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from dbmux.upgrade import accounts, definers, habits, settings, sight
from dbmux.upgrade.finding import Finding, Severity
from dbmux.upgrade.server import Grant, Server
from dbmux.upgrade.texts import Text
from tests.upgrade.servers import account, mariadb, mysql, procedure, view

NONE: frozenset[str] = frozenset()


def told(found: Iterable[Finding]) -> list[tuple[Severity, str]]:
    return [(one.severity, one.what) for one in found]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("", "ONLY_FULL_GROUP_BY", [(Severity.BLOCKS, "sql_mode has ONLY_FULL_GROUP_BY")]),
        ("", "NO_ZERO_DATE", [(Severity.CHANGES, "sql_mode has NO_ZERO_DATE")]),
        ("ANSI_QUOTES", "", [(Severity.CHANGES, "sql_mode lacks ANSI_QUOTES")]),
        ("ANSI_QUOTES", "ansi_quotes", []),
    ],
)
def test_modes(ours: str, theirs: str, expected: list[tuple[Severity, str]]) -> None:
    a, b = mariadb(variables={"sql_mode": ours}), mysql(variables={"sql_mode": theirs})

    assert told(settings.find(a, b, NONE)) == expected


def test_a_mode_that_is_not_there_blocks_where_a_definition_was_made_with_it() -> None:
    mode = "NO_AUTO_CREATE_USER"
    a = mariadb(variables={"sql_mode": mode}, programs=(procedure("", sql_mode=f"ANSI,{mode}"),))

    (found,) = settings.find(a, mysql(variables={"sql_mode": ""}), frozenset((mode,)))

    assert (found.severity, found.where) == (Severity.BLOCKS, ("procedure shop.p",))


@pytest.mark.parametrize(
    ("variable", "ours", "theirs", "expected"),
    [
        ("lower_case_table_names", "0", "1", [Severity.BLOCKS]),
        ("innodb_strict_mode", "1", "ON", []),
        ("innodb_autoinc_lock_mode", "1", "2", [Severity.KNOW]),
        ("sql_require_primary_key", "OFF", "ON", [Severity.BLOCKS]),
        ("sql_require_primary_key", "ON", "OFF", []),
        ("local_infile", "OFF", "ON", []),
        ("max_allowed_packet", "16777216", "67108864", []),
        ("max_allowed_packet", "67108864", "16777216", [Severity.KNOW]),
        ("not_of_interest", "1", "2", []),
    ],
)
def test_settings(variable: str, ours: str, theirs: str, expected: list[Severity]) -> None:
    a, b = mariadb(variables={variable: ours}), mysql(variables={variable: theirs})

    assert [found.severity for found in settings.find(a, b, NONE)] == expected


SHA2 = frozenset(("caching_sha2_password",))


def test_accounts_that_cannot_log_in_there_block_those_that_are_there_do_not() -> None:
    a = mariadb(accounts=(account("old", "mysql_native_password"), account("new", "mysql_native_password")))
    b = mysql(accounts=(account("new", "caching_sha2_password"),), plugins=SHA2)

    found = {(one.severity, one.what): one.where for one in accounts.find(a, b)}

    assert found == {
        (Severity.BLOCKS, "nobody can log in with mysql_native_password"): ("account 'old'@'%'",),
        (Severity.KNOW, "accounts log in with mysql_native_password no more"): ("account 'new'@'%'",),
        (Severity.BLOCKS, "accounts are not there"): ("account 'old'@'%'",),
    }


@pytest.mark.parametrize("plugins", [("unix_socket", "mysql_native_password"), ("mysql_native_password",)])
def test_one_of_several_plugins_is_enough(plugins: tuple[str, ...]) -> None:
    a = mariadb(accounts=(account("app", *plugins),))
    b = mariadb(accounts=(account("app", *plugins),), plugins=frozenset(("mysql_native_password",)))

    assert told(accounts.find(a, b)) == []


def test_what_each_installation_makes_for_itself_is_only_to_know() -> None:
    a = mariadb(accounts=(account("root", "unix_socket", host="localhost"),))

    assert {one.severity for one in accounts.find(a, mysql(plugins=SHA2))} == {Severity.KNOW}


def test_roles_are_made_in_another_way() -> None:
    a = mariadb(accounts=(account("reader", host="", is_role=True),))

    (found,) = accounts.find(a, mysql(plugins=SHA2))

    assert (found.what, "CREATE ROLE 'reader'@''" in found.do) == ("roles are not there", True)


@pytest.mark.parametrize(
    ("theirs", "blocks"),
    [
        (frozenset(), True),
        (frozenset((Grant("'app'@'%'", "SELECT"),)), False),
        (frozenset((Grant("'app'@'%'", "SELECT", "shop"),)), False),
        (frozenset((Grant("'app'@'%'", "SELECT", "shop", "orders"),)), False),
        (frozenset((Grant("'app'@'%'", "SELECT", "other"), Grant("'app'@'%'", "INSERT"))), True),
    ],
)
def test_an_account_that_may_do_less(theirs: frozenset[Grant], blocks: bool) -> None:
    both: dict[str, Any] = {"accounts": (account("app"),), "privileges": frozenset(("SELECT", "INSERT"))}
    a = mariadb(grants=frozenset((Grant("'app'@'%'", "SELECT", "shop", "orders"),)), **both)

    found = list(accounts.find(a, mysql(grants=theirs, **both)))

    assert [one.do for one in found] == (["GRANT SELECT ON `shop`.`orders` TO 'app'@'%'"] if blocks else [])


def test_privileges_have_other_names_in_the_other_family() -> None:
    a = mariadb(grants=frozenset((Grant("'app'@'%'", "BINLOG MONITOR"), Grant("'app'@'%'", "DELETE HISTORY"))))

    (found,) = accounts.find(a, mysql(privileges=frozenset(("REPLICATION CLIENT",))))

    assert found.do == "GRANT REPLICATION CLIENT ON *.* TO …"


def test_nothing_is_said_of_accounts_that_cannot_be_seen() -> None:
    a, b = mariadb(accounts=None), mysql(accounts=None)

    assert told([*accounts.find(a, b), *definers.find(a, b)]) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "is_definers", "expected"),
    [
        (("app",), (), True, [Severity.BLOCKS]),
        (("app",), ("app",), True, []),
        ((), (), True, [Severity.KNOW]),
        (("app",), (), False, []),
    ],
)
def test_definers(ours: tuple[str, ...], theirs: tuple[str, ...], is_definers: bool, expected: list[Severity]) -> None:
    made = view("", definer="app@%", is_definers=is_definers)
    a = mariadb(accounts=tuple(account(one) for one in ours), programs=(made,))
    b = mysql(accounts=tuple(account(one) for one in theirs))

    assert [found.severity for found in definers.find(a, b)] == expected


GROUPED = Text("view shop.v", "SELECT a FROM t GROUP BY a")


@pytest.mark.parametrize(
    ("a", "b", "text", "expected"),
    [
        (mysql((5, 7, 44)), mysql((9, 0, 1)), GROUPED, ["GROUP BY does not sort"]),
        (mysql((8, 0, 36)), mysql((9, 0, 1)), GROUPED, []),
        (mariadb(), mysql(), GROUPED, ["GROUP BY does not sort"]),
        (mysql(), mariadb(), GROUPED, []),
        (mysql((5, 7, 44)), mysql(), Text("", "SELECT a FROM t GROUP BY a ORDER BY a"), []),
        (mysql((5, 7, 44)), mysql(), Text("", "SELECT a REGEXP '[[:<:]]x'"),
         ["word boundaries in REGEXP are written in another way"]),
        (mariadb(), mariadb((11, 4, 2)), Text("", "SELECT a REGEXP 'x'"), []),
        (mysql(), mariadb(), Text("", "SELECT JSON_OBJECT('a', 1)"), ["JSON is told in another way"]),
        (mysql((8, 0, 11)), mysql(), Text("", "SELECT SQL_CALC_FOUND_ROWS 1"), ["SQL_CALC_FOUND_ROWS is going away"]),
    ],
)  # fmt: skip
def test_habits(a: Server, b: Server, text: Text, expected: list[str]) -> None:
    assert [found.what for found in habits.find(a, b, [text])] == expected


ALL = tuple(Grant("'check'@'%'", one) for one in ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT"))
OF_SHOP = tuple(Grant(one.account, one.privilege, "shop\\_%") for one in ALL)


@pytest.mark.parametrize(
    ("grants", "roles", "patterns", "sees_all"),
    [
        (ALL, (), (), True),
        (ALL[:3], (), (), False),
        (OF_SHOP, (), (), False),
        (OF_SHOP, (), ("shop_*",), True),
        ((), (), (), False),
        (tuple(Grant("'reader'@'%'", one.privilege) for one in ALL), ("reader",), (), True),
    ],
)
def test_what_the_account_may_not_see_is_told(
    grants: tuple[Grant, ...], roles: tuple[str, ...], patterns: tuple[str, ...], sees_all: bool
) -> None:
    a = mariadb(schemas={"shop_eu": ""}, grants=frozenset(grants))

    assert (sight.unseen(a, "'check'@'%'", roles, patterns) == ()) is sees_all


def test_patterns_that_no_schema_has_are_told() -> None:
    a = mariadb(grants=frozenset(ALL))

    assert sight.unseen(a, "'check'@'%'", (), ("shpo",)) == (
        "maria has no schema called shpo that its account may see",
    )
