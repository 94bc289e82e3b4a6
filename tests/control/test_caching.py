"""What a running DbMux tells of its cache, and how it is emptied."""

from __future__ import annotations

import json

import pytest

from dbmux.commands.cache import told
from dbmux.config.model import CacheConfig
from dbmux.control.caching import entries, flush, shown, statistics
from dbmux.observe.metrics import Metrics
from dbmux.observe.prometheus import Now, render
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Status
from tests.fakes import client, run
from tests.frontend.shop import READ, Shop, rows, shop, value

WARNED = b"SELECT a FROM shop.u"


def test_hits_misses_and_reasons_are_told_by_the_tables_that_were_read() -> None:
    async def scenario() -> None:
        odd = {WARNED: lambda protocol: rows(protocol, Status.AUTOCOMMIT, warnings=1)}
        async with shop(Shop(odd)) as proxy:
            session = await client(proxy.port)
            for sql in (b"SELECT a FROM shop.t", b"SELECT a FROM shop.t", WARNED, b"SELECT NOW() FROM shop.t"):
                await session.ask(Command.QUERY, sql)

            found = statistics(proxy.engine.cache)

            assert json.loads(json.dumps(found)) == found
            read = {one["tables"]: (one["hits"], one["misses"], one["refused"]) for one in found["statements"]}
            assert read == {"shop.t": (1, 1, {}), "shop.u": (0, 1, {"it has warnings": 1})}
            assert found["bypasses"] == [{"reason": "NOW", "count": 1}]
            assert [(one["table"], one["results"]) for one in found["tables"]] == [("shop.t", 1)]
            (group,) = found["groups"]
            assert group == {
                "group": "db",
                "dictionary": True,
                "why": "",
                "binlog": False,
                "delay_seconds": None,
                "broken": "",
            }
            session.close()

    run(scenario)


def test_stored_results_are_listed_without_values_of_statements_and_parameters() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            session = await client(proxy.port)
            await session.ask(Command.QUERY, b"SELECT a FROM shop.t WHERE b = 'secret' AND c = 4711")

            (listed,) = entries(proxy.engine.cache)

            assert listed["statement"] == "SELECT a FROM shop.t WHERE b = ? AND c = ?"
            assert (listed["tables"], listed["rows"], listed["uses"]) == ("shop.t", 1, 0)
            assert listed["bytes"] > 0
            assert 59 < listed["left"] <= 60
            session.close()

    run(scenario)


@pytest.mark.parametrize(
    ("text", "is_shown"),
    [
        (b"SELECT a FROM t WHERE b = 'secret'", "SELECT a FROM t WHERE b = ?"),
        (b'SELECT a FROM t WHERE b = "secret"', "SELECT a FROM t WHERE b = ?"),
        (rb"SELECT a FROM t WHERE b = 'a\' AND c = 'secret'", None),
        (b"SELECT a FROM t WHERE b = /*!99999 'secret', */ 1", None),
    ],
)
def test_a_statement_is_shown_only_if_its_literals_are_hidden_whoever_reads_it(
    text: bytes, is_shown: str | None
) -> None:
    assert shown(text) == is_shown


@pytest.mark.parametrize(
    ("table", "results", "asked_again"),
    [
        (None, 2, {"t", "u"}),
        ("shop.t", 1, {"t"}),
        ("SHOP.U", 1, {"u"}),
        ("shop.nothing", 0, set()),
        ("Shop.*", 2, {"t", "u"}),
        ("sho.*", 0, set()),
    ],
)
def test_what_was_flushed_is_asked_again(table: str | None, results: int, asked_again: set[str]) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            session = await client(proxy.port)
            before = {name: await value(session, f"SELECT a FROM shop.{name}".encode()) for name in ("t", "u")}

            flushed = flush(proxy.engine.cache, table)

            after = {name: await value(session, f"SELECT a FROM shop.{name}".encode()) for name in ("t", "u")}
            assert flushed == {"table": table, "results": results}
            assert {name for name in before if before[name] != after[name]} == asked_again
            session.close()

    run(scenario)


