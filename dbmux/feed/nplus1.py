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

from dbmux.events import KEPT, QueryFinished
from dbmux.query import Kind, Query
from dbmux.sql.lookup import in_list
from dbmux.wire import packet
from dbmux.wire.commands import Command

TIMES = 5
WINDOW_S = 1.0
# So many digests in as many places are followed, so many applications, and so many findings kept.
MOST_FOLLOWED = 5000
MOST_PROCESSES = 500
MOST_FINDINGS = 200
# From how many statements a rewriting is made, of how many that are looked at, and how long they may be. Of everything
# else so much is kept.
SAMPLES = 4
LOOKED_AT = 20
LONGEST_REWRITTEN = 1000
LONGEST_TEXT = 4096
LONGEST_NAME = 200

_EXECUTIONS = ("query", "execute", "bulk execute")
_BEHIND_ID = packet.HEADER + 5
_EXECUTED = (int(Command.QUERY), int(Command.STMT_EXECUTE), int(Command.MARIADB_STMT_BULK_EXECUTE))

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Scope(StrEnum):
    """What statements have in common that belong together."""

    TRACE = "trace"
    TRANSACTION = "transaction"
    SESSION = "session"
    PROCESS = "process"


# A trace, or the number of a transaction, or that of a session with a minus before it.
_Where = str | int
# What all statements of a digest have in common: the digest, or the identity of what it means.
_Like = str | int
# Where it ran, for which application and which place in it; what it is like, unless it is no lookup, and what has that
# identity; and when it ended.
_Looked = tuple[_Where, str, str, _Like | None, Query | None, float]
_Key = tuple[str, Scope, str]
_Process = tuple[str, str, str]


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
    @property
    def event(self) -> QueryFinished | None: ...


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
        self._runs: OrderedDict[tuple[_Where, _Like], _Run] = OrderedDict()
        self._processes: OrderedDict[_Process, _Shared] = OrderedDict()
        self._found: OrderedDict[_Key, _Found] = OrderedDict()

    @property
    def kept(self) -> int:
        """How many things are remembered: never more than `most` and MOST_PROCESSES and MOST_FINDINGS together."""
        return len(self._runs) + len(self._processes) + len(self._found)

    def seen(self, row: Ran) -> int:
        """One more statement ran: how often its like did in this run when that is an N+1, and 0 when it is none."""
        looked = _glance(row) or _look(row)
        if looked is None:
            return 0
        where, app, site, like, query, at = looked
        may_share = app != "" and isinstance(where, int)
        if like is None:
            if may_share and self._processes:
                self._share(row, looked)
            return 0
        run = _latest(self._runs, (where, like), self._most, _Run)
        run.query = query
        call = _call(row)
        if call is not None and call == run.call:
            # The very same again looks nothing else up: it is one for the cache, and no loop.
            return 0
        run.call = call
        run.add(row, at, self._times, self._window_s)
        if may_share:
            shared = self._share(row, looked)
            if shared is not None and shared.count > run.count:
                return self._find(Scope.PROCESS, site, shared, row)
        return self._find(_scope(where), site, run, row) if run.count else 0

    def findings(self) -> list[Finding]:
        """What was found lately, the most expensive first."""
        told = [found.told(*key) for key, found in self._found.items()]
        return sorted(told, key=lambda finding: (-finding.lost_s, -finding.count))

    def _share(self, row: Ran, looked: _Looked) -> _Run | None:
        # What the application does without a break, in whichever sessions.
        where, app, site, like, query, at = looked
        process = _process(row, app)
        if like is None or _scope(where) is not Scope.SESSION:
            self._processes.pop(process, None)
            return None
        shared = _latest(self._processes, process, MOST_PROCESSES, lambda: _Shared(site, like))
        if shared.like != like or shared.site != site:
            shared = self._processes[process] = _Shared(site, like)
        shared.run.query = query
        shared.run.add(row, at, self._times, self._window_s)
        return shared.run

    def _find(self, scope: Scope, site: str, run: _Run, row: Ran) -> int:
        key = run.key
        if key is None or key[1] is not scope or key[2] != site:
            key = run.key = (row.digest, scope, site)
        _latest(self._found, key, MOST_FINDINGS, lambda: _Found(row)).add(run, row, self._times)
        return run.count


