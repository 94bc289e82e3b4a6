"""The real command in a process of its own, and what it said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LINE = (sys.executable, "-P", "-m", "dbmux.cli")
SECONDS = 20.0


def environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of the user's own is found or written."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME", "VIRTUAL_ENV")}
    xdg = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "STATE", "DATA", "CACHE")}
    return {**kept, **xdg, **more}


@dataclass
class Process:
    """A command that goes on running; `log` grows while it does."""

    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    _grown: threading.Condition = field(default_factory=threading.Condition)
    _is_whole: bool = False

    def follow(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grown:
                self.log.append(line.rstrip("\n"))
                self._grown.notify_all()
        with self._grown:
            self._is_whole = True
            self._grown.notify_all()

    def line_with(self, words: str) -> str:
        """The first line with these words, waited for."""
        with self._grown:
            assert self._grown.wait_for(lambda: self._is_whole or self._has(words), SECONDS), self.log
            assert self._has(words), self.log
            return next(line for line in self.log if words in line)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """The exit code, waited for."""
        return self.process.wait(SECONDS)

    def _has(self, words: str) -> bool:
        return any(words in line for line in self.log)


@contextmanager
def serving(folder: Path, *arguments: str, **more: str) -> Iterator[Process]:
    """`dbmux serve` with what it says on either stream as its log; killed at the end if it still runs."""
    process = subprocess.Popen(
        (*LINE, "serve", *arguments),
        cwd=folder,
        env=environment(folder, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Process(process)
    reader = threading.Thread(target=running.follow)
    reader.start()
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()
        assert not any("Traceback" in line for line in running.log), running.log
