"""The rule that makes the cache true, without servers or clients: epochs before and after, doubts, fills and plans."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

import dbmux.cache.cache as module
from dbmux.cache.cache import DOUBT_S, TEXTS, Cache, Environment
from dbmux.cache.dictionary import Dictionary
from dbmux.cache.fill import Fill
from dbmux.cache.plans import Reading
from dbmux.cache.tables import Table, capture, is_current
from dbmux.config.model import CacheConfig, CachePolicy
from dbmux.query import SetVariable
from dbmux.session import Names, SessionState
from dbmux.sql.classify import classify

STATE = SessionState(schema=b"shop", names=Names(b"'utf8mb4'", (b"NAMES 'utf8mb4'",)))
REPLY = b"rows"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Waiting:
    """Who waits for another's reading, and what was told."""

    told: list[bytes | None] = field(default_factory=list)

    def filled(self, reply: bytes, rows: int) -> None:
        self.told.append(reply)

    def not_filled(self) -> None:
        self.told.append(None)


@dataclass
class Bench:
    """A cache, and a session's environment in it."""

    cache: Cache
    clock: Clock
    environment: Environment

    def reading(self, sql: bytes = b"SELECT a FROM t") -> Reading:
        reading = self.cache.plan(self.environment.scope, classify(sql, 0, 0)).reading
        assert reading is not None
        return reading

    def why_not(self, sql: bytes) -> str:
        plan = self.cache.plan(self.environment.scope, classify(sql, 0, 0))
        assert plan.reading is None
        return plan.bypass.why

    def writes(self, sql: bytes) -> tuple[Table, ...] | None:
        return self.cache.plan(self.environment.scope, classify(sql, 0, 0)).writes

    def key(self, text: bytes = b"SELECT a FROM t") -> bytes:
        return self.environment.prefixes[TEXTS] + text

    def begin(self, sql: bytes = b"SELECT a FROM t") -> Fill:
        fill = self.cache.begin(self.key(sql), self.reading(sql))
        assert fill is not None
        return fill

    def stored(self, sql: bytes = b"SELECT a FROM t") -> bytes | None:
        entry = self.cache.store.get(self.key(sql))
        return None if entry is None else entry.reply

    def read(self, sql: bytes = b"SELECT a FROM t") -> None:
        self.cache.finish(self.begin(sql), REPLY, 1)


def bench(**config: Any) -> Bench:
    """A cache that knows the tables `t` and `u` of a shop, and stores what is read of them for a minute."""
    clock = Clock()
    cache = Cache(CacheConfig.model_validate({"tables": {"shop.*": "60s"}, **config}), clock)
    known = Dictionary()
    for name in ("t", "u"):
        known.add_table("shop", name, "BASE TABLE", "InnoDB")
    cache.know(cache.source("main"), known, "")
    return Bench(cache, clock, cache.environment("main", "app", b"app", 0, STATE))


# Readings and writes.


def test_a_reading_is_stored_until_its_time_is_up() -> None:
    on = bench()
    on.read()

    on.clock.now += 59
    assert on.stored() == REPLY
    on.clock.now += 2
    assert on.stored() is None


@pytest.mark.parametrize("tables_of", [b"UPDATE t SET a = 1", b"UPDATE t, u SET t.a = 1", b"CALL unknown()"])
def test_a_write_between_the_beginning_and_the_end_of_a_reading_keeps_it_out(tables_of: bytes) -> None:
    on = bench()
    fill = on.begin()
    waiter = Waiting()
    fill.waiters.append(waiter)

    on.cache.wrote(on.writes(tables_of), "write")
    on.cache.finish(fill, REPLY, 1)

    assert on.stored() is None
    assert waiter.told == [None]


def test_a_write_to_another_table_keeps_nothing_out() -> None:
    on = bench()
    fill = on.begin()

    on.cache.wrote(on.writes(b"UPDATE u SET a = 1"), "write")
    on.cache.finish(fill, REPLY, 1)

    assert on.stored() == REPLY


