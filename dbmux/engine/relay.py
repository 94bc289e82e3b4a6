"""Relays replies: what the backend sends goes to the client as it came, and the end of each reply is found.

A backend's bytes come in, the client's channel gets them; the session is told when a reply has ended, when the server
waits for a file, and when the backend is gone. Rows are never looked at. A client that reads slowly stops the backend.
"""

from __future__ import annotations

from typing import Protocol

from dbmux.kernel import ReplyScanner
from dbmux.net.channel import Channel
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.replies import parse_ok

MORE, DONE = ReplyScanner.MORE, ReplyScanner.DONE


class Audience(Protocol):
    """Who asked: the session."""

    def reply_ended(self) -> None:
        """All of the reply was passed on."""

    def file_wanted(self) -> None:
        """The server waits for the client's file."""

    def reply_broke(self, reason: str) -> None:
        """The backend sent what is not a reply."""

    def backend_closed(self, error: Exception | None) -> None:
        """The backend's connection is gone."""

    def backend_congested(self) -> None:
        """The backend reads slowly."""

    def backend_writable(self) -> None:
        """The backend reads again."""


class Relay:
    """The owner of a leased backend channel while its session lives."""

    __slots__ = ("_held", "audience", "backend", "capabilities", "client", "reply_bytes", "scanner")

    def __init__(self, client: Channel, backend: Channel, audience: Audience, capabilities: int) -> None:
        self.client = client
        self.backend = backend
        self.audience = audience
        self.capabilities = capabilities
        self.reply_bytes = 0
        self.scanner = ReplyScanner(
            int(bool(capabilities & Capability.DEPRECATE_EOF)), int(not capabilities & Capability.SESSION_TRACK)
        )
        self._held = b""

    def received(self, data: bytes) -> None:
        """The channel says: a piece of the reply came."""
        if self._held:
            data = self._held + data
            self._held = b""
        scanner = self.scanner
        verdict = scanner.scan(data)
        consumed = scanner.consumed
        self.reply_bytes += consumed
        if consumed == len(data):
            self.client.write(data)
        elif consumed:
            self.client.write(memoryview(data)[:consumed])
        if verdict == DONE and consumed == len(data):
            self.audience.reply_ended()
        elif verdict != MORE:
            self._uncommon(verdict, data, consumed)
        else:
            self._held = data[consumed:]

    def closed(self, error: Exception | None) -> None:
        """The channel says: the backend is gone."""
        self.audience.backend_closed(error)

    def congested(self) -> None:
        """The channel says: the backend reads slowly."""
        self.audience.backend_congested()

    def writable(self) -> None:
        """The channel says: the backend reads again."""
        self.audience.backend_writable()

    @property
    def is_at_packet_boundary(self) -> bool:
        """Whether an ERR packet can be put behind what the client was sent."""
        return not self.scanner.inside_packet()

    def _uncommon(self, verdict: int, data: bytes, consumed: int) -> None:
        match verdict:
            case ReplyScanner.INFILE if consumed == len(data):
                self.audience.file_wanted()
            case ReplyScanner.REWRITE:
                self._rewrite_ok(data[consumed:])
            case _:
                self._held = data[consumed:]
                self.audience.reply_broke("more or other bytes than a reply has")

    def _rewrite_ok(self, data: bytes) -> None:
        # An OK packet reports session state and the client did not ask for it: it gets the packet without.
        end = packet.HEADER + int.from_bytes(data[:3], "little")
        if len(data) < end:
            self._held = data
            return
        whole, rest = data[:end], data[end:]
        self.scanner.rewrite_state = 0
        verdict = self.scanner.scan(whole)
        self.scanner.rewrite_state = 1
        payload = parse_ok(whole[packet.HEADER :]).build(self.capabilities)
        self.client.write(packet.encode(payload, whole[3]))
        self.reply_bytes += end
        if verdict == DONE:
            if rest:
                self._uncommon(DONE, rest, 0)
            else:
                self.audience.reply_ended()
        elif rest:
            self.received(rest)
