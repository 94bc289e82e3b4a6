# cython: annotation_typing=False, language_level=3
"""Which entry goes when room is needed: S3-FIFO, three queues and a count of uses.

Entries come in, and the one to give up goes out. A hit costs one small addition. Never knows of the clock or of what
replies are; the store does.

New entries stand in a small queue, a tenth of the room. Those that are used more than once while they pass through it
go on to the main queue, the others go. At the end of the main queue an entry that was used since begins again, with one
use less. Keys that went not long ago are remembered, and come straight into the main queue when they come again. So
what comes once, as from a scan, takes nothing from what is asked for often. (S3-FIFO is described in "FIFO Queues are
All You Need for Cache Eviction", SOSP 2023; docs/cache.md compares it with others.)
"""

from __future__ import annotations

from array import array

from dbmux.cache.tables import Table
from dbmux.cache.tally import Tally
from dbmux.query import Query

try:
    import cython
except ModuleNotFoundError:
    from dbmux.cache import uncompiled as cython

# Of entries of which nobody keeps account.
NOBODYS = Tally("")
# More uses are not counted: a favourite of yesterday must be able to go.
MOST_USES = 3
# Entries used less than that in the small queue go.
PROVEN = 2
# A walk over many entries that were all used would be a pause: after so many steps the next one goes, used or not.
MAX_STEPS = 16


@cython.no_gc
@cython.cclass
class Entry:
    """One stored reply: its key, what it was read from and when it ends.

    `captured` and `tables` tell whether it is current, `expires` and `refresh_at` are the store's clock. `rows` and
    `cost_s` are what the reading found and took.

    Compiled, the garbage collector does not know of it: a million entries cost it nothing. So whoever chains entries
    must unchain them, or they stay in memory for ever. `tally` is where whoever serves it counts, `query` what it
    answers.
    """

    __slots__ = (
        "captured",
        "chain",
        "cost_s",
        "expires",
        "key",
        "newer",
        "older",
        "query",
        "refresh_at",
        "reply",
        "room",
        "rows",
        "size",
        "tables",
        "tally",
        "uses",
    )

    def __init__(self, key: bytes, reply: bytes, tables: tuple[Table, ...], captured: int, expires: float) -> None:
        self.key = key
        self.reply = reply
        self.tables = tables
        self.captured = captured
        self.expires = expires
        self.refresh_at = expires
        self.query: Query | None = None
        self.rows = 0
        self.cost_s = 0.0
        self.size = 0
        self.tally = NOBODYS
        self.uses = 0
        self.room: Room | None = None
        self.chain: Chain | None = None
        self.older: Entry | None = None
        self.newer: Entry | None = None


def count_use(entry: Entry) -> None:
    """The entry was found by somebody."""
    if entry.uses < MOST_USES:
        entry.uses += 1


class Chain:
    """Entries in the order in which they were added."""

    __slots__ = ("bytes", "newest", "oldest")

    def __init__(self) -> None:
        self.bytes = 0
        self.oldest: Entry | None = None
        self.newest: Entry | None = None

    def add(self, entry: Entry) -> None:
        """Take an entry in, as the newest."""
        entry.chain = self
        entry.older = self.newest
        if self.newest is None:
            self.oldest = entry
        else:
            self.newest.newer = entry
        self.newest = entry
        self.bytes += entry.size

    def remove(self, entry: Entry) -> None:
        """Let go of one of its entries."""
        older, newer = entry.older, entry.newer
        if older is None:
            self.oldest = newer
        else:
            older.newer = newer
        if newer is None:
            self.newest = older
        else:
            newer.older = older
        entry.chain = entry.older = entry.newer = None
        self.bytes -= entry.size


class Room:
    """Entries that compete for the same room, at most `limit` bytes of it."""

    __slots__ = ("_broom", "_swept", "bytes", "entries", "limit", "main", "small")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self.entries = 0
        self.small = Chain()
        self.main = Chain()
        self._swept = self.small
        self._broom: Entry | None = None

    def add(self, entry: Entry) -> None:
        """Take in an entry that nobody knows."""
        self._add(entry, self.small)

    def add_again(self, entry: Entry) -> None:
        """Take in an entry that was here not long ago."""
        self._add(entry, self.main)

    def _add(self, entry: Entry, chain: Chain) -> None:
        entry.room = self
        chain.add(entry)
        self.bytes += entry.size
        self.entries += 1

    def remove(self, entry: Entry) -> None:
        """Let go of one of its entries."""
        self._unchain(entry)
        entry.room = None
        self.bytes -= entry.size
        self.entries -= 1

    def _unchain(self, entry: Entry) -> None:
        if self._broom is entry:
            self._broom = entry.newer
        if entry.chain is not None:
            entry.chain.remove(entry)

    def victim(self) -> Entry | None:
        """The entry to give up now; None when there is none. It is still here."""
        for _ in range(MAX_STEPS):
            entry = self.small.oldest
            if entry is not None and (self.small.bytes * 10 > self.bytes or self.main.oldest is None):
                if entry.uses < PROVEN:
                    return entry
                entry.uses = 0
            else:
                entry = self.main.oldest
                if entry is None or not entry.uses:
                    return entry
                entry.uses -= 1
            self._unchain(entry)
            self.main.add(entry)
        return self.main.oldest

    def next(self) -> Entry | None:
        """One entry after the other, from the oldest to the newest and again; None where the queues end."""
        entry = self._broom
        if entry is None:
            self._swept = self.main if self._swept is self.small else self.small
            entry = self._swept.oldest
        if entry is not None:
            self._broom = entry.newer
        return entry

    def empty(self) -> None:
        """Let go of all entries, one by one: a chain that is merely dropped would stay, see Entry."""
        for chain in (self.small, self.main):
            while chain.oldest is not None:
                self.remove(chain.oldest)


class Ghosts:
    """Keys that went not long ago, by their hashes.

    There is one place for each hash's upper half, and the last key that came there is known. So this never grows, and a
    key is forgotten after about as many others as there are places.
    """

    __slots__ = ("_mask", "places")

    def __init__(self, places: int) -> None:
        self._mask = (1 << places.bit_length()) - 1
        self.places = array("I", bytes(4)) * (self._mask + 1)

    def add(self, number: int) -> None:
        """A key with this hash went."""
        self.places[(number >> 32) & self._mask] = number & 0xFFFFFFFF

    def knows(self, number: int) -> bool:
        """Whether a key with this hash went not long ago."""
        return self.places[(number >> 32) & self._mask] == number & 0xFFFFFFFF
