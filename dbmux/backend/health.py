"""Whether backends are up: each is asked at start, often while it is down, and seldom while it is up.

Backends and a clock come in; their `state` and events go out. Never takes a backend out of service by itself.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable

from dbmux.backend.memory import GreetingMemory
from dbmux.backend.server import Backend, BackendState
from dbmux.backend.turn import run
from dbmux.errors import DbMuxError
from dbmux.events import BackendDown, BackendUp, Emit
from dbmux.wire.commands import Command

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
    before, version, address = backend.state, backend.version, str(backend.config.address)
    try:
        if not await answers_ping(backend):
            await backend.meet()
    except DbMuxError as error:
        backend.state = BackendState.DOWN
        if error.__cause__ is None or isinstance(error.__cause__, ssl.SSLError):
            # Reached, and refused or not understood: the backend itself keeps only why it could not be reached.
            backend.error = str(error)
        if before is not BackendState.DOWN:
            emit(BackendDown(time.time(), backend.name, address, backend.error))
        return
    except Exception as error:
        # What nobody foresaw is a reason to call it down, not to stop looking.
        backend.state, backend.error = BackendState.DOWN, repr(error)
        if before is not BackendState.DOWN:
            emit(BackendDown(time.time(), backend.name, address, backend.error))
        return
    backend.state, backend.error = BackendState.UP, ""
    if backend.greeting is not None:
        memory.remember(address, backend.greeting)
    if before is not BackendState.UP or version != backend.version:
        emit(BackendUp(time.time(), backend.name, address, backend.version))


async def answers_ping(backend: Backend) -> bool:
    """Whether a connection that lies idle answers; servers log the refused login that `meet` ends with."""
    shelf = next((shelf for shelf in backend.pool.shelves.values() if shelf.idle), None)
    connection = shelf.idle.pop() if shelf is not None else None
    if shelf is None or connection is None:
        return False
    try:
        async with asyncio.timeout(backend.connect_timeout_s):
            await run(connection, [(Command.PING, b"")])
    except (TimeoutError, DbMuxError):
        # It was of no use any more, which says nothing of the server.
        return False
    shelf.give(connection, connection.idle_since)
    return True
