"""A browser in the place of a terminal: the interface at the other end of a pipe, as textual-serve has it.

What is drawn goes out on standard output, keys come in on standard input, in packets. When either has ended, nobody
looks any more, and the interface ends: none is left behind by a web server that was killed.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from textual.app import App
from textual.drivers.web_driver import WebDriver


class Browser(WebDriver):
    """Textual's driver for it."""

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None):
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._is_gone = False
        self._write = partial(self._write_if_seen)

    def _write_if_seen(self, data: bytes) -> int:
        while data and not self._is_gone:
            try:
                data = data[os.write(self.fileno, data) :]
            except OSError:
                self._end()
        return 0

    def run_input_thread(self) -> None:
        """Read keys until there are no more."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._end()

    def _end(self) -> None:
        self._is_gone = True
        self._loop.call_soon_threadsafe(self._app.exit)
