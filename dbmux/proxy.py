"""The composition root: configuration in, a running proxy out.

Builds backends, frontend, listeners and observers, joins them, applies new configurations to them, and takes them down
in order. Contains no decision about a query.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time

import uvloop

from dbmux.address import Address
from dbmux.backend.server import Backend
from dbmux.backend.topology import Topology
from dbmux.config.model import ClientTlsMode, Config
from dbmux.events import Event
from dbmux.frontend.frontend import Frontend, Randomness, Settings
from dbmux.net.certificate import backend_context
from dbmux.net.dial import dial
from dbmux.net.listener import listen


async def serve(config: Config) -> None:
    backends = {
        name: Backend(name, c, dial=dial, tls=backend_context(c.tls, is_local=c.address.is_local), connect_timeout_s=5)
        for name, c in config.backends.items()
    }
    topology = Topology(backends, {name: name for name in backends})
    settings = Settings(
        topology=topology,
        users=config.users,
        login=config.login,
        tls_mode=ClientTlsMode.OFF,
        tls=None,
        max_clients=config.limits.clients,
        inspect_max=config.limits.inspect_max,
        login_timeout_s=config.timeouts.login,
    )

    def emit(event: Event) -> None:
        if type(event).__name__ != "QueryFinished":
            print(event, file=sys.stderr)

    async with Frontend(settings, emit=emit, randomness=Randomness(bytes=secrets.token_bytes)) as frontend:
        for l in config.listen:
            group = config.group_of(l)
            await listen(l.address, lambda channel: frontend.accept(channel, str(l.address), group))
        await asyncio.Event().wait()


if __name__ == "__main__":
    from dbmux.address import parse_address
    from dbmux.config.model import BackendConfig, Listen

    uvloop.run(serve(Config(listen=(Listen(address=parse_address(sys.argv[1])),), backends={"db": BackendConfig(address=parse_address(sys.argv[2]))})))
