"""python -m benchmarks.mirror: what a mirror costs the clients of its source, and how fast a target is fed.

A MariaDB 10.11 with a binary log and a MySQL 9 are started, and DbMux in front of the first: without a mirror, with one
that is paused, and with one that runs. sysbench writes through each in turn; then is measured how long the target takes
for what it lacks, and how much of DbMux's CPU a row. A table comes out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import platformdirs

from benchmarks.loads import number, percentile, sysbench_line
from benchmarks.measure import cpu_seconds
from benchmarks.targets import CHECKOUT, PASSWORD, SCHEMA, USER, process, wait
from dbmux.playground.client import Client
from dbmux.playground.node import Node, next_free_port
from dbmux.playground.packages import find, parse_wish

WRITES = "oltp_write_only"
WAYS = ("without", "paused", "running")
ACCOUNT = (
    f"CREATE USER {USER} IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO {USER}; CREATE DATABASE {SCHEMA};"
    "FLUSH PRIVILEGES;"
)
LOGGED = ("--log-bin=binlog", "--server-id=1", "--binlog-format=ROW", "--binlog-row-metadata=FULL")


@click.command()
@click.option("--seconds", default=5.0, help="How long clients write in each way, in each round.")
@click.option("--rounds", default=2, help="How often everything is measured.")
@click.option("--threads", default=8, help="Clients at the same time.")
def main(seconds: float, rounds: int, threads: int) -> None:
    """Measure a mirror from MariaDB 10.11 to MySQL 9."""
    print("| mirror | queries/s | p99 ms | rows applied/s | CPU us/row | behind at the end, s |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        old = started(stack, "mariadb:10.11", folder / "old", LOGGED)
        new = started(stack, "mysql:9", folder / "new", ("--server-id=2",))
        for node in (old, new):
            seeded(node.port, "prepare")
        for turn in range(rounds):
            for way in WAYS[turn % 2 :] + WAYS[: turn % 2]:
                with proxied(folder / f"{turn}-{way}", old, new, way) as proxy:
                    print(_measured(proxy, old, way, seconds, threads), flush=True)


class Proxy:
    """A DbMux between a load and both servers; `pid` is its process."""

    def __init__(self, folder: Path, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        self._folder = folder

    def asked(self, *words: str) -> Any:
        """What `dbmux mirror` says."""
        return self._told(*words, "--json", "--pid", str(self.pid))

    def report(self) -> dict[str, Any]:
        """What `dbmux mirror report` says."""
        told: dict[str, Any] = self._told("report", "--json")
        return told

    def read_share(self, share: float) -> None:
        """Have so many reads compared from now on."""
        path = self._folder / "appconfig.json"
        config = json.loads(path.read_text())
        config["mirrors"]["bench"]["reads"] = share
        path.write_text(json.dumps(config))

    def catch_up(self, old: Node) -> dict[str, Any]:
        """How the mirror stands when it has what the source has now."""
        end = _end(old)
        while _place(status := self.asked("status")[0]) < end:
            if status["state"] == "halted":
                raise SystemExit(status["why"])
            time.sleep(0.1)
        found: dict[str, Any] = status
        return found

    def _told(self, *words: str) -> Any:
        line = (sys.executable, "-P", "-m", "dbmux.cli", "mirror", *words)
        environment = {
            "PYTHONPATH": str(CHECKOUT),
            "XDG_RUNTIME_DIR": str(self._folder),
            "XDG_STATE_HOME": str(self._folder),
            "PATH": "/usr/bin:/bin",
        }
        # A report that is not yet for switching ends with 1.
        return json.loads(subprocess.run(line, env=environment, capture_output=True, check=False).stdout)


def started(stack: ExitStack, wish: str, folder: Path, options: tuple[str, ...]) -> Node:
    """A server, and in it the account and the schema of the load."""
    software = find(parse_wish(wish), platformdirs.user_cache_path("dbmux") / "servers", print)
    node = Node(folder.name, software, folder, options)
    stack.callback(node.stop)
    node.start()
    node.seed(("DELETE FROM mysql.global_priv WHERE User=''; " if wish.startswith("mariadb") else "") + ACCOUNT)
    return node


@contextmanager
def proxied(folder: Path, old: Node, new: Node, way: str) -> Iterator[Proxy]:
    """A DbMux with or without a mirror of an equal pair, which it begins to feed."""
    folder.mkdir(mode=0o700)
    port = next_free_port([old.port, new.port])
    config: dict[str, Any] = {
        "listen": f"127.0.0.1:{port}",
        "backends": {"old": f"127.0.0.1:{old.port}", "new": f"127.0.0.1:{new.port}"},
        "default": "old",
        "users": {USER: PASSWORD},
        "service": {"user": USER, "password": PASSWORD},
    }
    if way != "without":
        config["mirrors"] = {"bench": {"from": "old", "to": "new", "tables": [f"{SCHEMA}.*"], "ddl": "apply"}}
    (folder / "appconfig.json").write_text(json.dumps(config))
    line = (sys.executable, "-P", "-m", "dbmux.cli", "serve", "--config", str(folder / "appconfig.json"))
    environment = {"PYTHONPATH": str(CHECKOUT), "XDG_STATE_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    with process(line, folder / "log", environment) as running:
        wait(port)
        proxy = Proxy(folder, port, running.pid)
        if way != "without":
            # An equal pair: sysbench never makes the same rows twice.
            for node in (old, new):
                seeded(node.port, "cleanup")
            proxy.asked("start", "--anew")
            seeded(old.port, "prepare")
            proxy.catch_up(old)
        yield proxy


def seeded(port: int, step: str) -> None:
    """sysbench's tables, made or dropped."""
    subprocess.run([*sysbench_line(port, WRITES), step], check=True, capture_output=True)


def _end(node: Node) -> tuple[str, int]:
    # Where the server's log ends.
    with Client("127.0.0.1", node.port, USER, PASSWORD) as client:
        file, offset, *_ = client.query("SHOW MASTER STATUS").rows[0]
    return str(file), int(offset or 0)


def _measured(proxy: Proxy, old: Node, way: str, seconds: float, threads: int) -> str:
    if way == "paused":
        proxy.asked("pause")
    before = proxy.asked("status")[0]["rows"] if way != "without" else 0
    line = [*sysbench_line(proxy.port, WRITES), f"--threads={threads}", "--percentile=99"]
    used, begun = cpu_seconds(proxy.pid), time.monotonic()
    told = subprocess.run(
        [*line, f"--time={seconds:g}", "--histogram=on", "run"], capture_output=True, text=True, check=True
    ).stdout
    queries = number(r"queries:\s+\d+\s+\(([\d.]+) per sec", told)
    rates = f"| {way} | {queries:,.0f} | {percentile(told, 99):.2f} |"
    if way == "without":
        return f"{rates} - | - | - |"
    if way == "paused":
        used, begun = cpu_seconds(proxy.pid), time.monotonic()
        proxy.asked("resume")
    ended = time.monotonic()
    status = proxy.catch_up(old)
    rows, spent, passed = status["rows"] - before, cpu_seconds(proxy.pid) - used, time.monotonic() - begun
    # While clients write, their statements are a part of what DbMux does.
    cost = f"{spent * 1e6 / rows:.1f}" if way == "paused" else "-"
    return f"{rates} {rows / passed:,.0f} | {cost} | {time.monotonic() - ended:.1f} |"


def _place(status: dict[str, Any]) -> tuple[str, int]:
    file, _, offset = (status["position"] or ":0").rpartition(":")
    return file, int(offset)


if __name__ == "__main__":
    main()
