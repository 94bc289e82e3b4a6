"""The same lookup again and again, found while it happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.events import KEPT, NOBODY, QueryFinished
from dbmux.feed import nplus1
from dbmux.feed.comments import origin
from dbmux.feed.notes import EngineNotes
from dbmux.feed.nplus1 import MOST_FINDINGS, MOST_PROCESSES, WINDOW_S, Detector, Finding, Scope
from dbmux.feed.row import Row
from dbmux.lexer import digest
from dbmux.planner.planner import Planner
from dbmux.routes import ONLY
from dbmux.wire import packet
from dbmux.wire.commands import Command


@dataclass(frozen=True)
class Ran:
    """A finished statement: a lookup of a comment unless it says otherwise."""

    sql: str = "SELECT * FROM comments WHERE post_id = 1"
    at: float = 0.0
    session: int = 1
    transaction: int = 0
    seconds: float = 0.001
    command: str = "query"
    kind: str = "select"
    tables: tuple[str, ...] = ("comments",)
    user: str = "shop"
    client: str = "10.0.0.9:4000"
    app: str = ""
    trace: str = ""
    site: str = ""
    event: None = None
    digest_text: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest_text", digest(self.sql.encode(), 0, 0).decode())

    @property
    def digest(self) -> str:
        return self.digest_text


LOOKUP = Ran()


def lookups(count: int, like: Ran = LOOKUP, every: float = 0.01) -> list[Ran]:
    """So many of them, each of another post."""
    return [
        replace(like, sql=like.sql.replace("= 1", f"= {number}"), at=like.at + every * number)
        for number in range(count)
    ]


def seen(rows: Sequence[nplus1.Ran], detector: Detector | None = None) -> list[int]:
    detector = detector or Detector()
    return [detector.seen(row) for row in rows]


def found(rows: list[Ran]) -> list[Finding]:
    detector = Detector()
    seen(rows, detector)
    return detector.findings()


def test_a_lookup_is_told_from_the_fifth_time_on() -> None:
    assert seen(lookups(7)) == [0, 0, 0, 0, 5, 6, 7]


def test_how_often_and_how_fast_can_be_said() -> None:
    assert seen(lookups(4), Detector(times=3)) == [0, 0, 3, 4]
    assert seen(lookups(6, every=1.0), Detector(window_s=10.0)) == [0, 0, 0, 0, 5, 6]
    with pytest.raises(ValueError, match="2 or more"):
        Detector(times=1)


def test_the_very_same_again_is_no_loop_but_one_for_the_cache() -> None:
    assert seen([replace(LOOKUP, at=number / 100) for number in range(20)]) == [0] * 20


def test_what_is_asked_now_and_then_is_none() -> None:
    assert seen(lookups(9, every=0.3)) == [0] * 9


def test_a_run_ends_when_it_pauses() -> None:
    assert seen([*lookups(6), *lookups(6, replace(LOOKUP, at=5.0))]) == [0, 0, 0, 0, 5, 6] * 2


def test_a_clock_that_is_set_back_ends_a_run() -> None:
    assert seen([*lookups(5, replace(LOOKUP, at=3600.0)), *lookups(5)]) == [0, 0, 0, 0, 5] * 2


@pytest.mark.parametrize(
    "like",
    [
        pytest.param(replace(LOOKUP, kind="update"), id="a write"),
        pytest.param(replace(LOOKUP, tables=()), id="no table"),
        pytest.param(replace(LOOKUP, command="prepare"), id="a preparation"),
    ],
)
def test_only_reads_of_tables_are_lookups(like: Ran) -> None:
    assert seen(lookups(9, like)) == [0] * 9


@pytest.mark.parametrize(
    ("rows", "scope"),
    [
        pytest.param(
            [replace(row, session=number, trace="4bf9") for number, row in enumerate(lookups(5))],
            Scope.TRACE,
            id="a trace over several sessions",
        ),
        pytest.param([replace(row, transaction=7) for row in lookups(5)], Scope.TRANSACTION, id="a transaction"),
        pytest.param(lookups(5), Scope.SESSION, id="a session"),
        pytest.param(
            [replace(row, session=number % 3, app="shop") for number, row in enumerate(lookups(5))],
            Scope.PROCESS,
            id="an application that shares its sessions",
        ),
    ],
)
def test_what_belongs_together(rows: list[Ran], scope: Scope) -> None:
    assert seen(rows)[-1] == 5
    assert [finding.scope for finding in found(rows)] == [scope]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([replace(row, trace=f"{number}") for number, row in enumerate(lookups(9))], id="other traces"),
        pytest.param(
            [replace(row, transaction=number + 1) for number, row in enumerate(lookups(9))], id="transactions"
        ),
        pytest.param([replace(row, session=number) for number, row in enumerate(lookups(9))], id="no application"),
        pytest.param(
            [replace(row, session=n, app="shop", client=f"10.0.0.{n}:4") for n, row in enumerate(lookups(9))],
            id="other machines",
        ),
        pytest.param(
            [replace(row, session=n, app="shop", site=f"{n}") for n, row in enumerate(lookups(9))], id="other places"
        ),
        pytest.param(
            [
                each
                for n, row in enumerate(lookups(9))
                for each in (replace(row, session=n, app="shop"), Ran(kind="insert", session=n, app="shop"))
            ],
            id="many clients' requests, each with more than one statement",
        ),
    ],
)
def test_what_does_not_belong_together(rows: list[Ran]) -> None:
    assert set(seen(rows)) == {0}


def test_a_finding_says_what_how_often_and_what_it_cost() -> None:
    rows = lookups(6, replace(LOOKUP, app="shop", site="app/posts.py:12"))
    pause = lookups(5, replace(LOOKUP, app="shop", site="app/posts.py:12", at=9.0))

    (finding,) = found([*rows, *pause])

    assert finding.digest_text == "SELECT * FROM comments WHERE post_id = ?"
    assert (finding.app, finding.site, finding.count, finding.runs, finding.longest) == (
        "shop",
        "app/posts.py:12",
        11,
        2,
        6,
    )
    assert round(finding.lost_s, 6) == 0.009
    assert finding.last_at == pause[-1].at
    assert finding.sample == rows[4].sql
    assert finding.rewrite == "SELECT * FROM comments WHERE post_id IN (3, 4, 5, …)"


def test_the_rewriting_leaves_alone_what_did_not_vary() -> None:
    tenant = replace(LOOKUP, sql="SELECT * FROM comments WHERE tenant = 5 AND post_id = 1")
    other = replace(LOOKUP, sql="SELECT * FROM comments WHERE tenant = 6 AND post_id = 1", at=9.0)

    (finding,) = found([*lookups(5, tenant), *lookups(5, other)])

    assert finding.rewrite == "SELECT * FROM comments WHERE tenant = 5 AND post_id IN (3, 4, …)"


def test_a_prepared_lookup_is_rewritten_with_its_placeholder() -> None:
    execution = replace(LOOKUP, sql="SELECT * FROM comments WHERE post_id = ?", command="execute")

    (finding,) = found(lookups(5, execution))

    assert finding.rewrite == "SELECT * FROM comments WHERE post_id IN (?, ?, …)"


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT COUNT(*) FROM comments WHERE post_id = 1", id="not row by row"),
        pytest.param(f"SELECT * FROM comments WHERE post_id = 1 AND a = '{'x' * 2000}'", id="too long"),
        pytest.param("SELECT * FROM comments WHERE post_id = 1 AND a = '\ufffd'", id="bytes that are lost"),
    ],
)
def test_where_it_is_not_sure_no_rewriting_is_suggested(sql: str) -> None:
    (finding,) = found(lookups(6, replace(LOOKUP, sql=sql)))

    assert finding.rewrite is None


def test_the_most_expensive_finding_stands_first() -> None:
    slow = replace(LOOKUP, sql="SELECT * FROM users WHERE id = 1", seconds=0.1)

    told = [finding.digest_text for finding in found([*lookups(9), *lookups(5, slow)])]

    assert told == ["SELECT * FROM users WHERE id = ?", "SELECT * FROM comments WHERE post_id = ?"]


def test_a_loop_over_several_sessions_is_counted_once() -> None:
    rows = [replace(row, session=number % 2, app="shop") for number, row in enumerate(lookups(20))]

    assert seen(rows) == [0] * 4 + list(range(5, 21))
    (finding,) = found(rows)
    assert (finding.scope, finding.count, finding.runs) == (Scope.PROCESS, 20, 1)


# Against a reference that keeps everything.

rows_of_many = st.lists(
    st.builds(
        Ran,
        sql=st.sampled_from(["SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 2", "SELECT c FROM t"]),
        at=st.floats(0.0, 4.0),
        session=st.integers(1, 3),
        transaction=st.sampled_from([0, 0, 1]),
        kind=st.sampled_from(["select", "select", "select", "insert"]),
        app=st.sampled_from(["", "shop"]),
        trace=st.sampled_from(["", "", "4bf9"]),
    ),
    max_size=60,
)


def _group(row: Ran) -> tuple[str, object]:
    return (row.digest, row.trace or (row.transaction, 0) if row.trace or row.transaction else (0, row.session))


def _count(rows: list[Ran], times: int) -> int:
    """How long the run is that ends with the last of these rows, which belong together."""
    count = 0
    while len(rows) >= times and abs(rows[-1].at - rows[-times].at) <= WINDOW_S:
        count, rows = count + 1, rows[:-1]
    return count + times - 1 if count else 0


def _process_run(rows: list[Ran]) -> list[Ran]:
    """What the last row's application did without a break, in whichever sessions."""
    run: list[Ran] = []
    for row in reversed([row for row in rows if row.app and not row.trace]):
        if row.transaction or row.kind != "select" or row.digest != rows[-1].digest:
            break
        run.insert(0, row)
    return run


