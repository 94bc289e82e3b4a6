"""Whether backends are up: each is asked at start, often while it is down, and seldom while clients reach it anyway.

Backends and a clock come in; their `state` and events go out. Never takes a backend out of service by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from dbmux.backend.memory import GreetingMemory
from dbmux.backend.server import Backend, BackendState
from dbmux.errors import DbMuxError
from dbmux.events import BackendDown, BackendUp, Emit

SECONDS_WHILE_DOWN = 1.0
SECONDS_WHILE_UP = 10.0

Sleep = Callable[[float], Awaitable[None]]


async def watch(backend: Backend, memory: GreetingMemory, emit: Emit, sleep: Sleep = asyncio.sleep) -> None:
    """Follow one backend until cancelled."""
    while True:
        await probe(backend, memory, emit)
        await sleep(SECONDS_WHILE_UP if backend.state is BackendState.UP else SECONDS_WHILE_DOWN)


async def probe(backend: Backend, memory: GreetingMemory, emit: Emit) -> None:
    """Ask once; sets the backend's state and emits what changed."""
    before, version = backend.state, backend.version
    try:
        await backend.meet()
    except DbMuxError as error:
        backend.state = BackendState.DOWN
        if before is not BackendState.DOWN:
            emit(BackendDown(time.time(), backend.name, str(backend.config.address), backend.error or str(error)))
        return
    backend.state = BackendState.UP
    if backend.greeting is not None:
        memory.remember(str(backend.config.address), backend.greeting)
    if before is not BackendState.UP or version != backend.version:
        emit(BackendUp(time.time(), backend.name, str(backend.config.address), backend.version))
