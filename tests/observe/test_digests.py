"""What each kind of statement costs, over windows of time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbmux.events import MEMORY, QueryFinished
from dbmux.observe.digests import MOST_DIGESTS, OTHERS, SLICE_S, SLICES, Digests, Told
from dbmux.observe.observer import Observer
from dbmux.query import Access, Kind, Query
from dbmux.routes import ONLY
from dbmux.wire import packet
from dbmux.wire.commands import Command

READ = Query(kind=Kind.SELECT, access=Access.READ)


def ran(
    text: str,
    at: float = 0.0,
    *,
    seconds: float = 0.001,
    query: Query | None = None,
    code: int = 0,
    backend: str = "db",
) -> QueryFinished:
    sent = packet.encode(b"\x03" + text.encode(), 0)
    return QueryFinished(at, 1, backend, Command.QUERY, seconds, 10, code, ONLY, sent=sent, query=query, rows=2)


def counted(*events: QueryFinished) -> Digests:
    observer = Observer(None)
    for event in events:
        observer.emit(event)
    return observer.digests


def over(digests: Digests, seconds: float | None = None) -> dict[str, Told]:
    return {told.text: told for told in digests.over(seconds)}


def test_statements_that_differ_in_their_literals_are_one_kind() -> None:
    told = over(counted(ran("SELECT 1"), ran("SELECT  2"), ran("SELECT a")))

    assert {text: one.counted.count for text, one in told.items()} == {"SELECT ?": 2, "SELECT a": 1}


def test_a_meaning_that_is_shared_stands_for_its_digest() -> None:
    told = over(counted(ran("SELECT 1", query=READ), ran("SELECT 2", query=READ), ran("SELECT 3")))

    assert [one.counted.count for one in told.values()] == [3]


def test_what_is_counted_of_each() -> None:
    events = (ran("SELECT 1", code=1064), ran("SELECT 2", backend=MEMORY), ran("SELECT 3", seconds=1.0))

    (told,) = over(counted(*events)).values()

    counts = told.counted
    assert (counts.count, counts.errors, counts.hits, counts.rows, counts.bytes) == (3, 1, 1, 6, 30)
    assert round(counts.seconds, 6) == 1.002
    assert abs(counts.percentile(99) - 1.0) < 0.02
    assert len(told.id) == 16


def test_other_commands_have_no_digest() -> None:
    ping = ran("")._replace(command=Command.PING)

    assert over(counted(ping)) == {}


def test_a_window_shows_what_was_counted_in_it_and_the_start_is_never_forgotten() -> None:
    digests = counted(ran("SELECT 1", 0.0), ran("SELECT 1", 60.0), ran("SELECT 1", SLICES * SLICE_S + 60.0))

    assert [over(digests, window)["SELECT ?"].counted.count for window in (10.0, 300.0, None)] == [1, 2, 3]


def test_kinds_beyond_the_limit_are_counted_together() -> None:
    digests = counted(*(ran(f"SELECT a{number}") for number in range(MOST_DIGESTS + 5)))

    told = over(digests)
    assert told[OTHERS.decode()].counted.count == 5
    assert len(told) == MOST_DIGESTS + 1


def test_kinds_that_no_window_shows_make_room() -> None:
    old = (ran(f"SELECT a{number}", 1.0) for number in range(MOST_DIGESTS))
    digests = counted(*old, ran("SELECT b", 2 * SLICES * SLICE_S))

    assert list(over(digests)) == ["SELECT b"]


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0, 10)), max_size=30))
def test_nothing_is_counted_twice_or_lost(told: list[tuple[float, float]]) -> None:
    moments = sorted(at for at, _ in told)
    digests = counted(*(ran("SELECT 1", at, seconds=spent) for at, (_, spent) in zip(moments, told, strict=True)))

    found = over(digests)

    assert sum(one.counted.count for one in found.values()) == len(told)
    assert sum(sum(one.counted.buckets.values()) for one in found.values()) == len(told)
