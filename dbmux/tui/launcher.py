"""Two processes from one: a launcher, which stays the shell's job, and the one that works, in a session of its own.

So the worker can be left alone by the terminal, which goes back to the shell: the launcher ends, the worker goes on.
To be called before there is any thread. The launcher hands on what the shell and the terminal tell it: window sizes,
and signals to end. It ends when the terminal does, when the worker says farewell, or with the worker's exit code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
from collections.abc import Callable
from typing import NoReturn

# What a terminal is told after somebody who took it was killed: the usual screen and a cursor, no reports of the mouse,
# of pasting and of the focus, no special keys.
RESTORED = (
    b"\x1b[?1049l\x1b[?25h\x1b[?7h\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[?2048l\x1b[<u"
)
HANDED_ON = (signal.SIGWINCH, signal.SIGTERM, signal.SIGINT)
# As shells tell the end by a signal.
BY_SIGNAL = 128


class NoTerminal(Exception):
    """There is no terminal that could be taken; the message says why."""


def require_terminal() -> None:
    """Raise NoTerminal unless a terminal is there and is this job's."""
    if not (os.isatty(0) and os.isatty(1)):
        raise NoTerminal("there is no terminal")
    # A worker of another session would not be stopped for reading it, but take the keys away from the shell.
    if os.tcgetpgrp(0) != os.getpgrp():
        raise NoTerminal("the terminal belongs to another job")


class Launcher:
    """The launcher, as the worker sees it."""

    def __init__(self, alive: int, farewell: int) -> None:
        self._alive = alive
        self._farewell = farewell

    def wait(self) -> None:
        """Return when the launcher is gone, and with it the terminal."""
        while os.read(self._alive, 1):
            pass

    def leave(self, words: str) -> None:
        """Have nothing to do with the terminal any more: the launcher says this and ends."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.close(nothing)
        with contextlib.suppress(BrokenPipeError):
            os.write(self._farewell, f"{words}\n".encode())
        os.close(self._farewell)


def fork() -> Launcher:
    """Make the worker and return in it; the launcher does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    usual = termios.tcgetattr(0)
    alive, dies = os.pipe()
    heard, farewell = os.pipe()
    # What comes before the worker can hear it waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)
    pid = os.fork()
    if pid:
        os.close(alive)
        os.close(farewell)
        _launch(pid, heard, lambda: termios.tcsetattr(0, termios.TCSANOW, usual))
    os.close(dies)
    os.close(heard)
    os.setsid()
    # Until it says otherwise, a signal ends the worker.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
    return Launcher(alive, farewell)


def _launch(pid: int, heard: int, restore: Callable[[], None]) -> NoReturn:
    def hand_on(number: int, frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in HANDED_ON:
        signal.signal(number, hand_on)
    # The terminal stays with what is drawn on it: only the worker can leave it.
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, lambda number, frame: os._exit(BY_SIGNAL + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
    words = b""
    while more := os.read(heard, 4096):
        words += more
    if words:
        _end(words, 0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        with contextlib.suppress(termios.error):
            restore()
        number = signal.Signals(os.WTERMSIG(status))
        _end(RESTORED + f"dbmux was ended by {number.name}\n".encode(), BY_SIGNAL + number)
    _end(b"", os.WEXITSTATUS(status))


def _end(words: bytes, code: int) -> NoReturn:
    # Nothing that the worker has set up in the meantime is the launcher's to take down.
    with contextlib.suppress(OSError):
        os.write(2, words)
    os._exit(code)