def _without_repeats(rows: list[Ran]) -> list[Ran]:
    """Those that ask for something else than the one before them in their place."""
    kept: list[Ran] = []
    asked: dict[tuple[str, object], str] = {}
    for row in rows:
        if row.kind == "select":
            if asked.get(_group(row)) == row.sql:
                continue
            asked[_group(row)] = row.sql
        kept.append(row)
    return kept


def expected(rows: list[Ran], times: int) -> int:
    last = rows[-1]
    rows = _without_repeats(rows)
    if last.kind != "select" or rows[-1] is not last:
        return 0
    counts = [_count([row for row in rows if row.kind == "select" and _group(row) == _group(last)], times)]
    if last.app and not last.trace and not last.transaction:
        run = _process_run(rows)
        if len({row.session for row in run}) > 1:
            counts.append(_count(run, times))
    return max(counts)


@given(rows_of_many, st.integers(2, 6), st.booleans())
def test_counts_are_those_of_a_reference_that_keeps_everything(rows: list[Ran], times: int, is_ordered: bool) -> None:
    rows = sorted(rows, key=lambda row: row.at) if is_ordered else rows

    told = seen(rows, Detector(times))

    assert told == [expected(rows[: number + 1], times) for number in range(len(rows))]


@given(
    st.lists(
        st.builds(
            Ran,
            sql=st.integers(0, 9).map(lambda number: f"SELECT a{number} FROM t"),
            at=st.floats(0.0, 9.0),
            session=st.integers(1, 9),
            app=st.sampled_from(["", "a", "b"]),
            trace=st.sampled_from(["", "4b", "f9"]),
        ),
        max_size=60,
    ),
    st.integers(1, 5),
)
def test_never_more_is_kept_than_the_bound(rows: list[Ran], most: int) -> None:
    bounded, unbounded = Detector(2, most=most), Detector(2)

    for row in [replace(row, sql=f"{row.sql} WHERE b = {number}") for number, row in enumerate(rows)]:
        # What was forgotten is counted anew.
        assert bounded.seen(row) <= unbounded.seen(row)
        assert bounded.kept <= most + MOST_PROCESSES + MOST_FINDINGS


