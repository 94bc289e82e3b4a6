"""What is advised, of what was asked: each test plays questions to the advisor and reads its advice."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dbmux.cache.advisor import HALF_LIFE_S, MOST_KEYS, MOST_SUBJECTS, Advice, Advisor
from dbmux.cache.tables import Table, Tables


@pytest.fixture
def table() -> Table:
    return Tables().table("shop", "products")


def ask(advisor: Advisor, number: int, table: Table, now: float, digest: bytes = b"SELECT ?") -> bool:
    """A question with the key of this hash; each takes the server 0.1 s. Gives whether it is looked at."""
    if number & advisor.mask:
        return False
    seen = advisor.find(number)
    if seen is None:
        seen = advisor.meet(number, digest, (table,), now, in_force_s=0.0)
    subject = advisor.ask(seen, now)
    if subject is not None:
        subject.took(0.1)
    return True


def advised(table: Table, times: Iterable[float], keys: int = 1) -> Advice | None:
    """The advice after each of some keys was asked at these moments."""
    advisor, last = Advisor(0.0), 0.0
    for last in times:
        for number in range(keys):
            ask(advisor, number, table, last)
    return next(iter(advisor.advice(last, 1)), None)


@pytest.mark.parametrize(
    ("every_s", "ttl_s", "share"),
    [(0.1, 1.0, 0.9), (2.0, 30.0, 0.93), (20.0, 300.0, 0.94), (400.0, None, None)],
)
def test_the_shortest_ttl_that_brings_nearly_the_most_is_advised(
    every_s: float, ttl_s: float | None, share: float | None, table: Table
) -> None:
    found = advised(table, [number * every_s for number in range(300)])

    assert (None if found is None else found.ttl_s) == ttl_s
    assert (None if found is None else round(found.share, 2)) == share


def test_what_would_be_saved_is_the_servers_time_for_the_hits_of_a_minute(table: Table) -> None:
    found = advised(table, [number * 0.5 for number in range(121)], keys=4)

    assert found is not None
    assert (found.tables, found.digest) == ("shop.products", b"SELECT ?")
    assert found.asked == pytest.approx(4 * 121)
    assert found.saved_s == pytest.approx(found.share * 4 * 121 * 0.1)


def test_a_write_ends_what_would_have_been_stored_and_is_counted(table: Table) -> None:
    advisor = Advisor(0.0)
    for number in range(60):
        ask(advisor, 7, table, float(number))
        ask(advisor, 7, table, number + 0.5)
        table.writes += 1
        table.move()

    (found,) = advisor.advice(60.0, 1)

    assert (found.share, found.written) == (0.5, 60)


@pytest.mark.parametrize(("in_force_s", "ttl_s"), [(0.0, 30.0), (1.0, 30.0), (30.0, None), (300.0, None)])
def test_no_ttl_is_advised_that_is_not_longer_than_the_one_in_force(
    in_force_s: float, ttl_s: float | None, table: Table
) -> None:
    advisor = Advisor(0.0)
    seen = advisor.meet(1, b"SELECT ?", (table,), 0.0, in_force_s=in_force_s)
    # Each twice in a second: also what was stored is asked again where there was no room to keep it.
    for number in range(100):
        if (subject := advisor.ask(seen, (number // 2) * 2.0)) is not None:
            subject.took(0.1)

    assert [one.ttl_s for one in advisor.advice(100.0, 1)] == ([] if ttl_s is None else [ttl_s])


def test_of_few_questions_nothing_is_said(table: Table) -> None:
    assert advised(table, [number * 0.1 for number in range(10)]) is None


def test_what_saves_most_comes_first(table: Table) -> None:
    advisor = Advisor(0.0)
    for number in range(100):
        ask(advisor, 1, table, number / 10, b"SELECT a")
        for key in (2, 3, 4):
            ask(advisor, key, table, number / 10, b"SELECT b")

    assert [one.digest for one in advisor.advice(10.0, 5)] == [b"SELECT b", b"SELECT a"]


def test_of_many_keys_a_part_is_looked_at_that_tells_of_all(table: Table) -> None:
    advisor = Advisor(0.0)
    numbers = range(20 * MOST_KEYS)

    for now in range(10):
        looked_at = sum(ask(advisor, number, table, float(now)) for number in numbers)

    (found,) = advisor.advice(10.0, 1)
    assert 0 < looked_at <= MOST_KEYS
    # Nine of ten are found, of those that were asked since the part became smaller.
    assert found.share == pytest.approx(0.95, abs=0.05)


def test_keys_that_no_ttl_would_keep_make_room_without_a_smaller_part(table: Table) -> None:
    advisor = Advisor(0.0)

    for number in range(20 * MOST_KEYS):
        ask(advisor, number, table, float(number))

    assert advisor.mask == 0


def test_statements_that_clients_make_up_take_no_more_room_than_some(table: Table) -> None:
    advisor = Advisor(0.0)

    for number in range(2 * MOST_SUBJECTS):
        for _ in range(30):
            ask(advisor, number, table, 1.0, b"SELECT %d" % number)

    assert len(advisor.advice(1.0, 10 * MOST_SUBJECTS)) == MOST_SUBJECTS


def test_what_is_long_ago_is_forgotten(table: Table) -> None:
    advisor = Advisor(0.0)
    for number in range(100):
        ask(advisor, 1, table, number / 10, b"SELECT old")

    for round_ in range(1, 10):
        ask(advisor, 2, table, round_ * (HALF_LIFE_S + 1), b"SELECT new")

    assert advisor.advice(10 * HALF_LIFE_S, 5) == []
    assert advisor.find(1) is None
