"""Addresses where logins fail are refused for a time that grows, and what is remembered of them is bounded."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dbmux.frontend.throttle import ADDRESSES, FIRST_S, FORGIVEN_S, LONGEST_S, WINDOW_S, Throttle, is_here, place_of

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def failing(throttle: Throttle, times: int, place: str = HERE) -> list[float]:
    return [throttle.failed(place) for _ in range(times)]


def test_an_address_is_refused_once_too_many_logins_failed_and_no_other_is() -> None:
    throttle = Throttle(3, Clock())

    told = failing(throttle, 3)

    assert told == [0.0, 0.0, FIRST_S]
    assert (throttle.refused_s(HERE), throttle.refused_s(THERE)) == (FIRST_S, 0.0)


def test_failures_longer_ago_than_a_minute_do_not_count() -> None:
    clock = Clock()
    throttle = Throttle(3, clock)
    failing(throttle, 2)

    clock.now += WINDOW_S + 1
    told = failing(throttle, 2)

    assert told == [0.0, 0.0]


def test_each_failure_after_a_pause_doubles_the_next_up_to_a_longest() -> None:
    clock = Clock()
    throttle = Throttle(1, clock)
    pauses = []

    for _ in range(11):
        pauses.append(throttle.failed(HERE))
        clock.now += throttle.refused_s(HERE)

    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_S, LONGEST_S]


def test_logins_that_were_under_way_when_it_was_refused_make_it_no_worse() -> None:
    throttle = Throttle(2, Clock())

    told = failing(throttle, 5)

    assert told == [0.0, FIRST_S, 0.0, 0.0, 0.0]
    assert throttle.refused_s(HERE) == FIRST_S


def test_a_success_makes_all_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(2, clock)
    failing(throttle, 2)
    clock.now += FIRST_S

    throttle.succeeded(HERE)

    assert failing(throttle, 2) == [0.0, FIRST_S]


def test_a_long_time_without_failures_makes_all_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(2, clock)
    failing(throttle, 2)

    clock.now += FORGIVEN_S
    told = failing(throttle, 1, THERE)

    assert told == [0.0]
    assert len(throttle) == 1


def test_nothing_is_refused_or_remembered_when_it_is_off() -> None:
    throttle = Throttle(0, Clock())

    assert failing(throttle, 100) == [0.0] * 100
    assert (throttle.refused_s(HERE), len(throttle)) == (0.0, 0)


def test_of_too_many_addresses_the_one_whose_failure_is_longest_ago_is_forgotten() -> None:
    throttle = Throttle(1, Clock())

    for number in range(ADDRESSES + 1):
        throttle.failed(str(number))

    assert len(throttle) == ADDRESSES
    assert (throttle.refused_s("0"), throttle.refused_s("1")) == (0.0, FIRST_S)


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
    ],
)
def test_what_counts_as_one_address(host: str, place: str) -> None:
    assert place_of(host) == place


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.1", True), ("::ffff:127.0.0.1", True), ("::1", True), ("10.0.0.1", False)]
)
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_here(place_of(host)) is here


class ThrottleMachine(RuleBasedStateMachine):
    """Whatever happens: nobody is refused without enough failures, for too long, or after a success."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.throttle = Throttle(3, self.clock)
        self.since_success: defaultdict[str, list[float]] = defaultdict(list)

    @rule(place=st.sampled_from([HERE, THERE]))
    def a_login_fails(self, place: str) -> None:
        before = self.throttle.refused_s(place)
        self.since_success[place].append(self.clock.now)

        pause = self.throttle.failed(place)

        assert self.throttle.refused_s(place) == (pause or before)
        assert not (before and pause)

    @rule(place=st.sampled_from([HERE, THERE]))
    def a_login_succeeds(self, place: str) -> None:
        self.throttle.succeeded(place)
        del self.since_success[place]

        assert self.throttle.refused_s(place) == 0.0

    @rule(seconds=st.sampled_from([0.5, 1.0, 30.0, WINDOW_S, FORGIVEN_S]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def who_is_refused_has_failed_often_enough_and_not_for_longer_than_the_longest(self) -> None:
        for place in (HERE, THERE):
            seconds = self.throttle.refused_s(place)
            assert 0.0 <= seconds <= LONGEST_S
            assert not seconds or len(self.since_success[place]) >= 3

    @invariant()
    def three_failures_within_a_moment_are_followed_by_a_pause(self) -> None:
        for place in (HERE, THERE):
            failures = self.since_success[place][-3:]
            if len(failures) == 3 and failures[0] == self.clock.now:
                assert self.throttle.refused_s(place) > 0.0


TestAnyOrder = ThrottleMachine.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
