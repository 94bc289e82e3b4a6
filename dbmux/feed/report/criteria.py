"""What a program must not do: `--fail-on n+1,errors,slow>200ms`, read and judged.

The words of the command line come in, `Criteria` go out, or ValueError with what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dbmux.feed.filter.fields import Measure
from dbmux.feed.filter.quantities import quantity

FORMS = "write n+1, errors, slow, or slow>200ms, with commas between them"
_SLOW = re.compile(r"slow\s*>=?\s*(.+)")


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which findings are failures; `slow_s` is what was said to be slow, None for what the configuration says."""

    nplus1: bool = False
    errors: bool = False
    slow: bool = False
    slow_s: float | None = None

    @property
    def is_any(self) -> bool:
        """Whether anything can fail."""
        return self.nplus1 or self.errors or self.slow


def parse(texts: Iterable[str]) -> Criteria:
    """The criteria of all these together; raises ValueError."""
    nplus1 = errors = slow = False
    slow_s: float | None = None
    for word in (part.strip().lower() for text in texts for part in text.split(",")):
        if word in ("n+1", "nplus1"):
            nplus1 = True
        elif word in ("errors", "error", "err"):
            errors = True
        elif word == "slow":
            slow = True
        elif found := _SLOW.fullmatch(word):
            slow, slow_s = True, quantity(found[1], Measure.TIME).number
        else:
            raise ValueError(f"{word!r} is nothing to fail on; {FORMS}")
    return Criteria(nplus1, errors, slow, slow_s)
