"""The store gives back what was put, as long as it is good, and never takes more room than it may."""

from __future__ import annotations

import gc
from sys import getrefcount, getsizeof
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.cache.clock import Clock
from tests.cache.forms import AS_BUILT, INTERPRETED

MB = 1 << 20


class Cache:
    """A store, a clock and tables, with what the tests do with them in a word."""

    def __init__(self, form: SimpleNamespace, capacity: int = MB) -> None:
        self.form = form
        self.clock = Clock()
        self.tables = form.Tables()
        self.store = form.Store(capacity, self.clock)

    def table(self, name: str) -> Any:
        return self.tables.table(*name.split("."))

    def put(self, key: bytes, *names: str, reply: bytes = b"rows", ttl: float = 60.0) -> Any:
        tables = tuple(self.table(name) for name in names)
        return self.store.put(key, reply, tables, self.form.capture(tables), self.clock.now + ttl)

    def found(self, *keys: bytes) -> list[bytes]:
        return [key for key in keys if self.store.get(key) is not None]

    def gone(self) -> dict[str, int]:
        return {reason.name: count for reason, count in self.store.gone.items() if count}


@pytest.fixture
def cache(form: SimpleNamespace) -> Cache:
    return Cache(form)


def recount(cache: Cache) -> int:
    """All bytes, measured object by object."""
    pointed_at: int = cache.form.POINTED_AT
    fixed = getsizeof(cache.store.ghosts.places) + sum(getsizeof(shard) for shard in cache.store.shards)
    return fixed + sum(
        getsizeof(entry) + pointed_at + getsizeof(entry.key) + getsizeof(entry.reply) for entry in cache.store
    )


def test_what_was_put_is_found_with_what_was_said_of_it(cache: Cache) -> None:
    products = cache.table("shop.products")
    captured = cache.form.capture((products,))

    done = cache.store.put(b"key", b"rows", (products,), captured, 1060.0, refresh_at=1030.0, rows=3, cost_s=0.25)

    entry = cache.store.get(b"key")
    assert done is cache.form.Put.STORED
    assert (entry.reply, entry.expires, entry.refresh_at, entry.rows, entry.cost_s) == (b"rows", 1060, 1030, 3, 0.25)
    assert cache.store.get(b"another key") is None


def test_an_entry_ends_when_its_time_has_come(cache: Cache) -> None:
    cache.put(b"key", "shop.products", ttl=30)

    cache.clock.now += 29.9
    before = cache.found(b"key")
    cache.clock.now += 0.1
    after = cache.found(b"key")

    assert (before, after) == ([b"key"], [])
    assert cache.gone() == {"EXPIRED": 1}


def test_a_reading_that_a_write_overtook_is_not_stored(cache: Cache) -> None:
    products = cache.table("shop.products")
    captured = cache.form.capture((products,))

    products.move()
    done = cache.store.put(b"key", b"old rows", (products,), captured, 1060.0)

    assert done is cache.form.Put.OVERTAKEN
    assert cache.found(b"key") == []


def test_a_write_to_one_of_several_tables_outdates_what_was_read_of_it(cache: Cache) -> None:
    cache.put(b"both", "shop.products", "shop.prices")
    cache.put(b"products", "shop.products")
    cache.put(b"prices", "shop.prices")

    cache.table("shop.prices").move()

    assert cache.found(b"both", b"products", b"prices") == [b"products"]
    assert cache.gone() == {"INVALIDATED": 2}


def test_a_write_that_may_have_reached_everything_outdates_everything(cache: Cache) -> None:
    cache.put(b"shop", "shop.products")
    cache.put(b"blog", "blog.posts")

    cache.tables.move_everything()

    assert cache.found(b"shop", b"blog") == []


def test_after_a_write_the_same_key_can_be_stored_again(cache: Cache) -> None:
    cache.put(b"key", "shop.products", reply=b"old")
    cache.table("shop.products").move()

    cache.put(b"key", "shop.products", reply=b"new")

    assert cache.store.get(b"key").reply == b"new"
    assert len(cache.store) == 1


def test_putting_a_key_anew_takes_the_place_of_the_old_entry(cache: Cache) -> None:
    cache.put(b"key", "shop.products", reply=b"a" * 1000)

    cache.put(b"key", "shop.prices", reply=b"b")

    assert cache.store.get(b"key").reply == b"b"
    assert (len(cache.store), cache.table("shop.products").entries, cache.table("shop.prices").entries) == (1, 0, 1)
    assert cache.store.bytes == recount(cache)
    assert cache.gone() == {"REPLACED": 1}


