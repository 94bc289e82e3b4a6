"""What a filter says, as a value, and how it is written.

Made by dbmux.feed.filter.language, which has checked every key, value and pattern. `printed` gives a text that means
the same; everything has one spelling in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from unicodedata import east_asian_width

from dbmux.feed.feed import Refused
from dbmux.feed.filter.fields import FLAG_ALIASES, FLAGS, TEXT
from dbmux.text import visible

RESERVED = frozenset(("and", "or", "not"))
# What is certainly read as one word again, wherever it stands.
_PLAIN = re.compile(r"\w[\w.$-]*")


class FilterError(Refused):
    """A filter that cannot be read: what is wrong, and at which character of `text`."""

    def __init__(self, text: str, at: int, message: str) -> None:
        super().__init__(message)
        self.text = text
        self.at = at

    @property
    def pointed(self) -> str:
        """Two lines: the filter, and a caret below the place."""
        before = visible(self.text[: self.at])
        columns = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in before)
        return f"{visible(self.text)}\n{' ' * columns}^"


class Operator(StrEnum):
    """How a figure is compared; `=` and `!=` are no more than `:` and its opposite."""

    MORE = ">"
    AT_LEAST = ">="
    LESS = "<"
    AT_MOST = "<="


@dataclass(frozen=True, slots=True)
class Word:
    """A text to be found as it is, in any case."""

    text: str


@dataclass(frozen=True, slots=True)
class Glob:
    """A text in which `*` stands for anything."""

    text: str


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression that is known to end soon."""

    source: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in its field's base unit (seconds, bytes); `step` is what one more in its last digit would be."""

    number: float
    step: float
    text: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, or a time of day, which is the last such; `step` is how many seconds it lasts as written."""

    when: datetime | time
    step: float
    text: str


@dataclass(frozen=True, slots=True)
class Range:
    """From one figure to another, both included; None is open."""

    low: Quantity | None
    high: Quantity | None


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another, both included; None is open."""

    low: Moment | None
    high: Moment | None


Value = Word | Glob | Regex | Quantity | Moment | Range | Span


@dataclass(frozen=True, slots=True)
class Every:
    """All of them; of nothing, everything is."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What the part is not."""

    part: Node


@dataclass(frozen=True, slots=True)
class Has:
    """A field is one of the values."""

    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Compares:
    """A figure or a moment, compared."""

    key: str
    operator: Operator
    bound: Quantity | Moment


@dataclass(frozen=True, slots=True)
class Is:
    """What is so or is not."""

    flag: str


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved under a name, and what it said when this filter was read."""

    name: str
    part: Node


Node = Every | Some | Not | Has | Compares | Is | Saved


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody wants to see; filters that say the same are equal, however they were written."""

    text: str = field(compare=False)
    root: Node

    def __str__(self) -> str:
        return printed(self.root)


def printed(node: Node) -> str:
    """A text that says the same."""
    match node:
        case Every(parts):
            return " ".join(_inside(part, Every, Some) for part in parts)
        case Some(parts):
            return " | ".join(_inside(part, Some) for part in parts)
        case Not(part):
            return f"-{_inside(part, Every, Some)}"
        case Has(key, values):
            return _has(key, values)
        case Compares(key, operator, bound):
            return f"{key}{operator}{bound.text}"
        case Is(flag):
            return flag
        case Saved(name):
            return f"@{name}"


def _inside(node: Node, *grouped: type[Every] | type[Some]) -> str:
    return f"({printed(node)})" if isinstance(node, grouped) else printed(node)


def _has(key: str, values: tuple[Value, ...]) -> str:
    if key == TEXT and len(values) == 1:
        match values[0]:
            case Word(text) if is_flag(text) or text.casefold() in RESERVED:
                return quoted(text)
            case Glob(text) if "," not in text and not _PLAIN.fullmatch(text.replace("*", "a")):
                # It may look like something else; behind the key it does not. With a comma, it stood alone.
                pass
            case value:
                return value_printed(value)
    return f"{key}:{','.join(map(value_printed, values))}"


def value_printed(value: Value) -> str:
    """A value as it stands behind its key."""
    match value:
        case Word(text):
            return text if _PLAIN.fullmatch(text) else quoted(text)
        case Glob(text) | Quantity(text=text) | Moment(text=text):
            return text
        case Regex(source):
            return f"/{source}/"
        case Range(low, high) | Span(low, high):
            return f"{low.text if low else ''}..{high.text if high else ''}"


def quoted(text: str) -> str:
    """A text in quotes, in which nothing has a meaning."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def is_flag(word: str) -> bool:
    """Whether a word alone says that something is so."""
    return word.lower() in FLAGS or word.lower() in FLAG_ALIASES
