"""Rows of text in columns, as wide as they must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dbmux.text import visible


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines: the head, then the rows; the last column is not padded."""
    shown = [tuple(head), *(tuple(visible(cell) for cell in row) for row in rows)]
    widths = [max(len(row[at]) for row in shown) for at in range(len(head))]
    for row in shown:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
