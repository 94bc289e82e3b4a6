"""The end of a command that has servers to stop: by Ctrl-C, a kill or a closed terminal, and once.

Signals come in, one KeyboardInterrupt goes out. Never stops anything itself.
"""

from __future__ import annotations

import signal
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_once() -> None:
    """Have the first signal raise KeyboardInterrupt in the main thread, and the others ignored.

    A closed terminal sends several at once, and the second would interrupt the stopping.
    """
    for number in ENDINGS:
        signal.signal(number, _interrupt)


def _interrupt(_: int, __: FrameType | None) -> None:
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
