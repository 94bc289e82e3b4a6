"""A channel and one half of the protocol, for code that waits: logins, probes, questions of DbMux's own.

Bytes go from the channel into the protocol, its messages to the one coroutine that asks for them. The buffer is
bounded: a peer that talks without being asked is not read. Never interprets a message.
"""

from __future__ import annotations

import asyncio
from typing import Generic, Protocol, TypeVar

from dbmux.errors import DbMuxError
from dbmux.net.channel import Channel
from dbmux.net.proxy_protocol import Header, parse
from dbmux.net.tls import TlsLayer

UNREAD_LIMIT = 256 * 1024

Message = TypeVar("Message")
Message_co = TypeVar("Message_co", covariant=True)


class ConnectionClosed(DbMuxError):
    """The peer went away while a message was awaited."""


class Half(Protocol[Message_co]):
    """Either half of the MySQL protocol (dbmux.wire.server, dbmux.wire.client)."""

    def receive(self, data: bytes) -> None:
        """Take in bytes."""

    def next(self) -> Message_co | None:
        """The next message, if it is whole."""

    def has_unread(self) -> bool:
        """Whether bytes are there that belong to no message yet."""

    def unread(self) -> bytes:
        """Hand over the bytes that belong to no message."""


class Conversation(Generic[Message]):
    """Owns a channel until somebody else does."""

    __slots__ = ("_gone", "_unread", "_waiter", "channel", "protocol")

    def __init__(self, channel: Channel, protocol: Half[Message]) -> None:
        self.channel = channel
        self.protocol = protocol
        self._waiter: asyncio.Future[None] | None = None
        self._gone: Exception | None = None
        self._unread = 0

    async def next(self) -> Message:
        """The peer's next message; raises ProtocolError, or ConnectionClosed when it has gone."""
        while True:
            message = self.protocol.next()
            if message is not None:
                self._unread = 0
                return message
            if self._gone is not None:
                raise self._gone
            await self._arrival()

    async def until_readable(self) -> None:
        """Returns when the peer has said more, or has gone; takes nothing."""
        if self._gone is None and not self.protocol.has_unread():
            await self._arrival()

    async def proxy_header(self) -> Header:
        """The PROXY protocol's header, which stands before everything else; raises ProtocolError without one."""
        data = b""
        while (header := parse(data := data + self.protocol.unread())) is None:
            if self._gone is not None:
                raise self._gone
            await self._arrival()
        self.protocol.receive(data[header.length :])
        return header

    def send(self, data: bytes) -> None:
        """Write what a method of the protocol returned."""
        self.channel.write(data)

    async def secure(self, layer: TlsLayer) -> None:
        """Put TLS on; returns when it stands, raises ssl.SSLError or ConnectionClosed.

        What has arrived and was not asked for yet is taken as TLS: nothing said in the clear is believed later.
        """
        if self._gone is not None:
            raise self._gone
        self.channel.start_tls(layer, self.protocol.unread())
        await layer.established

    @property
    def is_gone(self) -> bool:
        """Whether the peer has gone."""
        return self._gone is not None

    def received(self, data: bytes) -> None:
        """The channel says: bytes came."""
        self.protocol.receive(data)
        self._unread += len(data)
        if self._unread > UNREAD_LIMIT and self._waiter is None:
            self.channel.pause()
        self._wake()

    def closed(self, error: Exception | None) -> None:
        """The channel says: it is gone."""
        self._gone = ConnectionClosed(str(error) if error else "the connection was closed")
        if self.channel.tls is not None:
            self.channel.tls.failed(self._gone)
        self._wake()

    def congested(self) -> None:
        """What is said in a conversation is short: nothing has to stop."""

    def writable(self) -> None:
        """Nothing was stopped."""

    async def _arrival(self) -> None:
        self.channel.resume()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
