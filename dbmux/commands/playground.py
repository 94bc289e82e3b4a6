"""`dbmux playground`: local servers."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from dbmux.errors import DbMuxError
from dbmux.playground import playground, recipe
from dbmux.playground.node import Node
from dbmux.playground.packages import Wish, parse_wish
from dbmux.playground.playground import Scenario
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
@click.option(
    "--load", "dump", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="An SQL dump to load."
)
@click.option("--detach", is_flag=True, help="Return at once; `dbmux playground down` stops the servers.")
def up(name: str, servers: tuple[Wish, ...], dump: Path | None, detach: bool) -> None:
    """Start the servers of a recipe; Ctrl-C stops them."""
    try:
        scenario = playground.up(recipe.load(name), servers, playground.default_places(), click.echo)
    except DbMuxError as error:
        raise click.ClickException(str(error)) from error
    fine = dump is None or playground.load(scenario, dump, click.echo)
    _tell(scenario)
    if not detach:
        click.echo("Ctrl-C stops them.")
        _wait_for_signal()
        playground.down(scenario)
    sys.exit(0 if fine else FINDINGS)


@command.command()
@click.option("--wipe", is_flag=True, help="Also delete the servers' data.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
def down(wipe: bool, yes: bool) -> None:
    """Stop all servers of the playground."""
    for found in list(playground.nodes(playground.default_places())):
        was_running = found.pid is not None
        found.stop()
        if was_running:
            click.echo(f"{found.name} stopped")
        if wipe and (yes or click.confirm(f"Delete all data of {found.name} in {found.folder}?")):
            found.wipe()
            click.echo(f"{found.name}: data deleted")


@command.command()
def ps() -> None:
    """The servers there are."""
    for found in playground.nodes(playground.default_places()):
        state = f"pid {found.pid}, 127.0.0.1:{found.port}" if found.pid else "stopped"
        click.echo(f"{found.folder.parent.name}/{found.name}: {found.software.kind} {found.software.version}, {state}")


@command.command()
@click.argument("node")
@click.argument("arguments", nargs=-1)
def sql(node: str, arguments: tuple[str, ...]) -> None:
    """Open the server's own client as root."""
    line = _node(node).client(*arguments)
    os.execv(line[0], line)


@command.command()
@click.argument("node")
def logs(node: str) -> None:
    """The last lines of a server's log."""
    click.echo(_node(node).last_log_lines(50))


def _node(name: str) -> Node:
    try:
        return playground.node(name, playground.default_places())
    except playground.NoNode as error:
        raise click.ClickException(str(error)) from error


def _tell(scenario: Scenario) -> None:
    for name, port in scenario.environment.items():
        click.echo(f"export {name}={port}")
    for account, password in scenario.recipe.accounts.items():
        for found in scenario.nodes:
            click.echo(f"mysql -h 127.0.0.1 -P {found.port} -u {account} -p{password}   # {found.name}")


def _wait_for_signal() -> None:
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
