"""Which reads are looked at."""

from __future__ import annotations

from random import Random

import pytest

from dbmux.mirror.sampling import FIRST, MOST_FIRST, MOST_KNOWN, Sampler, Taken
from dbmux.query import Access, Kind, Query


def a_query() -> Query:
    return Query(kind=Kind.SELECT, access=Access.READ)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_it_is_a_share_of_a_frequent_statement(share: float) -> None:
    sampler, query = Sampler(share, Random(1).random), a_query()

    taken = sum(sampler.takes(query) is not Taken.NO for _ in range(20_000))

    assert abs(taken - FIRST - 20_000 * share) < 300


def test_a_rare_statement_is_seen_beside_a_frequent_one() -> None:
    sampler, often, rare = Sampler(0.001, Random(2).random), a_query(), a_query()
    for _ in range(1000):
        sampler.takes(often)

    assert [sampler.takes(rare) for _ in range(FIRST)] == [Taken.FIRST] * FIRST


def test_a_share_of_nothing_takes_nothing() -> None:
    sampler = Sampler(0.0, Random(3).random)

    assert {sampler.takes(a_query()) for _ in range(100)} == {Taken.NO}


def test_statements_that_are_all_of_another_kind_are_not_all_taken() -> None:
    sampler = Sampler(0.01, Random(4).random)

    taken = sum(sampler.takes(a_query()) is not Taken.NO for _ in range(MOST_KNOWN * 2))

    assert taken < MOST_FIRST + 0.03 * MOST_KNOWN * 2
