"""The live interface while 20 000 statements a second rush by: its memory stays what it is.

`make soak` looks for ten minutes, the tests for a few seconds. No server is needed, only the time.
"""

from __future__ import annotations

import os
from bisect import bisect_left

import pytest

from benchmarks.frame import Screen
from benchmarks.rush import Case

SECONDS = float(os.environ.get("DBMUX_SOAK_SECONDS", "8"))
# From the first frame until then as many lines as are kept have come.
FULL_S = 120.0
MORE_MEMORY_KB = 10 * 1024

pytestmark = [pytest.mark.real, pytest.mark.timeout(SECONDS + 60)]


def test_memory_stays_flat_while_statements_rush_by() -> None:
    screen = Screen(Case(events=20_000, wanted="dur>2ms"), columns=160, lines=50)
    screen.read_for(SECONDS)
    found = screen.leave()

    # A slow machine takes long to the first frame, before which there is no memory to speak of.
    at, memory_kb = found["at"], found["kb"]
    full_at = at[0] + min(FULL_S, (at[-1] - at[0]) / 2)
    before, after = memory_kb[bisect_left(at, full_at)], memory_kb[-1]

    print(f"{before:,} kB, then {after:,} kB; {len(at)} frames, {found['missed']:,} statements missed")
    assert len(at) > 2
    assert after - before <= MORE_MEMORY_KB