def test_a_reply_larger_than_the_whole_store_is_not_stored_and_nothing_makes_room_for_it(form: SimpleNamespace) -> None:
    cache = Cache(form, capacity=20_000)
    cache.put(b"small", "shop.products")

    put = cache.put(b"large", "shop.products", reply=bytes(20_000))

    assert put is form.Put.TOO_LARGE
    assert cache.found(b"small") == [b"small"]


def test_what_comes_again_has_proven_itself(cache: Cache) -> None:
    cache.put(b"again", "shop.products")
    cache.table("shop.products").move()
    cache.found(b"again")
    cache.put(b"again", "shop.products")
    cache.put(b"new", "shop.products")

    again, new = cache.store.get(b"again"), cache.store.get(b"new")

    assert again.chain is again.room.main
    assert new.chain is new.room.small


@pytest.mark.parametrize("capacity", range(10_000, 40_000, 1_000))
def test_a_dictionary_that_grows_takes_the_room_of_entries(form: SimpleNamespace, capacity: int) -> None:
    cache = Cache(form, capacity)

    most = 0
    for number in range(300):
        cache.put(b"%d" % number, "shop.products", reply=b"")
        most = max(most, cache.store.bytes)

    assert most <= capacity


def test_what_was_used_only_once_when_it_was_new_goes_before_what_is_used(form: SimpleNamespace) -> None:
    cache = Cache(form, capacity=50_000)
    for number in range(30):
        cache.put(b"often %d" % number, "shop.products", reply=bytes(1000))
    cache.found(*[b"often %d" % number for number in range(30)] * 3)

    for number in range(1000):
        cache.put(b"scan %d" % number, "shop.products", reply=bytes(1000))
        cache.found(b"scan %d" % number)

    assert len(cache.found(*(b"often %d" % number for number in range(30)))) >= 28


def test_what_is_used_stays_when_room_is_needed(form: SimpleNamespace) -> None:
    cache = Cache(form, capacity=50_000)
    cache.put(b"used", "shop.products", reply=bytes(1000))

    for number in range(500):
        cache.put(b"%d" % number, "shop.products", reply=bytes(1000))
        assert cache.found(b"used") == [b"used"]

    assert cache.gone().keys() == {"ROOM"}
    assert 40_000 < cache.store.bytes <= 50_000


@pytest.mark.parametrize(
    "others, put",
    [
        pytest.param(0.9, "STORED", id="few enough"),
        pytest.param(1.1, "NO_ROOM", id="too many"),
    ],
)
def test_an_entry_for_which_many_others_would_have_to_go_is_not_stored(
    form: SimpleNamespace, others: float, put: str
) -> None:
    cache = Cache(form, capacity=4 * MB)
    while "ROOM" not in cache.gone():
        cache.put(b"%d" % len(cache.store), "shop.products", reply=bytes(500))
    before, size = len(cache.store), next(iter(cache.store)).size

    done = cache.put(b"large", "shop.products", reply=bytes(int(INTERPRETED.MOST_FOR_ONE * size * others)))

    assert done is form.Put[put]
    assert (before - len(cache.store) > 0) == (put == "STORED")


def test_a_table_takes_no_more_than_its_share_and_nobody_elses(form: SimpleNamespace) -> None:
    cache = Cache(form, capacity=MB)
    cache.table("shop.logs").share = share = form.Room(20_000)
    cache.put(b"product", "shop.products")

    for number in range(100):
        cache.put(b"%d" % number, "shop.logs", reply=bytes(1000))

    assert cache.found(b"product", b"99") == [b"product", b"99"]
    assert 18_000 < cache.table("shop.logs").bytes == share.bytes <= 20_000
    assert cache.gone().keys() == {"SHARE"}


def test_what_is_read_of_several_tables_takes_room_in_the_smallest_share(form: SimpleNamespace) -> None:
    cache = Cache(form)
    cache.table("shop.logs").share = large = form.Room(20_000)
    cache.table("shop.users").share = small = form.Room(10_000)

    cache.put(b"key", "shop.products", "shop.logs", "shop.users")

    assert (large.entries, small.entries) == (0, 1)


def test_who_has_most_gives_room_first(form: SimpleNamespace) -> None:
    cache = Cache(form, capacity=50_000)
    cache.table("shop.logs").share = form.Room(10_000)
    for number in range(5):
        cache.put(b"log %d" % number, "shop.logs", reply=bytes(1000))

    for number in range(100):
        cache.put(b"%d" % number, "shop.products", reply=bytes(1000))

    assert cache.table("shop.logs").entries == 5
    assert cache.store.bytes <= 50_000


