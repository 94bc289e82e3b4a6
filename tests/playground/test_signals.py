"""Whatever ends a command ends it once, and nothing interrupts the stopping."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dbmux.playground.signals import ENDINGS

SCRIPT = """
import os, signal, sys
from dbmux.playground.signals import ENDINGS, interrupt_once

interrupt_once()
try:
    os.kill(os.getpid(), int(sys.argv[1]))
    signal.pause()
except KeyboardInterrupt:
    for number in ENDINGS:
        os.kill(os.getpid(), number)
    print("stopped")
"""


@pytest.mark.parametrize("first", ENDINGS, ids=lambda number: number.name)
def test_the_first_signal_interrupts_and_the_others_do_not(first: int) -> None:
    done = subprocess.run((sys.executable, "-c", SCRIPT, str(int(first))), capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")
