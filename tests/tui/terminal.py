"""A terminal with a shell in it, as a user has one: a real pty, drawn by pyte, and the command in processes of its own.

Everything is waited for with a deadline. At the end each process that was started here is ended, by its number.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyte

from dbmux.address import UnixAddress
from dbmux.control import sockets
from dbmux.errors import BackendRefused
from dbmux.feed.remote import RemoteFeed
from dbmux.playground.client import Client
from tests.cli.command import environment

SECONDS = 15.0
DBMUX = (sys.executable, "-P", "-m", "dbmux.cli")
# What the shell says when the command has given the terminal back.
BACK = "the shell is back, code"
# Ctrl-C is not for the shell.
SHELL = f"""trap : INT; while read -r line; do printf '\\033[H\\033[2J'; eval "$line"; echo "{BACK} $?"; done"""


def until(is_so: Callable[[], bool], otherwise: Callable[[], str] = str) -> None:
    """Wait for something; fails, with what is so otherwise, when it takes too long."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.01)


class Terminal:
    """The user's side: what is seen, and what is pressed."""

    def __init__(self, folder: Path, columns: int, lines: int) -> None:
        self.folder = folder
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._reads = threading.Event()
        self._reads.set()
        self._is_open = True
        self.raw = b""
        self._beside: list[subprocess.Popen[bytes]] = []
        self._master, self._slave = pty.openpty()
        self._set_size(columns, lines)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._shell = subprocess.Popen(
            ("/bin/sh", "-c", SHELL),
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=self.environment,
            cwd=self.folder,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )

    def run(self, *line: str) -> None:
        """Have the shell run it, on an empty screen."""
        self.press(shlex.join(line) + "\n")

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the user's own is found; what runs with it is ours."""
        more = {"DBMUX_RUNTIME_DIR": str(self.folder / "run"), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        return environment(self.folder, **more, PYTHONPATH=str(Path(__file__).parents[2]))

    # What is seen.

    @property
    def text(self) -> str:
        with self._lock:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def shows(self, *words: str) -> None:
        """Wait until all of these are seen."""
        until(lambda: all(word in self.text for word in words), lambda: f"{words} not in:\n{self.text}")

    def hides(self, *words: str) -> None:
        """Wait until none of these is seen."""
        until(lambda: not any(word in self.text for word in words), lambda: f"{words} in:\n{self.text}")

    @property
    def waiting(self) -> int:
        """How many bytes the terminal has not read."""
        return int.from_bytes(fcntl.ioctl(self._master, termios.FIONREAD, b"\0" * 4), sys.byteorder)

    # What is done.

    def press(self, keys: str) -> None:
        self.press_bytes(keys.encode())

    def press_bytes(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def resize(self, columns: int, lines: int) -> None:
        with self._lock:
            self._screen.resize(lines, columns)
        self._set_size(columns, lines)

    def stall(self) -> None:
        """Read nothing any more."""
        self._reads.clear()

    def read_on(self) -> None:
        self._reads.set()

    def hang_up(self) -> None:
        """Close the window."""
        self._is_open = False
        self._reads.set()
        self._reader.join()
        os.close(self._master)

    def close(self) -> None:
        if self._is_open:
            self.hang_up()
        os.close(self._slave)
        for process in (self._shell, *self._beside):
            process.wait()

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self) -> None:
        os.set_blocking(self._master, False)
        while self._is_open:
            self._reads.wait()
            try:
                data = os.read(self._master, 1 << 16)
            except BlockingIOError:
                time.sleep(0.002)
                continue
            except OSError:
                return
            with self._lock:
                self.raw += data
                self._stream.feed(data)

    # The processes in it, and beside it.

    def beside(self, *line: str) -> int:
        """Run it without the terminal; its number."""
        started = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            cwd=self.folder,
        )
        self._beside.append(started)
        return started.pid

    @property
    def engine(self) -> int:
        """The number of the process that has the engine, waited for."""
        until(lambda: bool(self.engines()), lambda: f"no control socket:\n{self.text}")
        return self.engines()[0]

    def engines(self) -> list[int]:
        return [int(path.stem) for path in sockets.running(self.environment)]

    @property
    def launcher(self) -> int:
        """The number of the process that the shell waits for."""
        return int(stat(self.engine)[1])

    def ask(self, what: str) -> Any:
        """Ask the engine."""
        path = self.folder / "run" / f"{self.engine}.sock"

        async def asked() -> Any:
            feed = await RemoteFeed.connect(UnixAddress(str(path)), "test")
            try:
                return await feed.ask(what)
            finally:
                feed.close()

        return asyncio.run(asked())

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self.ask("status")["listeners"][0]["address"].rpartition(":")[2])

    def ours(self) -> Iterator[int]:
        """The processes that have our folder in their environment."""
        mark = f"DBMUX_RUNTIME_DIR={self.folder}/run".encode()
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    yield int(path.parent.name)


def stat(pid: int) -> list[str]:
    """Of a process: its state, its parent, and more."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def is_there(pid: int) -> bool:
    """Whether it runs still."""
    try:
        return stat(pid)[0] not in "ZX"
    except OSError:
        return False


@contextmanager
def terminal(columns: int = 100, lines: int = 30) -> Iterator[Terminal]:
    """A terminal; its folder's name is short, for there will be sockets in it."""
    with tempfile.TemporaryDirectory(prefix="dbmux") as folder:
        opened = Terminal(Path(folder), columns, lines)
        try:
            yield opened
        finally:
            for pid in list(opened.ours()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            until(lambda: not any(is_there(pid) for pid in opened.ours()))
            opened.close()


class Traffic:
    """A client that sends one statement after the other, in a thread of its own."""

    def __init__(self, port: int) -> None:
        self.answered = 0
        self.slowest_s = 0.0
        self.failures: list[str] = []
        self._port = port
        self._is_over = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Traffic:
        self._thread.start()
        self.goes_on()
        return self

    def __exit__(self, *failure: object) -> None:
        self.end()
        assert not self.failures

    def end(self) -> None:
        """Send no more."""
        self._is_over = True
        self._thread.join()

    def goes_on(self, statements: int = 100) -> None:
        """So many statements are answered from now on."""
        before = self.answered
        until(
            lambda: bool(self.failures) or self.answered >= before + statements, lambda: "nothing is answered any more"
        )
        assert not self.failures

    def _run(self) -> None:
        try:
            with Client("127.0.0.1", self._port, "app", "right") as client:
                while not self._is_over:
                    begun = time.monotonic()
                    client.query(f"SELECT * FROM products WHERE id = {self.answered}")
                    self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
                    self.answered += 1
        except (OSError, BackendRefused) as error:
            self.failures.append(str(error))
