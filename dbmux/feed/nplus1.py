"""N+1: the same lookup many times in a row, where one would have done.

Finished statements come in, in their order; how often the like of each ran so far goes out with it, and findings when
somebody asks. Like are SELECTs of one digest; they belong together by the trace that their comments name, else by their
transaction, else by their session. Applications whose sessions share their work spread a loop over several of these:
statements of one application on one machine count together, too, as long as it sends nothing else in between. The clock
is the statements' own. Bounded, however much comes: what did not repeat lately is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from dbmux.sql.lookup import in_list

TIMES = 5
WINDOW_S = 1.0
# So many digests in as many places are followed, so many applications, and so many findings kept.
MOST_FOLLOWED = 5000
MOST_PROCESSES = 500
MOST_FINDINGS = 200
# From how many statements a rewriting is made, and how long they may be. Of everything else so much is kept.
SAMPLES = 4
LONGEST_REWRITTEN = 1000
LONGEST_TEXT = 4096
LONGEST_NAME = 200

_EXECUTIONS = ("query", "execute", "bulk execute")

_Process = tuple[str, str, str]
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Scope(StrEnum):
    """What statements have in common that belong together."""

    TRACE = "trace"
    TRANSACTION = "transaction"
    SESSION = "session"
    PROCESS = "process"


class Ran(Protocol):
    """What is looked at of a finished statement: a `dbmux.feed.row.Row` has it."""

    @property
    def at(self) -> float: ...
    @property
    def session(self) -> int: ...
    @property
    def transaction(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def command(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def sql(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def digest_text(self) -> str: ...
    @property
    def tables(self) -> tuple[str, ...]: ...
    @property
    def user(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def app(self) -> str: ...
    @property
    def trace(self) -> str: ...
    @property
    def site(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A lookup that is repeated from one place.

    `count` are the repeated statements in all, in `runs` of which `longest` is the longest; `lost_s` is what all but
    the first of each run took. `sample` is one of them, `rewrite` what to run instead, None where that is not sure.
    """

    digest: str
    digest_text: str
    scope: Scope
    app: str
    site: str
    count: int
    runs: int
    longest: int
    lost_s: float
    last_at: float
    sample: str
    rewrite: str | None


class Detector:
    """Looks for what runs at least `times` times within the window."""

    def __init__(self, times: int = TIMES, window_s: float = WINDOW_S, most: int = MOST_FOLLOWED) -> None:
        if times < 2:
            raise ValueError(f"what runs {times} times is no repetition; say 2 or more")
        self._times = times
        self._window_s = window_s
        self._most = most
        self._runs: OrderedDict[tuple[Scope, str | int, str], _Run] = OrderedDict()
        self._processes: OrderedDict[_Process, _Shared] = OrderedDict()
        self._found: OrderedDict[tuple[str, Scope, str], _Found] = OrderedDict()

    @property
    def kept(self) -> int:
        """How many things are remembered: never more than `most` and MOST_PROCESSES and MOST_FINDINGS together."""
        return len(self._runs) + len(self._processes) + len(self._found)

    def seen(self, row: Ran) -> int:
        """One more statement ran: how often its like did in this run when that is an N+1, and 0 when it is none."""
        if row.command not in _EXECUTIONS:
            return 0
        if row.kind != "select" or not row.tables:
            self._interrupt(row)
            return 0
        digest = row.digest
        scope, which = _where(row)
        run = _latest(self._runs, (scope, which, digest), self._most, _Run)
        run.add(row, self._times, self._window_s)
        if scope is Scope.SESSION and row.app:
            shared = self._shared(row, digest)
            if shared.is_shared and shared.run.count > run.count:
                scope, run = Scope.PROCESS, shared.run
        else:
            self._interrupt(row)
        if run.count:
            self._find(scope, run, row)
        return run.count

    def findings(self) -> list[Finding]:
        """What was found lately, the most expensive first."""
        told = [found.told(*key) for key, found in self._found.items()]
        return sorted(told, key=lambda finding: (-finding.lost_s, -finding.count))

    def _shared(self, row: Ran, digest: str) -> _Shared:
        process = _process(row)
        shared = _latest(self._processes, process, MOST_PROCESSES, lambda: _Shared(row, digest))
        if (shared.digest, shared.site) != (digest, row.site):
            shared = self._processes[process] = _Shared(row, digest)
        shared.is_shared = shared.is_shared or shared.session != row.session
        shared.run.add(row, self._times, self._window_s)
        return shared

    def _interrupt(self, row: Ran) -> None:
        if self._processes and row.app and not row.trace:
            self._processes.pop(_process(row), None)

    def _find(self, scope: Scope, run: _Run, row: Ran) -> None:
        key = (row.digest, scope, row.site[:LONGEST_NAME])
        _latest(self._found, key, MOST_FINDINGS, lambda: _Found(row)).add(run, row, self._times)


