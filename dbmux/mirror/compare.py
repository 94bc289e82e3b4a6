"""What differs between two servers' answers to the same statement.

Two answers come in; differences go out, each of a kind, with the column that it is in and an example. Rows are compared
as a set in which each may stand several times; where the statement says an order, another one is a difference of its
own kind. Rows that only one side has are matched with those that only the other has, so that one changed value is not
taken for two rows. Bounded: answers are as they were read, and so many differences are told apart. An answer that was
not read to its end is never called equal.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import zip_longest

from dbmux.differences import DifferenceKind
from dbmux.mirror.answer import Answer, Row, Told
from dbmux.mirror.classes import exactly, kind_of, loosely
from dbmux.text import visible
from dbmux.wire.columns import Column, FieldFlag
from dbmux.wire.rows import Value
from dbmux.wire.telling import type_told, value_told

# So many differences are told apart in one answer; of each, its number of places and the first one.
MOST_TOLD = 200
# So many rows of each side are matched by how much they have in common, which takes time for each pair of them.
MOST_MATCHED = 64
# Of an example, so many letters are kept.
EXAMPLE = 500
# All that the text protocol gives: such rows are equal if they are.
_OF_TEXT = frozenset((bytes, type(None)))
TOO_LARGE = "the answer is too large to be compared whole"


class Order(Enum):
    """Whether the statement says in which order its rows come."""

    OPEN = auto()
    STATED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A kind of difference in one place; `count` times, of which the first is told.

    `column` and `types` are empty where it is in no column, `codes` are the numbers of errors or warnings, 0 for none.
    """

    kind: DifferenceKind
    source: str = ""
    target: str = ""
    column: str = ""
    types: tuple[str, str] = ("", "")
    codes: tuple[int, int] = (0, 0)
    count: int = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs; `why_not` says why the answers could not be compared whole, or nothing."""

    differences: tuple[Difference, ...] = ()
    why_not: str = ""


def compare(source: Answer, target: Answer, order: Order) -> Comparison:
    """What differs in the target's answer."""
    found = _Found()
    if source.failure is not None or target.failure is not None:
        found.add_all(_of_failures(source, target))
        return Comparison(found.told())
    found.add_all(_of_columns(source.columns, target.columns))
    found.add_all(_of_warnings(source.warnings, target.warnings))
    if source.affected_rows != target.affected_rows and None not in (source.affected_rows, target.affected_rows):
        counts = (str(source.affected_rows), str(target.affected_rows))
        found.add(Difference(kind=DifferenceKind.AFFECTED_ROWS, source=counts[0], target=counts[1]))
    if source.is_cut or target.is_cut:
        return Comparison(found.told(), TOO_LARGE)
    if len(source.columns) == len(target.columns):
        _Rows(source, target, order, found).compare()
    return Comparison(found.told())


class _Found:
    """Differences by place, in the order in which they were found."""

    def __init__(self) -> None:
        self._first: dict[Hashable, Difference] = {}
        self._counts: Counter[Hashable] = Counter()

    def add(self, difference: Difference) -> None:
        self.add_all((difference,))

    def add_all(self, differences: Iterable[Difference]) -> None:
        for one in differences:
            key = (one.kind, one.column, one.codes)
            if key in self._first or len(self._first) < MOST_TOLD:
                self._first.setdefault(key, one)
                self._counts[key] += 1

    def told(self) -> tuple[Difference, ...]:
        return tuple(
            Difference(
                kind=one.kind,
                source=_short(one.source),
                target=_short(one.target),
                column=_short(one.column),
                types=one.types,
                codes=one.codes,
                count=self._counts[key],
            )
            for key, one in self._first.items()
        )


def _short(text: str) -> str:
    shown = visible(text[:EXAMPLE])
    return shown if len(text) <= EXAMPLE else shown + "…"


# What is said at the end, and beside.


def _of_failures(source: Answer, target: Answer) -> Iterator[Difference]:
    first, second = source.failure, target.failure
    texts = ["no error" if one is None else f"{one.number} ({one.sqlstate}): {one.message}" for one in (first, second)]
    codes = (first.number if first else 0, second.number if second else 0)
    if first is None:
        kind = DifferenceKind.ERROR_AT_TARGET
    elif second is None:
        kind = DifferenceKind.ERROR_AT_SOURCE
    elif first[:2] != second[:2]:
        kind = DifferenceKind.ERROR_CODE
    elif first.message != second.message:
        kind = DifferenceKind.ERROR_TEXT
    else:
        return
    yield Difference(kind=kind, source=texts[0], target=texts[1], codes=codes)


