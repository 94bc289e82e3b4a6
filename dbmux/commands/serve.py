"""`dbmux serve`: run the proxy, headless."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from dbmux import process
from dbmux.address import Address, TcpAddress, UnixAddress
from dbmux.commands.engine import control_socket, engine, engine_options, reached
from dbmux.kernel import COMPILED
from dbmux.proxy import Engine
from dbmux.version import VERSION


@click.command()
@engine_options
def command(config: Path | None, listen: str | None, backend: str | None, log_format: str) -> None:
    """Run the proxy until it is told to stop; SIGTERM drains, SIGHUP reloads."""
    options = engine(config, listen, backend, log_format, _say)
    sys.exit(process.run(replace(options, environment=os.environ, socket=control_socket())))


def _say(started: process.Started) -> None:
    try:
        for line in banner(started.engine, started.control):
            click.echo(line)
    except OSError:
        # Whoever started it does not listen any more: `dbmux serve | head -1`. Python would try again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def banner(engine: Engine, control: Address | None) -> Iterator[str]:
    """What to put into an application, for each address that accepts clients."""
    yield f"DbMux {VERSION}{'' if COMPILED else ' (not compiled: slower)'}"
    for configured, listener in engine.listeners.items():
        group = next(engine.config.group_of(one) for one in engine.config.listen if one.address == configured)
        yield f"  {listener.address} serves {group}"
        match listener.address:
            case TcpAddress() as address:
                here = reached(address)
                yield f"    in the application: host {here.host}, port {here.port}"
                yield f"    by hand: mysql -h {here.host} -P {here.port} -u USER -p"
            case UnixAddress(path):
                yield f"    by hand: mysql -S {path} -u USER -p"
    if control is not None:
        yield f"  {control} answers /healthz, /readyz and /metrics"
    yield '  Write 127.0.0.1 rather than "localhost": many clients take localhost for the server\'s Unix socket,'
    yield "  and so go past DbMux."
