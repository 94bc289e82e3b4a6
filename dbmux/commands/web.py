"""`dbmux web`: the interface of a proxy that runs already, in a browser."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

import click

from dbmux.address import UnixAddress
from dbmux.commands.found import named, patient, which_argument
from dbmux.commands.options import NobodyAnswers, Refused, theme_option
from dbmux.feed.feed import Lost
from dbmux.feed.remote import RemoteFeed
from dbmux.text import why

CLIENT = "web"


@click.command()
@which_argument
@click.option("--write", is_flag=True, help="Let the browser give orders, too; else it only looks.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="The port (default: a free one).")
@theme_option
def command(which: str | None, write: bool, port: int, theme: str | None) -> None:
    """See what happens in a proxy that runs, in a browser on this machine.

    Prints the address to open, which has a secret in it. Ctrl-C ends it; the proxy goes on.
    """
    address = named(which)
    try:
        asyncio.run(_meet(address))
    except Lost as error:
        raise NobodyAnswers(str(error)) from error
    line = [sys.executable, "-P", "-m", "dbmux.cli", "attach", "--in-browser", "--theme", theme or "dark"]
    if not write:
        line.append("--read-only")
    asyncio.run(_serve([*line, "--", str(address)], port, "It may give orders." if write else "It only looks."))


async def _meet(address: UnixAddress) -> None:
    (await RemoteFeed.connect(address, CLIENT, patience=patient(address.path))).close()


async def _serve(line: Sequence[str], port: int, told: str) -> None:
    try:
        from dbmux.tui.web import Web
    except ModuleNotFoundError as error:
        raise Refused(f"{error.name} is missing: pip install 'dbmux[web]'") from None
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        async with Web(line, port, "DbMux") as server:
            click.echo(f"Open {server.url} in a browser on this machine. {told} Ctrl-C ends it.")
            await ended.wait()
    except OSError as error:
        raise Refused(f"--port {port} cannot be used: {why(error)}") from None
