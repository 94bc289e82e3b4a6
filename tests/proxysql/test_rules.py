"""Query rules become rules of the same meaning, or are told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxysql.examples import USUAL, carried, loaded, made, rules, told, with_others


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ('match_digest="^DELETE" error_msg="not here"',
         {"kind": ["delete"], "reject": {"code": 1148, "message": "not here"}}),
        ('match_digest="^DELETE" error_msg="${no"',
         {"kind": ["delete"], "reject": {"code": 1148, "message": "$${no"}}),
        ("timeout=2500", {"timeout": "2500ms"}),
        ('match_digest="^(INSERT|UPDATE)" timeout=100', {"kind": ["insert", "update"], "timeout": "100ms"}),
        ('username="app" schemaname="shop" client_addr="10.1.%" destination_hostgroup=20',
         {"user": "app", "schema": "shop", "client": "10.1.0.0/16", "route": "main.replica"}),
        ('client_addr="192.168.0.7" destination_hostgroup=10', {"client": "192.168.0.7/32", "route": "main.primary"}),
        (r'match_digest="^SELECT a FROM t WHERE b=\\?$" destination_hostgroup=20',
         {"digest": "SELECT a FROM t WHERE b=0", "route": "main.replica"}),
        (r'match_pattern="^SELECT .* FROM orders\\b" destination_hostgroup=10',
         {"kind": ["select"], "table": "*.orders", "route": "main.primary"}),
    ],
)  # fmt: skip
def test_a_rule_is_carried_over(row: str, rule: dict[str, Any]) -> None:
    text = rules(f"rule_id=7 {row} apply=1")

    assert made(text)["rules"] == {"rule_7": rule}
    assert list(loaded(text).rules) == ["rule_7"]


def test_they_stand_in_the_order_of_their_numbers() -> None:
    text = rules(*(f'rule_id={number} match_digest="^UPDATE" timeout={number} apply=1' for number in (30, 4, 200)))

    assert list(made(text)["rules"]) == ["rule_4", "rule_30", "rule_200"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('active=0 match_digest="^DELETE" error_msg="x"', "it is not active"),
        ("flagIN=1 timeout=1", "flagIN: "),
        ("flagOUT=1", "flagOUT: "),
        ('digest="0xABC" timeout=1', "digest: "),
        ('match_digest="^DELETE" negate_match_pattern=1 timeout=1', "negate_match_pattern: "),
        ('match_pattern="^DELETE" replace_pattern="x"', "replace_pattern: "),
        ("proxy_port=6034 destination_hostgroup=20", "proxy_port: "),
        ('OK_msg="x"', "OK_msg: "),
        ('match_digest="JOIN" destination_hostgroup=20', "what 'JOIN' stands for is not certain"),
        ('match_digest="^DELETE" match_pattern="^DELETE" timeout=1', "match_digest and match_pattern together"),
        ('match_digest="^DELETE" re_modifiers="GLOBAL" timeout=1', "re_modifiers GLOBAL: "),
        ('client_addr="10.%.1" timeout=1', "client_addr 10.%.1: "),
        ("destination_hostgroup=99", "no server is in hostgroup 99"),
    ],
)
def test_a_rule_that_cannot_be_carried_over_is_told_with_why(row: str, words: str) -> None:
    text = rules(f"rule_id=7 {row} apply=1")

    assert "rules" not in made(text)
    assert any(line.startswith(f"p.cnf:7: rule 7: {words}") for line in told(text))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("cache_empty_result=1", "cache_empty_result 1: an empty result is stored like any other"),
        ("mirror_hostgroup=20", "mirror_hostgroup 20: a server is mirrored, not a statement"),
        ("multiplex=0", "multiplex 0: "),
        ("delay=5", "delay 5: "),
        ("new_column=5", "new_column: unknown here"),
    ],
)
def test_what_a_rule_can_do_without_is_told_and_the_rest_carried_over(row: str, words: str) -> None:
    text = rules(f"rule_id=7 timeout=50 {row}")

    assert made(text)["rules"] == {"rule_7": {"timeout": "50ms"}}
    assert any(line.startswith(f"p.cnf:7: rule 7, {words}") for line in told(text))


def test_what_a_rule_stores_is_stored_and_the_service_account_looks_what_there_is() -> None:
    found = made(rules(r'rule_id=7 match_pattern="^SELECT .* FROM products\\b" cache_ttl=5000 apply=1'))

    assert found["rules"]["rule_7"]["cache"] == "5000ms"
    assert "service" in found


def test_a_rule_without_anything_to_do_is_told() -> None:
    text = rules("rule_id=7 log=1")

    assert "rules" not in made(text)
    assert "p.cnf:7: rule 7: nothing is left for it to do" in told(text)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ('username="app"', {"user": "app", "route": "main.primary"}),
        ('username="ro"', {"user": "ro", "route": "main.replica"}),
        ('username="other"', {"user": "other", "route": "db3"}),
        (r'username="app" match_digest="^SELECT .* FROM orders\\b"',
         {"user": "app", "kind": ["select"], "table": "*.orders", "route": "main.primary"}),
    ],
)  # fmt: skip
def test_a_rule_that_only_keeps_others_away_keeps_a_user_at_home(row: str, rule: dict[str, Any]) -> None:
    split = 'rule_id=2 match_digest="^SELECT" destination_hostgroup=20 apply=1'
    text = with_others(rules(f"rule_id=1 {row} apply=1", split))

    assert made(text)["rules"]["rule_1"] == rule
    assert list(loaded(text).rules)[0] == "rule_1"


def test_where_it_keeps_everybody_it_must_be_one_place() -> None:
    text = rules('rule_id=1 schemaname="shop" apply=1', 'rule_id=2 match_digest="^DELETE" timeout=1 apply=1')

    assert made(text)["rules"]["rule_1"] == {"schema": "shop", "route": "main.primary"}
    assert list(made(with_others(text))["rules"]) == ["rule_2", "user_ro"]
    assert [line for line in told(with_others(text)) if ": rule " in line] == [
        "p.cnf:7: rule 1: it kept what it matches where its users are, and which group that is cannot be told; "
        "its statements now go on to the later rules",
        "p.cnf:7: rule 2: it now also sees what 1 took before it; look whether that is right",
    ]


def test_a_rule_that_later_ones_may_change_is_told() -> None:
    text = rules("rule_id=1 timeout=50", 'rule_id=2 match_digest="^DELETE" error_msg="x"')

    assert list(made(text)["rules"]) == ["rule_2"]
    assert "p.cnf:7: rule 1: apply is 0, so later rules may change what it does" in "".join(told(text))


def test_a_rule_behind_one_that_was_left_out_is_told() -> None:
    text = rules('rule_id=1 match_digest="JOIN" destination_hostgroup=20 apply=1', "rule_id=2 timeout=50")

    assert "p.cnf:7: rule 2: it now also sees what 1 took before it; look whether that is right" in told(text)


@pytest.mark.parametrize(
    ("row", "is_kept"),
    [('match_digest="^UPDATE" timeout=1', True), ('match_digest="^SHOW" timeout=1', True),
     ('match_digest="^DELETE FROM orders$" error_msg="no"', True),
     ('match_digest="^select a FROM orders$" error_msg="no"', False),
     ('match_digest="^SELECT" timeout=1', False), ("timeout=1", False)],
)  # fmt: skip
def test_what_a_rule_for_all_selects_took_is_not_left_to_rules_after_it(row: str, is_kept: bool) -> None:
    text = rules('rule_id=1 match_digest="^SELECT" destination_hostgroup=20 apply=1', f"rule_id=2 {row}")

    assert ("rules" in made(text)) is is_kept
    assert ("rule 1 took every SELECT before it" in "".join(told(text))) is not is_kept


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ('username="ro" match_digest="^SELECT a FROM orders$" error_msg="no"', "kept"),
        ('username="app" match_digest="^SELECT a FROM orders$" error_msg="no"', "left out"),
        ('match_digest="^SELECT a FROM orders$" error_msg="no"', "kept and told"),
        ('client_addr="10.1.2.%" match_digest="^SELECT a FROM orders$" error_msg="no"', "kept and told"),
        ('client_addr="10.2.%" match_digest="^SELECT a FROM orders$" error_msg="no"', "kept"),
        ('match_digest="^DELETE FROM orders$" error_msg="no"', "kept"),
    ],
)
def test_what_a_rule_for_some_selects_took_is_not_all(row: str, what: str) -> None:
    some = 'rule_id=1 username="app" client_addr="10.1.%" match_digest="^SELECT" destination_hostgroup=20 apply=1'
    row = row.replace('username="app"', 'username="app" client_addr="10.1.%"')
    text = with_others(rules(some, f"rule_id=2 {row} apply=1"))
    lines = "".join(told(text))

    assert ("rule_2" in made(text)["rules"]) is (what != "left out")
    assert ("rule 1 took every SELECT before it" in lines) is (what == "left out")
    assert ("rule 2: it now also sees what 1 took before it" in lines) is (what == "kept and told")


def test_a_rule_for_the_selects_of_one_user_is_the_groups_own_way_for_all() -> None:
    text = rules('rule_id=1 username="app" match_digest="^SELECT" destination_hostgroup=20 apply=1')

    assert "rules" not in made(text)
    assert "observe" not in made(text)["groups"]["main"]
    assert "and here it does so for everybody" in "".join(told(text))


@pytest.mark.parametrize(("row", "is_all"), [("cache_ttl=1000", True), ('timeout=1000 username="app"', False)])
def test_a_rule_that_does_more_than_to_send_all_selects_to_readers_sends_them_there(row: str, is_all: bool) -> None:
    text = rules(f'rule_id=1 match_digest="^SELECT" destination_hostgroup=20 {row} apply=1')

    assert made(text)["rules"]["rule_1"]["route"] == "main.replica"
    assert ("observe" in made(text)["groups"]["main"]) is not is_all
    assert ("no rule sends all SELECTs to its readers" in "".join(told(text))) is not is_all


def test_a_rule_that_sends_reads_to_a_group_of_somebody_else_is_told() -> None:
    text = rules('rule_id=1 username="z" match_digest="^SELECT" destination_hostgroup=20 apply=1')

    assert "rules" not in made(text)
    assert "it sends the reads of another group to main" in "".join(told(text))


def test_fast_routing_is_rules_by_user_and_schema() -> None:
    fast = """mysql_query_rules_fast_routing = (
 { username="app" schemaname="shop" flagIN=0 destination_hostgroup=20 },
 { username="app" schemaname="old" flagIN=1 destination_hostgroup=20 },
 { username="app" schemaname="new" flagIN=0 destination_hostgroup=99 }
)
"""
    text = rules(more=fast)

    assert made(text)["rules"] == {"fast_app_shop": {"user": "app", "schema": "shop", "route": "main.replica"}}
    assert len([finding for finding in carried(text).told if finding.what.startswith("fast routing")]) == 2


def fast_routing(*rows: str) -> str:
    """The usual split, with these rows of fast routing, of three users."""
    written = ", ".join(f"{{ flagIN=0 {row} }}" for row in rows)
    return with_others(USUAL) + f"mysql_query_rules_fast_routing = ( {written} )\n"


def test_fast_routing_to_a_users_own_writer_leaves_its_reads_to_the_replicas() -> None:
    text = fast_routing('username="app" schemaname="shop" destination_hostgroup=10')

    assert list(made(text)["rules"]) == ["user_ro"]
    assert told(text)[-1] == (
        "p.cnf:11: fast routing of app in shop: its group is theirs, and sends reads to its replicas; no rule is needed"
    )


def test_where_other_fast_routing_would_take_them_a_rule_without_a_route_keeps_them() -> None:
    text = fast_routing(
        'username="" schemaname="shop" destination_hostgroup=30',
        'username="app" schemaname="shop" destination_hostgroup=10',
    )

    assert list(made(text)["rules"].items())[:2] == [
        ("fast_app_shop", {"user": "app", "schema": "shop"}),
        ("fast_shop", {"schema": "shop", "route": "db3"}),
    ]


@pytest.mark.parametrize(
    ("row", "rule", "is_told"),
    [
        ('username="ro" schemaname="shop" destination_hostgroup=20',
         {"user": "ro", "schema": "shop", "route": "main.replica"}, False),
        ('username="ro" schemaname="shop" destination_hostgroup=10',
         {"user": "ro", "schema": "shop", "route": "main.primary"}, True),
        ('username="app" schemaname="shop" destination_hostgroup=30',
         {"user": "app", "schema": "shop", "route": "db3"}, True),
    ],
)  # fmt: skip
def test_fast_routing_elsewhere_is_told_where_a_rule_took_the_reads(
    row: str, rule: dict[str, Any], is_told: bool
) -> None:
    text = fast_routing(row)

    assert next(iter(made(text)["rules"].values())) == rule
    assert ("it now also sees what 2 took before it" in "".join(told(text))) is is_told


def test_fast_routing_of_a_user_whose_reads_no_rule_took_is_a_rule() -> None:
    split = 'rule_id=1 username="app" match_digest="^SELECT" destination_hostgroup=20 apply=1'
    fast = 'mysql_query_rules_fast_routing = ( { username="b" schemaname="s" destination_hostgroup=10 } )\n'
    text = rules(split, more=fast).replace(
        "default_hostgroup=10 }", 'default_hostgroup=10 }, { username="b" default_hostgroup=10 }'
    )

    assert made(text)["rules"] == {"fast_b_s": {"user": "b", "schema": "s", "route": "main.primary"}}
