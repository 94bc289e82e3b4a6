"""What clients did and saw, as values: all that the judge of the cache checker knows.

A register is a row, or several rows that are written together. Every write gives it a version of its own, each greater
than the one before, and only one client writes to a register at a time. Times are those of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What the client knows of its write."""

    DONE = "acknowledged"
    FAILED = "failed or rolled back"
    UNKNOWN = "of unknown outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A version was given to a register: by the one statement between `begin` and `end` that made it visible."""

    session: int
    register: str
    version: int
    begin: float
    end: float
    outcome: Outcome = Outcome.DONE
    how: str = ""

    def __str__(self) -> str:
        return f"{_span(self.begin, self.end)} session {self.session} wrote {self.version}, {self.outcome}: {self.how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What one statement told of a register.

    `versions` are those of all its rows that the statement reads, none where it was refused. `seen` describes whose
    rows came and in what form, `due` what this session should have seen. `own` is the version that the session's open
    transaction has written, or 0. Of a read in a transaction `begin` is when the transaction began.
    """

    session: int
    register: str
    versions: tuple[int, ...]
    begin: float
    end: float
    due: str = ""
    seen: str = ""
    own: int = 0
    how: str = ""

    def __str__(self) -> str:
        versions = ", ".join(map(str, self.versions)) or "nothing"
        return f"{_span(self.begin, self.end)} session {self.session} read {versions}: {self.how}"


@dataclass(frozen=True, slots=True)
class History:
    """All that happened, in no order."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)


def _span(begin: float, end: float) -> str:
    return f"[{begin:.6f} - {end:.6f}]"
