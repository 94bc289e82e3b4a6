"""What was counted."""

from __future__ import annotations

from typing import Any

import pytest

from dbmux.mirror.tally import MOST_DIGESTS, MOST_REASONS, OTHERS, Tally, together
from dbmux.observe.histogram import Histogram
from tests.mirror.test_shadow import a_read

PAIR = {"source": "old (mariadb 10.11.6)", "target": "new (mysql 9.7.4)"}


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({}, PAIR | {"same": 1}, {"same": 1}),
        (PAIR | {"same": 2, "kinds": {"value": 1}}, PAIR | {"same": 3, "kinds": {"value": 2, "order": 1}},
         {"same": 5, "kinds": {"value": 3, "order": 1}}),
        (PAIR | {"writes": {"same": 2, "kinds": {"value": 1}}}, PAIR | {"writes": {"same": 1, "kinds": {"order": 1}}},
         {"writes": {"same": 3, "kinds": {"value": 1, "order": 1}}}),
        (PAIR | {"digests": 7}, PAIR | {"digests": 5}, {"digests": 7}),
        (PAIR | {"same": 2, "target": "new (mysql 8.0.36)"}, PAIR | {"same": 3}, {"same": 3}),
        (PAIR | {"slower": [1]}, PAIR | {"slower": [2]}, {"slower": [2]}),
    ],
    ids=["nothing before", "added", "one in the other", "kinds of statements", "another server", "a list"],
)  # fmt: skip
def test_figures_of_before_a_restart_are_added(
    before: dict[str, Any], now: dict[str, Any], told: dict[str, Any]
) -> None:
    assert together(before, now) == PAIR | told


def test_kinds_of_statements_beyond_the_limit_are_counted_together() -> None:
    tally = Tally(Histogram)

    for number in range(MOST_DIGESTS + 10):
        tally.of(a_read(digest=f"d{number}")).runs += 1

    assert len(tally.digests) == MOST_DIGESTS + 1
    assert tally.digests[OTHERS].runs == 10


def test_reasons_beyond_the_limit_are_counted_together() -> None:
    tally = Tally(Histogram)

    for number in range(MOST_REASONS + 10):
        tally.skipped(f"reason {number}")

    assert tally.told()["not_compared"][OTHERS] == 10
