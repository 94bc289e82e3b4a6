r"""What a query rule's regular expression means, where that is certain.

A pattern comes in; the conditions of a DbMux rule go out, or None. Understood are the patterns of everyday use: the
first word of a statement, one whole statement, the table after FROM, and those that match all. Every other one is left
to a person, for a pattern that is nearly right is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbmux.query import Kind

# Statements that begin with the word, and no others, are of the kind.
_VERBS = {kind.value: kind for kind in (
    Kind.SELECT, Kind.INSERT, Kind.REPLACE, Kind.UPDATE, Kind.DELETE, Kind.LOAD, Kind.CALL, Kind.SET, Kind.USE,
    Kind.SHOW, Kind.KILL,
)}  # fmt: skip
_SPACE = r"(?: |\\s[+*]?|\[ \])"
_REST = rf"(?:{_SPACE}|\\b)?(?:\.[*+]\??)?\$?"
_WORDS = re.compile(rf"\^(?:\\s\*)?(?:\((?:\?:)?)?(?P<words>[A-Za-z]+(?:\|[A-Za-z]+)*)\)?{_REST}")
_LOCKING = re.compile(
    rf"\^(?:\\s\*)?SELECT{_SPACE}?\.[*+]\??{_SPACE}?"
    rf"\(?(?:FOR{_SPACE}(?:UPDATE|SHARE)|LOCK{_SPACE}IN{_SPACE}SHARE{_SPACE}MODE|\|)+\)?(?:\.[*+])?\$?",
    re.IGNORECASE,
)
_TABLE = re.compile(
    rf"\^SELECT{_SPACE}\.[*+]\??{_SPACE}FROM{_SPACE}`?(?P<table>[A-Za-z_]\w*(?:\\?\.[A-Za-z_]\w*)?)`?"
    rf"(?:{_SPACE}|\\b)(?:\.[*+]\??)?\$?",
    re.IGNORECASE,
)
_EVERYTHING = frozenset(("", ".", ".*", ".+", "^", "^.*", "^.*$", "^.+", "^.+$", "^."))
_SPECIAL = frozenset("\\.^$*+?{}[]|()")


@dataclass(frozen=True, slots=True)
class Meaning:
    """The conditions that say the same; `is_locking_read` has none, and `note` is what differs a little."""

    conditions: Mapping[str, Any] = field(default_factory=dict)
    is_locking_read: bool = False
    note: str = ""

    @property
    def is_plain_select(self) -> bool:
        """Whether it says no more than SELECT."""
        return self.conditions == {"kind": [Kind.SELECT.value]}


def meaning(pattern: str) -> Meaning | None:
    """What a pattern means, whatever the case of its letters; None where that is not certain."""
    if pattern in _EVERYTHING:
        return Meaning()
    if _LOCKING.fullmatch(pattern):
        return Meaning(is_locking_read=True)
    if (found := _WORDS.fullmatch(pattern)) is not None:
        words = found["words"].lower().split("|")
        if all(word in _VERBS for word in words):
            return Meaning({"kind": list(dict.fromkeys(words))})
    if (found := _TABLE.fullmatch(pattern)) is not None:
        table = found["table"].replace("\\", "")
        conditions = {"kind": [Kind.SELECT.value], "table": table if "." in table else f"*.{table}"}
        return Meaning(conditions, note="read as: every SELECT that names this table, wherever it stands in it")
    if (statement := _literally(pattern)) is not None:
        # ProxySQL writes `?` for a value; here a value stands for all values, and `?` is a placeholder.
        note = "one statement; with placeholders, as prepared statements have, it is another digest"
        return Meaning({"digest": statement.replace("?", "0")}, note=note if "?" in statement else "")
    return None


def _literally(pattern: str) -> str | None:
    # The one text that an anchored pattern without any choice matches.
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return None
    letters: list[str] = []
    inside = iter(pattern[1:-1])
    for letter in inside:
        if letter == "\\":
            letter = next(inside, "")
            if not letter or letter.isalnum():
                return None
        elif letter in _SPECIAL:
            return None
        letters.append(letter)
    text = "".join(letters)
    return text if " " in text else None
