"""Statements as lines for people, or as JSON objects for programs, and what is said about those that are missing.

Rows come in, text goes out. A statement is one visible line, whatever is in it, cut to the terminal where there is one.
"""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from dbmux.commands.lines import cut, one_line
from dbmux.feed.feed import Batch
from dbmux.feed.row import Row
from dbmux.feed.units import count, duration
from dbmux.feed.words import badges, clock, route, verdict
from dbmux.text import visible

# From so many columns on there is room for the server and the user.
WIDE = 100


@dataclass(frozen=True, slots=True)
class Printer:
    """How rows are told and what is said about them, where both go, and whether anybody reads that still."""

    told: Callable[[Row], str]
    aside: Callable[[str, int], str]
    out: Callable[[str], None]
    err: Callable[[str], None]
    is_read: Callable[[], bool] = lambda: True

    def rows(self, rows: Sequence[Row]) -> None:
        """Print them, at once."""
        if rows:
            self.out("".join(f"{self.told(row)}\n" for row in rows))

    def batch(self, batch: Batch) -> None:
        """Print what came, and what did not."""
        if batch.missed:
            self.err(self.aside("missed", batch.missed))
        self.rows(batch.rows)
        if left := batch.matched - len(batch.rows):
            self.err(self.aside("left out", left))


def as_objects() -> Printer:
    """One JSON object a line, gaps among them."""
    out = _written(sys.stdout)
    return Printer(
        told=lambda row: json.dumps(row.told()),
        aside=lambda what, many: json.dumps({what.replace(" ", "_"): many}),
        out=out,
        err=lambda line: out(line + "\n"),
        is_read=_is_read,
    )


def as_lines(width: int | None) -> Printer:
    """Lines for people."""
    return Printer(
        told=lambda row: line(row, width),
        aside=lambda what, many: f"-- {count(many)} {'statement' if many == 1 else 'statements'} {what} --",
        out=_written(sys.stdout),
        err=lambda told: click.echo(told, err=True),
        is_read=_is_read,
    )


def _written(stream: Any) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def _is_read() -> bool:
    # A pipe whose reader is gone says so at once, and not first with the next statement, which may never come.
    looked = select.poll()
    looked.register(sys.stdout.fileno(), 0)
    return not any(events & select.POLLERR for _, events in looked.poll(0))


def line(row: Row, width: int | None) -> str:
    """A statement as a line."""
    rows = count(row.rows) if row.rows >= 0 and not row.code else "-"
    who = visible(f"{row.user}/{row.app}" if row.app else row.user)
    is_wide = width is None or width >= WIDE
    head = f"{row.seq:>7} {clock(row.at)} {duration(row.seconds):>7} {verdict(row, '.')} {visible(route(row)):<9} "
    head += f"{visible(row.backend):<8} {rows:>6} {who:<12} " if is_wide else f"{rows:>6} "
    badge = badges(row)
    failed = f"  {row.code} {one_line(row.error, width)}" if row.code else ""
    text = one_line(row.sql, width) or row.command
    if width is None:
        return f"{head}{text}{failed}{' ' * bool(badge)}{badge}"
    room = max(width - len(head) - (len(badge) + 1 if badge else 0), 4)
    return cut(f"{head}{cut(text + failed, room)}{' ' * bool(badge)}{badge}", width)
