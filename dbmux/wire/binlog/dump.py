"""Asking a server for its binary log, and cutting what it sends into events.

The commands' bodies go out; the server's bytes come in, events go out, or why there will be no more. The command itself
is sent by dbmux.wire.client, which cannot read what follows: a dump has no end. (Manual pages "COM_REGISTER_SLAVE",
"COM_BINLOG_DUMP", "Binlog Network Stream".)
"""

from __future__ import annotations

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire import packet
from dbmux.wire.binlog.events import Position
from dbmux.wire.replies import Eof, Err, parse_err

# An event is at most as long as max_allowed_packet of a replica, 1 GiB, and one byte stands before it.
EVENT_LIMIT = (1 << 30) + 1
# COM_BINLOG_DUMP has no more room for it.
LAST_OFFSET = (1 << 32) - 1
_NO_FLAGS = 0


def registration(server_id: int, name: bytes) -> bytes:
    """The body of COM_REGISTER_SLAVE: how the replica is to be listed."""
    no_text, no_port, no_rank, of_any = b"\0", b"\0\0", b"\0\0\0\0", b"\0\0\0\0"
    return b"%b%c%b" % (server_id.to_bytes(4, "little"), len(name), name) + no_text * 2 + no_port + no_rank + of_any


def request(server_id: int, start: Position) -> bytes:
    """The body of COM_BINLOG_DUMP, for what stands behind a position and for all that will."""
    head = start.offset.to_bytes(4, "little") + _NO_FLAGS.to_bytes(2, "little") + server_id.to_bytes(4, "little")
    return head + start.file.encode(errors="surrogateescape")


class Dump:
    """The client's half of a connection from its COM_BINLOG_DUMP on; `first` was received already."""

    __slots__ = ("_reader",)

    def __init__(self, first: bytes = b"") -> None:
        self._reader = packet.PacketReader(EVENT_LIMIT)
        self._reader.sequence = 1
        self._reader.feed(first)

    def receive(self, data: bytes) -> None:
        """Take in what the server sent."""
        self._reader.feed(data)

    def next(self) -> bytes | Err | Eof | None:
        """The next event, or how the dump ended, or None until more was received; raises ProtocolError."""
        payload = self._reader.next()
        if payload is None:
            return None
        match payload[:1]:
            case b"\x00":
                return payload[1:]
            case b"\xff":
                return parse_err(payload)
            case b"\xfe":
                # In either form; it tells nothing.
                return Eof()
            case _:
                raise ProtocolError(ErrorCode.MALFORMED_REPLY, "the server sent what is no event of its binary log")

    def has_unread(self) -> bool:
        """Whether bytes are there that belong to no event yet."""
        return self._reader.has_unread()

    def unread(self) -> bytes:
        """Hand over the bytes that belong to no event."""
        return self._reader.unread()
