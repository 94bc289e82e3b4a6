"""A table of the SQL door: its columns as clients see them, and where its rows come from.

Plain values come in, one mapping a row; a column that a row does not name is NULL in it. Nothing is kept between two
statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SCHEMA = "dbmux"

Row = Mapping[str, Any]
Rows = Callable[[], Iterable[Row]]


class Type(StrEnum):
    """What a column holds, by MySQL's name."""

    INTEGER = "bigint"
    REAL = "double"
    TEXT = "varchar"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `what` says what it holds and in which unit."""

    name: str
    type: Type
    what: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table; no name of it or of its columns needs quoting."""

    name: str
    what: str
    columns: tuple[Column, ...]
    schema: str = SCHEMA


@dataclass(frozen=True, slots=True)
class Source:
    """A table, and the rows that it has now: asked for whenever a statement names it, walked through in pieces."""

    table: Table
    rows: Rows


def integer(name: str, what: str) -> Column:
    """A column of whole numbers, booleans as 0 and 1."""
    return Column(name, Type.INTEGER, what)


def real(name: str, what: str) -> Column:
    """A column of numbers."""
    return Column(name, Type.REAL, what)


def text(name: str, what: str) -> Column:
    """A column of text."""
    return Column(name, Type.TEXT, what)
