"""Settings that have done nothing: which ones they are, and what was probably meant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbmux.config.load import loads
from dbmux.control.unused import ENOUGH, Seen, unused
from dbmux.observe.metrics import MOST_USERS
from dbmux.wire.commands import Command
from tests.config.serving import run, servers, serving
from tests.fakes import PASSWORD, FakeBackend, client

TRAFFIC = Seen(
    users=frozenset(("app", "report")),
    refused=frozenset(("biling",)),
    schemas=frozenset(("shop", "stock")),
    tables=frozenset(("shop.orders", "shop.products")),
    digests=(b"SELECT ?", b"SELECT * FROM orders WHERE id = ?"),
    kinds=frozenset(("select", "insert")),
    groups=frozenset(("main",)),
    backends=frozenset(("db1", "cache")),
    rules=frozenset(),
)
FILE: dict[str, Any] = {
    "backends": {"db1": "10.0.0.1", "db2": "10.0.0.2"},
    "groups": {"main": {"primary": "db1"}, "other": {"primary": "db2"}},
    "default": "main",
}


def told(traffic: Seen = TRAFFIC, **config: Any) -> dict[str, str]:
    """What is said, by the setting's path."""
    found = loads(json.dumps({**FILE, **config}), "appconfig.json", {})
    return {".".join(one.path): one.told for one in unused(found, traffic)}


def rule(**conditions: Any) -> str:
    """What is said of a rule with these conditions that has matched nothing."""
    return told(rules={"one": {"reject": "no", **conditions}})["rules.one"]


def test_servers_and_groups_that_answered_nothing_are_told() -> None:
    assert told() == {"backends.db2": "has answered no statement", "groups.other": "has answered no statement"}


def test_the_target_of_a_mirror_has_its_use() -> None:
    mirrors = {"upgrade": {"from": "db1", "to": "db2", "account": {"user": "m", "password": "x"}}}

    assert "backends.db2" not in told(mirrors=mirrors, service={"user": "d", "password": "x"})


def test_users_who_never_came_are_told_with_who_came_instead() -> None:
    found = told(users={"app": "x", "billing": "y", "reports": "z", "zoe": "w"})

    assert {path: what for path, what in found.items() if path.startswith("users")} == {
        "users.billing": "has never logged in; nearest seen: biling",
        "users.reports": "has never logged in; nearest seen: report",
        "users.zoe": "has never logged in",
    }


def test_of_more_users_than_are_remembered_nothing_is_said() -> None:
    many = replace(TRAFFIC, users=frozenset(f"u{number}" for number in range(MOST_USERS)))

    assert "users.billing" not in told(many, users={"billing": "y"})


@pytest.mark.parametrize(
    "conditions, missing",
    [
        ({"user": "ap"}, "user 'ap' has never logged in; nearest seen: app"),
        ({"user": "nobody"}, "user 'nobody' has never logged in"),
        ({"schema": "shpo"}, "schema 'shpo' was not seen; nearest seen: shop"),
        ({"table": "shop.prodcuts"}, "table 'shop.prodcuts' was not seen; nearest seen: shop.products"),
        ({"table": "Shop.Order_*"}, "table 'Shop.Order_*' was not seen; nearest seen: shop.orders"),
        ({"kind": ["delete", "update"]}, "no delete or update was seen"),
        (
            {"digest": "SELECT * FROM order WHERE id = 7"},
            "its digest was not seen; nearest seen: SELECT * FROM orders WHERE id = ?",
        ),
        ({"digest": "DELETE FROM orders"}, "its digest was not seen"),
        ({"client": "10.9.0.0/16"}, "its conditions have not been met together, or an earlier rule matches first"),
        (
            {"user": "app", "schema": "shop", "table": "shop.*", "kind": ["select"], "digest": "SELECT 5"},
            "its conditions have not been met together, or an earlier rule matches first",
        ),
        ({"user": "app", "schema": "stcok"}, "schema 'stcok' was not seen; nearest seen: stock"),
    ],
    ids=str,
)
def test_a_rule_is_told_with_the_condition_that_nothing_met(conditions: dict[str, Any], missing: str) -> None:
    assert rule(**conditions) == f"has matched nothing: {missing}"


def test_a_rule_that_has_matched_is_no_news() -> None:
    found = told(replace(TRAFFIC, rules=frozenset(("one",))), rules={"one": {"table": "no.where", "reject": "no"}})

    assert "rules.one" not in found


def test_patterns_of_tables_are_told_as_the_cache_knows_them() -> None:
    traffic = replace(TRAFFIC, patterns=(("shop.prodcuts", "shop.products"), ("x.*", None)))

    found = told(traffic)

    assert found["cache.tables.shop.prodcuts"] == "has matched nothing; nearest seen: shop.products"
    assert found["cache.tables.x.*"] == "has matched nothing"


def test_an_engine_tells_them_with_their_places_after_many_statements(tmp_path: Path) -> None:
    config = {
        "users": {"app": PASSWORD.decode(), "ap": "other"},
        "rules": {
            "typo": {"table": "shop.ordres", "reject": "no"},
            "used": {"table": "shop.orders", "timeout": "5s"},
        },
    }

    async def scenario() -> None:
        async with (
            servers(FakeBackend()) as (db,),
            serving(tmp_path / "a.json", {"backends": {"db": db}, **config}) as served,
        ):
            one = await client(served.port())
            for _ in range(ENOUGH - 1):
                await one.ask(Command.QUERY, b"SELECT id FROM shop.orders")
            before = await served.feed.ask("config.unused")
            await one.ask(Command.QUERY, b"SELECT id FROM shop.products")
            after = await served.feed.ask("config.unused")
            one.close()

            assert before == []
            assert {each["path"]: each["told"] for each in after} == {
                "users.ap": "has never logged in",
                "rules.typo": "has matched nothing: table 'shop.ordres' was not seen; nearest seen: shop.orders",
            }
            assert all(each["place"].startswith(f"{served.file}:1:") for each in after)

    run(scenario)


def test_what_was_counted_before_a_change_says_nothing_about_what_is_new(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with servers(FakeBackend()) as (db,):
            config: dict[str, Any] = {"backends": {"db": db}, "users": {"app": PASSWORD.decode()}}
            async with serving(tmp_path / "a.json", config) as served:
                one = await client(served.port())
                for _ in range(ENOUGH):
                    await one.ask(Command.QUERY, b"SELECT 1")
                one.close()

                await served.reload({**config, "rules": {"new": {"table": "a.b", "reject": "no"}}})

                assert await served.feed.ask("config.unused") == []

    run(scenario)
