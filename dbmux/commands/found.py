"""Which of this user's running engines is meant, for the commands that look at one.

A process number, a path or nothing comes in, the address of a control socket goes out; where that is not clear, the
command is refused with what there is.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from dbmux.address import UnixAddress
from dbmux.commands.options import Command, Refused
from dbmux.control import sockets
from dbmux.feed.feed import Hello, Lost
from dbmux.feed.remote import RemoteFeed

NONE = "no DbMux of yours runs here: `dbmux tui` starts one that can be seen, `dbmux serve` one without a screen"


def which_argument(command: Command) -> Command:
    """`[PID|PATH]`."""
    return click.argument("which", required=False, metavar="[PID|PATH]")(command)


def found(which: str | None) -> UnixAddress:
    """The control socket that is meant; raises Refused."""
    if which is not None and not which.isdigit():
        return UnixAddress(which)
    running = asyncio.run(_running())
    if which is not None:
        running = {path: hello for path, hello in running.items() if path.stem == which}
        if not running:
            raise Refused(f"no DbMux of yours runs as process {which}; `dbmux attach` finds those that do")
    match list(running):
        case []:
            raise Refused(NONE)
        case [path]:
            return UnixAddress(str(path))
        case _:
            told = "\n".join(f"  {hello.pid:>7}  {hello.source}" for hello in running.values())
            raise Refused(f"several run; say which one by its number:\n{told}")


async def _running() -> dict[Path, Hello]:
    told = {}
    for path in sockets.running(os.environ):
        try:
            feed = await RemoteFeed.connect(UnixAddress(str(path)), "attach")
        except Lost:
            # What a process that was killed has left, and another one has its number now.
            continue
        feed.close()
        told[path] = feed.hello
    return told