@pytest.mark.parametrize("table", ["", "t", ".t", "shop."])
def test_what_is_no_tables_name_is_not_flushed(table: str) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            with pytest.raises(ValueError, match=r"schema\.table"):
                flush(proxy.engine.cache, table)

    run(scenario)


def test_the_figures_are_told_to_people_in_tables() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            session = await client(proxy.port)
            for _ in range(4):
                await value(session)
            await session.ask(Command.QUERY, b"SELECT RAND() FROM shop.t")

            lines = list(told(statistics(proxy.engine.cache)))

            assert lines[1] == "db: writes past DbMux are not seen: results last up to their ttl"
            assert "shop.t  -   60 s  3     0      0       1       75.0%" in "\n".join(lines)
            assert "RAND                    1" in lines
            session.close()

    run(scenario)


def test_the_figures_are_told_to_prometheus_as_well() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            session = await client(proxy.port)
            for sql in (READ, READ, b"SELECT RAND() FROM shop.t"):
                await session.ask(Command.QUERY, sql)
            proxy.engine.cache.flush()

            text = render(Metrics(), Now(backends=[], cache=proxy.engine.cache)).decode()

            of_table = '{by="",tables="shop.t"}'
            assert f"dbmux_cache_hits_total{of_table} 1.0" in text
            assert f"dbmux_cache_misses_total{of_table} 1.0" in text
            assert 'dbmux_cache_bypasses_total{reason="RAND"} 1.0' in text
            assert "dbmux_cache_entries 1.0" in text
            assert 'dbmux_cache_clears_total{cause="flushed"} 1.0' in text
            assert 'dbmux_cache_sees_writes{group="db"} 0.0' in text
            session.close()

    run(scenario)


def test_what_is_not_configured_is_advised_and_what_is_not_asked_twice_is_not() -> None:
    async def scenario() -> None:
        async with shop(cache={"tables": {"shop.u": "60s"}}) as proxy:
            session = await client(proxy.port)
            for number in range(30):
                await value(session, b"SELECT a FROM shop.t WHERE b = 'secret'")
                await value(session, b"SELECT a FROM shop.child WHERE a = %d" % number)

            found = statistics(proxy.engine.cache)

            (advice,) = found["advice"]
            assert advice["statement"] == "SELECT a FROM shop.t WHERE b = ?"
            assert (advice["tables"], advice["cached"]) == ("shop.t", False)
            assert advice["share"] == round(29 / 30, 3)
            assert advice["saved_seconds_per_minute"] > 0
            assert list(told(found))[-1].startswith("shop.t: 97% would hit with ttl 1s, which saves ")
            session.close()

    run(scenario)


def test_what_the_configuration_says_by_now_is_not_advised_any_more() -> None:
    async def scenario() -> None:
        async with shop(cache={"tables": {"shop.u": "60s"}}) as proxy:
            session, cache = await client(proxy.port), proxy.engine.cache
            for _ in range(30):
                await value(session, b"SELECT a FROM shop.t")
            before = statistics(cache)["advice"]

            cache.configure(CacheConfig.model_validate({"tables": {"shop.t": "60s"}}))

            assert (len(before), statistics(cache)["advice"]) == (1, [])
            session.close()

    run(scenario)


@pytest.mark.parametrize("pattern", ["shop.u", "shop.t"], ids=["not configured", "configured"])
def test_what_could_never_be_stored_is_not_advised(pattern: str) -> None:
    async def scenario() -> None:
        failing = b"SELECT a FROM shop.t WHERE b = 1"
        odd = {failing: lambda protocol: protocol.send_err(Err(number=1242, sqlstate=b"21000"))}
        async with shop(Shop(odd), cache={"tables": {pattern: "60s"}}) as proxy:
            session = await client(proxy.port)
            for _ in range(30):
                await session.ask(Command.QUERY, failing)

            assert statistics(proxy.engine.cache)["advice"] == []
            session.close()

    run(scenario)
