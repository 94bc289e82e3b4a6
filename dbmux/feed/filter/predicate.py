"""A filter as a function of a row, made once and called for every statement.

A `Filter` comes in, a function goes out that asks a row for no more than it must: cheap conditions are tried first, and
the first that decides ends it. It raises `patterns.TooSlow` when a regular expression must not be used any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, time, timedelta, tzinfo
from functools import lru_cache
from math import inf, nextafter
from typing import NamedTuple

from dbmux.feed.feed import Passes
from dbmux.feed.filter import patterns
from dbmux.feed.filter.fields import FIELDS, FLAGS, MOST_REMEMBERED, TEXT, Figure, Finds, Instant, Recent, Texts
from dbmux.feed.filter.tree import (
    Compares,
    Every,
    Filter,
    Glob,
    Has,
    Is,
    Moment,
    Node,
    Not,
    Operator,
    Quantity,
    Range,
    Regex,
    Saved,
    Some,
    Span,
    Value,
    Word,
)
from dbmux.feed.row import Row

Reads = Callable[[Row], float]


class _Condition(NamedTuple):
    """What a row must be; those that cost less are tried first."""

    cost: int
    passes: Passes


_FIGURE, _SHORT_TEXT, _STATEMENT = range(3)
_DAY = timedelta(days=1)


def compile(wanted: Filter, now: Callable[[], float], zone: tzinfo | None = None) -> Passes:
    """Whether a row is wanted. `now` tells seconds since the epoch; times of day are the zone's, or the machine's."""
    return _Compiler(now, zone).condition(wanted.root).passes


class _Compiler:
    """What conditions mean at one moment: a time of day is the last such, from then on for good."""

    def __init__(self, now: Callable[[], float], zone: tzinfo | None) -> None:
        self._now = now
        self._today = datetime.fromtimestamp(now(), zone)

    def condition(self, node: Node) -> _Condition:
        match node:
            case Every(parts):
                return _all_of(map(self.condition, parts))
            case Some(parts):
                return _any_of(map(self.condition, parts))
            case Not(part):
                return _opposite(self.condition(part))
            case Saved(part=part):
                return self.condition(part)
            case Is(flag):
                return _Condition(_FIGURE, FLAGS[flag].read)
            case Compares(key, operator, bound):
                number = bound.number if isinstance(bound, Quantity) else self._instant(bound)
                return _Condition(_FIGURE, _compared(_figure(key), operator, number))
            case Has(key, values):
                return self._has(key, values)

    def _has(self, key: str, values: tuple[Value, ...]) -> _Condition:
        match FIELDS[key]:
            case Texts() as texts:
                cost = _STATEMENT if key == TEXT else _SHORT_TEXT
                return _any_of(_Condition(cost, passes) for passes in _found(texts, values))
            case Recent():
                seconds = max(value.number for value in values if isinstance(value, Quantity))
                return _Condition(_FIGURE, _recent(self._now, seconds))
            case Figure() | Instant():
                read = _figure(key)
                return _any_of(_Condition(_FIGURE, _between(read, *self._bounds(value))) for value in values)

    def _bounds(self, value: Value) -> tuple[float, float]:
        # From the first to below the second.
        match value:
            case Quantity(number, step):
                # What is shown as this figure was rounded to it.
                return number - step / 2, number + step / 2
            case Range(low, high):
                return low.number if low else -inf, nextafter(high.number, inf) if high else inf
            case Moment(step=step):
                return self._instant(value), self._instant(value) + step
            case Span(low=since, high=until):
                return self._span(since, until)
            case Word() | Glob() | Regex():
                raise AssertionError("a text is no figure: the parser makes none here")

    def _span(self, since: Moment | None, until: Moment | None) -> tuple[float, float]:
        low = self._instant(since) if since else -inf
        high = self._instant(until) if until else inf
        if until and isinstance(until.when, time) and high < low:
            high += _DAY.total_seconds()
        return low, nextafter(high, inf)

    def _instant(self, moment: Moment) -> float:
        when = moment.when
        if isinstance(when, time):
            last = datetime.combine(self._today, when, self._today.tzinfo)
            return (last if last <= self._today else last - _DAY).timestamp()
        return (when if when.tzinfo else when.replace(tzinfo=self._today.tzinfo)).timestamp()


def _all_of(conditions: Iterable[_Condition]) -> _Condition:
    several = sorted(conditions, key=_cost)
    return _Condition(max(map(_cost, several), default=_FIGURE), _both([one.passes for one in several]))


def _any_of(conditions: Iterable[_Condition]) -> _Condition:
    several = sorted(conditions, key=_cost)
    return _Condition(max(map(_cost, several)), _either([one.passes for one in several]))


def _cost(condition: _Condition) -> int:
    return condition.cost


# In halves, so that hundreds are no hundred calls deep; a call costs less than a step of a loop.
def _both(several: list[Passes]) -> Passes:
    if len(several) < 2:
        return several[0] if several else lambda row: True
    first, second = _both(several[: len(several) // 2]), _both(several[len(several) // 2 :])
    return lambda row: first(row) and second(row)


def _either(several: list[Passes]) -> Passes:
    if len(several) == 1:
        return several[0]
    first, second = _either(several[: len(several) // 2]), _either(several[len(several) // 2 :])
    return lambda row: first(row) or second(row)


def _opposite(condition: _Condition) -> _Condition:
    passes = condition.passes
    return _Condition(condition.cost, lambda row: not passes(row))


def _figure(key: str) -> Reads:
    field = FIELDS[key]
    return field.read if isinstance(field, Figure) else lambda row: row.at


def _compared(read: Reads, operator: Operator, number: float) -> Passes:
    match operator:
        case Operator.MORE:
            return lambda row: read(row) > number
        case Operator.AT_LEAST:
            return lambda row: read(row) >= number
        case Operator.LESS:
            return lambda row: read(row) < number
        case Operator.AT_MOST:
            return lambda row: read(row) <= number


def _between(read: Reads, low: float, below: float) -> Passes:
    return lambda row: low <= read(row) < below


def _recent(now: Callable[[], float], seconds: float) -> Passes:
    return lambda row: row.at >= now() - seconds


def _found(texts: Texts, values: tuple[Value, ...]) -> Iterator[Passes]:
    words = [value.text.casefold() for value in values if isinstance(value, Word)]
    if words:
        is_one = _one_of(texts.finds, words)
        yield _remembered(texts.read, is_one) if texts.finds is Finds.WHOLE else _folded(texts.read, is_one)
    for value in values:
        if isinstance(value, Glob | Regex):
            yield _as_it_is(texts.read, _pattern(texts.finds, value))


def _folded(read: Callable[[Row], tuple[str, ...]], is_one: Callable[[str], bool]) -> Passes:
    return lambda row: any(map(is_one, map(str.casefold, read(row))))


def _remembered(read: Callable[[Row], tuple[str, ...]], is_one: Callable[[str], bool]) -> Passes:
    # Names come again and again.
    is_found = lru_cache(MOST_REMEMBERED)(lambda texts: any(map(is_one, map(str.casefold, texts))))
    return lambda row: is_found(read(row))


def _as_it_is(read: Callable[[Row], tuple[str, ...]], matches: Callable[[str], bool]) -> Passes:
    return lambda row: any(map(matches, read(row)))


def _one_of(finds: Finds, words: list[str]) -> Callable[[str], bool]:
    # An empty word is found where there is nothing.
    whole = frozenset(words) if finds is Finds.WHOLE else frozenset(("",)).intersection(words)
    some = tuple(word for word in words if word)
    match finds:
        case Finds.WHOLE:
            return whole.__contains__
        case Finds.BEGINNING:
            return lambda text: text.startswith(some) or text in whole
        case Finds.PART:
            return lambda text: any(map(text.__contains__, some)) or text in whole


def _pattern(finds: Finds, value: Glob | Regex) -> Callable[[str], bool]:
    if isinstance(value, Regex):
        return patterns.search(value.source)
    if not value.text.strip("*"):
        # Anything is not nothing.
        return bool
    match finds:
        case Finds.WHOLE:
            return patterns.glob(value.text)
        case Finds.BEGINNING:
            return patterns.glob(f"{value.text}*")
        case Finds.PART:
            return patterns.glob(f"*{value.text}*")
