"""The interface of an engine in another process, over its control socket.

The socket's address, a look and what it is good for come in; it returns when the interface is left, which changes
nothing for the engine.
When the engine goes away, what is shown stays, and it is sought until it is back.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from textual.driver import Driver

from dbmux.address import UnixAddress
from dbmux.control import sockets
from dbmux.feed.feed import Access, Hello, Lost, Refused
from dbmux.feed.remote import USUAL, Patience, RemoteFeed
from dbmux.tui.app import Interface
from dbmux.tui.look import Look
from dbmux.tui.terminal import Terminal

CLIENT = "attach"
AGAIN_S = 1.0


async def attached(
    address: UnixAddress,
    look: Look,
    access: Access = Access.ALL,
    driver: type[Driver] = Terminal,
    patience: Patience = USUAL,
) -> Hello:
    """Show it until somebody leaves; who it was. Raises Lost when it does not even answer, and what broke it."""
    feed = await RemoteFeed.connect(address, CLIENT, access, patience)
    interface = Interface(feed, look, driver=driver)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(_keep(feed, address, access, interface), name="keep the connection")
        await interface.run_async()
        keeping.cancel()
    if interface.failure is not None:
        raise interface.failure
    return feed.hello


async def _keep(feed: RemoteFeed, address: UnixAddress, access: Access, interface: Interface) -> None:
    try:
        while True:
            await feed.lost
            feed = await _again(feed, address, access, interface)
    finally:
        feed.close()


async def _again(feed: RemoteFeed, address: UnixAddress, access: Access, interface: Interface) -> RemoteFeed:
    tried, source = 0, feed.hello.source
    while True:
        tried += 1
        interface.hope = f"trying again ({tried}); "
        # One that was started anew has another number.
        for one in (address, *(UnixAddress(str(path)) for path in sockets.running(os.environ))):
            with suppress(Lost, Refused):
                found = await RemoteFeed.connect(one, CLIENT, access)
                if one == address or found.hello.source == source:
                    await interface.adopt(found)
                    return found
                found.close()
        await asyncio.sleep(AGAIN_S)
