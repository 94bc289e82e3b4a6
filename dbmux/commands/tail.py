"""`dbmux tail`: statements as they run, a line each.

The last ones that are remembered come first. What was missed, and when only some are shown, is said beside them, so
that nobody takes a part for the whole.
"""

from __future__ import annotations

import asyncio

import click

from dbmux.commands.asking import Wanted, connected, engine_options, json_option, until_told
from dbmux.commands.lines import terminal_width
from dbmux.commands.statements import Printer, as_lines, as_objects
from dbmux.feed.feed import FILTER_ENDED, MOST_ROWS, Batch, Lost, Refused, Subscription
from dbmux.feed.remote import RemoteFeed
from dbmux.feed.row import Row

# How often it is looked for news; the engine has some ten times a second.
LOOK_S = 0.05
# So many statements are looked through for the last ones at first, and so many times more when that was not enough.
REACH, FURTHER = 100, 8


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
