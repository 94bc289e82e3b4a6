"""python -m dbmux.playground.shop PORT USER PASSWORD: what a shop's application sends, with its usual faults.

An address on this machine and an account come in; statements go out until the process is ended. One page asks for each
customer by himself, one report is slow, one table is read far more often than it is written, one statement is wrong.
Whatever is refused or lost is tried again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from random import Random
from threading import Thread

from dbmux.errors import BackendRefused
from dbmux.playground.client import Client

CLIENTS = 4
PAUSE_S, RETRY_S = 0.05, 0.2
CUSTOMERS = 6


def page(random: Random) -> Iterator[str]:
    """The statements of one request."""
    match random.choices(("start", "orders", "buy", "report", "typo"), (60, 18, 14, 5, 3))[0]:
        case "start":
            yield "SELECT name, city FROM shop.customers ORDER BY name /*application='shop',controller='start'*/"
            yield "SELECT name, price FROM shop.products WHERE stock > 0 ORDER BY price"
        case "orders":
            yield "SELECT customer_id, quantity FROM shop.orders ORDER BY id DESC LIMIT 20"
            for number in range(1, CUSTOMERS + 1):
                # One by one, where one SELECT with IN would do.
                yield (
                    f"SELECT name FROM shop.customers WHERE id = {number} "
                    "/*application='shop',controller='orders',action='index',line='app/orders.rb:12'*/"
                )
        case "buy":
            number = random.randint(1, 5)
            yield "BEGIN"
            yield f"SELECT stock FROM shop.products WHERE id = {number} FOR UPDATE"
            yield f"UPDATE shop.products SET stock = stock + 1 WHERE id = {number}"
            yield "COMMIT"
        case "report":
            yield (
                "SELECT p.name, SUM(o.quantity), SLEEP(0.1) FROM shop.orders o JOIN shop.products p "
                "ON p.id = o.product_id GROUP BY p.name /*application='reports'*/"
            )
        case "typo":
            yield "SELECT nmae FROM shop.customers"


def visit(port: int, user: str, password: str, random: Random) -> None:
    """Be one client, for ever."""
    while True:
        try:
            with Client("127.0.0.1", port, user, password) as client:
                while True:
                    for statement in page(random):
                        try:
                            client.query(statement)
                        except BackendRefused:
                            # The wrong one; the others find out why.
                            break
                    time.sleep(PAUSE_S * random.uniform(0.5, 1.5))
        except (OSError, BackendRefused):
            time.sleep(RETRY_S)


def main(port: int, user: str, password: str) -> None:
    """All clients."""
    threads = [
        Thread(target=visit, args=(port, user, password, Random(number)), daemon=True) for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
