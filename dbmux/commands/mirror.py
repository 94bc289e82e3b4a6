"""`dbmux mirror`: the servers that get all that is written to another one."""

from __future__ import annotations

from typing import Any

import click

from dbmux.commands import differences
from dbmux.commands.asking import Wanted, asked, engine_options, json_option, print_json
from dbmux.commands.table import table


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
            f"{one['source']} {one['source_version']}".rstrip(),
            f"{one['target']} {one['target_version']}".rstrip(),
            one["state"],
            "-" if one["delay_seconds"] is None else f"{one['delay_seconds']:.1f} s",
            one["position"] or "-",
            "-" if one["transactions"] is None else str(one["transactions"]),
            "-" if one["rows"] is None else str(one["rows"]),
        )
        for one in found
    ]
    heads = ("mirror", "from", "to", "state", "delay", "position", "transactions", "rows")
    for line in table(heads, rows):
        click.echo(line)
    for one in found:
        if one["why"]:
            click.echo(f"{one['name']}: {one['why']}")


@command.command()
@click.argument("mirror", required=False, metavar="[MIRROR]")
@click.option("--from-dump-position", "at", metavar="FILE:OFFSET", help="The target was loaded from a dump of there.")
@engine_options
@json_option
def start(mirror: str | None, at: str | None, wanted: Wanted, as_json: bool) -> None:
    """Begin to feed a target that is equal to its source.

    Without a position it is fed from now on: both must have the same rows, and nobody may write until this command
    returns.
    """
    _tell(asked(wanted, "mirror.start", mirror=mirror, at=at), as_json)


@command.command()
@click.argument("mirror", required=False, metavar="[MIRROR]")
@engine_options
@json_option
def pause(mirror: str | None, wanted: Wanted, as_json: bool) -> None:
    """Leave a target where it is; nothing is lost as long as the source keeps its log."""
    _tell(asked(wanted, "mirror.pause", mirror=mirror), as_json)


@command.command()
@click.argument("mirror", required=False, metavar="[MIRROR]")
@click.option("--past-definition", is_flag=True, help="The next definition was made on the target by hand.")
@engine_options
@json_option
def resume(mirror: str | None, past_definition: bool, wanted: Wanted, as_json: bool) -> None:
    """Go on from where the target is."""
    _tell(asked(wanted, "mirror.resume", mirror=mirror, past_definition=past_definition), as_json)


command.add_command(differences.diff)
command.add_command(differences.accept)
command.add_command(differences.rerun)
command.add_command(differences.report)


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found['name']} is {found['state']} at {found['position'] or 'no position'}")
