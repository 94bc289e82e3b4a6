"""A clock that stands still until it is moved."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """Seconds; a test adds to them."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now
