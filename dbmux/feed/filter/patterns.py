r"""Regular expressions that end soon, although Python's have no time limit.

The source of a pattern comes in; a search of texts goes out, or the reason why there is none. A pattern is refused when
the number of ways in which it could be tried on one text grows too fast: `.*` twice, `(a+)*`; some are refused that
would be quick. What is let through can still cost the square of a text's length: on the longest, half a second at
worst. So long texts are timed, and the first that is too slow ends the search. What is not caught is that one text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from time import thread_time

from dbmux.errors import DbMuxError
from dbmux.feed.feed import Refused
from dbmux.text import visible

# Of a longer text only the beginning is looked at.
MOST_CHARACTERS = 4096
# A pattern for a person's question; re's own reading of one takes time and depth by its length.
MOST_IN_PATTERN = 256
# Text of at most so many characters is not timed: by what is let through it takes less than the limit.
_SHORT = 256
_LIMIT_S = 0.005
# Once each character with each other one, as in `a.*b`, and some alternatives at each.
_MOST_COST = 12 * MOST_CHARACTERS**2
_TOO_MANY = 1e18
_FLAGS = re.IGNORECASE | re.DOTALL
_PIECE = re.compile(
    r"(?P<atom>\\(?:x..|u.{4}|U.{8}|0[0-7]{0,2}|[0-7]{3}|.)|\[\^?+\]?+(?:\\.|[^\]\\])*+\])"
    r"|(?P<open>\((?:\?(?::|=|!|>|<=|<!|-i:))?)"
    r"|(?P<close>\))"
    r"|(?P<either>\|)"
    r"|(?P<times>(?:[*+?]|\{(?P<exact>\d+)\}|\{(?P<low>\d*),(?P<high>\d*)\})(?P<how>[?+]?))"
    r"|(?P<other>.)",
    re.DOTALL,
)
# Of these re warns that a later Python may read them otherwise.
_DOUBTFUL = re.compile(r"\[\^?\[|--|&&|~~|\|\|")
_PLACES = frozenset(("^", "$", r"\A", r"\Z", r"\b", r"\B"))
_LATIN = "".join(map(chr, range(256)))

Search = Callable[[str], bool]


class BadPattern(DbMuxError):
    """A pattern that cannot be used: why, and at which of its characters."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class TooSlow(Refused):
    """A pattern took too long on a text: whatever uses it must be left."""


@dataclass(frozen=True, slots=True)
class _Item:
    """Something that is tried at one place: in how many ways it can be found there, and what finding them all costs.

    `source` matches the one character that it is, and is empty for all else. `low` is how often it must be there.
    """

    ways: float
    cost: float
    source: str
    low: int = 1


def check(source: str) -> None:
    """Raises BadPattern when it is no pattern, or one that may take too long."""
    if len(source) > MOST_IN_PATTERN:
        raise BadPattern(f"a pattern has at most {MOST_IN_PATTERN} characters", 0)
    if not source:
        raise BadPattern("an empty pattern finds everything", 0)
    pieces = list(_PIECE.finditer(source))
    for piece in pieces:
        text = piece[0]
        if piece["other"] == "[":
            raise BadPattern("not a regular expression: this [ is not closed", piece.start())
        if text.startswith("[") and _DOUBTFUL.search(text):
            raise BadPattern(r"write [ and doubled signs in a class with a \ before them", piece.start())
        if text[0] == "\\" and text[1:2] in "123456789N" and len(text) == 2:
            raise BadPattern(f"{text} is not taken here", piece.start())
    try:
        re.compile(source, _FLAGS)
    except re.error as error:
        raise BadPattern(f"not a regular expression: {error.msg}", error.pos or 0) from None
    except (OverflowError, RecursionError):
        raise BadPattern("not a regular expression: a number in it is too large, or it is too deep", 0) from None
    pieces.reverse()
    if _alternatives(pieces, MOST_CHARACTERS).cost > _MOST_COST:
        raise BadPattern("it could take very long on some texts; use * and + once, or ++, or begin with ^", 0)


def search(source: str, seconds: Callable[[], float] = thread_time) -> Search:
    """Whether a text has a pattern, which was checked; raises TooSlow. `seconds` is the thread's processor time."""
    find = re.compile(source, _FLAGS).search

    def has(text: str) -> bool:
        if len(text) <= _SHORT:
            return find(text) is not None
        begun = seconds()
        found = find(text[:MOST_CHARACTERS])
        if seconds() - begun > _LIMIT_S:
            raise TooSlow(
                f"/{visible(source)}/ takes too long on a statement that came; begin it with ^ or a rarer word"
            )
        return found is not None

    return has