def _of_warnings(source: Sequence[Told], target: Sequence[Told]) -> Iterator[Difference]:
    first, second = Counter(source), Counter(target)
    only_source, only_target = (first - second).elements(), (second - first).elements()
    for one, other in zip_longest(sorted(only_source, key=_code), sorted(only_target, key=_code)):
        codes = (one.code if one else 0, other.code if other else 0)
        yield Difference(kind=DifferenceKind.WARNING, source=_warning(one), target=_warning(other), codes=codes)


def _code(told: Told) -> int:
    return told.code


def _warning(told: Told | None) -> str:
    return "no warning" if told is None else f"{told.level} {told.code}: {told.message}"


# What is said of the columns.


def _of_columns(source: Sequence[Column], target: Sequence[Column]) -> Iterator[Difference]:
    if len(source) != len(target):
        yield Difference(kind=DifferenceKind.COLUMN_COUNT, source=_names(source), target=_names(target))
        return
    for one, other in zip(source, target, strict=True):
        if one != other:
            types = (type_told(one), type_told(other))
            for kind, first, second in _of_column(one, other, types):
                if first != second:
                    yield Difference(kind=kind, source=first, target=second, column=_decoded(one.name), types=types)


def _of_column(one: Column, other: Column, types: tuple[str, str]) -> Iterator[tuple[DifferenceKind, str, str]]:
    yield DifferenceKind.COLUMN_NAME, _decoded(one.name), _decoded(other.name)
    yield DifferenceKind.COLUMN_TYPE, *types
    yield DifferenceKind.COLUMN_COLLATION, f"collation {one.charset}", f"collation {other.charset}"
    yield (
        DifferenceKind.COLUMN_LENGTH,
        f"{one.length}, {one.decimals} decimals",
        f"{other.length}, {other.decimals} decimals",
    )
    yield DifferenceKind.COLUMN_FLAGS, _flags(one), _flags(other)
    yield DifferenceKind.COLUMN_ORIGIN, _origin(one), _origin(other)


def _names(columns: Sequence[Column]) -> str:
    return f"{len(columns)}: {', '.join(_decoded(column.name) for column in columns[:20])}"


def _flags(column: Column) -> str:
    # Whether it has no sign is part of the type.
    flags = FieldFlag(column.flags & ~int(FieldFlag.UNSIGNED))
    names = [flag.name or "" for flag in FieldFlag if flag in flags]
    return " ".join(names).lower().replace("_", " ") or "none"


def _origin(column: Column) -> str:
    parts = (column.schema, column.table, column.original_table, column.original_name)
    return "/".join(_decoded(part) for part in parts)


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "replace")


# The rows.


