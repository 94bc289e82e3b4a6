"""Functions that stored definitions call and that the second server does not have.

Which are missing comes from the servers themselves (dbmux.upgrade.probes).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import ProgramKind, Server
from dbmux.upgrade.texts import Text, calls, system_variables

# What does nearly the same, by functions that only one family has or that were removed.
INSTEAD = {
    "PASSWORD": "hash passwords in the application; ALTER USER sets those of accounts",
    "OLD_PASSWORD": "hash passwords in the application",
    "ENCODE": "use AES_ENCRYPT(), after the values were decoded on the first server",
    "DECODE": "use AES_DECRYPT(), after the values were decoded on the first server",
    "DES_ENCRYPT": "use AES_ENCRYPT(), after the values were decrypted on the first server",
    "DES_DECRYPT": "use AES_DECRYPT(), after the values were decrypted on the first server",
    "ENCRYPT": "use SHA2(), or hash in the application",
    "MD5": "hash in the application, or use SHA2(), which gives other values",
    "SHA": "hash in the application, or use SHA2(), which gives other values",
    "SHA1": "hash in the application, or use SHA2(), which gives other values",
    "JSON_DETAILED": "use JSON_PRETTY()",
    "JSON_PRETTY": "use JSON_DETAILED()",
    "JSON_COMPACT": "use the value itself: JSON values are kept compact",
    "JSON_LOOSE": "use the value itself",
    "JSON_QUERY": "use JSON_EXTRACT()",
    "JSON_EXISTS": "use JSON_CONTAINS_PATH()",
    "JSON_MERGE": "use JSON_MERGE_PRESERVE()",
    "NVL": "use IFNULL()",
    "NVL2": "use IF(a IS NOT NULL, b, c)",
    "TO_CHAR": "use DATE_FORMAT()",
    "VALUE": "use VALUES()",
    "MEDIAN": "use ROW_NUMBER() and an average of the middle",
    "NEXTVAL": "use a table with an AUTO_INCREMENT column and LAST_INSERT_ID()",
    "LASTVAL": "use LAST_INSERT_ID()",
    "SETVAL": "use ALTER TABLE … AUTO_INCREMENT",
    "UUID_TO_BIN": "use a column of type UUID (MariaDB 10.7 and later)",
    "BIN_TO_UUID": "use a column of type UUID (MariaDB 10.7 and later)",
    "ANY_VALUE": "use MIN() or MAX()",
    "GEOMFROMTEXT": "use ST_GeomFromText()",
    "ASTEXT": "use ST_AsText()",
    "GLENGTH": "use ST_Length()",
    "MASTER_GTID_WAIT": "use WAIT_FOR_EXECUTED_GTID_SET()",
    "MASTER_POS_WAIT": "use SOURCE_POS_WAIT()",
}


def called(a: Server, texts: Iterable[Text]) -> dict[str, list[str]]:
    """The names of what may be functions of A's own, in upper case, with the places that call them."""
    own = {
        program.name.name.upper()
        for program in a.programs
        if program.kind in (ProgramKind.FUNCTION, ProgramKind.PROCEDURE)
    }
    found: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        for name in calls(text) - own:
            found[name].append(text.where)
    return found


def find(b: Server, used: dict[str, list[str]], missing: frozenset[str]) -> Iterator[Finding]:
    """`missing` are those that only A has."""
    for name in sorted(missing & used.keys()):
        yield Finding(
            subject=Subject.FUNCTIONS,
            severity=Severity.BLOCKS,
            what=f"{name}() is not there",
            where=tuple(dict.fromkeys(used[name])),
            why=f"{b.family} has no such function",
            do=INSTEAD.get(name, "write it without, or make a stored function for it"),
        )


def find_variables(a: Server, b: Server, texts: Iterable[Text]) -> Iterator[Finding]:
    """System variables that are read and that only A has."""
    found: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        for name in system_variables(text):
            if name in a.variables and name not in b.variables:
                found[name].append(text.where)
    for name, where in sorted(found.items()):
        yield Finding(
            subject=Subject.FUNCTIONS,
            severity=Severity.BLOCKS,
            what=f"@@{name} is not there",
            where=tuple(dict.fromkeys(where)),
            why=f"{b.family} has no such system variable",
            do="leave it out, or read what has taken its place",
        )
