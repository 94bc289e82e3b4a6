"""OK, ERR and EOF packets, and the session state that an OK packet may report.

Payloads come in and values go out, and back. Rules: manual pages "OK_Packet", "ERR_Packet", "EOF_Packet" and
"Session State Information".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from operator import itemgetter

from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.wire.buffer import Reader, lenenc, lenenc_bytes
from dbmux.wire.capabilities import Capability

OK, EOF, ERR, LOCAL_INFILE = 0x00, 0xFE, 0xFF, 0xFB
MAX_EOF_PAYLOAD = 9
# Of a classic EOF; an OK is never so short.
EOF_PAYLOAD = 5
# A variable of MariaDB (MDEV-15935) and its value at rest, as they are reported.
_REDIRECT = lenenc_bytes(b"redirect_url")
_NO_REDIRECT = _REDIRECT + lenenc_bytes(b"")


class Status(IntEnum):
    """The server's status flags."""

    IN_TRANSACTION = 0x0001
    AUTOCOMMIT = 0x0002
    MORE_RESULTS = 0x0008
    NO_GOOD_INDEX = 0x0010
    NO_INDEX = 0x0020
    CURSOR_EXISTS = 0x0040
    LAST_ROW_SENT = 0x0080
    DATABASE_DROPPED = 0x0100
    NO_BACKSLASH_ESCAPES = 0x0200
    METADATA_CHANGED = 0x0400
    SLOW_QUERY = 0x0800
    OUT_PARAMETERS = 0x1000
    READ_ONLY_TRANSACTION = 0x2000
    SESSION_STATE_CHANGED = 0x4000
    ANSI_QUOTES = 0x8000


_CHARSETS = frozenset((b"character_set_client", b"character_set_connection", b"character_set_results"))


