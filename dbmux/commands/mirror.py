"""`dbmux mirror`: the servers that get all that is written to another one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from dbmux.commands import differences
from dbmux.commands.asking import Wanted, asked, engine_options, json_option, print_json
from dbmux.commands.options import Refused
from dbmux.commands.table import table
from dbmux.process import FINDINGS


@click.group()
def command() -> None:
    """See how mirrors stand, begin and pause them, and what differs."""


@command.command()
@engine_options
@json_option
def status(wanted: Wanted, as_json: bool) -> None:
    """Show how each mirror stands."""
    found: list[dict[str, Any]] = asked(wanted, "mirrors")
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("no mirrors are configured; see: dbmux help mirroring")
        return
    rows = [
        (
            one["name"],
            _server(one["source"], one["source_version"]),
            _server(one["target"], one["target_version"]),
            one["state"],
            "-" if one["delay_seconds"] is None else f"{one['delay_seconds']:.1f} s",
            "-" if one["transactions"] is None else str(one["transactions"]),
            "-" if one["rows"] is None else str(one["rows"]),
        )
        for one in found
    ]
    heads = ("mirror", "from", "to", "state", "delay", "transactions", "rows")
    for line in table(heads, rows):
        click.echo(line)
    for one in found:
        if one["position"]:
            click.echo(f"{one['name']}: {one['target']} has all before {one['position']} of {one['source']}")
        if one["why"]:
            click.echo(f"{one['name']}: {one['why']}")


@command.command()
@click.argument("mirror", required=False, metavar="[MIRROR]")
@click.option(
    "--from-dump-position",
    "at",
    metavar="DUMP|FILE:OFFSET",
    help="The target was loaded from this dump, or from one of this place in the source's log.",
)
@click.option("--anew", is_flag=True, help="Forget where the target stands: both have the same rows now.")
@engine_options
@json_option
def start(mirror: str | None, at: str | None, anew: bool, wanted: Wanted, as_json: bool) -> None:
    """Begin to feed a target that is equal to its source.

    Without a position it is fed from now on: both must have the same rows, and nobody may write until this command
    returns.
    """
    place = None if at is None else _place(at)
    _tell(asked(wanted, "mirror.start", mirror=mirror, at=place, anew=anew), as_json)


@command.command()
@click.argument("mirror", required=False, metavar="[MIRROR]")
@engine_options
@json_option
def pause(mirror: str | None, wanted: Wanted, as_json: bool) -> None:
    """Leave a target where it is; nothing is lost as long as the source keeps its log."""
    _tell(asked(wanted, "mirror.pause", mirror=mirror), as_json)


@command.command()
@click.argument("mirror", required=False, metavar="[MIRROR]")
@click.option("--past-definition", is_flag=True, help="That at which it halted was done on the target by hand.")
@engine_options
@json_option
def resume(mirror: str | None, past_definition: bool, wanted: Wanted, as_json: bool) -> None:
    """Go on from where the target is."""
    _tell(asked(wanted, "mirror.resume", mirror=mirror, past_definition=past_definition), as_json)


command.add_command(differences.diff)
command.add_command(differences.accept)
command.add_command(differences.rerun)
command.add_command(differences.report)


def _server(name: str, version: str) -> str:
    # Without what a distribution adds: a line is to fit into a terminal.
    return f"{name} {version.partition('-')[0]}".rstrip()


def _place(written: str) -> str:
    dump = Path(written)
    if not dump.is_file():
        return written
    from dbmux.sync.dumped import BadDump, place_in

    try:
        found = place_in(dump)
    except BadDump as error:
        raise Refused(str(error)) from error
    return f"{found.file}:{found.offset}"


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['name']} is {found['state']} at {found['position'] or 'no position'}")
        if found["why"]:
            click.echo(found["why"])
    sys.exit(0 if found["state"] in ("running", "paused") else FINDINGS)
