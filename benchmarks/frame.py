"""python -m benchmarks.frame: what a frame of the live interface costs, without a proxy around it.

Statements rush by (benchmarks.rush) on a terminal that is read all the time. A frame is everything that the interface
does from one look into the ring to the next, writing to the terminal included, in CPU time of its threads; a table of
that comes out, and of how long keys waited for their answer while it went on.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import click

from benchmarks.rush import Case

SIZES = ((80, 24), (160, 50))
# What is drawn at first is no usual frame.
BEFORE_S = 2.0
KEYS, KEY_S = 20, 0.3
PAUSE, PAUSED, FOLLOWS = b"p", b"PAUSED", b"FOLLOW"


class Screen:
    """A terminal on which a case is shown, in a process of its own."""

    def __init__(self, case: Case, columns: int, lines: int) -> None:
        self._told, tells = os.pipe()
        self._terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._process = subprocess.Popen(
            (sys.executable, "-m", "benchmarks.rush", json.dumps(asdict(case)), str(tells)),
            stdin=inner,
            stdout=inner,
            pass_fds=(tells,),
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(tells)
        os.close(inner)

    def read_for(self, seconds: float, wanted: bytes | None = None) -> float | None:
        """Read for so long, or until this is drawn; how long that took."""
        begun = time.monotonic()
        seen = b""
        while (passed := time.monotonic() - begun) < seconds:
            if select.select([self._terminal], [], [], seconds - passed)[0]:
                seen = seen[-32:] + os.read(self._terminal, 1 << 16)
                if wanted is not None and wanted in seen:
                    return time.monotonic() - begun
        return None

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._terminal, key)

    def leave(self) -> dict[str, Any]:
        """End it; what it found."""
        self.press(b"q")
        found = b""
        # Both at once: after a long time it has more to tell than a pipe holds, and its terminal is open until then.
        unread = {self._told, self._terminal}
        while unread:
            for file in select.select(unread, [], [])[0]:
                data = b""
                # That is how a terminal ends.
                with suppress(OSError):
                    data = os.read(file, 1 << 16)
                if not data:
                    unread.remove(file)
                    os.close(file)
                elif file == self._told:
                    found += data
        self._process.wait()
        told: dict[str, Any] = json.loads(found)
        return told


def measure(case: Case, columns: int, lines: int, page: int, seconds: float) -> dict[str, float]:
    """The figures of a case, in milliseconds."""
    screen = Screen(case, columns, lines)
    screen.read_for(BEFORE_S)
    screen.press(b"%d" % page)
    screen.read_for(BEFORE_S)
    begun = time.monotonic()
    screen.read_for(seconds)
    ended = time.monotonic()
    answers = []
    if page == 1:
        for number in range(KEYS):
            screen.press(PAUSE)
            answers.append(screen.read_for(1.0, FOLLOWS if number % 2 else PAUSED) or 1.0)
            screen.read_for(KEY_S)
    found = screen.leave()
    seen = [(at, cpu) for at, cpu in zip(found["at"], found["cpu"], strict=True) if begun <= at <= ended]
    costs = sorted(later[1] - earlier[1] for earlier, later in itertools.pairwise(seen))
    return {
        "frame": statistics.fmean(costs) * 1e3,
        "p50": statistics.median(costs) * 1e3,
        "p99": costs[len(costs) * 99 // 100] * 1e3,
        "frames/s": len(costs) / (ended - begun),
        "cpu/s": sum(costs) / (ended - begun) * 1e3,
        "key": statistics.median(answers) * 1e3 if answers else 0.0,
        "slowest key": max(answers, default=0.0) * 1e3,
        "missed": found["missed"],
        "MB": found["kb"][-1] / 1e3,
    }


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="How long each case is measured.")
@click.option("--events", default=(0, 2_000, 20_000), show_default=True, multiple=True, help="Statements a second.")
@click.option("--filter", "wanted", default="table:orders dur>2ms", show_default=True, help="What the live page shows.")
@click.option("--page", default=1, show_default=True, help="The page that is looked at.")
def main(seconds: float, events: tuple[int, ...], wanted: str, page: int) -> None:
    """Measure frames of the live interface."""
    names: list[str] = []
    for columns, lines in SIZES:
        for many in events:
            found = measure(Case(many, wanted), columns, lines, page, seconds)
            if not names:
                names = list(found)
                click.echo(f"| size | events/s | {' | '.join(names)} |")
                click.echo("|---|---|" + "---|" * len(names))
            click.echo(f"| {columns}x{lines} | {many:,} | {' | '.join(f'{found[name]:.1f}' for name in names)} |")


if __name__ == "__main__":
    main()