class _Run:
    """Statements of one digest in one place; `count` of them are an N+1 by now."""

    __slots__ = ("before", "count", "is_told", "lately")

    def __init__(self) -> None:
        self.count = 0
        self.is_told = False
        # When the last ones ended, and how long each took; and the text of the last one before the N+1.
        self.lately: list[tuple[float, float]] = []
        self.before = ""

    def add(self, row: Ran, times: int, window_s: float) -> None:
        lately = self.lately
        lately.append((row.at, row.seconds))
        if len(lately) > times:
            del lately[0]
        # A clock that was set back ends a run.
        if len(lately) == times and abs(lately[-1][0] - lately[0][0]) <= window_s:
            self.count = self.count + 1 if self.count else times
        else:
            self.count = 0
            self.is_told = False
            self.before = _short(row.sql) if len(lately) >= times - 1 else ""


class _Shared:
    """What an application does in whichever sessions: the run it is in."""

    __slots__ = ("digest", "is_shared", "run", "session", "site")

    def __init__(self, row: Ran, digest: str) -> None:
        self.digest = digest
        self.site = row.site
        self.session = row.session
        self.is_shared = False
        self.run = _Run()


class _Found:
    """A finding that is still counted."""

    __slots__ = ("_rewritten", "app", "count", "digest_text", "last_at", "longest", "lost_s", "runs", "sample", "texts")

    def __init__(self, row: Ran) -> None:
        self.app = row.app[:LONGEST_NAME]
        self.digest_text = row.digest_text[:LONGEST_TEXT]
        self.sample = row.sql[:LONGEST_TEXT]
        self.count = 0
        self.runs = 0
        self.longest = 0
        self.lost_s = 0.0
        self.last_at = 0.0
        self.texts: list[str] = []
        self._rewritten: tuple[int, str | None] = (0, None)

    def add(self, run: _Run, row: Ran, times: int) -> None:
        began = run.count == times
        self.count += times if began else 1
        self.lost_s += sum(seconds for _, seconds in run.lately[1:]) if began else row.seconds
        self.longest = max(self.longest, run.count)
        self.last_at = row.at
        if not run.is_told:
            run.is_told = True
            self.runs += 1
        if self.runs == 1 and len(self.texts) < SAMPLES:
            # What differs between runs, such as the tenant, need not differ within one.
            self.texts += [text for text in (run.before, _short(row.sql)) if text and text not in self.texts]

    def told(self, digest: str, scope: Scope, site: str) -> Finding:
        if self._rewritten[0] != len(self.texts):
            self._rewritten = (len(self.texts), _rewrite(self.texts))
        return Finding(
            digest=digest,
            digest_text=self.digest_text,
            scope=scope,
            app=self.app,
            site=site,
            count=self.count,
            runs=self.runs,
            longest=self.longest,
            lost_s=self.lost_s,
            last_at=self.last_at,
            sample=self.sample,
            rewrite=self._rewritten[1],
        )


def _where(row: Ran) -> tuple[Scope, str | int]:
    if row.trace:
        return Scope.TRACE, row.trace
    if row.transaction:
        return Scope.TRANSACTION, row.transaction
    return Scope.SESSION, row.session


def _process(row: Ran) -> _Process:
    # One machine, as far as its address tells.
    return row.app[:LONGEST_NAME], row.client.rpartition(":")[0], row.user[:LONGEST_NAME]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_REWRITTEN else ""


def _rewrite(texts: list[str]) -> str | None:
    if any("\N{REPLACEMENT CHARACTER}" in text for text in texts):
        # Something in it was no UTF-8, and is lost.
        return None
    told = in_list([text.encode("utf-8", "replace") for text in texts])
    return None if told is None else told.decode("utf-8", "replace")


def _latest(kept: OrderedDict[K, V], key: K, most: int, make: Callable[[], V]) -> V:
    # What is kept under a key, made if there is nothing; the one that was not asked for the longest makes room.
    value = kept.get(key)
    if value is not None:
        kept.move_to_end(key)
        return value
    if len(kept) >= most:
        kept.popitem(last=False)
    value = kept[key] = make()
    return value
