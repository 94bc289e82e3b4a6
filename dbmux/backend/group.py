"""A primary and its replicas: which of them takes a read, and which is the primary now.

The backends and what is known of their health, lag and load come in; a backend goes out. Every decision is synchronous.
Never asks a server anything.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from time import perf_counter
from typing import Protocol

from dbmux.backend.replication import lag_told
from dbmux.backend.server import Backend, BackendState
from dbmux.config.model import Balance, GroupConfig, Reads
from dbmux.errors import BackendRefused, ErrorCode, MySQLError

DOWN = BackendState.DOWN
# A replica that is just back begins with this part of its share.
FIRST_PART = 0.1
# What is left of a server's latency each time that another one was taken: who was slow once is tried again.
FORGIVEN = 0.995


class Writer(Protocol):
    """Who waits for a primary that can be written to, until `deadline` by the clock."""

    deadline: float

    def primary_found(self) -> None:
        """There is one, or it has to be looked for anew."""

    def denied(self, error: MySQLError | BackendRefused) -> None:
        """There will be none in time."""


class Group:
    """A configured group.

    `primary` is the one that takes writes now, which with `"roles": "auto"` may change; `is_writable` tells whether it
    does, and `doubted_at` when it last seemed not to. `writers` wait until it does again, in their order. `observed`
    counts the reads that a replica would have taken if the group did not only observe.
    """

    __slots__ = (
        "_clock",
        "_credits",
        "_random",
        "_turn",
        "config",
        "doubted_at",
        "is_followed",
        "is_timed",
        "is_writable",
        "name",
        "observed",
        "primary",
        "replicas",
        "writers",
    )

    def __init__(
        self,
        name: str,
        config: GroupConfig,
        primary: Backend,
        replicas: tuple[Backend, ...] = (),
        *,
        clock: Callable[[], float] = perf_counter,
        randomness: Callable[[], float] = random,
    ) -> None:
        self.name = name
        self.config = config
        self.primary = primary
        self.replicas = replicas
        self._clock = clock
        self._random = randomness
        # Whether how long answers take is of any account.
        self.is_timed = config.balance is Balance.FASTEST
        self.is_writable = True
        self.doubted_at = 0.0
        self.is_followed = True
        self.observed = 0
        self.writers: dict[Writer, None] = {}
        self._turn = 0
        self._credits: dict[Backend, float] = {}

    @property
    def members(self) -> tuple[Backend, ...]:
        """All of its servers, the primary first."""
        return (self.primary, *self.replicas)

    @property
    def has_choice(self) -> bool:
        """Whether it has more than one server."""
        return bool(self.replicas)

    @property
    def entrance(self) -> Backend:
        """The server that can say whether an account is good: the primary, or another one while that is away."""
        if self.primary.is_usable:
            return self.primary
        return next((replica for replica in self.replicas if replica.is_usable), self.primary)

    def promote(self, backend: Backend) -> None:
        """Another of its servers is the primary now; the old one is a replica."""
        members = self.members
        self.primary = backend
        self.replicas = tuple(member for member in members if member is not backend)

    def doubt(self) -> None:
        """The primary refused a write, or cannot be reached: whether another server is it has to be found out."""
        self.is_writable = False
        self.doubted_at = self._clock()
        self.primary.suspect()

    def found_writable(self) -> None:
        """The primary takes writes: those who wait for that go on."""
        self.is_writable = True
        self._call_writers()

    def leave(self) -> None:
        """It is not configured any more, and nobody looks for its primary: those who wait look elsewhere."""
        self.is_followed = False
        self._call_writers()

    def _call_writers(self) -> None:
        for writer in list(self.writers):
            if self._has_called(writer):
                writer.primary_found()

    def wait(self, writer: Writer) -> bool:
        """Queue until the primary can be written to; False when too many wait already, or nobody looks for one."""
        if not self.is_followed or len(self.writers) >= self.config.failover_queue:
            return False
        self.writers[writer] = None
        # Also of one that was suspected for a moment only, whoever looks has to say that it takes writes.
        self.is_writable = False
        return True

    def cancel(self, writer: Writer) -> None:
        """Wait no longer."""
        self.writers.pop(writer, None)

    def expire(self, now: float) -> None:
        """Deny those whose time is over."""
        for writer in [writer for writer in self.writers if writer.deadline <= now]:
            if self._has_called(writer):
                writer.denied(self.no_primary())

    def _has_called(self, writer: Writer) -> bool:
        # What was told to another may have made him leave.
        if writer not in self.writers:
            return False
        del self.writers[writer]
        return True

    def no_primary(self) -> MySQLError:
        """The error of a write that found no primary."""
        names = ", ".join(member.name for member in self.members)
        return MySQLError(
            ErrorCode.READ_ONLY,
            f"none of the servers of {self.name} ({names}) can be written to; nothing was sent: try again",
        )

    def reader(self, written_at: float, tried: tuple[Backend, ...]) -> Backend | None:
        """A replica for a read, or None when only the primary can take it.

        `written_at` is when the session wrote last, by the clock, or 0.0: a replica must have all that was written
        until then. `tried` are those that failed this query already.
        """
        config = self.config
        limit = config.max_lag
        able = []
        # Said in full, for every read comes by here.
        for replica in self.replicas:
            if replica.is_suspect or replica.state is DOWN or replica.applied_until < written_at or not replica.weight:
                continue
            if limit is not None and (replica.lag_s is None or replica.lag_s > limit):
                continue
            if replica not in tried:
                able.append(replica)
        primary = self.primary
        if config.reads is Reads.ALL and primary.weight and primary.is_usable and primary not in tried:
            able.append(primary)
        if len(able) < 2:
            return able[0] if able else None
        match config.balance:
            case Balance.LEAST_BUSY:
                return self._least_busy(able)
            case Balance.ROUND_ROBIN:
                return self._next_in_turn(able)
            case Balance.FASTEST:
                return self._faster_of_two(able)

    def any_reader(self, tried: tuple[Backend, ...]) -> Backend | None:
        """When nothing seems able to answer: one that was not tried yet is better than a refusal."""
        untried = [member for member in self.members if member not in tried]
        return max(untried, key=lambda member: member.is_usable) if untried else None

    def can_read(self, replica: Backend) -> bool:
        """Whether a replica takes reads of sessions that have written nothing."""
        return not self.why_unread(replica)

    def why_unread(self, replica: Backend) -> str:
        """Why a replica takes no reads of such sessions; nothing when it does."""
        if replica.state is DOWN:
            return "it is down"
        if replica.is_suspect:
            return "it is suspected"
        if not replica.weight:
            return "it is drained" if replica.is_drained else "its weight is 0"
        limit = self.config.max_lag
        if limit is None or not self.is_behind(replica):
            return ""
        return f"{lag_told(replica.lag_s)}, max_lag is {limit:g} s"

    def is_behind(self, replica: Backend) -> bool:
        """Whether it is too far behind for any read; not to know counts as too far."""
        limit = self.config.max_lag
        return limit is not None and (replica.lag_s is None or replica.lag_s > limit)

    def _weight(self, backend: Backend) -> float:
        # A server with cold caches is not given its whole share at once.
        if not backend.up_since:
            return backend.weight
        age = self._clock() - backend.up_since
        if age >= self.config.slow_start:
            backend.up_since = 0.0
            return backend.weight
        return backend.weight * max(FIRST_PART, age / self.config.slow_start)

    def _least_busy(self, able: list[Backend]) -> Backend:
        # Those that are as busy as one another take turns.
        self._turn += 1
        at = self._turn % len(able)
        best = able[at]
        least = self._load(best)
        for backend in able:
            load = self._load(backend)
            if load < least:
                best, least = backend, load
        return best

    def _load(self, backend: Backend) -> float:
        return (backend.pool.busy + len(backend.pool.queue) + 1) / (
            self._weight(backend) if backend.up_since else backend.weight
        )

    def _next_in_turn(self, able: list[Backend]) -> Backend:
        # Each read gives all of them their weights in credit, and who has most pays for all: smooth, and in proportion.
        credits = self._credits
        total = 0.0
        for backend in able:
            weight = self._weight(backend)
            total += weight
            credits[backend] = credits.get(backend, 0.0) + weight
        chosen = max(able, key=lambda backend: credits[backend])
        credits[chosen] -= total
        return chosen

    def _faster_of_two(self, able: list[Backend]) -> Backend:
        # Power of two choices: the best of all would be everybody's choice at once.
        first = int(self._random() * len(able))
        second = (first + 1 + int(self._random() * (len(able) - 1))) % len(able)
        faster, slower = able[first], able[second]
        if slower.latency_s * self._load(slower) < faster.latency_s * self._load(faster):
            faster, slower = slower, faster
        slower.latency_s *= FORGIVEN
        return faster
