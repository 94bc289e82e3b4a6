"""The ledger of a mirror: each real difference, kept until somebody has looked at it. One SQLite file for all mirrors.

Findings come in; entries go out, one for each mirror, statement and kind of difference, with how often it was seen and
a few samples. Bounded in entries, samples and bytes: of what is too much, what was settled goes first, then what was
not seen for longest; how many went is counted. Several processes may have the file open. Blocks: an engine calls it
through `Recorder`, in a thread of its own.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from dbmux.differences import DifferenceKind
from dbmux.errors import DbMuxError

T = TypeVar("T")

# Under the state folder.
FILE = Path("mirrors") / "differences.sqlite"
MAX_ENTRIES = 5000
MAX_BYTES = 64 << 20
MAX_SAMPLES = 5
# Of a statement, and of what is said of an answer, so many letters are kept.
LONGEST_STATEMENT, LONGEST_ANSWER = 16_384, 16_384
BUSY_TIMEOUT_S = 5.0
VERSION = 1
_SCHEMA = """
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, mirror TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
  state TEXT NOT NULL, count INTEGER NOT NULL, first_seen REAL NOT NULL, last_seen REAL NOT NULL,
  place TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
  settled_by TEXT NOT NULL DEFAULT '', settled_at REAL NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '',
  UNIQUE (mirror, digest, kind)
);
CREATE TABLE sample (
  id INTEGER PRIMARY KEY, entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE, at REAL NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX sample_of ON sample (entry);
CREATE TABLE figures (mirror TEXT PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE forgotten (mirror TEXT PRIMARY KEY, entries INTEGER NOT NULL);
"""
_ENTRY = (
    "id, mirror, digest, kind, text, state, count, first_seen, last_seen, place, source, target, settled_by,"
    " settled_at, why"
)


class State(StrEnum):
    """What became of an entry."""

    NEW = "new"
    ACCEPTED = "accepted"
    REPAIRED = "repaired"


class NoEntry(DbMuxError):
    """The ledger has no entry of that number."""


class AcceptedAlready(DbMuxError):
    """Somebody has accepted the entry before."""


class Unusable(DbMuxError):
    """The file cannot be read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One time that it was seen: the statement with its arguments, as whom and in which state it ran, and both answers.

    `state` is the session's, as dbmux.mirror.settings packs it.
    """

    at: float
    statement: str
    user: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    target: str = ""
    source_s: float = 0.0
    target_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A difference as it was just seen; `digest` is the statement's identity, `text` its digest."""

    mirror: str
    digest: str
    text: str
    kind: DifferenceKind
    sample: Sample
    place: str = ""
    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All that was seen of a kind of difference in one statement's answers; `place` is a column, or nothing."""

    id: int
    mirror: str
    digest: str
    kind: DifferenceKind
    text: str
    state: State
    count: int
    first_seen: float
    last_seen: float
    place: str
    source: str
    target: str
    settled_by: str
    settled_at: float
    why: str


class Ledger:
    """The file, open. Used by one thread."""

    def __init__(self, database: sqlite3.Connection, max_entries: int, max_bytes: int) -> None:
        self._database = database
        self._max_entries = max_entries
        self._max_bytes = max_bytes

    # Writing.

    def record(self, finding: Finding) -> Entry:
        """Remember that it was seen. What was repaired is new again; what was accepted stays so."""
        sample, key = finding.sample, (finding.mirror, finding.digest, str(finding.kind))
        with self._transaction() as run:
            run(
                "INSERT INTO entry (mirror, digest, kind, text, state, count, first_seen, last_seen, place, source,"
                " target) VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT (mirror, digest, kind) DO UPDATE SET"
                " count = count + 1, last_seen = excluded.last_seen, place = excluded.place,"
                " source = excluded.source, target = excluded.target,"
                " state = CASE state WHEN 'repaired' THEN 'new' ELSE state END",
                (*key, _cut(finding.text, LONGEST_STATEMENT), State.NEW, sample.at, sample.at)
                + tuple(_cut(one, LONGEST_ANSWER) for one in (finding.place, finding.source, finding.target)),
            )
            found = run(f"SELECT {_ENTRY} FROM entry WHERE mirror = ? AND digest = ? AND kind = ?", key).fetchone()
            run("INSERT INTO sample (entry, at, body) VALUES (?, ?, ?)", (found[0], sample.at, _body(sample)))
            run(
                "DELETE FROM sample WHERE entry = ? AND id NOT IN"
                " (SELECT id FROM sample WHERE entry = ? ORDER BY id DESC LIMIT ?)",
                (found[0], found[0], MAX_SAMPLES),
            )
            self._forget(run, found[0])
        return _entry(found)

    def settle(self, number: int, state: State, by: str, at: float, why: str) -> Entry:
        """Say what becomes of an entry: accepted, repaired, or new again; raises NoEntry."""
        with self._transaction() as run:
            run(
                "UPDATE entry SET state = ?, settled_by = ?, settled_at = ?, why = ? WHERE id = ?",
                (state, by, at, why, number),
            )
        return self.entry(number)

    def keep_figures(self, mirror: str, at: float, figures: Mapping[str, Any]) -> None:
        """Remember what was counted, for those who ask when the engine does not run; replaces the last."""
        with self._transaction() as run:
            run("INSERT OR REPLACE INTO figures VALUES (?, ?, ?)", (mirror, at, json.dumps(figures)))

    # Reading.

    def entries(self, mirror: str | None = None, state: State | None = None) -> list[Entry]:
        """What is known, what was seen last first."""
        found = self._database.execute(
            f"SELECT {_ENTRY} FROM entry WHERE (?1 IS NULL OR mirror = ?1) AND (?2 IS NULL OR state = ?2)"
            " ORDER BY last_seen DESC, id DESC",
            (mirror, state),
        )
        return [_entry(row) for row in found]

    def entry(self, number: int) -> Entry:
        """One; raises NoEntry."""
        row = self._database.execute(f"SELECT {_ENTRY} FROM entry WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise NoEntry(f"there is no difference {number}; `dbmux mirror diff` lists them")
        return _entry(row)

    def samples(self, number: int) -> list[Sample]:
        """The samples of an entry, the newest first."""
        found = self._database.execute("SELECT body FROM sample WHERE entry = ? ORDER BY id DESC", (number,))
        return [_sample(body) for (body,) in found]

    def figures(self, mirror: str) -> tuple[float, dict[str, Any]]:
        """What was counted, and when that was; 0.0 for never."""
        row = self._database.execute("SELECT at, body FROM figures WHERE mirror = ?", (mirror,)).fetchone()
        return (row[0], json.loads(row[1])) if row is not None else (0.0, {})

    def mirrors(self) -> list[str]:
        """The mirrors of which anything is known."""
        found = self._database.execute("SELECT mirror FROM entry UNION SELECT mirror FROM figures ORDER BY 1")
        return [name for (name,) in found]

    def forgotten(self, mirror: str) -> int:
        """How many entries there was no room for any more."""
        row = self._database.execute("SELECT entries FROM forgotten WHERE mirror = ?", (mirror,)).fetchone()
        return int(row[0]) if row is not None else 0

    # Bounds.

    def _forget(self, run: _Run, newest: int) -> None:
        # Accepted and repaired entries first, but never the one that has just been seen.
        def oldest(number: int) -> list[tuple[int, str]]:
            return run(
                "SELECT id, mirror FROM entry WHERE id <> ? ORDER BY state = 'new', last_seen LIMIT ?",
                (newest, number),
            ).fetchall()

        (entries,) = run("SELECT COUNT(*) FROM entry").fetchone()
        gone = oldest(max(0, entries - self._max_entries))
        (taken,) = run("SELECT COALESCE(SUM(LENGTH(body)), 0) FROM sample").fetchone()
        if taken > self._max_bytes:
            gone = gone or oldest(max(1, entries // 10))
        for number, mirror in gone:
            run("DELETE FROM entry WHERE id = ?", (number,))
            run(
                "INSERT INTO forgotten VALUES (?, 1) ON CONFLICT (mirror) DO UPDATE SET entries = entries + 1",
                (mirror,),
            )

    @contextmanager
    def _transaction(self) -> Iterator[_Run]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            with self._database:
                yield self._database.execute
        except sqlite3.Error as error:
            raise Unusable(f"the ledger of differences cannot be written ({error})") from error


_Run = Callable[..., sqlite3.Cursor]


@contextmanager
def opened(path: Path, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> Iterator[Ledger]:
    """The ledger in this file, made where there is none; raises Unusable. For one thread."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Statements have what applications write: nobody else is to read them.
        path.touch(mode=0o600)
        database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise Unusable(f"the ledger of differences at {path} cannot be opened ({error})") from error
    with closing(database):
        try:
            _prepare(database, path)
        except sqlite3.Error as error:
            raise Unusable(f"{path} is no ledger of differences ({error}); move it away") from error
        yield Ledger(database, max_entries, max_bytes)


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    # A crash may cost the last findings, never the file.
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("BEGIN IMMEDIATE")
    with database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {VERSION}")
    if version > VERSION:
        raise Unusable(f"{path} was written by a later version of DbMux; use that one, or move the file away")


class Recorder:
    """A ledger for an event loop: each call is made in the ledger's own thread, one after the other.

    Whoever records waits for it, so there are never more calls than there are of those.
    """

    def __init__(self, ledger: Ledger, thread: ThreadPoolExecutor) -> None:
        self._ledger = ledger
        self._thread = thread

    async def call(self, use: Callable[[Ledger], T]) -> T:
        """What becomes of the ledger in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, use, self._ledger)

    async def record(self, finding: Finding) -> Entry:
        """See Ledger.record."""
        return await self.call(lambda ledger: ledger.record(finding))


@asynccontextmanager
async def recorder(path: Path) -> AsyncIterator[Recorder]:
    """The ledger in this file, with a thread; raises Unusable."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="ledger") as thread:
        context = opened(path)
        ledger = await loop.run_in_executor(thread, context.__enter__)
        try:
            yield Recorder(ledger, thread)
        finally:
            # Not awaited: whoever is cancelled twice would leave it open.
            thread.submit(context.__exit__, None, None, None).result()


def _entry(row: tuple[Any, ...]) -> Entry:
    number, mirror, digest, kind, text, state, *rest = row
    count, first, last, place, source, target, by, at, why = rest
    return Entry(
        id=number,
        mirror=mirror,
        digest=digest,
        kind=DifferenceKind(kind),
        text=text,
        state=State(state),
        count=count,
        first_seen=first,
        last_seen=last,
        place=place,
        source=source,
        target=target,
        settled_by=by,
        settled_at=at,
        why=why,
    )


def _body(sample: Sample) -> str:
    return json.dumps(
        {
            "at": sample.at,
            # As JSON it may have halves of surrogate pairs, which stand for bytes.
            "statement": _shortened(sample.statement, LONGEST_STATEMENT),
            "user": sample.user,
            "state": dict(sample.state),
            "source": _cut(sample.source, LONGEST_ANSWER),
            "target": _cut(sample.target, LONGEST_ANSWER),
            "source_s": sample.source_s,
            "target_s": sample.target_s,
        }
    )


def _sample(body: str) -> Sample:
    return Sample(**json.loads(body))


def _cut(text: str, most: int) -> str:
    # SQLite takes no half of a surrogate pair.
    return _shortened(text, most).encode("utf-8", "replace").decode("utf-8")


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"
