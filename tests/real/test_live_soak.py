"""The live interface while 20 000 statements a second rush by: its memory stays what it is.

`make soak` looks for ten minutes, the tests for a few seconds. No server is needed, only the time.
"""

from __future__ import annotations

import os

import pytest

from benchmarks.frame import Screen
from benchmarks.rush import Case

SECONDS = float(os.environ.get("DBMUX_SOAK_SECONDS", "8"))
# Until then as many lines as are kept have come.
FULL_S = 120.0
MORE_MEMORY_KB = 10 * 1024

pytestmark = [pytest.mark.real, pytest.mark.timeout(SECONDS + 60)]


def test_memory_stays_flat_while_statements_rush_by() -> None:
    screen = Screen(Case(events=20_000, wanted="dur>2ms"), columns=160, lines=50)
    filling = min(FULL_S, SECONDS / 2)
    screen.read_for(filling)
    before = screen.memory_kb

    screen.read_for(SECONDS - filling)
    after = screen.memory_kb
    found = screen.leave()

    print(f"{before:,} kB, then {after:,} kB; {len(found['at'])} frames, {found['missed']:,} statements missed")
    assert after - before <= MORE_MEMORY_KB