def test_a_table_that_ends_by_time_alone_outlives_writes() -> None:
    on = bench(tables={"shop.t": {"ttl": "60s", "consistency": "ttl"}, "shop.u": "60s"})
    joined = b"SELECT t.a FROM t JOIN u"
    on.read()
    on.read(joined)

    on.cache.wrote(on.writes(b"UPDATE t SET a = 1"), "write")
    assert (on.stored(), on.stored(joined)) == (REPLY, REPLY)
    on.cache.wrote(on.writes(b"UPDATE u SET a = 1"), "write")
    assert (on.stored(), on.stored(joined)) == (REPLY, None)


def test_while_the_dictionary_is_not_known_nothing_is_stored_and_a_write_ends_everything() -> None:
    on = bench()
    on.read()

    on.cache.know(on.environment.scope.source, None, "it is being read")

    assert on.why_not(b"SELECT a FROM t") == "it is being read"
    assert on.writes(b"UPDATE u SET a = 1") is None
    on.cache.wrote(None, "update")
    assert on.stored() is None


def test_while_the_binary_log_should_be_read_and_is_not_nothing_is_stored() -> None:
    on = bench()

    on.cache.follow(on.environment.scope.source, is_followed=False, broken="it is not read")

    assert on.why_not(b"SELECT a FROM t") == "it is not read"
    on.cache.follow(on.environment.scope.source, is_followed=True, broken="")
    assert on.reading().tables


@pytest.mark.parametrize("written", [b"UPDATE t SET a = 1", b"CALL unknown()"])
def test_after_a_doubtful_write_nothing_is_stored_for_a_while(written: bytes) -> None:
    on = bench()
    on.read()
    before = on.begin(b"SELECT b FROM t")

    on.cache.doubt(on.writes(written), "a connection was lost")
    on.cache.finish(before, REPLY, 1)

    assert (on.stored(), on.stored(b"SELECT b FROM t")) == (None, None)
    assert on.cache.begin(on.key(), on.reading()) is None
    on.clock.now += DOUBT_S + 1
    on.read()
    assert on.stored() == REPLY


def test_a_doubt_is_about_the_tables_that_were_written() -> None:
    on = bench()

    on.cache.doubt(on.writes(b"UPDATE t SET a = 1"), "a connection was lost")

    on.read(b"SELECT a FROM u")
    assert on.stored(b"SELECT a FROM u") == REPLY
    assert on.cache.begin(on.key(), on.reading(b"SELECT t.a FROM t, u")) is None


def test_a_second_doubt_lasts_from_its_own_time_on() -> None:
    on = bench()
    on.cache.doubt(on.writes(b"UPDATE t SET a = 1"), "a connection was lost")
    on.clock.now += DOUBT_S - 1

    on.cache.doubt(on.writes(b"UPDATE t SET a = 1"), "a connection was lost")

    on.clock.now += 2
    assert on.cache.begin(on.key(), on.reading()) is None


def test_when_a_table_was_written_last_is_known_for_those_that_were_not_written_too() -> None:
    on = bench()
    tables = on.reading().tables
    began = on.cache.written_at(tables)
    on.clock.now += 5
    on.cache.wrote(on.writes(b"UPDATE t SET a = 1"), "update")
    others = on.cache.written_at(on.reading(b"SELECT a FROM u").tables)

    on.clock.now += 5
    written = on.cache.written_at(tables)
    on.cache.wrote(None, "call")

    assert (began, others, written, on.cache.written_at(tables)) == (1000.0, 1000.0, 1005.0, 1010.0)


# Fills.


def test_who_waits_gets_what_was_read() -> None:
    on = bench()
    fill = on.begin()
    waiter = Waiting()
    fill.waiters.append(waiter)

    on.cache.finish(fill, REPLY, 1)

    assert waiter.told == [REPLY]
    assert on.cache.joinable(on.key()) is None
    assert on.cache.fills == {}


@pytest.mark.parametrize(
    "end", [lambda cache, fill: cache.finish(fill, "it was odd", 0), lambda c, fill: c.abandon(fill)]
)
def test_who_waits_in_vain_is_told_so(end: Any) -> None:
    on = bench()
    fill = on.begin()
    waiter = Waiting()
    fill.waiters.append(waiter)

    end(on.cache, fill)

    assert waiter.told == [None]
    assert (on.stored(), on.cache.fills) == (None, {})


