"""Shadow reads: when two answers are compared, what is believed, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import pytest

from dbmux.backend.reading import Statement
from dbmux.differences import DifferenceKind as K
from dbmux.mirror import shadow as module
from dbmux.mirror.answer import Answer, Failure
from dbmux.mirror.catalogue import Catalogue, rule_of, shipped
from dbmux.mirror.ledger import Finding, Unusable
from dbmux.mirror.read import Read
from dbmux.mirror.settings import Family
from dbmux.mirror.shadow import Shadow
from dbmux.mirror.side import NotAsked
from dbmux.mirror.surroundings import BEHIND, NO_LEDGER, PAUSE_S, Surroundings
from dbmux.observe.histogram import Histogram
from dbmux.query import Access, Kind, Query
from dbmux.session import SessionState
from dbmux.sync.table import TableName
from dbmux.wire.columns import FieldType
from dbmux.wire.statements import Execute, ParameterType
from tests.mirror.answers import answer, column

ONE, TWO = answer((b"1",)), answer((b"2",))
DENIED = Answer(failure=Failure(1142, "42000", "SELECT command denied"))
SLOW = Answer(failure=Failure(3024, "HY000", "maximum statement execution time exceeded"))
NOW = 1000.0
TEXT = b"SELECT a FROM t WHERE b = 1"


@dataclass
class FakeSide:
    """A server that answers in turn, the last answer for ever."""

    name: str
    answers: list[Answer | Exception]
    family: Family = Family.MYSQL
    version: str = "mysql 8.0.36"
    asked: list[tuple[bytes, SessionState]] = field(default_factory=list)
    by_text: dict[bytes, Answer] = field(default_factory=dict)
    is_closed: bool = False

    async def meet(self) -> None:
        await asyncio.sleep(0)

    async def ask(self, statement: Statement, user: str, state: SessionState) -> Answer:
        self.asked.append((statement.text, state))
        if statement.text in self.by_text:
            return self.by_text[statement.text]
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(told, Exception):
            raise told
        return told

    async def explain(self, statement: Statement, user: str, state: SessionState) -> str:
        return f"plan of {self.name}"

    def close(self) -> None:
        self.is_closed = True


@dataclass
class FakeFairness:
    """Whether tables stay as they are, and how far the target is: each in turn, the last for ever."""

    fair: list[bool] = field(default_factory=lambda: [True])
    applied: list[float] = field(default_factory=lambda: [inf])
    written: list[float] = field(default_factory=lambda: [inf])
    hurried: int = 0

    def capture(self, read: Read) -> object:
        return None

    def is_fair(self, read: Read, since: object) -> bool:
        return self.fair.pop(0) if len(self.fair) > 1 else self.fair[0]

    def applied_until(self) -> float:
        return self.applied.pop(0) if len(self.applied) > 1 else self.applied[0]

    def hurry(self) -> None:
        self.hurried += 1

    def written_at(self, table: TableName) -> float:
        return self.written.pop(0) if len(self.written) > 1 else self.written[0]


class Stage:
    """A shadow between two fake servers; what it records is kept."""

    def __init__(
        self,
        source: list[Answer | Exception] | Answer,
        target: list[Answer | Exception] | Answer,
        fairness: FakeFairness | None = None,
        catalogue: Catalogue | None = None,
        record: Callable[[Finding], Any] | None = None,
    ) -> None:
        self.source = FakeSide("old", source if isinstance(source, list) else [source])
        self.target = FakeSide("new", target if isinstance(target, list) else [target])
        self.findings: list[Finding] = []
        self.pauses: list[float] = []
        self.around = Surroundings(
            fairness=fairness or FakeFairness(),
            record=self._record,
            durations=Histogram,
            random=lambda: 0.0,
            clock=lambda: 100.0,
            now=lambda: NOW,
            pause=self._pause,
        )
        self._refuse = record
        self.shadow = Shadow("upgrade", self.source, self.target, catalogue or Catalogue(), self.around, 1.0)

    def look(self, *reads: Read) -> dict[str, Any]:
        async def scenario() -> None:
            for one in reads or (a_read(),):
                await self.shadow.look(one)

        asyncio.run(scenario())
        return self.shadow.tally.told()

    @property
    def kinds(self) -> list[K]:
        return [one.kind for one in self.findings]

    async def _record(self, finding: Finding) -> None:
        if self._refuse is not None:
            self._refuse(finding)
        self.findings.append(finding)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def a_read(text: bytes = TEXT, digest: str = "d1", **more: Any) -> Read:
    return Read(statement=Statement(text), digest=digest, text=text.decode(), user="app", state=SessionState(), **more)


def test_equal_answers_are_the_same_and_nothing_is_recorded() -> None:
    stage = Stage(ONE, ONE)

    told = stage.look()

    assert (told["same"], told["compared"], stage.findings) == (1, 1, [])
    assert len(stage.source.asked) == len(stage.target.asked) == 1


def test_unequal_answers_are_asked_for_again_before_they_are_recorded() -> None:
    stage = Stage(ONE, TWO)

    told = stage.look()

    # And the source once more, so that the target's answer is between two of its own.
    assert (len(stage.source.asked), len(stage.target.asked)) == (3, 2)
    assert (told["different"], told["kinds"]) == (1, {"value": 1})
    (finding,) = stage.findings
    assert (finding.kind, finding.source, finding.target, finding.digest) == (K.VALUE, "1", "2", "d1")
    assert '"rows": [["1"]]' in finding.sample.source
    assert '"rows": [["2"]]' in finding.sample.target


def test_what_is_equal_the_second_time_is_no_difference() -> None:
    stage = Stage([ONE, TWO], TWO)

    told = stage.look()

    assert (told["transient"], told["different"], stage.findings) == (1, 0, [])


def test_only_what_differs_both_times_is_recorded() -> None:
    columns = (column("a"), column("b"))
    first = answer((b"1", b"x"), columns=columns)
    stage = Stage(first, [answer((b"2", b"X"), columns=columns), answer((b"1", b"X"), columns=columns)])

    stage.look()

    assert stage.kinds == [K.LETTER_CASE]


@pytest.mark.parametrize(
    ("stage", "why"),
    [
        (Stage([ONE, TWO] * 6, answer((b"3",))), module.UNSTEADY),
        (Stage([ONE, ONE, TWO, ONE, TWO, ONE, TWO], TWO), module.UNSTEADY),
        (Stage([ValueError("a bug")], TWO), "it failed for an unforeseen reason (ValueError)"),
        (Stage(ONE, [TWO, answer((b"1", b"2"))] * 3), module.UNSETTLED),
        (Stage(ONE, TWO, FakeFairness(fair=[False])), module.WRITTEN),
        (Stage(ONE, TWO, FakeFairness(applied=[NOW - 10])), BEHIND),
        (Stage([NotAsked("old cannot be reached")], TWO), "old cannot be reached"),
        (Stage(DENIED, DENIED), module.DENIED),
        (Stage(ONE, DENIED), module.DENIED),
        (Stage(ONE, SLOW), module.TOO_LONG),
        (Stage(ONE, replace(ONE, is_cut=True)), "the answer is too large to be compared whole"),
    ],
)
def test_what_cannot_be_compared_is_counted_with_the_reason(stage: Stage, why: str) -> None:
    told = stage.look()

    assert told["not_compared"] == {why: 1}
    assert (told["compared"], stage.findings) == (0, [])


def test_a_source_that_was_written_while_it_was_asked_is_asked_again() -> None:
    differs, agrees = Stage([ONE, TWO], [answer((b"3",))]), Stage([ONE, TWO], [answer((b"3",)), ONE, TWO])

    # What the target answers is between equal answers of the source, the third time.
    assert differs.look()["different"] == 1
    assert (agrees.look()["transient"], agrees.findings) == (1, [])


def test_a_write_between_is_waited_out() -> None:
    stage = Stage([TWO, ONE], ONE, FakeFairness(fair=[False, True]))

    told = stage.look()

    assert (told["same"], told["transient"]) == (1, 0)


def test_a_target_that_is_behind_is_waited_for() -> None:
    stage = Stage(ONE, ONE, FakeFairness(applied=[NOW - 10, NOW - 10, NOW - 1]))

    told = stage.look()

    assert told["same"] == 1
    assert stage.pauses == [PAUSE_S] * 2
    assert isinstance(stage.around.fairness, FakeFairness)
    assert stage.around.fairness.hurried == 1


def test_a_difference_is_believed_only_when_the_target_has_surely_caught_up() -> None:
    stage = Stage(ONE, [TWO, ONE], FakeFairness(applied=[NOW - 1, NOW - 1, NOW]))

    told = stage.look()

    assert (told["transient"], stage.findings) == (1, [])
    assert stage.pauses == [PAUSE_S]


def test_what_is_expected_between_the_versions_is_counted_by_its_rule() -> None:
    double = (column("a", FieldType.DOUBLE),)
    source, target = answer((b"1000000000000000",), columns=double), answer((b"1e15",), columns=double)
    stage = Stage(source, target, catalogue=shipped())
    stage.source.version, stage.source.family = "mariadb 10.11.6", Family.MARIADB

    told = stage.look()

    assert (told["expected"], told["expected_by"], stage.findings) == (1, {"text of floats": 1}, [])


def test_rules_can_be_added_while_it_runs() -> None:
    stage = Stage(ONE, TWO)
    stage.look()
    stage.shadow.extend(Catalogue((rule_of({"kinds": ["value"], "digest": TEXT.decode(), "why": "known"}),)))

    told = stage.look(replace(a_read(), text="SELECT a FROM t WHERE b = ?"))

    assert (told["different"], told["expected"]) == (1, 1)


class TestLimit:
    """Which rows a LIMIT takes is open, unless the order is whole."""

    WHOLE, LIMITED = b"SELECT a FROM t", b"SELECT a FROM t LIMIT 1"
    ALL = answer((b"1",), (b"2",))

    def stage(self, whole: Answer) -> Stage:
        stage = Stage(ONE, TWO)
        for side in (stage.source, stage.target):
            side.by_text[self.WHOLE] = self.ALL
            side.by_text[self.WHOLE + b" ORDER BY c"] = self.ALL
        stage.target.by_text[self.WHOLE] = whole
        return stage

    def test_without_an_order_it_is_no_difference_when_all_rows_are_the_same(self) -> None:
        stage = self.stage(self.ALL)

        told = stage.look(a_read(self.LIMITED))

        assert (told["not_compared"], stage.findings) == ({module.OPEN_LIMIT: 1}, [])

    def test_with_an_order_it_is_a_difference_of_its_own(self) -> None:
        stage = self.stage(self.ALL)

        stage.look(a_read(self.WHOLE + b" ORDER BY c LIMIT 1"))

        assert stage.kinds == [K.LIMIT]

    def test_when_the_rows_differ_without_it_that_is_the_difference(self) -> None:
        stage = self.stage(answer((b"1",), (b"3",)))

        stage.look(a_read(self.LIMITED))

        assert stage.kinds == [K.VALUE]

    def test_when_all_rows_are_too_many_it_stays_open(self) -> None:
        stage = self.stage(replace(self.ALL, is_cut=True))

        told = stage.look(a_read(self.LIMITED))

        assert told["not_compared"] == {module.LIMIT_UNKNOWN: 1}

    def test_arguments_of_the_limit_go_with_it(self) -> None:
        integer = ParameterType(FieldType.LONG)
        execution = Execute(statement=1, types=(integer,) * 2, values=(7, 1))
        read = a_read(b"SELECT a FROM t WHERE b = ? LIMIT ?")

        whole = replace(read, statement=Statement(read.statement.text, execution)).widened()

        assert whole is not None
        assert whole.statement.text == b"SELECT a FROM t WHERE b = ?"
        assert whole.statement.execution is not None
        assert (whole.statement.execution.values, whole.statement.execution.types) == ((7,), (integer,))


def timed(seconds: float) -> Answer:
    return replace(ONE, seconds=seconds)


def test_a_statement_that_is_slower_is_told_once_with_both_plans() -> None:
    stage = Stage(timed(0.01), timed(0.05))

    told = stage.look(*[a_read()] * 30)

    assert stage.kinds == [K.PLAN]
    assert (stage.findings[0].sample.source, stage.findings[0].sample.target) == ("plan of old", "plan of new")
    (slow,) = told["slower"]
    assert (slow["runs"], round(slow["source_p50"], 2), round(slow["target_p50"], 2)) == (30, 0.01, 0.05)


@pytest.mark.parametrize(("here", "there", "runs"), [(0.01, 0.015, 50), (0.0001, 0.0005, 50), (0.01, 0.05, 19)])
def test_a_little_slower_or_seldom_is_not_told(here: float, there: float, runs: int) -> None:
    stage = Stage(timed(here), timed(there))

    assert stage.look(*[a_read()] * runs)["slower"] == []
    assert stage.kinds == []


def test_the_session_s_state_goes_along_in_the_words_of_each_family() -> None:
    stage = Stage(ONE, ONE)
    stage.source.family = Family.MARIADB
    mode = (("sql_mode", b"'ANSI_QUOTES,NO_AUTO_CREATE_USER'"),)

    stage.look(replace(a_read(), state=SessionState(schema=b"shop", variables=mode)))

    assert stage.source.asked == [(TEXT, SessionState(schema=b"shop", variables=mode))]
    assert stage.target.asked == [(TEXT, SessionState(schema=b"shop", variables=(("sql_mode", b"'ANSI_QUOTES'"),)))]


def test_a_statement_without_its_limit_does_not_count_among_the_times() -> None:
    stage = Stage(ONE, TWO)
    stage.source.by_text[b"SELECT a FROM t"] = stage.target.by_text[b"SELECT a FROM t"] = timed(9.0)

    stage.look(a_read(b"SELECT a FROM t LIMIT 1"))

    assert stage.shadow.tally.digests["d1"].source.percentile(100) < 1.0


def test_a_prepared_statement_is_kept_with_its_arguments_in_it() -> None:
    execution = Execute(statement=1, types=(ParameterType(FieldType.VAR_STRING),), values=(b"it's",))
    stage = Stage(ONE, TWO)

    stage.look(replace(a_read(), statement=Statement(b"SELECT a FROM t WHERE b = ?", execution)))

    assert stage.findings[0].sample.statement == "SELECT a FROM t WHERE b = 'it''s'"


def test_a_ledger_that_cannot_be_written_is_counted() -> None:
    def refuse(finding: Finding) -> None:
        raise Unusable("the disk is full")

    assert Stage(ONE, TWO, record=refuse).look()["not_compared"] == {NO_LEDGER: 1}


def test_what_there_is_no_room_for_is_dropped_and_counted() -> None:
    stage = Stage(ONE, ONE)

    for number in range(module.MOST_WAITING + 5):
        stage.shadow.offer(a_read(digest=f"d{number}"))

    assert stage.shadow.waiting == module.MOST_WAITING
    assert stage.shadow.tally.told()["not_compared"] == {module.FULL: 5}


def test_a_frequent_statement_leaves_room_for_others() -> None:
    stage = Stage(ONE, ONE)

    for _ in range(module.MOST_WAITING):
        stage.shadow.offer(a_read())
    stage.shadow.offer(a_read(digest="rare"))

    assert stage.shadow.waiting == module.MOST_OF_A_DIGEST + 1
    assert stage.shadow.tally.told()["spared"] == module.MOST_WAITING - module.MOST_OF_A_DIGEST
    assert stage.shadow.tally.told()["not_compared"] == {}


def test_when_many_wait_only_the_first_of_a_kind_are_still_wanted() -> None:
    stage, often = Stage(ONE, ONE), Query(kind=Kind.SELECT, access=Access.READ)
    wanted = [stage.shadow.wants(often) for _ in range(10)]
    for number in range(module.MOST_OF_THE_SHARE):
        stage.shadow.offer(a_read(digest=f"d{number}"))

    wanted += [stage.shadow.wants(often) for _ in range(10)]

    assert wanted == [True] * 10 + [False] * 10
    assert stage.shadow.wants(Query(kind=Kind.SELECT, access=Access.READ))
    assert stage.shadow.tally.told()["spared"] == 10


def test_the_workers_take_what_is_offered_and_end_with_the_task() -> None:
    stage = Stage(ONE, ONE)

    async def scenario() -> None:
        task = asyncio.create_task(stage.shadow.run())
        for number in range(100):
            stage.shadow.offer(a_read(digest=f"d{number % 7}"))
        while stage.shadow.tally.outcomes.total() < 100:  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(scenario(), 10))

    assert stage.shadow.tally.told()["same"] == 100
    assert stage.source.is_closed
    assert stage.target.is_closed


def test_ten_thousand_reads_without_a_difference_report_none() -> None:
    columns = (column("a"),)
    stage = Stage(answer((b"1",), (b"2",), columns=columns), answer((b"2",), (b"1",), columns=columns))

    told = stage.look(*[a_read()] * 10_000)

    assert (told["same"], told["not_compared"], stage.findings) == (10_000, {}, [])


def test_after_many_rows_a_worker_rests_for_longer() -> None:
    many = answer(*[(b"x",)] * 300)
    rests: list[float] = []

    async def scenario(one: Answer) -> None:
        stage = Stage(one, one)
        stage.shadow.offer(a_read())
        working = asyncio.create_task(stage.shadow.run())
        while not stage.pauses:  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0)
        working.cancel()
        rests.append(stage.pauses[0])

    asyncio.run(scenario(ONE))
    asyncio.run(scenario(many))

    assert rests == [module.REST_S + rows * module.REST_A_ROW_S for rows in (2, 600)]
