"""Everything that watches gets every event, exactly once."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from dbmux.backend.pool import PoolFigures
from dbmux.events import (
    BackendDown,
    BackendUp,
    CloseReason,
    Event,
    LoggedIn,
    LoginFailed,
    Pinned,
    QueryFinished,
    SessionClosed,
    SessionOpened,
    Unpinned,
    Who,
)
from dbmux.observe.logfile import NOT_LOGGED, Log, LogFormat
from dbmux.observe.metrics import MOST_USERS, OTHER_USERS, Metrics
from dbmux.observe.observer import KEPT_QUERIES, Observer
from dbmux.observe.prometheus import LogFigures, MirrorNow, Now, render
from dbmux.query import Access, Kind, Query
from dbmux.routes import ONLY
from dbmux.wire.commands import Command
from tests.observe.examples import EVENTS


def observed(*told: Event) -> Metrics:
    observer = Observer(None)
    for event in told:
        observer.emit(event)
    return observer.metrics


def figures(metrics: Metrics, *backends: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples as Prometheus reads them, by name and labels."""
    families = text_string_to_metric_families(render(metrics, Now(backends=backends)).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def finished(backend: str = "db", command: int = Command.QUERY, seconds: float = 0.001, code: int = 0) -> QueryFinished:
    return QueryFinished(0.0, 1, backend, command, seconds, 100, code, ONLY)


def test_ring_figures_and_log_get_every_event() -> None:
    stream = io.StringIO()
    observer = Observer(Log(stream, LogFormat.JSON))

    for event in EVENTS:
        observer.emit(event)

    queries = tuple(event for event in EVENTS if isinstance(event, QueryFinished))
    assert observer.queries.since(0).events == queries
    assert observer.events.since(0).events == tuple(event for event in EVENTS if event not in queries)
    assert [told.counted.count for told in observer.digests.over(None)] == [1]
    assert len(stream.getvalue().splitlines()) == sum(not isinstance(event, NOT_LOGGED) for event in EVENTS)
    assert observer.metrics.backends["db"].latency.count == 1


def test_commands_that_nobody_knows_are_counted_by_their_number() -> None:
    metrics = observed(finished("dbmux", command=0xF0, code=1047))

    found = figures(metrics)

    assert found["dbmux_commands_total", frozenset({("backend", "dbmux"), ("command", "0xf0")})] == 1


def test_queries_are_not_logged_one_by_one() -> None:
    stream = io.StringIO()
    observer = Observer(Log(stream, LogFormat.TEXT))

    for _ in range(100):
        observer.emit(finished())

    assert stream.getvalue() == ""


def test_memory_is_bounded() -> None:
    observer = Observer(None)

    for _ in range(KEPT_QUERIES + 5):
        observer.emit(finished())

    assert (observer.queries.oldest, observer.queries.count) == (5, KEPT_QUERIES + 5)


def test_every_count_is_exact() -> None:
    told = observed(
        *EVENTS,
        SessionOpened(0.0, 8, "x", "y"),
        SessionOpened(0.0, 9, "x", "y"),
        SessionClosed(0.0, 8, CloseReason.CLIENT_GONE, ""),
        LoginFailed(0.0, 9, "app", 1045, ""),
        finished(command=Command.PING),
        finished(code=1146),
        finished(code=1146),
        finished(backend="other", seconds=3.0),
    )

    assert (told.sessions_opened, told.sessions_open) == (3, 1)
    assert told.sessions_closed == {CloseReason.QUIT: 1, CloseReason.CLIENT_GONE: 1}
    assert (told.logins, told.logins_failed) == (1, {1045: 2})
    assert (told.configs_applied, told.configs_rejected) == (1, 1)
    assert {number: count for number, count in enumerate(told.backends["db"].commands) if count} == {3: 3, 14: 1}
    assert told.backends["db"].errors == {1146: 2}
    assert told.backends["db"].bytes == 400
    assert told.backends["db"].latency.count == 4
    assert told.backends["other"].latency.sum_s == 3.0


@given(st.lists(st.sampled_from([finished(), finished("b", 14), finished(code=1), finished("b", code=2)])))
def test_no_query_is_lost_or_counted_twice(queries: list[QueryFinished]) -> None:
    told = observed(*queries)

    assert sum(sum(one.commands) for one in told.backends.values()) == len(queries)
    assert sum(one.latency.count for one in told.backends.values()) == len(queries)
    assert sum(one.errors.total() for one in told.backends.values()) == sum(one.code > 0 for one in queries)
    assert sum(one.bytes for one in told.backends.values()) == 100 * len(queries)


def test_a_backend_is_up_from_the_first_answer_to_the_first_failure() -> None:
    up, down = BackendUp(0.0, "db", "x", "v"), BackendDown(0.0, "db", "x", "no")

    assert observed(up).backends["db"].is_up
    assert not observed(up, down).backends["db"].is_up
    assert observed(up, down, up).backends["db"].is_up


def test_pins_are_counted_as_they_come_and_go() -> None:
    metrics = observed(Pinned(0, 1, "GET_LOCK", "a"), Pinned(0, 2, "GET_LOCK", "b"), Unpinned(1, 1, "GET_LOCK", "a", 1))

    told = figures(metrics)

    assert told["dbmux_pins", frozenset({("reason", "GET_LOCK")})] == 1
    assert told["dbmux_pins_total", frozenset({("reason", "GET_LOCK")})] == 2


def test_pools_tell_how_they_stand() -> None:
    pool = PoolFigures(
        backend="db",
        limit=50,
        idle=1,
        busy=2,
        connecting=3,
        unshared=4,
        waiters=5,
        waits=(1, 2, 0, 0, 0, 0, 0, 0, 0, 3),
        waited_s=40.5,
        carried=7,
    )

    lines = render(Metrics(), Now(backends=["db"], pools=[pool])).decode().splitlines()

    assert {
        'dbmux_connections{backend="db",state="idle"} 1.0',
        'dbmux_connections{backend="db",state="busy"} 2.0',
        'dbmux_connections{backend="db",state="connecting"} 3.0',
        'dbmux_connections{backend="db",state="unshared"} 4.0',
        'dbmux_connections_limit{backend="db"} 50.0',
        'dbmux_waiters{backend="db"} 5.0',
        'dbmux_waits_total{backend="db"} 6.0',
        'dbmux_wait_seconds_bucket{backend="db",le="0.001"} 1.0',
        'dbmux_wait_seconds_bucket{backend="db",le="0.005"} 3.0',
        'dbmux_wait_seconds_bucket{backend="db",le="+Inf"} 6.0',
        'dbmux_wait_seconds_sum{backend="db"} 40.5',
        'dbmux_state_carried_total{backend="db"} 7.0',
    } <= set(lines)


def test_what_users_do_is_counted_by_group_and_of_many_users_together() -> None:
    asked = [finished()._replace(who=Who(f"u{number}", "x", "", "main", 0)) for number in range(MOST_USERS + 10)]

    told = observed(*asked, asked[0], asked[-1]._replace(code=1146, seconds=2.0))

    first, others = told.users["u0", "main"], told.users[OTHER_USERS, "main"]
    assert (first.commands, first.errors, first.bytes) == (2, 0, 200)
    assert (others.commands, others.errors) == (11, 1)
    assert others.seconds == pytest.approx(2.01)
    assert len(told.users) == MOST_USERS + 1


def test_statements_are_counted_by_what_they_are_whether_or_not_somebody_had_to_know() -> None:
    observer = Observer(None)
    for text, query in (
        ("SELECT 1", None),
        ("SELECT a", Query(kind=Kind.SELECT, access=Access.READ)),
        ("FLUSH X", None),
    ):
        observer.emit(finished(code=1064)._replace(sent=b"\0\0\0\0\3" + text.encode(), query=query, rows=2))
    observer.emit(finished(command=Command.PING))

    kinds = observer.digests.kinds

    assert {kind: (one.durations.count, one.errors, one.rows) for kind, one in kinds.items()} == {
        "select": (2, 2, 4),
        "admin": (1, 1, 2),
    }


def test_who_watches_is_told_too() -> None:
    observer = Observer(None, 2)
    for _ in range(3):
        observer.emit(finished()._replace(sent=b"\0\0\0\0\3SELECT 1"))
    observer.pulse.tick(observer.metrics, 1.0, 0.02)
    now = Now(
        backends=["db"],
        kinds=observer.digests.kinds,
        lateness=observer.pulse.lateness,
        rings={"statements": observer.queries},
        logs=[LogFigures("slow", 5, 2, 1)],
        watchers=4,
    )

    lines = render(observer.metrics, now).decode().splitlines()

    assert {
        'dbmux_statement_seconds_bucket{kind="select",le="0.005"} 3.0',
        'dbmux_statement_seconds_count{kind="select"} 3.0',
        'dbmux_loop_lag_seconds_bucket{le="0.01"} 0.0',
        'dbmux_loop_lag_seconds_bucket{le="0.05"} 1.0',
        'dbmux_ring_events{ring="statements"} 2.0',
        'dbmux_ring_dropped_total{ring="statements"} 1.0',
        f'dbmux_ring_bytes{{ring="statements"}} {observer.queries.bytes}.0',
        'dbmux_log_written_total{log="slow"} 5.0',
        'dbmux_log_lost_total{log="slow",reason="not written"} 2.0',
        'dbmux_log_lost_total{log="slow",reason="forgotten"} 1.0',
        "dbmux_control_clients 4.0",
    } <= set(lines)


def test_mirrors_are_told_with_a_delay_where_it_is_known() -> None:
    mirrors = [
        MirrorNow(name="upgrade", state="running", delay_s=0.5, transactions=12, rows=40),
        MirrorNow(name="copy", state="halted", delay_s=None, transactions=3, rows=4),
        MirrorNow(name="own", state="native", delay_s=0.0, transactions=None, rows=None),
    ]

    lines = render(Metrics(), Now(backends=[], mirrors=mirrors)).decode().splitlines()

    assert [line for line in lines if line.startswith("dbmux_mirror")] == [
        'dbmux_mirror_state{mirror="upgrade",state="running"} 1.0',
        'dbmux_mirror_state{mirror="copy",state="halted"} 1.0',
        'dbmux_mirror_state{mirror="own",state="native"} 1.0',
        'dbmux_mirror_delay_seconds{mirror="upgrade"} 0.5',
        'dbmux_mirror_delay_seconds{mirror="own"} 0.0',
        'dbmux_mirror_transactions_total{mirror="upgrade"} 12.0',
        'dbmux_mirror_transactions_total{mirror="copy"} 3.0',
        'dbmux_mirror_rows_total{mirror="upgrade"} 40.0',
        'dbmux_mirror_rows_total{mirror="copy"} 4.0',
    ]


class TestPrometheus:
    """The text that its parser reads."""

    def test_figures_have_their_labels(self) -> None:
        told = figures(observed(*EVENTS, finished(code=1146)), "db")

        def labelled(name: str, **labels: str) -> float:
            return told[name, frozenset(labels.items())]

        assert labelled("dbmux_sessions_open") == 0
        assert labelled("dbmux_sessions_opened_total") == 1
        assert labelled("dbmux_sessions_closed_total", reason="quit") == 1
        assert labelled("dbmux_logins_total") == 1
        assert labelled("dbmux_logins_failed_total", code="1045") == 1
        assert labelled("dbmux_configs_applied_total") == 1
        assert labelled("dbmux_configs_rejected_total") == 1
        assert labelled("dbmux_backend_up", backend="db") == 0
        assert labelled("dbmux_commands_total", backend="db", command="query") == 2
        assert labelled("dbmux_errors_total", backend="db", code="1146") == 1
        assert labelled("dbmux_reply_bytes_total", backend="db") == 200
        assert labelled("dbmux_command_seconds_count", backend="db") == 2
        assert labelled("dbmux_command_seconds_sum", backend="db") == pytest.approx(0.0025)
        assert labelled("dbmux_command_seconds_bucket", backend="db", le="0.0005") == 0
        assert labelled("dbmux_command_seconds_bucket", backend="db", le="0.005") == 2
        assert labelled("dbmux_command_seconds_bucket", backend="db", le="+Inf") == 2

    @settings(deadline=None)
    @given(st.lists(st.floats(0, 20), max_size=30))
    def test_buckets_only_grow_and_end_with_all(self, durations: list[float]) -> None:
        told = figures(observed(*(finished(seconds=one) for one in durations)), "db")

        buckets = [value for (name, _), value in told.items() if name == "dbmux_command_seconds_bucket"]
        assert buckets == sorted(buckets)
        assert buckets[-1:] == ([float(len(durations))] if durations else [])

    def test_every_command_has_a_name(self) -> None:
        told = figures(observed(*(finished(command=one) for one in Command)), "db")

        commands = {dict(labels)["command"] for name, labels in told if name == "dbmux_commands_total"}
        assert commands == {one.name.lower() for one in Command}

    def test_a_name_with_quotes_and_line_breaks_is_still_a_label(self) -> None:
        told = figures(observed(BackendUp(0.0, 'a"b\\c\nd', "x", "v")), 'a"b\\c\nd')

        assert told["dbmux_backend_up", frozenset({("backend", 'a"b\\c\nd')})] == 1

    def test_a_removed_backend_keeps_its_counts_but_has_no_state(self) -> None:
        told = figures(observed(BackendUp(0.0, "gone", "x", "v"), finished("gone")), "db")

        assert ("dbmux_backend_up", frozenset({("backend", "gone")})) not in told
        assert told["dbmux_commands_total", frozenset({("backend", "gone"), ("command", "query")})] == 1

    def test_before_anything_happened_there_are_figures_too(self) -> None:
        assert figures(Metrics())["dbmux_sessions_open", frozenset()] == 0


def test_of_names_that_anybody_can_make_up_some_are_remembered() -> None:
    told = Metrics()

    told.record(LoggedIn(1.0, 1, "app", "shop", "db", "", 0.01))
    for number in range(MOST_USERS + 10):
        told.record(LoginFailed(1.0, 1, f"u{number}", 1045, "no"))
    told.record(LoggedIn(1.0, 1, "long" * 1000, "x" * 1000, "db", "", 0.01))

    assert (told.users_in, told.schemas_in) == ({"app"}, {"shop"})
    assert len(told.users_refused) == MOST_USERS
