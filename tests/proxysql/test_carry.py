"""A configuration is carried over as far as it goes, and every line that is not is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.config.load import loads
from dbmux.errors import ConfigError
from dbmux.proxysql.carry import carry
from dbmux.proxysql.tables import from_text
from dbmux.proxysql.users import Passwords
from tests.proxysql.examples import PAIR, SERVERS, SPLIT, USER, USUAL, carried, loaded, made, rules, told
from tests.wire.test_auth import NATIVE_HASH, SHA2_HASH


def test_the_usual_configuration_becomes_a_group_and_no_rule() -> None:
    assert made(USUAL) == {
        "listen": "0.0.0.0:6033",
        "default": "main",
        "backends": {"db1": "db1.internal:3306", "db2": "db2.internal:3306"},
        "groups": {"main": {"primary": "db1", "replicas": ["db2"], "roles": "auto"}},
        "users": {"app": "${APP_PASSWORD}"},
        "service": {"user": "monitor", "password": "${MONITOR_PASSWORD}"},
    }
    assert carried(USUAL).variables == {"APP_PASSWORD": "app", "MONITOR_PASSWORD": "monitor"}
    assert told(USUAL) == [
        "p.cnf:8: rule 1, ^SELECT.*FOR UPDATE$: a group sends locking reads to its primary by itself; "
        "no rule is needed",
        "p.cnf:9: rule 2, ^SELECT: a group sends what surely only reads to its replicas by itself; no rule is needed",
    ]


def test_without_a_rule_for_all_selects_nothing_goes_to_replicas_yet() -> None:
    assert made(SERVERS + PAIR + USER)["groups"]["main"]["observe"] is True
    assert "no rule sends all SELECTs to its readers" in told(SERVERS + PAIR + USER)[0]


def test_users_and_rules_alone_show_writers_and_readers() -> None:
    assert made(SERVERS + USER + SPLIT)["groups"] == {"main": {"primary": "db1", "replicas": ["db2"]}}


class TestServers:
    @pytest.mark.parametrize(
        ("rows", "backends"),
        [
            ('{ address="db1.x" hostgroup=1 }, { address="db1.y" hostgroup=1 }',
             {"db1-x": "db1.x:3306", "db1-y": "db1.y:3306"}),
            ('{ address="h" port=1 hostgroup=1 }, { address="h" port=2 hostgroup=1 }', {"h-1": "h:1", "h-2": "h:2"}),
            ('{ address="10.0.0.1" hostgroup=1 }, { address="::1" hostgroup=1 }',
             {"db-10-0-0-1": "10.0.0.1:3306", "db-1": "[::1]:3306"}),
            ('{ address="/run/a.sock" port=0 hostgroup=1 }', {"run-a-sock": "/run/a.sock"}),
            ('{ address="h" hostgroup=1 max_connections=50 use_ssl=1 weight=3 }',
             {"h": {"address": "h:3306", "weight": 3, "max_connections": 50, "tls": "required"}}),
            ('{ address="h" hostgroup=1 max_connections=1000 status="SHUNNED" }', {"h": "h:3306"}),
            ('{ address="h" hostgroup=1 }, { address="i" hostgroup=1 status="OFFLINE_HARD" }', {"h": "h:3306"}),
        ],
    )  # fmt: skip
    def test_they_are_named_after_their_hosts(self, rows: str, backends: dict[str, Any]) -> None:
        assert made(f"mysql_servers = ( {rows} )")["backends"] == backends

    def test_writers_and_readers_with_all_that_they_say(self) -> None:
        pair = 'writer_hostgroup=10 reader_hostgroup=20 check_type="super_read_only" comment="shop"'
        text = f"""mysql_servers = (
 {{ address="a" hostgroup=10 weight=9 }},
 {{ address="a" hostgroup=20 weight=1 }},
 {{ address="b" hostgroup=20 weight=5 max_replication_lag=3 }},
 {{ address="c" hostgroup=10 }}
)
mysql_replication_hostgroups = ( {{ {pair} }} )
""" + USER + SPLIT  # fmt: skip

        assert made(text)["groups"] == {
            "shop": {"primary": "a", "replicas": ["c", "b"], "reads": "all", "roles": "auto", "max_lag": "3s"}
        }
        assert made(text)["backends"]["b"] == {"address": "b:3306", "weight": 5}
        assert told(text)[:4] == [
            "p.cnf:2: weight: a server has one weight; the 1 of p.cnf:3 was taken",
            "p.cnf:3: max_replication_lag: a group has one limit; shop got the smallest, 3s",
            "p.cnf:5: a second writer, c: a replica of shop now, which takes reads",
            'p.cnf:7: check_type super_read_only: the primary is the server whose read_only is off ("roles": "auto")',
        ]

    @pytest.mark.parametrize(
        ("more", "group", "words"),
        [
            ("mysql_group_replication_hostgroups=({writer_hostgroup=10 reader_hostgroup=20 offline_hostgroup=4})",
             {"roles": "auto"}, "p.cnf:9: offline_hostgroup: "),
            ("mysql_galera_hostgroups=({writer_hostgroup=10 reader_hostgroup=20 max_writers=2})",
             {}, "p.cnf:9: max_writers: "),
        ],
    )  # fmt: skip
    def test_clusters_become_groups_and_what_is_not_followed_is_told(
        self, more: str, group: dict[str, Any], words: str
    ) -> None:
        text = SERVERS + USER + SPLIT.rstrip() + "\n" + more

        assert made(text)["groups"] == {"main": {"primary": "db1", "replicas": ["db2"], **group}}
        assert any(line.startswith(words.replace(":9:", f":{text.count(chr(10)) + 1}:")) for line in told(text))

    def test_servers_that_share_a_hostgroup_for_no_known_reason_are_told(self) -> None:
        text = 'mysql_servers = ( { address="a" hostgroup=1 }, { address="b" hostgroup=1 weight=2 } )'

        assert made(text)["default"] == "b"
        assert told(text) == [
            "p.cnf:1: server a:3306 in hostgroup 1: no table says which of its servers is written to, so all goes "
            "to b; if the others are replicas of it, make a group"
        ]

    @pytest.mark.parametrize(
        ("text", "sentence", "more"),
        [
            ("", "nothing is in it at all", ()),
            ("mysql_servers = ( )", "nothing is in it at all", ()),
            ("mysql_user: ( { } )", "there is no mysql_servers, or nothing in it; there is mysql_user", ()),
            ('mysql_servers = ( { address="a" status="OFFLINE_SOFT" } )', "of mysql_servers none can be used",
             ("p.cnf:1: server a:3306: its status is OFFLINE_SOFT; add it when it is back",)),
            ('mysql_servers = ( { adress="a" } )', "of mysql_servers none can be used",
             ("p.cnf:1: mysql_servers, adress: unknown here",
              "p.cnf:1: a server: it has no hostname, which is address in a file")),
        ],
    )  # fmt: skip
    def test_without_any_there_is_no_configuration(self, text: str, sentence: str, more: tuple[str, ...]) -> None:
        with pytest.raises(ConfigError) as found:
            carried(text)

        assert found.value.problems == (f"no server can be carried over: {sentence}", *more)

    def test_what_is_not_known_of_a_server_is_told(self) -> None:
        text = 'mysql_servers = ( { address="a" hostgroup=1 max_conections=5 comment="first" } )'

        assert told(text) == ["p.cnf:1: mysql_servers, max_conections: unknown here"]


class TestUsers:
    @pytest.mark.parametrize("stored", [NATIVE_HASH, SHA2_HASH], ids=["native", "sha2"])
    def test_their_hashes_are_kept(self, stored: str) -> None:
        escaped = "".join(f"\\x{ord(letter):02x}" for letter in stored)
        text = SERVERS + PAIR + f'mysql_users: ( {{ username="app" password="{escaped}" default_hostgroup=10 }} )'

        assert made(text)["users"] == {"app": {"password_hash": stored}}
        assert loaded(text).users["app"].password_hash == stored

    def test_passwords_in_the_clear_are_written_only_where_that_was_asked_for(self) -> None:
        assert "secret" not in carried(USUAL).text
        assert made(USUAL, Passwords.WRITTEN)["users"] == {"app": "secret"}
        assert carried(USUAL, Passwords.WRITTEN).variables == {}

    def test_a_password_that_looks_like_a_variable_is_none(self) -> None:
        text = USUAL.replace("secret", "a${b")

        assert made(text, Passwords.WRITTEN)["users"] == {"app": "a$${b"}
        assert loads(carried(text, Passwords.WRITTEN).text, "appconfig.json", {}).users["app"].password == "a${b"

    def test_variables_are_told_apart(self) -> None:
        text = SERVERS + PAIR + """mysql_users: (
 { username="a.b" password="x" default_hostgroup=10 }, { username="a-b" password="y" default_hostgroup=10 },
 { username="1" password="z" default_hostgroup=10 }, { username="none" default_hostgroup=10 }
)"""  # fmt: skip

        assert made(text)["users"] == {
            "a.b": "${A_B_PASSWORD}",
            "a-b": "${A_B_2_PASSWORD}",
            "1": "${_1_PASSWORD}",
            "none": "",
        }

    def test_those_of_other_groups_get_a_port_of_their_own(self) -> None:
        text = USUAL.replace(
            "default_hostgroup=10 }", 'default_hostgroup=10 }, { username="batch" default_hostgroup=30 }'
        ).replace("mysql_servers = (", 'mysql_servers = ( { address="x" hostgroup=30 },')

        assert made(text)["listen"] == {"0.0.0.0:6033": "main", "0.0.0.0:6034": "x"}
        assert any("user batch, default_hostgroup 30: it must connect to 0.0.0.0:6034" in line for line in told(text))

    def test_those_of_the_readers_get_a_rule_after_all_others(self) -> None:
        text = rules('rule_id=7 match_digest="^DELETE" error_msg="no"').replace(
            "default_hostgroup=10 }", 'default_hostgroup=10 }, { username="ro" default_hostgroup=20 }'
        )

        assert list(made(text)["rules"]) == ["rule_7", "user_ro"]
        assert made(text)["rules"]["user_ro"] == {"user": "ro", "route": "main.replica"}

    @pytest.mark.parametrize(
        ("column", "words"),
        [
            ("active=0", "user app: it is not active"),
            ("frontend=0", "user app: it is for servers only"),
            ("transaction_persistent=0", "user app, transaction_persistent 0: "),
            ("max_connections=0", "user app, max_connections 0: "),
            ("use_ssl=1", "user app, use_ssl: "),
            ("schema_locked=1", "user app, schema_locked: "),
            ("fast_forward=1", "user app, fast_forward: "),
            ('default_schema="shop"', "user app, default_schema: "),
            ("backend=0", "user app, backend 0: "),
        ],
    )
    def test_what_a_user_cannot_say_is_told(self, column: str, words: str) -> None:
        text = USUAL.replace('username="app"', f'username="app" {column}')

        assert any(line.startswith(f"p.cnf:6: {words}") for line in told(text))

    @pytest.mark.parametrize(
        ("most", "user"), [(5, {"password": "secret", "max_clients": 5}), (10_000, "secret"), (0, "secret")]
    )
    def test_how_many_clients_one_may_have_is_kept(self, most: int, user: Any) -> None:
        text = USUAL.replace('username="app"', f'username="app" max_connections={most}')

        assert made(text, Passwords.WRITTEN)["users"] == {"app": user}

    def test_without_any_passwords_are_learnt(self) -> None:
        assert made(SERVERS + PAIR)["login"] == "learn"


class TestVariables:
    def test_what_has_a_counterpart(self) -> None:
        text = USUAL + """mysql_variables = {
 interfaces="0.0.0.0:3306;/tmp/p.sock" max_connections=500 default_query_timeout=30000 connect_timeout_server=1500
 wait_timeout=28800000 monitor_username="monitor" monitor_password="geheim" ping_interval_server_msec=1
}"""  # fmt: skip

        found = made(text)

        assert found["listen"] == {"0.0.0.0:3306": "main", "/tmp/p.sock": "main"}
        assert found["limits"] == {"clients": 500}
        assert found["timeouts"] == {"query": "30s", "connect": "1500ms", "idle": "28800s"}
        assert found["service"] == {"user": "monitor", "password": "${MONITOR_PASSWORD}"}
        assert [f"{one.what}" for one in carried(text).without_counterpart] == ["mysql-ping_interval_server_msec"]

    def test_an_address_that_cannot_be_listened_at_is_told(self) -> None:
        text = USUAL + 'mysql_variables = { interfaces="a:b:c;0.0.0.0:1" }'

        assert made(text)["listen"] == "0.0.0.0:1"
        assert any("mysql-interfaces a:b:c: " in line for line in told(text))

    @pytest.mark.parametrize(("value", "is_told"), [(4, False), (8, True)])
    def test_what_somebody_set_on_purpose_is_told(self, value: int, is_told: bool) -> None:
        lines = told(USUAL + f"mysql_variables = {{ threads={value} }}")

        assert any("mysql-threads: one process uses one core" in line for line in lines) is is_told

    @pytest.mark.parametrize(("value", "is_told"), [("true", False), ("false", True), ('"False"', True), ("0", True)])
    def test_a_connection_for_each_client_is_told(self, value: str, is_told: bool) -> None:
        lines = told(USUAL + f"mysql_variables = {{ multiplexing={value} }}")

        assert any('mysql-multiplexing: connections are shared; "login": "relay"' in line for line in lines) is is_told

    def test_a_number_that_is_none_is_told_with_its_place(self) -> None:
        with pytest.raises(ConfigError, match="^p.cnf:12: mysql-wait_timeout: variable_value: a number is expected"):
            carried(USUAL + '\nmysql_variables = { wait_timeout="soon" }')


def test_tables_that_have_no_counterpart_are_told_line_by_line() -> None:
    assert told(USUAL + "scheduler = ( { id=1 }, { id=2 } ) unheard_of = ( { a=1 } )")[2:] == [
        "p.cnf:11: scheduler: no programs are run; let cron or systemd do that",
        "p.cnf:11: scheduler: no programs are run; let cron or systemd do that",
        "p.cnf:11: unheard_of: is not known here, or not carried over",
    ]


NUMBER = st.sampled_from(["0", "1", "10", "20", "3306"])
ROWS = st.fixed_dictionaries(
    {
        "hostgroup": NUMBER, "port": NUMBER, "address": st.sampled_from(['"a.x"', '"a.y"', '"10.0.0.1"', '"/a"']),
    },
    optional={
        "weight": NUMBER, "max_replication_lag": NUMBER, "max_connections": NUMBER, "use_ssl": NUMBER,
        "status": st.sampled_from(['"ONLINE"', '"OFFLINE_SOFT"']),
    },
)  # fmt: skip
PEOPLE = st.fixed_dictionaries(
    {"username": st.sampled_from(['"a"', '"b.c"', '"${x"']), "default_hostgroup": NUMBER},
    optional={"password": st.sampled_from(['"x"', '"*"', f'"{NATIVE_HASH}"']), "active": NUMBER},
)
PATTERNS = ['"^SELECT"', '"^SELECT.*FOR UPDATE"', '"^UPDATE"', '"JOIN"', r'"^SELECT a FROM b WHERE c=\\?$"']
RULES = st.fixed_dictionaries(
    {"rule_id": NUMBER, "apply": NUMBER},
    optional={
        "match_digest": st.sampled_from(PATTERNS), "destination_hostgroup": NUMBER, "timeout": NUMBER,
        "error_msg": st.just('"no"'), "username": st.sampled_from(['"a"', '"z"']),
        "client_addr": st.sampled_from(['"10.%"', '"10.0.0.1"', '"host"']), "flagIN": NUMBER, "cache_ttl": NUMBER,
    },
)  # fmt: skip
FAST = st.fixed_dictionaries(
    {"username": st.sampled_from(['"a"', '""']), "schemaname": st.just('"s"'), "destination_hostgroup": NUMBER}
)
PAIRS = st.fixed_dictionaries({"writer_hostgroup": NUMBER, "reader_hostgroup": NUMBER})


def section(name: str, rows: list[dict[str, str]]) -> str:
    written = (" ".join(f"{key}={value}" for key, value in row.items()) for row in rows)
    return f"{name} = ( {', '.join(f'{{ {row} }}' for row in written)} )\n"


@given(
    st.lists(ROWS, max_size=4),
    st.lists(PEOPLE, max_size=3),
    st.lists(RULES, max_size=4),
    st.lists(FAST, max_size=2),
    st.lists(PAIRS, max_size=2),
)
def test_whatever_there_is_what_is_made_is_valid(
    servers: list[dict[str, str]],
    users: list[dict[str, str]],
    query_rules: list[dict[str, str]],
    fast_routing: list[dict[str, str]],
    pairs: list[dict[str, str]],
) -> None:
    text = (
        section("mysql_servers", servers)
        + section("mysql_users", users)
        + section("mysql_query_rules", query_rules)
        + section("mysql_query_rules_fast_routing", fast_routing)
        + section("mysql_replication_hostgroups", pairs)
    )
    try:
        found = carry(from_text(text, "p.cnf"), Passwords.PLACEHOLDERS)
    except ConfigError as error:
        assert "no server can be carried over" in str(error)
        return

    assert loads(found.text, "appconfig.json", dict.fromkeys(found.variables, "x")).backends
