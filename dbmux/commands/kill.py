"""`dbmux kill`: what runs for a client is stopped, or its connection ended."""

from __future__ import annotations

import click

from dbmux.commands.asking import Wanted, asked, engine_options, json_option, print_json
from dbmux.feed.outcome import outcome


@click.command()
@click.argument("session", type=click.IntRange(0))
@engine_options
@click.option("--connection", is_flag=True, help="End its connection.")
@json_option
def command(session: int, wanted: Wanted, connection: bool, as_json: bool) -> None:
    """Stop the statement that runs for a client, as KILL QUERY does; SESSION is its id in `dbmux clients`."""
    found = asked(wanted, "kill", session=session, what="connection" if connection else "query")
    if as_json:
        print_json(found)
    else:
        click.echo(outcome("kill", found))
