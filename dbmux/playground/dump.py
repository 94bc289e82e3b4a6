"""A dump of somebody's own on a playground's servers: whether it can be loaded, where it goes, and what failed in it.

A file comes in; a schema's name and failures for people go out. Never runs anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dbmux.sync.dumped import check_whole, lines
from dbmux.text import visible

LONGEST_SHOWN = 68
NO_TABLE = "1146 "

_NAMES_SCHEMA = re.compile(rb"\s*(use\s+[^\s;]+\s*;|create\s+(database|schema)\s)", re.IGNORECASE)
_FAILED = re.compile(r"ERROR (\d+ .*?)at line (\d+)(?: in file: '.*?')?: (.*)")
# What to do about errors that dumps of another version or family give.
_ADVICE = {
    "1273": "the server does not have this collation; put one that it has in its place in the file, such as "
    "utf8mb4_unicode_520_ci",
    "1115": "the server does not have this character set; put one that it has in its place in the file",
    "1231": "the server does not have this mode or value; take it out of the file",
    "1286": "the server does not have this engine; put ENGINE=InnoDB in its place in the file",
    "1153": "the statement is larger than the server takes; make the dump with --net-buffer-length=1M",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A statement that failed, with the line where it begins, the server's error, and what to do where that is known;
    line 0 where it is unknown."""

    line: int
    error: str
    statement: str
    advice: str = ""

    @property
    def is_consequence(self) -> bool:
        """Whether it may have failed for no other reason than that the table was not made before."""
        return self.error.startswith(NO_TABLE)


def schema_for(dump: Path) -> str | None:
    """The schema that a dump needs because it names none; raises BadDump, also where not all of the dump is there."""
    is_named = False
    for line in check_whole(dump, lines(dump)):
        is_named = is_named or _NAMES_SCHEMA.match(line) is not None
    return None if is_named else dump.name.partition(".")[0] or "dump"


def failures(dump: Path, told: str) -> list[Failure]:
    """What the server's client said on stderr, statement by statement."""
    found = [match for line in told.splitlines() if (match := _FAILED.match(line))]
    starts = _beginnings(dump, {int(match[2]) for match in found})
    return [
        Failure(
            line=int(match[2]),
            error=f"{match[1].strip()}: {match[3]}",
            statement=starts.get(int(match[2]), ""),
            advice=_ADVICE.get(match[1].partition(" ")[0], ""),
        )
        for match in found
    ]


def _beginnings(dump: Path, wanted: set[int]) -> dict[int, str]:
    # Of these lines.
    found: dict[int, str] = {}
    if not wanted:
        return found
    for number, line in enumerate(lines(dump), start=1):
        if number in wanted:
            text = line[: 4 * LONGEST_SHOWN].decode("utf-8", "replace").strip()
            found[number] = visible(text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…")
            if len(found) == len(wanted):
                break
    return found
