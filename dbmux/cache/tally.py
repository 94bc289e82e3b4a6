"""What the cache did for the statements that read the same tables. Counted by whoever does it, and only read here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Tally:
    """What became of the statements that read these tables together; seconds are those of the server.

    `by` is the rule, or the hint, that had them stored; empty where cache.tables did. `refusals` counts by reason the
    results that were not stored.
    """

    name: str
    by: str = ""
    ttl_s: float = 0.0
    hits: int = 0
    stale: int = 0
    coalesced: int = 0
    misses: int = 0
    stored: int = 0
    spent_s: float = 0.0
    saved_s: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)
