"""What may be stored after a write of which nobody knows whether it was carried out."""

from __future__ import annotations

import pytest

from dbmux.cache.cache import DOUBT_S, Cache
from dbmux.cache.plans import Reading
from dbmux.cache.tally import Tally
from dbmux.config.model import CacheConfig
from tests.cache.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache:
    return Cache(CacheConfig(), clock)


def reading(cache: Cache, name: str) -> Reading:
    tables = (cache.tables.table("shop", name),)
    return Reading(tables=tables, tally=Tally(name), ttl_s=60, soft_ttl_s=None, max_bytes=1000, is_shared=False)


def test_nothing_is_stored_of_a_table_while_a_lost_write_to_it_may_come_true(cache: Cache, clock: Clock) -> None:
    products, prices = reading(cache, "products"), reading(cache, "prices")

    cache.doubt(products.tables, "a connection was lost")
    at_once = [cache.begin(b"a", products), cache.begin(b"b", prices)]
    clock.now += DOUBT_S

    assert [fill is not None for fill in at_once] == [False, True]
    assert cache.begin(b"a", products) is not None


def test_a_lost_write_that_may_have_reached_anything_holds_for_tables_that_nobody_knew_yet(
    cache: Cache, clock: Clock
) -> None:
    cache.doubt(None, "a connection was lost")
    at_once = cache.begin(b"a", reading(cache, "never asked for before"))
    clock.now += DOUBT_S

    assert at_once is None
    assert cache.begin(b"a", reading(cache, "never asked for before")) is not None
