"""Whether the changes of a table can be applied to the table of this name on the target.

A source and a target come in; out go the target's table, or what is in the way and what to do about it. Never changes
anything.
"""

from __future__ import annotations

from dbmux.backend.binlog.source import Source
from dbmux.sync.table import Ask, ForeignKey, NoSuchTable, Table, TableName, describe, referring
from dbmux.sync.target import Target

_CASCADES = frozenset(("CASCADE", "SET NULL", "SET DEFAULT"))


async def problem_of(source: Source, target: Target, name: TableName) -> tuple[str, Table | None]:
    """The target's table, or what is in the way; raises DbMuxError where that cannot be found out."""
    there = target.backend.name
    try:
        table = await describe(target.ask, name)
    except NoSuchTable as error:
        return f"{there}: {error}; make it there, with the rows that it has on {source.name}", None
    if table.engine.lower() != "innodb":
        return (
            f"{there}: {name} is kept by {table.engine}, which knows no transactions: ALTER TABLE … ENGINE=InnoDB",
            None,
        )
    if table.triggers:
        named = ", ".join(table.triggers)
        return f"{there}: what the triggers of {name} do comes in the log already; drop them there: {named}", None
    if await source.leaves_cascades_out():
        missing = _lacking(await _cascading(source.ask, name), await _cascading(target.ask, name))
        if missing:
            return (
                f"{there}: what the foreign keys do that refer to {name} is not in the log of {source.name}; these are "
                f"missing or other ones on {there}: {', '.join(missing)}",
                None,
            )
    return "", table


async def _cascading(ask: Ask, name: TableName) -> dict[TableName, list[ForeignKey]]:
    # Foreign keys that change rows when this table's rows change, by their own tables.
    found: dict[TableName, list[ForeignKey]] = {}
    for child in await referring(ask, name):
        keys = (await describe(ask, child)).foreign_keys
        found[child] = [key for key in keys if key.parent == name and {key.on_update, key.on_delete} & _CASCADES]
    return found


def _lacking(wanted: dict[TableName, list[ForeignKey]], there: dict[TableName, list[ForeignKey]]) -> list[str]:
    def essence(key: ForeignKey) -> object:
        # What servers call NO ACTION or RESTRICT does the same in all of them.
        return key.columns, key.parent_columns, *(_CASCADES & {rule} for rule in (key.on_update, key.on_delete))

    return [
        f"{child} ({', '.join(key.columns)})"
        for child, keys in wanted.items()
        for key in keys
        if essence(key) not in [essence(other) for other in there.get(child, ())]
    ]
