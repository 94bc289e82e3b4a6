"""What the live view shows, without a screen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.feed.feed import Happening
from dbmux.feed.row import Row
from dbmux.tui.stream import FORGOTTEN_AT_ONCE, MOST_ENTRIES, Stream, Transaction, is_chatter
from tests.tui.lines import NOON, batch, row


def shown(stream: Stream) -> list[str]:
    """Each line in a word: a statement's text, a transaction's number of statements, an event's kind."""
    told = []
    for at in range(len(stream)):
        line = stream.line(at)
        assert line is not None
        match line.entry:
            case Transaction(rows=rows) if line.row is None:
                told.append(f"tx of {len(rows)}")
            case Transaction():
                assert line.row is not None
                told.append(f"  {line.row.sql}")
            case Happening(kind=kind):
                told.append(kind)
            case Row(sql=sql):
                told.append(sql)
    return told


def began(*batches: tuple[Row, ...]) -> Stream:
    stream = Stream()
    for rows in batches:
        stream.add(batch(*rows))
    return stream


def in_transaction(seq: int, sql: str, *, ends: bool = False) -> Row:
    return row(seq, sql=sql, transaction=7, is_in_transaction=not ends)


def is_whole(stream: Stream) -> bool:
    """Whether its only transaction is there with all its statements."""
    lines = (stream.line(at) for at in range(len(stream)))
    (found,) = (line.entry for line in lines if line is not None and isinstance(line.entry, Transaction))
    return found.is_whole


TRANSACTION = (
    in_transaction(1, "BEGIN"),
    row(2, sql="SELECT 1 FROM a"),
    in_transaction(3, "UPDATE t"),
    in_transaction(4, "COMMIT", ends=True),
)


def test_statements_stand_in_their_order() -> None:
    assert shown(began((row(0, sql="one"),), (row(1, sql="two"),))) == ["one", "two"]


def test_a_transaction_is_one_line_where_it_began() -> None:
    assert shown(began(TRANSACTION)) == ["tx of 3", "SELECT 1 FROM a"]


def test_an_opened_transaction_shows_its_statements() -> None:
    stream = began(TRANSACTION)

    stream.toggle(0)
    opened = shown(stream)
    stream.toggle(2)

    assert opened == ["tx of 3", "  BEGIN", "  UPDATE t", "  COMMIT", "SELECT 1 FROM a"]
    assert shown(stream) == ["tx of 3", "SELECT 1 FROM a"]


@pytest.mark.parametrize("more", [{"every": 4}, {"missed": 1}], ids=["thinned", "missed"])
def test_a_transaction_of_which_statements_may_be_missing_is_not_said_to_be_open(more: dict[str, Any]) -> None:
    before, within, after, anew = Stream(), Stream(), Stream(), Stream()
    before.add(batch(in_transaction(1, "BEGIN")))
    before.add(batch(row(2), **more))
    within.add(batch(in_transaction(1, "BEGIN"), **more))
    for stream, kind in ((after, "update"), (anew, "begin")):
        stream.add(batch(row(0), **more))
        stream.add(batch(row(1, kind=kind, transaction=7, is_in_transaction=True)))

    assert [is_whole(stream) for stream in (before, within, after, anew)] == [False, False, False, True]


def test_the_next_transaction_of_the_same_session_is_another() -> None:
    second = (in_transaction(5, "BEGIN"), in_transaction(6, "ROLLBACK", ends=True))

    assert shown(began(TRANSACTION, second)) == ["tx of 3", "SELECT 1 FROM a", "tx of 2"]


@pytest.mark.parametrize(
    "statement, hidden",
    [
        (row(command="ping", kind="other", tables=[], sql=""), True),
        (row(kind="set", tables=[], sql="SET NAMES utf8mb4"), True),
        (row(tables=[], sql="SELECT @@version_comment LIMIT 1"), True),
        (row(tables=[], sql="SELECT 1"), False),
        (row(kind="set", tables=[], sql="SET x = 1", code=1193), False),
        (row(kind="set", tables=[], sql="SET x = 1", is_slow=True), False),
        (row(kind="show", tables=["t"], sql="SHOW CREATE TABLE t"), False),
    ],
)
def test_what_connections_do_by_themselves_is_hidden_unless_something_is_odd(statement: Row, hidden: bool) -> None:
    assert is_chatter(statement) is hidden


def test_hidden_chatter_is_counted() -> None:
    stream = began((row(0, kind="set", tables=[], sql="SET NAMES x"), row(1, sql="SELECT 1 FROM a")))

    assert (shown(stream), stream.chatter) == (["SELECT 1 FROM a"], 1)


def test_nothing_is_lost_while_the_view_is_paused() -> None:
    stream = began((row(0, sql="one"),))
    stream.is_paused = True
    stream.add(batch(row(1, sql="two")))
    while_paused, waiting = shown(stream), stream.waiting

    stream.resume()

    assert (while_paused, waiting) == (["one"], 1)
    assert shown(stream) == ["one", "two"]


def test_events_stand_among_the_statements_by_their_time() -> None:
    stream = Stream()
    reload = Happening(0, NOON + 0.005, "ConfigApplied", "applied")
    login = Happening(1, NOON + 0.006, "LoggedIn", "logged in")

    stream.add(batch(row(0, sql="one"), row(1, sql="two"), happenings=(reload, login)))

    assert shown(stream) == ["one", "ConfigApplied", "two"]


def test_the_oldest_lines_go_first_and_the_view_is_told_how_many() -> None:
    stream = Stream()
    stream.add(batch(*TRANSACTION))
    stream.toggle(0)

    gone = stream.add(batch(*(row(number, sql=str(number)) for number in range(MOST_ENTRIES))))

    assert gone == FORGOTTEN_AT_ONCE + 3
    assert len(stream) == MOST_ENTRIES + 2 - FORGOTTEN_AT_ONCE
    line = stream.line(len(stream) - 1)
    assert line is not None and line.shown is not None and line.shown.sql == str(MOST_ENTRIES - 1)


def test_cleared_lines_do_not_come_back() -> None:
    stream = began(TRANSACTION)
    stream.toggle(0)

    stream.clear()
    stream.add(batch(row(9, sql="after")))

    assert shown(stream) == ["after"]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=40), st.lists(st.integers(0, 50), max_size=10))
def test_every_statement_is_on_one_line_when_all_is_open(plan: list[tuple[int, bool]], toggled: list[int]) -> None:
    rows = tuple(
        row(seq, sql=str(seq), transaction=number, is_in_transaction=number > 0 and not ends)
        for seq, (number, ends) in enumerate(plan)
    )
    stream = began(rows)
    for at in toggled:
        stream.toggle(at)
    for at in reversed(range(len(stream))):
        line = stream.line(at)
        if line is not None and isinstance(line.entry, Transaction) and not line.entry.is_open:
            stream.toggle(at)

    told = [text.strip() for text in shown(stream) if not text.startswith("tx of")]

    assert sorted(told, key=int) == [str(seq) for seq in range(len(plan))]
    assert sorted(row.seq for row in stream.rows()) == list(range(len(plan)))