def test_a_table_that_has_most_gives_room_though_it_has_not_its_share(form: SimpleNamespace) -> None:
    cache = Cache(form, capacity=50_000)
    cache.table("shop.logs").share = form.Room(45_000)
    for number in range(30):
        cache.put(b"log %d" % number, "shop.logs", reply=bytes(1000))

    for number in range(25):
        cache.put(b"%d" % number, "shop.products", reply=bytes(1000))

    assert cache.table("shop.products").entries >= 15
    assert cache.table("shop.logs").entries >= 15


def test_a_share_in_which_nothing_is_costs_nothing(cache: Cache) -> None:
    for _ in range(100):
        cache.table("shop.logs").share = cache.form.Room(20_000)
        cache.put(b"log", "shop.logs")
        cache.table("shop.logs").move()
        cache.found(b"log")
    for number in range(10):
        cache.put(b"%d" % number, "shop.products", ttl=1)
    cache.clock.now += 1

    assert cache.store.sweep(20) == 10


def test_an_entry_larger_than_its_tables_share_is_not_stored(form: SimpleNamespace) -> None:
    cache = Cache(form)
    cache.table("shop.logs").share = form.Room(500)

    assert cache.put(b"key", "shop.logs", reply=bytes(1000)) is form.Put.TOO_LARGE


def test_a_store_that_gets_less_room_gives_it_back_bit_by_bit(cache: Cache) -> None:
    for number in range(1500):
        cache.put(b"%d" % number, "shop.products", reply=bytes(100))

    cache.store.resize(100_000)
    cache.store.sweep(10)
    after_a_while = len(cache.store)
    too_early = cache.put(b"too early", "shop.products")
    for number in range(100):
        cache.put(b"new %d" % number, "shop.products", reply=bytes(100))

    assert (after_a_while, too_early) == (1490, cache.form.Put.NO_ROOM)
    assert cache.store.bytes == recount(cache) <= 100_000
    assert cache.found(b"new 99") == [b"new 99"]


def test_a_store_that_gets_more_room_uses_it(form: SimpleNamespace) -> None:
    cache = Cache(form, capacity=20_000)

    cache.store.resize(200_000)
    for number in range(100):
        cache.put(b"%d" % number, "shop.products", reply=bytes(1000))

    assert len(cache.store) == 100


def test_what_has_ended_is_swept_out_though_nobody_asks_for_it(cache: Cache) -> None:
    for number in range(100):
        cache.put(b"%d" % number, "shop.products" if number % 2 else "shop.prices", ttl=number + 1)
    cache.put(b"good", "shop.prices", ttl=1000)
    cache.table("shop.products").move()
    cache.clock.now += 50

    cache.store.sweep(200)

    assert sorted(entry.key for entry in cache.store) == sorted([b"good", *(b"%d" % n for n in range(50, 100, 2))])
    assert cache.gone() == {"EXPIRED": 25, "INVALIDATED": 50}
    assert cache.store.bytes == recount(cache)


def test_putting_sweeps_out_what_has_ended(cache: Cache) -> None:
    for number in range(100):
        cache.put(b"old %d" % number, "shop.products")
    cache.table("shop.products").move()

    for number in range(40):
        cache.put(b"new %d" % number, "shop.prices")

    assert len(cache.store) == 40


def test_a_dictionary_that_is_empty_again_takes_no_room(cache: Cache) -> None:
    empty = cache.store.bytes
    for number in range(1000):
        cache.put(b"%d" % number, "shop.products")

    cache.table("shop.products").move()
    cache.found(*(b"%d" % number for number in range(1000)))

    assert cache.store.bytes == empty == recount(cache)


def test_no_dictionary_grows_so_large_that_its_growth_is_a_pause(form: SimpleNamespace) -> None:
    cache = Cache(form, capacity=16 * MB)

    for number in range(50_000):
        cache.put(b"%d" % number, "shop.products", reply=bytes(50))

    assert max(len(shard) for shard in cache.store.shards) < 8000


def test_the_keys_of_one_dictionary_differ_in_the_bits_by_which_it_finds_them(form: SimpleNamespace) -> None:
    cache = Cache(form, capacity=16 * MB)

    for number in range(10_000):
        cache.put(b"%d" % number, "shop.products")

    assert {hash(key) & 31 for key in cache.store.shards[0]} == set(range(32))


def test_the_garbage_collector_does_not_know_of_compiled_entries() -> None:
    if not AS_BUILT.COMPILED:
        pytest.skip("not compiled")
    cache = Cache(AS_BUILT)

    cache.put(b"key", "shop.products")

    assert not gc.is_tracked(cache.store.get(b"key"))


