"""`dbmux tail`: statements as they run, a line each.

The last ones that are remembered come first. What was missed, and when only some are shown, is said beside them, so
that nobody takes a part for the whole.
"""

from __future__ import annotations

import asyncio
import json
import select
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from dbmux.commands.asking import Wanted, connected, engine_options, json_option, until_told
from dbmux.commands.lines import cut, one_line, terminal_width
from dbmux.feed.feed import FILTER_ENDED, MOST_ROWS, Batch, Lost, Refused, Subscription
from dbmux.feed.remote import RemoteFeed
from dbmux.feed.row import Row
from dbmux.feed.units import count, duration
from dbmux.feed.words import badges, clock, route, verdict
from dbmux.text import visible

# How often it is looked for news; the engine has some ten times a second.
LOOK_S = 0.05
# So many statements are looked through for the last ones at first, and so many times more when that was not enough.
REACH, FURTHER = 100, 8
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


@click.command()
@click.argument("wanted_rows", required=False, default="", metavar="[FILTER]")
@engine_options
@click.option(
    "-n", "last", type=click.IntRange(0, MOST_ROWS), default=10, show_default=True, help="Begin with so many."
)
@json_option
def command(wanted_rows: str, wanted: Wanted, last: int, as_json: bool) -> None:
    """Print statements as they run, those that FILTER lets through, until Ctrl-C; see `dbmux help filters`.

    The number at the beginning of a line is what `dbmux why` takes.
    """
    printer = as_objects() if as_json else as_lines(terminal_width())

    async def follow(feed: RemoteFeed) -> None:
        await tail(feed, wanted_rows, last, printer)
        raise Lost(f"DbMux has ended (process {feed.hello.pid})")

    try:
        until_told(lambda: connected(wanted, follow))
    except Refused as error:
        raise Refused(f"{_pointed(wanted_rows, str(error))}{error}") from None


async def tail(feed: RemoteFeed, wanted: str, last: int, printer: Printer) -> None:
    """Print the last rows, and then all that come, until the engine is gone; raises Refused and Lost."""
    rows, subscription = await remembered(feed, wanted, last)
    printer.rows(rows)
    while not feed.lost.done():
        if not printer.is_read():
            raise BrokenPipeError
        printer.batch(_sound(subscription.take()))
        await asyncio.wait((feed.lost,), timeout=LOOK_S)
    printer.batch(_sound(subscription.take()))


async def remembered(feed: RemoteFeed, wanted: str, last: int) -> tuple[list[Row], Subscription]:
    """The last rows that a filter lets through, and the subscription that goes on behind them.

    It is looked further and further back, since most filters soon find some, and the ring may be long.
    """
    status = await feed.ask("status")
    end, kept = status["statements"], status["kept"]
    reach = max(last, REACH) if wanted and last else last
    while True:
        reach = min(reach, kept)
        subscription = await feed.subscribe(wanted, end - reach)
        rows: list[Row] = []
        place = end - reach
        while place < end:
            batch = _sound(subscription.take())
            rows += batch.rows
            place = max(place, batch.place)
            if place < end and (await asyncio.wait((feed.lost,), timeout=LOOK_S))[0]:
                raise Lost("DbMux has ended")
        before = sum(row.seq < end for row in rows)
        if before >= last or reach == kept:
            return rows[max(before - last, 0) :], subscription
        subscription.close()
        reach *= FURTHER


def _sound(batch: Batch) -> Batch:
    # A filter that took too long on some statement lets nothing through any more.
    for one in batch.happenings:
        if one.text.startswith(FILTER_ENDED):
            raise Refused(one.text)
    return batch


def _pointed(wanted: str, told: str) -> str:
    # The engine says what is wrong with a filter, but not where; it is read here for that, in the same way.
    from dbmux.feed.filter.language import parse
    from dbmux.feed.filter.tree import FilterError

    try:
        parse(wanted)
    except FilterError as error:
        return f"{error.pointed}\n" if str(error) == told else ""
    return ""


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
