"""What is noted of a program's statements while they run.

Rows come in, each once and in their order; a `Report` goes out. Bounded, however many there are: of errors and slow
statements so many kinds are told apart, and of each the first is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest

from dbmux.feed.nplus1 import Detector, Finding
from dbmux.feed.report.criteria import Criteria
from dbmux.feed.row import Row
from dbmux.observe.digests import Told

MOST_TOLD = 20
_MOST_KINDS = 1000
_STATEMENTS = ("query", "execute", "bulk execute")


@dataclass(frozen=True, slots=True)
class Failed:
    """Statements of one digest that failed in one way; `message` and `site` are the first one's."""

    digest: str
    text: str
    code: int
    message: str
    site: str
    count: int


@dataclass(frozen=True, slots=True)
class Slow:
    """Statements of one digest that took too long; `site` is that of the slowest."""

    digest: str
    text: str
    longest_s: float
    site: str
    count: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Statements of one digest, and what they took."""

    digest: str
    text: str
    count: int
    seconds: float
    p50_s: float
    p99_s: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that is told at the end. `failures` are the findings that were asked for, each in a few words."""

    command: tuple[str, ...]
    exit_code: int
    seconds: float
    statements: int
    statement_seconds: float
    missed: int
    error_count: int
    slow_count: int
    slow_s: float
    nplus1: tuple[Finding, ...]
    errors: tuple[Failed, ...]
    slow: tuple[Slow, ...]
    top: tuple[Cost, ...]
    failures: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """How the program ended, and what DbMux had to say meanwhile."""

    command: tuple[str, ...]
    exit_code: int
    seconds: float
    notes: tuple[str, ...]


class Tally:
    """Counts statements; from `slow_s` on one is slow, and `times` like it make an N+1."""

    def __init__(self, slow_s: float, times: int) -> None:
        self._slow_s = slow_s
        self._detector = Detector(times)
        self._statements = 0
        self._seconds = 0.0
        self._missed = 0
        self._errors: dict[tuple[str, int], Failed] = {}
        self._error_count = 0
        self._slow: dict[str, Slow] = {}
        self._slow_count = 0

    def add(self, rows: Iterable[Row], missed: int) -> None:
        """These ran, and so many before them are not known."""
        self._missed += missed
        for row in rows:
            self._detector.seen(row)
            if row.code:
                self._fail(row)
            if row.command in _STATEMENTS:
                self._statements += 1
                self._seconds += row.seconds
                if row.seconds >= self._slow_s:
                    self._slow_down(row)

    def report(self, ended: Ended, digests: Iterable[Told], criteria: Criteria) -> Report:
        """All of it."""
        nplus1 = tuple(self._detector.findings())
        costs = nlargest(MOST_TOLD, digests, key=lambda told: told.counted.seconds)
        return Report(
            command=ended.command,
            exit_code=ended.exit_code,
            seconds=ended.seconds,
            statements=self._statements,
            statement_seconds=self._seconds,
            missed=self._missed,
            error_count=self._error_count,
            slow_count=self._slow_count,
            slow_s=self._slow_s,
            nplus1=nplus1[:MOST_TOLD],
            errors=tuple(nlargest(MOST_TOLD, self._errors.values(), key=lambda one: one.count)),
            slow=tuple(nlargest(MOST_TOLD, self._slow.values(), key=lambda one: one.longest_s)),
            top=tuple(map(_cost, costs)),
            failures=tuple(self._failures(criteria, len(nplus1))),
            notes=ended.notes,
        )

    def _failures(self, criteria: Criteria, nplus1: int) -> Iterable[str]:
        if criteria.nplus1 and nplus1:
            yield f"{nplus1} N+1"
        if criteria.errors and self._error_count:
            yield _plural(self._error_count, "error")
        if criteria.slow and self._slow_count:
            yield _plural(self._slow_count, "slow statement")
        if criteria.is_any and self._missed:
            # Nobody knows what they were.
            yield _plural(self._missed, "statement") + " missed"

    def _fail(self, row: Row) -> None:
        self._error_count += 1
        key = (row.digest, row.code)
        known = self._errors.get(key)
        if known is not None:
            self._errors[key] = Failed(row.digest, known.text, row.code, known.message, known.site, known.count + 1)
        elif len(self._errors) < _MOST_KINDS:
            self._errors[key] = Failed(row.digest, row.digest_text or row.command, row.code, row.error, row.site, 1)

    def _slow_down(self, row: Row) -> None:
        self._slow_count += 1
        known = self._slow.get(row.digest)
        if known is None:
            if len(self._slow) < _MOST_KINDS:
                self._slow[row.digest] = Slow(row.digest, row.digest_text, row.seconds, row.site, 1)
        elif row.seconds > known.longest_s:
            self._slow[row.digest] = Slow(row.digest, known.text, row.seconds, row.site, known.count + 1)
        else:
            self._slow[row.digest] = Slow(row.digest, known.text, known.longest_s, known.site, known.count + 1)


def _cost(told: Told) -> Cost:
    counted = told.counted
    p50_s, p99_s = counted.percentile(50), counted.percentile(99)
    return Cost(told.id, told.text, counted.count, counted.seconds, p50_s, p99_s, counted.rows)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