@dataclass(slots=True)
class _Rows:
    source: Answer
    target: Answer
    order: Order
    found: _Found
    # Which row of the target is which of the source, by their places.
    places: dict[int, int] = field(default_factory=dict)
    # Rows whose values were looked at.
    done: set[int] = field(default_factory=set)

    def compare(self) -> None:
        if self.source.rows == self.target.rows and _is_of_text(self.source):
            return
        left, right = self._same(_exact_keys(self.source), _exact_keys(self.target))
        if left and right:
            left, right = self._in_place(left, right)
        if left and right:
            keys = [self._loose_keys(self.source, left), self._loose_keys(self.target, right)]
            left, right = self._same(*keys)
            left, right = self._alike(left, right)
        for at in left:
            shown = self._shown(self.source, at)
            self.found.add(Difference(kind=DifferenceKind.MISSING_ROW, source=shown, target="no such row"))
        for at in right:
            shown = self._shown(self.target, at)
            self.found.add(Difference(kind=DifferenceKind.EXTRA_ROW, source="no such row", target=shown))
        for at, place in self.places.items():
            if at not in self.done:
                self.found.add_all(self._differing(at, place))
        if self.order is Order.STATED:
            self._in_order()

    def _in_place(self, left: list[int], right: list[int]) -> tuple[list[int], list[int]]:
        # Most rows stand in the same place on both sides and differ in how some values are written.
        there = set(right)
        for at in left:
            if at in there:
                kinds = list(self._differing(at, at))
                if all(one.kind is not DifferenceKind.VALUE for one in kinds):
                    self.places[at] = at
                    self.done.add(at)
                    self.found.add_all(kinds)
        return [at for at in left if at not in self.done], [at for at in right if at not in self.done]

    def _loose_keys(self, answer: Answer, places: Iterable[int]) -> Iterator[tuple[int, Hashable]]:
        return ((at, self._loose(answer.rows[at])) for at in places)

    def _loose(self, row: Row) -> tuple[Hashable, ...]:
        # By the source's description on both sides.
        return tuple(loosely(value, column) for value, column in zip(row, self.source.columns, strict=True))

    def _same(
        self, source: Iterable[tuple[int, Hashable]], target: Iterable[tuple[int, Hashable]]
    ) -> tuple[list[int], list[int]]:
        # Rows with the same key are one; the places of the others.
        waiting: defaultdict[Hashable, deque[int]] = defaultdict(deque)
        left: list[int] = []
        for place, key in target:
            waiting[key].append(place)
        for at, key in source:
            if waiting.get(key):
                self.places[at] = waiting[key].popleft()
            else:
                left.append(at)
        return left, sorted(place for places in waiting.values() for place in places)

    def _alike(self, left: list[int], right: list[int]) -> tuple[list[int], list[int]]:
        # Those with the most values in common are one row, if that is at least half of them; a row that is the only
        # one, or has a single value, is the other side's though it has nothing in common with it.
        is_sure = len(self.source.columns) == 1 or len(self.source.rows) == len(self.target.rows) == 1
        least = 0 if is_sure else (len(self.source.columns) + 1) // 2
        first = [(at, self._loose(self.source.rows[at])) for at in left[:MOST_MATCHED]]
        second = [(at, self._loose(self.target.rows[at])) for at in right[:MOST_MATCHED]]
        scores = [
            (sum(one == other for one, other in zip(row, another, strict=True)), -abs(at - place), at, place)
            for at, row in first
            for place, another in second
        ]
        taken: set[int] = set()
        for score, _, at, place in sorted(scores, reverse=True):
            if score >= least and at not in self.places and place not in taken:
                self.places[at] = place
                taken.add(place)
        return [at for at in left if at not in self.places], [place for place in right if place not in taken]

    def _differing(self, at: int, place: int) -> Iterator[Difference]:
        described = zip(
            self.source.rows[at], self.target.rows[place], self.source.columns, self.target.columns, strict=True
        )
        for value, other, one, another in described:
            if value is other or (type(value) is bytes and value == other):
                continue
            kind = kind_of(value, other, one, another)
            if kind is not None:
                yield Difference(
                    kind=kind,
                    source=_told(value, one),
                    target=_told(other, another),
                    column=_decoded(one.name),
                    types=(type_told(one), type_told(another)),
                )

    def _in_order(self) -> None:
        last = -1
        for at in sorted(self.places):
            place = self.places[at]
            if place < last:
                first = f"row {at + 1}: {self._shown(self.source, at)}"
                self.found.add(Difference(kind=DifferenceKind.ORDER, source=first, target=f"row {place + 1}: the same"))
                return
            last = place

    def _shown(self, answer: Answer, at: int) -> str:
        return ", ".join(
            _told(value, column) for value, column in zip(answer.rows[at][:20], answer.columns, strict=False)
        )


def _is_of_text(answer: Answer) -> bool:
    return {type(value) for row in answer.rows for value in row} <= _OF_TEXT


def _exact_keys(answer: Answer) -> Iterator[tuple[int, Hashable]]:
    if _is_of_text(answer):
        return enumerate(answer.rows)
    return ((at, tuple((type(value), exactly(value)) for value in row)) for at, row in enumerate(answer.rows))


def _told(value: Value, column: Column) -> str:
    # As it was written, where the difference may be in nothing but that.
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        told = value_told(value[: 2 * EXAMPLE], column)
        return told if isinstance(told, str) else value.decode("utf-8", "replace")
    return str(value_told(value, column))
