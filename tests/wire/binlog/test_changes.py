"""Rows go out of an event as they were before and as they are, whatever their columns and however they are packed."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from dbmux.errors import ProtocolError
from dbmux.wire.binlog.changes import ChangeKind, changes, kind_of
from dbmux.wire.binlog.columns import Declared, LoggedType
from dbmux.wire.binlog.decoder import Decoder
from dbmux.wire.binlog.events import Committed, Event, EventType, RowsChanged, parse_header
from dbmux.wire.binlog.plan import Plans
from dbmux.wire.binlog.readers import ABSENT
from dbmux.wire.binlog.rows import Change
from tests.wire.binlog import building as b
from tests.wire.binlog import encoding as e
from tests.wire.binlog.copying import Copy, agrees

T, E = LoggedType, EventType
TABLE = e.table_map([(T.LONG, b""), (T.VARCHAR, b"\x14\0"), (T.TINY, b"")])
ALL = (1, 1, 1)
FIRST, SECOND = e.row(b"\1\0\0\0", b"\1a", b"\5"), e.row(b"\2\0\0\0", None, b"\6")
ROWS: list[tuple[int, bytes | None, int]] = [(1, b"a", 5), (2, None, 6)]


def read(event: RowsChanged) -> list[Change]:
    return list(changes(event, Plans().of(event.table)))


@pytest.mark.parametrize("kind", [E.WRITE_ROWS_V1, E.WRITE_ROWS], ids=lambda kind: kind.name)
def test_inserted_rows_are_not_there_before(kind: EventType) -> None:
    event = e.rows(TABLE, kind, [ALL], FIRST + SECOND)

    assert kind_of(event) is ChangeKind.INSERT
    assert read(event) == [(None, row) for row in ROWS]


@pytest.mark.parametrize("kind", [E.DELETE_ROWS_V1, E.DELETE_ROWS], ids=lambda kind: kind.name)
def test_deleted_rows_are_not_there_after(kind: EventType) -> None:
    event = e.rows(TABLE, kind, [ALL], FIRST + SECOND)

    assert kind_of(event) is ChangeKind.DELETE
    assert read(event) == [(row, None) for row in ROWS]


@pytest.mark.parametrize("kind", [E.UPDATE_ROWS_V1, E.UPDATE_ROWS], ids=lambda kind: kind.name)
def test_updated_rows_are_told_before_and_after(kind: EventType) -> None:
    event = e.rows(TABLE, kind, [ALL, ALL], FIRST + SECOND + SECOND + FIRST)

    assert kind_of(event) is ChangeKind.UPDATE
    assert read(event) == [(ROWS[0], ROWS[1]), (ROWS[1], ROWS[0])]


@pytest.mark.parametrize(
    "kind",
    [E.COMPRESSED_WRITE_ROWS_V1, E.COMPRESSED_WRITE_ROWS],
    ids=lambda kind: kind.name,
)
def test_what_mariadb_compresses_is_unpacked(kind: EventType) -> None:
    packed = e.rows(TABLE, kind, [ALL], b.compressed(FIRST + SECOND))
    if kind == E.COMPRESSED_WRITE_ROWS:
        packed = RowsChanged(TABLE, kind, packed.body[:8] + b"\2\0" + packed.body[8:])

    assert read(packed) == [(None, row) for row in ROWS]


def test_what_an_image_leaves_out_is_not_null() -> None:
    before, after = e.row(b"\2\0\0\0"), e.row(None, b"\7")

    assert read(e.rows(TABLE, E.UPDATE_ROWS, [(1, 0, 0), (0, 1, 1)], before + after)) == [
        ((2, ABSENT, ABSENT), (ABSENT, None, 7))
    ]


def test_a_row_of_no_columns_is_one_row() -> None:
    assert read(e.rows(TABLE, E.WRITE_ROWS, [(0, 0, 0)], b"")) == [(None, (ABSENT,) * 3)]


def test_more_columns_than_a_byte_has_bits() -> None:
    table = e.table_map([(T.TINY, b"")] * 20, e.signs(*(0, 1) * 10))
    values = [None if count % 3 == 0 else bytes((0xFF - count,)) for count in range(20)]
    present = tuple(int(count % 5 != 0) for count in range(20))
    kept = [value for value, is_there in zip(values, present, strict=True) if is_there]

    ((_, row),) = read(e.rows(table, E.WRITE_ROWS, [present], e.row(*kept)))

    assert row == tuple(
        ABSENT if count % 5 == 0 else None if count % 3 == 0 else 0xFF - count if count % 2 else -1 - count
        for count in range(20)
    )


@pytest.mark.parametrize(
    "event",
    [
        e.rows(TABLE, E.WRITE_ROWS, [(1, 1)], FIRST),
        e.rows(TABLE, E.WRITE_ROWS, [(0, 0, 0)], b"\0"),
        e.rows(TABLE, E.WRITE_ROWS, [ALL], b""),
        e.rows(TABLE, E.COMPRESSED_WRITE_ROWS_V1, [ALL], FIRST),
        e.rows(TABLE, E.COMPRESSED_WRITE_ROWS_V1, [ALL], b.compressed(FIRST)[:-3]),
        RowsChanged(TABLE, E.WRITE_ROWS, bytes(7)),
        RowsChanged(TABLE, E.WRITE_ROWS, bytes(8) + b"\xff\xff\3"),
    ],
    ids=["columns", "bytes of none", "no rows", "not compressed", "cut while compressed", "no head", "extra"],
)
def test_rows_that_do_not_fit_are_refused(event: RowsChanged) -> None:
    with pytest.raises(ProtocolError):
        read(event)


# What servers sent, and what a SELECT gave after each transaction; how they were made stands in the statements there.
RECORDED = Path(__file__).parent / "rows"
SERVERS = ("mysql-9", "mariadb-10.11", "mariadb-11")
MAGIC_LENGTH = 4
DECLARED = {27: Declared.UUID, 28: Declared.INET6, 29: Declared.INET4}


def recorded(server: str) -> list[bytes]:
    data, events = (RECORDED / f"{server}.binlog").read_bytes(), []
    at = MAGIC_LENGTH
    while at < len(data):
        events.append(data[at : at + parse_header(data[at:]).length])
        at += len(events[-1])
    return events


def plans(server: str) -> Plans:
    return Plans(lambda table: DECLARED if server.startswith("mariadb") and table.table == "t" else {})


def told(server: str) -> list[Event]:
    decoder = Decoder()
    return [event for data in recorded(server) for event in decoder.decode(data)]


@pytest.mark.parametrize("server", SERVERS)
def test_recorded_rows_are_what_a_select_gave(server: str) -> None:
    snapshots = json.loads((RECORDED / f"{server}.json").read_text())
    copy, known = Copy(), plans(server)

    for event in told(server):
        if isinstance(event, RowsChanged):
            copy.apply(event, known.of(event.table))
        elif isinstance(event, Committed):
            expected = [[None if value is None else bytes.fromhex(value) for value in row] for row in snapshots.pop(0)]
            rows = sorted(copy.rows, key=str)
            assert len(rows) == len(expected)
            assert all(map(agrees, rows, expected))
    assert snapshots == []


@pytest.mark.parametrize("server", SERVERS)
def test_recorded_rows_that_are_cut_off_or_changed_are_refused_or_others(server: str) -> None:
    known = plans(server)
    for event in told(server):
        if not isinstance(event, RowsChanged):
            continue
        body = event.body
        for at in range(len(body)):
            cut = RowsChanged(event.table, event.type, body[:at])
            changed = RowsChanged(event.table, event.type, body[:at] + bytes((body[at] ^ 0x55,)) + body[at + 1 :])
            for broken in (cut, changed):
                with suppress(ProtocolError):
                    for _ in changes(broken, known.of(event.table)):
                        pass


def test_a_row_that_is_cut_off_anywhere_is_refused() -> None:
    double = e.table_map([(T.DOUBLE, b"\x08"), (T.DECIMAL, b"\x0a\2"), (T.BLOB, b"\2"), (T.DATETIME, b"\3")])
    data = e.row(struct.pack("<d", 1.5), b"\x80\0\0\0\0", b"\2\0ab", bytes((0x99,)) + bytes(6))

    assert len(read(e.rows(double, E.WRITE_ROWS, [(1,) * 4], data))) == 1
    for length in range(len(data)):
        with pytest.raises(ProtocolError):
            read(e.rows(double, E.WRITE_ROWS, [(1,) * 4], data[:length]))
