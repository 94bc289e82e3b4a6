"""`dbmux reload`: the configuration is read again, new or not, as SIGHUP has it."""

from __future__ import annotations

import click

from dbmux.commands.asking import Wanted, asked, engine_options, json_option, print_json
from dbmux.text import visible


@click.command()
@engine_options
@json_option
def command(wanted: Wanted, as_json: bool) -> None:
    """Have a running DbMux read its configuration again; exit 2 and every problem when it cannot be used."""
    found = asked(wanted, "config.reload")
    if as_json:
        print_json(found)
        return
    for line in found["changes"] or ["nothing changes"]:
        click.echo(visible(line))
