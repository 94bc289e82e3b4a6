"""`dbmux tui`: run the proxy, and see what happens in it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from dbmux import process
from dbmux.commands.engine import control_socket, engine, engine_options
from dbmux.commands.options import Refused, theme_option
from dbmux.observe.logfile import Log
from dbmux.text import why
from dbmux.tui import launcher


@click.command()
@engine_options
@theme_option
@click.option("--tour", hidden=True, metavar="SCHEMA.TABLE", help="Teach six keys, with this table as the example.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Append to this file what serve logs.")
def command(
    config: Path | None,
    listen: str | None,
    backend: str | None,
    log_format: str,
    theme: str | None,
    tour: str | None,
    log: Path | None,
) -> None:
    """Run the proxy, and see what happens in it.

    Takes what serve takes. Traffic does not end with the interface: q asks what is to become of it, and dbmux attach
    comes back.
    """
    options = engine(config, listen, backend, log_format, lambda started: None)
    try:
        launcher.require_terminal()
    except launcher.NoTerminal as error:
        raise Refused(f"{error}; without one, there is `dbmux serve`, and `dbmux attach` from elsewhere") from None
    try:
        opened = None if log is None else log.open("a", encoding="utf-8")
    except OSError as error:
        raise Refused(f"--log: {log} cannot be opened: {why(error)}") from None
    worker = launcher.fork()
    # Loaded while nobody waits for the launcher; it takes a third of a second, which `--help` need not.
    from dbmux.tui.host import Host
    from dbmux.tui.look import chosen
    from dbmux.tui.tour import Place, Tour

    process.raise_open_files_limit()
    options = replace(options, socket=control_socket())
    kept = None if opened is None else Log(opened, options.log_format)
    guide = None if tour is None else Tour(Place(str(options.source), tour))
    sys.exit(Host(options, kept, chosen(theme, os.environ), worker, tour=guide).run())
