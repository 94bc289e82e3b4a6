"""`dbmux init`: a first configuration."""

from __future__ import annotations

from pathlib import Path

import click

from dbmux.config.load import FILE_NAME
from dbmux.config.schema import schema

SCHEMA_NAME = "appconfig.schema.json"
FIRST = f"""{{ "$schema": "./{SCHEMA_NAME}",
  "listen": "127.0.0.1:3307",
  "backends": {{ "db": "127.0.0.1:3306" }} }}
"""


@click.command()
def command() -> None:
    """Write appconfig.json and its schema here; an existing appconfig.json is left alone."""
    path = Path(FILE_NAME)
    if path.exists():
        raise click.ClickException(f"{path} is here already; remove it first, or edit it and run `dbmux check`")
    path.write_text(FIRST)
    Path(SCHEMA_NAME).write_text(schema())
    click.echo(
        f"Wrote {path} and {SCHEMA_NAME}. Put your server's address in, then: dbmux check --connect, dbmux serve"
    )
