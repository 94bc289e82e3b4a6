"""What is counted of a query is compiled where there is a compiler: both forms count the same."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from dbmux.events import MEMORY, QueryFinished, Who
from dbmux.observe.ring import Ring
from dbmux.routes import CACHED, ONLY
from dbmux.wire.commands import Command
from tests.forms import as_built, interpreted

_MODULES = ("histogram", "ring", "metrics", "digests", "observer")
FORMS = [form("dbmux.observe", *_MODULES) for form in (as_built, interpreted)]

EVENTS = st.builds(
    QueryFinished,
    at=st.floats(0, 1000),
    session=st.just(1),
    backend=st.sampled_from(("db", "replica", MEMORY)),
    command=st.sampled_from((Command.QUERY, Command.PING, Command.STMT_EXECUTE)).map(int),
    seconds=st.floats(-1, 1e6),
    reply_bytes=st.integers(0, 1 << 40),
    code=st.sampled_from((0, 1064, 65535)),
    route=st.sampled_from((ONLY, CACHED)),
    who=st.sampled_from((Who("a", "", "", "main", 0), Who("b", "", "", "main", 0))),
    sent=st.sampled_from((b"\1\0\0\0\x03SELECT 1", b"\1\0\0\0\x03SELECT a", b"")),
    rows=st.integers(-1, (1 << 64) - 1),
)


def told(form: SimpleNamespace, events: list[QueryFinished]) -> object:
    """All that somebody could ask afterwards."""
    observer = form.Observer(None, 5)
    for event in events:
        observer.emit(event)
    metrics, ring = observer.metrics, observer.queries
    assert isinstance(ring.count, int)
    return (
        ring.since(0).events,
        (ring.count, ring.oldest, ring.bytes),
        {
            name: (one.commands, one.errors, one.routes, one.bytes, one.latency.buckets(), one.latency.sum_s)
            for name, one in metrics.backends.items()
        },
        {name: (one.commands, one.errors, one.seconds, one.bytes) for name, one in metrics.users.items()},
        [
            (one.id, one.text, one.example, _counted(one.counted))
            for window in (None, 10.0, 300.0)
            for one in observer.digests.over(window)
        ],
        {kind: (one.errors, one.rows, one.durations.count) for kind, one in observer.digests.kinds.items()},
    )


def _counted(piece: SimpleNamespace) -> object:
    return piece.count, piece.seconds, piece.errors, piece.hits, piece.rows, piece.bytes, piece.buckets


@given(st.lists(EVENTS, max_size=12))
def test_both_forms_count_the_same(events: list[QueryFinished]) -> None:
    built, plain = (told(form, events) for form in FORMS)

    assert built == plain


def test_the_plain_form_is_another_one_where_there_is_a_compiler() -> None:
    built, plain = FORMS

    assert built.Ring is Ring
    assert plain.Ring is not Ring
