"""Answers for tests: the same rows as each family of servers writes them, and rows of one's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from dbmux.mirror.answer import Answer, Row
from dbmux.mirror.settings import Family
from dbmux.wire.columns import BINARY_CHARSET, Column, FieldFlag, FieldType
from dbmux.wire.rows import Value

T = FieldType
UTF8 = {Family.MARIADB: 45, Family.MYSQL: 255}
WORDS = ("Ann", "bob", "Zoë", "日本", "", "it's", "x" * 50, "a b  c", "100%", "NULL", "😀")


def column(name: str = "a", kind: int = T.VAR_STRING, **more: Any) -> Column:
    charset = UTF8[Family.MARIADB] if kind in (T.VAR_STRING, T.STRING, T.BLOB) else BINARY_CHARSET
    return Column(**{"name": name.encode(), "type": kind, "charset": charset, **more})


def answer(*rows: Sequence[Value], columns: Sequence[Column] = (), **more: Any) -> Answer:
    """Rows, by default of one text column."""
    described = tuple(columns) or tuple(column(f"c{at}") for at in range(len(rows[0]) if rows else 1))
    return Answer(columns=described, rows=tuple(map(tuple, rows)), **more)


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of column, by its name: how each family describes it, values of it, and how each family writes them."""

    name: str

    def column(self, at: int, family: Family) -> Column:
        name = f"{self.name}_{at}".encode()
        is_mysql = family is Family.MYSQL
        match self.name:
            case "key" | "number":
                return Column(name=name, type=T.LONG, length=11 if is_mysql else 10, flags=FieldFlag.NOT_NULL)
            case "calculated":
                return Column(name=name, type=T.LONGLONG if is_mysql else T.LONG, length=21 if is_mysql else 1)
            case "text":
                decimals = 31 if is_mysql else 39
                return Column(name=name, type=T.VAR_STRING, charset=UTF8[family], length=160, decimals=decimals)
            case "long text":
                return Column(name=name, type=T.LONG_BLOB if is_mysql else T.BLOB, charset=UTF8[family])
            case "bytes":
                return Column(name=name, type=T.VAR_STRING, charset=BINARY_CHARSET, flags=FieldFlag.BINARY)
            case "float":
                return Column(name=name, type=T.DOUBLE, decimals=31)
            case "decimal":
                return Column(name=name, type=T.NEWDECIMAL, decimals=2, length=12)
            case "moment":
                return Column(name=name, type=T.DATETIME, length=19, flags=0 if is_mysql else FieldFlag.NUMERIC)
            case "json":
                kind, charset = (T.JSON, BINARY_CHARSET) if is_mysql else (T.BLOB, UTF8[family])
                return Column(name=name, type=kind, charset=charset)
            case _:
                raise AssertionError(self.name)

    def value(self, random: Random) -> Any:
        """A value, not yet written."""
        if self.name != "key" and random.random() < 0.1:
            return None
        match self.name:
            case "key":
                return random.randrange(10**9)
            case "number" | "calculated":
                return random.randrange(-100, 100)
            case "text" | "long text":
                return random.choice(WORDS) + random.choice(WORDS)
            case "bytes":
                return random.randbytes(random.randrange(12))
            case "float":
                return random.choice((0.1, 1e15, 1e16, -2.5, 123456789.0, random.random(), random.gauss(0, 1e20)))
            case "decimal":
                return f"{random.randrange(-(10**6), 10**6)}.{random.randrange(100):02}"
            case "moment":
                return f"20{random.randrange(10, 40)}-0{random.randrange(1, 10)}-1{random.randrange(10)} 12:34:56"
            case _:
                return {random.choice("abc"): random.randrange(9), "list": [1, None, random.choice(WORDS)]}

    def written(self, value: Any, family: Family) -> bytes | None:
        """As it comes by the text protocol."""
        if value is None:
            return None
        match self.name:
            case "bytes":
                assert isinstance(value, bytes)
                return value
            case "float":
                is_long = family is Family.MARIADB and value == int(value) and abs(value) < 1e17
                return (str(int(value)) if is_long else repr(value).replace("e+", "e")).encode()
            case "json" if family is Family.MYSQL:
                return json.dumps(value, sort_keys=True, ensure_ascii=False).encode()
            case "json":
                return json.dumps(value, separators=(",", ":")).encode()
            case _:
                return str(value).encode()


SORTS = tuple(map(Sort, ("number", "calculated", "text", "long text", "bytes", "float", "decimal", "moment", "json")))
KEY = Sort("key")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that were not written yet; the first column tells them apart."""

    sorts: tuple[Sort, ...]
    values: tuple[tuple[Any, ...], ...]

    def answered(self, family: Family) -> Answer:
        columns = tuple(sort.column(at, family) for at, sort in enumerate(self.sorts))
        rows = tuple(tuple(map(lambda s, v: s.written(v, family), self.sorts, row)) for row in self.values)
        return Answer(columns=columns, rows=rows)


def some_table(random: Random, sorts: Sequence[Sort] = SORTS, least: int = 0) -> Table:
    """Any columns behind a key, and some rows."""
    chosen = (KEY, *(random.choice(sorts) for _ in range(random.randrange(1, 6))))
    values = tuple(tuple(sort.value(random) for sort in chosen) for _ in range(random.randrange(least, 8)))
    return Table(chosen, values)


def with_rows(told: Answer, rows: Sequence[Row]) -> Answer:
    return replace(told, rows=tuple(rows))
