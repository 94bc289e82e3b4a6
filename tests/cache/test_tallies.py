"""What became of SELECTs is counted by the tables that they read, and by the reason where they are passed by."""

from __future__ import annotations

import pytest

from dbmux.cache.cache import BEYOND, ENOUGH_QUERIES, MOST_REASONS, OTHER_REASONS, Cache, Scope
from dbmux.cache.dictionary import Dictionary
from dbmux.cache.plans import Reading
from dbmux.cache.store import Put
from dbmux.cache.tally import Tally
from dbmux.config.model import CacheConfig, CachePolicy
from dbmux.sql.classify import classify
from tests.cache.clock import Clock


class Waits:
    """Somebody who waits for another session's reading."""

    def filled(self, reply: bytes, rows: int) -> None:
        """The reading gave this."""

    def not_filled(self) -> None:
        """It gave nothing."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


def dictionary() -> Dictionary:
    known = Dictionary()
    for schema, table in (("shop", "products"), ("shop", "secrets"), ("crm", "people")):
        known.add_table(schema, table, "BASE TABLE", "InnoDB")
    return known


@pytest.fixture
def cache(clock: Clock) -> Cache:
    config = CacheConfig.model_validate({"tables": {"shop.*": "60s", "shop.secrets": False}})
    made = Cache(config, clock)
    made.know(made.source("db"), dictionary(), "")
    return made


def reading(cache: Cache, sql: bytes = b"SELECT * FROM shop.products") -> Reading:
    found = cache.plan(Scope(cache.source("db"), "shop"), classify(sql, 0, 0)).reading
    assert found is not None
    return found


def asked(cache: Cache, what: Reading, reply: bytes | str, waiters: int = 0) -> Tally:
    """One reading that gives this, for which others wait."""
    fill = cache.begin(b"key", what)
    assert fill is not None
    fill.waiters += [Waits() for _ in range(waiters)]
    cache.finish(fill, reply, 1)
    return what.tally


def test_who_waited_and_got_the_result_is_counted_apart_from_who_fetched_it(cache: Cache) -> None:
    tally = asked(cache, reading(cache), b"reply", waiters=2)

    assert (tally.name, tally.misses, tally.coalesced, tally.stored) == ("shop.products", 1, 2, 1)


def test_who_waited_in_vain_has_missed_too_and_the_refusal_has_its_reason(cache: Cache) -> None:
    tally = asked(cache, reading(cache), "it has warnings", waiters=2)

    assert (tally.misses, tally.coalesced, tally.stored) == (3, 0, 0)
    assert tally.refusals == {"it has warnings": 1}


def test_a_result_that_a_write_overtook_is_refused_for_that(cache: Cache) -> None:
    what = reading(cache)
    fill = cache.begin(b"key", what)
    assert fill is not None

    cache.wrote(what.tables, "update")
    cache.finish(fill, b"reply", 1)

    assert what.tally.refusals == {Put.OVERTAKEN: 1}


def test_a_rule_and_the_tables_that_it_reads_have_a_tally_of_their_own(cache: Cache) -> None:
    scope, query = Scope(cache.source("db"), "shop"), classify(b"SELECT * FROM shop.products", 0, 0)

    ruled = cache.forced(scope, query, CachePolicy(ttl=5), "rule hot").reading
    usual = reading(cache)

    assert ruled is not None
    assert [(one.tally.by, one.tally.name, one.tally.ttl_s) for one in (ruled, usual)] == [
        ("rule hot", "shop.products", 5),
        ("", "shop.products", 60),
    ]


@pytest.mark.parametrize(
    ("sql", "why", "cause"),
    [
        (b"SELECT * FROM crm.people", "crm.people is not among cache.tables", "a table is not among cache.tables"),
        (b"SELECT * FROM secrets", "shop.secrets is false in cache.tables", "a table is false in cache.tables"),
        (b"SELECT * FROM Crm.None_Such", "crm.none_such is not in the server's dictionary",
         "a table is not in the server's dictionary"),
        (b"SELECT NOW() FROM products", "NOW", "NOW"),
        (b"UPDATE products SET a = 1", "", ""),
    ],
)  # fmt: skip
def test_why_a_statement_is_passed_by_is_told_with_names_and_counted_without(
    sql: bytes, why: str, cause: str, cache: Cache
) -> None:
    plan = cache.plan(Scope(cache.source("db"), "shop"), classify(sql, 0, 0))

    assert (plan.bypass.why, plan.bypass.cause) == (why, cause)


def test_reasons_that_clients_make_up_take_no_more_room_than_some(cache: Cache) -> None:
    for number in range(MOST_REASONS + 10):
        cache.bypass(f"reason {number}")

    assert len(cache.bypasses) == MOST_REASONS + 1
    assert cache.bypasses[OTHER_REASONS] == 10


def test_when_everything_was_cleared_is_known_by_cause(cache: Cache, clock: Clock) -> None:
    cache.wrote(None, "call")
    clock.now += 7
    cache.wrote(None, "call")

    assert (cache.cleared["call"], cache.cleared_at["call"]) == (2, clock.now)


def test_a_pattern_that_has_matched_nothing_in_many_queries_is_told_once_with_what_was_probably_meant(
    clock: Clock,
) -> None:
    cache = Cache(CacheConfig.model_validate({"tables": {"shop.prodcuts": "60s", "crm.*": "5s", "hr.*": "5s"}}), clock)
    cache.know(cache.source("db"), dictionary(), "")
    scope = Scope(cache.source("db"), "shop")
    for sql in (b"SELECT * FROM products", b"SELECT * FROM crm.people"):
        cache.plan(scope, classify(sql, 0, 0))
    for _ in range(ENOUGH_QUERIES - 1):
        cache.bypass(BEYOND)

    too_early = cache.idle_patterns()
    cache.bypass(BEYOND)
    told, again = cache.idle_patterns(), cache.idle_patterns()

    assert (too_early, again) == ([], [])
    assert cache.idle() == [("shop.prodcuts", "shop.products"), ("hr.*", None)]
    assert told == [
        "cache.tables.shop.prodcuts has matched nothing in 500 queries; nearest seen: shop.products",
        "cache.tables.hr.* has matched nothing in 500 queries",
    ]
