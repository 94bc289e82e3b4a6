"""Foreign keys that the second server does not take."""

from __future__ import annotations

from collections.abc import Iterator

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import ForeignKey, Server, Table

# MySQL 8.4 began to want a unique key over exactly the columns that are referred to.
_VARIABLE = "restrict_fk_on_non_standard_key"


def find(a: Server, b: Server) -> Iterator[Finding]:
    """What differs."""
    by_name = {table.name: table for table in a.tables}
    loose, beyond = [], []
    for table in a.tables:
        for key in table.foreign_keys:
            parent = by_name.get(key.parent)
            if parent is None:
                beyond.append((table, key))
            elif not _is_unique(parent, key):
                loose.append((table, key))
    if loose and b.variables.get(_VARIABLE, "OFF").upper() in ("ON", "1"):
        for table, key in loose:
            columns = ", ".join(f"`{name}`" for name in key.parent_columns)
            yield Finding(
                subject=Subject.FOREIGN_KEYS,
                severity=Severity.BLOCKS,
                what="a foreign key refers to columns that are no unique key",
                where=(f"foreign key {table.name}.{key.name}",),
                why=f"{b.family} wants a unique key over exactly ({columns}) of {key.parent} (error 6125)",
                do=f"ALTER TABLE {key.parent.sql} ADD UNIQUE ({columns}), or SET GLOBAL {_VARIABLE}=OFF on {b.name}",
            )
    if beyond:
        yield Finding(
            subject=Subject.FOREIGN_KEYS,
            severity=Severity.KNOW,
            what="foreign keys refer to tables that were not looked at",
            where=tuple(f"foreign key {table.name}.{key.name}" for table, key in beyond),
            why="they are in other schemas, are not there, or the account may not see them",
            do="look at all schemas together",
        )


def _is_unique(parent: Table, key: ForeignKey) -> bool:
    wanted = {name.lower() for name in key.parent_columns}
    return any(
        index.is_unique
        and len(index.parts) == len(wanted)
        and {part.column.lower() for part in index.parts if part.length is None} == wanted
        for index in parent.indexes
    )
