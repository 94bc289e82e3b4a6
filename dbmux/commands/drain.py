"""`dbmux drain`: a server, or all of a running DbMux, takes no more work and finishes what it has."""

from __future__ import annotations

import click

from dbmux.commands.asking import Wanted, asked, control_option, json_option, print_json
from dbmux.feed.outcome import outcome


@click.command()
@click.argument("backend", required=False, metavar="[BACKEND]")
@control_option
@json_option
def command(backend: str | None, wanted: Wanted, as_json: bool) -> None:
    """Give a server no more reads until `dbmux resume`; without a name, let clients finish and end DbMux."""
    found = asked(wanted, "drain", backend=backend)
    if as_json:
        print_json(found)
    else:
        click.echo(outcome("drain", found))
