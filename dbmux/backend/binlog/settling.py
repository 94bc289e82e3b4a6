"""Writes that a server's log told, until everybody who reads the tables sees them.

A server writes a transaction to its log first, and only then lets others see it: who reads a moment after the log told
of it may still get what was there before (seen on MySQL 9: 5 of 400 times, up to 7 ms; as long as a replica takes to
answer where the server waits for one). So each write is told a second time, when it is surely seen.

What was read comes in, and what the server says of itself; what is now seen goes out. Never asks, and never waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dbmux.backend.replication import Position as Gtids
from dbmux.backend.replication import parse_position
from dbmux.wire.binlog.events import Position, Statement

# How long it may take at most where the server cannot tell, and where it does not.
LONGEST_UNTOLD_S, LONGEST_TOLD_S = 1.0, 60.0

# A table, by schema and name; or a statement that may write to any.
Write = tuple[str, str] | Statement


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen by whoever asks a server now: up to a place in its log, or these GTIDs; or it cannot tell."""

    end: Position
    gtids: Gtids | None = None
    tells_by_place: bool = False

    def tells_of(self, gtid: str) -> bool:
        """Whether it can be known of the transaction with this GTID."""
        return self.tells_by_place or (self.gtids is not None and bool(gtid))

    def has(self, gtid: str, place: Position) -> bool:
        """Whether the transaction with this GTID, which ends there, is seen for sure."""
        if self.tells_by_place:
            return is_up_to(place, self.end)
        return self.gtids is not None and bool(gtid) and self.gtids.has(parse_position(gtid.encode()))


def is_up_to(place: Position, end: Position) -> bool:
    """Whether a place in a log is not behind another: files are numbered, and a number may have grown by a digit."""
    return (len(place.file), place.file, place.offset) <= (len(end.file), end.file, end.offset)


@dataclass(frozen=True, slots=True)
class _Transaction:
    """One that was read, when, and what it wrote."""

    gtid: str
    place: Position
    at: float
    writes: tuple[Write, ...]


class Settling:
    """The transactions of one server's log that may not be seen yet."""

    __slots__ = ("_transactions",)

    def __init__(self) -> None:
        self._transactions: list[_Transaction] = []

    @property
    def is_pending(self) -> bool:
        """Whether there are any."""
        return bool(self._transactions)

    def note(self, gtid: str, place: Position, at: float, writes: Iterable[Write]) -> None:
        """A transaction was read at this time."""
        if told := tuple(writes):
            self._transactions.append(_Transaction(gtid, place, at, told))

    def settle(self, seen: Seen, now: float) -> tuple[Write, ...]:
        """What is seen from now on, each write once."""
        left: list[_Transaction] = []
        settled: dict[Write, None] = {}
        for transaction in self._transactions:
            longest = LONGEST_TOLD_S if seen.tells_of(transaction.gtid) else LONGEST_UNTOLD_S
            if now - transaction.at >= longest or seen.has(transaction.gtid, transaction.place):
                settled.update(dict.fromkeys(transaction.writes))
            else:
                left.append(transaction)
        self._transactions = left
        return tuple(settled)
