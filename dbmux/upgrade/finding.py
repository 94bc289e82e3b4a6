"""What the check of an upgrade found: one thing that is different on the other server, and what to do about it.

Values only. A report says what it could not find out, too: it never takes silence for agreement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """What becomes of it if nothing is done."""

    BLOCKS = "blocks"
    """Something fails on the other server."""
    CHANGES = "changes results"
    """It works, and gives something else."""
    KNOW = "to know"


class Subject(StrEnum):
    """What it is about, in the order in which it is told."""

    WORDS = "reserved words"
    FUNCTIONS = "functions"
    TYPES = "types"
    ENGINES = "engines and plugins"
    COLLATIONS = "character sets and collations"
    DATES = "zero dates"
    LIMITS = "limits"
    FOREIGN_KEYS = "foreign keys"
    SETTINGS = "settings"
    ACCOUNTS = "accounts and grants"
    DEFINERS = "definers"
    HABITS = "behaviour"
    DEFINITIONS = "definitions"
    STATEMENTS = "statements"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`where` are the objects concerned, `do` is what to do: SQL where there is some that helps."""

    subject: Subject
    severity: Severity
    what: str
    where: tuple[str, ...] = ()
    why: str = ""
    do: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it is printed."""
        return {**asdict(self), "where": list(self.where)}


class Verdict(StrEnum):
    """What it comes to."""

    CLEAR = "nothing blocks"
    BLOCKED = "blocked"
    UNTOLD = "could not tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two servers."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings, the gravest of each subject first; `untold` are sentences on what could not be found out."""

    first: Side
    second: Side
    findings: tuple[Finding, ...]
    untold: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What blocks outweighs what could not be told."""
        if any(finding.severity is Severity.BLOCKS for finding in self.findings):
            return Verdict.BLOCKED
        return Verdict.UNTOLD if self.untold else Verdict.CLEAR

    @property
    def counts(self) -> dict[Severity, int]:
        """How many there are of each severity."""
        counted = Counter(finding.severity for finding in self.findings)
        return {severity: counted[severity] for severity in Severity}

    def of(self, subject: Subject) -> list[Finding]:
        """Those about one subject."""
        return [finding for finding in self.findings if finding.subject is subject]

    def as_json(self) -> dict[str, Any]:
        """As it is printed."""
        return {
            "verdict": self.verdict,
            "first": asdict(self.first),
            "second": asdict(self.second),
            "counts": {str(severity): number for severity, number in self.counts.items()},
            "findings": [finding.as_json() for finding in self.findings],
            "untold": list(self.untold),
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By subject, then the gravest first."""
    subjects, severities = list(Subject), list(Severity)
    return tuple(
        sorted(findings, key=lambda one: (subjects.index(one.subject), severities.index(one.severity), one.what))
    )
