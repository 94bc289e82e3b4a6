"""What commands that ask a running DbMux have in common: where it is, and the forms of the answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from dbmux.commands.options import configured
from dbmux.config.values import CONTROL_PORT, read_address
from dbmux.control.ask import ask
from dbmux.errors import ConfigError

control_option = click.option("--control", metavar="HOST:PORT", help="The control address, instead of the file's.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def asked(config: Path | None, control: str | None, path: str, method: str = "GET") -> Any:
    """What the running DbMux of this configuration says at `path`; raises DbMuxError."""
    if control is not None:
        try:
            address = read_address(control, CONTROL_PORT)
        except ValueError as error:
            raise click.UsageError(f"--control: {error}") from None
    else:
        file, loaded = configured(config)
        if loaded.control is None:
            raise ConfigError((f'{file}: no control address; "control": "127.0.0.1:3380" opens one',))
        address = loaded.control
    return asyncio.run(ask(address, path, method))
