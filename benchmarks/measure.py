"""Figures of processes, and what is made of several rounds.

Pids and lists of numbers come in; seconds, kilobytes, medians and ratios go out. Never starts anything.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def resident_kb(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one target over the rounds: median, spread, and the median of its ratio to the reference."""

    median: float
    low: float
    high: float
    ratio: float | None


Rounds = Sequence[Mapping[str, Mapping[str, float]]]


def figures(rounds: Rounds, reference: str) -> dict[str, dict[str, Figure]]:
    """By target and metric. The ratio is taken within each round, where the machine was as busy for both."""
    found: dict[str, dict[str, Figure]] = {}
    for target in rounds[0]:
        found[target] = {}
        for metric in rounds[0][target]:
            values = [one[target][metric] for one in rounds]
            ratios = [
                one[target][metric] / one[reference][metric]
                for one in rounds
                if one.get(reference, {}).get(metric, 0) > 0
            ]
            ratio = statistics.median(ratios) if ratios else None
            found[target][metric] = Figure(statistics.median(values), min(values), max(values), ratio)
    return found
