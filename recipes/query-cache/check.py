"""Tries what the README says, through DbMux, with a client; ends with 1 where it is not so.

    python recipes/query-cache/check.py

The recipe's server runs, and DbMux in front of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from dbmux.address import TcpAddress
from dbmux.control.ask import ask
from dbmux.errors import DbMuxError
from dbmux.playground import playground
from dbmux.playground.client import Client

PORT, CONTROL = int(os.environ.get("DB_LISTEN", "3307")), int(os.environ.get("CONTROL", "3380"))
SOLD = "SELECT bought FROM shop.bestsellers WHERE name = 'teapot'"
SELL = "INSERT INTO shop.orders (customer_id, product_id, quantity) VALUES (2, 1, 1)"
READS = 1000
PATIENCE_S = 15.0


def connect(port: int) -> Client:
    return Client("127.0.0.1", port, "app", "app-password")


def stats() -> dict[str, Any]:
    found: dict[str, Any] = asyncio.run(ask(TcpAddress("127.0.0.1", CONTROL), "/cache"))
    return found


def hits() -> int:
    return sum(one["hits"] for one in stats()["statements"])


def sold(client: Client) -> int:
    return int(client.query(SOLD).rows[0][0] or 0)


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"not so within {PATIENCE_S:g} s: {what}")
        time.sleep(0.001)


def answered_from_memory(client: Client) -> None:
    until(lambda: all(group["dictionary"] and group["binlog"] for group in stats()["groups"]), "the server is known")
    before = hits()
    if len({sold(client) for _ in range(READS)}) != 1:
        sys.exit("nothing was written, and the result was another")
    print(f"{READS} reads of a view, {hits() - before} of them answered from memory")
    if hits() - before < READS - 1:
        sys.exit("more than one read went to the server")


def written_through_dbmux(client: Client) -> None:
    before = sold(client)
    client.query(SELL)
    if sold(client) != before + 1:
        sys.exit("the session did not see its own write")
    print("a write to a table behind the view: the next read has it")


def written_past_dbmux(client: Client) -> None:
    server = playground.running_node("query-cache/db", playground.default_places())
    before = sold(client)
    with connect(server.port) as direct:
        direct.query(SELL)
    began = time.monotonic()
    until(lambda: sold(client) == before + 1, "a write past DbMux is noticed")
    print(f"a write past DbMux: noticed after {1000 * (time.monotonic() - began):.1f} ms")


if __name__ == "__main__":
    try:
        with connect(PORT) as shopper:
            answered_from_memory(shopper)
            written_through_dbmux(shopper)
            written_past_dbmux(shopper)
    except (OSError, DbMuxError) as error:
        sys.exit(f"{error}; does the server run, and DbMux? README.md tells how to start them")
