"""`dbmux attach`: the interface of a proxy that runs already."""

from __future__ import annotations

import asyncio
import os

import click
import platformdirs

from dbmux.commands.found import named, which_argument
from dbmux.commands.options import Refused, theme_option
from dbmux.errors import DbMuxError
from dbmux.tui.attached import attached
from dbmux.tui.launcher import NoTerminal, require_terminal
from dbmux.tui.look import chosen
from dbmux.tui.report import reported


@click.command()
@which_argument
@theme_option
def command(which: str | None, theme: str | None) -> None:
    """See what happens in a proxy that runs: the one there is, or the one with this process number or control socket.

    Leaving it changes nothing for the proxy.
    """
    address = named(which)
    try:
        require_terminal()
    except NoTerminal as error:
        raise Refused(f"{error}; without one, there is `dbmux tail`, `top` and `status`") from None
    try:
        hello = asyncio.run(attached(address, chosen(theme, os.environ)))
    except DbMuxError:
        raise
    except Exception as error:
        report = reported(error, platformdirs.user_state_path("dbmux"))
        raise click.ClickException(f"the interface broke; the proxy goes on. {report}") from error
    click.echo(f"DbMux goes on as process {hello.pid}.")
