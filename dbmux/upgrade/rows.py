"""Counting rows with dates that are none: the one look at the rows themselves, and only where it is asked for.

A connection and a table come in, numbers by column go out. Each table is read once, as a whole.
"""

from __future__ import annotations

from dbmux.backend.service import Service
from dbmux.sync.table import quoted
from dbmux.upgrade.dates import columns
from dbmux.upgrade.server import Table


async def zero_dates(service: Service, table: Table) -> dict[str, int]:
    """How many rows have one, by column; raises BackendRefused where it may not be read."""
    names = [column.name for column in columns(table)]
    if not names:
        return {}
    sums = ",".join(f"SUM(MONTH({quoted(name)})=0 OR DAYOFMONTH({quoted(name)})=0)" for name in names)
    (row,) = await service.ask(f"SELECT {sums} FROM {table.name.sql}".encode())
    return {name: int(number) for name, number in zip(names, row, strict=True) if number and int(number)}
