"""python -m benchmarks.eviction: how often each way of making room finds what is asked for.

Traces of keys go through caches of a fixed number of entries; a table of hit ratios comes out, for docs/cache.md.
S3-FIFO is the store's own; the others are as short as they can be and only for this comparison.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Protocol

from dbmux.cache.eviction import Entry, Ghosts, Room, count_use

KEYS = 100_000
REQUESTS = 1_000_000
SIZES = (0.01, 0.1)


class Cache(Protocol):
    """Says of each key whether it was there, and keeps it or not as it likes."""

    def ask(self, key: bytes) -> bool: ...


class S3Fifo:
    """The product's: its room and its ghosts, with entries of one byte."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._room = Room(size)
        self._ghosts = Ghosts(size // 2)
        self._entries: dict[bytes, Entry] = {}

    def ask(self, key: bytes) -> bool:
        entry = self._entries.get(key)
        if entry is not None:
            count_use(entry)
            return True
        if len(self._entries) >= self._size and (victim := self._room.victim()) is not None:
            self._room.remove(victim)
            self._ghosts.add(hash(victim.key))
            del self._entries[victim.key]
        entry = self._entries[key] = Entry(key, b"", (), 0, 0.0)
        entry.size = 1
        if self._ghosts.knows(hash(key)):
            self._room.add_again(entry)
        else:
            self._room.add(entry)
        return False


class Lru:
    """The one that was not used for the longest time goes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, None] = OrderedDict()

    def ask(self, key: bytes) -> bool:
        if key in self._entries:
            self._entries.move_to_end(key)
            return True
        if len(self._entries) >= self._size:
            self._entries.popitem(last=False)
        self._entries[key] = None
        return False


class Sieve:
    """A hand moves from old to new: what was used since its last visit stays where it is, the first other one goes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used: dict[bytes, bool] = {}
        # From the newest to the oldest: what the hand left behind, and what it has yet to come to.
        self._ahead: deque[bytes] = deque()
        self._behind: deque[bytes] = deque()

    def ask(self, key: bytes) -> bool:
        if key in self._used:
            self._used[key] = True
            return True
        if len(self._used) >= self._size:
            self._evict()
        self._used[key] = False
        self._ahead.appendleft(key)
        return False

    def _evict(self) -> None:
        while True:
            if not self._ahead:
                self._ahead, self._behind = self._behind, deque()
            key = self._ahead.pop()
            if not self._used[key]:
                del self._used[key]
                return
            self._used[key] = False
            self._behind.appendleft(key)


class TinyLfu:
    """W-TinyLFU: what leaves a small window is kept only if it was asked for more often than what would have to go.

    The counts are exact here, where the real one estimates them; they are halved every ten sizes of requests.
    """

    def __init__(self, size: int) -> None:
        self._window_size = max(1, size // 100)
        self._main_size = size - self._window_size
        self._protected_size = self._main_size * 8 // 10
        self._window: OrderedDict[bytes, None] = OrderedDict()
        self._probation: OrderedDict[bytes, None] = OrderedDict()
        self._protected: OrderedDict[bytes, None] = OrderedDict()
        self._counts: Counter[bytes] = Counter()
        self._left = self._sample = 10 * size

    def ask(self, key: bytes) -> bool:
        self._count(key)
        if key in self._window:
            self._window.move_to_end(key)
        elif key in self._protected:
            self._protected.move_to_end(key)
        elif key in self._probation:
            del self._probation[key]
            self._protected[key] = None
            if len(self._protected) > self._protected_size:
                self._probation[self._protected.popitem(last=False)[0]] = None
        else:
            self._take(key)
            return False
        return True

    def _count(self, key: bytes) -> None:
        self._counts[key] = min(15, self._counts[key] + 1)
        self._left -= 1
        if not self._left:
            self._left = self._sample
            self._counts = Counter({key: count // 2 for key, count in self._counts.items() if count > 1})

    def _take(self, key: bytes) -> None:
        self._window[key] = None
        if len(self._window) <= self._window_size:
            return
        candidate, _ = self._window.popitem(last=False)
        if len(self._probation) + len(self._protected) >= self._main_size:
            victim = next(iter(self._probation))
            if self._counts[candidate] <= self._counts[victim]:
                return
            del self._probation[victim]
        self._probation[candidate] = None


def zipf(chance: random.Random, alpha: float) -> Iterator[int]:
    """Keys of which the n-th is asked for n to the power of minus alpha as often as the first."""
    weights = list(itertools.accumulate(1 / rank**alpha for rank in range(1, KEYS + 1)))
    keys = list(range(KEYS))
    chance.shuffle(keys)
    while True:
        yield from chance.choices(keys, cum_weights=weights, k=10_000)


def moving(chance: random.Random, changes: int) -> Iterator[int]:
    """Zipf 1.0 while so many keys change places with others after each 1,000 requests, those asked for often first."""
    weights = list(itertools.accumulate(1 / rank for rank in range(1, KEYS + 1)))
    keys = list(range(KEYS))
    while True:
        yield from chance.choices(keys, cum_weights=weights, k=1000)
        for _ in range(changes):
            one, other = int(chance.random() ** 3 * KEYS), chance.randrange(KEYS)
            keys[one], keys[other] = keys[other], keys[one]


def scanned(chance: random.Random, scan: Callable[[], Iterator[int]]) -> Iterator[int]:
    """Zipf 0.9, and after each 30,000 of it 20,000 other keys in a row."""
    often = zipf(chance, 0.9)
    while True:
        yield from itertools.islice(often, 30_000)
        yield from itertools.islice(scan(), 20_000)


def new_keys() -> Callable[[], Iterator[int]]:
    """Scans in which no key comes again."""
    keys = itertools.count(KEYS)
    return lambda: keys


def same_keys() -> Iterator[int]:
    """The same scan again."""
    return itertools.count(KEYS)


TRACES: dict[str, Callable[[random.Random], Iterator[int]]] = {
    "Zipf 0.8": lambda chance: zipf(chance, 0.8),
    "Zipf 0.9": lambda chance: zipf(chance, 0.9),
    "Zipf 1.0": lambda chance: zipf(chance, 1.0),
    "Zipf 1.1": lambda chance: zipf(chance, 1.1),
    "Zipf 1.0, favourites change slowly": lambda chance: moving(chance, 10),
    "Zipf 1.0, favourites change fast": lambda chance: moving(chance, 100),
    "Zipf 0.9 and scans of new keys": lambda chance: scanned(chance, new_keys()),
    "Zipf 0.9 and one scan again and again": lambda chance: scanned(chance, same_keys),
}
CACHES: dict[str, Callable[[int], Cache]] = {"LRU": Lru, "SIEVE": Sieve, "S3-FIFO": S3Fifo, "W-TinyLFU": TinyLfu}


def hit_ratio(cache: Cache, trace: list[bytes]) -> float:
    """The part of the second half of the trace that was there; the first half fills the cache."""
    half = len(trace) // 2
    for key in trace[:half]:
        cache.ask(key)
    return sum(map(cache.ask, trace[half:])) / (len(trace) - half)


def main() -> None:
    """Print the table."""
    print(f"| trace | entries | {' | '.join(CACHES)} |")
    print("|---|---|" + "---|" * len(CACHES))
    for name, make in TRACES.items():
        trace = [b"%d" % key for key in itertools.islice(make(random.Random(1)), REQUESTS)]
        for share in SIZES:
            size = round(KEYS * share)
            ratios = (hit_ratio(cache(size), trace) for cache in CACHES.values())
            print(f"| {name} | {share:.0%} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True)


if __name__ == "__main__":
    main()
