"""What a run found, as a table for people, as JSON, and as benchmarks/RESULTS.md."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure
from benchmarks.targets import REFERENCE
from dbmux.kernel import COMPILED
from dbmux.version import VERSION

RESULTS = Path(__file__).parent / "RESULTS.md"

Found = Mapping[str, Mapping[str, Figure]]

# (load, metric, what is compared, limit, whether more is better)
TARGETS: tuple[tuple[str, str, str, float, bool], ...] = (
    ("point-select", "queries/s", "ratio", 0.95, True),
    ("point-select", "CPU us/query", "ratio", 1.3, False),
    ("point-select", "p99 ms", "ratio", 1.3, False),
    ("large-result", "MB/s", "ratio", 0.9, True),
    ("large-result", "slow reader MB", "median", 16.0, False),
    ("idle-clients", "kB/client", "median", 8.0, False),
)


def table(found: Found) -> str:
    """A Markdown table: a row a target; median, spread, and the ratio to the reference."""
    metrics = list(dict.fromkeys(metric for row in found.values() for metric in row))
    lines = ["| target | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for target, row in found.items():
        cells = [_cell(row.get(metric), target) for metric in metrics]
        lines.append(f"| {target} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdicts(results: Mapping[str, Found]) -> Iterator[str]:
    """Each target of the project with what was reached."""
    for load, metric, kind, limit, more_is_better in TARGETS:
        figure = results.get(load, {}).get("dbmux", {}).get(metric)
        value = getattr(figure, kind) if figure is not None else None
        if value is None:
            continue
        reached = value >= limit if more_is_better else value <= limit
        sign = "at least" if more_is_better else "at most"
        of = f" of {REFERENCE}'s" if kind == "ratio" else ""
        yield f"{'reached' if reached else 'MISSED'}: {load}, {metric} {value:.2f}{of}; wanted {sign} {limit:g}"


def as_json(results: Mapping[str, Found]) -> dict[str, Any]:
    """The same for programs."""
    told = {
        load: {target: {metric: asdict(figure) for metric, figure in row.items()} for target, row in found.items()}
        for load, found in results.items()
    }
    return {"machine": machine(), "results": told, "targets": list(verdicts(results))}


def machine() -> dict[str, str]:
    """What it was measured on."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": f"{cpu}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "dbmux": f"{VERSION}, {'compiled' if COMPILED else 'pure-Python'} kernel",
        "haproxy": _first_line("haproxy", "-v"),
        "sysbench": _first_line("sysbench", "--version"),
        "mariadb": _first_line("mariadbd", "--no-defaults", "--version"),
    }


def record(results: Mapping[str, Found]) -> None:
    """Write RESULTS.md anew."""
    parts = [
        "# Results\n",
        "Made by `python -m benchmarks all --record`: direct, HAProxy (TCP mode, one thread), ProxySQL where it is",
        "installed, and DbMux in one run, in turns, on one machine. Median (lowest to highest), and the median of the",
        "ratios to HAProxy in the same round. Absolute figures drift with the machine's load; the ratios hold.\n",
    ]
    parts += [f"- {name}: {value}" for name, value in machine().items()]
    parts += ["", "## Targets\n", *(f"- {line}" for line in verdicts(results)), ""]
    parts += [f"## {load}\n\n{table(found)}\n" for load, found in results.items()]
    RESULTS.write_text("\n".join(parts))


def _cell(figure: Figure | None, target: str) -> str:
    if figure is None:
        return "-"
    ratio = f", x{figure.ratio:.2f}" if figure.ratio is not None and target != REFERENCE else ""
    return f"{_short(figure.median)} ({_short(figure.low)}-{_short(figure.high)}{ratio})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _first_line(*command: str) -> str:
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return "not installed"
    return (told.splitlines() or [""])[0].split("https:")[0].strip()
