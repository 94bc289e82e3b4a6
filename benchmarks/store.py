"""python -m benchmarks.store: what the query cache's memory costs, without sessions around it.

Entries of about 1 kB are put until 1 GB is full, and some more; look-ups, a write to a table and the longest pause are
timed. A table comes out, for docs/cache.md. Pauses and the time of one call are the thread's own CPU time: on a busy
machine the clock would tell of others.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

import click

from dbmux.cache.store import COMPILED, Store
from dbmux.cache.tables import Table, Tables, capture

REPLY = bytes(700)
TABLES = 10
FOREVER = 1e9
CALLS = 100_000


def key(number: int) -> bytes:
    """A key as long as those of short statements, made anew as for each query."""
    return b"app\0shop\0utf8mb4\0SELECT c FROM sbtest1 WHERE id = %d" % number


class Filling:
    """A store, its tables, and the longest time that one put took."""

    def __init__(self, capacity: int) -> None:
        self.store = Store(capacity, time.monotonic)
        registry = Tables()
        self.tables = [(registry.table("shop", f"t{number}"),) for number in range(TABLES)]
        self.longest_s = 0.0

    def entry(self, number: int) -> tuple[bytes, bytes, tuple[Table, ...], int, float]:
        """What is put for that number."""
        tables = self.tables[number % TABLES]
        return key(number), REPLY + b"%d" % number, tables, capture(tables), FOREVER

    def put(self, numbers: Iterable[int]) -> None:
        """Put an entry for each number, and watch for pauses."""
        # What a busy proxy makes beside: containers that live for a while and call the garbage collector.
        others: list[list[int]] = []
        for number in numbers:
            entry = self.entry(number)
            begun = time.thread_time()
            self.store.put(*entry)
            self.longest_s = max(self.longest_s, time.thread_time() - begun)
            others.append([number])
            if len(others) > 5_000:
                others.clear()


def time_of(call: Callable[..., object], *arguments: Any) -> float:
    """How long it took, in seconds."""
    begun = time.thread_time()
    call(*arguments)
    return time.thread_time() - begun


def ns_each(call: Callable[..., object], calls: list[tuple[Any, ...]]) -> str:
    """How long one of many calls took, in nanoseconds, with the loop around it."""

    def all_of_them() -> None:
        for arguments in calls:
            call(*arguments)

    return f"{time_of(all_of_them) / len(calls) * 1e9:,.0f} ns"


@click.command()
@click.option("--entries", default=1_000_000, show_default=True, help="About how many entries fill the store.")
def main(entries: int) -> None:
    """Measure the query cache's memory."""
    gc.collect()
    gc.freeze()
    few, many = Filling(1 << 24), Filling(entries * (1 << 30) // 1_000_000)
    few.put(range(1_000))
    many.put(range(entries * 13 // 10))
    collection_s = time_of(gc.collect)
    there = [entry.key for entry in many.store]
    written = many.tables[0][0]
    rows = {
        "form": "compiled" if COMPILED else "interpreted",
        "entries, and MB": f"{len(many.store):,}, {many.store.bytes / 1e6:,.0f}",
        "look-up among 1,000": ns_each(few.store.get, [(key(n % 1000),) for n in range(CALLS)]),
        "look-up among all, in any order": ns_each(
            many.store.get, [(bytes(bytearray(random.choice(there))),) for _ in range(CALLS)]
        ),
        "look-up of what is not there": ns_each(many.store.get, [(key(-n),) for n in range(1, CALLS)]),
        "put among 1,000": ns_each(few.store.put, [few.entry(n % 1000) for n in range(CALLS)]),
        "put that makes room": ns_each(many.store.put, [many.entry(2 * entries + n) for n in range(CALLS)]),
        "longest put": f"{many.longest_s * 1e3:.2f} ms",
        "full garbage collection": f"{collection_s * 1e3:.2f} ms",
        f"write to a table of {written.entries:,}": f"{time_of(written.move) * 1e9:,.0f} ns",
        "sweeping 1,000 entries": f"{time_of(many.store.sweep, 1000) * 1e3:.2f} ms",
    }
    for name, value in rows.items():
        click.echo(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
