"""One reading of a result that is to be stored: its pieces as they pass by, and who else waits for it.

A reply's pieces come in and go on to the client; when all was well, the whole of it can be stored. Never decides that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from dbmux.cache.plans import Reading

Write = Callable[[bytes | memoryview], None]


class Waiter(Protocol):
    """Who wants the result that another one fetches."""

    def filled(self, reply: bytes, rows: int) -> None:
        """Here it is."""

    def not_filled(self) -> None:
        """There is none to be had from that reading; whoever waited fetches it by himself."""


class Tape:
    """Stands in for a client's channel: passes on what is written, and keeps it as long as it is not too much."""

    __slots__ = ("_limit", "_pieces", "_size", "_write")

    def __init__(self, write: Write, limit: int) -> None:
        self._write = write
        self._limit = limit
        self._size = 0
        self._pieces: list[bytes] | None = []

    def write(self, data: bytes | memoryview) -> None:
        """A piece of the reply."""
        self._write(data)
        if self._pieces is None:
            return
        self._size += len(data)
        if self._size > self._limit:
            self._pieces = None
        else:
            self._pieces.append(bytes(data))

    @property
    def reply(self) -> bytes | None:
        """All that was written; None when it was too much."""
        pieces = self._pieces
        if pieces is None:
            return None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Herald:
    """Stands in for a client's channel: says that a piece of the reply comes before it passes it on."""

    __slots__ = ("_say", "_write")

    def __init__(self, say: Callable[[], None], write: Write) -> None:
        self._say = say
        self._write = write

    def write(self, data: bytes | memoryview) -> None:
        """A piece of the reply."""
        self._say()
        self._write(data)


@dataclass(slots=True, eq=False)
class Fill:
    """A reading under way; `captured` is what the epochs of its tables were before it was sent, by `began_at`."""

    key: bytes
    reading: Reading
    captured: int
    began_at: float
    waiters: list[Waiter] = field(default_factory=list)

    def serve(self, reply: bytes, rows: int) -> None:
        """Give all who wait what came."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            waiter.filled(reply, rows)

    def release(self) -> None:
        """Let all who wait go on by themselves."""
        waiters, self.waiters = self.waiters, []
        self.reading.tally.misses += len(waiters)
        for waiter in waiters:
            waiter.not_filled()
