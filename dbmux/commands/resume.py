"""`dbmux resume`: a server that was drained takes its share of reads again."""

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
    """Give a drained server its share of reads again; without a name, each of them."""
    found = asked(config, control, "/resume" + ("" if backend is None else f"?backend={quote(backend)}"), "POST")
    names = found["backends"]
    click.echo(f"{', '.join(names)} takes reads again" if names else "no server was drained")
