"""`dbmux drain`: a server, or all of a running DbMux, takes no more work and finishes what it has."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import click

from dbmux.commands.asking import asked, control_option
from dbmux.commands.options import config_option


@click.command()
@click.argument("backend", required=False, metavar="[BACKEND]")
@config_option
@control_option
def command(backend: str | None, config: Path | None, control: str | None) -> None:
    """Give a server no more reads until `dbmux resume`; without a name, let clients finish and end DbMux."""
    found = asked(config, control, "/drain" + ("" if backend is None else f"?backend={quote(backend)}"), "POST")
    if backend is None:
        click.echo("draining: no new clients, and DbMux ends with the last one")
    else:
        click.echo(f"{backend} takes no more reads; {found['busy']} connections to it are in use now")
