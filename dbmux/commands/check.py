"""`dbmux check`: is the configuration right, and with --connect, are the servers there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import uvloop

from dbmux.backend.login import Credentials, log_in
from dbmux.backend.server import Backend, Wish
from dbmux.commands.files import usable
from dbmux.commands.options import config_option
from dbmux.config.model import Config, LoginMode
from dbmux.errors import DbMuxError
from dbmux.net.certificate import backend_context
from dbmux.net.dial import dial
from dbmux.process import FINDINGS
from dbmux.wire.capabilities import NEEDED, Capability

UTF8MB4 = 45


@click.command()
@config_option
@click.option("--connect", is_flag=True, help="Also reach every server, and log in with every account.")
def command(config: Path | None, connect: bool) -> None:
    """Check the configuration; exit 2 and every problem, or 0 and a summary."""
    path, loaded = usable(config)
    click.echo(f"{path}: fine")
    for line in summary(loaded):
        click.echo(f"  {line}")
    if connect and not uvloop.run(_connect(loaded)):
        sys.exit(FINDINGS)


def summary(config: Config) -> Iterator[str]:
    """What the configuration does, and what its way of logging in cannot do."""
    for listen in config.listen:
        group = config.group_of(listen)
        primary = config.groups[group].primary if group in config.groups else group
        yield f"{listen.address} serves {group}: {primary} at {config.backends[primary].address}"
    if config.users:
        count = "1 user" if len(config.users) == 1 else f"{len(config.users)} users"
        yield f"login: {count} of the configuration; nobody else gets in"
        yield "  accounts with plugins other than native, caching_sha2 and clear text over TLS cannot be used"
        if config.login is LoginMode.LEARN:
            yield '  "login": "learn" has no effect beside `users`'
    elif config.login is LoginMode.LEARN:
        yield "login: learn; clients show their passwords in TLS or encrypted, and the server checks them"
    else:
        yield "login: relay; every account works as it is, and each client has one backend connection at a time"
        yield '  further connections for a client cannot be opened; "login": "learn" or `users` can'
        for name, backend in config.backends.items():
            if backend.min_idle:
                yield f'  backends.{name}.min_idle has no effect without a password; write "login": "learn"'
    if config.control is None:
        yield 'control: off; "control": "127.0.0.1:3380" switches on /healthz, /readyz and /metrics'


async def _connect(config: Config) -> bool:
    fine = True
    for name, backend_config in config.backends.items():
        context = backend_context(backend_config.tls, is_local=backend_config.address.is_local)
        backend = Backend(name, backend_config, dial=dial, tls=context, connect_timeout_s=config.timeouts.connect)
        try:
            await backend.meet()
        except DbMuxError as error:
            # The error of a session would send its reader here.
            click.echo(f"  {name}: {backend_config.address} cannot be reached: {backend.error or error}")
            fine = False
            continue
        click.echo(f"  {name}: {backend_config.address} answers, {backend.version}")
        for name_shown, who in _accounts(config):
            told = await _refusal(backend, who, config.timeouts.login)
            click.echo(f"  {name}: {name_shown} {f'cannot log in: {told}' if told else 'can log in'}")
            fine = fine and told is None
    return fine


def _accounts(config: Config) -> Iterator[tuple[str, Credentials]]:
    if config.service is not None:
        user = config.service.user
        yield f"the service account {user}", Credentials(user=user.encode(), password=config.service.password.encode())
    for name, entry in config.users.items():
        user = entry.backend_user or name
        secret = entry.backend_password if entry.backend_password is not None else entry.password
        # Of one who has a hash only a client can show the password.
        if secret is not None:
            yield user, Credentials(user=user.encode(), password=secret.encode())


async def _refusal(backend: Backend, who: Credentials, timeout_s: float) -> str | None:
    # No more than every server has: what else a client might wish for says nothing about the account.
    wish = Wish(capabilities=NEEDED | Capability.LONG_PASSWORD, charset=UTF8MB4, max_packet=1 << 24)
    try:
        async with asyncio.timeout(timeout_s):
            conversation = await backend.reach(wish)
            try:
                await log_in(backend, conversation, wish, who)
            finally:
                conversation.channel.close()
    except TimeoutError:
        return f"no answer to the login within timeouts.login ({timeout_s:g} s)"
    except DbMuxError as error:
        return str(error)
    return None
