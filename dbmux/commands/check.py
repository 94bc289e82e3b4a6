"""`dbmux check`: is the configuration right, and with --connect, are the servers there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from dbmux.backend.login import Credentials, log_in
from dbmux.backend.server import Backend, Wish
from dbmux.commands.options import config_option, configured
from dbmux.config.model import Config, LoginMode
from dbmux.errors import BackendRefused, ConfigError, MySQLError
from dbmux.net.certificate import backend_context, server_tls
from dbmux.net.dial import dial
from dbmux.process import FINDINGS
from dbmux.wire.capabilities import OFFERED

UTF8MB4 = 45


@click.command()
@config_option
@click.option("--connect", is_flag=True, help="Also reach every server, and log in with every account.")
def command(config: Path | None, connect: bool) -> None:
    """Check the configuration; exit 2 and every problem, or 0 and a summary."""
    path, loaded = configured(config)
    problems = unusable_files(loaded)
    if problems:
        raise ConfigError(problems)
    click.echo(f"{path}: fine")
    for line in summary(loaded):
        click.echo(f"  {line}")
    if connect and not asyncio.run(_connect(loaded)):
        sys.exit(FINDINGS)


def unusable_files(config: Config) -> tuple[str, ...]:
    """A sentence for each certificate or key that cannot be used."""
    problems = []
    for name, backend in config.backends.items():
        try:
            backend_context(backend.tls, is_local=backend.address.is_local)
        except OSError as error:
            problems.append(f"backends.{name}.tls: the files cannot be used: {error}")
    tls = config.tls
    if tls.certificate is not None:
        try:
            server_tls(tls.certificate, tls.key or tls.certificate)
        except (OSError, ValueError) as error:
            problems.append(f"tls: the certificate cannot be used: {error}")
    return tuple(problems)


def summary(config: Config) -> Iterator[str]:
    """What the configuration does, and what its way of logging in cannot do."""
    for listen in config.listen:
        group = config.group_of(listen)
        primary = config.groups[group].primary if group in config.groups else group
        yield f"{listen.address} serves {group}: {primary} at {config.backends[primary].address}"
    if config.users:
        yield f"login: {len(config.users)} users of the configuration; nobody else gets in"
        yield "  accounts with plugins other than native, caching_sha2 and clear text over TLS cannot be used"
    elif config.login is LoginMode.LEARN:
        yield "login: learn; clients show their passwords in TLS or encrypted, and the server checks them"
    else:
        yield "login: relay; every account works as it is, and each client has one backend connection"
        yield '  further connections for a client cannot be opened; "login": "learn" or `users` can'
    if config.control is None:
        yield 'control: off; "control": "127.0.0.1:3380" switches on /healthz, /readyz and /metrics'


async def _connect(config: Config) -> bool:
    fine = True
    for name, backend_config in config.backends.items():
        context = backend_context(backend_config.tls, is_local=backend_config.address.is_local)
        backend = Backend(name, backend_config, dial=dial, tls=context, connect_timeout_s=config.timeouts.connect)
        try:
            await backend.meet()
        except (MySQLError, BackendRefused) as error:
            click.echo(f"  {name}: {error}")
            fine = False
            continue
        click.echo(f"  {name}: answers, {backend.version}")
        for who in _accounts(config):
            fine = await _try_account(backend, who) and fine
    return fine


def _accounts(config: Config) -> Iterator[Credentials]:
    if config.service is not None:
        yield Credentials(user=config.service.user.encode(), password=config.service.password.encode())
    for name, user in config.users.items():
        secret = user.backend_password if user.backend_password is not None else user.password
        yield Credentials(user=(user.backend_user or name).encode(), password=secret.encode())


async def _try_account(backend: Backend, who: Credentials) -> bool:
    wish = Wish(capabilities=OFFERED, charset=UTF8MB4, max_packet=1 << 24)
    try:
        conversation = await backend.reach(wish)
        try:
            await log_in(backend, conversation, wish, who)
        finally:
            conversation.channel.close()
    except (MySQLError, BackendRefused) as error:
        click.echo(f"  {backend.name}: {who.user.decode()}: {error}")
        return False
    click.echo(f"  {backend.name}: {who.user.decode()} can log in")
    return True
