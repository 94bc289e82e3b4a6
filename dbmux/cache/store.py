# cython: annotation_typing=False, language_level=3
"""The memory of the query cache: replies by their keys, bounded in bytes, never one that a write has overtaken.

A key's bytes come in and the entry goes out, if it is current and has not ended. What is put in is counted with all
that it takes: key, reply, bookkeeping, and the room in the dictionaries. Never knows of sessions, of SQL or of what a
key is made of.

Nothing here takes long, however much is stored. Keys are spread over many dictionaries, because one that grows is
copied whole. A write moves an epoch and touches no entry; what it outdated goes when it is met, or is swept out a few
entries at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from sys import getsizeof

from dbmux.cache.eviction import NOBODYS, Entry, Ghosts, Room, count_use
from dbmux.cache.tables import Table, capture, is_current
from dbmux.cache.tally import Tally
from dbmux.query import Query

COMPILED = not __file__.endswith(".py")

# One dictionary per so many bytes of capacity: some thousand entries each.
BYTES_PER_SHARD = 1 << 20
# Within a dictionary the lower bits of a hash decide; the shard is chosen by others, or all keys of one would collide.
SHARD_SHIFT = 40
# One place for a key that went: about half as many as there are entries gave the best hit ratios.
BYTES_PER_GHOST = 1 << 11
# An entry for which more than so many others would have to go is not stored: it would be a pause.
MOST_FOR_ONE = 512
# So many old entries each put looks at, whether they have ended; and so many more as long as it finds such.
SWEPT_PER_PUT = 1
MOST_SWEPT_PER_PUT = 16
# An object of the compiled type holds its numbers in itself; the interpreted one points at objects.
POINTED_AT = 0 if COMPILED else 3 * getsizeof(1.0) + 3 * getsizeof(1 << 40)
ENTRY_BYTES = getsizeof(Entry(b"", b"", (), 0, 0.0)) + POINTED_AT + 2 * getsizeof(b"")


class Put(StrEnum):
    """What became of a reply that was put in."""

    STORED = "stored"
    OVERTAKEN = "a write overtook the reading"
    TOO_LARGE = "larger than all the room that it may take"
    NO_ROOM = "no room could be made"


class Gone(StrEnum):
    """Why an entry went."""

    EXPIRED = "expired"
    INVALIDATED = "its tables were written"
    REPLACED = "put anew"
    ROOM = "made room for another"
    SHARE = "made room within its table's share"


# The same by their places: an enum is hashed by a Python function, which would be felt.
EXPIRED, INVALIDATED, REPLACED, ROOM, SHARE = 0, 1, 2, 3, 4


class Store:
    """Entries by key, within `capacity` bytes; `clock` gives the seconds by which entries end."""

    __slots__ = (
        "_clock",
        "_common",
        "_gone",
        "_mask",
        "_rooms",
        "_turn",
        "bytes",
        "capacity",
        "ghosts",
        "shards",
    )

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        shards = 1 << (capacity // BYTES_PER_SHARD).bit_length()
        self.capacity = capacity
        self._gone = [0] * len(Gone)
        self._clock = clock
        self._mask = shards - 1
        self.shards: tuple[dict[bytes, Entry], ...] = tuple({} for _ in range(shards))
        self._common = Room(capacity)
        self._rooms = [self._common]
        self.ghosts = Ghosts(capacity // BYTES_PER_GHOST)
        self._turn = 0
        self.bytes = getsizeof(self.ghosts.places) + sum(getsizeof(shard) for shard in self.shards)

    def __del__(self) -> None:
        for room in self._rooms:
            room.empty()

    def __len__(self) -> int:
        return sum(room.entries for room in self._rooms)

    def __iter__(self) -> Iterator[Entry]:
        """All entries in memory, also those that have ended; nothing may be put or dropped meanwhile."""
        for room in self._rooms:
            for chain in (room.small, room.main):
                entry = chain.newest
                while entry is not None:
                    yield entry
                    entry = entry.older

    @property
    def gone(self) -> dict[Gone, int]:
        """How many entries went, by the reason."""
        return dict(zip(Gone, self._gone, strict=True))

    def get(self, key: bytes) -> Entry | None:
        """The entry of that key, which may be used until the next write; None where there is none that is good."""
        shard = self.shards[(hash(key) >> SHARD_SHIFT) & self._mask]
        entry = shard.get(key)
        if entry is None:
            return None
        if entry.captured != capture(entry.tables):
            self._drop(entry, INVALIDATED)
            return None
        if entry.expires <= self._clock():
            self._drop(entry, EXPIRED)
            return None
        count_use(entry)
        return entry

    def is_good(self, entry: Entry) -> bool:
        """Whether an entry in memory may still be used; looking does not count as a use."""
        return entry.captured == capture(entry.tables) and entry.expires > self._clock()

    def put(
        self,
        key: bytes,
        reply: bytes,
        tables: tuple[Table, ...],
        captured: int,
        expires: float,
        *,
        refresh_at: float = -1.0,
        rows: int = 0,
        cost_s: float = 0.0,
        tally: Tally = NOBODYS,
        query: Query | None = None,
    ) -> Put:
        """Store a reply whose reading began when `captured` was taken of its tables.

        `tables` should be one tuple for all entries of a statement: it is not counted. From `refresh_at` on whoever
        finds the entry may fetch it anew; without it that is when it ends.
        """
        if not is_current(tables, captured):
            return Put.OVERTAKEN
        entry = Entry(key, reply, tables, captured, expires)
        entry.size = ENTRY_BYTES + len(key) + len(reply)
        entry.rows = rows
        entry.cost_s = cost_s
        entry.tally = tally
        entry.query = query
        if refresh_at >= 0:
            entry.refresh_at = refresh_at
        return self._put(entry)

    def resize(self, capacity: int) -> None:
        """Take other room from now on. What is too much goes as what a write outdated does."""
        self.capacity = self._common.limit = capacity

    def sweep(self, steps: int) -> int:
        """Look at so many entries, on from where the last sweep stopped; drop and count those that have ended.

        Whoever has time calls it now and then, or what has ended stays until something is put.
        """
        now, dropped = self._clock(), 0
        for _ in range(steps):
            if self.bytes > self.capacity and (entry := self._fullest().victim()) is not None:
                self._drop(entry, ROOM)
                dropped += 1
                continue
            self._turn = (self._turn + 1) % len(self._rooms)
            entry = self._rooms[self._turn].next()
            if entry is None:
                continue
            if entry.captured != capture(entry.tables):
                self._drop(entry, INVALIDATED)
            elif entry.expires <= now:
                self._drop(entry, EXPIRED)
            else:
                continue
            dropped += 1
        return dropped

    def _put(self, entry: Entry) -> Put:
        room = self._room(entry.tables)
        if entry.size > room.limit:
            return Put.TOO_LARGE
        if self.sweep(SWEPT_PER_PUT):
            self.sweep(MOST_SWEPT_PER_PUT)
        self._replace(entry.key)
        if not self._make_room(room, entry.size):
            return Put.NO_ROOM
        self._add(entry, room)
        # The dictionary may have grown.
        while self.bytes > self.capacity and (victim := self._fullest().victim()) is not None:
            self._drop(victim, ROOM)
        return Put.STORED if entry.room is not None else Put.NO_ROOM

    def _room(self, tables: tuple[Table, ...]) -> Room:
        # What is read from several tables takes room where there is least of it.
        least = self._common
        for table in tables:
            share = table.share
            if share is not None and (least is self._common or share.limit < least.limit):
                least = share
        return least

    def _make_room(self, room: Room, size: int) -> bool:
        if room is not self._common and not self._free(room, room.bytes + size - room.limit, SHARE):
            return False
        return self._free(self._fullest(), self.bytes + size - self.capacity, ROOM)

    def _free(self, room: Room, wanted: int, reason: int) -> bool:
        if wanted * room.entries > MOST_FOR_ONE * room.bytes:
            return False
        for _ in range(MOST_FOR_ONE):
            if wanted <= 0:
                return True
            victim = room.victim()
            if victim is None:
                break
            wanted -= victim.size
            self._drop(victim, reason)
        return wanted <= 0

    def _fullest(self) -> Room:
        fullest = self._common
        for room in self._rooms:
            if room.bytes > fullest.bytes:
                fullest = room
        return fullest

    def _add(self, entry: Entry, room: Room) -> None:
        if room not in self._rooms:
            self._rooms.append(room)
        if self.ghosts.knows(hash(entry.key)):
            room.add_again(entry)
        else:
            room.add(entry)
        for table in entry.tables:
            table.bytes += entry.size
            table.entries += 1
        shard = self.shards[(hash(entry.key) >> SHARD_SHIFT) & self._mask]
        before = shard.__sizeof__()
        shard[entry.key] = entry
        self.bytes += entry.size + shard.__sizeof__() - before

    def _replace(self, key: bytes) -> None:
        shard = self.shards[(hash(key) >> SHARD_SHIFT) & self._mask]
        entry = shard.get(key)
        if entry is not None:
            self._drop(entry, REPLACED)

    def _drop(self, entry: Entry, reason: int) -> None:
        shard = self.shards[(hash(entry.key) >> SHARD_SHIFT) & self._mask]
        del shard[entry.key]
        self.bytes -= entry.size
        # Whatever the reason: when it comes again, it was asked for again.
        self.ghosts.add(hash(entry.key))
        if not shard:
            # Only now does a dictionary give back the room that it grew to.
            before = shard.__sizeof__()
            shard.clear()
            self.bytes -= before - shard.__sizeof__()
        for table in entry.tables:
            table.bytes -= entry.size
            table.entries -= 1
        room = entry.room
        if room is not None:
            room.remove(entry)
            if not room.entries and room is not self._common:
                self._rooms.remove(room)
        self._gone[reason] += 1
