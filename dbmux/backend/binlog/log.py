"""The events of one server's binary log, as its connection brings them.

A conversation in which a server sends its log comes in; events go out, and `Broken` is raised when there are no more.
The server is read no faster than somebody asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dbmux.backend.binlog.listener import Broken, Cause, Pace
from dbmux.errors import ProtocolError
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.wire.binlog.decoder import Decoder
from dbmux.wire.binlog.events import Event
from dbmux.wire.replies import Eof, Err

# What a server says that cannot read its own log from there on (manual page "Server Error Message Reference").
_CANNOT_SEND = 1236


class Log:
    """One connection's."""

    def __init__(self, name: str, conversation: Conversation[bytes | Err | Eof], pace: Pace) -> None:
        self._name = name
        self._conversation = conversation
        self._pace = pace
        self._decoder = Decoder()

    async def next(self) -> Iterable[Event]:
        """What the next event tells, to be taken to its end before the one after it; waits for it."""
        async with asyncio.timeout(self._pace.silence):
            message = await self._conversation.next()
        return self._decoder.decode(self._event(message))

    def ready(self) -> Iterable[Event] | None:
        """The same of an event that is there already; None where one would have to wait."""
        message = self._conversation.protocol.next()
        return None if message is None else self._decoder.decode(self._event(message))

    def close(self) -> None:
        """End the connection."""
        self._conversation.channel.abort()

    @contextmanager
    def understood(self) -> Iterator[None]:
        """What goes wrong while events are read, as Broken."""
        try:
            yield
        except TimeoutError:
            raise Broken(
                Cause.SILENT, f"{self._name} has not sent even a heartbeat of its binary log in time"
            ) from None
        except ConnectionClosed as error:
            raise Broken(Cause.ENDED, f"{self._name} ended the sending of its binary log: {error}") from error
        except ProtocolError as error:
            raise Broken(Cause.UNREADABLE, f"the binary log of {self._name} cannot be read: {error}") from error

    def _event(self, message: bytes | Err | Eof) -> bytes:
        match message:
            case bytes():
                return message
            case Err() as err:
                cause = Cause.CANNOT_SEND if err.number == _CANNOT_SEND else Cause.ENDED
                told = err.message.decode(errors="replace")
                raise Broken(cause, f"{self._name} does not send its binary log: {err.number} ({told})")
            case Eof():
                raise Broken(Cause.ENDED, f"{self._name} ended the sending of its binary log")
