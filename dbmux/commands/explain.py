"""`dbmux explain`: how a server goes about a statement, asked of the server that answered it."""

from __future__ import annotations

from typing import Any

import click

from dbmux.commands.asking import Wanted, asked, engine_options, json_option, print_json
from dbmux.commands.options import as_whom_options
from dbmux.feed.results import explanation


@click.command()
@click.argument("what", metavar="ID|SQL")
@click.option("--backend", metavar="NAME", help="Ask this server, instead of the one that answered.")
@as_whom_options
@click.option("--form", type=click.Choice(["tree", "json", "table"]), default="tree", help="The form of the plan.")
@click.option("--analyze", is_flag=True, help="Have the server run the read, and tell what it did.")
@engine_options
@json_option
def command(wanted: Wanted, what: str, as_json: bool, **given: Any) -> None:
    """Show a server's plan; ID is the number that `dbmux tail` shows before a statement."""
    meant = {"seq": int(what)} if what.isdecimal() else {"sql": what}
    told = asked(wanted, "explain", **meant, **given)
    if as_json:
        print_json(told)
        return
    for line in explanation(told):
        click.echo(line)
