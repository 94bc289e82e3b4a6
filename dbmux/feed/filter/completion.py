"""What could stand where somebody is typing: keys, flags, saved filters, and values with how often they were seen.

A text that need not be a filter yet comes in, with the place of the cursor; what may replace the word before it goes
out. Values are counted by whoever has rows, `counted` for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isnan

from dbmux.feed.filter.fields import ALIASES, FIELDS, FLAGS, TEXT, Figure, Measure, Texts
from dbmux.feed.filter.language import COMMA, FIELD, PHRASE, REGEX, VALUE, WORD
from dbmux.feed.filter.tree import Word, value_printed
from dbmux.feed.row import Row

# More than a person reads.
MOST_CANDIDATES = 20
_BETWEEN = " \t\r\n()|-!"
_NOTHING_SAVED: Mapping[str, str] = {}

# How often each value of a field was seen, by the field's key.
Seen = Callable[[str], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What could be written, what it is, and how often it was seen (0: not, or not counted)."""

    text: str
    what: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """Each candidate may stand instead of the characters from `start` up to the cursor; the likeliest is first."""

    start: int
    candidates: tuple[Candidate, ...]


def complete(text: str, cursor: int, seen: Seen, saved: Mapping[str, str] = _NOTHING_SAVED) -> Completion:
    """What the word before the cursor could become."""
    before = text[:cursor]
    key, start = _place(before)
    if before.startswith("/", start) or (not key and before.startswith('"', start)):
        # A pattern or a text of the person's own.
        return Completion(start, ())
    if key:
        known = ALIASES.get(key.lower(), key.lower())
        return Completion(start, _best(before[start:], _values(known, seen) if known in FIELDS else ()))
    if before.startswith("@", start):
        return Completion(start, _best(before[start + 1 :], _saved(saved)))
    return Completion(start, _best(before[start:], [*_names(), *_saved(saved)]))


def counted(rows: Iterable[Row]) -> Seen:
    """Counts the values of rows; `rows` is walked for each field that is asked for."""

    def seen(key: str) -> Mapping[str, int]:
        match FIELDS[key]:
            case Texts(read=read):
                return Counter(text for row in rows for text in read(row) if text)
            case Figure(read=read_figure):
                figures = Counter(map(read_figure, rows))
                return {f"{figure:.0f}": count for figure, count in figures.items() if not isnan(figure)}
            case _:
                return {}

    return seen


def _place(text: str) -> tuple[str, int]:
    # The key for which a value is being written, or none, and where the last word begins.
    at = 0
    while True:
        while text[at : at + 1] and text[at] in _BETWEEN:
            at += 1
        key = ""
        if (condition := FIELD.match(text, at)) is not None:
            key, at = condition[1], condition.end()
        begun = at
        while (value := _value(text, at, key)) is not None and value < len(text):
            comma = COMMA.match(text, value) if key else None
            if comma is None:
                break
            begun = at = comma.end()
        if value is None or value == len(text):
            return key, begun
        at = value


def _value(text: str, at: int, key: str) -> int | None:
    # Where a value ends; None if it is not closed, or not there yet.
    match text[at : at + 1]:
        case "":
            return None
        case '"':
            found = PHRASE.match(text, at)
        case "/":
            found = REGEX.match(text, at)
        case _:
            found = (VALUE if key else WORD).match(text, at)
    return found.end() if found is not None else None


def _names() -> Iterator[Candidate]:
    for key, field in FIELDS.items():
        is_compared = isinstance(field, Figure) and field.measure is not Measure.COUNT
        yield Candidate(f"{key}{'>' if is_compared else ':'}", field.what)
    for name, flag in FLAGS.items():
        yield Candidate(name, flag.what)


def _saved(saved: Mapping[str, str]) -> Iterator[Candidate]:
    for name, text in saved.items():
        yield Candidate(f"@{name}", text)


def _values(key: str, seen: Seen) -> Iterator[Candidate]:
    match FIELDS[key]:
        case Texts(known=known) if key != TEXT:
            counts = {**dict.fromkeys(known, 0), **seen(key)}
            written = {value: value_printed(Word(value)) for value in counts if value.isprintable()}
        case Figure(measure=Measure.COUNT):
            counts = dict(seen(key))
            written = {value: value for value in counts}
        case _:
            return
    for value in sorted(written, key=lambda value: -counts[value]):
        yield Candidate(written[value], count=counts[value])


def _best(typed: str, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    word = typed.lstrip('"').casefold()
    fitting = [one for one in candidates if word in one.text.casefold()]
    # Stable: what begins like that comes first, and what was first stays first.
    fitting.sort(key=lambda one: not one.text.lstrip('@"').casefold().startswith(word))
    return tuple(fitting[:MOST_CANDIDATES])
