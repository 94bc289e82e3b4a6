"""The decoder reads what servers log, and refuses loudly what it does not understand."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ProtocolError
from dbmux.wire.binlog.columns import Family
from dbmux.wire.binlog.decoder import NO_TABLE, Decoder
from dbmux.wire.binlog.events import (
    Committed,
    Counter,
    CounterSet,
    Event,
    EventFlag,
    EventType,
    FormatDescribed,
    GtidsBefore,
    Heartbeat,
    Position,
    Rotated,
    RowsChanged,
    RowsExplained,
    SeedsSet,
    Statement,
    TableMap,
    TransactionBegan,
    UserVariableSet,
    XaBegan,
    XaCommitted,
    XaPrepared,
    XaRolledBack,
)
from tests.wire.binlog import building as b
from tests.wire.binlog.recorded import MARIADB_11, MYSQL_9

T = EventType
PLACE = Position("binlog.000001", 4)
BEGINNING = (b.rotate(PLACE), b.format_description())
STATUS = b.variables(0, 45)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
numbers = st.integers(0, (1 << 64) - 1)
uuids = st.uuids()
moments = st.integers(0, (1 << 55) - 1)


def decode(events: Iterable[bytes]) -> list[Event]:
    decoder = Decoder()
    return [told for event in events for told in decoder.decode(event)]


def behind_the_beginning(*events: bytes) -> list[Event]:
    return decode((*BEGINNING, *events))[2:]


def shortly(told: Event) -> str:
    match told:
        case FormatDescribed(version, has_checksums):
            return f"format {version.decode()} {'with' if has_checksums else 'without'} checksums"
        case Committed(position):
            return f"end {position.file[-2:]} {position.offset}"
        case Rotated(position) | Heartbeat(position):
            return f"{type(told).__name__} {position.file[-2:]} {position.offset}"
        case TransactionBegan(gtid, _):
            return f"began {gtid[-6:]}"
        case TableMap(_, schema, table):
            return f"map {schema}.{table}"
        case RowsChanged(table_map):
            return f"rows {table_map.table}"
        case RowsExplained(text):
            return f"by {text.decode()}"
        case GtidsBefore(gtids):
            return f"before {gtids[-13:]}"
        case CounterSet() | SeedsSet() | UserVariableSet():
            return type(told).__name__
        case Statement(_, text, sql_mode, charset):
            return f"{' '.join(text.decode().split())[:24]} ({sql_mode & 4}, {charset})"
        case XaBegan(xid) | XaPrepared(xid) | XaCommitted(xid) | XaRolledBack(xid):
            return f"{type(told).__name__} {xid}"


def lines(*transactions: str) -> list[str]:
    return [line for transaction in transactions for line in transaction.split(" | ")]


MYSQL_9_TOLD = lines(
    "Rotated 01 2491 | format 9.7.4-2 with checksums | Heartbeat 01 2491",
    "began 3d3:11 | map shop.t | rows t | map shop.t | rows t | end 01 2850",
    "began 3d3:12 | map shop.u | map shop.child | rows child | rows u | end 01 3215",
    'began 3d3:13 | CREATE TABLE "d" (a INT) (4, 8) | end 01 3404',
    "began 3d3:14 | INSERT INTO t VALUES (3) (0, 255) | end 01 3699",
    "began 3d3:15 | LOAD DATA INFILE '/tmp/f (0, 255) | end 01 4138",
    "began 3d3:16 | XaBegan x'78',x'',1 | map shop.t | rows t",
    "XA END X'78',X'',1 (0, 255) | XaPrepared x'78',x'',1 | end 01 4519",
    "began 3d3:17 | XaCommitted x'78',x'',1 | end 01 4687",
    "began 3d3:18 | XaBegan x'79',x'7a',7 | map shop.t | rows t",
    "XA END X'79',X'7a',7 (0, 255) | XaPrepared x'79',x'7a',7 | end 01 5073",
    "began 3d3:19 | XaRolledBack x'79',x'7a',7 | end 01 5245",
    "began 3d3:20 | CREATE TABLE `c` ( `a` i (0, 255) | map shop.c | rows c | end 01 5656",
    "began 3d3:21 | map shop.t | rows t | end 01 5892",
    "began blue:1 | map shop.t | rows t | end 01 6165",
    "Rotated 02 4",
    "Rotated 02 4 | format 9.7.4-2 without checksums | before 3:1-21:blue:1",
    "began 3d3:22 | map shop.t | rows t | end 02 490",
    "Rotated 03 4",
    "Rotated 03 4 | format 9.7.4-2 with checksums | before 3:1-22:blue:1 | Heartbeat 03 244",
)

MARIADB_11_TOLD = lines(
    "Rotated 01 2235 | format 11.8.9-MariaDB-0+deb13u1 from Debian-log with checksums | Heartbeat 01 2235",
    "began 0-1-13 | map shop.t | rows t | map shop.t | rows t | end 01 2555",
    "began 0-1-14 | map shop.u | map shop.child | rows u | end 01 2794",
    'began 0-1-15 | CREATE TABLE "d" (a INT) (4, 8) | end 01 2936',
    "began 0-1-16 | INSERT INTO t VALUES (3) (0, 2304) | end 01 3100",
    "began 0-1-17 | LOAD DATA INFILE '/tmp/f (0, 2304) | end 01 3410",
    "began 0-1-18 | XaBegan x'78',x'',1",
    "map shop.t | rows t | XA END X'78',X'',1 (0, 2304) | XaPrepared x'78',x'',1 | end 01 3710",
    "began 0-1-19 | XaCommitted x'78',x'',1 | end 01 3846",
    "began 0-1-20 | XaBegan x'79',x'7a',7",
    "map shop.t | rows t | XA END X'79',X'7a',7 (0, 2304) | XaPrepared x'79',x'7a',7 | end 01 4150",
    "began 0-1-21 | XaRolledBack x'79',x'7a',7 | end 01 4291",
    "began 0-1-22 | CREATE TABLE `c` ( `a` i (0, 2304) | map shop.c | rows c | end 01 4619",
    "began 0-1-23 | map shop.w | rows w | end 01 4848",
    "began 0-1-24 | map shop.w | rows w | end 01 5076",
    "began 0-1-25 | map shop.w | rows w | end 01 5280",
    "began 0-1-26 | CREATE TABLE compressed  (0, 2304) | end 01 5447",
    "Rotated 02 4",
    "Rotated 02 4 | format 11.8.9-MariaDB-0+deb13u1 from Debian-log without checksums | before 0-1-26",
    "began 0-1-27 | map shop.t | rows t | end 02 549",
    "Rotated 03 4",
    "Rotated 03 4 | format 11.8.9-MariaDB-0+deb13u1 from Debian-log with checksums | before 0-1-27",
)


def test_what_mysql_sends_is_read() -> None:
    told = [shortly(event) for event in decode(MYSQL_9)]

    assert told == MYSQL_9_TOLD


def test_what_mariadb_sends_is_read() -> None:
    told = [shortly(event) for event in decode(MARIADB_11)]

    assert told == MARIADB_11_TOLD


def test_mysql_tells_to_the_microsecond_when_it_committed_and_mariadb_to_the_second() -> None:
    (mysql,) = {told.committed_at for told in decode(MYSQL_9[:4]) if isinstance(told, TransactionBegan)}
    (mariadb,) = {told.committed_at for told in decode(MARIADB_11[:4]) if isinstance(told, TransactionBegan)}

    assert mysql % 1
    assert int(mysql) == int.from_bytes(MYSQL_9[3][:4], "little")
    assert mariadb == int.from_bytes(MARIADB_11[3][:4], "little")


@given(numbers, numbers, uuids, moments)
def test_gtids_are_told_as_sql_writes_them(number: int, other: int, source: UUID, moment: int) -> None:
    domain, server = other & 0xFFFFFFFF, other >> 32
    signed = number >> 1

    told = behind_the_beginning(
        b.gtid(source, number, moment),
        b.gtid(source, 0, moment, kind=T.ANONYMOUS_GTID),
        b.tagged_gtid(source, b"blue_1", signed, moment),
        b.tagged_gtid(source, b"", signed, moment),
        b.mariadb_gtid(domain, server, number),
    )

    assert told == [
        TransactionBegan(f"{source}:{number}", moment / 1_000_000, b.FLAGS),
        TransactionBegan("", moment / 1_000_000, b.FLAGS),
        TransactionBegan(f"{source}:blue_1:{signed}", moment / 1_000_000, b.FLAGS),
        TransactionBegan(f"{source}:{signed}", moment / 1_000_000, b.FLAGS),
        TransactionBegan(f"{domain}-{server}-{number}", float(b.AT)),
    ]


@given(uuids, uuids, st.lists(st.tuples(st.integers(1, 1 << 40), st.integers(0, 9)), min_size=1, max_size=3))
def test_the_gtids_of_the_files_before_are_told_as_sql_writes_them(
    source: UUID, other: UUID, intervals: list[tuple[int, int]]
) -> None:
    ranges = [(first, first + more) for first, more in intervals]
    text = ":".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)

    (told,) = behind_the_beginning(b.previous_gtids([(source, b"", ranges), (source, b"blue", ranges)]))

    assert told == GtidsBefore(f"{source}:{text}:blue:{text}")


def test_who_made_the_rows_is_told_by_either_family() -> None:
    text = b"UPDATE t SET a = '\xff'" + b" " * 300

    assert behind_the_beginning(b.rows_query(text), b.annotation(text)) == [RowsExplained(text)] * 2


# As servers sent them, for SET @s = 'é', @i = -5, @n = NULL; INSERT INTO t VALUES (@s), (@i), (@n), (RAND()), (NULL).
@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (T.INTVAR, "010700000000000000", CounterSet(Counter.LAST_INSERT_ID, 7)),
        (T.INTVAR, "020100000000000000", CounterSet(Counter.INSERT_ID, 1)),
        (T.RAND, "e8e8dc14000000007cd3471200000000", SeedsSet(350021864, 306697084)),
        (T.USER_VAR, "010000007300002d00000002000000c3a9", UserVariableSet("s", "é".encode(), 0, 45)),
        (T.USER_VAR, "010000006900020800000008000000fbffffffffffffff00",
         UserVariableSet("i", b"\xfb" + b"\xff" * 7, 2, 8)),
        (T.USER_VAR, "010000006e01", UserVariableSet("n", None)),
    ],
)  # fmt: skip
def test_what_a_statement_is_run_with_is_told(kind: T, body: str, told: Event) -> None:
    data = bytes.fromhex(body)

    assert behind_the_beginning(b.event(kind, data)) == [told]
    # The last byte of a user variable is not there on old servers.
    for length in range(len(data) - 1):
        with pytest.raises(ProtocolError):
            behind_the_beginning(b.event(kind, data[:length]))


def test_a_number_that_is_not_known_may_matter() -> None:
    with pytest.raises(ProtocolError, match="number 3"):
        behind_the_beginning(b.event(T.INTVAR, b"\3" + bytes(8)))


@given(names, names, st.integers(0, (1 << 48) - 1), st.binary(max_size=20))
def test_a_table_map_names_the_table_of_the_rows_behind_it(
    schema: str, table: str, number: int, columns: bytes
) -> None:
    told = behind_the_beginning(b.table_map(number, schema, table, columns), b.rows(number))

    expected = TableMap(number, schema, table, columns, Family.MYSQL)
    assert told == [expected, RowsChanged(expected, T.WRITE_ROWS, b.rows(number)[19:-4])]


ROWS = [
    T.WRITE_ROWS_V1, T.UPDATE_ROWS_V1, T.DELETE_ROWS_V1, T.WRITE_ROWS, T.UPDATE_ROWS, T.DELETE_ROWS,
    T.PARTIAL_UPDATE_ROWS, T.COMPRESSED_WRITE_ROWS_V1, T.COMPRESSED_UPDATE_ROWS_V1, T.COMPRESSED_DELETE_ROWS_V1,
    T.COMPRESSED_WRITE_ROWS, T.COMPRESSED_UPDATE_ROWS, T.COMPRESSED_DELETE_ROWS,
]  # fmt: skip


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.name)
def test_every_kind_of_rows_belongs_to_its_table(kind: T) -> None:
    told = behind_the_beginning(b.table_map(9, "shop", "t"), b.rows(9, kind=kind))

    assert [shortly(event) for event in told] == ["map shop.t", "rows t"]


def test_rows_of_a_table_that_was_not_named_are_refused() -> None:
    with pytest.raises(ProtocolError, match="table 9"):
        behind_the_beginning(b.rows(9))


def test_a_tables_number_ends_with_the_statement() -> None:
    several = [b.table_map(9, "shop", "t"), b.rows(9, ends=False), b.rows(9)]
    assert len(behind_the_beginning(*several)) == 3

    with pytest.raises(ProtocolError):
        behind_the_beginning(*several, b.rows(9))


def test_an_event_that_only_ends_a_statement_has_no_table() -> None:
    assert behind_the_beginning(b.rows(NO_TABLE)) == []


@given(names, st.binary(max_size=50), numbers, st.none() | st.integers(0, 0xFFFF))
def test_statements_keep_their_text_mode_and_character_set(
    schema: str, text: bytes, sql_mode: int, charset: int | None
) -> None:
    status = b.variables(sql_mode, charset)
    text = b"INSERT " + text

    told = behind_the_beginning(
        b.mariadb_gtid(0, 1, 1),
        b.query(schema, text, status),
        b.query(schema, b.compressed(text), status, kind=T.COMPRESSED_QUERY),
        b.query(schema, text, status, kind=T.EXECUTE_LOAD_QUERY, further=bytes(13)),
    )

    assert told[1:] == [Statement(schema, text, sql_mode, charset, at=b.AT)] * 3


@given(st.integers(14, 127) | st.integers(129, 255), st.binary(max_size=20))
def test_a_status_variable_that_is_not_known_loses_nothing_before_it(number: int, data: bytes) -> None:
    status = b.variables(4, 8, bytes((number,)) + data)

    (told, _) = behind_the_beginning(b.query("shop", b"DROP TABLE t", status))

    assert told == Statement("shop", b"DROP TABLE t", 4, 8, at=b.AT)


MYSQL_MOMENT = b"\x0c\2shop\0other\0\x0d" + (250_000).to_bytes(3, "little")
MARIADB_MOMENT = b"\x0b\4root\1%\x80" + (250_000).to_bytes(3, "little")


@pytest.mark.parametrize("moment", [MYSQL_MOMENT, MARIADB_MOMENT], ids=["mysql", "mariadb"])
def test_a_statement_tells_of_its_session_what_it_depends_on(moment: bytes) -> None:
    status = b.variables(0, 8, b"\3\x0a\0\3\0\5\6+05:00" + moment + b"\0\0\0\0\4")

    (told, _) = behind_the_beginning(b.query("shop", b"DROP TABLE t", status))

    assert told == Statement("shop", b"DROP TABLE t", 0, 8, at=b.AT + 0.25, time_zone="+05:00", increment=(10, 3),
                             checks_keys=False)  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        (b"\2\3std\0", "catalog"), (b"\3\1\0\2\0", "auto increment"), (b"\5\3UTC", "time zone"), (b"\7\1\0", "names"),
        (b"\x08\1\0", "charset of the schema"), (b"\x09" + bytes(8), "tables"), (b"\x0a" + bytes(4), "length"),
        (b"\x0c\xfe", "too many schemas"),
    ],
)  # fmt: skip
def test_what_stands_behind_any_known_status_variable_is_read(variable: bytes, name: str) -> None:
    (told, _) = behind_the_beginning(b.query("shop", b"DROP TABLE t", variable + b"\4\x08\0\0\0\0\0"))

    assert isinstance(told, Statement)
    assert told.charset == 8


MYSQL_BEGINS = [b.gtid(UUID(int=1), 5, 6)]
MARIADB_BEGINS = [b.mariadb_gtid(0, 1, 5)]
DROP = b.query("shop", b"DROP TABLE t", STATUS, end=900)


@pytest.mark.parametrize(
    ("events", "ends"),
    [
        ([*MYSQL_BEGINS, DROP], [900]),
        ([b.mariadb_gtid(0, 1, 5, standalone=True), DROP], [900]),
        ([*MYSQL_BEGINS, b.query("", b"BEGIN"), DROP, b.xid(950)], [950]),
        ([*MARIADB_BEGINS, DROP, b.xid(950)], [950]),
        ([*MARIADB_BEGINS, DROP, b.query("", b"COMMIT", end=960)], [960]),
        ([*MARIADB_BEGINS, DROP, b.query("", b"ROLLBACK", end=970)], [970]),
        ([*MYSQL_BEGINS, b.query("", b"CREATE TABLE t (\na INT) START TRANSACTION"), b.xid(950)], [950]),
        ([*MYSQL_BEGINS, b.query("", b"XA START X'78',X'',1"), b.xa_prepare(b"x", b"", 1, one_phase=True)], [b.END]),
        ([*MARIADB_BEGINS, DROP, *MARIADB_BEGINS, DROP], []),
    ],
)
def test_a_transaction_ends_where_its_last_event_does(events: list[bytes], ends: list[int]) -> None:
    told = behind_the_beginning(*events)

    assert [event.position for event in told if isinstance(event, Committed)] == [
        Position(PLACE.file, end) for end in ends
    ]


@given(st.binary(max_size=64), st.binary(max_size=64), st.integers(0, (1 << 31) - 1))
def test_a_transaction_in_two_phases_has_the_same_name_in_both(gtrid: bytes, bqual: bytes, form: int) -> None:
    name = b"X'%b',X'%b',%d" % (gtrid.hex().upper().encode(), bqual.hex().encode(), form)

    prepared, _, committed, _, rolled_back, _ = behind_the_beginning(
        b.xa_prepare(gtrid, bqual, form), b.query("", b"XA COMMIT " + name), b.query("", b"XA ROLLBACK " + name)
    )

    assert isinstance(prepared, XaPrepared)
    assert committed == XaCommitted(prepared.xid)
    assert rolled_back == XaRolledBack(prepared.xid)


@pytest.mark.parametrize("compression", [0, 255], ids=["zstd", "plain"])
def test_a_compressed_transaction_is_read_as_if_it_were_not(compression: int) -> None:
    inner = [b.query("", b"BEGIN"), b.table_map(1, "shop", "t"), b.rows(1), b.xid(0)]

    told = behind_the_beginning(*MYSQL_BEGINS, b.payload(map(b.bare, inner), compression=compression))

    assert [shortly(event) for event in told[1:]] == ["map shop.t", "rows t", f"end 01 {b.END}"]


def test_a_large_compressed_transaction_is_read_in_pieces() -> None:
    inner = [b.bare(b.table_map(number, "shop", "t" * 50)) for number in range(50_000)]

    told = behind_the_beginning(*MYSQL_BEGINS, b.payload(inner))

    assert len(told) == 1 + 50_000


@pytest.mark.parametrize(
    ("inner", "compression"),
    [
        ([b.bare(b.xid())[:-1]], 255), ([b.bare(b.xid())[:10]], 0), ([b.bare(b.xid()), bytes(19)], 0),
        ([b.bare(b.payload([]))], 0), ([b.bare(b.xid())], 1), ([bytes(18) + b"\xff" * 9], 0),
    ],
    ids=["cut event", "cut header", "no length", "one in another", "unknown compression", "endless event"],
)  # fmt: skip
def test_a_compressed_transaction_that_is_broken_is_refused(inner: list[bytes], compression: int) -> None:
    with pytest.raises(ProtocolError):
        behind_the_beginning(b.payload(inner, compression=compression))


def test_what_is_not_zstd_is_refused() -> None:
    plain = b.payload([b.bare(b.xid())], compression=255)
    body = plain[19:-4].replace(b"\2\3\xfc\xff\0", b"\2\1\0")

    with pytest.raises(ProtocolError, match="compressed"):
        behind_the_beginning(b.event(T.TRANSACTION_PAYLOAD, body))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x81", b"\x00\1", b"\x91\1x", b"\x81\5" + b.compressed(b"text")[2:], b"\x81\4nonsense"],
    ids=["nothing", "no length", "not compressed", "unknown way", "wrong length", "not zlib"],
)
def test_a_compressed_statement_that_is_broken_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        behind_the_beginning(b.query("shop", data, kind=T.COMPRESSED_QUERY))


@given(names, numbers)
def test_places_in_the_log_are_told(file: str, offset: int) -> None:
    place = Position(file, offset)
    short = Position(file, offset & 0xFFFFFFFF)

    told = decode([b.rotate(place), b.format_description(), b.heartbeat(short), b.heartbeat_v2(place)])

    assert told == [Rotated(place), FormatDescribed(b"9.7.4", True), Heartbeat(short), Heartbeat(place)]


@pytest.mark.parametrize("checksum", [True, False], ids=["checksum", "none"])
def test_a_rotation_is_understood_before_it_is_known_whether_there_are_checksums(checksum: bool) -> None:
    assert decode([b.rotate(PLACE, checksum=checksum)]) == [Rotated(PLACE)]


def test_the_format_says_whether_there_are_checksums() -> None:
    without = [b.rotate(PLACE), b.format_description(checksums=False), b.bare(b.xid())]

    assert shortly(decode(without)[-1]) == "end 01 1234"
    with pytest.raises(ProtocolError, match="checksum"):
        behind_the_beginning(b.event(T.XID, bytes(12), checksum=False))


@given(st.data())
def test_an_event_that_was_changed_on_its_way_is_refused(data: st.DataObject) -> None:
    event = bytearray(data.draw(st.sampled_from(MYSQL_9[3:50])))
    event[data.draw(st.integers(19, len(event) - 1))] ^= data.draw(st.integers(1, 255))
    if event[4] in (T.ROTATE, T.FORMAT_DESCRIPTION):
        return

    with pytest.raises(ProtocolError, match="checksum"):
        decode((*MYSQL_9[:2], bytes(event)))


@given(st.sampled_from([*MYSQL_9, *MARIADB_11]), st.data())
def test_any_bytes_are_read_or_refused(event: bytes, data: st.DataObject) -> None:
    changed = bytearray(b.bare(event))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    cut = changed[: data.draw(st.integers(0, len(changed)))]

    for tried in (bytes(changed), bytes(cut), b.event(changed[4], bytes(cut), checksum=False)):
        try:
            decode([b.format_description(checksums=False), tried])
        except ProtocolError:
            continue


@pytest.mark.parametrize("kind", [0, 1, 6, 7, 8, 10, 12, 20, 21, 22, 43, 100, 159, 172, 255])
def test_a_kind_that_is_not_known_is_refused_as_it_may_hold_rows(kind: int) -> None:
    with pytest.raises(ProtocolError, match=f"kind {kind}, which may hold rows"):
        behind_the_beginning(b.event(kind, b"anything"))


def test_a_kind_that_is_not_known_and_may_be_passed_over_is() -> None:
    assert behind_the_beginning(b.event(99, b"anything", flags=EventFlag.IGNORABLE)) == []


def test_a_gap_in_the_log_is_told() -> None:
    with pytest.raises(ProtocolError, match="could not log everything"):
        behind_the_beginning(b.event(T.INCIDENT, b"\1\0\0"))


@pytest.mark.parametrize("version", [2, 9])
def test_checksums_of_a_kind_that_is_not_known_are_refused(version: int) -> None:
    plain = b.format_description()

    with pytest.raises(ProtocolError, match="checksums"):
        decode([b.event(T.FORMAT_DESCRIPTION, plain[19:-5] + bytes((version,)))])
