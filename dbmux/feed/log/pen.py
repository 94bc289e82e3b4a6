"""A thread for what may block for long, one thing after the other.

Functions come in, what they return goes out to whoever awaits it. A thread that hangs, at a disk that does not answer,
keeps neither the loop nor the end of the process waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class Pen:
    """Runs functions in a thread, from `start` to `stop`."""

    def __init__(self, name: str) -> None:
        self._wanted: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End when all is done, without waiting for that."""
        self._wanted.put(None)

    async def do(self, work: Callable[[], T]) -> T:
        """What it returns; it may raise nothing."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def tell(result: T) -> None:
            if not done.done():
                done.set_result(result)

        def work_and_tell() -> None:
            result = work()
            # Nobody may wait any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, result)

        self._wanted.put(work_and_tell)
        return await done

    def _run(self) -> None:
        while (work := self._wanted.get()) is not None:
            work()
