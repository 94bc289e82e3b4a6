"""The judge of the cache checker finds each kind of violation, and nothing where there is none."""

from __future__ import annotations

import pytest

from tests.checker.history import History, Outcome, Read, Write
from tests.checker.judge import NOTICED_S, Promise, judge

FIRST = Write(session=0, register="r", version=1, begin=-2.0, end=-1.0)
LATE = 10.0


def write(version: int, begin: float, end: float, outcome: Outcome = Outcome.DONE, session: int = 1) -> Write:
    return Write(session=session, register="r", version=version, begin=begin, end=end, outcome=outcome)


def read(*versions: int, begin: float, end: float, session: int = 2, own: int = 0, seen: str = "mine") -> Read:
    return Read(session=session, register="r", versions=versions, begin=begin, end=end, own=own, due="mine", seen=seen)


def promises(*happened: Write | Read, staleness_s: float = 0.0) -> list[Promise]:
    history = History([FIRST])
    for each in happened:
        if isinstance(each, Write):
            history.writes.append(each)
        else:
            history.reads.append(each)
    return [violation.promise for violation in judge(history, staleness_s)]


@pytest.mark.parametrize(
    "happened",
    [
        pytest.param((read(1, begin=0, end=1),), id="what was there from the beginning"),
        pytest.param((write(2, 0, 1), read(2, begin=2, end=3)), id="what was written"),
        pytest.param((write(2, 0, 3), read(1, begin=1, end=2)), id="the old one while a write is under way"),
        pytest.param((write(2, 0, 3), read(2, begin=1, end=2)), id="the new one while a write is under way"),
        pytest.param(
            (write(2, 0, 9), read(2, begin=1, end=2), read(1, begin=3, end=4)), id="both while a write is under way"
        ),
        pytest.param((write(2, 0, 2), read(1, begin=1, end=LATE)), id="the old one by a read that began before"),
        pytest.param((write(2, 0, 1, Outcome.FAILED), read(1, begin=2, end=3)), id="nothing of what was rolled back"),
        pytest.param((write(2, 0, 1, Outcome.UNKNOWN), read(1, begin=LATE, end=LATE)), id="an unknown write's absence"),
        pytest.param(
            (write(2, 0, 1, Outcome.UNKNOWN), read(2, begin=LATE, end=LATE)), id="an unknown write's presence"
        ),
        pytest.param(
            (write(2, 0, 1, Outcome.UNKNOWN), read(1, begin=2, end=3), read(2, begin=4, end=5)),
            id="an unknown write that comes late",
        ),
        pytest.param((write(2, 3, 4), read(2, begin=1, end=2, own=2)), id="what the session has not committed yet"),
        pytest.param((write(2, 0, 1), read(2, 2, begin=2, end=3)), id="two rows that are written together"),
        pytest.param((write(2, 0, 1), read(begin=2, end=3)), id="a refusal that is due"),
    ],
)
def test_what_can_have_been_there_is_no_violation(happened: tuple[Write | Read, ...]) -> None:
    assert promises(*happened) == []


@pytest.mark.parametrize(
    "happened, promise",
    [
        pytest.param(
            (write(2, 0, 1, session=2), read(1, begin=2, end=3, session=2)),
            Promise.OWN_WRITES,
            id="a session misses its own acknowledged write",
        ),
        pytest.param(
            (write(2, 5, 6, session=2), read(1, begin=2, end=3, session=2, own=2)),
            Promise.OWN_WRITES,
            id="a session misses what its open transaction wrote",
        ),
        pytest.param(
            (write(2, 0, 1), read(1, begin=1, end=2)), Promise.ACKNOWLEDGED, id="an acknowledged write is missed"
        ),
        pytest.param(
            (write(2, 0, 1), write(3, 2, 3), write(4, 4, 9), read(2, begin=5, end=6)),
            Promise.ACKNOWLEDGED,
            id="the last acknowledged write is missed, though the one before is not",
        ),
        pytest.param(
            (write(2, 0, 1, Outcome.UNKNOWN), read(2, begin=2, end=3), read(1, begin=LATE, end=LATE)),
            Promise.ACKNOWLEDGED,
            id="an unknown write is missed after somebody saw it",
        ),
        pytest.param((read(5, begin=0, end=1),), Promise.COMMITTED, id="nobody wrote that"),
        pytest.param(
            (write(2, 0, 1, Outcome.FAILED), read(2, begin=2, end=3)), Promise.COMMITTED, id="that was rolled back"
        ),
        pytest.param((write(2, 2, 3), read(2, begin=0, end=1)), Promise.COMMITTED, id="that was not committed yet"),
        pytest.param((write(2, 0, 9), read(1, 2, begin=2, end=3)), Promise.WHOLE, id="only one of two rows was new"),
        pytest.param((read(1, begin=0, end=1, seen="hers"),), Promise.OWN_ROWS, id="those are another one's rows"),
    ],
)
def test_each_kind_of_violation_is_found(happened: tuple[Write | Read, ...], promise: Promise) -> None:
    assert promises(*happened) == [promise]


def test_an_unknown_write_counts_only_when_its_client_was_missed() -> None:
    broken = write(2, 0, 1, Outcome.UNKNOWN)
    seen = read(2, begin=1, end=1.01)
    missed = read(1, begin=1 + NOTICED_S / 2, end=LATE)

    assert promises(broken, seen, missed) == []


def test_registers_are_apart() -> None:
    other = Write(session=1, register="another", version=2, begin=0, end=1)

    assert promises(other, read(1, begin=2, end=3)) == []


def test_others_may_be_as_old_as_is_allowed_but_not_older() -> None:
    done = write(2, 0, 1)

    young = promises(done, read(1, begin=1.5, end=2), staleness_s=1.0)
    old = promises(done, read(1, begin=2.5, end=3), staleness_s=1.0)

    assert young == []
    assert old == [Promise.ACKNOWLEDGED]


def test_no_staleness_excuses_a_session_that_misses_its_own_write() -> None:
    own = write(2, 0, 1, session=2)

    assert promises(own, read(1, begin=1.5, end=2, session=2), staleness_s=LATE) == [Promise.OWN_WRITES]


def test_a_violation_shows_what_proves_it() -> None:
    history = History([FIRST, write(2, 0, 1)], [read(1, begin=2, end=3)])

    (violation,) = judge(history)

    assert str(violation) == (
        "r: older than what was acknowledged before it began\n"
        "  [0.000000 - 1.000000] session 1 wrote 2, acknowledged: \n"
        "  [2.000000 - 3.000000] session 2 read 1: "
    )
