"""What of a difference is still so, when its samples are run again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dbmux.differences import DifferenceKind as K
from dbmux.mirror.answer import Answer, Failure
from dbmux.mirror.catalogue import Catalogue, Expected, rule_of
from dbmux.mirror.compare import Difference
from dbmux.mirror.ledger import Entry, Sample, State
from dbmux.mirror.orders import IS_WRITE, rerun_told, run_again
from dbmux.mirror.read import NotComparedError
from tests.mirror.answers import answer, column
from tests.mirror.test_report import entry
from tests.mirror.test_shadow import FakeSide

SAMPLE = Sample(at=1.0, statement="SELECT a FROM t")
ONE, TWO = answer((b"1",)), answer((b"2",))
READ_ONLY = Answer(failure=Failure(1792, "25006", "Cannot execute statement in a READ ONLY transaction."))


def again(one: Entry, source: Answer, target: Answer, expected: Expected | None = None) -> tuple[Difference, ...]:
    sides = FakeSide("old", [source]), FakeSide("new", [target])
    return asyncio.run(run_again(one, SAMPLE, *sides, expected or Expected()))


def expecting(*kinds: str) -> Expected:
    rule = rule_of({"name": "known", "kinds": list(kinds), "why": "known"})
    return Catalogue().extended((rule,)).between("mysql 8.0.36", "mysql 8.0.36")


def test_a_difference_that_was_accepted_is_not_repaired_by_its_own_rule() -> None:
    known = replace(entry(1), place="c0", state=State.ACCEPTED)

    (found,) = again(known, ONE, TWO, expecting("value"))

    assert (found.kind, found.column) == (K.VALUE, "c0")


def test_what_else_is_expected_is_left_out() -> None:
    columns = (column("b"),)
    renamed = answer((b"1",), columns=columns)

    assert again(entry(1), ONE, renamed, expecting("column name")) == ()


@pytest.mark.parametrize(("seconds", "is_slower"), [(0.05, True), (0.011, False)])
def test_a_plan_is_judged_by_the_time_that_it_takes_now(seconds: float, is_slower: bool) -> None:
    found = again(entry(1, K.PLAN), replace(ONE, seconds=0.01), replace(ONE, seconds=seconds))

    assert [one.kind for one in found] == [K.PLAN] * is_slower


def test_a_write_is_not_called_equal_because_both_refuse_it() -> None:
    with pytest.raises(NotComparedError, match=IS_WRITE):
        again(entry(1), READ_ONLY, READ_ONLY)


@pytest.mark.parametrize(
    ("kinds", "state", "told"),
    [
        ([(), ()], State.REPAIRED, "difference 7: both servers answer alike now, it is repaired"),
        ([(K.VALUE,), ()], State.NEW, "difference 7: still different in 1 of 2 samples, it is new"),
        (
            [(K.ORDER,)],
            State.REPAIRED,
            "difference 7: it does not differ in that any more, it is repaired; what differs now: order",
        ),
    ],
)
def test_what_came_of_it_is_said(kinds: list[tuple[K, ...]], state: State, told: str) -> None:
    found = {str(at): tuple(Difference(kind=kind) for kind in many) for at, many in enumerate(kinds)}

    assert rerun_told(entry(7, state=state), found) == told
