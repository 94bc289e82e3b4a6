"""Sizes that fit on the first server and not on the second: keys of indexes, names of accounts."""

from __future__ import annotations

from collections.abc import Iterator

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Index, Server, Table, TableKind

# Bytes of a key, by the engine (manual pages "InnoDB Limits", "The MyISAM Storage Engine", "Aria Storage Engine").
_INNODB = {4096: 768, 8192: 1536}
_INNODB_WHOLE, _INNODB_OLD = 3072, 767
_OTHERS = {"myisam": 1000, "mrg_myisam": 1000, "aria": 2000, "memory": 3072}
_OLD_FORMATS = frozenset(("compact", "redundant"))
_USER_LETTERS = {False: 32, True: 128}
# Letters of an ENUM or SET value, in MySQL.
_LONGEST_WORD = 255


def find(a: Server, b: Server) -> Iterator[Finding]:
    """What is too long."""
    for table in a.tables:
        if table.kind is TableKind.SEQUENCE:
            continue
        engine = table.engine if table.engine.lower() in b.engines else "InnoDB"
        limit = _limit(table, engine, b)
        for index in table.indexes:
            if index.type.upper() in ("FULLTEXT", "SPATIAL", "RTREE", "VECTOR"):
                continue
            longest = _whole(table, index) if engine.lower() == "innodb" else [sum(_whole(table, index))]
            if longest and max(longest) > limit:
                yield Finding(
                    subject=Subject.LIMITS,
                    severity=Severity.BLOCKS,
                    what=f"an index is longer than {limit} bytes",
                    where=(f"index {table.name}.{index.name}",),
                    why=f"its key has {max(longest)} bytes; {engine} on {b.name} takes {limit}"
                    + (f" with ROW_FORMAT={table.row_format.upper()}" if limit == _INNODB_OLD else ""),
                    do=f"index a beginning only, such as column({limit // 4}), or ALTER TABLE {table.name.sql} "
                    "ROW_FORMAT=DYNAMIC",
                )
    words = tuple(
        f"column {table.name}.{column.name}"
        for table in a.tables
        for column in table.columns
        if column.base == "enum" and column.letters > _LONGEST_WORD
    )
    if words and not b.is_mariadb:
        yield Finding(
            subject=Subject.LIMITS,
            severity=Severity.BLOCKS,
            what=f"values of an ENUM are longer than {_LONGEST_WORD} letters",
            where=words,
            why=f"{b.family} refuses such a column",
            do="keep it as VARCHAR, with a table of the values",
        )
    longest_name = _USER_LETTERS[b.is_mariadb]
    if users := tuple(f"account {one}" for one in a.accounts or () if len(one.user) > longest_name):
        yield Finding(
            subject=Subject.LIMITS,
            severity=Severity.BLOCKS,
            what=f"names of accounts are longer than {longest_name} letters",
            where=users,
            why=f"{b.family} refuses them",
            do="RENAME USER … TO …, and tell the applications",
        )


def _limit(table: Table, engine: str, b: Server) -> int:
    if engine.lower() != "innodb":
        return _OTHERS.get(engine.lower(), _INNODB_WHOLE)
    if table.row_format.lower() in _OLD_FORMATS:
        return _INNODB_OLD
    return _INNODB.get(int(b.variables.get("innodb_page_size") or 16384), _INNODB_WHOLE)


def _whole(table: Table, index: Index) -> list[int]:
    # The bytes of each part of text or bytes; InnoDB looks at each alone.
    columns = {column.name.lower(): column for column in table.columns}
    found = []
    for part in index.parts:
        column = columns.get(part.column.lower())
        if column is None or not column.octets or column.base in ("enum", "set"):
            continue
        width = max(1, column.octets // column.letters) if column.letters else 1
        found.append(part.length * width if part.length is not None else column.octets)
    return found
