"""A file that grows to a size and then begins anew; the full ones are numbered, the newest is `.1`.

Lines come in; how many were written, and what went wrong, goes out. The file may be moved away or deleted meanwhile, as
logrotate does: then another one is begun. A line is written whole or not at all. All of it blocks, so it runs in a
thread of its own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# What is written may have values of an application in it.
MODE = 0o600


@dataclass(frozen=True, slots=True)
class Written:
    """How many lines were written, and why not the others."""

    lines: int
    error: OSError | None = None


class RotatingFile:
    """Opened when the first line is written."""

    def __init__(self, path: Path, max_size: int, keep: int) -> None:
        self._path = path
        self._max_size = max_size
        self._keep = keep
        self._file: int | None = None

    def write(self, lines: Sequence[bytes]) -> Written:
        """Append lines, each with its end; never raises OSError."""
        done = 0
        try:
            while done < len(lines):
                done += self._append(lines[done:])
        except OSError as error:
            return Written(done, error)
        return Written(done)

    def close(self) -> None:
        """Let go of the file; the next line opens it again."""
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):
                os.close(file)

    def _append(self, lines: Sequence[bytes]) -> int:
        # As many of them as fit.
        file = self._present()
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            _write(file, b"".join(lines))
            return len(lines)
        if found.st_size and found.st_size + len(lines[0]) > self._max_size:
            self._rotate()
            return 0
        size, count = found.st_size, 0
        # One that is larger than a whole file has one of its own.
        while count < len(lines) and (not count or size + len(lines[count]) <= self._max_size):
            size += len(lines[count])
            count += 1
        try:
            _write(file, b"".join(lines[:count]))
        except OSError:
            # No half line is left, which the next one would continue.
            with suppress(OSError):
                os.ftruncate(file, found.st_size)
            raise
        return count

    def _present(self) -> int:
        # The file that is called so now.
        if self._file is not None:
            mine = os.fstat(self._file)
            with suppress(OSError):
                there = self._path.stat()
                if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                    return self._file
            self.close()
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        return self._file

    def _rotate(self) -> None:
        # Of a link, what it leads to.
        path = self._path.resolve()
        if self._keep:
            free = 1
            while free < self._keep and _numbered(path, free).exists():
                free += 1
            for number in range(free, 1, -1):
                _numbered(path, number - 1).replace(_numbered(path, number))
            path.replace(_numbered(path, 1))
        else:
            path.unlink()
        self.close()


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
