"""`dbmux resume`: a server that was drained takes its share of reads again."""

from __future__ import annotations

import click

from dbmux.commands.asking import Wanted, asked, control_option, json_option, print_json
from dbmux.feed.outcome import outcome


@click.command()
@click.argument("backend", required=False, metavar="[BACKEND]")
@control_option
@json_option
def command(backend: str | None, wanted: Wanted, as_json: bool) -> None:
    """Give a drained server its share of reads again; without a name, each of them."""
    found = asked(wanted, "resume", backend=backend)
    if as_json:
        print_json(found)
        return
    click.echo(outcome("resume", found))
