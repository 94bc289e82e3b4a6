"""Which tables' results are stored: the most specific pattern holds, and of several tables the strictest terms."""

from __future__ import annotations

from typing import Any

import pytest

from dbmux.cache.policies import Policies, Terms
from dbmux.config.model import CacheConfig, CachePolicy

T, U = ("shop", "t"), ("shop", "u")
NOBODY: frozenset[tuple[str, str]] = frozenset()


def policies(tables: dict[str, Any], **config: Any) -> Policies:
    return Policies(CacheConfig.model_validate({"tables": tables, **config}))


def terms(tables: dict[str, Any], *named: tuple[str, str], behind: frozenset[tuple[str, str]] = NOBODY) -> Terms | str:
    return policies(tables).terms(frozenset(named), behind)


def ttl(told: Terms | str) -> float | str:
    return told if isinstance(told, str) else told.ttl_s


@pytest.mark.parametrize(
    "tables, found",
    [
        ({"shop.t": "30s"}, 30.0),
        ({"SHOP.T": "30s"}, 30.0),
        ({"shop.*": "30s"}, 30.0),
        ({"*": "30s"}, 30.0),
        ({"shop.t*": "30s"}, 30.0),
        ({"*": "1s", "shop.*": "2s", "shop.t": "3s"}, 3.0),
        ({"shop.t": "3s", "shop.*": "2s", "*": "1s"}, 3.0),
        ({"shop.*": "2s", "shop.t": False}, "shop.t is false in cache.tables"),
        ({"shop.*": False, "shop.t": "2s"}, 2.0),
        ({"shop.u": "2s", "bank.*": "2s", "shop.tt*": "2s"}, "shop.t is not among cache.tables"),
        ({}, "shop.t is not among cache.tables"),
    ],
)
def test_of_the_patterns_that_match_the_most_specific_holds(tables: dict[str, Any], found: float | str) -> None:
    assert ttl(terms(tables, T)) == found


def test_of_several_tables_the_strictest_terms_hold() -> None:
    told = terms(
        {
            "shop.t": {"ttl": "30s", "soft_ttl": "5s", "max_entry": 1000, "share": True},
            "shop.u": {"ttl": "20s", "soft_ttl": "9s", "max_entry": 2000, "share": False},
        },
        T,
        U,
    )

    assert told == Terms(ttl_s=20.0, soft_ttl_s=5.0, max_bytes=1000, is_shared=False, followed=frozenset((T, U)))


def test_one_table_that_is_not_configured_is_enough_not_to_store() -> None:
    assert terms({"shop.t": "30s"}, T, U) == "shop.u is not among cache.tables"


def test_tables_behind_a_view_need_not_be_configured_but_may_forbid() -> None:
    assert ttl(terms({"shop.t": "30s"}, T, behind=frozenset((U,)))) == 30.0
    assert ttl(terms({"shop.t": "30s", "shop.u": "5s"}, T, behind=frozenset((U,)))) == 5.0
    assert terms({"shop.t": "30s", "shop.u": False}, T, behind=frozenset((U,))) == "shop.u is false in cache.tables"


def test_writes_to_tables_behind_a_view_are_followed_unless_those_end_by_time_alone() -> None:
    by_time = {"ttl": "30s", "consistency": "ttl"}

    first = terms({"shop.t": by_time}, T, behind=frozenset((U,)))
    second = terms({"shop.*": by_time}, T, behind=frozenset((U,)))

    assert isinstance(first, Terms)
    assert isinstance(second, Terms)
    assert (first.followed, second.followed) == (frozenset((U,)), frozenset())


def test_an_entry_may_be_as_large_as_the_cache_says_unless_its_table_does() -> None:
    config = policies({"shop.t": "30s", "shop.u": {"ttl": "30s", "max_entry": 2_000_000}}, max_entry=5000)

    told = [config.terms(frozenset((table,)), NOBODY) for table in (T, U)]

    assert [each.max_bytes for each in told if isinstance(each, Terms)] == [5000, 2_000_000]


def test_a_hint_or_a_rule_stores_what_the_configuration_does_not() -> None:
    told = policies({"shop.t": False}).forced(frozenset((T, U)), CachePolicy(ttl=7.0))

    assert (told.ttl_s, told.followed, told.is_shared) == (7.0, frozenset((T, U)), False)


def test_a_tables_share_of_the_memory_is_found_however_its_name_is_written() -> None:
    config = policies({"shop.t": {"ttl": "30s", "memory": "1MB"}, "shop.u": "30s"})

    told = [config.memory(table) for table in (T, ("Shop", "T"), U, ("bank", "t"))]

    assert told[0] == told[1] is not None
    assert told[2:] == [None, None]
