"""The terminal, as Textual drives it, for one that may stall, break or vanish at any moment.

Textual's own driver waits for ever for a terminal that does not read, spins where one is gone, and stops the process on
SIGTSTP. This one can be abandoned, by any thread: from then on nothing is written, nothing is read and nobody waits.
"""

from __future__ import annotations

import os
import select
import signal
from codecs import getincrementaldecoder
from collections.abc import Iterable
from threading import Condition, Thread
from typing import Any

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

# So many pieces of output wait for the terminal; then the interface waits, with what comes next.
MOST_WAITING = 30
# How long the last words may take.
PATIENCE_S = 1.0
# How often it is looked whether nobody wants to read any more, and whether an escape key stood alone.
LOOK_S = 0.1
READ_AT_ONCE = 4096


class Writer:
    """Writes to a terminal in a thread of its own."""

    def __init__(self, descriptor: int, patience_s: float = PATIENCE_S) -> None:
        self._descriptor = descriptor
        self._patience_s = patience_s
        self._changed = Condition()
        self._waiting: list[bytes] = []
        # How many pieces are being written.
        self._taken = 0
        self._is_closing = False
        self._is_gone = False
        # Where the terminal stalls, the system never comes back from writing: nobody waits for this thread.
        self._thread = Thread(target=self._run, name="terminal output", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Write; waits while much is waiting, and throws away what comes after the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_gone or self._taken + len(self._waiting) < MOST_WAITING)
            if not self._is_gone:
                self._waiting.append(text.encode("utf-8", "replace"))
                # Of what comes at once, the first piece wakes who writes all of it.
                if len(self._waiting) == 1:
                    self._changed.notify_all()

    def abandon(self) -> None:
        """Write nothing more."""
        with self._changed:
            self._is_gone = True
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Write what is waiting, if that does not take too long, and nothing more."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(self._patience_s)
        self.abandon()

    def _run(self) -> None:
        while (rest := self._next()) is not None:
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                self.abandon()

    def _next(self) -> bytes | None:
        with self._changed:
            self._taken = 0
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._is_closing or self._is_gone)
            if not self._waiting:
                return None
            pieces, self._waiting = self._waiting, []
            self._taken = len(pieces)
            return b"".join(pieces)


class Terminal(LinuxDriver):
    """Textual's driver, on standard input and output."""

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None):
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        for number in (signal.SIGTSTP, signal.SIGCONT):
            signal.signal(number, signal.SIG_IGN)
        self._writer: Writer | None = None
        self._is_abandoned = False

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self._writer = Writer(1)
        super().start_application_mode()  # type: ignore[no-untyped-call]  # as Textual has it

    def write(self, data: str) -> None:
        """Write to it."""
        if self._writer is not None:
            self._writer.write(data)

    def close(self) -> None:
        """Be done with it."""
        super().close()
        if self._writer is not None:
            self._writer.close()

    def abandon(self) -> None:
        """It is gone, or as good as that: neither write to it nor read from it, and do not wait."""
        self._is_abandoned = True
        if self._writer is not None:
            self._writer.abandon()

    def run_input_thread(self) -> None:
        """Read keys until that is over, or the terminal is: then the interface is, too."""
        parser = XTermParser(self._debug)
        # Whatever is pasted or comes over a bad line: no key is worth an end.
        decode = getincrementaldecoder("utf-8")("replace").decode
        while not (self.exit_event.is_set() or self._is_abandoned):
            if select.select([self.fileno], [], [], LOOK_S)[0]:
                data = self._read()
                if not data:
                    self._loop.call_soon_threadsafe(self._app.exit)
                    return
                if text := decode(data):
                    self._process(parser.feed(text))
            self._process(parser.tick())

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, READ_AT_ONCE)
        except OSError:
            return b""

    def _process(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)
