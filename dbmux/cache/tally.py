"""What the cache did for the statements that read the same tables. Counted by whoever does it, and only read here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Tally:
    """What became of the statements that read these tables together; seconds are those of the server."""

    name: str
    hits: int = 0
    stale: int = 0
    coalesced: int = 0
    misses: int = 0
    stored: int = 0
    refused: int = 0
    spent_s: float = 0.0
    saved_s: float = 0.0