class Track(IntEnum):
    """What a piece of reported session state is about."""

    SYSTEM_VARIABLE = 0
    SCHEMA = 1
    STATE_CHANGE = 2
    GTIDS = 3
    TRANSACTION_CHARACTERISTICS = 4
    TRANSACTION_STATE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ok:
    """A success; `state` is the reported session state as it came, `header` 0x00, or 0xFE at the end of rows."""

    affected_rows: int = 0
    last_insert_id: int = 0
    status: int = Status.AUTOCOMMIT
    warnings: int = 0
    info: bytes = b""
    state: bytes = b""
    header: int = OK

    def build(self, capabilities: int) -> bytes:
        """The payload for a peer with these capabilities; state is left out for a peer that did not ask."""
        tracked = bool(capabilities & Capability.SESSION_TRACK)
        # As a number: the flags' own complement knows only those that have a name.
        status = self.status if tracked else self.status & ~Status.SESSION_STATE_CHANGED
        head = b"%c%b%b" % (self.header, lenenc(self.affected_rows), lenenc(self.last_insert_id))
        tail = status.to_bytes(2, "little") + self.warnings.to_bytes(2, "little")
        if tracked and status & Status.SESSION_STATE_CHANGED:
            return head + tail + lenenc_bytes(self.info) + lenenc_bytes(self.state)
        return head + tail + (lenenc_bytes(self.info) if self.info else b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Err:
    """A failure; `message` is in the connection's character set."""

    number: int
    sqlstate: bytes = b"HY000"
    message: bytes = b""

    def build(self) -> bytes:
        """The payload."""
        return b"\xff" + self.number.to_bytes(2, "little") + b"#" + self.sqlstate + self.message

    def build_ungreeted(self) -> bytes:
        """The payload in place of a greeting: nothing was agreed on yet, and so there is no SQLSTATE."""
        return b"\xff" + self.number.to_bytes(2, "little") + self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Eof:
    """The classic end of columns or rows, for peers without DEPRECATE_EOF."""

    warnings: int = 0
    status: int = Status.AUTOCOMMIT

    def build(self) -> bytes:
        """The payload."""
        return b"\xfe" + self.warnings.to_bytes(2, "little") + self.status.to_bytes(2, "little")


def parse_ok(payload: bytes) -> Ok:
    """Read an OK packet, whichever header it has; raises ProtocolError."""
    reader = Reader(payload, ErrorCode.MALFORMED_REPLY)
    header = reader.integer(1)
    if header not in (OK, EOF):
        raise reader.error(f"0x{header:02X} does not start an OK packet")
    affected, insert_id, status, warnings = (
        reader.lenenc(),
        reader.lenenc(),
        reader.integer(2),
        reader.integer(2),
    )
    info = reader.lenenc_bytes() if reader.remaining else b""
    state = reader.lenenc_bytes() if status & Status.SESSION_STATE_CHANGED and reader.remaining else b""
    return Ok(
        affected_rows=affected,
        last_insert_id=insert_id,
        status=status,
        warnings=warnings,
        info=info,
        state=state,
        header=header,
    )


def parse_err(payload: bytes) -> Err:
    """Read an ERR packet, with or without SQLSTATE (there is none before the login); raises ProtocolError."""
    reader = Reader(payload, ErrorCode.MALFORMED_REPLY)
    if reader.integer(1) != ERR:
        raise reader.error("not an ERR packet")
    number, message = reader.integer(2), reader.rest()
    if message.startswith(b"#") and len(message) >= 6:
        return Err(number=number, sqlstate=message[1:6], message=message[6:])
    return Err(number=number, message=message)


def parse_eof(payload: bytes) -> Eof:
    """Read a classic EOF packet; raises ProtocolError."""
    reader = Reader(payload, ErrorCode.MALFORMED_REPLY)
    if len(payload) >= MAX_EOF_PAYLOAD or reader.integer(1) != EOF:
        raise reader.error("not an EOF packet")
    return Eof(warnings=reader.integer(2), status=reader.integer(2))


def changes(state: bytes) -> Iterator[tuple[int, bytes]]:
    """The pieces of reported session state: what each is about (see Track) and its data."""
    reader = Reader(state, ErrorCode.MALFORMED_REPLY)
    while reader.remaining:
        kind = reader.integer(1)
        yield kind, reader.lenenc_bytes()


def tells_only_charsets(state: bytes) -> bool:
    """Whether nothing is reported but which character sets the session has.

    MariaDB sets them for a moment whenever it reads a view, and then reports them as they are again.
    """
    return all(kind == Track.SYSTEM_VARIABLE and _names_charsets(change) for kind, change in changes(state))


def tells_of_setting(state: bytes) -> bool:
    """Whether something was set that is not told of beside it.

    MariaDB goes to other schemas and character sets when it reads its own tables or a view, and comes back.
    """
    told = dict(changes(state))
    if Track.STATE_CHANGE not in told or Track.SCHEMA in told:
        return False
    variables = [change for kind, change in changes(state) if kind == Track.SYSTEM_VARIABLE]
    return not variables or not all(_names_charsets(change) for change in variables)


def _names_charsets(change: bytes) -> bool:
    reader = Reader(change, ErrorCode.MALFORMED_REPLY)
    while reader.remaining:
        name, _ = reader.lenenc_bytes(), reader.lenenc_bytes()
        if name not in _CHARSETS:
            return False
    return True


def without(ok: Ok, kind: Track) -> Ok:
    """An OK that does not report this."""
    if kind not in dict(changes(ok.state)):
        # MySQL may raise the flag and report nothing.
        return ok
    state = _state((other, data) for other, data in changes(ok.state) if other != kind)
    kept = Status.SESSION_STATE_CHANGED if state else 0
    return replace(ok, state=state, status=ok.status & ~Status.SESSION_STATE_CHANGED | kept)


def with_schema(ok: Ok, change: bytes) -> Ok:
    """An OK that reports something, and of the schema this, unless it does already."""
    told = list(changes(ok.state))
    if any(kind == Track.SCHEMA for kind, _ in told):
        return ok
    # In the order of their kinds, as servers report.
    return replace(ok, state=_state(sorted([*told, (Track.SCHEMA, change)], key=itemgetter(0))))


def staying(state: bytes) -> bytes:
    """Reported state without where clients are to go instead (MariaDB's redirect_url), which leads past a proxy."""
    if _REDIRECT not in state:
        return state
    return _state(
        (kind, change) for kind, change in changes(state) if not change.startswith(_REDIRECT) or change == _NO_REDIRECT
    )


def _state(pieces: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes((kind,)) + lenenc_bytes(change) for kind, change in pieces)


def reported_gtid(kind: int, change: bytes) -> bytes:
    """The GTID in a piece of reported state: MySQL's session_track_gtids, MariaDB's last_gtid; b"" for none.

    MariaDB reports other variables by this name, too (MDEV-31746): only what looks like a GTID is one.
    """
    reader = Reader(change, ErrorCode.MALFORMED_REPLY)
    if kind == Track.GTIDS:
        reader.integer(1)
        return reader.lenenc_bytes()
    if kind == Track.SYSTEM_VARIABLE:
        while reader.remaining:
            name, value = reader.lenenc_bytes(), reader.lenenc_bytes()
            if name == b"last_gtid" and re.fullmatch(rb"\d+-\d+-\d+", value):
                return value
    return b""


def err_from(error: MySQLError | BackendRefused) -> Err:
    """The packet that tells a client of an error of DbMux's own, or of a server's as it came."""
    if isinstance(error, BackendRefused):
        return Err(number=error.number, sqlstate=error.sqlstate, message=error.message)
    return Err(number=error.code.number, sqlstate=error.code.sqlstate.encode(), message=error.message.encode())
