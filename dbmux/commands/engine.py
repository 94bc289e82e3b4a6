"""What the commands that run an engine have in common: their options, and how its configuration is found from them.

Options come in as typed; what the engine is to do goes out, or ConfigError is raised.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import platformdirs

from dbmux import process
from dbmux.address import TcpAddress
from dbmux.commands.files import usable
from dbmux.commands.options import config_option
from dbmux.config import load
from dbmux.config.model import Config
from dbmux.control import sockets
from dbmux.observe.logfile import LogFormat

Command = TypeVar("Command", bound=Callable[..., object])

DEFAULT_BACKEND = "127.0.0.1:3306"
# Where a client on this machine finds what listens on all interfaces, or under a name that clients misunderstand.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}


def engine_options(command: Command) -> Command:
    """`--config`, `--listen`, `--backend` and `--log-format`."""
    forms = click.Choice([form.value for form in LogFormat])
    for option in (
        click.option("--log-format", type=forms, default="text", show_default=True),
        click.option("--backend", metavar="HOST:PORT", help="The one server behind; needs no configuration file."),
        click.option("--listen", metavar="HOST:PORT", help="Where clients connect (default: 127.0.0.1:3307)."),
        config_option,
    ):
        command = option(command)
    return command


def engine(
    config: Path | None,
    listen: str | None,
    backend: str | None,
    log_format: str,
    started: Callable[[process.Started], None],
) -> process.Options:
    """What is to run, as these options say."""
    source, loaded = _configuration(config, backend)

    def adjust(read: Config) -> Config:
        adjusted = read if listen is None else load.with_listen(read, listen)
        load.check_addresses(adjusted)
        return adjusted

    return process.Options(
        config=loaded,
        adjust=adjust,
        source=source,
        log_format=LogFormat(log_format),
        state_folder=platformdirs.user_state_path("dbmux"),
        started=started,
    )


def control_socket() -> Path | None:
    """Where this process can be looked at; None, having said why, where there is no place for that."""
    try:
        return sockets.own(os.environ, os.getpid())
    except sockets.NoRuntimeFolder as error:
        click.echo(f"dbmux tail, top, attach and their like will not find this process: {error}", err=True)
        return None


def reached(address: TcpAddress) -> TcpAddress:
    """The address that a client on this machine uses."""
    return TcpAddress(_REACHED_AT.get(address.host, address.host), address.port)


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
