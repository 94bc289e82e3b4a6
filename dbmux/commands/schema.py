"""`dbmux schema`: the JSON Schema of appconfig.json."""

from __future__ import annotations

import click

from dbmux.config.schema import schema


@click.command()
def command() -> None:
    """Print the JSON Schema of appconfig.json."""
    click.echo(schema(), nl=False)
