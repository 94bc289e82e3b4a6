"""What became of statements that give no rows: how many rows each of them found.

What a server answers to one COM_QUERY with several statements comes in; out goes, for each in its order, a number of
rows, or the error with which it ended, after which none of the others was run. For statements by the thousand: less
than dbmux.wire.client reads of them. (Manual page "OK_Packet".)
"""

from __future__ import annotations

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire import packet
from dbmux.wire.buffer import NULL
from dbmux.wire.replies import ERR, OK, Err, Status, parse_err, parse_ok

_LIMIT = 64 * 1024
_MORE_RESULTS = int(Status.MORE_RESULTS)
_SHORTEST = 7


class Outcomes:
    """Of one command, whose answer begins with the packet that has this number."""

    __slots__ = ("_reader", "is_whole")

    def __init__(self, sequence: int) -> None:
        self._reader = packet.PacketReader(_LIMIT)
        self._reader.sequence = sequence & 0xFF
        self.is_whole = False

    def receive(self, data: bytes) -> None:
        """Take in what the server sent."""
        self._reader.feed(data)

    def next(self) -> int | Err | None:
        """What became of the next statement, or None until more was received; raises ProtocolError."""
        payload = self._reader.next()
        if payload is None:
            return None
        if self.is_whole or not payload or payload[0] not in (OK, ERR):
            raise ProtocolError(ErrorCode.MALFORMED_REPLY, "the server answered what no statement without rows gives")
        if payload[0] == ERR:
            self.is_whole = True
            return parse_err(payload)
        if len(payload) >= _SHORTEST and payload[1] < NULL and payload[2] < NULL:
            found, status = payload[1], payload[3]
        else:
            ok = parse_ok(payload)
            found, status = ok.affected_rows, ok.status
        self.is_whole = not status & _MORE_RESULTS
        return found

    def has_unread(self) -> bool:
        """Whether bytes are there that belong to no packet yet."""
        return self._reader.has_unread()

    def unread(self) -> bytes:
        """Hand over the bytes that belong to no packet."""
        return self._reader.unread()
