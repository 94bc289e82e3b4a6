"""Rows as tables: JSON, CSV, Markdown.

Rows come in, one text goes out, with nothing in it that steers a terminal, a spreadsheet or a page. Everything is
there: numbers as they are, statements whole as far as they were kept.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from dbmux.feed.units import duration
from dbmux.text import visible

_COLUMNS = ("time (UTC)", "took", "rows", "backend", "application", "error", "statement")
# With these a spreadsheet begins to calculate.
_FORMULA = ("=", "+", "-", "@")


class Whole(Protocol):
    """All that is known of something, by name."""

    def told(self) -> Mapping[str, Any]: ...


class Told(Whole, Protocol):
    """What is looked at of a row: a `dbmux.feed.row.Row` has it."""

    @property
    def at(self) -> float: ...
    @property
    def seconds(self) -> float: ...
    @property
    def rows(self) -> int: ...
    @property
    def sql(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def app(self) -> str: ...
    @property
    def code(self) -> int: ...
    @property
    def error(self) -> str: ...


def as_json(rows: Sequence[Whole]) -> str:
    """All attributes: of one row an object, of several a list."""
    told = [dict(row.told()) for row in rows]
    written = json.dumps(told[0] if len(told) == 1 else told, ensure_ascii=False, indent=2)
    # It escapes the first 32 characters by itself.
    return "".join(one if one == "\n" or one.isprintable() else json.dumps(one)[1:-1] for one in written)


def as_csv(rows: Sequence[Whole]) -> str:
    """All attributes, with a head; text that a spreadsheet would take for a formula begins with an apostrophe."""
    told = [row.told() for row in rows]
    written = io.StringIO()
    out = csv.writer(written, lineterminator="\n")
    if told:
        out.writerow(told[0])
    for each in told:
        out.writerow([_cell(value) for value in each.values()])
    return written.getvalue()


def markdown(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (columns, tuple("---" for _ in columns), *lines))


def as_markdown(rows: Sequence[Told]) -> str:
    """What people look at first, as a table."""
    lines = [
        (
            datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            duration(row.seconds),
            str(row.rows) if row.rows >= 0 else "",
            code(row.backend),
            code(row.app),
            f"{row.code} {code(row.error)}" if row.code else "",
            code(row.sql),
        )
        for row in rows
    ]
    return markdown(_COLUMNS, lines)


def _cell(value: object) -> object:
    match value:
        case str():
            shown = "\n".join(visible(line) for line in value.split("\n"))
            return f"'{shown}" if shown.startswith(_FORMULA) else shown
        case list() | tuple():
            return _cell(" ".join(map(str, value)))
        case _:
            return value


def code(text: str) -> str:
    """A text as code in a cell."""
    # In a table a vertical line ends the cell also within code, where Markdown has no way to say otherwise that all
    # readers share; HTML has one.
    shown = visible(" ".join(text.split()))
    if not shown:
        return ""
    if "|" in shown:
        return f"<code>{''.join(one if one.isalnum() or one == ' ' else f'&#{ord(one)};' for one in shown)}</code>"
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{shown}{space}{fence}"
