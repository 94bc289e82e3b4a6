"""What a run found, as a table for people, as JSON, and as benchmarks/RESULTS.md."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure
from benchmarks.targets import REFERENCE, ROUTER_SHARED
from dbmux.kernel import COMPILED
from dbmux.playground.packages import Kind, Software
from dbmux.version import VERSION

# The results of record, by the server that they were measured with.
RECORDS = {
    Kind.MARIADB: Path(__file__).parent / "RESULTS.md",
    Kind.MYSQL: Path(__file__).parent / "RESULTS-mysql.md",
}

Found = Mapping[str, Mapping[str, Figure]]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached by `target` under a load: a median, or its ratio to another target of the same run.

    That other target may have been under another load, `of_load`.
    """

    load: str
    target: str
    metric: str
    limit: float
    of: str = ""
    is_ceiling: bool = False
    of_load: str = ""


TARGETS = (
    Goal("point-select", "dbmux", "queries/s", 0.95, REFERENCE),
    Goal("point-select", "dbmux", "CPU us/query", 1.3, REFERENCE, is_ceiling=True),
    Goal("point-select", "dbmux", "p99 ms", 1.3, REFERENCE, is_ceiling=True),
    Goal("point-select", "dbmux-shared", "queries/s", 0.9, REFERENCE),
    Goal("point-select", "dbmux-shared", "CPU us/query", 1.4, REFERENCE, is_ceiling=True),
    Goal("point-select", "dbmux-shared", "queries/s", 1.0, ROUTER_SHARED),
    Goal("point-select", "dbmux-shared", "CPU us/query", 1.0, ROUTER_SHARED, is_ceiling=True),
    Goal("point-select", "dbmux-tui", "queries/s", 0.85, "dbmux-shared"),
    Goal("point-select", "dbmux-tui", "p99 ms", 1.5, "dbmux-shared", is_ceiling=True),
    Goal("point-select", "dbmux-cached", "queries/s", 1.05, "direct"),
    Goal("point-select", "dbmux-cached", "queries/s", 2.1, REFERENCE),
    Goal("point-select", "dbmux-cached", "CPU us/query", 0.6, REFERENCE, is_ceiling=True),
    Goal("point-select", "dbmux-missing", "queries/s", 0.95, "dbmux-shared"),
    Goal("prepared", "dbmux-shared", "queries/s", 0.9, "dbmux-shared", of_load="point-select"),
    Goal("prepared", "dbmux-cached", "queries/s", 0.85, "dbmux-cached", of_load="point-select"),
    Goal("crowded", "dbmux-shared", "queries/s", 1.4, "direct"),
    Goal("throng-20", "dbmux-throng", "queries/s", 0.9, REFERENCE),
    Goal("throng-one-thread", "dbmux-throng", "queries/s", 0.9, REFERENCE),
    Goal("throng-2ms", "dbmux-throng", "queries/s", 0.95, "direct"),
    Goal("throng-2ms-one-thread", "dbmux-throng", "queries/s", 0.95, "direct"),
    Goal("large-result", "dbmux", "MB/s", 0.9, REFERENCE),
    Goal("large-result", "dbmux", "slow reader MB", 16.0, is_ceiling=True),
    Goal("logins", "dbmux-shared", "logins/s of a whole core", 1_000.0),
    Goal("idle-clients", "dbmux", "kB/client", 8.0, is_ceiling=True),
    Goal("idle-clients", "dbmux-shared", "kB/client", 5.0, is_ceiling=True),
)


def table(found: Found) -> str:
    """A Markdown table: a row a target; median, spread, and the ratio to the reference."""
    metrics = list(dict.fromkeys(metric for row in found.values() for metric in row))
    lines = ["| target | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for target, row in found.items():
        if not row:
            continue
        cells = [_cell(row.get(metric), target) for metric in metrics]
        lines.append(f"| {target} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdicts(results: Mapping[str, Found]) -> Iterator[str]:
    """Each target of the project with what was reached."""
    for goal in TARGETS:
        value = _value(results, goal)
        if value is None:
            continue
        reached = value <= goal.limit if goal.is_ceiling else value >= goal.limit
        sign = "at most" if goal.is_ceiling else "at least"
        where = f" at {goal.of_load}" if goal.of_load else ""
        of = f" of {goal.of}'s{where}" if goal.of else ""
        yield (
            f"{'reached' if reached else 'MISSED'}: {goal.load}, {goal.target}: {goal.metric} {value:.2f}{of}; "
            f"wanted {sign} {goal.limit:g}"
        )


def _value(results: Mapping[str, Found], goal: Goal) -> float | None:
    figure = results.get(goal.load, {}).get(goal.target, {}).get(goal.metric)
    if figure is None or not goal.of:
        return figure.median if figure is not None else None
    if goal.of == REFERENCE:
        return figure.ratio
    other = results.get(goal.of_load or goal.load, {}).get(goal.of, {}).get(goal.metric)
    return figure.median / other.median if other is not None and other.median else None


def as_json(machine: Mapping[str, str], results: Mapping[str, Found]) -> dict[str, Any]:
    """The same for programs."""
    told = {
        load: {target: {metric: asdict(figure) for metric, figure in row.items()} for target, row in found.items()}
        for load, found in results.items()
    }
    return {"machine": dict(machine), "results": told, "targets": list(verdicts(results))}


def machine(server: Software) -> dict[str, str]:
    """What it was measured on, before which server."""
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
        "mysqlrouter": _first_line(os.environ.get("MYSQLROUTER", "mysqlrouter"), "--version"),
        "sysbench": _first_line("sysbench", "--version"),
        "server": str(server),
    }


def record(kind: Kind, machine: Mapping[str, str], results: Mapping[str, Found]) -> None:
    """Write the results of record anew."""
    parts = [
        "# Results\n",
        f"Made by `python -m benchmarks all --server {kind} --record`: direct, HAProxy (TCP mode, one thread),",
        "ProxySQL and MySQL Router (one thread) where they are installed, and DbMux in one run, in turns, on one",
        "machine. Median (lowest to highest), and the median of the ratios to HAProxy in the same round. Absolute",
        "figures drift with the machine's load; the ratios hold.\n",
    ]
    parts += [f"- {name}: {value}" for name, value in machine.items()]
    parts += ["", "## Targets\n", *(f"- {line}" for line in verdicts(results)), ""]
    parts += [f"## {load}\n\n{table(found)}\n" for load, found in results.items()]
    RECORDS[kind].write_text("\n".join(parts))


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
