"""Filters let through what they say, and ask a row for no more than that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.feed.filter.language import parse
from dbmux.feed.filter.patterns import TooSlow
from dbmux.feed.filter.predicate import compile
from dbmux.feed.row import Row
from tests.feed.filter.reference import wants
from tests.feed.filter.rows import Noting, row
from tests.feed.filter.texts import filters

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC).timestamp()


def passes(text: str, looked_at: Row) -> bool:
    return compile(parse(text), lambda: NOON, UTC)(looked_at)


def at(clock: str) -> float:
    """A time of that day."""
    return datetime.fromisoformat(f"2026-01-31T{clock}Z").timestamp()


@pytest.mark.parametrize(
    ("text", "given", "other"),
    [
        ("orders", {"sql": "select * from ORDERS"}, {"sql": "select * from users"}),
        ("strasse", {"sql": "SELECT 'Straße'"}, {"sql": "SELECT 'Strafe'"}),
        ('"for update"', {"sql": "SELECT 1 FOR UPDATE"}, {"sql": "UPDATE t SET a = 1 WHERE b = 2 -- for"}),
        ("/^select .* update$/", {"sql": "SELECT 1\nFOR UPDATE"}, {"sql": "SELECT 1"}),
        ("sel*upd", {"sql": "SELECT 1 FOR\nUPDATE"}, {"sql": "UPDATE x; SELECT 1"}),
        ("dur>5ms", {"seconds": 0.0051}, {"seconds": 0.005}),
        ("dur>=5ms", {"seconds": 0.005}, {"seconds": 0.0049}),
        ("dur:12ms", {"seconds": 0.0124}, {"seconds": 0.0126}),
        ("dur:12.4ms", {"seconds": 0.01242}, {"seconds": 0.012}),
        ("wait:0", {"waited": 0.0}, {"waited": 0.000001}),
        ("server<1ms", {"seconds": 1.0, "waited": 0.7, "fetched": 0.2995}, {"seconds": 1.0, "waited": 0.5}),
        ("fetch:1..2s", {"fetched": 2.0}, {"fetched": 2.1}),
        ("rows<5", {"rows": 4}, {"rows": -1}),
        ("rows!=5", {"rows": -1}, {"rows": 5}),
        ("rows:..10", {"rows": 0}, {"rows": -1}),
        ("rows:1,3..4", {"rows": 3}, {"rows": 2}),
        ("bytes>1kB", {"bytes": 1025}, {"bytes": 1024}),
        ("op:insert", {"kind": "replace"}, {"kind": "select"}),
        ("op:commit", {"kind": "commit"}, {"kind": "begin"}),
        ("op:tx", {"kind": "savepoint"}, {"kind": "set"}),
        ("op:other", {"kind": "show"}, {"kind": "use"}),
        ("kind:insert", {"kind": "insert"}, {"kind": "replace"}),
        ("cmd:execute", {"command": "execute"}, {"command": "query"}),
        ("table:orders", {"tables": ("users", "Shop.Orders")}, {"tables": ("orders_old",)}),
        ("table:web.orders", {"tables": ("orders",), "schema": "web"}, {"tables": ("orders",), "schema": "shop"}),
        ("table:web.orders", {"tables": ("web.orders",), "schema": "x"}, {"tables": ("x.orders",), "schema": "web"}),
        ("table:ord*", {"tables": ("x.orders",)}, {"tables": ("reorder",)}),
        ('table:""', {"tables": ("",)}, {"tables": ()}),
        ("db:web", {"schema": "WEB"}, {"schema": "web2"}),
        ("digest:7c1e", {"digest": "7c1e00aa12345678"}, {"digest": "07c1e0aa12345678"}),
        ("user:shop", {"user": "Shop"}, {"user": "shopper"}),
        ("host:10.0.0.9", {"client": "10.0.0.9:5000"}, {"client": "10.0.0.90:5000"}),
        ("host:10.0.0.9:5000", {"client": "10.0.0.9:5000"}, {"client": "10.0.0.9:5001"}),
        ('host:"unix socket"', {"client": "unix socket"}, {"client": "::1:5000"}),
        ("app:check*", {"app": "checkout"}, {"app": ""}),
        ("app:*", {"app": "checkout"}, {"app": ""}),
        ('app:""', {"app": ""}, {"app": "checkout"}),
        ("conn:3", {"session": 3}, {"session": 30}),
        ("tx:41", {"transaction": 41}, {"transaction": 0}),
        ("seq>6", {"seq": 7}, {"seq": 6}),
        ("trace:4bf9", {"trace": "4BF92F"}, {"trace": "f4bf9"}),
        ("site:views", {"site": "app/views.py:42"}, {"site": "app/models.py:1"}),
        ("backend:db1", {"backend": "db1"}, {"backend": "cache"}),
        ("role:replica", {"role": "replica"}, {"role": ""}),
        ("route:main", {"group": "main", "role": ""}, {"group": "other"}),
        ("route:main.replica", {"role": "replica"}, {"role": "primary"}),
        ("rule:*", {"rule": "reports"}, {"rule": ""}),
        ("reason:read", {"reason": "read"}, {"reason": "locking read"}),
        ('reason:"locking read"', {"reason": "locking read"}, {"reason": "read"}),
        ("cache:hit,stale", {"cache": "stale"}, {"cache": "miss"}),
        ("cache:bypass", {"cache": "autocommit is off"}, {"cache": ""}),
        ("why:autocommit", {"cache": "autocommit is off"}, {"cache": "miss"}),
        ("why:miss", {"cache": "dismissed"}, {"cache": "miss"}),
        ("err:duplicate", {"error": "Duplicate entry"}, {"error": ""}),
        ("err:*", {"error": "Duplicate entry"}, {"error": ""}),
        ("code:1062,1213", {"code": 1213}, {"code": 1064}),
        ("nplus1>10", {"nplus1": 11}, {"nplus1": 10}),
        ("err", {"code": 1064}, {"code": 0}),
        ("slow", {"is_slow": True}, {"is_slow": False}),
        ("n+1", {"nplus1": 5}, {"nplus1": 0}),
        ("pinned", {"is_pinned": True}, {"is_pinned": False}),
        ("tx", {"transaction": 41}, {"transaction": 0}),
        ("open", {"is_in_transaction": True}, {"transaction": 41}),
        ("last:5m", {"at": NOON - 300}, {"at": NOON - 301}),
        ("at>11:30", {"at": at("11:31")}, {"at": at("11:29")}),
        ("at>12:01", {"at": at("00:00")}, {"at": at("12:02") - 86400 - 120}),
        ("at:11:30", {"at": at("11:30:59")}, {"at": at("11:31:00")}),
        ("at:11:30:05.25", {"at": at("11:30:05.256")}, {"at": at("11:30:05.266")}),
        ("at:11:00..11:30", {"at": at("11:30:00")}, {"at": at("11:30:01")}),
        ("at:11:00..13:00", {"at": at("11:30")}, {"at": at("10:59")}),
        ("at:23:00..0:30", {"at": at("00:15")}, {"at": at("00:31")}),
        ("at:2026-01-31", {"at": at("23:59")}, {"at": at("00:00") - 1}),
        ("at>=2026-01-31T12:30+01:00", {"at": at("11:30")}, {"at": at("11:29")}),
        ("-op:select slow", {"kind": "update", "is_slow": True}, {"is_slow": True}),
        ("(err | slow) app:a", {"is_slow": True, "app": "a"}, {"is_slow": True, "app": "b"}),
        ("err | slow | pinned", {"is_pinned": True}, {}),
        ("err slow pinned", {"code": 1, "is_slow": True, "is_pinned": True}, {"code": 1, "is_slow": True}),
    ],
)  # fmt: skip
def test_a_filter_lets_one_row_through_and_another_not(text: str, given: dict[str, Any], other: dict[str, Any]) -> None:
    assert passes(text, row(**given))
    assert not passes(text, row(**other))
    assert not passes(f"-({text})", row(**given))


def test_nothing_wanted_lets_everything_through() -> None:
    assert passes("", row())


def test_a_saved_filter_lets_through_what_it_says() -> None:
    wanted = compile(parse("@bad user:shop", {"bad": "err | slow"}), lambda: NOON, UTC)

    assert [wanted(one) for one in (row(code=1), row(), row(code=1, user="x"))] == [True, False, False]


def test_the_last_minutes_go_on_and_a_time_of_day_stays() -> None:
    clock = [NOON]
    last, since = (compile(parse(text), lambda: clock[0], UTC) for text in ("last:5m", "at>11:58"))
    looked_at = row(at=NOON - 60)

    before = last(looked_at), since(looked_at)
    clock[0] += 86400

    assert (before, last(looked_at), since(looked_at)) == ((True, True), False, True)


def test_times_of_day_are_those_of_the_zone() -> None:
    wanted = compile(parse("at:13:30"), lambda: NOON, timezone(timedelta(hours=2)))

    assert wanted(row(at=at("11:30")))


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", []),
        ("dur>5ms", ["seconds"]),
        ("server>5ms", ["seconds", "waited", "fetched"]),
        ("orders dur>5ms", ["seconds", "sql"]),
        ("orders dur>5s", ["seconds"]),
        ("orders | dur>5ms", ["seconds"]),
        ("/x/ (user:y | orders) -dur<5ms app:z", ["seconds", "app"]),
        ("op:select", ["kind"]),
        ("table:orders", ["tables", "schema"]),
        ("why:x", ["cache"]),
        ("last:5m", ["at"]),
    ],
)
def test_a_row_is_asked_for_no_more_than_it_must_be_and_for_figures_first(text: str, asked: list[str]) -> None:
    looked_at = Noting(seconds=0.012, app="checkout")

    passes(text, looked_at)

    assert list(dict.fromkeys(looked_at.asked)) == asked


def test_a_filter_of_hundreds_of_conditions_is_no_hundred_calls_deep() -> None:
    text = "|".join(f"tx:{number}" for number in range(400))

    assert passes(text, row(transaction=399))
    assert not passes(text, row(transaction=400))


def test_a_pattern_that_takes_too_long_on_a_statement_ends_the_filter() -> None:
    wanted = compile(parse("/[ab]+c/"), lambda: NOON, UTC)

    with pytest.raises(TooSlow, match=r"/\[ab\]\+c/ takes too long"):
        wanted(row(sql="ab" * 2048))


def rows() -> st.SearchStrategy[Row]:
    texts = st.sampled_from(("", "a", "A", "b", "ab", "a b", "slow", "ör", "xaXb\n", "SELECT 'a b'", '"\\"'))
    seconds = st.sampled_from((0.0, 1e-6, 0.004, 0.005, 0.0055, 1.0, 1.5, 2.0, 120.0))
    counts = st.sampled_from((0, 1, 5, 6, 20, 1500))
    return st.builds(
        row,
        **dict.fromkeys(
            ("sql", "schema", "digest", "user", "client", "app", "trace", "site", "backend", "error"), texts
        ),
        **dict.fromkeys(("seconds", "waited", "fetched"), seconds),
        **dict.fromkeys(("bytes", "code", "transaction", "nplus1"), counts),
        **dict.fromkeys(("is_slow", "is_pinned", "is_in_transaction"), st.booleans()),
        rows=counts | st.just(-1),
        at=st.floats(NOON - 2 * 86400, NOON),
        kind=st.sampled_from(("select", "insert", "replace", "commit", "show")),
        tables=st.lists(texts | st.sampled_from(("b.a", "a.b.ab")), max_size=3).map(tuple),
        group=texts,
        role=st.sampled_from(("", "primary", "replica")),
        reason=st.sampled_from(("read", "locking read")),
        cache=st.sampled_from(("", "hit", "miss", "a is off")),
    )


@given(filters(), st.lists(rows(), min_size=1, max_size=5))
def test_every_filter_means_what_its_words_mean_one_by_one(text: str, some: list[Row]) -> None:
    read = parse(text)

    wanted = compile(read, lambda: NOON, UTC)

    assert [wanted(one) for one in some] == [wants(read.root, one, NOON) for one in some]
