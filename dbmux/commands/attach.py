"""`dbmux attach`: the interface of a proxy that runs already."""

from __future__ import annotations

import asyncio
import os

import click
import platformdirs

from dbmux.commands.found import named, patient, which_argument
from dbmux.commands.options import Refused, theme_option
from dbmux.errors import DbMuxError
from dbmux.feed.feed import Access
from dbmux.tui.attached import attached
from dbmux.tui.browser import Browser
from dbmux.tui.launcher import NoTerminal, require_terminal
from dbmux.tui.look import chosen
from dbmux.tui.report import reported
from dbmux.tui.terminal import Terminal


@click.command()
@which_argument
@click.option("--read-only", is_flag=True, help="Only look: no order is given.")
@click.option("--in-browser", hidden=True, is_flag=True, help="At the other end of a pipe there is a browser.")
@theme_option
def command(which: str | None, theme: str | None, read_only: bool, in_browser: bool) -> None:
    """See what happens in a proxy that runs: the one there is, or the one with this process number or control socket.

    Leaving it changes nothing for the proxy.
    """
    address = named(which)
    try:
        if not in_browser:
            require_terminal()
    except NoTerminal as error:
        raise Refused(f"{error}; without one, there is `dbmux web`, `tail`, `top` and `status`") from None
    access = Access.LOOKING if read_only else Access.ALL
    try:
        driver = Browser if in_browser else Terminal
        waits = patient(address.path)
        hello = asyncio.run(attached(address, chosen(theme, os.environ), access, driver, waits))
    except DbMuxError:
        raise
    except Exception as error:
        report = reported(error, platformdirs.user_state_path("dbmux"))
        raise click.ClickException(f"the interface broke; the proxy goes on. {report}") from error
    if not in_browser:
        click.echo(f"DbMux goes on as process {hello.pid}.")
