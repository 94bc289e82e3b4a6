"""Dates that are none, such as 0000-00-00: in defaults, and in rows where those were counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from dbmux.sync.table import TableName
from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Column, Server, Table

_TYPES = frozenset(("date", "datetime", "timestamp"))
_ZERO = re.compile(r"^'?(?:\d{4}-00-\d\d|\d{4}-\d\d-00)")
_STRICT = frozenset(("STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "TRADITIONAL"))
_FORBIDDING = frozenset(("NO_ZERO_DATE", "NO_ZERO_IN_DATE", "TRADITIONAL"))


def columns(table: Table) -> tuple[Column, ...]:
    """Those that can have such dates."""
    return tuple(column for column in table.columns if column.base in _TYPES)


def find(a: Server, b: Server, counted: Mapping[TableName, Mapping[str, int]]) -> Iterator[Finding]:
    """`counted` are rows with such dates, by table and column."""
    is_refused = bool(b.modes & _STRICT) and bool(b.modes & _FORBIDDING)
    severity = Severity.BLOCKS if is_refused else Severity.KNOW
    modes = f"the sql_mode of {b.name} refuses them" if is_refused else f"the sql_mode of {b.name} takes them"
    defaults = tuple(
        f"column {table.name}.{column.name}"
        for table in a.tables
        for column in columns(table)
        if column.default is not None and _ZERO.match(column.default)
    )
    if defaults:
        yield Finding(
            subject=Subject.DATES,
            severity=severity,
            what="defaults are zero dates",
            where=defaults,
            why=f"{modes}: CREATE TABLE and ALTER TABLE fail with error 1067 where they are refused",
            do="ALTER TABLE … ALTER COLUMN … SET DEFAULT '1970-01-01', or MODIFY it to allow NULL and DROP DEFAULT",
        )
    for name, of_columns in sorted(counted.items()):
        for column, number in of_columns.items():
            if number:
                yield Finding(
                    subject=Subject.DATES,
                    severity=severity,
                    what=f"{number} rows have zero dates",
                    where=(f"column {name}.{column}",),
                    why=f"{modes}: writing such a row again fails with error 1292 where they are refused",
                    do=f"UPDATE {name.sql} SET `{column}`=NULL WHERE MONTH(`{column}`)=0 OR DAYOFMONTH(`{column}`)=0",
                )
