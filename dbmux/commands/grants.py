"""`dbmux grants`: the SQL that gives DbMux its rights."""

from __future__ import annotations

from pathlib import Path

import click

from dbmux.commands.options import config_option, configured
from dbmux.config.grants import grants


@click.command()
@config_option
def command(config: Path | None) -> None:
    """Print the SQL that gives DbMux the rights this configuration needs."""
    click.echo(grants(configured(config)[1]), nl=False)
