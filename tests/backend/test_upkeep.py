"""What keeps the cache true may fail in ways that nobody foresaw, and the proxy goes on."""

from __future__ import annotations

import asyncio
from random import Random
from time import monotonic

from dbmux.address import TcpAddress
from dbmux.backend.group import Group
from dbmux.backend.server import Backend
from dbmux.backend.upkeep import Upkeep
from dbmux.cache.cache import Cache
from dbmux.config.model import Account, BackendConfig, CacheConfig, GroupConfig, InvalidateFrom
from dbmux.events import Event, Warned
from dbmux.net.channel import Channel
from tests.fakes import run


async def explode(*arguments: object) -> Channel:
    raise RuntimeError("nobody foresaw this")


def test_what_nobody_foresaw_is_told_and_nothing_is_stored_meanwhile() -> None:
    told: list[Event] = []
    cache = Cache(CacheConfig(), monotonic)

    async def scenario() -> None:
        backend = Backend(
            "db", BackendConfig(address=TcpAddress("127.0.0.1", 1)), dial=explode, tls=None, connect_timeout_s=5
        )
        both = asyncio.Event()

        def emit(event: Event) -> None:
            told.append(event)
            if len(told) == 2:
                both.set()

        async with asyncio.TaskGroup() as tasks:
            started: list[asyncio.Task[None]] = []

            def start(work: object, name: str) -> asyncio.Task[None]:
                started.append(tasks.create_task(work, name=name))  # type: ignore[arg-type]
                return started[-1]

            upkeep = Upkeep(cache, emit, start, Random(1))
            group = Group("main", GroupConfig(primary="db"), backend)
            upkeep.attend({"main": group}, Account(user="dbmux"), InvalidateFrom.AUTO)
            await both.wait()
            assert not any(task.done() for task in started)
            for task in started:
                task.cancel()

    run(scenario)

    source = cache.source("main")
    assert all(isinstance(event, Warned) and "nobody foresaw this" in event.message for event in told)
    assert source.dictionary is None
    assert "nobody foresaw this" in source.broken
