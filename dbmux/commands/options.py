"""Options that several subcommands share, how a configuration is found from them, and how it ends without."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    # Loading it takes a fifth of a second, and few commands need it.
    from dbmux.config.model import Config

Command = TypeVar("Command", bound=Callable[..., object])


def config_option(command: Command) -> Command:
    """`--config FILE`."""
    kind = click.Path(path_type=Path, dir_okay=False)
    return click.option("--config", type=kind, help="Configuration file (default: ./appconfig.json).")(command)


def as_whom_options(command: Command) -> Command:
    """`--user` and `--schema`: whose rights, and where names without a schema are."""
    user = click.option("--user", metavar="NAME", help="As this user of DbMux.")
    schema = click.option("--schema", metavar="NAME", help="Where names without a schema are.")
    return user(schema(command))


def theme_option(command: Command) -> Command:
    """`--theme`."""
    kind = click.Choice(["dark", "light", "ascii"])
    return click.option("--theme", type=kind, help="Colours and signs (default: what fits the terminal).")(command)


def configured(path: Path | None) -> tuple[Path, Config]:
    """The configuration file that is meant, and what it says; raises ConfigError."""
    from dbmux.config import load

    found = load.find(path, os.environ) or Path(load.FILE_NAME)
    return found, load.load(found, os.environ)


class Refused(click.ClickException):
    """The command was not run, and the message says what to do about it."""

    exit_code = 2


class NobodyAnswers(click.ClickException):
    """No DbMux runs, or the one that is meant says nothing."""

    exit_code = 3
