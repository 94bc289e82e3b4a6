"""`dbmux plan`: what DbMux would do with a statement, without doing it."""

from __future__ import annotations

from typing import Any

import click

from dbmux.commands.asking import Wanted, asked, engine_options, json_option, print_json
from dbmux.commands.options import as_whom_options
from dbmux.feed.results import decisions


@click.command()
@click.argument("sql")
@as_whom_options
@click.option("--group", metavar="NAME", help="For clients of this group, instead of the first address's.")
@engine_options
@json_option
def command(wanted: Wanted, as_json: bool, **given: Any) -> None:
    """Show what DbMux would do with SQL: its meaning, the rule, the route, the cache."""
    steps = asked(wanted, "plan", **given)
    if as_json:
        print_json(steps)
        return
    for line in decisions(steps):
        click.echo(line)
