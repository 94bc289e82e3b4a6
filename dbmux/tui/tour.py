"""The tour: six things to do, each by the key that does it, one after the other.

What was done comes in, the next thing to do goes out as a sentence. Presses no key itself, and nothing has to be done
in its order: what was done already is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Deed(Enum):
    """What can be learnt."""

    FILTER = auto()
    WHY = auto()
    EXPLAIN = auto()
    EDIT = auto()
    WATCH = auto()
    ROLL_BACK = auto()


@dataclass(frozen=True, slots=True)
class Place:
    """What the steps are about: the file to edit, and the table that is read most and cached least."""

    file: str
    table: str


def sentence(deed: Deed, place: Place) -> str:
    """What to do."""
    name = place.table.rpartition(".")[2]
    match deed:
        case Deed.FILTER:
            return f"press 1, then f, type table:{name} and Enter: only what reads {name}"
        case Deed.WHY:
            return "press k to go up to a statement, and Enter: why it went where it went"
        case Deed.EXPLAIN:
            return "press x: how the server finds its rows"
        case Deed.EDIT:
            return f'put "{place.table}": "1m" into cache.tables of {place.file} and save it (8, then ctrl+e)'
        case Deed.WATCH:
            return "press 3 and watch the hit rate jump"
        case Deed.ROLL_BACK:
            return "press 8, then U and y: the version before is in force again"


class Tour:
    """How far somebody is."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._done: set[Deed] = set()

    def did(self, deed: Deed) -> None:
        """That was done."""
        self._done.add(deed)

    def words(self) -> str:
        """What to do next."""
        for number, deed in enumerate(Deed, 1):
            if deed not in self._done:
                return f"{number} of {len(Deed)}: {sentence(deed, self._place)}"
        return "That was all. With your own server: dbmux tui --backend HOST:3306. q leaves."
