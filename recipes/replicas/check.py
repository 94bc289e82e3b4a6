"""Tries what the README says, through DbMux, with a client; ends with 1 where it is not so.

    python recipes/replicas/check.py

The recipe's servers run, and DbMux in front of them.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from threading import Event, Thread

from dbmux.errors import BackendRefused, DbMuxError
from dbmux.playground import playground, recipe
from dbmux.playground.client import Client
from dbmux.playground.packages import Wish

PORT = int(os.environ.get("PRIMARY_LISTEN", "3307"))
PRIMARY, REPLICA1, REPLICA2 = "1", "2", "3"
WHO = "SELECT server FROM shop.answered_by"
READERS = 4
PATIENCE_S = 15.0


def connect() -> Client:
    return Client("127.0.0.1", PORT, "app", "app-password")


def one(client: Client, sql: str) -> str:
    return str(client.query(sql).rows[0][0])


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"not so within {PATIENCE_S:g} s: {what}")
        time.sleep(0.05)


def balanced() -> bool:
    with connect() as client:
        return {one(client, WHO) for _ in range(20)} == {REPLICA1, REPLICA2}


def what_goes_where() -> None:
    until(balanced, "both replicas answer reads")
    with connect() as client:
        client.query("START TRANSACTION")
        if one(client, WHO) != PRIMARY:
            sys.exit("a transaction is not at the primary")
        client.query("COMMIT")
    print("reads go to both replicas, a transaction to the primary")


def own_writes() -> None:
    with connect() as client:
        for stock in range(50):
            client.query(f"UPDATE shop.products SET stock = {stock} WHERE name = 'tray'")
            if one(client, "SELECT stock FROM shop.products WHERE name = 'tray'") != str(stock):
                sys.exit("a session read an old value after its own write")
    print("50 times a write and a read right behind it: the value was always the new one")


def killed_replica() -> None:
    answered, failures, over = Counter[str](), list[str](), Event()

    def read() -> None:
        try:
            with connect() as client:
                while not over.is_set():
                    answered[one(client, WHO)] += 1
        except (OSError, BackendRefused) as error:
            failures.append(str(error))

    readers = [Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    places = playground.default_places()
    victim = playground.running_node("replicas/replica1", places)
    wish = Wish(victim.software.kind, victim.software.version)
    try:
        until(lambda: answered[REPLICA1] > 100, "replica1 answers")
        if victim.pid is not None:
            os.kill(victim.pid, signal.SIGKILL)
        until(lambda: victim.pid is None, "replica1 is gone")
        others = answered[REPLICA2]
        until(lambda: bool(failures) or answered[REPLICA2] > others + 500, "replica2 answers")
        playground.up(recipe.load("replicas"), (wish,), places, print)
        until(balanced, "replica1 takes reads again")
    finally:
        over.set()
        for reader in readers:
            reader.join()
    print(f"a replica was killed and came back: {answered.total()} reads, {len(failures)} failed")
    if failures:
        sys.exit(failures[0])


if __name__ == "__main__":
    try:
        what_goes_where()
        own_writes()
        killed_replica()
    except (OSError, DbMuxError) as error:
        sys.exit(f"{error}; do the servers run, and DbMux? README.md tells how to start them")