def test_a_reading_that_was_overtaken_is_not_joined_and_leaves_the_next_one_alone() -> None:
    on = bench()
    old = on.begin()

    on.cache.wrote(on.writes(b"UPDATE t SET a = 1"), "update")
    assert on.cache.joinable(on.key()) is None
    new = on.begin()
    on.cache.finish(old, b"of before", 1)

    assert on.cache.joinable(on.key()) is new
    on.cache.finish(new, REPLY, 1)
    assert on.stored() == REPLY


def test_what_is_abandoned_may_be_stored_when_it_ends_all_the_same() -> None:
    on = bench()
    fill = on.begin()

    on.cache.abandon(fill)
    assert on.cache.joinable(on.key()) is None
    on.cache.finish(fill, REPLY, 1)

    assert on.stored() == REPLY


def test_from_its_soft_time_on_a_result_may_be_fetched_anew() -> None:
    on = bench(tables={"shop.t": {"ttl": "60s", "soft_ttl": "10s"}})

    on.read()

    entry = on.cache.store.get(on.key())
    assert entry is not None
    assert (entry.refresh_at, entry.expires) == (1010.0, 1060.0)


# Environments.


def test_sessions_that_are_alike_share_their_keys() -> None:
    on = bench()

    assert on.cache.environment("main", "app", b"app", 0, replace(STATE)) is on.environment


@pytest.mark.parametrize(
    "group, user, account, form, state",
    [
        ("other", "app", b"app", 0, STATE),
        ("main", "other", b"app", 0, STATE),
        ("main", "app", b"other", 0, STATE),
        ("main", "app", b"app", 1, STATE),
        ("main", "app", b"app", 0, replace(STATE, schema=b"bank")),
        ("main", "app", b"app", 0, replace(STATE, names=Names(b"'latin1'", (b"NAMES 'latin1'",)))),
        ("main", "app", b"app", 0, STATE.after(SetVariable("time_zone", b"'+00:00'"))),
    ],
)
def test_sessions_that_differ_in_anything_share_no_key(
    group: str, user: str, account: bytes, form: int, state: SessionState
) -> None:
    on = bench()

    found = on.cache.environment(group, user, account, form, state)

    assert set(found.prefixes).isdisjoint(on.environment.prefixes)
    same_but_for_the_user = (group, form, state) == ("main", 0, STATE)
    assert (found.shared_key(on.key()) == on.environment.shared_key(on.key())) is same_but_for_the_user


@pytest.mark.parametrize(
    "state, why",
    [
        (replace(STATE, names=None), "the session's character set is not known"),
        (replace(STATE, names=Names(None, ())), "the session's character set is not known"),
        (replace(STATE, names=Names(b"'gbk'", ())), "statements in the session's character set are not read"),
        (STATE.after(SetVariable("autocommit", b"0")), "autocommit is off"),
        (STATE.after(SetVariable("autocommit", b"'OFF'")), "autocommit is off"),
        (STATE.after(SetVariable("autocommit", b"'on'")), ""),
        (STATE.after(SetVariable("autocommit", b"1")), ""),
        (
            STATE.after(SetVariable("transaction_isolation", b"'serializable'")),
            "the isolation level is SERIALIZABLE or READ UNCOMMITTED",
        ),
        (
            STATE.after(SetVariable("transaction_isolation", b"'READ-UNCOMMITTED'")),
            "the isolation level is SERIALIZABLE or READ UNCOMMITTED",
        ),
        (STATE.after(SetVariable("transaction_isolation", b"'READ-COMMITTED'")), ""),
    ],
)
def test_some_sessions_get_nothing_from_memory(state: SessionState, why: str) -> None:
    assert bench().cache.environment("main", "app", b"app", 0, state).refusal == why


