"""`dbmux config`: what is in force in a running DbMux, what was before, and how to go back to that."""

from __future__ import annotations

import time
from typing import Any

import click

from dbmux.commands.asking import Wanted, asked, engine_options, json_option, print_json
from dbmux.commands.table import table
from dbmux.text import visible


@click.group()
def command() -> None:
    """Show what is in force, or put an earlier version in force."""


@command.command()
@engine_options
@json_option
def show(wanted: Wanted, as_json: bool) -> None:
    """Show every value, and the line of the file where it stands."""
    found: list[dict[str, Any]] = asked(wanted, "config")
    if as_json:
        print_json(found)
        return
    rows = [(one["path"], one["value"], _origin(one)) for one in found]
    for line in table(("setting", "value", "line"), rows):
        click.echo(line)


@command.command()
@engine_options
@json_option
def versions(wanted: Wanted, as_json: bool) -> None:
    """Show which configurations were in force, the newest first."""
    found: list[dict[str, Any]] = asked(wanted, "config.versions")
    if as_json:
        print_json(found)
        return
    rows = [(str(one["version"]), _moment(one["at"]), one["source"], "; ".join(one["changes"])) for one in found]
    for line in table(("version", "since", "from", "changes"), rows):
        click.echo(line)


@command.command()
@click.argument("number", type=click.IntRange(1), metavar="N")
@engine_options
@json_option
def rollback(number: int, wanted: Wanted, as_json: bool) -> None:
    """Put version N in force again, until the file says something new."""
    found = asked(wanted, "config.roll_back", version=number)
    if as_json:
        print_json(found)
        return
    for line in found["changes"] or ["nothing changes"]:
        click.echo(visible(line))


def _origin(one: dict[str, Any]) -> str:
    if one["line"]:
        return f"{one['line']}:{one['column']}"
    return "default" if one["is_default"] else "command line"


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
