"""`dbmux serve`: run the proxy, headless."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import platformdirs

from dbmux import process
from dbmux.address import Address, TcpAddress, UnixAddress
from dbmux.commands.files import usable
from dbmux.commands.options import config_option
from dbmux.config import load
from dbmux.config.model import Config
from dbmux.control import sockets
from dbmux.kernel import COMPILED
from dbmux.observe.logfile import LogFormat
from dbmux.proxy import Engine
from dbmux.version import VERSION

DEFAULT_BACKEND = "127.0.0.1:3306"
# Where a client on this machine finds what listens on all interfaces, or under a name that clients misunderstand.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}


@click.command()
@config_option
@click.option("--listen", metavar="HOST:PORT", help="Where clients connect (default: 127.0.0.1:3307).")
@click.option("--backend", metavar="HOST:PORT", help="The one server behind; needs no configuration file.")
@click.option("--log-format", type=click.Choice([form.value for form in LogFormat]), default="text", show_default=True)
def command(config: Path | None, listen: str | None, backend: str | None, log_format: str) -> None:
    """Run the proxy until it is told to stop; SIGTERM drains, SIGHUP reloads."""
    source, loaded = _configuration(config, backend)

    def adjust(read: Config) -> Config:
        adjusted = read if listen is None else load.with_listen(read, listen)
        load.check_addresses(adjusted)
        return adjusted

    options = process.Options(
        config=loaded,
        adjust=adjust,
        source=source,
        log_format=LogFormat(log_format),
        state_folder=platformdirs.user_state_path("dbmux"),
        started=_say,
        environment=os.environ,
        socket=control_socket(),
    )
    sys.exit(process.run(options))


def control_socket() -> Path | None:
    """Where this process can be looked at; None, having said why, where there is no place for that."""
    try:
        return sockets.own(os.environ, os.getpid())
    except sockets.NoRuntimeFolder as error:
        click.echo(f"dbmux tail, top, attach and their like will not find this process: {error}", err=True)
        return None


def _configuration(config: Path | None, backend: str | None) -> tuple[Path | None, Config]:
    if backend is not None and config is not None:
        raise click.UsageError("--backend and --config exclude each other: the file names the backends")
    if backend is not None:
        return None, load.for_backend(backend)
    source = load.find(config, os.environ)
    if source is None:
        click.echo(f"No {load.FILE_NAME} here and no --backend: trying the server at {DEFAULT_BACKEND}.")
        return None, load.for_backend(DEFAULT_BACKEND)
    return usable(source)


def _say(started: process.Started) -> None:
    try:
        for line in banner(started.engine, started.control):
            click.echo(line)
    except OSError:
        # Whoever started it does not listen any more: `dbmux serve | head -1`. Python would try again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def banner(engine: Engine, control: Address | None) -> Iterator[str]:
    """What to put into an application, for each address that accepts clients."""
    yield f"DbMux {VERSION}{'' if COMPILED else ' (pure-Python kernel: slower on large results)'}"
    for configured, listener in engine.listeners.items():
        group = next(engine.config.group_of(one) for one in engine.config.listen if one.address == configured)
        yield f"  {listener.address} serves {group}"
        match listener.address:
            case TcpAddress(host, port):
                reached = _REACHED_AT.get(host, host)
                yield f"    in the application: host {reached}, port {port}"
                yield f"    by hand: mysql -h {reached} -P {port} -u USER -p"
            case UnixAddress(path):
                yield f"    by hand: mysql -S {path} -u USER -p"
    if control is not None:
        yield f"  {control} answers /healthz, /readyz and /metrics"
    yield '  Write 127.0.0.1 rather than "localhost": many clients take localhost for the server\'s Unix socket,'
    yield "  and so go past DbMux."