def _glance(row: Ran) -> _Looked | None:
    # The same as a look, at a fraction of its price, of a statement whose meaning all of its digest share: then they
    # also share the value that says it.
    event = row.event
    if event is None or len(event[11]) >= KEPT:
        return None
    query, text = event[13], event[12] or event[11]
    if query is None or not query.is_digest_wide or event[3] not in _EXECUTED:
        return None
    like = id(query) if query.kind is Kind.SELECT and query.tables else None
    where = event[20] or -event[1]
    if b"/*" in text or b"--" in text:
        return row.trace or where, row.app, row.site[:LONGEST_NAME], like, query, event[0]
    return where, event[9].program, "", like, query, event[0]


def _look(row: Ran) -> _Looked | None:
    if row.command not in _EXECUTIONS:
        return None
    like = row.digest if row.kind == "select" and row.tables else None
    return row.trace or row.transaction or -row.session, row.app, row.site[:LONGEST_NAME], like, None, row.at


def _scope(where: _Where) -> Scope:
    if isinstance(where, str):
        return Scope.TRACE
    return Scope.TRANSACTION if where > 0 else Scope.SESSION


class _Run:
    """Statements of one digest in one place; `count` of them are an N+1 by now."""

    __slots__ = ("before", "call", "count", "is_told", "key", "lately", "query")

    def __init__(self) -> None:
        self.count = 0
        # What was asked last, with its values.
        self.call: str | bytes | None = None
        self.is_told = False
        # As long as this is there, no other meaning has its identity.
        self.query: Query | None = None
        self.key: _Key | None = None
        # When the last ones ended, and how long each took; and the last one before the N+1, unless it is long.
        self.lately: list[tuple[float, float]] = []
        self.before: Ran | None = None

    def add(self, row: Ran, at: float, times: int, window_s: float) -> None:
        lately = self.lately
        lately.append((at, row.seconds))
        if len(lately) > times:
            del lately[0]
        # A clock that was set back ends a run.
        if len(lately) == times and abs(lately[-1][0] - lately[0][0]) <= window_s:
            self.count = self.count + 1 if self.count else times
        else:
            self.count = 0
            self.is_told = False
            self.before = row if len(lately) >= times - 1 and _is_short(row) else None


class _Shared:
    """What an application does in whichever sessions: the run it is in."""

    __slots__ = ("like", "run", "site")

    def __init__(self, site: str, like: _Like) -> None:
        self.like = like
        self.site = site
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
        self.last_at = run.lately[-1][0]
        if not run.is_told:
            run.is_told = True
            self.runs += 1
        if self.runs == 1 and len(self.texts) < SAMPLES and self.count < times + LOOKED_AT:
            # What differs between runs, such as the tenant, need not differ within one.
            for one in (run.before, row):
                if one is not None and _is_short(one) and one.sql not in self.texts:
                    self.texts.append(one.sql)

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


def _process(row: Ran, app: str) -> _Process:
    # One machine, as far as its address tells.
    return app, row.client.rpartition(":")[0], row.user


def _call(row: Ran) -> str | bytes | None:
    # Of an execution its values, which stand behind the number of the statement; None where they are not known.
    event = row.event
    if event is None:
        return row.sql if row.command == _EXECUTIONS[0] else None
    return event[11][_BEHIND_ID:] if event[12] else event[11]


def _is_short(row: Ran) -> bool:
    event = row.event
    return len(row.sql if event is None else event[12] or event[11]) <= LONGEST_REWRITTEN


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
