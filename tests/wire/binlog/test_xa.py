"""What was prepared is told where it is committed, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from dbmux.wire.binlog.columns import Family
from dbmux.wire.binlog.decoder import Decoder
from dbmux.wire.binlog.events import (
    Committed,
    Event,
    EventType,
    Position,
    RowsChanged,
    Statement,
    TableMap,
    TransactionBegan,
    XaCommitted,
    XaPrepared,
    XaRolledBack,
)
from dbmux.wire.binlog.gtid import GroupFlag
from dbmux.wire.binlog.xa import Held, TooMuchHeld
from tests.wire.binlog.recorded import MARIADB_11, MYSQL_9

BEGIN = Position("binlog.000001", 4)
TABLE = TableMap(9, "shop", "t", b"\1\3\0\0", Family.MYSQL)


def place(offset: int) -> Position:
    return Position(BEGIN.file, offset)


def rows(body: bytes) -> RowsChanged:
    return RowsChanged(TABLE, EventType.WRITE_ROWS, body)


def statement(text: bytes) -> Statement:
    return Statement("shop", text, 0, 45)


def on_mysql(*events: Event) -> tuple[Event, ...]:
    return (TransactionBegan("5a:1", 0.0), statement(b"XA START X'78',X'',1"), *events)


def on_mariadb(*events: Event) -> tuple[Event, ...]:
    return (TransactionBegan("0-1-1", 0.0, GroupFlag.PREPARED_XA), *events)


def prepared(xid: str, end: int) -> tuple[Event, ...]:
    return (statement(b"XA END X'78',X'',1"), XaPrepared(xid), Committed(place(end)))


def ended(event: Event, end: int) -> tuple[Event, ...]:
    return (TransactionBegan("5a:2", 0.0), event, Committed(place(end)))


def told(held: Held, events: Iterable[Event]) -> list[Event]:
    return [other for event in events for other in held.take(event)]


@pytest.mark.parametrize("group", [on_mysql, on_mariadb])
def test_rows_stand_where_the_transaction_is_committed(group: Callable[..., tuple[Event, ...]]) -> None:
    held = Held(10_000, BEGIN)

    first = told(held, group(TABLE, rows(b"1"), *prepared("x", 50)))
    between = told(held, ended(rows(b"2"), 90))
    last = told(held, ended(XaCommitted("x"), 130))

    assert [type(event) for event in first] == [TransactionBegan, Committed]
    assert between == list(ended(rows(b"2"), 90))
    assert last == [TransactionBegan("5a:2", 0.0), TABLE, rows(b"1"), Committed(place(130))]


def test_what_is_rolled_back_is_never_told() -> None:
    held = Held(10_000, BEGIN)
    told(held, on_mysql(rows(b"1"), *prepared("x", 50)))

    assert told(held, ended(XaRolledBack("x"), 90)) == [TransactionBegan("5a:2", 0.0), Committed(place(90))]
    assert held.oldest is None


def test_what_is_committed_in_one_phase_is_told_at_once() -> None:
    held = Held(10_000, BEGIN)

    assert told(held, on_mysql(rows(b"1"), Committed(place(50)))) == [
        TransactionBegan("5a:1", 0.0), rows(b"1"), Committed(place(50)),
    ]  # fmt: skip


def test_a_name_that_was_prepared_before_the_log_was_read_is_told_as_it_is() -> None:
    assert told(Held(10_000, BEGIN), ended(XaCommitted("x"), 90)) == list(ended(XaCommitted("x"), 90))


def test_the_log_must_be_read_again_from_the_oldest_that_is_held() -> None:
    held = Held(10_000, BEGIN)
    told(held, ended(rows(b"0"), 30))

    told(held, on_mysql(rows(b"1"), *prepared("x", 50)))
    told(held, on_mysql(rows(b"2"), *prepared("y", 70)))
    assert held.oldest == place(30)
    told(held, ended(XaCommitted("x"), 90))
    assert held.oldest == place(50)
    told(held, ended(XaRolledBack("y"), 110))
    assert held.oldest is None


def test_how_much_is_held_is_bounded_and_what_was_told_makes_room() -> None:
    held = Held(1_000, BEGIN)
    for turn in range(5):
        told(held, on_mysql(rows(bytes(500)), *prepared("x", 50)))
        told(held, ended(XaCommitted("x"), 90 + turn))

    told(held, on_mysql(rows(bytes(500)), *prepared("x", 50)))
    with pytest.raises(TooMuchHeld):
        told(held, on_mysql(rows(bytes(500)), *prepared("y", 50)))


def test_a_write_by_statement_is_held_too() -> None:
    held = Held(10_000, BEGIN)
    written = statement(b"INSERT INTO t VALUES (1)")

    told(held, on_mysql(written, *prepared("x", 50)))

    assert written in told(held, ended(XaCommitted("x"), 90))


@pytest.mark.parametrize("log", [MYSQL_9, MARIADB_11], ids=["mysql", "mariadb"])
def test_recorded_transactions_in_two_phases(log: tuple[bytes, ...]) -> None:
    decoder, held = Decoder(), Held(10_000, BEGIN)

    group: list[type[Event]] = []
    groups = []
    for event in (event for data in log for event in decoder.decode(data)):
        for other in held.take(event):
            group.append(type(other))
            if isinstance(other, Committed):
                groups.append(group)
                group = []

    # Prepared, committed; prepared, rolled back.
    empty = [TransactionBegan, Committed]
    assert [empty, [TransactionBegan, TableMap, RowsChanged, Committed], empty, empty] in [
        groups[at : at + 4] for at in range(len(groups))
    ]
    assert held.oldest is None
