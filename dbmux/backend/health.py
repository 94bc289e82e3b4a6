"""Whether backends are up: each is asked at start, when it is suspected, seldom while it is up, and less and less often
while it is down.

Backends come in; their `state` and events go out. Never decides what goes to them.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from random import random

from dbmux.backend.memory import GreetingMemory
from dbmux.backend.server import Backend, BackendState
from dbmux.backend.turn import run
from dbmux.errors import BackendRefused, DbMuxError, ErrorCode
from dbmux.events import BackendDown, BackendUp, Emit
from dbmux.wire.commands import Command

# After it was found down, and at most, as the pause is doubled each time; give or take JITTER of it, so that many
# proxies don't come at once.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 10.0
JITTER = 0.2
SECONDS_WHILE_UP = 10.0

Rest = Callable[[Backend, float], Awaitable[None]]


async def rest(backend: Backend, seconds: float) -> None:
    """Wait so long, or until somebody suspects the backend."""
    try:
        async with asyncio.timeout(seconds):
            await backend.alarm()
    except TimeoutError:
        return


async def watch(
    backend: Backend,
    memory: GreetingMemory,
    emit: Emit,
    rest: Rest = rest,
    randomness: Callable[[], float] = random,
) -> None:
    """Follow one backend until cancelled."""
    pause = FIRST_PAUSE_S
    while True:
        await probe(backend, memory, emit)
        if backend.state is BackendState.UP:
            pause = FIRST_PAUSE_S
            await rest(backend, SECONDS_WHILE_UP)
        else:
            await rest(backend, pause * (1 + JITTER * (2 * randomness() - 1)))
            pause = min(2 * pause, LONGEST_PAUSE_S)


async def probe(backend: Backend, memory: GreetingMemory, emit: Emit) -> None:
    """Ask once; sets the backend's state and emits what changed."""
    before, version, address = backend.state, backend.version, str(backend.config.address)
    problem = await _problem(backend)
    backend.is_suspect = False
    if problem is not None:
        backend.state, backend.error = BackendState.DOWN, problem
        if before is not BackendState.DOWN:
            emit(BackendDown(time.time(), backend.name, address, problem))
        return
    backend.state, backend.error = BackendState.UP, ""
    if before is BackendState.DOWN:
        backend.up_since = time.perf_counter()
    if backend.greeting is not None:
        memory.remember(address, backend.greeting)
    if before is not BackendState.UP or version != backend.version:
        emit(BackendUp(time.time(), backend.name, address, backend.version))


async def _problem(backend: Backend) -> str | None:
    # What is wrong with it, or None.
    try:
        if not await answers_ping(backend):
            await backend.meet()
    except DbMuxError as error:
        if isinstance(error, BackendRefused) and error.number == ErrorCode.TOO_MANY_CLIENTS.number:
            # It is there; those who have a connection can use it.
            return None if backend.greeting is not None else str(error)
        if error.__cause__ is None or isinstance(error.__cause__, ssl.SSLError):
            # Reached, and refused or not understood: the backend itself keeps only why it could not be reached.
            return str(error)
        return backend.error
    except Exception as error:
        # What nobody foresaw is a reason to call it down, not to stop looking.
        return repr(error)
    return None


async def answers_ping(backend: Backend) -> bool:
    """Whether a connection that lies idle answers; servers log the refused login that `meet` ends with."""
    # Of one that owes something its session may ask for that at any moment, and must find it there.
    free = ((shelf, one) for shelf in backend.pool.shelves.values() for one in reversed(shelf.idle) if not one.debt)
    shelf, connection = next(free, (None, None))
    if shelf is None or connection is None:
        return False
    shelf.idle.remove(connection)
    try:
        async with asyncio.timeout(backend.connect_timeout_s):
            await run(connection, [(Command.PING, b"")])
    except (TimeoutError, DbMuxError):
        # It was of no use any more, which says nothing of the server.
        return False
    if connection.creditor is not None:
        # Servers count the rows of a PING, too: none.
        connection.creditor.forget_row_count()
    shelf.give(connection, connection.idle_since)
    return True
