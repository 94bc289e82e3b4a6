"""`dbmux top`: which kinds of statements take the time, over a window or since the start."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import Any

import click

from dbmux.commands.asking import Wanted, asked, engine_options, json_option, print_json, until_told
from dbmux.commands.lines import cut, one_line, terminal_width
from dbmux.commands.table import table
from dbmux.feed.units import count, duration, share

WINDOWS = {"10s": 10.0, "1m": 60.0, "5m": 300.0, "all": None}
AGAIN_S = 2.0
_HEAD = ("share", "calls", "avg", "p50", "p95", "p99", "rows", "errors", "hit", "statement")
# From the upper left corner, on an empty screen.
_ANEW = "\x1b[H\x1b[2J"


@click.command()
@engine_options
@click.option("--window", type=click.Choice(list(WINDOWS)), default="1m", show_default=True, help="Over which time.")
@click.option("--watch", is_flag=True, help="Again every two seconds, until Ctrl-C.")
@json_option
def command(wanted: Wanted, window: str, watch: bool, as_json: bool) -> None:
    """Show which kinds of statements take the most time, with their literals left out."""
    given = {"seconds": WINDOWS[window]}
    if watch:
        until_told(lambda: _watch(wanted, given, as_json))
        return
    found = asked(wanted, "top", **given)
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(lines(found, terminal_width())))


def _watch(wanted: Wanted, given: dict[str, Any], as_json: bool) -> None:
    while True:
        found = asked(wanted, "top", **given)
        if as_json:
            # An array a line, for those who read line by line.
            click.echo(json.dumps(found))
        elif sys.stdout.isatty():
            size = shutil.get_terminal_size()
            click.echo(_ANEW + "\n".join(lines(found, size.columns)[: size.lines - 1]))
        else:
            click.echo("\n".join(lines(found, None)) + "\n")
        time.sleep(AGAIN_S)


def lines(found: list[dict[str, Any]], width: int | None) -> list[str]:
    """The table."""
    if not found:
        return ["no statement ended in this time"]
    rows = [
        (
            share(one["share"], 1),
            count(one["calls"]),
            duration(one["seconds"] / one["calls"]),
            *(duration(one[name]) for name in ("p50", "p95", "p99")),
            count(one["rows"]),
            count(one["errors"]),
            share(one["hits"], one["calls"]),
            one_line(one["text"], width),
        )
        for one in found
    ]
    return [cut(line, width) for line in table(_HEAD, rows)]
