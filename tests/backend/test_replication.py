"""How far a replica is, from what servers say; what is not known is never taken for good."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.backend.replication import History, Position, following, lag, parse_position, status_question
from dbmux.wire.capabilities import Capability
from dbmux.wire.handshake import Greeting

A, B = b"3e11fa47-71ca-11e1-9e33-c80aa9429562", b"3e11fa47-71ca-11e1-9e33-c80aa9429563"


@pytest.mark.parametrize(
    "text, done",
    [
        (b"", {}),
        (A + b":1-5", {A: ((1, 5),)}),
        (A + b":7", {A: ((7, 7),)}),
        (A + b":1-5:7-9:11", {A: ((1, 5), (7, 9), (11, 11))}),
        (A + b":4-5:1-3", {A: ((1, 5),)}),
        (A.upper() + b":1-2,\n" + B + b":3", {A: ((1, 2),), B: ((3, 3),)}),
        (A + b":1-2:blue:1-9", {A: ((1, 2),), A + b":blue": ((1, 9),)}),
        (b"0-1-270", {b"0": ((1, 270),)}),
        (b"0-1-270,5-2-3", {b"0": ((1, 270),), b"5": ((1, 3),)}),
        (b"mysql-bin.000003", {}),
        (A + b":x-y", {}),
    ],
)
def test_positions_are_read_as_both_families_write_them(text: bytes, done: dict[bytes, object]) -> None:
    assert parse_position(text) == Position(done)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "mine, other, has",
    [
        (A + b":1-5", A + b":1-5", True),
        (A + b":1-6", A + b":1-5", True),
        (A + b":1-4", A + b":1-5", False),
        (A + b":1-3:5-9", A + b":1-5", False),
        (A + b":1-5", A + b":1-5," + B + b":1", False),
        (A + b":1-9", A + b":1-5:blue:1", False),
        (b"0-2-270", b"0-1-270", True),
        (b"0-1-269", b"0-1-270", False),
        (b"", b"0-1-1", False),
        (b"0-1-270", b"", True),
    ],
)
def test_a_position_has_another_when_nothing_of_it_is_missing(mine: bytes, other: bytes, has: bool) -> None:
    assert parse_position(mine).has(parse_position(other)) is has


@given(st.sets(st.integers(1, 40)), st.sets(st.integers(1, 40)))
def test_having_is_being_a_superset(mine: set[int], other: set[int]) -> None:
    def position(numbers: set[int]) -> Position:
        return parse_position(b",".join(A + b":%d" % number for number in numbers))

    assert position(mine).has(position(other)) is (mine >= other)


@given(st.binary(max_size=60))
def test_any_text_is_a_position_or_none(text: bytes) -> None:
    assert isinstance(parse_position(text), Position)


def history(*samples: tuple[float, bytes]) -> History:
    made = History()
    for moment, text in samples:
        made.note(moment, parse_position(text))
    return made


def test_who_has_the_newest_sample_is_not_behind() -> None:
    assert lag(history((10.0, b"0-1-5"), (11.0, b"0-1-9")), parse_position(b"0-1-9")) == (0.0, 11.0)


def test_who_has_only_an_older_sample_is_behind_since_then() -> None:
    assert lag(history((10.0, b"0-1-5"), (11.0, b"0-1-9")), parse_position(b"0-1-8")) == (1.0, 10.0)


@pytest.mark.parametrize(
    "samples, position",
    [
        ((), b"0-1-9"),
        (((10.0, b""),), b""),
        (((10.0, b"0-1-9"),), b"0-1-3"),
        (((10.0, b"0-1-9"),), b""),
    ],
)
def test_what_is_not_known_is_no_lag_of_zero(samples: tuple[tuple[float, bytes], ...], position: bytes) -> None:
    assert lag(history(*samples), parse_position(position)) == (None, None)


def test_while_the_primary_does_not_tell_nobody_is_known_to_have_all() -> None:
    made = history((10.0, b"0-1-9"))

    made.miss(14.0)

    assert lag(made, parse_position(b"0-1-9")) == (4.0, 10.0)
    made.note(15.0, parse_position(b"0-1-9"))
    assert lag(made, parse_position(b"0-1-9")) == (0.0, 15.0)


def test_a_primary_that_gave_up_gtids_is_not_measured_by_its_old_ones() -> None:
    made = history((10.0, A + b":1-9"), (11.0, b""))

    assert lag(made, parse_position(A + b":1-9")) == (None, None)


@pytest.mark.parametrize(
    "version, question",
    [
        (b"5.7.44-log", b"SHOW SLAVE STATUS"),
        (b"8.0.21", b"SHOW SLAVE STATUS"),
        (b"8.0.22", b"SHOW REPLICA STATUS"),
        (b"9.7.4", b"SHOW REPLICA STATUS"),
        (b"10.11.19-MariaDB", b"SHOW ALL SLAVES STATUS"),
        (b"5.5.5-10.6.1-MariaDB-log", b"SHOW ALL SLAVES STATUS"),
    ],
)
def test_each_server_is_asked_in_words_that_it_knows(version: bytes, question: bytes) -> None:
    family = 0 if b"MariaDB" in version else Capability.LONG_PASSWORD
    greeting = Greeting(
        server_version=version,
        connection_id=1,
        scramble=b"x" * 20,
        capabilities=family,
        charset=45,
        status=2,
        plugin=b"",
    )

    assert status_question(greeting) == question


def test_another_primary_is_another_measure() -> None:
    made = history((10.0, b"0-1-9"))

    made.forget()

    assert made.reached(parse_position(b"0-1-9")) is None


@pytest.mark.parametrize(
    "status, seconds",
    [
        ({b"Slave_IO_Running": b"Yes", b"Slave_SQL_Running": b"Yes", b"Seconds_Behind_Master": b"3"}, 3.0),
        ({b"Replica_IO_Running": b"Yes", b"Replica_SQL_Running": b"Yes", b"Seconds_Behind_Source": b"0"}, 0.0),
        ({b"Slave_IO_Running": b"Connecting", b"Slave_SQL_Running": b"Yes", b"Seconds_Behind_Master": b"0"}, None),
        ({b"Slave_IO_Running": b"Yes", b"Slave_SQL_Running": b"No", b"Seconds_Behind_Master": b"0"}, None),
        ({b"Slave_IO_Running": b"Yes", b"Slave_SQL_Running": b"Yes", b"Seconds_Behind_Master": None}, None),
        ({}, None),
    ],
)
def test_a_replica_is_believed_only_while_both_threads_run(
    status: dict[bytes, bytes | None], seconds: float | None
) -> None:
    assert following(status).behind_s == seconds
