"""python -m benchmarks.terminal COMMAND: run it on a terminal of 160x50 that is read all the time, until SIGTERM.

What it draws is thrown away; the keys that end `dbmux tui` are pressed at the end.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from contextlib import suppress

LINES, COLUMNS = 50, 160
# Leave, and stop the engine.
LEAVE = b"qs"


def main() -> None:
    """Run the command."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execvp(sys.argv[1], sys.argv[1:])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    signal.signal(signal.SIGTERM, lambda number, frame: os.write(terminal, LEAVE))
    with suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
