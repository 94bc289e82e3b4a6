# cython: annotation_typing=False, language_level=3
"""Which entry goes when room is needed: SIEVE, over entries that are chained in the order in which they came.

Entries come in, and the one to give up goes out. A hit costs one mark. Never knows of keys, of the clock or of what an
entry weighs in all; the store does.

A hand moves from the oldest entry to newer ones. An entry that was used since the hand's last visit stays where it is
and loses its mark; the first one without goes. So entries that are used stay old, and what came once and never again is
met soon. (SIEVE is described in "SIEVE is Simpler than LRU", NSDI 2024; docs/cache.md compares it with others.)
"""

from __future__ import annotations

from dbmux.cache.tables import Table

try:
    import cython
except ModuleNotFoundError:
    from dbmux.cache import uncompiled as cython

# A walk over a million entries that were all used would be a pause: after so many the next one goes, used or not.
MAX_STEPS = 256


@cython.no_gc
@cython.cclass
class Entry:
    """One stored reply: its key, what it was read from and when it ends.

    `captured` and `tables` tell whether it is current, `expires` and `refresh_at` are the store's clock. `rows` and
    `cost_s` are what the reading found and took. `refreshing` is for whoever serves it: somebody fetches it anew.

    Compiled, the garbage collector does not know of it: a million entries cost it nothing. So whoever chains entries
    must unchain them, or they stay in memory for ever. `tally` is whoever counts its hits.
    """

    __slots__ = (
        "captured",
        "cost_s",
        "expires",
        "key",
        "newer",
        "older",
        "queue",
        "refresh_at",
        "refreshing",
        "reply",
        "rows",
        "size",
        "tables",
        "tally",
        "used",
    )

    def __init__(self, key: bytes, reply: bytes, tables: tuple[Table, ...], captured: int, expires: float) -> None:
        self.key = key
        self.reply = reply
        self.tables = tables
        self.captured = captured
        self.expires = expires
        self.refresh_at = expires
        self.refreshing = False
        self.rows = 0
        self.cost_s = 0.0
        self.size = 0
        self.tally: object = None
        self.used = False
        self.queue: Queue | None = None
        self.older: Entry | None = None
        self.newer: Entry | None = None


class Queue:
    """Entries that compete for the same room, at most `limit` bytes of it."""

    __slots__ = ("_broom", "_hand", "bytes", "entries", "limit", "newest", "oldest")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self.entries = 0
        self.oldest: Entry | None = None
        self.newest: Entry | None = None
        self._hand: Entry | None = None
        self._broom: Entry | None = None

    def add(self, entry: Entry) -> None:
        """Take an entry in, as the newest."""
        entry.queue = self
        entry.older = self.newest
        if self.newest is None:
            self.oldest = entry
        else:
            self.newest.newer = entry
        self.newest = entry
        self.bytes += entry.size
        self.entries += 1

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
        if self._hand is entry:
            self._hand = newer
        if self._broom is entry:
            self._broom = newer
        entry.queue = entry.older = entry.newer = None
        self.bytes -= entry.size
        self.entries -= 1

    def victim(self) -> Entry | None:
        """The entry to give up now; None when there is none. It is still in the queue."""
        entry = self._hand
        for _ in range(MAX_STEPS):
            if entry is None:
                entry = self.oldest
            if entry is None or not entry.used:
                break
            entry.used = False
            entry = entry.newer
        if entry is None:
            entry = self.oldest
        self._hand = entry
        return entry

    def next(self) -> Entry | None:
        """One entry after the other, from the oldest to the newest and again; None when there is none."""
        entry = self._broom
        if entry is None:
            entry = self.oldest
        if entry is not None:
            self._broom = entry.newer
        return entry

    def unchain(self) -> None:
        """Let go of all entries, one by one: a chain that is merely dropped would stay, see Entry."""
        while self.oldest is not None:
            self.remove(self.oldest)
