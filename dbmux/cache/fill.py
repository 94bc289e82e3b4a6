"""One reading of a result that is to be stored: its pieces as they pass by, and who else waits for it.

A reply's pieces come in and go on to the client; when all was well, the whole of it can be stored. Never decides that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dbmux.cache.plans import Reading

Write = Callable[[bytes | memoryview], None]


class Waiter(Protocol):
    """Who wants the result that another one fetches."""

    def filled(self, reply: bytes, rows: int) -> None:
        """Here it is."""

    def not_filled(self) -> None:
        """There is none to be had from that reading; whoever waited fetches it by himself."""


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


class Fill:
    """A reading under way. `captured` is what the epochs of its tables were before it was sent, by `began_at`.

    It stands in for the client's channel: what is written goes on to that, and is kept as long as it is not too much.
    """

    __slots__ = ("_pieces", "_size", "_write", "began_at", "captured", "key", "reading", "waiters")

    def __init__(self, key: bytes, reading: Reading, captured: int, began_at: float) -> None:
        self.key = key
        self.reading = reading
        self.captured = captured
        self.began_at = began_at
        self.waiters: list[Waiter] = []
        self._write: Write
        self._pieces: list[bytes] | None = None
        self._size = 0

    def record(self, write: Write) -> None:
        """What comes from now on is the reply; it goes to `write`."""
        self._write = write
        self._pieces = []
        self._size = 0

    def write(self, data: bytes | memoryview) -> None:
        """A piece of the reply."""
        self._write(data)
        if self._pieces is None:
            return
        self._size += len(data)
        if self._size > self.reading.max_bytes:
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