def glob(text: str) -> Search:
    """Whether a text is as the given one, in which `*` stands for anything."""
    first, *others = map(re.escape, text.split("*"))
    if others:
        # Each part at its first place: what comes behind has the most room then, and nothing has to be tried again.
        first += "".join(f"(?>.*?{part})" for part in others[:-1]) + f".*{others[-1]}"
    full = re.compile(first, _FLAGS).fullmatch
    return lambda candidate: full(candidate[:MOST_CHARACTERS]) is not None


# The functions below take pieces from the end of a list, up to the end of a group.


def _alternatives(pieces: list[re.Match[str]], starts: int) -> _Item:
    # A pattern that begins with ^ has one start.
    ways = cost = 0.0
    while True:
        is_anchored = bool(pieces) and pieces[-1][0] in ("^", r"\A")
        one = _together(_sequence(pieces))
        ways += one.ways
        cost += one.cost * (1 if is_anchored else starts)
        if not pieces or pieces.pop()["close"]:
            return _Item(ways, cost, "")


def _sequence(pieces: list[re.Match[str]]) -> list[_Item]:
    items: list[_Item] = []
    while pieces and not (pieces[-1]["close"] or pieces[-1]["either"]):
        piece = pieces.pop()
        if piece["open"]:
            items.append(_group(piece, pieces))
        elif piece["times"]:
            items[-1] = _repeated(items[-1], piece)
        else:
            items.append(_Item(1.0, 0.0, _one(piece)))
    return items


def _group(opening: re.Match[str], pieces: list[re.Match[str]]) -> _Item:
    if pieces and pieces[-1]["times"]:
        raise BadPattern("of the groups with (? only (?: (?> (?= (?! (?<= (?<! are taken", opening.start())
    inside = _alternatives(pieces, 1)
    if opening[0].endswith(("=", "!")):
        # It looks at the same characters again each time, so it costs as if all of that were ways.
        return _Item(max(inside.ways, inside.cost), inside.cost, "")
    return inside


def _one(piece: re.Match[str]) -> str:
    # What matches the same one character; nothing for what matches a place.
    if piece[0] in _PLACES:
        return ""
    return piece[0] if piece["atom"] or piece[0] == "." else re.escape(piece[0])


def _repeated(item: _Item, times: re.Match[str]) -> _Item:
    if times["exact"]:
        low = high = int(times["exact"])
    elif times[0].startswith("{"):
        low, high = int(times["low"] or 0), int(times["high"] or MOST_CHARACTERS)
    else:
        low, high = int(times[0][0] == "+"), 1 if times[0][0] == "?" else MOST_CHARACTERS
    low, high = min(low, MOST_CHARACTERS), min(high, MOST_CHARACTERS)
    if item.ways > 1:
        # Each time in all ways.
        ways = (high - low + 1) * 2.0 ** min(high * log2(item.ways), 60)
        return _Item(ways, ways * max(item.cost, 1.0), "", low)
    # Found in one way, it goes over each character once, however often it stands there.
    is_possessive = times["how"] == "+"
    return _Item(1.0 if is_possessive else high - low + 1.0, item.cost + high, item.source, low)


def _together(items: list[_Item]) -> _Item:
    ways, cost = 1.0, 1.0
    for at, item in enumerate(items):
        cost = min(cost + ways * item.cost, _TOO_MANY)
        if item.ways > 1 and not _ends_alone(item, items[at + 1 :]):
            ways = min(ways * item.ways, _TOO_MANY)
    return _Item(ways, min(cost + ways, _TOO_MANY), "")


def _ends_alone(item: _Item, following: list[_Item]) -> bool:
    # Whether it can end in one place only: whatever may come behind is something that it cannot be itself.
    for other in following:
        if not (item.source and other.source and _are_disjoint(item.source, other.source)):
            return False
        if other.low:
            return True
    return False


def _are_disjoint(one: str, other: str) -> bool:
    # Classes that differ in Latin and in what they name themselves differ in all that people search for.
    this, that = re.compile(one, _FLAGS), re.compile(other, _FLAGS)
    return not any(this.fullmatch(letter) and that.fullmatch(letter) for letter in {*_LATIN, *one, *other})
