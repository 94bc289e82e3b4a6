"""Follows the binary log of a server, so that somebody learns of every write, also of those past DbMux.

A backend and the service account come in; a listener is told which tables were touched and which statements ran, from a
known moment on, and when that is over. Two connections: on one the server sends its log, as fast as it is read and no
faster; on the other it is asked how far it is, which measures the delay, and what of it is seen. No position is kept:
after a break it goes on at the log's end. Never writes anything there.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from time import perf_counter
from typing import NoReturn

from dbmux.backend.binlog.listener import Broken, Listener, Pace
from dbmux.backend.binlog.log import Log
from dbmux.backend.binlog.source import Source
from dbmux.backend.binlog.stream import Stream
from dbmux.backend.login import Credentials
from dbmux.backend.server import Backend
from dbmux.config.model import Account

# Give or take so much of a pause, so that many proxies don't come at once.
JITTER = 0.2


class Binlog:
    """The log of one server, as it is being followed."""

    def __init__(
        self, backend: Backend, account: Account, listener: Listener, *, randomness: Random, pace: Pace | None = None
    ) -> None:
        self.backend = backend
        self._who = Credentials(user=account.user.encode(), password=account.password.encode())
        self._listener = listener
        self._random = randomness
        self._pace = pace or Pace()
        self._stream: Stream | None = None
        # What was told last, unless it stands.
        self._told = ""

    @property
    def stream(self) -> Stream | None:
        """What is being told; None while nothing is."""
        return self._stream if self._stream is not None and self._stream.has_begun else None

    async def follow(self) -> None:
        """Follow it until cancelled; what the listener raises ends it."""
        pause = self._pace.first_pause
        while True:
            try:
                await self._follow_once()
            except Broken as reason:
                if self.stream is not None:
                    self._told = ""
                    if self.stream.stood_s > pause:
                        pause = self._pace.first_pause
                self._stream = None
                if self._told != str(reason):
                    self._told = str(reason)
                    self._listener.broke(reason)
            finally:
                self._stream = None
            await asyncio.sleep(pause * (1 + JITTER * (2 * self._random.random() - 1)))
            pause = min(2 * pause, self._pace.longest_pause)

    async def _follow_once(self) -> None:
        source = await Source.connect(self.backend, self._who, self._pace)
        try:
            start = await source.place_to_begin()
            conversation = await source.dump(start, self._random)
            self._stream = stream = Stream(Log(self.backend.name, conversation, self._pace), self._listener)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(stream.read())
                    tasks.create_task(_measure(stream, source, self._pace))
            except ExceptionGroup as group:
                broken, others = group.split(Broken)
                if broken is None or others is not None:
                    raise
                raise broken.exceptions[0] from None
            finally:
                conversation.channel.abort()
        finally:
            source.close()


async def _measure(stream: Stream, source: Source, pace: Pace) -> NoReturn:
    # What is on the way is told by one connection, how far the server is by the other.
    while True:
        asked_at = perf_counter()
        stream.compare(await source.seen(), asked_at)
        await asyncio.sleep(pace.asked_when_pending)
        if not stream.settling.is_pending:
            with suppress(TimeoutError):
                async with asyncio.timeout(pace.asked):
                    await stream.noted.wait()
        stream.noted.clear()


async def try_log(backend: Backend, account: Account) -> None:
    """Begin to read a server's log, and stop; raises Broken when that cannot be."""
    pace = Pace()
    source = await Source.connect(
        backend, Credentials(user=account.user.encode(), password=account.password.encode()), pace
    )
    try:
        (await source.dump(await source.place_to_begin(), Random())).channel.abort()
    finally:
        source.close()
