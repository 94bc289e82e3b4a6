"""Durations are counted exactly and their percentiles told closely."""

from __future__ import annotations

import math
from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.observe.histogram import Histogram, bucket_of, middle

# Nineteen hours.
LONGEST_US = 1 << 36
DURATIONS = st.floats(0, LONGEST_US / 1e6) | st.integers(0, 10_000).map(lambda micros: micros / 1e6)


def recorded(durations: list[float]) -> Histogram:
    histogram = Histogram()
    for duration in durations:
        histogram.record(duration)
    return histogram


@given(st.lists(DURATIONS, min_size=1), st.sampled_from([0.1, 1, 10, 50, 90, 95, 99, 99.9, 100]))
def test_a_percentile_is_within_two_percent_or_a_microsecond(durations: list[float], percent: float) -> None:
    rank = max(1, math.ceil(len(durations) * percent / 100))
    exact = sorted(durations)[rank - 1]

    assert recorded(durations).percentile(percent) == pytest.approx(exact, rel=0.02, abs=1e-6)


@given(st.lists(DURATIONS))
def test_count_and_sum_are_exact(durations: list[float]) -> None:
    histogram = recorded(durations)

    assert histogram.count == len(durations)
    # One after the other: from Python 3.12 on, sum() rounds less often.
    assert histogram.sum_s == reduce(add, durations, 0.0)


@given(st.lists(DURATIONS), st.sampled_from([0.0001, 0.001, 0.01, 0.5, 1.0, 10.0]))
def test_how_many_were_at_most_so_long_is_right_to_a_buckets_width(durations: list[float], bound: float) -> None:
    below = recorded(durations).below(bound)

    assert sum(one < bound * 0.96 - 1e-6 for one in durations) <= below <= sum(one <= bound for one in durations)


@given(st.integers(0, LONGEST_US))
def test_the_bucket_of_a_duration_is_the_one_it_is_recorded_in(microseconds: int) -> None:
    assert abs(middle(bucket_of(microseconds)) - microseconds) <= max(0.5, microseconds / 64)


@given(st.lists(st.integers(0, LONGEST_US), min_size=2))
def test_longer_durations_have_later_buckets(durations: list[int]) -> None:
    in_order = sorted(durations)

    assert sorted(map(bucket_of, in_order)) == list(map(bucket_of, in_order))


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e9], ids=["of a clock set back", "nothing", "over 19 hours"])
def test_any_duration_has_a_bucket(seconds: float) -> None:
    assert recorded([seconds]).count == 1


def test_without_durations_there_is_no_percentile() -> None:
    assert Histogram().percentile(99) == 0
