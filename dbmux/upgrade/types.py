"""Columns and tables of kinds that the second server does not have, or keeps as something else.

Which types it refuses comes from the server itself (dbmux.upgrade.probes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Column, Server, TableKind

_COMPRESSED = re.compile(r"\bCOMPRESSED\b", re.IGNORECASE)
_JSON_VALID = re.compile(r"CHECK \(json_valid\(`((?:[^`]|``)+)`\)\)", re.IGNORECASE)
_PERIOD = re.compile(r"^\s*PERIOD FOR (?!SYSTEM_TIME)", re.IGNORECASE | re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# What values of a type are kept in where it is missing.
INSTEAD = {
    "uuid": "BINARY(16) with UUID_TO_BIN() and BIN_TO_UUID(), or CHAR(36)",
    "inet6": "VARBINARY(16) with INET6_ATON() and INET6_NTOA()",
    "inet4": "INT UNSIGNED with INET_ATON() and INET_NTOA()",
    "xmltype": "LONGTEXT",
    "vector": "VARBINARY, or a JSON array",
    "json": "LONGTEXT with CHECK (JSON_VALID(…))",
    "geomcollection": "GEOMETRYCOLLECTION",
}
# Near enough for statements to be read.
_STAND_INS = {"uuid": "CHAR(36)", "inet6": "VARCHAR(45)", "inet4": "VARCHAR(15)", "vector": "VARBINARY(8000)"}
# MariaDB's timestamps go to 2106 from this version on, others to 2038.
_LONG_TIMESTAMPS = (11, 5)


def tried(a: Server) -> dict[str, str]:
    """The types that have to be tried, in lower case, with one of the columns each: no two that differ in arguments."""
    found: dict[str, str] = {}
    for table in a.tables:
        for column in table.columns:
            if column.base not in ("enum", "set"):
                found.setdefault(column.base, _COMMENT.sub("", column.type).strip())
    return found


def stand_ins(refused: Iterable[str]) -> dict[str, str]:
    """Types that a column can have in place of those refused, where nothing but its name matters."""
    return {base: _STAND_INS.get(base, "LONGTEXT") for base in refused}


def find(a: Server, b: Server, refused: Mapping[str, str]) -> Iterator[Finding]:
    """`refused` are types that B does not take, with what it says."""
    yield from _refused(a, b, refused)
    yield from _tables(a, b)
    if a.is_mariadb and not b.is_mariadb:
        yield from _compressed(a, b)
        yield from _checked_json(a)
    if not a.is_mariadb and b.is_mariadb:
        yield from _documents(a, b)
        yield from _expressions(a, b)
    if a.reaches(None, _LONG_TIMESTAMPS) and not b.reaches(None, _LONG_TIMESTAMPS):
        yield from _timestamps(a, b)


def _refused(a: Server, b: Server, refused: Mapping[str, str]) -> Iterator[Finding]:
    for base, said in sorted(refused.items()):
        where = _columns(a, partial(_is, base))
        instead = INSTEAD.get(base, "")
        yield Finding(
            subject=Subject.TYPES,
            severity=Severity.BLOCKS,
            what=f"{base.upper()} has no home",
            where=where,
            why=f"{b.family} has no such type: {said}",
            do=f"keep it as {instead}" if instead else "keep it as another type",
        )


def _timestamps(a: Server, b: Server) -> Iterator[Finding]:
    if where := _columns(a, lambda column: column.base == "timestamp"):
        yield Finding(
            subject=Subject.TYPES,
            severity=Severity.CHANGES,
            what="TIMESTAMP ends earlier",
            where=where,
            why=f"{a.family} keeps moments until 2106, {b.family} until 2038: later ones are refused",
            do="ALTER TABLE … MODIFY … DATETIME where later moments can come",
        )


def _tables(a: Server, b: Server) -> Iterator[Finding]:
    if b.is_mariadb or not a.is_mariadb:
        return
    if sequences := tuple(f"sequence {table.name}" for table in a.tables if table.kind is TableKind.SEQUENCE):
        yield Finding(
            subject=Subject.TYPES,
            severity=Severity.BLOCKS,
            what="sequences have no home",
            where=sequences,
            why=f"{b.family} has no sequences: NEXTVAL(), NEXT VALUE FOR and the table itself fail",
            do="a table with an AUTO_INCREMENT column: INSERT into it, then LAST_INSERT_ID()",
        )
    if versioned := tuple(f"table {table.name}" for table in a.tables if table.kind is TableKind.VERSIONED):
        yield Finding(
            subject=Subject.TYPES,
            severity=Severity.BLOCKS,
            what="system versioned tables have no home",
            where=versioned,
            why=f"{b.family} keeps no earlier versions of rows: AS OF fails, and dumps lose the history",
            do="keep the history in a table of its own that triggers write, or ALTER TABLE … DROP SYSTEM VERSIONING",
        )
    if periods := tuple(f"table {table.name}" for table in a.tables if _PERIOD.search(table.text)):
        yield Finding(
            subject=Subject.TYPES,
            severity=Severity.BLOCKS,
            what="application-time periods have no home",
            where=periods,
            why=f"{b.family} has no PERIOD FOR",
            do="ALTER TABLE … DROP PERIOD FOR …, and check in the application that nothing overlaps",
        )


def _compressed(a: Server, b: Server) -> Iterator[Finding]:
    if where := _columns(a, lambda column: _COMPRESSED.search(column.type) is not None):
        yield Finding(
            subject=Subject.TYPES,
            severity=Severity.KNOW,
            what="COMPRESSED columns are kept as they are",
            where=where,
            why=f"{b.family} has no compressed columns, and takes the word for a comment: they need more room",
            do="COMPRESS() in the application, or ROW_FORMAT=COMPRESSED for the table",
        )


def _checked_json(a: Server) -> Iterator[Finding]:
    where = tuple(
        f"column {table.name}.{name.replace('``', '`')}"
        for table in a.tables
        for name in _JSON_VALID.findall(table.text)
    )
    if where:
        yield Finding(
            subject=Subject.TYPES,
            severity=Severity.KNOW,
            what="JSON stays text",
            where=where,
            why="MariaDB's JSON is LONGTEXT with a condition, and comes over as that: in MySQL indexes and functions "
            "of JSON want the type",
            do="ALTER TABLE … MODIFY … JSON on the second server; spaces and the order of keys change with that",
        )


def _documents(a: Server, b: Server) -> Iterator[Finding]:
    if where := _columns(a, lambda column: column.base == "json"):
        yield Finding(
            subject=Subject.TYPES,
            severity=Severity.CHANGES,
            what="JSON becomes text",
            where=where,
            why=f"in {b.family} it is LONGTEXT with a condition: compared and sorted as text, no -> and ->>, no CAST "
            "to JSON, keys keep their order",
            do="JSON_EXTRACT(), JSON_VALUE() and JSON_UNQUOTE() in place of -> and ->>",
        )


def _expressions(a: Server, b: Server) -> Iterator[Finding]:
    where = tuple(
        f"index {table.name}.{index.name}"
        for table in a.tables
        for index in table.indexes
        if any(not part.column for part in index.parts)
    )
    if where:
        yield Finding(
            subject=Subject.TYPES,
            severity=Severity.BLOCKS,
            what="indexes over expressions have no home",
            where=where,
            why=f"{b.family} indexes columns only",
            do="ALTER TABLE … ADD a column that is GENERATED ALWAYS AS the expression, and index that",
        )


def _is(base: str, column: Column) -> bool:
    return column.base == base


def _columns(a: Server, is_wanted: Callable[[Column], bool]) -> tuple[str, ...]:
    return tuple(
        f"column {table.name}.{column.name}" for table in a.tables for column in table.columns if is_wanted(column)
    )
