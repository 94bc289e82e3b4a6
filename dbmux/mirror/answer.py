"""What one server answered to one statement, as a value: columns, rows, warnings, its error, and how long it took.

Made by whoever asked; compared by dbmux.mirror.compare. Rows are as they came, by the text protocol or the binary one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dbmux.wire.columns import Column
from dbmux.wire.rows import Value

Row = tuple[Value, ...]


class Told(NamedTuple):
    """A warning, a note, or an error beside others."""

    level: str
    code: int
    message: str


class Failure(NamedTuple):
    """The error with which a statement ended."""

    number: int
    sqlstate: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A result, or a failure; `is_cut` tells that there were more rows than are read.

    `affected_rows` is None for what has rows.
    """

    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    warnings: tuple[Told, ...] = ()
    failure: Failure | None = None
    affected_rows: int | None = None
    is_cut: bool = False
    seconds: float = 0.0
