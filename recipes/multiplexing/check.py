"""Connects 1 000 clients through DbMux, each with session state of its own, and counts the server's connections.

    python recipes/multiplexing/check.py

The recipe's server runs, and DbMux in front of it. Ends with 1 where a client gets what is not its own, or the server
more connections than configured.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from dbmux.errors import DbMuxError
from dbmux.playground import playground
from dbmux.playground.client import Client

PORT = int(os.environ.get("DB_LISTEN", "3307"))
# Of DbMux, if its memory is to be shown.
PID = os.environ.get("DBMUX_PID", "")
CLIENTS, CONNECTIONS, AT_ONCE, ROUNDS = 1000, 20, 50, 3
SCHEMAS = ("shop", "archive")
# Ours, and some for the interpreter.
FILES = CLIENTS + 100


def allow_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        sys.exit(f"{CLIENTS} clients need {FILES} open files here, and only {hard} are allowed; raise `ulimit -Hn`")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def memory() -> int:
    """What DbMux's process has resident, in bytes; Linux tells."""
    return int(Path(f"/proc/{PID}/statm").read_text().split()[1]) * resource.getpagesize() if PID else 0


def begin(number: int, client: Client) -> None:
    client.query(f"USE {SCHEMAS[number % 2]}")
    client.query(f"SET @mine = {number}")


def wrong(number: int, client: Client) -> str:
    """What a client got that is not its own."""
    told = client.query("SELECT @mine, DATABASE(), COUNT(*) FROM shop.products").rows
    expected = ((str(number), SCHEMAS[number % 2], "5"),)
    return "" if told == expected else f"client {number} got {told} instead of {expected}"


def main() -> None:
    allow_files()
    server = playground.running_node("multiplexing/db", playground.default_places())
    before = memory()
    with ExitStack() as connected, ThreadPoolExecutor(AT_ONCE) as threads:
        begun = time.monotonic()
        clients = [
            connected.enter_context(Client("127.0.0.1", PORT, "app", "app-password", 60.0)) for _ in range(CLIENTS)
        ]
        print(f"{CLIENTS} clients connected in {time.monotonic() - begun:.1f} s")
        per_client = (memory() - before) / CLIENTS
        begun = time.monotonic()
        list(threads.map(begin, range(CLIENTS), clients))
        failures = [
            failure for _ in range(ROUNDS) for failure in threads.map(wrong, range(CLIENTS), clients) if failure
        ]
        seconds = time.monotonic() - begun
        status = server.run("SHOW GLOBAL STATUS LIKE 'Threads_connected'", "--skip-column-names")
    # One of them asked.
    connections = int(status.split()[1]) - 1
    print(f"{CLIENTS * (2 + ROUNDS)} statements in {seconds:.1f} s, {len(failures)} wrong answers")
    print(f"connections to the server: {connections}")
    if PID:
        print(f"memory per client, connected and idle: {per_client / 1000:.1f} kB")
    if failures:
        sys.exit(failures[0])
    if not 0 < connections <= CONNECTIONS:
        sys.exit(f"the server has {connections} connections, not 1 to {CONNECTIONS}")


if __name__ == "__main__":
    try:
        main()
    except (OSError, DbMuxError) as error:
        sys.exit(f"{error}; does the server run, and DbMux? README.md tells how to start them")
