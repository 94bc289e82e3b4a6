"""Events of a binary log, made by the rules of the manuals: what the decoder must read, and fake servers send."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from uuid import UUID

import zstandard

from dbmux.wire.binlog.events import EventType, Position
from dbmux.wire.buffer import lenenc, lenenc_bytes

AT = 1_700_000_000
END = 1_234
SERVER = 7
# Of MySQL's transactions: something in it is logged by statement.
FLAGS = 1


def event(
    kind: int, body: bytes, *, checksum: bool = True, end: int = END, flags: int = 0, at: int = AT, server: int = SERVER
) -> bytes:
    """A whole event."""
    length = 19 + len(body) + (4 if checksum else 0)
    data = struct.pack("<IBIIIH", at, kind, server, length, end, flags) + body
    return data + zlib.crc32(data).to_bytes(4, "little") if checksum else data


def format_description(*, checksums: bool = True, version: bytes = b"9.7.4") -> bytes:
    """The event with which a file begins; it has a checksum of its own in any case."""
    body = struct.pack("<H50sIB", 4, version, 0, 19) + bytes(42) + bytes((int(checksums),))
    return event(EventType.FORMAT_DESCRIPTION, body)


def rotate(position: Position, *, checksum: bool = True, flags: int = 0) -> bytes:
    """What follows stands there."""
    body = position.offset.to_bytes(8, "little") + position.file.encode()
    return event(EventType.ROTATE, body, checksum=checksum, flags=flags)


def heartbeat(position: Position) -> bytes:
    """Nothing was written."""
    return event(EventType.HEARTBEAT, position.file.encode(), end=position.offset)


def heartbeat_v2(position: Position) -> bytes:
    """The same in the form that has room for large files."""
    offset = lenenc(position.offset)
    body = b"\1" + lenenc_bytes(position.file.encode()) + b"\2" + lenenc_bytes(offset) + b"\0"
    return event(EventType.HEARTBEAT_V2, body)


def gtid(source: UUID, number: int, committed_us: int, *, kind: int = EventType.GTID) -> bytes:
    """A transaction of MySQL begins."""
    body = (
        bytes((FLAGS,))
        + source.bytes
        + number.to_bytes(8, "little")
        + b"\2"
        + bytes(16)
        + committed_us.to_bytes(7, "little")
    )
    return event(kind, body)


def number(value: int) -> bytes:
    """A number as MySQL's serialisation library writes it: ones at the end of the first byte count the others."""
    for more in range(8):
        if value < 1 << 7 * (more + 1):
            return (value << (more + 1) | (1 << more) - 1).to_bytes(more + 1, "little")
    return b"\xff" + value.to_bytes(8, "little")


def tagged_gtid(source: UUID, tag: bytes, gno: int, committed_us: int) -> bytes:
    """A transaction of MySQL with a tag begins."""
    fields = (
        (0, number(FLAGS)),
        (1, b"".join(map(number, source.bytes))),
        (2, number(gno << 1)),
        (3, number(len(tag)) + tag),
        (4, number(0)),
        (5, number(0)),
        (6, number(committed_us)),
        (8, number(300)),
    )
    body = b"".join(number(field) + value for field, value in fields)
    return event(EventType.TAGGED_GTID, number(1) + number(len(body)) + number(0) + body)


def mariadb_gtid(domain: int, server: int, sequence: int, *, standalone: bool = False) -> bytes:
    """A transaction of MariaDB begins."""
    body = struct.pack("<QIB", sequence, domain, int(standalone)) + bytes(6)
    return event(EventType.MARIADB_GTID, body, server=server)


def table_map(table_id: int, schema: str, table: str, columns: bytes = b"\1\3\0\0") -> bytes:
    """Rows of a table follow."""
    names = b"".join(bytes((len(name.encode()),)) + name.encode() + b"\0" for name in (schema, table))
    return event(EventType.TABLE_MAP, table_id.to_bytes(6, "little") + b"\1\0" + names + columns)


def rows(table_id: int, *, kind: int = EventType.WRITE_ROWS, ends: bool = True) -> bytes:
    """Rows of a table; whether the statement ends there."""
    return event(kind, table_id.to_bytes(6, "little") + bytes((int(ends), 0)) + b"\2\0\1\xff\0\1\0\0\0")


def variables(sql_mode: int | None = None, charset: int | None = None, rest: bytes = b"") -> bytes:
    """The status variables of a statement, as servers order them."""
    told = b"\0" + bytes(4)
    if sql_mode is not None:
        told += b"\1" + sql_mode.to_bytes(8, "little")
    told += b"\6" + lenenc_bytes(b"std")
    if charset is not None:
        told += b"\4" + charset.to_bytes(2, "little") * 3
    return told + rest


def query(
    schema: str, text: bytes, status: bytes = b"", *, kind: int = EventType.QUERY, further: bytes = b"", end: int = END
) -> bytes:
    """A statement."""
    name = schema.encode()
    head = struct.pack("<IIBHH", 5, 0, len(name), 0, len(status))
    return event(kind, head + further + status + name + b"\0" + text, end=end)


def compressed(text: bytes) -> bytes:
    """What MariaDB makes of a text."""
    length = len(text).to_bytes(4, "big").lstrip(b"\0") or b"\0"
    return bytes((0x80 | len(length),)) + length + zlib.compress(text)


def payload(events: Iterable[bytes], *, compression: int = 0) -> bytes:
    """What MySQL makes of a transaction; its events have no checksums."""
    plain = b"".join(events)
    data = zstandard.ZstdCompressor().compress(plain) if compression == 0 else plain
    fields = ((2, compression), (3, len(plain)), (1, len(data)))
    head = b"".join(bytes((field,)) + lenenc_bytes(lenenc(value)) for field, value in fields)
    return event(EventType.TRANSACTION_PAYLOAD, head + b"\0" + data)


def bare(data: bytes) -> bytes:
    """The same event without its checksum."""
    length = (len(data) - 4).to_bytes(4, "little")
    return data[:9] + length + data[13:-4]


def xid(end: int = END) -> bytes:
    """A transaction is committed."""
    return event(EventType.XID, bytes(8), end=end)


def xa_prepare(gtrid: bytes, bqual: bytes, form: int, *, one_phase: bool = False) -> bytes:
    """A transaction is prepared."""
    return event(
        EventType.XA_PREPARE, struct.pack("<BIII", int(one_phase), form, len(gtrid), len(bqual)) + gtrid + bqual
    )


def rows_query(text: bytes) -> bytes:
    """The statement of the rows behind it, as MySQL tells it."""
    return event(EventType.ROWS_QUERY, bytes((len(text) & 0xFF,)) + text)


def annotation(text: bytes) -> bytes:
    """The same of MariaDB."""
    return event(EventType.ANNOTATE_ROWS, text)


def previous_gtids(gtids: Iterable[tuple[UUID, bytes, Iterable[tuple[int, int]]]]) -> bytes:
    """What stands in the files before, where at least one has a tag."""
    sets = [(source, tag, list(intervals)) for source, tag, intervals in gtids]
    body = b"\1" + len(sets).to_bytes(6, "little") + b"\1"
    for source, tag, intervals in sets:
        body += source.bytes + number(len(tag)) + tag + struct.pack("<Q", len(intervals))
        body += b"".join(struct.pack("<QQ", first, last + 1) for first, last in intervals)
    return event(EventType.PREVIOUS_GTIDS, body)