def test_hostile_traffic_is_bounded() -> None:
    detector = Detector(2, most=50)

    for number in range(2000):
        row = Ran(f"SELECT a{number % 1000} FROM t WHERE b = 1", app=f"{number}", site=f"{number}")
        detector.seen(row)
        detector.seen(replace(row, sql=row.sql.replace("= 1", "= 2")))

    assert detector.kept == 50 + MOST_PROCESSES + MOST_FINDINGS
    assert len(detector.findings()) == MOST_FINDINGS


# Rows of the engine are not looked at as closely as others, since their events tell the same.

PLANNER = Planner()


def engine_row(text: str, at: float, session: int, transaction: int, program: str, command: int) -> Row:
    statement = text.encode()
    body = statement if command == Command.QUERY else b"\1\0\0\0"
    event = QueryFinished(
        at,
        session,
        "db",
        command,
        0.001,
        10,
        0,
        ONLY,
        who=NOBODY._replace(program=program, client="10.0.0.9:4000"),
        sent=packet.encode(bytes((command,)) + body, 0)[:KEPT],
        statement=b"" if command == Command.QUERY else statement,
        query=PLANNER.query(statement, 0, 0),
        transaction=transaction,
    )
    return Row(1, event, EngineNotes(lambda: 0.2, origin, lambda row: 0))


@given(
    st.lists(
        st.builds(
            engine_row,
            st.sampled_from(
                [
                    "SELECT a FROM t WHERE b = 1",
                    "SELECT a FROM t WHERE b = 2",
                    "SELECT c FROM t",
                    "SELECT 1",
                    "INSERT INTO t VALUES (1)",
                    "SELECT a FROM t WHERE b = 1 /*request_id:7,controller:x*/",
                    "SELECT a FROM t WHERE c = 1 /*application:shop*/",
                ]
            ),
            st.floats(0.0, 4.0),
            st.integers(1, 3),
            st.sampled_from([0, 0, 1 << 24]),
            st.sampled_from(["", "shop"]),
            # The values of executions are seen in events alone.
            st.sampled_from([Command.QUERY, Command.QUERY, Command.STMT_PREPARE, Command.PING]),
        ),
        max_size=50,
    )
)
def test_rows_of_the_engine_are_counted_as_others_are(rows: list[Row]) -> None:
    detector, other = Detector(2), Detector(2)

    assert seen(rows, detector) == seen([Row.of(row.told()) for row in rows], other)
    assert detector.findings() == other.findings()
