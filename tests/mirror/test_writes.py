"""Writes that are tried out on the target: what of its answers says anything, what is believed, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dbmux.backend.reading import Statement
from dbmux.differences import DifferenceKind as K
from dbmux.mirror.answer import Answer, Failure
from dbmux.mirror.catalogue import Catalogue, Expected, rule_of
from dbmux.mirror.ledger import Finding
from dbmux.mirror.read import NotComparedError
from dbmux.mirror.settings import Family
from dbmux.mirror.side import KEEPS, NotAsked
from dbmux.mirror.surroundings import BEHIND, Surroundings
from dbmux.mirror.write import HAS_IT, OF_OTHERS, UNSTEADY, Write, differs
from dbmux.mirror.writes import FULL, MOST_WAITING, Writes
from dbmux.observe.histogram import Histogram
from dbmux.session import SessionState
from dbmux.sync.table import TableName
from tests.mirror.test_shadow import FakeFairness, FakeSide, a_read

NOW, BEGUN, ENDED = 1000.0, 990.0, 991.0
DUPLICATE = Failure(1062, "23000", "Duplicate entry '1' for key 'PRIMARY'")
SYNTAX = Failure(1064, "42000", "You have an error in your SQL syntax")
TOO_LONG = Failure(1406, "22001", "Data too long for column 'a'")
LOCKED = Failure(1205, "HY000", "Lock wait timeout exceeded")
NO_PARENT = Failure(1452, "23000", "a foreign key constraint fails")


def rows(count: int) -> Answer:
    return Answer(affected_rows=count)


def failed(failure: Failure) -> Answer:
    return Answer(failure=failure)


def a_write(answer: Answer, *, has_values: bool = False) -> Write:
    read = a_read(b"UPDATE t SET a = 1 WHERE b = 2")
    tables = (TableName("shop", "t"), TableName("shop", "u"))
    return Write(read=read, tables=tables, answer=answer, begun=BEGUN, ended=ENDED, has_values=has_values)


@dataclass
class FakeTarget:
    """A server that answers in turn, the last answer for ever."""

    answers: list[Answer | Exception]
    family: Family = Family.MYSQL
    tried: list[tuple[Any, ...]] = field(default_factory=list)
    is_closed: bool = False

    async def try_out(
        self, statement: Statement, user: str, state: SessionState, tables: Sequence[TableName], capabilities: int
    ) -> Answer:
        self.tried.append((statement.text, user, tables, capabilities))
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(told, Exception):
            raise told
        return told

    def close(self) -> None:
        self.is_closed = True


class WriteStage:
    """Writes of a mirror to a fake target; what is recorded is kept."""

    def __init__(
        self, answers: list[Answer | Exception], fairness: FakeFairness | None = None, expected: Expected | None = None
    ) -> None:
        self.target = FakeTarget(answers)
        self.findings: list[Finding] = []
        around = Surroundings(
            fairness=fairness or FakeFairness(),
            record=self._record,
            durations=Histogram,
            random=lambda: 0.0,
            clock=lambda: 100.0,
            now=lambda: NOW,
            pause=self._pause,
        )

        async def met() -> Expected:
            return expected or Expected()

        self.parts = ("upgrade", FakeSide("old", []), self.target, met, around)
        self.writes = Writes(*self.parts, 1.0)

    def look(self, write: Write) -> dict[str, Any]:
        asyncio.run(self.writes.look(write))
        return self.writes.tally.told()

    async def _record(self, finding: Finding) -> None:
        self.findings.append(finding)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.mark.parametrize("is_steady", [True, False])
@pytest.mark.parametrize("answer", [rows(3), rows(0), failed(DUPLICATE), failed(LOCKED)])
def test_what_is_the_same_is_the_same_whatever_was_written_meanwhile(answer: Answer, is_steady: bool) -> None:
    assert differs(a_write(answer), answer, is_steady=is_steady) is None


def test_the_same_error_in_other_words_is_the_same() -> None:
    in_other_words = DUPLICATE._replace(message="Duplicate entry '1' for key 't.PRIMARY'")

    assert differs(a_write(failed(DUPLICATE)), failed(in_other_words), is_steady=True) is None


@pytest.mark.parametrize(
    ("source", "target", "has_values", "kind"),
    [
        (rows(1), failed(SYNTAX), False, K.ERROR_AT_TARGET),
        (rows(1), failed(TOO_LONG), True, K.ERROR_AT_TARGET),
        (failed(TOO_LONG), rows(1), True, K.ERROR_AT_SOURCE),
        (failed(SYNTAX), failed(TOO_LONG), True, K.ERROR_CODE),
    ],
)
def test_what_follows_from_the_statement_alone_differs_whatever_was_written_meanwhile(
    source: Answer, target: Answer, has_values: bool, kind: K
) -> None:
    found = differs(a_write(source, has_values=has_values), target, is_steady=False)

    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize(
    ("source", "target", "kind", "why"),
    [
        (rows(0), rows(2), K.AFFECTED_ROWS, UNSTEADY),
        (failed(DUPLICATE), rows(1), K.ERROR_AT_SOURCE, UNSTEADY),
        (rows(0), failed(DUPLICATE), K.ERROR_AT_TARGET, HAS_IT),
        (failed(TOO_LONG), rows(1), K.ERROR_AT_SOURCE, UNSTEADY),
    ],
)
def test_what_follows_from_rows_differs_only_where_these_are_as_they_were(
    source: Answer, target: Answer, kind: K, why: str
) -> None:
    found = differs(a_write(source), target, is_steady=True)

    assert found is not None
    assert found.kind is kind
    with pytest.raises(NotComparedError, match=why):
        differs(a_write(source), target, is_steady=False)


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        (rows(1), rows(0), HAS_IT),
        (rows(1), failed(DUPLICATE), HAS_IT),
        (rows(1), failed(LOCKED), OF_OTHERS),
        (failed(NO_PARENT), rows(1), OF_OTHERS),
    ],
)
def test_what_the_target_has_already_or_others_cause_says_nothing(source: Answer, target: Answer, why: str) -> None:
    with pytest.raises(NotComparedError, match=why):
        differs(a_write(source), target, is_steady=False)


def test_a_difference_is_recorded_when_the_target_answers_so_twice() -> None:
    stage = WriteStage([failed(SYNTAX)])

    told = stage.look(a_write(rows(1)))

    assert (told["different"], told["kinds"], len(stage.target.tried)) == (1, {"error at target": 1}, 2)
    (finding,) = stage.findings
    assert (finding.mirror, finding.kind, finding.source) == ("upgrade", K.ERROR_AT_TARGET, "no error")
    assert '"affected_rows": 1' in finding.sample.source
    assert '"number": 1064' in finding.sample.target


def test_what_it_answers_only_once_is_no_difference() -> None:
    stage = WriteStage([failed(SYNTAX), rows(1)])

    told = stage.look(a_write(rows(1)))

    assert (told["transient"], stage.findings) == (1, [])


def test_what_is_expected_is_not_recorded() -> None:
    rule = rule_of({"name": "known", "kinds": ["error at target"], "why": "known"})
    expected = Catalogue().extended((rule,)).between("mysql 8.0.36", "mysql 9.1.0")
    stage = WriteStage([failed(SYNTAX)], expected=expected)

    assert (stage.look(a_write(rows(1)))["expected"], stage.findings) == (1, [])


@pytest.mark.parametrize(
    ("written", "told"),
    [([BEGUN - 1], "different"), ([BEGUN - 1, BEGUN], UNSTEADY), ([BEGUN - 1, BEGUN - 1, BEGUN], UNSTEADY)],
)
def test_a_write_to_one_of_its_tables_since_it_began_makes_it_unfair(written: list[float], told: str) -> None:
    stage = WriteStage([rows(5)], FakeFairness(written=written))

    found = stage.look(a_write(rows(0)))

    assert found["different"] == (told == "different")
    assert list(found["not_compared"]) == ([] if told == "different" else [told])


@pytest.mark.parametrize(
    ("stage", "why"),
    [
        (WriteStage([rows(1)], FakeFairness(applied=[ENDED - 1])), BEHIND),
        (WriteStage([NotAsked(KEEPS)]), KEEPS),
        (WriteStage([ValueError("a bug")]), "it failed for an unforeseen reason (ValueError)"),
    ],
)
def test_what_cannot_be_tried_is_counted_with_the_reason(stage: WriteStage, why: str) -> None:
    told = stage.look(a_write(rows(1)))

    assert (told["not_compared"], told["compared"], stage.findings) == ({why: 1}, 0, [])


def test_what_is_offered_is_tried_one_after_the_other_and_what_there_is_no_room_for_is_counted() -> None:
    stage = WriteStage([rows(1)])

    async def scenario() -> None:
        for _ in range(MOST_WAITING + 3):
            stage.writes.offer(replace(a_write(rows(1)), capabilities=2))
        working = asyncio.create_task(stage.writes.run())
        while len(stage.target.tried) < MOST_WAITING:  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    asyncio.run(scenario())

    told = stage.writes.tally.told()
    assert (told["chosen"], told["same"], told["not_compared"]) == (MOST_WAITING + 3, MOST_WAITING, {FULL: 3})
    assert stage.target.is_closed
    assert stage.target.tried[0][2:] == (a_write(rows(1)).tables, 2)
