"""`dbmux compare`: a read on two servers, side by side; exit code 1 when they answer differently."""

from __future__ import annotations

import sys
from typing import Any

import click

from dbmux.commands.asking import Wanted, asked, engine_options, json_option, print_json
from dbmux.commands.options import as_whom_options
from dbmux.feed.results import comparison


@click.command()
@click.argument("what", metavar="ID|SQL")
@click.argument("first", metavar="BACKEND")
@click.argument("second", metavar="BACKEND")
@as_whom_options
@click.option("--rows", type=click.IntRange(1, 10_000), default=1000, help="Read at most so many.")
@engine_options
@json_option
def command(wanted: Wanted, what: str, first: str, second: str, as_json: bool, **given: Any) -> None:
    """Run a read on two servers, and compare rows, types, warnings, times and plans."""
    meant = {"seq": int(what)} if what.isdecimal() else {"sql": what}
    told = asked(wanted, "compare", **meant, backends=[first, second], **given)
    if as_json:
        print_json(told)
    else:
        for line in comparison(told):
            click.echo(line)
    sys.exit(0 if told["equal"] else 1)
