"""`dbmux tui` with a second page that breaks as soon as it is looked at; the server's address comes in."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult

from dbmux.commands.engine import control_socket, engine
from dbmux.feed.feed import Feed
from dbmux.tui import launcher
from dbmux.tui.header import Words
from dbmux.tui.host import Host
from dbmux.tui.look import Look, chosen
from dbmux.tui.page import Page
from dbmux.tui.pages.live import Live


class Broken(Page):
    """It has a secret among its local variables."""

    name_: ClassVar[str] = "Broken"

    def compose(self) -> ComposeResult:
        """Something to be seen."""
        yield Words(self.look)

    async def renew(self) -> None:
        """Break."""
        statement = "SELECT 'a secret'"
        raise RuntimeError(f"a page broke after {len(statement)} characters")


def pages(feed: Feed, look: Look) -> list[Page]:
    """One that works, one that does not."""
    return [Live(feed, look), Broken(feed, look)]


if __name__ == "__main__":
    options = engine(None, "127.0.0.1:0", sys.argv[1], "text", lambda started: None)
    worker = launcher.fork()
    host = Host(replace(options, socket=control_socket()), None, chosen("ascii", os.environ), worker, pages)
    sys.exit(host.run())
