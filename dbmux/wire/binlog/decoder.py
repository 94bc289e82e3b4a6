"""Reads a binary log, event by event.

The bytes of one event come in, as the server sends them; what it tells goes out as values. What must be known of
earlier events is kept here: the file, whether there are checksums, which tables have which numbers, and whether a
transaction is open. An event of a kind that is not known may hold rows, and raises ProtocolError, as does one that is
broken; the reader must then begin anew. Never reads a column's value: dbmux.wire.binlog.changes does. (What kinds there
are and what ends a transaction was tried on MySQL 9, MariaDB 10.11 and 11.)
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.binlog.columns import Family
from dbmux.wire.binlog.events import (
    CHECKSUM_LENGTH,
    HEADER_LENGTH,
    Committed,
    Event,
    EventFlag,
    EventType,
    FormatDescribed,
    Header,
    Heartbeat,
    Position,
    Rotated,
    RowsChanged,
    RowsExplained,
    Statement,
    TableMap,
    TransactionBegan,
    XaBegan,
    XaCommitted,
    XaPrepared,
    XaRolledBack,
    parse_header,
)
from dbmux.wire.binlog.gtid import (
    parse_anonymous_gtid,
    parse_gtid,
    parse_gtids_before,
    parse_mariadb_gtid,
    parse_mariadb_gtid_list,
    parse_tagged_gtid,
    xid_of,
)
from dbmux.wire.binlog.payload import events_of
from dbmux.wire.binlog.query import parse_compressed_query, parse_load_query, parse_query
from dbmux.wire.binlog.variables import parse_counter, parse_seeds, parse_user_variable
from dbmux.wire.buffer import Reader

E = EventType
_TABLE_ID_LENGTH = 6
# The table's number, and two bytes of flags, of which the first holds the one that is looked at.
_ROWS_HEAD_LENGTH = _TABLE_ID_LENGTH + 2
# The number of no table: an event without rows that only ends a statement.
NO_TABLE = 0xFFFFFF
_STATEMENT_ENDS = 1
# Tables whose descriptions are kept.
MAPS_LIMIT = 1000
_WITHOUT_CHECKSUM, _CRC32 = 0, 1
# The CRC-32 of any bytes with their own CRC-32 behind them, least byte first.
_SOUND = 0x2144DF1C
_VERSION_LENGTH = 50

# They come before it is known whether events have checksums.
_ON_FILES = frozenset((E.FORMAT_DESCRIPTION, E.ROTATE))
_ROWS = frozenset(
    (
        E.WRITE_ROWS_V1, E.UPDATE_ROWS_V1, E.DELETE_ROWS_V1, E.WRITE_ROWS, E.UPDATE_ROWS, E.DELETE_ROWS,
        E.PARTIAL_UPDATE_ROWS, E.COMPRESSED_WRITE_ROWS_V1, E.COMPRESSED_UPDATE_ROWS_V1, E.COMPRESSED_DELETE_ROWS_V1,
        E.COMPRESSED_WRITE_ROWS, E.COMPRESSED_UPDATE_ROWS, E.COMPRESSED_DELETE_ROWS,
    )
)  # fmt: skip
# They change nothing, or only what the statement behind them says.
_OF_NO_INTEREST = frozenset(
    (
        E.STOP, E.APPEND_BLOCK, E.DELETE_FILE, E.BEGIN_LOAD_QUERY, E.IGNORABLE, E.TRANSACTION_CONTEXT, E.VIEW_CHANGE,
        E.BINLOG_CHECKPOINT, E.START_ENCRYPTION,
    )
)  # fmt: skip
_STATEMENTS: dict[int, Callable[[bytes, int], Statement]] = {
    E.QUERY: parse_query,
    E.EXECUTE_LOAD_QUERY: parse_load_query,
    E.COMPRESSED_QUERY: parse_compressed_query,
}
_TOLD: dict[int, Callable[[bytes], Event]] = {
    E.INTVAR: parse_counter,
    E.RAND: parse_seeds,
    E.USER_VAR: parse_user_variable,
    E.PREVIOUS_GTIDS: parse_gtids_before,
    E.MARIADB_GTID_LIST: parse_mariadb_gtid_list,
    # A length that is too short for it stands before MySQL's.
    E.ROWS_QUERY: lambda body: RowsExplained(body[1:]),
    E.ANNOTATE_ROWS: RowsExplained,
}
_GTIDS: dict[int, Callable[[bytes, Header], TransactionBegan]] = {
    E.GTID: parse_gtid,
    E.ANONYMOUS_GTID: parse_anonymous_gtid,
    E.TAGGED_GTID: parse_tagged_gtid,
}


class _HeartbeatField(IntEnum):
    """What the second form of a heartbeat tells, each with its length before it."""

    END = 0
    FILE = 1
    OFFSET = 2


# As servers write them themselves, whatever the client wrote.
_BEGIN = b"BEGIN"
_BEGINS = re.compile(rb"BEGIN|XA START .*|CREATE TABLE .* START TRANSACTION", re.DOTALL)
_ENDS = (b"COMMIT", b"ROLLBACK")
_XA = re.compile(rb"XA (START|COMMIT|ROLLBACK) (X'[0-9A-Fa-f]*',X'[0-9A-Fa-f]*',\d+)")
_XA_EVENTS: dict[bytes, Callable[[str], Event]] = {b"START": XaBegan, b"COMMIT": XaCommitted, b"ROLLBACK": XaRolledBack}


class Decoder:
    """What one server's log tells, from a place between two transactions on."""

    __slots__ = ("_family", "_file", "_has_checksums", "_is_open", "_maps", "_tables")

    def __init__(self) -> None:
        self._family = Family.MYSQL
        self._file = ""
        self._has_checksums = False
        self._is_open = False
        self._tables: dict[int, TableMap] = {}
        # By how they are written.
        self._maps: dict[bytes, TableMap] = {}

    def decode(self, event: bytes) -> Iterable[Event]:
        """What an event tells, to be taken to its end before the next event; raises ProtocolError, also then."""
        if len(event) < HEADER_LENGTH:
            raise _broken("an event is shorter than its header")
        header = parse_header(event)
        if header.length != len(event):
            raise _broken(f"an event of {len(event)} bytes says that it has {header.length}")
        if header.type in _ON_FILES:
            return self._open(header, event)
        if not self._has_checksums:
            return self._read(header, event[HEADER_LENGTH:])
        if zlib.crc32(event) != _SOUND:
            raise _broken("an event's checksum is wrong: it was changed on its way")
        return self._read(header, event[HEADER_LENGTH:-CHECKSUM_LENGTH])

    def _open(self, header: Header, event: bytes) -> Iterable[Event]:
        if header.type == E.FORMAT_DESCRIPTION:
            return self._describe(header, event[HEADER_LENGTH:])
        # It may stand before the first format description, and be of the old file or of the new one.
        return self._rotate(event[HEADER_LENGTH : -CHECKSUM_LENGTH if zlib.crc32(event) == _SOUND else None])

    def _read(self, header: Header, body: bytes) -> Iterable[Event]:
        read = _READERS.get(header.type)
        if read is not None:
            return read(self, header, body)
        if header.flags & EventFlag.IGNORABLE:
            return ()
        raise ProtocolError(
            ErrorCode.NOT_SUPPORTED, f"the binary log has an event of kind {header.type}, which may hold rows"
        )

    def _skip(self, header: Header, body: bytes) -> Iterable[Event]:
        return ()

    def _tell(self, header: Header, body: bytes) -> Iterable[Event]:
        return (_TOLD[header.type](body),)

    # The file.

    def _describe(self, header: Header, body: bytes) -> Iterable[Event]:
        # Its own checksum is always there, and before it which kind the file's events have.
        if len(body) < 2 + _VERSION_LENGTH + CHECKSUM_LENGTH + 1:
            raise _broken("a format description is too short; servers older than MySQL 5.7 are not supported")
        kind = body[-CHECKSUM_LENGTH - 1]
        if kind not in (_WITHOUT_CHECKSUM, _CRC32):
            raise _broken(f"checksums of kind {kind} are not known")
        self._has_checksums = kind == _CRC32
        self._tables.clear()
        version = body[2 : 2 + _VERSION_LENGTH].rstrip(b"\0")
        self._maps.clear()
        self._family = Family.MARIADB if b"MariaDB" in version else Family.MYSQL
        return (FormatDescribed(version, self._has_checksums),)

    def _rotate(self, body: bytes) -> Iterable[Event]:
        reader = Reader(body, ErrorCode.MALFORMED_REPLY)
        offset = reader.integer(8)
        self._file = _name(reader.rest())
        return (Rotated(Position(self._file, offset)),)

    def _beat(self, header: Header, body: bytes) -> Iterable[Event]:
        return (Heartbeat(Position(_name(body), header.end)),)

    def _beat_v2(self, header: Header, body: bytes) -> Iterable[Event]:
        reader = Reader(body, ErrorCode.MALFORMED_REPLY)
        file, offset = b"", 0
        while reader.remaining and (field := reader.lenenc()) != _HeartbeatField.END:
            value = reader.lenenc_bytes()
            if field == _HeartbeatField.FILE:
                file = value
            elif field == _HeartbeatField.OFFSET:
                offset = Reader(value, reader.blame).lenenc()
        return (Heartbeat(Position(_name(file), offset)),)

    def _incident(self, header: Header, body: bytes) -> Iterable[Event]:
        raise _broken("the server could not log everything that was written; see its error log")

    # Transactions.

    def _begin(self, header: Header, body: bytes) -> Iterable[Event]:
        self._tables.clear()
        self._is_open = False
        return (_GTIDS[header.type](body, header),)

    def _begin_mariadb(self, header: Header, body: bytes) -> Iterable[Event]:
        group = parse_mariadb_gtid(body, header)
        self._tables.clear()
        self._is_open = not group.is_standalone
        return (group.began, XaBegan(group.xid)) if group.xid else (group.began,)

    def _commit(self, header: Header, body: bytes) -> Iterable[Event]:
        return (self._end(header),)

    def _end(self, header: Header) -> Committed:
        self._is_open = False
        return Committed(Position(self._file, header.end))

    def _statement(self, header: Header, body: bytes) -> Iterable[Event]:
        statement = _STATEMENTS[header.type](body, header.at)
        if statement.text in _ENDS:
            return (self._end(header),)
        if _BEGINS.fullmatch(statement.text):
            self._is_open = True
        told = (_xa_or(statement),) if statement.text != _BEGIN else ()
        return told if self._is_open else (*told, self._end(header))

    def _prepare(self, header: Header, body: bytes) -> Iterable[Event]:
        reader = Reader(body, ErrorCode.MALFORMED_REPLY)
        is_committed, form = reader.integer(1), reader.integer(4)
        global_length, branch_length = reader.integer(4), reader.integer(4)
        xid = xid_of(form, reader.take(global_length), reader.take(branch_length))
        # In one phase, it is both.
        return XaCommitted(xid) if is_committed else XaPrepared(xid), self._end(header)

    def _unpack(self, header: Header, body: bytes) -> Iterator[Event]:
        for event in events_of(body):
            inner = parse_header(event)
            if inner.type == E.TRANSACTION_PAYLOAD:
                raise _broken("a compressed transaction holds another")
            # Those inside stand nowhere in the file.
            yield from self._read(inner._replace(end=header.end), event[HEADER_LENGTH:])

    # Rows.

    def _map(self, header: Header, body: bytes) -> Iterable[Event]:
        # It stands before the rows of each statement, mostly the same.
        found = self._maps.get(body)
        if found is None:
            reader = Reader(body, ErrorCode.MALFORMED_REPLY)
            number = reader.integer(_TABLE_ID_LENGTH)
            reader.take(2)
            schema, table = (_name(reader.take(reader.integer(1) + 1)[:-1]) for _ in range(2))
            found = TableMap(number, schema, table, reader.rest(), self._family)
            if len(self._maps) >= MAPS_LIMIT:
                self._maps.clear()
            self._maps[body] = found
        self._tables[found.id] = found
        return (found,)

    def _rows(self, header: Header, body: bytes) -> Iterable[Event]:
        if len(body) < _ROWS_HEAD_LENGTH:
            raise _broken("an event of rows is shorter than its head")
        # By hand: most events of a log are these.
        number = int.from_bytes(body[:_TABLE_ID_LENGTH], "little")
        flags = body[_TABLE_ID_LENGTH]
        found = self._tables.get(number)
        if flags & _STATEMENT_ENDS:
            self._tables.clear()
        if found is not None:
            return (RowsChanged(found, header.type, body),)
        if number == NO_TABLE:
            return ()
        raise _broken(f"there are rows of table {number}, and it was not said which that is")


def _xa_or(statement: Statement) -> Event:
    found = _XA.match(statement.text)
    if found is None:
        return statement
    # Servers write the digits of a name in either case.
    return _XA_EVENTS[found[1]](found[2].decode().lower())


def _name(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _broken(what: str) -> ProtocolError:
    return ProtocolError(ErrorCode.MALFORMED_REPLY, what)


_READERS: dict[int, Callable[[Decoder, Header, bytes], Iterable[Event]]] = {
    **dict.fromkeys(_OF_NO_INTEREST, Decoder._skip),
    **dict.fromkeys(_TOLD, Decoder._tell),
    **dict.fromkeys(_ROWS, Decoder._rows),
    **dict.fromkeys(_STATEMENTS, Decoder._statement),
    **dict.fromkeys(_GTIDS, Decoder._begin),
    E.MARIADB_GTID: Decoder._begin_mariadb,
    E.TABLE_MAP: Decoder._map,
    E.XID: Decoder._commit,
    E.XA_PREPARE: Decoder._prepare,
    E.TRANSACTION_PAYLOAD: Decoder._unpack,
    E.HEARTBEAT: Decoder._beat,
    E.HEARTBEAT_V2: Decoder._beat_v2,
    E.INCIDENT: Decoder._incident,
}
