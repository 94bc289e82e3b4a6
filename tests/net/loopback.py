"""Two channels joined over the loopback address, and owners that remember what they are told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from dbmux.address import TcpAddress
from dbmux.net.channel import LINGER_S, Channel
from dbmux.net.tls import TlsLayer


@dataclass
class Peer:
    """One side's owner: `told` names what its channel said, in order; the bytes stand in `got`."""

    got: bytearray = field(default_factory=bytearray)
    told: list[str] = field(default_factory=list)
    error: Exception | None = None
    channel: Channel = field(init=False)

    def opened(self, channel: Channel) -> Peer:
        self.channel = channel
        return self

    def received(self, data: bytes) -> None:
        self.got += data

    def closed(self, error: Exception | None) -> None:
        self.error = error
        self.told.append("closed")

    def congested(self) -> None:
        self.told.append("congested")

    def writable(self) -> None:
        self.told.append("writable")

    @property
    def is_closed(self) -> bool:
        return "closed" in self.told

    def start_tls(self, context: ssl.SSLContext) -> asyncio.Future[None]:
        established = asyncio.get_running_loop().create_future()
        self.channel.start_tls(TlsLayer(context, None, established))
        return established


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop run until something holds; the test's time limit bounds it."""
    while not is_so():  # noqa: ASYNC110 - there is no event for what tests wait for
        await asyncio.sleep(0)


@asynccontextmanager
async def pair(linger_s: float = LINGER_S) -> AsyncIterator[tuple[Peer, Peer]]:
    """A client's side and a server's side of one connection."""
    client, server = Peer(), Peer()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Channel(server.opened, linger_s), "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    await loop.create_connection(lambda: Channel(client.opened, linger_s), host, port)
    await until(lambda: hasattr(server, "channel"))
    try:
        yield client, server
    finally:
        for peer in (client, server):
            peer.channel.abort()
        await until(lambda: client.is_closed and server.is_closed)
        listening.close()
        await listening.wait_closed()


@asynccontextmanager
async def raw(address: TcpAddress) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection without any protocol."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield reader, writer
    finally:
        writer.close()
