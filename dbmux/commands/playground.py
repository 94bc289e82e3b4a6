"""`dbmux playground`: local servers."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from dbmux.commands.options import Refused
from dbmux.errors import DbMuxError
from dbmux.playground import playground, recipe
from dbmux.playground.dump import schema_for
from dbmux.playground.node import Node
from dbmux.playground.packages import NoPlace, Wish, parse_wish
from dbmux.playground.playground import Places, Scenario
from dbmux.playground.signals import interrupt_once
from dbmux.process import FINDINGS

_DUMP = click.Path(path_type=Path, exists=True, dir_okay=False)


class _WishType(click.ParamType[Wish]):
    name = "server"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Wish:
        try:
            return parse_wish(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
def command() -> None:
    """Run local MySQL and MariaDB servers, without root and away from port 3306."""


@command.command("list")
def list_recipes() -> None:
    """The recipes there are."""
    for name in recipe.names():
        click.echo(f"{name:16} {recipe.load(name).summary}")


@command.command()
@click.argument("name", metavar="[RECIPE]", default="single")
@click.option("--server", "servers", type=_WishType(), multiple=True, help="Instead of the recipe's, e.g. mysql:9.")
@click.option("--load", "dumps", type=_DUMP, multiple=True, help="An SQL dump to load on each server, gzipped or not.")
@click.option("--detach", is_flag=True, help="Return at once; `dbmux playground down` stops the servers.")
def up(name: str, servers: tuple[Wish, ...], dumps: tuple[Path, ...], detach: bool) -> None:
    """Start the servers of a recipe; Ctrl-C stops them."""
    interrupt_once()
    try:
        chosen = recipe.load(name)
        for dump in dumps:
            schema_for(dump)
        scenario = playground.up(chosen, servers, playground.default_places(), click.echo)
    except NoPlace as error:
        raise Refused(str(error)) from error
    except DbMuxError as error:
        raise click.ClickException(str(error)) from error
    # What ran before goes on.
    stays = detach or not scenario.started
    with contextlib.ExitStack() as stopping:
        if not stays:
            stopping.callback(_down, scenario)
        fine = not dumps or _load(scenario, dumps)
        _tell(scenario)
        if not stays:
            click.echo("Ctrl-C stops them.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    sys.exit(0 if fine else FINDINGS)


@command.command()
@click.option("--wipe", is_flag=True, help="Also delete the servers' data.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
def down(wipe: bool, yes: bool) -> None:
    """Stop all servers of the playground."""
    places = playground.default_places()
    known = list(playground.nodes(places))
    running = [found for found in known if found.pid is not None]
    playground.stop(running)
    for found in running:
        click.echo(f"{_full_name(found)} stopped")
    if not running:
        click.echo("No server of the playground is running.")
    if not (wipe and known):
        return
    click.echo(f"This deletes all data of {', '.join(map(_full_name, known))} in {places.data}.")
    if yes or click.confirm("Delete it?"):
        for found in known:
            found.wipe()
        click.echo("Deleted.")


@command.command()
def ps() -> None:
    """The servers there are."""
    known = list(playground.nodes(playground.default_places()))
    for found in known:
        state = f"127.0.0.1:{found.port}, pid {found.pid}" if found.pid else "stopped"
        role = f", replica of {found.primary}" if found.primary else ""
        click.echo(f"{_full_name(found)}: {found.software}{role}, {state}")
    if not known:
        click.echo("There are no servers yet; dbmux playground up starts some.")


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sql(node: str, arguments: tuple[str, ...]) -> None:
    """Open the server's own client as root.

    Further arguments are the client's: dbmux playground sql db -e "SELECT 1".
    """
    found = _found(playground.running_node, node)
    line = found.client("--default-character-set=utf8mb4", *arguments)
    os.execv(line[0], line)


@command.command()
@click.argument("node")
def logs(node: str) -> None:
    """The last lines of a server's log."""
    click.echo(_found(playground.node, node).last_log_lines(50))


def _found(find: Callable[[str, Places], Node], name: str) -> Node:
    try:
        return find(name, playground.default_places())
    except playground.NoNode as error:
        raise click.ClickException(str(error)) from error


def _full_name(found: Node) -> str:
    return f"{found.folder.parent.name}/{found.name}"


def _load(scenario: Scenario, dumps: tuple[Path, ...]) -> bool:
    try:
        fine = playground.load(scenario, dumps, click.echo)
        ends = playground.log_ends(scenario)
    except DbMuxError as error:
        raise click.ClickException(str(error)) from error
    if not fine:
        click.echo("The servers are not alike; mend the file, and begin anew: dbmux playground down --wipe")
    for name, end in ends.items() if fine else ():
        click.echo(f"dbmux mirror start --from-dump-position {end}   # all have the same there, by the log of {name}")
    return fine


def _tell(scenario: Scenario) -> None:
    for name, port in scenario.environment.items():
        click.echo(f"export {name}={port}")
    click.echo(f"dbmux serve --config {scenario.recipe.config}   # DbMux in front of them")
    for account, password in scenario.recipe.accounts.items():
        for found in scenario.nodes:
            click.echo(f"mysql -h 127.0.0.1 -P {found.port} -u {account} -p{password}   # {found.name}")


def _down(scenario: Scenario) -> None:
    playground.down(scenario)
    click.echo("\nThe servers are stopped; their data stays for the next time.")