def test_environments_that_were_forgotten_are_never_taken_for_new_ones() -> None:
    on = bench()
    for at in range(module.REMEMBERED):
        on.cache.environment("main", f"user{at}", b"app", 0, STATE)

    again = on.cache.environment("main", "app", b"app", 0, STATE)

    assert again is not on.environment
    assert set(again.prefixes).isdisjoint(on.environment.prefixes)


# Plans.


def test_a_plan_is_made_once_until_something_changes() -> None:
    on = bench()
    query = classify(b"SELECT a FROM t", 0, 0)
    first = on.cache.plan(on.environment.scope, query)
    assert on.cache.plan(on.environment.scope, query) is first

    on.cache.configure(CacheConfig.model_validate({"tables": {"shop.t": False}}))

    assert on.cache.plan(on.environment.scope, query).reading is None


@pytest.mark.parametrize(
    "sql, why",
    [
        (b"SELECT a FROM x", "shop.x is not in the server's dictionary"),
        (b"SELECT a FROM bank.t", "bank.t is not in the server's dictionary"),
        (b"SELECT NOW() FROM t", "NOW"),
        (b"SELECT a FROM t FOR UPDATE", "locking read"),
        (b"UPDATE t SET a = 1", ""),
    ],
)
def test_a_query_that_is_not_stored_says_why(sql: bytes, why: str) -> None:
    assert bench().why_not(sql) == why


def test_a_table_that_is_missing_has_the_dictionary_read_anew() -> None:
    on = bench()
    asked: list[str] = []
    on.environment.scope.source.renew = lambda: asked.append("anew")

    on.why_not(b"SELECT NOW() FROM x")
    assert asked == []
    on.why_not(b"SELECT a FROM x")

    assert asked == ["anew"]


def test_a_hint_stores_what_the_configuration_does_not_but_never_what_cannot_be() -> None:
    on = bench(tables={"shop.*": False})
    policy = CachePolicy(ttl=7.0)

    told = [
        on.cache.forced(on.environment.scope, classify(sql, 0, 0), policy, "a hint").reading
        for sql in (b"SELECT a FROM t", b"SELECT NOW() FROM t", b"SELECT a FROM x")
    ]

    assert told[0] is not None
    assert (told[0].ttl_s, told[1], told[2]) == (7.0, None, None)


# Other configurations.


def test_another_configuration_ends_what_is_stored_and_what_is_being_read() -> None:
    on = bench(tables={"shop.t": {"ttl": "60s", "consistency": "ttl"}, "shop.u": "60s"})
    for sql in (b"SELECT a FROM t", b"SELECT a FROM u"):
        on.read(sql)
    fills = [on.begin(sql) for sql in (b"SELECT b FROM t", b"SELECT b FROM u")]

    on.cache.configure(CacheConfig.model_validate({"tables": {"shop.*": "60s"}}))
    for fill in fills:
        on.cache.finish(fill, REPLY, 1)

    assert [on.stored(b"SELECT %b FROM %b" % pair) for pair in ((b"a", b"t"), (b"a", b"u"))] == [None, None]
    assert [on.stored(b"SELECT %b FROM %b" % pair) for pair in ((b"b", b"t"), (b"b", b"u"))] == [None, None]


@pytest.mark.parametrize("consistency", ["invalidate", "ttl"])
def test_a_table_without_a_share_any_more_may_take_all_the_room(consistency: str) -> None:
    on = bench(tables={"shop.t": {"ttl": "60s", "consistency": consistency, "memory": "1MB"}})
    (table,) = on.reading().tables
    assert table.share is not None

    on.cache.configure(CacheConfig.model_validate({"tables": {"shop.t": {"ttl": "60s", "consistency": consistency}}}))

    assert on.reading().tables == (table,)
    assert table.share is None


def test_a_dictionary_that_changed_by_itself_ends_everything() -> None:
    cache = Cache(CacheConfig(), Clock())
    source = cache.source("main")
    before, after = Dictionary(), Dictionary()
    after.add_view("shop", "v", "select 1")
    cache.know(source, before, "")
    table = cache.tables.table("shop", "t")
    captured = capture((table,))

    cache.know(source, Dictionary(), "")
    assert is_current((table,), captured)
    cache.know(source, after, "")

    assert not is_current((table,), captured)
