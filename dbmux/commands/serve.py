"""`dbmux serve`: run the proxy, headless."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import platformdirs

from dbmux import process
from dbmux.address import TcpAddress
from dbmux.commands.options import config_option
from dbmux.config import load
from dbmux.config.model import Config
from dbmux.kernel import COMPILED
from dbmux.observe.logfile import LogFormat
from dbmux.proxy import Engine
from dbmux.version import VERSION

DEFAULT_BACKEND = "127.0.0.1:3306"


@click.command()
@config_option
@click.option("--listen", metavar="HOST:PORT", help="Where clients connect (default: 127.0.0.1:3307).")
@click.option("--backend", metavar="HOST:PORT", help="The one server behind; needs no configuration file.")
@click.option("--log-format", type=click.Choice([form.value for form in LogFormat]), default="text", show_default=True)
def command(config: Path | None, listen: str | None, backend: str | None, log_format: str) -> None:
    """Run the proxy until it is told to stop; SIGTERM drains, SIGHUP reloads."""
    source, loaded = _configuration(config, backend)

    def adjust(read: Config) -> Config:
        return read if listen is None else load.with_listen(read, listen)

    options = process.Options(
        config=adjust(loaded),
        adjust=adjust,
        source=source,
        log_format=LogFormat(log_format),
        state_folder=platformdirs.user_state_path("dbmux"),
        started=_say,
    )
    sys.exit(process.run(options))


def _configuration(config: Path | None, backend: str | None) -> tuple[Path | None, Config]:
    if backend is not None and config is not None:
        raise click.UsageError("--backend and --config exclude each other: the file names the backends")
    if backend is not None:
        return None, load.for_backend(backend)
    source = load.find(config, os.environ)
    if source is None:
        click.echo(f"No {load.FILE_NAME} here and no --backend: trying the server at {DEFAULT_BACKEND}.")
        return None, load.for_backend(DEFAULT_BACKEND)
    return source, load.load(source, os.environ)


def _say(engine: Engine) -> None:
    click.echo(f"DbMux {VERSION}{'' if COMPILED else ' (pure-Python kernel: slower on large results)'}")
    for configured, listener in engine.listeners.items():
        group = next(engine.config.group_of(one) for one in engine.config.listen if one.address == configured)
        click.echo(f"  {listener.address} serves {group}")
        if isinstance(listener.address, TcpAddress):
            host = "127.0.0.1" if listener.address.host in ("0.0.0.0", "::", "localhost") else listener.address.host
            click.echo(f"    in the application: host {host}, port {listener.address.port}")
            click.echo(f"    by hand: mysql -h {host} -P {listener.address.port} -u USER -p")
    click.echo('  Write 127.0.0.1 rather than "localhost": many clients take localhost for the server\'s Unix socket,')
    click.echo("  and so go past DbMux.")
