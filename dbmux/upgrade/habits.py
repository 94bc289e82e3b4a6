"""What the second server does in another way, by families and versions: facts that no question to it brings to light.

Each holds for some pairs of versions, and where it shows in the text of a statement, for those that have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Server
from dbmux.upgrade.texts import Text

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """What began with a version of MySQL, of MariaDB, or of either; None is never. `shows` finds it in texts; without
    it, it is told for every pair."""

    severity: Severity
    what: str
    why: str
    do: str
    mysql: Version | None = None
    mariadb: Version | None = None
    shows: re.Pattern[str] | None = None


def _in(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


HABITS = (
    Habit(
        severity=Severity.CHANGES,
        what="GROUP BY does not sort",
        why="MySQL before 8.0 and MariaDB sort the groups by the way; later MySQL does not, and takes no ASC there",
        do="write ORDER BY wherever the order matters",
        mysql=(8, 0),
        shows=_in(r"\bGROUP\s+BY\b(?!.*\bORDER\s+BY\b)"),
    ),
    Habit(
        severity=Severity.BLOCKS,
        what="word boundaries in REGEXP are written in another way",
        why="MySQL 8.0 and later read regular expressions by ICU, which does not know [[:<:]] and [[:>:]]",
        do=r"write \\b",
        mysql=(8, 0),
        shows=_in(r"\[\[:[<>]:\]\]"),
    ),
    Habit(
        severity=Severity.CHANGES,
        what="REGEXP is read by another library",
        why="MySQL uses ICU, MariaDB PCRE: look-behinds, flags and classes differ",
        do="try each expression on both: dbmux compare",
        mysql=(8, 0),
        mariadb=(10, 0, 5),
        shows=_in(r"\b(?:REGEXP|RLIKE)\b|\bREGEXP_\w+\s*\("),
    ),
    Habit(
        severity=Severity.KNOW,
        what="SQL_CALC_FOUND_ROWS is going away",
        why="MySQL 8.0.17 and later warn of it and of FOUND_ROWS()",
        do="SELECT COUNT(*) beside the query",
        mysql=(8, 0, 17),
        shows=_in(r"\bSQL_CALC_FOUND_ROWS\b|\bFOUND_ROWS\s*\("),
    ),
    Habit(
        severity=Severity.CHANGES,
        what="JSON is told in another way",
        why="MySQL sorts the keys of an object and drops doubles, with spaces behind : and ,; MariaDB keeps the text",
        do="parse JSON in the application; never compare it as text",
        mysql=(5, 7, 8),
        mariadb=(10, 2, 7),
        shows=_in(r"\bJSON_(?:OBJECT|ARRAY|EXTRACT|SET|INSERT|REPLACE|REMOVE|MERGE\w*|OBJECTAGG|ARRAYAGG)\s*\("),
    ),
    Habit(
        severity=Severity.KNOW,
        what="VALUES() in ON DUPLICATE KEY UPDATE",
        why="MySQL 8.0.20 and later warn of it, and want an alias of the row; MariaDB has no such alias",
        do="leave it: both still read VALUES()",
        mysql=(8, 0, 20),
        shows=_in(r"\bON\s+DUPLICATE\s+KEY\s+UPDATE\b.*\bVALUES\s*\("),
    ),
    Habit(
        severity=Severity.CHANGES,
        what="user variables that are assigned in a SELECT",
        why="in which order expressions are worked out is not said, and each optimizer does it in its own way",
        do="write window functions, such as ROW_NUMBER() OVER (…)",
        mysql=(8, 0),
        mariadb=(10, 2),
        shows=_in(r"@[\w`]+\s*:="),
    ),
)  # fmt: skip
# Only where the family changes.
_ACROSS = frozenset(
    ("REGEXP is read by another library", "JSON is told in another way", "user variables that are assigned in a SELECT")
)


def find(a: Server, b: Server, texts: Iterable[Text]) -> Iterator[Finding]:
    """Those that hold for these two."""
    held = list(texts)
    for habit in HABITS:
        if habit.what in _ACROSS and a.is_mariadb == b.is_mariadb:
            continue
        is_new = b.reaches(habit.mysql, habit.mariadb) and not (
            a.is_mariadb == b.is_mariadb and a.reaches(habit.mysql, habit.mariadb)
        )
        if not is_new:
            continue
        where = tuple(text.where for text in held if habit.shows is not None and habit.shows.search(text.sql))
        if habit.shows is None or where:
            yield Finding(
                subject=Subject.HABITS,
                severity=habit.severity,
                what=habit.what,
                where=where,
                why=habit.why,
                do=habit.do,
            )
