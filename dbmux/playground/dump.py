"""A dump of somebody's own: whether it can be loaded, where it goes, and what failed in it.

A file comes in; a schema's name and failures for people go out. Never runs anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from dbmux.errors import DbMuxError

LONGEST_SHOWN = 68

_NAMES_SCHEMA = re.compile(rb"\s*(use\s+[^\s;]+\s*;|create\s+(database|schema)\s)", re.IGNORECASE)
_FAILED = re.compile(r"ERROR (\d+ .*?)at line (\d+)(?: in file: '.*?')?: (.*)")
_PACKED = {b"\x1f\x8b": "gunzip", b"\x28\xb5\x2f\xfd": "unzstd", b"\xfd7zXZ": "unxz", b"BZh": "bunzip2", b"PK": "unzip"}


class BadDump(DbMuxError):
    """A file that no server takes; the message says what to do with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A statement that failed, with the line where it begins and the server's error; 0 where the line is unknown."""

    line: int
    error: str
    statement: str


def schema_for(dump: Path) -> str | None:
    """The schema that a dump needs because it names none; raises BadDump."""
    try:
        with dump.open("rb") as file:
            start = file.read(8)
            for magic, program in _PACKED.items():
                if start.startswith(magic):
                    raise BadDump(f"{dump} is compressed; unpack it first: {program} {dump.name}")
            file.seek(0)
            if any(_NAMES_SCHEMA.match(line) for line in file):
                return None
    except OSError as error:
        raise BadDump(f"{dump} cannot be read: {error.strerror}") from error
    return dump.name.partition(".")[0] or "dump"


def failures(dump: Path, told: str) -> list[Failure]:
    """What the server's client said on stderr, statement by statement."""
    found = [match for line in told.splitlines() if (match := _FAILED.match(line))]
    starts = _lines(dump, sorted({int(match[2]) for match in found}))
    return [
        Failure(line=int(match[2]), error=f"{match[1].strip()}: {match[3]}", statement=starts.get(int(match[2]), ""))
        for match in found
    ]


def _lines(dump: Path, wanted: list[int]) -> dict[int, str]:
    # The beginnings of these lines, whose numbers are ascending.
    lines: dict[int, str] = {}
    with dump.open("rb") as file:
        for before, number in pairwise([0, *wanted]):
            line = b""
            for _ in range(number - before):
                line = file.readline()
            text = line.decode("utf-8", "replace").strip()
            lines[number] = text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
    return lines
