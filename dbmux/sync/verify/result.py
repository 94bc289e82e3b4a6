"""What a comparison of two servers found: of each table, how many rows there were and in how many they differ.

Counts and the first few differences; memory does not grow with what differs. Everything can be written to a file and
read again, so that a comparison that was broken off goes on.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dbmux.sync.verify.region import Key
from dbmux.sync.verify.settle import Difference, Kind

# Differences of a table that are kept whole; the others are counted.
KEPT = 100


class Verdict(StrEnum):
    """What can be said of a table, or of all of them."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNDECIDED = "undecided"


@dataclass(slots=True, kw_only=True)
class TableResult:
    """A table: `after` is the key up to which it is compared, None before the first; `problem` is why it cannot be."""

    name: str
    fingerprints: tuple[str, str] = ("", "")
    after: Key | None = None
    is_done: bool = False
    rows: tuple[int, int] = (0, 0)
    kinds: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    examples: list[Difference] = field(default_factory=list)
    undecided: int = 0
    repaired: int = 0
    problem: str = ""
    is_alone: bool = False
    _checkpoint: dict[str, Any] | None = None

    @property
    def different(self) -> int:
        """In how many rows they differ."""
        return sum(self.kinds.values())

    @property
    def verdict(self) -> Verdict:
        """A difference that was found is one, whatever else could not be told."""
        if self.different > self.repaired or self.is_alone:
            return Verdict.DIFFERENT
        return Verdict.UNDECIDED if self.problem or self.undecided or not self.is_done else Verdict.EQUAL

    def add(self, difference: Difference) -> None:
        """One more row that differs."""
        self.kinds[difference.kind] += 1
        self.columns.update(difference.columns)
        if len(self.examples) < KEPT:
            self.examples.append(difference)

    def as_json(self) -> dict[str, Any]:
        """For programs, and for the file."""
        return {
            "table": self.name,
            "verdict": self.verdict,
            "rows": list(self.rows),
            "different": self.different,
            "kinds": dict(self.kinds),
            "columns": dict(self.columns),
            "undecided": self.undecided,
            "repaired": self.repaired,
            "problem": self.problem,
            "only_on_one": self.is_alone,
            "examples": [_example(difference) for difference in self.examples],
        }

    def checkpoint(self, after: Key | None) -> None:
        """All up to this key is decided: from there a comparison that is broken off goes on."""
        self.after = after
        self._checkpoint = self._saved()

    def saved(self) -> dict[str, Any]:
        """What is decided, with where to go on."""
        if self.is_done or self._checkpoint is None:
            return self._saved() if self.is_done else TableResult(name=self.name)._saved()
        return self._checkpoint

    def _saved(self) -> dict[str, Any]:
        after = None if self.after is None else [part.hex() for part in self.after]
        return {**self.as_json(), "fingerprints": list(self.fingerprints), "after": after, "done": self.is_done}


def loaded(told: dict[str, Any]) -> TableResult:
    """What `saved` gave; raises KeyError, TypeError or ValueError for anything else."""
    after = told["after"]
    first, second = told["fingerprints"]
    one, other = told["rows"]
    return TableResult(
        name=told["table"],
        fingerprints=(first, second),
        after=None if after is None else tuple(bytes.fromhex(part) for part in after),
        is_done=told["done"],
        rows=(one, other),
        kinds=Counter(told["kinds"]),
        columns=Counter(told["columns"]),
        examples=[_difference(one) for one in told["examples"]],
        undecided=told["undecided"],
        repaired=told["repaired"],
        problem=told["problem"],
        is_alone=told["only_on_one"],
    )


def overall(results: list[TableResult]) -> Verdict:
    """Of all tables together: none at all says nothing."""
    verdicts = {result.verdict for result in results}
    if Verdict.DIFFERENT in verdicts:
        return Verdict.DIFFERENT
    return Verdict.EQUAL if verdicts == {Verdict.EQUAL} else Verdict.UNDECIDED


def _example(difference: Difference) -> dict[str, Any]:
    return {
        "key": [_text(part) for part in difference.key],
        "kind": difference.kind,
        "columns": {
            name: [_text(one), _text(other)]
            for name, (one, other) in zip(difference.columns, difference.values, strict=False)
        }
        or list(difference.columns),
    }


def _difference(told: dict[str, Any]) -> Difference:
    columns = told["columns"]
    values = tuple((_bytes(one), _bytes(other)) for one, other in columns.values()) if isinstance(columns, dict) else ()
    key = tuple(_bytes(part) or b"" for part in told["key"])
    return Difference(key=key, kind=Kind(told["kind"]), columns=tuple(columns), values=values)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode()
