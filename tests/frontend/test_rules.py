"""Rules and hints: the first rule that matches holds, a hint goes before it, and nonsense is refused."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.group import Group as BackendGroup
from dbmux.backend.server import Backend
from dbmux.backend.topology import Topology
from dbmux.config.model import BackendConfig, GroupConfig, Rule
from dbmux.errors import ErrorCode, MySQLError
from dbmux.events import QueryFinished
from dbmux.frontend.orders import Orders, orders
from dbmux.frontend.rules import Rules
from dbmux.lexer import digest
from dbmux.net.conversation import ConnectionClosed
from dbmux.net.dial import dial
from dbmux.routes import Reason
from dbmux.sql.classify import classify
from dbmux.sql.hint import read_hint
from dbmux.wire.client import Row
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err
from tests.fakes import client, row, run
from tests.frontend.test_routing import Group, group, served_by


def first_match(sql: bytes, rules: dict[str, dict[str, Any]], user: str = "app", host: str = "10.1.2.3") -> str | None:
    """The name of the rule that holds for a statement in the schema `shop`."""
    made = {name: Rule.model_validate(rule) for name, rule in rules.items()}
    lens = Rules(made).lens(user, host)
    found = lens.match(classify(sql, 0, 0), digest(sql, 0, 0), b"shop") if lens is not None else None
    return found[0] if found is not None else None


@pytest.mark.parametrize(
    "rule, is_match",
    [
        ({}, True),
        ({"user": "app"}, True),
        ({"user": "other"}, False),
        ({"schema": "shop"}, True),
        ({"schema": "SHOP"}, False),
        ({"client": "10.0.0.0/8"}, True),
        ({"client": "10.1.2.4"}, False),
        ({"kind": ("select", "show")}, True),
        ({"kind": ("delete",)}, False),
        ({"digest": "SELECT a  FROM Orders -- any\nWHERE id = 'x'"}, True),
        ({"digest": "SELECT b FROM Orders WHERE id = 1"}, False),
        ({"table": "shop.orders"}, True),
        ({"table": "*.orders"}, True),
        ({"table": "shop.*"}, True),
        ({"table": "bank.*"}, False),
        ({"user": "app", "table": "bank.*"}, False),
    ],
)
def test_a_rule_matches_when_all_of_its_conditions_hold(rule: dict[str, Any], is_match: bool) -> None:
    found = first_match(b"SELECT a FROM Orders WHERE id = 7", {"it": rule})

    assert found == ("it" if is_match else None)


def test_the_first_rule_that_matches_holds() -> None:
    rules: dict[str, dict[str, Any]] = {"no": {"kind": ("delete",)}, "first": {"user": "app"}, "second": {}}

    assert first_match(b"SELECT 1", rules) == "first"


def test_a_client_of_a_socket_has_no_address() -> None:
    assert first_match(b"SELECT 1", {"it": {"client": "0.0.0.0/0"}}, host="/run/dbmux.sock") is None


def with_rules(**rules: dict[str, Any]) -> Any:
    return group(top={"rules": rules})


def rules_told(found: Group) -> list[str]:
    return [event.route.rule for event in found.events if isinstance(event, QueryFinished)]


def test_a_rule_routes() -> None:
    async def scenario() -> None:
        async with with_rules(reports={"table": "*.orders", "route": "one"}) as found:
            session = await client(found.port)

            told = [await served_by(session, b"SELECT a FROM orders") for _ in range(3)]
            await served_by(session)

            assert told == ["one"] * 3
            assert found.reasons == [Reason.RULE] * 3 + [Reason.READ]
            assert rules_told(found) == ["reports"] * 3 + [""]
            assert found.engine.frontend.rules_matched == {"reports": 3}
            session.close()

    run(scenario)


def test_locking_reads_go_to_the_primary_whatever_a_rule_says_of_reads() -> None:
    async def scenario() -> None:
        async with with_rules(reports={"kind": ["select"], "route": "main.replica"}) as found:
            session = await client(found.port)

            assert await served_by(session, b"SELECT a FROM orders FOR UPDATE") == "primary"
            assert await served_by(session, b"SELECT a FROM orders") != "primary"
            assert found.reasons == [Reason.LOCKING_READ, Reason.RULE]
            assert rules_told(found) == ["reports"] * 2
            session.close()

    run(scenario)


@pytest.mark.parametrize("policy", ["primary", "until_write"])
@pytest.mark.parametrize("hint", [b"", b"/* dbmux: route=one */ "])
def test_without_autocommit_a_read_that_is_sent_to_a_replica_does_not_keep_the_session_there(
    policy: str, hint: bytes
) -> None:
    async def scenario() -> None:
        rules = {} if hint else {"reports": {"kind": ["select"], "route": "one"}}
        async with group(top={"rules": rules}, implicit_transactions=policy) as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"SET autocommit=0")

            read = await served_by(session, b"SELECT %ba, @@server_id FROM orders" % hint)
            await session.ask(Command.QUERY, b"UPDATE orders SET a = 1")

            assert read == "one"
            assert found.members["one"].statements[-1] == b"COMMIT"
            assert found.members["primary"].statements[-1] == b"UPDATE orders SET a = 1"
            session.close()

    run(scenario)


def test_a_rule_rejects_and_the_session_goes_on() -> None:
    async def scenario() -> None:
        async with with_rules(never={"kind": ("delete",), "reject": {"message": "cancel it", "code": 1644}}) as found:
            session = await client(found.port)

            (told,) = await session.ask(Command.QUERY, b"DELETE FROM t")
            (prepared,) = await session.ask(Command.STMT_PREPARE, b"DELETE FROM t")

            assert told == prepared == Err(number=1644, message=b"DbMux: cancel it (rule never)")
            assert await served_by(session)
            assert found.members["primary"].statements == []
            session.close()

    run(scenario)


def test_a_rule_that_only_observes_changes_nothing() -> None:
    async def scenario() -> None:
        async with with_rules(never={"kind": ("select",), "reject": "no", "observe": True}) as found:
            session = await client(found.port)

            assert await served_by(session) in ("one", "two")

            (event,) = [event for event in found.events if isinstance(event, QueryFinished)]
            assert (event.route.rule, event.route.would) == ("never", "reject")
            session.close()

    run(scenario)


def test_a_result_with_too_many_rows_ends_with_an_error_and_the_session_goes_on() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"UPDATE t SET a = 1")

            told = await session.ask(Command.QUERY, b"SELECT /* dbmux: max_rows=2 */ 'three rows'")

            assert [message for message in told if isinstance(message, Row)] == [Row(row(b"1")), Row(row(b"2"))]
            assert isinstance(told[-1], Err)
            assert told[-1].number == 1104
            assert b"2 rows that its hint allows" in told[-1].message
            (served,) = found.engine.frontend.sessions.values()
            assert served.carried.row_count == -1
            assert await served_by(session)
            assert len([message for message in await session.ask(Command.QUERY, b"SELECT 'three rows'")]) > 3
            session.close()

    run(scenario)


def test_too_many_rows_of_a_write_end_the_session_whose_number_they_hide() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)

            told = await session.ask(
                Command.QUERY, b"INSERT /* dbmux: max_rows=2 */ INTO t VALUES (1) RETURNING 'three rows'"
            )

            assert isinstance(told[-1], Err)
            assert told[-1].number == 1104
            with pytest.raises(ConnectionClosed):
                await session.ask(Command.PING)

    run(scenario)


@pytest.mark.parametrize(
    ("sql", "whose"), [(b"SELECT 1", b"rule slow"), (b"SELECT /* dbmux: timeout=20ms */ 1", b"its hint")]
)
def test_a_statement_that_takes_too_long_is_told_by_whose_limit(sql: bytes, whose: bytes) -> None:
    async def scenario() -> None:
        async with with_rules(slow={"kind": ("select",), "timeout": "10ms"}) as found:
            session = await client(found.port)
            for member in found.members.values():
                member.is_deaf = True

            (told,) = await session.ask(Command.QUERY, sql)

            assert isinstance(told, Err)
            assert b"ran longer than %s allows" % whose in told.message
            session.close()

    run(scenario)


def test_a_hint_goes_before_a_rule() -> None:
    async def scenario() -> None:
        async with with_rules(reports={"route": "one"}) as found:
            session = await client(found.port)

            assert await served_by(session, b"SELECT /* dbmux: route=main.primary */ 1") == "primary"

            assert found.reasons == [Reason.HINT]
            assert rules_told(found) == ["reports"]
            session.close()

    run(scenario)


def test_a_hint_in_a_transaction_has_no_effect() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            await session.ask(Command.QUERY, b"BEGIN")

            assert await served_by(session, b"SELECT /* dbmux: route=one */ 1") == "primary"
            session.close()

    run(scenario)


@pytest.mark.parametrize(
    "sql, number, what",
    [
        ("SELECT /* dbmux: route=tree */ 1", 1064, "main, main"),
        ("SELECT /* dbmux: max_rows=no */ 1", 1064, "max_rows"),
        ("SELECT /* dbmux: timeout=5x */ 1", 1064, "timeout"),
        ("SELECT /* dbmux: rout=main */ 1", 1064, "rout"),
        ("SELECT /* dbmux: route */ 1", 1064, "key=value"),
        ("DELETE /* dbmux: route=main.replica */ FROM t", 1290, "takes no writes"),
    ],
)
def test_a_hint_that_makes_no_sense_is_refused(sql: str, number: int, what: str) -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)

            (told,) = await session.ask(Command.QUERY, sql.encode())

            assert isinstance(told, Err)
            assert told.number == number
            assert what.split(",")[0] in told.message.decode()
            assert await served_by(session)
            session.close()

    run(scenario)


def test_a_reload_brings_other_rules_to_sessions_that_are_there() -> None:
    async def scenario() -> None:
        async with group() as found:
            session = await client(found.port)
            assert isinstance((await session.ask(Command.QUERY, b"SELECT 1"))[-2], Row)
            rule = Rule.model_validate({"kind": ("select",), "reject": "no"})

            await found.engine.apply(found.engine.config.model_copy(update={"rules": {"never": rule}}), "test", ())
            (told,) = await session.ask(Command.QUERY, b"SELECT 1")

            assert isinstance(told, Err)
            session.close()

    run(scenario)


def told(hint: str = "", rule: dict[str, Any] | None = None) -> Orders | None:
    """What is ordered for a read by a hint and by a rule."""
    config = BackendConfig(address=TcpAddress("127.0.0.1", 3306))
    backend = Backend("db", config, dial=dial, tls=None, connect_timeout_s=1.0)
    home = BackendGroup("db", GroupConfig(primary="db"), backend)
    topology = Topology({"db": backend}, {"db": home})
    named = None if rule is None else ("it", Rule.model_validate(rule))
    text = f"/* dbmux: {hint} */ SELECT 1".encode() if hint else b"SELECT 1"
    return orders(classify(text, 0, 0), read_hint(text, 0, 0), named, topology, home)


@pytest.mark.parametrize(
    "hint, rule, cache",
    [
        ("cache ttl=60s", None, 60.0),
        ("ttl=1m, cache", None, 60.0),
        ("nocache", None, False),
        ("timeout=5s", None, None),
        ("", {"cache": "10s"}, 10.0),
        ("", {"cache": False}, False),
        ("", {"cache": "10s", "observe": True}, None),
        ("nocache", {"cache": "10s"}, False),
        ("cache ttl=60s", {"cache": False}, 60.0),
        ("timeout=5s", {"cache": "10s"}, 10.0),
        # Whoever says both wants to be sure.
        ("cache ttl=60s, nocache", None, False),
    ],
)
def test_a_hint_or_a_rule_says_whether_a_result_is_stored(
    hint: str, rule: dict[str, Any] | None, cache: float | Literal[False] | None
) -> None:
    found = told(hint, rule)

    assert found is not None
    assert (found.cache.ttl if found.cache else found.cache) == cache


@pytest.mark.parametrize(
    "hint", ["cache", "ttl=60s", "cache ttl=soon", "cache ttl=0", "cache ttl=0s", "cache=60s", "nocache=1"]
)
def test_a_hint_for_the_cache_that_makes_no_sense_is_refused(hint: str) -> None:
    with pytest.raises(MySQLError) as refused:
        told(hint)

    assert refused.value.code is ErrorCode.BAD_HINT
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "rule, would", [({"cache": "90s", "observe": True}, "cache 90 s"), ({"cache": False, "observe": True}, "nocache")]
)
def test_a_rule_that_only_observes_says_what_it_would_do_with_the_cache(rule: dict[str, Any], would: str) -> None:
    found = told(rule=rule)

    assert found is not None
    assert found.would == would
