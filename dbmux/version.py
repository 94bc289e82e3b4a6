"""Which DbMux this is, and how old the process."""

from __future__ import annotations

import importlib.metadata
import os
import time
from pathlib import Path

VERSION = importlib.metadata.version("dbmux")


def process_age_s() -> float:
    """Seconds since the process began, by the system's account; 0 where it keeps none."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
