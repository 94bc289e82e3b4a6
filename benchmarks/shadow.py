"""python -m benchmarks.shadow: what shadow reads cost the clients, and how many of them can be compared under load.

A MariaDB 10.11 with a binary log and a MySQL 9 are started, and DbMux with a mirror between them. sysbench reads and
writes through it, first as fast as it can, then at a part of that: in turn without and with shadow reads, some rounds,
so that whatever else the machine does meets both alike. A table comes out, the medians of the ratios within each round,
and what became of the reads: compared, not compared and why, different and in what.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.loads import number, percentile, sysbench_line
from benchmarks.measure import cpu_seconds
from benchmarks.mirror import LOGGED, Proxy, proxied, seeded, started

LOAD = "oltp_read_write"
QUERIES_A_TRANSACTION = 20
# Until another share of reads is in force, and what was chosen before is looked at.
SETTLE_S = 3.0


class Measured(NamedTuple):
    """One run: transactions of several statements, which begin at times that do not depend on the answers."""

    queries: float
    p50: float
    p99: float
    cpu_us: float


@click.command()
@click.option("--seconds", default=10.0, help="How long clients read and write in each way, in each round.")
@click.option("--rounds", default=5, help="How often both ways are measured.")
@click.option("--threads", default=8, help="Clients at the same time.")
@click.option("--share", default=0.1, help="The share of reads that are compared.")
@click.option("--part", default=0.3, help="The part of the maximum rate at which is measured.")
def main(seconds: float, rounds: int, threads: int, share: float, part: float) -> None:
    """Measure shadow reads between MariaDB 10.11 and MySQL 9."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        old = started(stack, "mariadb:10.11", folder / "old", LOGGED)
        new = started(stack, "mysql:9", folder / "new", ("--server-id=2",))
        for node in (old, new):
            seeded(node.port, "prepare")
        proxy = stack.enter_context(proxied(folder / "proxy", old, new, "running"))
        most = _measured(proxy, seconds, threads, 0.0).queries / QUERIES_A_TRANSACTION
        print(f"at most {most:.0f} transactions/s; measured at {most * part:.0f}\n")
        print("| reads | queries/s | p50 ms | p99 ms | CPU us/query |\n|---|---|---|---|---|")
        ways: dict[float, list[Measured]] = {0.0: [], share: []}
        for turn in range(rounds):
            for reads in (0.0, share) if turn % 2 else (share, 0.0):
                proxy.read_share(reads)
                time.sleep(SETTLE_S)
                one = _measured(proxy, seconds, threads, most * part)
                ways[reads].append(one)
                print(
                    f"| {reads} | {one.queries:,.0f} | {one.p50:.2f} | {one.p99:.2f} | {one.cpu_us:.0f} |", flush=True
                )
        proxy.read_share(share)
        time.sleep(SETTLE_S)
        for line in _ratios(ways[0.0], ways[share]):
            print(line)
        for line in _outcomes(proxy.report()):
            print(line)


def _measured(proxy: Proxy, seconds: float, threads: int, rate: float) -> Measured:
    line = [*sysbench_line(proxy.port, LOAD), f"--threads={threads}", f"--time={seconds:g}", "--histogram=on"]
    used = cpu_seconds(proxy.pid)
    # Without a rate it is as fast as it can.
    told = subprocess.run([*line, f"--rate={rate:.0f}", "run"], capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(proxy.pid) - used
    count = number(r"queries:\s+(\d+)", told)
    queries = number(r"queries:\s+\d+\s+\(([\d.]+) per sec", told)
    return Measured(queries, percentile(told, 50), percentile(told, 99), used * 1e6 / count)


def _ratios(without: list[Measured], reading: list[Measured]) -> Iterator[str]:
    yield "\nwith shadow reads to without: of the medians; median of the rounds' ratios"
    for name in ("p50", "p99", "cpu_us"):
        first, second = ([getattr(one, name) for one in runs] for runs in (without, reading))
        inside = statistics.median(b / a for a, b in zip(first, second, strict=True))
        yield f"{name}: {statistics.median(second) / statistics.median(first):.2f}; {inside:.2f}"
    yield ""


def _outcomes(report: dict[str, Any]) -> list[str]:
    figures = report["figures"]
    skipped: dict[str, int] = figures.get("not_compared", {})
    compared = figures.get("compared", 0)
    total = (compared + sum(skipped.values())) or 1
    told = [f"{name} {figures.get(name, 0)}" for name in ("offered", "missed", "spared", "chosen", "compared")]
    told += [f"{name} {figures.get(name, 0)}" for name in ("same", "expected", "transient", "different")]
    lines = [", ".join(told), f"not compared: {report['not_compared_percent']} %"]
    lines += [f"  {100 * count / total:.2f} % {why}" for why, count in sorted(skipped.items(), key=lambda one: -one[1])]
    changes = report["changes"]
    return [*lines, *(f"different in {one['kind']}: {text}" for one in changes for text in one["statements"])]


if __name__ == "__main__":
    main()
