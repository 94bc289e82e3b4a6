"""Keeps the cache true: the dictionary of each cached group's primary, and its binary log.

Groups come in whenever they may have changed; for each there is one task that reads the dictionary and one that follows
the log, until its primary or the account is another one. What they find goes to the cache. Never answers a query.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

from dbmux.backend.binlog.follow import Binlog
from dbmux.backend.binlog.listener import Broken, Cause
from dbmux.backend.dictionary import Reader
from dbmux.backend.group import Group
from dbmux.backend.server import Backend
from dbmux.cache.cache import Cache
from dbmux.cache.following import Follower
from dbmux.config.model import Account, InvalidateFrom
from dbmux.events import Emit, Warned

# Without the binary log the cache goes on if these are why: they are how the server is set up, and do not pass.
_LASTING = frozenset((Cause.FILTERED, Cause.NO_LOG, Cause.NO_RIGHT))

# After what nobody foresaw.
AGAIN_S = 5.0

Work = Callable[[], Coroutine[None, None, None]]
Start = Callable[[Coroutine[None, None, None], str], asyncio.Task[None]]


@dataclass(frozen=True, slots=True)
class Care:
    """What is done for one group: whose server, through which account, and the tasks that do it."""

    backend: Backend
    account: Account
    mode: InvalidateFrom
    tasks: tuple[asyncio.Task[None], ...]


class Upkeep:
    """Of one engine; its tasks are started with `start`, whose owner ends them."""

    def __init__(self, cache: Cache, emit: Emit, start: Start, randomness: Random) -> None:
        self._cache = cache
        self._emit = emit
        self._start = start
        self._randomness = randomness
        self._cares: dict[str, Care] = {}

    def attend(self, groups: Mapping[str, Group], account: Account | None, mode: InvalidateFrom) -> None:
        """Take care of these groups from now on, and of no others."""
        for name, care in list(self._cares.items()):
            group = groups.get(name)
            if (
                group is None
                or account is None
                or (care.backend, care.account, care.mode)
                != (
                    group.primary,
                    account,
                    mode,
                )
            ):
                self._leave(name)
        for name, group in groups.items():
            if account is not None and name not in self._cares:
                self._cares[name] = self._begin(name, group.primary, account, mode)

    def _leave(self, name: str) -> None:
        for task in self._cares.pop(name).tasks:
            task.cancel()
        self._cache.know(self._cache.source(name), None, "the server's dictionary was not read yet")
        # Nobody says any more what is written there.
        self._cache.wrote(None, f"{name} is not followed any more")

    def _begin(self, name: str, backend: Backend, account: Account, mode: InvalidateFrom) -> Care:
        source = self._cache.source(name)
        reader = Reader(backend, account, partial(self._cache.know, source), self._warn)
        source.doubt, source.renew = reader.doubt, reader.renew

        def blind(error: Exception) -> None:
            self._cache.know(source, None, f"its dictionary cannot be read: {error!r}")

        tasks = [self._start(self._keep_at(reader.follow, blind), f"dictionary {name}")]
        if mode is InvalidateFrom.OFF:
            self._cache.follow(source, is_followed=False, broken="")
        else:
            follower = Follower(self._cache, source, mode, _is_lasting, self._warn)
            log = Binlog(backend, account, follower, randomness=self._randomness)
            source.delay_s = lambda: None if log.stream is None else log.stream.delay_s
            tasks.append(self._start(self._keep_at(log.follow, follower.broke), f"binary log {name}"))
        return Care(backend, account, mode, tuple(tasks))

    async def _keep_at(self, work: Work, failed: Callable[[Exception], None]) -> None:
        # What nobody foresaw is told, and ends neither the work nor the proxy.
        while True:
            try:
                await work()
            except Exception as error:
                failed(error)
                self._warn(f"keeping the cache true failed for an unforeseen reason: {error!r}")
            await asyncio.sleep(AGAIN_S)

    def _warn(self, message: str) -> None:
        self._emit(Warned(time.time(), message))


def _is_lasting(reason: Exception) -> bool:
    return isinstance(reason, Broken) and reason.cause in _LASTING
