# cython: annotation_typing=False, language_level=3
"""What each kind of statement costs: calls, times, errors and rows by digest, over windows of time.

Finished queries come in, one after the other, and are counted where they belong by a few additions; figures over the
last seconds or since the start go out, made when somebody asks. A kind is told by its meaning, which all statements of
a digest share (dbmux.planner), so no digest is made here unless it has to be shown. Bounded: kinds beyond the limit are
counted together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from dbmux.events import MEMORY, QueryFinished
from dbmux.lexer import digest
from dbmux.observe.histogram import Histogram, percentile
from dbmux.observe.statement import text_of
from dbmux.query import Kind, Query
from dbmux.sql.classify import classify
from dbmux.wire.commands import Command

SLICE_S = 10.0
# As far back as windows reach.
SLICES = 30
MOST_DIGESTS = 2000
LONGEST_TEXT = 1000
OTHERS = b"other statements"
# The commands that have a digest.
QUERY = int(Command.QUERY)
EXECUTIONS = (int(Command.STMT_EXECUTE), int(Command.MARIADB_STMT_BULK_EXECUTE))


def identity(text: bytes) -> str:
    """A digest in short: 16 hexadecimal digits."""
    return blake2b(text, digest_size=8).hexdigest()


class Slice:
    """What was counted in a piece of time; `buckets` as dbmux.observe.histogram has them, where there is something."""

    __slots__ = ("buckets", "bytes", "count", "errors", "hits", "number", "rows", "seconds")

    def __init__(self, number: int) -> None:
        self.number = number
        self.count = 0
        self.seconds = 0.0
        self.errors = 0
        self.hits = 0
        self.rows = 0
        self.bytes = 0
        self.buckets: dict[int, int] = {}

    def add(self, other: Slice) -> None:
        """Count what the other has, too."""
        self.count += other.count
        self.seconds += other.seconds
        self.errors += other.errors
        self.hits += other.hits
        self.rows += other.rows
        self.bytes += other.bytes
        buckets = self.buckets
        for bucket, number in other.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + number

    def percentile(self, percent: float) -> float:
        """The duration, in seconds, that so many of a hundred did not exceed."""
        return percentile(sorted(self.buckets.items()), self.count, percent)


class KindFigures:
    """All statements that begin alike, such as SELECTs, since the start."""

    __slots__ = ("durations", "errors", "rows")

    def __init__(self) -> None:
        self.durations = Histogram()
        self.errors = 0
        self.rows = 0


class Figures:
    """One kind of statement: `example` is the first that was met, `slices` what was counted lately, the newest last;
    `all_alike` are the figures to which those of several digests add up."""

    __slots__ = ("all_alike", "example", "newest", "past", "query", "slices", "text")

    def __init__(
        self, query: Query | None, text: bytes, example: QueryFinished, number: int, all_alike: KindFigures
    ) -> None:
        self.all_alike = all_alike
        self.query = query
        self.text = text
        self.example = example
        # Of slices that are too old for any window.
        self.past = Slice(0)
        self.newest = Slice(number)
        self.slices: deque[Slice] = deque((self.newest,))

    def count(self, backend: str, seconds: float, bucket: int, size: int, code: int, rows: int) -> None:
        """Count a statement whose duration has this bucket, and whose reply this size in bytes: the hot path."""
        piece, alike = self.newest, self.all_alike
        piece.count += 1
        piece.seconds += seconds
        piece.bytes += size
        buckets = piece.buckets
        buckets[bucket] = buckets.get(bucket, 0) + 1
        alike.durations.count_in(bucket, seconds)
        if rows > 0:
            piece.rows += rows
            alike.rows += rows
        if code:
            piece.errors += 1
            alike.errors += 1
        if backend == MEMORY:
            piece.hits += 1

    def turn(self, number: int) -> Slice:
        """Begin another piece of time."""
        fresh = self.newest = Slice(number)
        self.slices.append(fresh)
        while self.slices[0].number < number - SLICES:
            self.past.add(self.slices.popleft())
        return fresh

    def over(self, oldest: int) -> Slice:
        """All that was counted from a piece of time on; 0 is since the start."""
        told = Slice(oldest)
        if oldest == 0:
            told.add(self.past)
        for piece in self.slices:
            if piece.number >= oldest:
                told.add(piece)
        return told


@dataclass(frozen=True, slots=True)
class Told:
    """A kind of statement over a window: its digest, an example, and what was counted."""

    id: str
    text: str
    example: QueryFinished
    counted: Slice


class Digests:
    """All kinds that were met; `kinds` adds them up by dbmux.query.Kind."""

    __slots__ = ("_by_query", "_by_text", "_number", "_until", "kinds")

    def __init__(self) -> None:
        self.kinds: dict[str, KindFigures] = {}
        # By the identity of what each means; the figures keep that alive.
        self._by_query: dict[int, Figures] = {}
        self._by_text: dict[bytes, Figures] = {}
        self._number = 1
        self._until = 0.0

    def find(self, event: QueryFinished, query: Query | None, at: float) -> Figures:
        """Where a finished statement of this meaning is counted at this time: the hot path."""
        if at >= self._until:
            self._advance(at)
        figures = self._by_query.get(id(query))
        if figures is None:
            figures = self._meet(event)
        if figures.newest.number != self._number:
            figures.turn(self._number)
        return figures

    def over(self, seconds: float | None) -> Iterator[Told]:
        """What was counted over the last seconds, at most five minutes, to the next ten; None is since the start."""
        oldest = 0 if seconds is None else max(1, self._number - int(seconds / SLICE_S))
        for text, figures in list(self._by_text.items()):
            counted = figures.over(oldest)
            if counted.count:
                yield Told(identity(text), text.decode("utf-8", "replace"), figures.example, counted)

    @property
    def known(self) -> Mapping[bytes, Figures]:
        """By digest."""
        return self._by_text

    def _advance(self, now: float) -> None:
        # A clock that was set back makes a slice longer, not wrong.
        if self._until:
            self._number += 1 + int((now - self._until) / SLICE_S)
        self._until = now + SLICE_S

    def _meet(self, event: QueryFinished) -> Figures:
        query = event.query
        text = _digest(event)
        figures = self._by_text.get(text)
        if figures is None:
            if len(self._by_text) >= MOST_DIGESTS and not self._forget():
                text, query = OTHERS, None
            figures = self._by_text.get(text)
        if figures is None:
            figures = self._by_text[text] = Figures(query, text, event, self._number, self._alike(text, event.query))
        if query is not None and query.is_digest_wide:
            # The meaning of these is made anew now and then; the one before is nobody's then.
            self._by_query.pop(id(figures.query), None)
            figures.query = query
            self._by_query[id(query)] = figures
        return figures

    def _alike(self, text: bytes, query: Query | None) -> KindFigures:
        # A digest is read like the statements that have it.
        kind = Kind.OTHER if text == OTHERS else query.kind if query is not None else classify(text, 0, 0).kind
        return self.kinds.setdefault(str(kind), KindFigures())

    def _forget(self) -> bool:
        # Those that no window shows any more.
        oldest = self._number - SLICES
        gone = [text for text, figures in self._by_text.items() if figures.newest.number < oldest]
        for text in gone:
            self._by_query.pop(id(self._by_text.pop(text).query), None)
        return bool(gone)


def _digest(event: QueryFinished) -> bytes:
    text = text_of(event)
    return digest(text, 0, 0)[:LONGEST_TEXT]
