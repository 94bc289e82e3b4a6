"""What is told about lines that were not carried over, or that mean something else now.

Places, things and reasons come in; lines to read go out, in the order of the source as far as it has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbmux.proxysql.tables import Row
from dbmux.text import visible


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was."""

    place: str
    what: str
    why: str

    def __str__(self) -> str:
        return visible(f"{self.place}: {self.what}: {self.why}")


@dataclass(slots=True)
class Findings:
    """Those of one import. `without_counterpart` are variables that need no attention."""

    told: list[Finding] = field(default_factory=list)
    without_counterpart: list[Finding] = field(default_factory=list)

    def tell(self, row: Row, what: str, why: str) -> None:
        """Something of a row was not carried over, or differs."""
        self.told.append(Finding(row.place, what, why))

    def in_order(self) -> tuple[Finding, ...]:
        """Those with a line of a file by that line, after those without one."""
        return tuple(sorted(self.told, key=lambda finding: _line(finding.place)))

    def tell_set(self, row: Row, reasons: Mapping[str, str]) -> None:
        """Each of these columns that is set to something, with its reason."""
        for column, reason in reasons.items():
            if row.text(column) not in ("", "0"):
                self.tell(row, column, reason)


def _line(place: str) -> int:
    line = place.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0
