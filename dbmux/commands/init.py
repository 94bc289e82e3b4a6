"""`dbmux init`: a first configuration."""

from __future__ import annotations

from pathlib import Path

import click

from dbmux.commands.options import Refused
from dbmux.config.load import FILE_NAME
from dbmux.config.schema import schema
from dbmux.text import why

SCHEMA_NAME = "appconfig.schema.json"
FIRST = f"""{{ "$schema": "./{SCHEMA_NAME}",
  "listen": "127.0.0.1:3307",
  "backends": {{ "db": "127.0.0.1:3306" }} }}
"""


@click.command()
def command() -> None:
    """Write appconfig.json and its schema here; an existing appconfig.json is left alone."""
    path = Path(FILE_NAME)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(FIRST)
        Path(SCHEMA_NAME).write_text(schema(), encoding="utf-8")
    except FileExistsError:
        raise Refused(f"{path} is here already; remove it first, or edit it and run `dbmux check`") from None
    except OSError as error:
        raise Refused(f"{error.filename} cannot be written: {why(error)}") from None
    click.echo(
        f"Wrote {path} and {SCHEMA_NAME}. Put your server's address in, then: dbmux check --connect, dbmux serve"
    )
