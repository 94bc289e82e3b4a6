"""What the live view shows, without a screen: statements and events in the order in which they came.

Batches come in; lines go out by their number. The statements of a transaction are one line until it is opened, chatter
of connections is counted and hidden, and pausing keeps what came meanwhile. Bounded: the oldest lines go first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from dbmux.feed.feed import Batch, Happening
from dbmux.feed.row import Row
from dbmux.query import Kind

MOST_ENTRIES = 20_000
# So many go at once, since that costs as much as one.
FORGOTTEN_AT_ONCE = 2_000
# What clients do by themselves when they connect, and between two users of a connection.
_CHATTER = frozenset(
    ("ping", "prepare", "reset statement", "long data", "use", "reset connection", "set option", "statistics", "fetch")
)
_CHATTER_KINDS = frozenset(("set", "use", "show", "diagnostics"))
# What happens all the time, and stands in the list of clients.
_QUIET = frozenset(("SessionOpened", "SessionClosed", "LoggedIn", "Pinned", "Unpinned", "QueryFinished"))


@dataclass(slots=True, eq=False)
class Transaction:
    """The statements of one transaction; another one is another, whatever is in it.

    It is not whole where only some of the statements came that ran meanwhile: the others may have been its own.
    """

    rows: list[Row] = field(default_factory=list)
    is_open: bool = False
    is_whole: bool = True

    @property
    def seconds(self) -> float:
        """From the first statement's begin to the last one's end."""
        first, last = self.rows[0], self.rows[-1]
        return max(last.at - first.at + first.seconds, 0.0)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return not self.rows[-1].is_in_transaction


Entry = Row | Transaction | Happening


@dataclass(frozen=True, slots=True)
class Line:
    """One line: an entry, or with `row` one statement of an open transaction."""

    entry: Entry
    row: Row | None = None

    @property
    def shown(self) -> Row | None:
        """The statement that the line is about, if it is about one; of a transaction its last."""
        if self.row is not None:
            return self.row
        match self.entry:
            case Row():
                return self.entry
            case Transaction(rows=rows):
                return rows[-1]
            case _:
                return None

    @property
    def rows(self) -> list[Row]:
        """The statements that the line stands for: of a transaction all of them."""
        if self.row is not None:
            return [self.row]
        match self.entry:
            case Row():
                return [self.entry]
            case Transaction(rows=rows):
                return list(rows)
            case _:
                return []


def is_chatter(row: Row) -> bool:
    """Whether a statement is what connections do by themselves. Errors and slow ones never are."""
    event = row.event
    if event is not None and event.query is not None and event.query.tables:
        # The usual case, without asking the row.
        return False
    if row.code or row.is_slow or row.tables:
        return False
    if row.command in _CHATTER or row.kind in _CHATTER_KINDS:
        return True
    return row.kind == "select" and row.sql.lstrip()[:9].upper().startswith("SELECT @@")


class Stream:
    """All lines. `looked_at` statements came, `matched` of them passed the filter, `chatter` of these are hidden."""

    def __init__(self) -> None:
        self.looked_at = 0
        self.matched = 0
        self.missed = 0
        self.chatter = 0
        self.every = 1
        self.hides_chatter = True
        self.is_paused = False
        # How many entries were forgotten, so that an entry's number stays the same.
        self.base = 0
        self._entries: list[Entry] = []
        self._waiting: list[Entry] = []
        self._transactions: dict[int, Transaction] = {}
        # Whether statements are missing anywhere: then a transaction may have begun before the first that is seen.
        self._has_gaps = False
        # The numbers of open transactions, in their order.
        self._open: list[int] = []

    def __len__(self) -> int:
        if not self._open:
            return len(self._entries)
        return len(self._entries) + sum(len(self._at(number).rows) for number in self._open)

    @property
    def waiting(self) -> int:
        """How much came while the view was paused."""
        return len(self._waiting)

    def add(self, batch: Batch) -> int:
        """More came; how many lines are gone from the beginning."""
        self.looked_at += batch.looked_at
        self.matched += batch.matched
        self.missed += batch.missed
        self.every = batch.every
        is_whole = batch.every == 1 and not batch.missed
        if not is_whole:
            self._has_gaps = True
            for begun in self._transactions.values():
                begun.is_whole = False
        entries = self._waiting if self.is_paused else self._entries
        for one in _merged(batch):
            if isinstance(one, Happening):
                entries.append(one)
            elif self.hides_chatter and is_chatter(one):
                self.chatter += 1
            elif one.transaction:
                self._add_to_transaction(one, entries, is_whole=is_whole)
            else:
                entries.append(one)
        if self.is_paused and len(self._waiting) > MOST_ENTRIES:
            self.missed += FORGOTTEN_AT_ONCE
            del self._waiting[:FORGOTTEN_AT_ONCE]
        return self._forget()

    def resume(self) -> int:
        """Show what came while the view was paused; how many lines are gone from the beginning."""
        self.is_paused = False
        self._entries += self._waiting
        self._waiting = []
        return self._forget()

    def clear(self) -> None:
        """Show nothing of what came so far."""
        self.base += len(self._entries)
        self._entries.clear()
        self._transactions.clear()
        self._open.clear()

    def restart(self) -> None:
        """Begin anew, with another filter."""
        self.clear()
        self._waiting = []
        self.looked_at = self.matched = self.missed = self.chatter = 0
        self.every = 1
        self._has_gaps = False

    def line(self, at: int) -> Line | None:
        """A line by its number from the top."""
        for number in self._open:
            index, rows = number - self.base, self._at(number).rows
            if at <= index:
                break
            if at <= index + len(rows):
                return Line(self._entries[index], rows[at - index - 1])
            at -= len(rows)
        return Line(self._entries[at]) if 0 <= at < len(self._entries) else None

    def toggle(self, at: int) -> None:
        """Open or close the transaction of that line."""
        line = self.line(at)
        if line is None or not isinstance(line.entry, Transaction):
            return
        number = self.base + self._entries.index(line.entry)
        line.entry.is_open = not line.entry.is_open
        if line.entry.is_open:
            self._open.insert(bisect_right(self._open, number), number)
        else:
            self._open.remove(number)

    def rows(self) -> Iterator[Row]:
        """All statements that are shown, also those of closed transactions."""
        for entry in self._entries:
            match entry:
                case Row():
                    yield entry
                case Transaction(rows=rows):
                    yield from rows

    def latest(self, most: int) -> list[Row]:
        """The newest statements that are shown."""
        found: list[Row] = []
        for entry in reversed(self._entries):
            if len(found) >= most:
                break
            match entry:
                case Row():
                    found.append(entry)
                case Transaction(rows=rows):
                    found += rows
        return found[:most]

    def _at(self, number: int) -> Transaction:
        entry = self._entries[number - self.base]
        assert isinstance(entry, Transaction)
        return entry

    def _add_to_transaction(self, row: Row, entries: list[Entry], *, is_whole: bool) -> None:
        known = self._transactions.get(row.transaction)
        if known is None:
            begins_here = not self._has_gaps or row.kind == Kind.BEGIN
            known = self._transactions[row.transaction] = Transaction(is_whole=is_whole and begins_here)
            entries.append(known)
        known.rows.append(row)
        if not row.is_in_transaction:
            del self._transactions[row.transaction]

    def _forget(self) -> int:
        if len(self._entries) <= MOST_ENTRIES:
            return 0
        gone = self._entries[:FORGOTTEN_AT_ONCE]
        del self._entries[:FORGOTTEN_AT_ONCE]
        self.base += len(gone)
        lines = len(gone)
        for entry in gone:
            if isinstance(entry, Transaction):
                self._transactions.pop(entry.rows[0].transaction, None)
                lines += len(entry.rows) if entry.is_open else 0
        self._open = [number for number in self._open if number >= self.base]
        return lines


def _merged(batch: Batch) -> list[Row | Happening]:
    told = [one for one in batch.happenings if one.kind not in _QUIET]
    if not told:
        return list(batch.rows)
    return sorted((*batch.rows, *told), key=lambda one: one.at)
