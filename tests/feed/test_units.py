"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.config import units
from dbmux.feed.units import count, duration, many, rate, share, size


@pytest.mark.parametrize(
    "seconds, shown",
    [
        (0.0, "0µs"),
        (0.000012, "12µs"),
        (0.00042, "0.4ms"),
        (0.0123, "12ms"),
        (3.2, "3.20s"),
        (42.04, "42.0s"),
        (252, "4m12s"),
        (11100, "3h05m"),
        (190000, "2d04h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    "number, shown",
    [(0, "0B"), (999, "999B"), (1000, "1.0kB"), (1234, "1.2kB"), (48 << 20, "48MB"), (2000 << 40, "2000TB")],
)
def test_sizes(number: float, shown: str) -> None:
    assert size(number) == shown


@pytest.mark.parametrize("written", ["512kB", "64MB", "2GB"])
def test_a_size_is_shown_as_the_configuration_has_it(written: str) -> None:
    assert size(units.size(written)) == written.replace("2GB", "2.0GB")


@pytest.mark.parametrize("number, shown", [(0, "0"), (48102, "48,102"), (1_240_000, "1.24M"), (2.5e9, "2.50G")])
def test_counts(number: float, shown: str) -> None:
    assert count(number) == shown


@pytest.mark.parametrize(
    "number, shown", [(0, "0 rows"), (1, "1 row"), (1.2, "1 row"), (2, "2 rows"), (48102, "48,102 rows")]
)
def test_one_of_something_is_one(number: float, shown: str) -> None:
    assert many(number, "row") == shown


def test_rates_and_shares() -> None:
    assert [rate(0), rate(0.42), rate(1240)] == ["0", "0.4", "1,240"]
    assert [share(1, 0), share(1, 3), share(0, 3), share(1, 40)] == ["-", "33%", "0%", "2.5%"]


@given(st.floats(0, 1e9))
def test_durations_are_short(seconds: float) -> None:
    assert len(duration(seconds)) <= 7 or seconds > 100 * 86400
