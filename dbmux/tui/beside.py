"""An engine beside an interface: in a thread of its own, with a loop of its own.

What `dbmux serve` was asked to do comes in; the engine runs until it is told to stop. Nothing that the interface does
or fails to do reaches it: it waits for no other thread, and no signal interrupts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from threading import Thread

import uvloop

from dbmux import process
from dbmux.observe.logfile import Log


class EngineThread:
    """The engine. `ended` is called in its thread when it has ended, for whatever reason."""

    def __init__(self, options: process.Options, log: Log | None, ended: Callable[[], None]) -> None:
        self._begun: Future[process.Started] = Future()
        self._options = replace(options, started=self._begun.set_result)
        self._log = log
        self._ended = ended
        self._over: Future[None] = Future()
        self._thread = Thread(target=self._run, name="engine")
        self._loop: asyncio.AbstractEventLoop
        self._stop: Callable[[], None]
        self._reload: Callable[[], None]

    def start(self) -> process.Started:
        """Start it; what runs, once clients are accepted. Raises ConfigError."""
        self._thread.start()
        return self._begun.result()

    def stop(self) -> None:
        """End it as SIGTERM does; a second time at once."""
        self._tell(self._stop)

    def reload(self) -> None:
        """Read the configuration again."""
        self._tell(self._reload)

    def wait(self) -> None:
        """Wait until it has ended; raises what made it fail."""
        self._thread.join()
        self._over.result()

    def _tell(self, what: Callable[[], None]) -> None:
        # It may have ended in this very moment.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what)

    def _hear(self, stop: Callable[[], None], reload: Callable[[], None]) -> None:
        self._loop, self._stop, self._reload = asyncio.get_running_loop(), stop, reload

    def _run(self) -> None:
        # Signals are the main thread's.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            uvloop.run(process.serve_until_told(self._options, self._log, self._hear))
        except BaseException as error:
            if self._begun.done():
                self._over.set_exception(error)
            else:
                self._begun.set_exception(error)
        else:
            self._over.set_result(None)
        self._ended()
