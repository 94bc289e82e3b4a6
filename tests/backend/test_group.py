"""A group shares its reads out by weight and load, and a server that was away gets little at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dbmux.backend.group import FIRST_PART, Group
from dbmux.backend.server import Backend, BackendState
from dbmux.config.model import BackendConfig, GroupConfig
from dbmux.errors import BackendRefused, MySQLError
from dbmux.net.dial import dial


def backend(name: str, **config: Any) -> Backend:
    made = BackendConfig.model_validate({"address": "10.0.0.1", **config})
    return Backend(name, made, dial=dial, tls=None, connect_timeout_s=1.0)


def group(
    *replicas: Backend,
    clock: Callable[[], float] = lambda: 100.0,
    dice: Callable[[], float] = lambda: 0.0,
    **config: Any,
) -> Group:
    made = GroupConfig.model_validate({"primary": "p", **config})
    return Group("main", made, backend("p"), replicas, clock=clock, randomness=dice)


def shares(found: Group, reads: int) -> Counter[str]:
    """How many reads each server gets when none of them lasts."""
    return Counter(reader.name for _ in range(reads) if (reader := found.reader(0.0, ())) is not None)


def test_round_robin_heeds_weights_and_mixes() -> None:
    found = group(backend("a", weight=2), backend("b"), balance="round_robin")

    told = [found.reader(0.0, ()) for _ in range(6)]

    assert [reader.name for reader in told if reader is not None] == ["a", "b", "a", "a", "b", "a"]


@pytest.mark.parametrize(
    "lag, is_drained, why",
    [
        (0.5, False, ""),
        (6.7, False, "it is 6.7 s behind, max_lag is 2 s"),
        (None, False, "how far it is behind is not known, max_lag is 2 s"),
        (0.5, True, "it is drained"),
    ],
)
def test_why_a_replica_takes_no_reads_is_told(lag: float | None, is_drained: bool, why: str) -> None:
    replica = backend("a")
    found = group(replica, max_lag="2s")
    replica.lag_s = lag
    replica.weight = 0 if is_drained else 1

    assert found.why_unread(replica) == why
    assert found.can_read(replica) == (not why)
    assert shares(found, 1) == ({} if why else {"a": 1})


def test_the_least_busy_takes_the_next_read() -> None:
    a, b = backend("a"), backend("b")
    a.pool.busy, b.pool.busy = 3, 1

    assert shares(group(a, b), 5) == {"b": 5}


def test_a_heavy_server_is_less_busy_with_the_same_work() -> None:
    a, b = backend("a", weight=3), backend("b")
    a.pool.busy, b.pool.busy = 4, 1

    assert shares(group(a, b), 5) == {"a": 5}


def test_those_that_are_as_busy_take_turns() -> None:
    assert shares(group(backend("a"), backend("b")), 10) == {"a": 5, "b": 5}


def test_the_faster_of_two_is_taken() -> None:
    a, b = backend("a"), backend("b")
    for seconds in (0.010, 0.012):
        a.note(seconds)
    b.note(0.002)

    assert shares(group(a, b, balance="fastest"), 5) == {"b": 5}


def test_one_that_was_slow_once_is_tried_again_after_a_while() -> None:
    a, b = backend("a"), backend("b")
    a.note(0.100)
    b.note(0.001)
    found = group(a, b, balance="fastest")

    assert shares(found, 500) == {"b": 500}
    assert "a" in shares(found, 500)


def test_a_new_answer_moves_the_average_by_a_tenth() -> None:
    found = backend("a")

    found.note(1.0)
    found.note(2.0)

    assert found.latency_s == pytest.approx(1.1)


def test_a_server_that_was_away_begins_with_little_and_gets_its_share_in_the_end() -> None:
    now = 100.0
    a, b = backend("a"), backend("b")
    found = group(a, b, clock=lambda: now, balance="round_robin", slow_start="10s")
    b.up_since = 100.0

    assert shares(found, 110)["b"] == pytest.approx(110 * FIRST_PART / (1 + FIRST_PART), abs=1)
    now = 105.0
    assert shares(found, 150)["b"] == pytest.approx(50, abs=1)
    now = 110.0
    assert shares(found, 100)["b"] == pytest.approx(50, abs=1)


@pytest.mark.parametrize(
    "change",
    [
        {"state": BackendState.DOWN},
        {"is_suspect": True},
        {"lag_s": None},
        {"lag_s": 2.5},
        {"weight": 0},
        {"applied_until": 49.0},
    ],
    ids=str,
)
def test_who_cannot_take_a_read_gets_none(change: dict[str, Any]) -> None:
    a, b = backend("a"), backend("b")
    for each in (a, b):
        each.lag_s, each.applied_until = 0.5, 60.0
    for name, value in change.items():
        setattr(a, name, value)
    found = group(a, b, max_lag="2s")

    assert [found.reader(50.0, ()), found.reader(50.0, (b,))] == [b, None]


def test_when_nothing_seems_to_answer_one_that_was_not_tried_is_better_than_none() -> None:
    a, b = backend("a"), backend("b")
    found = group(a, b)
    for each in found.members:
        each.suspect()

    assert found.any_reader(()) is not None
    assert found.any_reader((found.primary, a)) is b
    assert found.any_reader(found.members) is None


class Rival:
    """Waits for a primary, and makes another one leave as soon as it is told anything."""

    deadline = 100.0

    def __init__(self, found: Group) -> None:
        self._found = found
        self.other: Rival | None = None
        self.told = 0

    def primary_found(self) -> None:
        self.told += 1
        if self.other is not None:
            self._found.cancel(self.other)

    def denied(self, error: MySQLError | BackendRefused) -> None:
        self.primary_found()


@pytest.mark.parametrize("tell", [lambda found: found.expire(100.0), Group.found_writable], ids=["too late", "found"])
def test_who_left_when_another_was_told_is_told_nothing(tell: Callable[[Group], None]) -> None:
    found = group(backend("a"), roles="auto")
    found.is_followed = True
    first, second = Rival(found), Rival(found)
    first.other = second
    assert found.wait(first)
    assert found.wait(second)

    tell(found)

    assert (first.told, second.told) == (1, 0)
    assert not found.writers
