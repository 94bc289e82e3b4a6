"""Tries what the README says, through DbMux, with a client; ends with 1 where it is not so.

    python recipes/upgrade/check.py

The recipe's servers run, and DbMux in front of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dbmux.errors import DbMuxError
from dbmux.playground.client import Client

OLD, NEW = int(os.environ.get("OLD_LISTEN", "3307")), int(os.environ.get("NEW_LISTEN", "3308"))
PID = os.environ.get("DBMUX_PID", "")
CONFIG = Path(__file__).with_name("appconfig.json")
SALES = 200
PATIENCE_S = 30.0
# Alike on both.
SAME = "SELECT id, name, price FROM products WHERE id = {}"
# What an upgrade changes: a function that is gone, GROUP BY without all columns, ß in the default collation.
OTHERWISE = (
    "SELECT MD5(name) FROM customers WHERE id = 1",
    "SELECT name, city, COUNT(*) FROM customers GROUP BY name",
    "SELECT name FROM customers WHERE CONVERT(name USING utf8mb4) = 'strasse'",
)


def connect(port: int) -> Client:
    return Client("127.0.0.1", port, "app", "app-password")


def dbmux(*words: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "dbmux.cli", *words)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"not so within {PATIENCE_S:g} s: {what}")
        time.sleep(0.05)


def sold(client: Client) -> str:
    return client.query("SELECT COUNT(*) FROM shop.orders").rows[0][0] or ""


def seen() -> int:
    return len(json.loads(dbmux("mirror", "diff", "--state", "all", "--json").stdout))


def main() -> None:
    # Which of several DbMux is meant, where that must be said.
    meant = ("--config", str(CONFIG), *(("--pid", PID) if PID else ()))
    begun = dbmux("mirror", "start", *meant)
    if "fed already" in begun.stderr:
        begun = dbmux("mirror", "resume", *meant)
    if begun.returncode:
        sys.exit(begun.stdout + begun.stderr)
    print(begun.stdout.strip())
    with connect(OLD) as old, connect(NEW) as new:
        old.query("USE shop")
        for number in range(SALES):
            old.query(f"INSERT INTO shop.orders (customer_id, product_id, quantity) VALUES (1, {1 + number % 5}, 1)")
        wanted = sold(old)
        until(lambda: sold(new) == wanted, "the new server has what was sold")
        print(f"{SALES} orders, all on the new server too")
        for number in range(SALES):
            old.query(SAME.format(1 + number % 5))
        for statement in OTHERWISE:
            for _ in range(5):
                old.query(statement)
    until(lambda: seen() >= len(OTHERWISE), "each statement that differs is found")
    # As wide as the terminal is.
    sys.stdout.flush()
    subprocess.run((sys.executable, "-m", "dbmux.cli", "mirror", "diff"), check=False)
    compared = dbmux("verify", "old", "new", "--tables", "shop.*", "--config", str(CONFIG))
    print(compared.stdout.strip())
    if compared.returncode:
        sys.exit("the servers have different rows")


if __name__ == "__main__":
    try:
        main()
    except (OSError, DbMuxError) as error:
        sys.exit(f"{error}; do the servers run, and DbMux? README.md tells how to start them")
