"""Where the statements of all who came in by the SQL door are answered, one at a time.

A statement and who asks come in; a result, or that there is none, goes out. Only the tables that a text names are made
for it. The tables themselves are somebody else's: whoever runs an engine puts them into `tables`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dbmux.door.catalogue import catalogue, definition, variables
from dbmux.door.database import MAX_SECONDS, Result, Select, Value, answer, no_such_table
from dbmux.door.phrases import Define, Describe, Nothing, Phrase, Use, understood, values_of
from dbmux.door.table import SCHEMA, Source, Type


@dataclass(slots=True, kw_only=True)
class Visitor:
    """Somebody who came in: the name of the login, the number of the connection, and what it was greeted with."""

    user: str
    number: int
    server_version: str
    schema: str = SCHEMA


class Desk:
    """The tables, by name, and the queue of those who ask."""

    def __init__(self, sources: Iterable[Source] = (), limit_s: float = MAX_SECONDS) -> None:
        self.tables: dict[str, Source] = {}
        self.add(*sources)
        self._limit_s = limit_s
        self._turn = asyncio.Lock()

    def add(self, *sources: Source) -> None:
        """Have these tables, too."""
        self.tables.update((source.table.name, source) for source in sources)

    async def ask(self, text: bytes, visitor: Visitor, parameters: Sequence[Value] = ()) -> Result | None:
        """The answer to a statement, None where there is nothing to tell; raises MySQLError."""
        return await self._obey(understood(text, visitor.schema), visitor, parameters)

    async def _obey(self, phrase: Phrase, visitor: Visitor, parameters: Sequence[Value]) -> Result | None:
        match phrase:
            case Nothing():
                return None
            case Use(schema):
                visitor.schema = schema
                return None
            case Define(table):
                source = self._find(table)
                columns = (("Table", Type.TEXT), ("Create Table", Type.TEXT))
                return Result(columns, [(source.table.name, definition(source.table))])
            case Describe(table, select):
                self._find(table)
                return await self._select(select, visitor, parameters)
            case Select():
                return await self._select(phrase, visitor, parameters)

    def _find(self, name: str) -> Source:
        if (source := self.tables.get(name.lower())) is None:
            raise no_such_table(name)
        return source

    async def _select(self, select: Select, visitor: Visitor, parameters: Sequence[Value]) -> Result:
        known = variables(visitor.server_version)
        functions: dict[str, Value] = {
            **values_of(select, known),
            "connection_id": visitor.number,
            "current_user": f"{visitor.user}@%",
            "database": visitor.schema,
            "now": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "schema": visitor.schema,
            "user": f"{visitor.user}@%",
            "version": visitor.server_version,
        }
        words = frozenset(re.findall(r"\w+", select.sql.lower()))
        sources = [*self.tables.values(), *catalogue(self.tables, known)]
        async with self._turn:
            named = [source for source in sources if source.table.name in words]
            return await answer(select, parameters, named, functions, self._limit_s)
