"""`dbmux check`: is the configuration right, and with --connect, are the servers there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import uvloop

from dbmux.backend.binlog.follow import try_log
from dbmux.backend.dictionary import read_dictionary
from dbmux.backend.login import Credentials, log_in
from dbmux.backend.monitor import Probe
from dbmux.backend.server import Backend, Wish
from dbmux.commands.cache import size
from dbmux.commands.files import usable
from dbmux.commands.options import config_option
from dbmux.config.grants import feeds_cache
from dbmux.config.model import Account, Config, InvalidateFrom, LoginMode, ReadYourWrites
from dbmux.errors import DbMuxError
from dbmux.net.certificate import backend_context
from dbmux.net.dial import dial
from dbmux.process import FINDINGS
from dbmux.wire.capabilities import NEEDED, Capability
from dbmux.wire.handshake import UTF8MB4

_MOST_NAMES = 5


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
        replicas = config.groups[group].replicas if group in config.groups else ()
        reads = f", reads at {', '.join(replicas)}" if replicas else ""
        yield f"{listen.address} serves {group}: {primary} at {config.backends[primary].address}{reads}"
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
    if config.admins:
        yield f"admins: {_first(list(config.admins))} may read schema dbmux, and nothing else"
    yield from _replicas(config)
    yield from _cache(config)
    if config.control is None:
        yield 'control: off; "control": "127.0.0.1:3380" switches on /healthz, /readyz and /metrics'


def _cache(config: Config) -> Iterator[str]:
    if not config.is_cached:
        return
    names = [name for name, policy in config.cache.tables.items() if policy is not False]
    names += [f"rule {name}" for name, rule in config.rules.items() if rule.cache]
    yield f"cache: {_first(names)} in {size(config.cache.memory)}"
    if config.cache.invalidate_from is InvalidateFrom.OFF:
        yield "  writes past DbMux are not looked for, and results last up to their ttl then"


def _replicas(config: Config) -> Iterator[str]:
    # What groups with replicas cannot do without a service account.
    for name, group in config.groups.items():
        if not group.replicas or config.service is not None:
            continue
        yield f"{name}: how far its replicas are behind is not known without a `service` account"
        if group.max_lag is not None:
            yield "  so with max_lag they take no reads at all"
        if group.read_your_writes is not ReadYourWrites.OFF:
            yield "  so a session that has written reads from the primary from then on"


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
        fine = await _is_measured(backend, config) and fine
        if config.service is not None and feeds_cache(config, name):
            fine = await _is_read(backend, config, config.service) and fine
    return fine


async def _is_measured(backend: Backend, config: Config) -> bool:
    # Says what the monitor will get of a server whose group has a choice.
    groups = [group for group in config.groups.values() if group.replicas]
    is_replica = any(backend.name in group.replicas for group in groups)
    if config.service is None or not (is_replica or any(backend.name == group.primary for group in groups)):
        return True
    probe = Probe(backend, config.service)
    try:
        told, is_fine = await _standing(probe, is_replica)
    finally:
        probe.close()
    click.echo(f"  {backend.name}: {told}")
    return is_fine


async def _standing(probe: Probe, is_replica: bool) -> tuple[str, bool]:
    standing = await probe.standing(as_primary=not is_replica)
    if standing is None:
        return f"does not tell the service account how it stands: {probe.problem}", False
    writes = "is read-only" if standing.is_read_only else "takes writes"
    if standing.position:
        stopped = await _stopped(probe) if is_replica and standing.is_read_only else ""
        return f"{writes}, tells its position in GTIDs{stopped}", not stopped
    if not is_replica or not standing.is_read_only:
        return f"{writes}, tells no position in GTIDs", True
    seconds = await probe.seconds_behind()
    if probe.problem:
        return (
            f"{writes}, tells no position in GTIDs, nor how far it is behind ({probe.problem}); "
            "run what `dbmux grants` prints"
        ), False
    if seconds is None:
        return f"{writes}, and does not replicate now: how far it is behind is not known", False
    return f"{writes}, tells no position in GTIDs, but that it is {seconds:g} s behind", True


async def _stopped(probe: Probe) -> str:
    # One that may not tell is measured by its GTIDs all the same.
    told = await probe.following() or ()
    why = "; ".join(one.why for one in told if one.is_stopped)
    return f", but does not go on: {why}" if why else ""


async def _is_read(backend: Backend, config: Config, service: Account) -> bool:
    # What the cache can know of this server.
    told, fine = "the cache knows its tables, triggers, views and routines", True
    try:
        found = await read_dictionary(backend, service)
    except (DbMuxError, TimeoutError) as error:
        told, fine = f"nothing of it can be cached: {error or 'no answer in time'}", False
    else:
        if found.hidden:
            told = (
                f"the service account may not see how {_first(found.hidden)} are made; run what `dbmux grants` prints"
            )
            fine = False
        elif not found.has_all_routines:
            told = "the cache knows its tables, triggers and views; a CALL may end all results without the right SELECT"
    click.echo(f"  {backend.name}: {told}")
    mode = config.cache.invalidate_from
    if mode is InvalidateFrom.OFF:
        return fine
    try:
        await try_log(backend, service)
    except DbMuxError as error:
        is_required = mode is InvalidateFrom.REQUIRED
        lost = "writes past DbMux are not seen, and results last up to their ttl"
        click.echo(f"  {backend.name}: {'nothing of it is cached' if is_required else lost}: {error}")
        return fine and not is_required
    click.echo(f"  {backend.name}: writes past DbMux are seen in its binary log")
    return fine


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


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