def test_a_store_that_is_dropped_leaves_no_entry_behind(form: SimpleNamespace) -> None:
    cache = Cache(form)
    tables = (cache.table("shop.products"),)
    holders = getrefcount(tables)
    for number in range(100):
        cache.store.put(b"%d" % number, b"rows", tables, 0, 1060.0)
    held = getrefcount(tables)

    del cache

    assert (held, getrefcount(tables)) == (holders + 100, holders)


NAMES = ("shop.products", "shop.prices", "shop.logs", "blog.posts")
KEYS = tuple(b"%d" % number for number in range(40))


class StoreMachine(RuleBasedStateMachine):
    """Any order of everything, against a model that remembers what may be found and looks at every table to know it."""

    form = AS_BUILT

    @initialize(capacity=st.sampled_from((5_000, 20_000, 3 * MB)), share=st.sampled_from((None, 2_000, 6_000)))
    def begin(self, capacity: int, share: int | None) -> None:
        self.cache = Cache(self.form, capacity)
        self.model: dict[bytes, tuple[bytes, tuple[str, ...], float]] = {}
        self.readings: list[tuple[tuple[str, ...], int, bool]] = []
        self.puts = 0
        if share is not None:
            self.cache.table("shop.logs").share = self.form.Room(share)

    def forget(self, names: tuple[str, ...]) -> None:
        """What was read of these tables may no longer be found, nor be stored."""
        self.model = {key: kept for key, kept in self.model.items() if not set(kept[1]) & set(names)}
        self.readings = [(read, at, good and not set(read) & set(names)) for read, at, good in self.readings]

    @rule(names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    def read(self, names: list[str]) -> None:
        captured = self.form.capture(tuple(self.cache.table(name) for name in names))
        self.readings.append((tuple(names), captured, True))

    @rule(
        key=st.sampled_from(KEYS),
        length=st.integers(0, 3_500),
        ttl=st.integers(1, 50),
        choice=st.randoms(use_true_random=False),
    )
    def store_a_reading(self, key: bytes, length: int, ttl: int, choice: Any) -> None:
        if not self.readings:
            return
        names, captured, good = self.readings.pop(choice.randrange(len(self.readings)))
        self.puts += 1
        reply = b"%d " % self.puts + bytes(length)
        tables = tuple(self.cache.table(name) for name in names)
        expires = self.cache.clock.now + ttl

        done = self.cache.store.put(key, reply, tables, captured, expires)

        Put = self.form.Put
        assert good == (done is not Put.OVERTAKEN)
        if done is Put.STORED:
            self.model[key] = (reply, names, expires)
            assert self.cache.store.get(key).reply == reply
        elif done is Put.NO_ROOM:
            self.model.pop(key, None)

    @rule(name=st.sampled_from(NAMES))
    def write(self, name: str) -> None:
        self.cache.table(name).move()
        self.forget((name,))

    @rule()
    def write_everything(self) -> None:
        self.cache.tables.move_everything()
        self.forget(NAMES)

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        self.cache.clock.now += seconds

    @rule(steps=st.integers(1, 10))
    def sweep(self, steps: int) -> None:
        self.cache.store.sweep(steps)

    @rule(key=st.sampled_from(KEYS))
    def look_up(self, key: bytes) -> None:
        entry, kept = self.cache.store.get(key), self.model.get(key)

        good = kept is not None and kept[2] > self.cache.clock.now
        if entry is not None:
            assert good
            assert kept is not None
            assert (entry.key, entry.reply, entry.expires) == (key, kept[0], kept[2])
        else:
            gone = self.cache.gone()
            assert not good or "ROOM" in gone or "SHARE" in gone

    @invariant()
    def bounded_and_counted(self) -> None:
        store = self.cache.store
        assert store.bytes <= store.capacity
        assert store.bytes == recount(self.cache)

    @invariant()
    def every_entry_is_chained_and_counted_for_its_tables(self) -> None:
        entries = list(self.cache.store)
        assert len(entries) == len(self.cache.store)
        assert {entry.key: entry for entry in entries} == {
            key: entry for shard in self.cache.store.shards for key, entry in shard.items()
        }
        for table in self.cache.tables:
            of_it = [entry for entry in entries if table in entry.tables]
            assert (table.entries, table.bytes) == (len(of_it), sum(entry.size for entry in of_it))
            if table.share is not None:
                assert table.share.bytes <= table.share.limit


class InterpretedStoreMachine(StoreMachine):
    """The same, interpreted."""

    form = INTERPRETED


TestAnyOrder = StoreMachine.TestCase
TestAnyOrderInterpreted = InterpretedStoreMachine.TestCase
TestAnyOrder.settings = TestAnyOrderInterpreted.settings = settings(max_examples=60, stateful_step_count=60)
