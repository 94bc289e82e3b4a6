"""Asking a running DbMux: one request at its control address, for the commands that show what it does.

An address and a path come in, what the JSON says goes out; raises DbMuxError with what to do.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from dbmux.address import Address
from dbmux.errors import DbMuxError
from dbmux.net.channel import Channel, Owner
from dbmux.net.dial import dial
from dbmux.text import why

PATIENCE_S = 10.0


class NotAnswering(DbMuxError):
    """No DbMux answers there."""


class Refused(DbMuxError):
    """What was asked of it cannot be done; the message is DbMux's own."""


class _Reader:
    """Gathers an answer until the other side closes."""

    def __init__(self, channel: Channel) -> None:
        self.answer = bytearray()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def received(self, data: bytes) -> None:
        """The channel says: bytes came."""
        self.answer += data

    def closed(self, error: Exception | None) -> None:
        """The channel says: it is gone."""
        if not self.gone.done():
            self.gone.set_result(None)

    def congested(self) -> None:
        """A request is short."""

    def writable(self) -> None:
        """Nothing was stopped."""


async def ask(address: Address, path: str, method: str = "GET") -> Any:
    """What the page at `path` says."""
    readers: list[_Reader] = []

    def opened(channel: Channel) -> Owner:
        readers.append(_Reader(channel))
        return readers[0]

    try:
        async with asyncio.timeout(PATIENCE_S):
            channel = await dial(address, opened)
            channel.write(f"{method} {path} HTTP/1.1\r\nHost: dbmux\r\n\r\n".encode())
            await readers[0].gone
    except (OSError, TimeoutError) as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else why(error)
        raise NotAnswering(
            f"no DbMux answers at {address} ({reason}); is it running, and is that its `control` address?"
        ) from error
    head, _, body = bytes(readers[0].answer).partition(b"\r\n\r\n")
    if b" 400 " in head.split(b"\r\n", 1)[0]:
        raise Refused(body.decode("utf-8", "replace").strip())
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise NotAnswering(f"what answers at {address} is no DbMux of this version; see the `control` address")
    return json.loads(body)
