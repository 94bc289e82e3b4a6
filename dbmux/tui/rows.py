"""A statement, a transaction or an event as one line of the live view.

A line of the stream, a width and a look come in; pieces of text with styles go out, of exactly that width. Never looks
at more of a statement than is shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.segment import Segment
from rich.style import Style

from dbmux.feed.feed import Happening
from dbmux.feed.row import Row
from dbmux.feed.units import count, duration
from dbmux.feed.words import badges, clock, is_alarm, route, verdict
from dbmux.tui.cells import Side, cells, cut, fit, one_line
from dbmux.tui.look import Look
from dbmux.tui.sql import coloured
from dbmux.tui.stream import Line, Transaction

# From so many cells on there is room for the backend and the application.
WIDE = 100


def head(width: int, look: Look) -> list[Segment]:
    """The names of the columns."""
    names = ["TIME".ljust(12), "DUR".rjust(8), "C", "ROUTE".ljust(9)]
    if width >= WIDE:
        names.append("BACKEND".ljust(8))
    names.append("ROWS".rjust(6))
    if width >= WIDE:
        names.append("APP".ljust(9))
    names.append("SQL")
    return [Segment(cut(" " + " ".join(names), width, look.signs.more), look.bar)]


def segments(line: Line, width: int, look: Look) -> list[Segment]:
    """The line."""
    if line.row is not None:
        return _cut(_row(line.row, width, look, look.signs.child + " "), width, look)
    match line.entry:
        case Happening():
            return _cut(_happening(line.entry, width, look), width, look)
        case Transaction():
            return _cut(_transaction(line.entry, width, look), width, look)
        case _:
            return _cut(_row(line.entry, width, look, ""), width, look)


def _row(row: Row, width: int, look: Look, before: str) -> Iterator[Segment]:
    letter, more = verdict(row, look.signs.none), look.signs.more
    yield Segment(f" {clock(row.at)} ", look.dim)
    yield Segment(fit(duration(row.seconds), 8, more, Side.RIGHT) + " ", look.warn if row.is_slow else look.text)
    yield Segment(letter + " ", look.verdict(letter))
    yield Segment(fit(route(row), 9, more) + " ", look.dim)
    if width >= WIDE:
        yield Segment(fit(row.backend, 8, more) + " ", look.dim)
    rows = count(row.rows) if row.rows >= 0 and not row.code else "-"
    yield Segment(fit(rows, 6, more, Side.RIGHT) + " ", look.text)
    if width >= WIDE:
        yield Segment(fit(row.app, 9, more) + " ", look.dim)
    yield from _sql(row, width - _taken(width), look, before)


def _taken(width: int) -> int:
    return 42 + (19 if width >= WIDE else 0)


def _sql(row: Row, width: int, look: Look, before: str) -> Iterator[Segment]:
    badge = badges(row)
    room = max(width - len(before) - (len(badge) + 1 if badge else 0), 4)
    yield Segment(before, look.dim)
    text = row.sql or row.command
    if row.code:
        text += f"  {row.code} {row.error}"
    yield from coloured(fit(text, room, look.signs.more), look)
    if badge:
        yield Segment(" " + badge, look.bad if row.code else look.warn)


def _transaction(transaction: Transaction, width: int, look: Look) -> Iterator[Segment]:
    first, last = transaction.rows[0], transaction.rows[-1]
    sign = look.signs.opened if transaction.is_open else look.signs.closed
    failed = sum(bool(row.code) for row in transaction.rows)
    yield Segment(f" {clock(first.at)} ", look.dim)
    yield Segment(fit(duration(transaction.seconds), 8, look.signs.more, Side.RIGHT) + " ", look.text)
    yield Segment("E " if failed else "  ", look.bad)
    yield Segment(fit(route(last), 9, look.signs.more) + " ", look.dim)
    many = len(transaction.rows)
    some = f"{many} statement{'s' if many > 1 else ''}" if transaction.is_whole else f"{many} of its statements"
    told = f"{sign} tx {first.transaction & 0xFFFFFF:x}  {some}"
    if last.app:
        told += f"  app={one_line(last.app, 20)}"
    is_running = transaction.is_whole and not transaction.is_over
    told += "  (open)" if is_running else f"  {one_line(last.sql, width)}"
    yield Segment(told, look.accent)


def _happening(happening: Happening, width: int, look: Look) -> Iterator[Segment]:
    style: Style = look.warn if is_alarm(happening.kind, happening.text) else look.accent
    line = look.signs.line * 2
    yield Segment(f" {clock(happening.at)} {line} {one_line(happening.text, width)} {line}", style)


def _cut(told: Iterator[Segment], width: int, look: Look) -> list[Segment]:
    # Whatever came together is made exactly as wide as it must be; neighbours that look the same are one piece.
    kept: list[Segment] = []
    text, style, left = "", look.text, width
    for piece, how, _ in told:
        size = cells(piece)
        if size > left:
            piece, size = cut(piece, left, look.signs.more), left
        if how is style:
            text += piece
        else:
            if text:
                kept.append(Segment(text, style))
            text, style = piece, how or look.text
        left -= size
        if not left:
            break
    if left and style is not look.text:
        kept.append(Segment(text, style))
        text, style = "", look.text
    return [*kept, Segment(text + " " * left, style)]
