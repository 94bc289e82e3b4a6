"""An interface with its engine in the same process: what becomes of one when the other ends.

The engine's options and a look come in, the process's exit code goes out. To be called in a worker (dbmux.tui.launcher)
before there is any thread. Whatever happens to the interface or to its terminal, traffic goes on until somebody says
that it shall end: who leaves by `q`, a signal, an order.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from os import _exit, getpid
from threading import Event, Thread

from dbmux import process
from dbmux.errors import ConfigError
from dbmux.feed.feed import Feed
from dbmux.observe.logfile import Log
from dbmux.tui.app import Interface, Leave
from dbmux.tui.beside import EngineThread
from dbmux.tui.launcher import Launcher
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.pages import make
from dbmux.tui.report import reported
from dbmux.tui.tour import Tour

# How long the engine waits, whenever it wants to run, while the interface draws. Python's own 5 ms are a hundred times
# what a query takes: at 8 clients under full load p99 was 2.9 ms with them, 1.8 with 0.5 ms, 1.5 with 0.1 ms.
SWITCH_S = 0.0001
# What lives for one frame is no reason to look for garbage as often as Python does: the engine waits for that, too.
COLLECTIONS = (5_000, 10, 20)
# What is left to the interface for giving the terminal back, and then for not waiting for it.
PATIENCE_S = 2.0


def yield_often() -> None:
    """Have this process' threads hold each other up as little as can be."""
    sys.setswitchinterval(SWITCH_S)
    # What is loaded stays; a full collection would hold the engine up, too.
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


class Host:
    """One engine and its interface."""

    def __init__(
        self,
        options: process.Options,
        log: Log | None,
        look: Look,
        launcher: Launcher,
        pages: Callable[[Feed, Look], list[Page]] = make,
        tour: Tour | None = None,
    ) -> None:
        self._options = options
        self._look = look
        self._launcher = launcher
        self._pages = pages
        self._tour = tour
        self._engine = EngineThread(options, log, self._engine_ended)
        self._interface: Interface | None = None
        # Set when the terminal is given back.
        self._is_left = Event()
        self._is_ended = False

    def run(self) -> int:
        """Run both; the exit code, having said on stderr why the engine could not begin."""
        try:
            started = self._engine.start()
        except ConfigError as error:
            return process.tell(error)
        self._obey_signals()
        Thread(target=self._watch_launcher, name="launcher", daemon=True).start()
        yield_often()
        left = self._show(started)
        self._interface = None
        self._is_left.set()
        if not self._is_ended:
            self._leave(left, started)
        self._engine.wait()
        return process.FINE

    def _show(self, started: process.Started) -> Leave | Exception:
        sessions = started.engine.frontend.sessions
        interface = self._interface = Interface(
            started.feed,
            self._look,
            pages=self._pages,
            # The demo ends with its interface, and with it the clients that it started.
            is_hosting=lambda: bool(sessions) and self._tour is None,
            tour=self._tour,
        )
        if self._is_ended:
            return Leave.STOP
        try:
            left = interface.run()
        except Exception as error:
            return error
        # Without a word it ends when its terminal is gone.
        return interface.failure or left or Leave.DETACH

    def _leave(self, left: Leave | Exception, started: process.Started) -> None:
        number = getpid()
        back = f"`dbmux attach {number}` comes back" if started.socket is not None else "there is no way back"
        match left:
            case Leave.STOP:
                self._engine.stop()
                if clients := len(started.engine.frontend.sessions):
                    whose = "its client has ended its transaction"
                    if clients > 1:
                        whose = f"its {clients} clients have ended their transactions"
                    print(f"DbMux ends when {whose}; Ctrl-C ends it at once.")
            case Leave.DETACH:
                self._launcher.leave(
                    f"DbMux goes on without the interface, as process {number}: {back}, `kill {number}` ends it."
                )
            case Exception() as error:
                report = reported(error, self._options.state_folder)
                print(
                    f"The interface broke, and traffic goes on. {report}\n{back[0].upper()}{back[1:]}, Ctrl-C drains."
                )

    def _obey_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: self._engine.stop())
        signal.signal(signal.SIGHUP, lambda number, frame: self._engine.reload())

    # In other threads.

    def _watch_launcher(self) -> None:
        self._launcher.wait()
        self._end_interface()

    def _engine_ended(self) -> None:
        self._is_ended = True
        if not self._end_interface():
            # It does not even give the terminal back; the launcher does.
            _exit(process.FINE)

    def _end_interface(self) -> bool:
        interface = self._interface
        if interface is None:
            return True
        interface.end()
        if not self._is_left.wait(PATIENCE_S):
            interface.abandon()
        return self._is_left.wait(PATIENCE_S)
