"""The composition root: a configuration in, a running engine out.

Builds backends, frontend and listeners, joins them, applies new configurations whole or not at all, and takes
everything down in order. Contains no decision about a query. Observers stand outside: they get events.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Self

from dbmux.address import Address
from dbmux.backend import health, monitor
from dbmux.backend.connection import Connection
from dbmux.backend.group import Group
from dbmux.backend.memory import GreetingMemory
from dbmux.backend.opening import open_for
from dbmux.backend.pool import Cap, Choice, PoolFigures, Shelf
from dbmux.backend.server import Backend, BackendState
from dbmux.backend.topology import Topology
from dbmux.backend.upkeep import Upkeep
from dbmux.cache.cache import Cache
from dbmux.config.model import CacheConfig, ClientTlsMode, Config, GroupConfig, Roles, User
from dbmux.control.http import Readiness
from dbmux.control.tables import engine_tables
from dbmux.errors import BackendRefused, ConfigError, ErrorCode, MySQLError
from dbmux.events import (
    BackendDown,
    ConfigApplied,
    DrainStarted,
    Emit,
    Event,
    ListenerClosed,
    ListenerOpened,
    PrimaryChanged,
    Warned,
)
from dbmux.frontend.frontend import Frontend
from dbmux.frontend.reception import Randomness
from dbmux.frontend.rules import Rules
from dbmux.frontend.session import Session
from dbmux.frontend.settings import Settings
from dbmux.mirror.mirrors import Mirrors
from dbmux.net.certificate import ServerTls, backend_context, self_made, server_tls
from dbmux.net.channel import Channel, Owner
from dbmux.net.dial import dial
from dbmux.net.inherited import Inherited
from dbmux.net.listener import Listener, listen
from dbmux.text import why

SWEEP_SECONDS = 0.25
# Stored results that are looked at each time, whether they have ended: half a millisecond.
SWEPT_RESULTS = 1000
# Turns of the event loop between accepting a connection and telling its owner, with some to spare.
ACCEPTED_LATE = 3


class CannotListen(ConfigError):
    """An address cannot be bound."""


class Engine:
    """A running proxy. `async with` starts it with its first configuration and ends every session at the end."""

    def __init__(
        self,
        config: Config,
        *,
        emit: Emit,
        state_folder: Path | None,
        choice: Choice = Choice.LAST_USED,
        inherited: Inherited | None = None,
        make_cache: Callable[[CacheConfig, Callable[[], float]], Cache] = Cache,
    ) -> None:
        self.config = config
        self.emit = emit
        self.listeners: dict[Address, Listener] = {}
        self.is_draining = False
        self.cache = make_cache(config.cache, time.perf_counter)
        self._state_folder = state_folder
        self._choice = choice
        self._inherited = inherited or Inherited(())
        self._renewals: dict[str, ssl.SSLContext | None] = {}
        self._memory = GreetingMemory(state_folder / "greetings.json" if state_folder else None)
        self._backends: dict[str, Backend] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._monitors: list[asyncio.Task[None]] = []
        self._groups: dict[Address, str] = {}
        self._tasks = asyncio.TaskGroup()
        self._chores: set[asyncio.Task[None]] = set()
        self._frontend: Frontend | None = None
        self.mirrors = Mirrors(emit, self._start, Random(secrets.randbits(64)))
        self._upkeep = Upkeep(self.cache, emit, self._start, Random(secrets.randbits(64)))

    async def __aenter__(self) -> Self:
        backends = self._new_backends(self.config)
        settings = self._settings(self.config, backends)
        self._frontend = Frontend(settings, emit=self.emit, randomness=Randomness(bytes=secrets.token_bytes))
        self.frontend.desk.add(*engine_tables(self.frontend, self.cache, lambda: self.config, self.pools))
        await self.frontend.__aenter__()
        try:
            opened = await self._open_listeners(self.config)
        except BaseException:
            await self.frontend.__aexit__(None, None, None)
            raise
        await self._tasks.__aenter__()
        self._take(self.config, backends, opened)
        self._start(self._sweep(), "sweep")
        return self

    @property
    def frontend(self) -> Frontend:
        """The clients, once it was started."""
        assert self._frontend is not None
        return self._frontend

    async def __aexit__(self, *failure: object) -> None:
        self._close_listeners(set(self.listeners))
        await self.frontend.__aexit__(None, None, None)
        for backend in self._backends.values():
            backend.pool.end()
        for task in (*self._watches.values(), *self._monitors, *self._chores):
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def apply(self, config: Config, source: str, changes: tuple[str, ...]) -> None:
        """Put a new configuration in force; raises ConfigError, and then nothing has changed.

        New listeners open before old ones close. Sessions keep the backend that they have; those whose backend or
        user is gone may stay for `timeouts.drain` and are then asked to leave.
        """
        backends = self._new_backends(config)
        settings = self._settings(config, backends)
        opened = {} if self.is_draining else await self._open_listeners(config)
        if _is_stored_otherwise(config, self.config):
            self.cache.configure(config.cache)
        self.frontend.take(settings)
        before = self.config
        leaving = [s for s in self.frontend.sessions.values() if _must_leave(s, settings.topology, before, config)]
        kept = _needed(leaving, settings.topology)
        self._take(config, backends, opened, kept)
        if leaving:
            self._start(self._retire_later(leaving, before, kept, config.timeouts.drain), "retire")
        self.emit(ConfigApplied(time.time(), source, changes))

    async def drain(self) -> None:
        """Take no new clients and wait for the others, at most `timeouts.drain`."""
        self.is_draining = True
        self._close_listeners(set(self.listeners))
        # Who was accepted in this very moment becomes a session in the next one, and is to be told why it ends.
        for _ in range(ACCEPTED_LATE):
            await asyncio.sleep(0)
        limit = self.config.timeouts.drain
        self.emit(DrainStarted(time.time(), len(self.frontend.sessions), limit))
        self.frontend.retire(self.frontend.sessions.values(), _SHUTTING_DOWN)
        try:
            async with asyncio.timeout(limit):
                await self.frontend.drained()
        except TimeoutError:
            # Leaving the frontend ends the rest.
            return

    def readiness(self) -> Readiness:
        """Ready means: not draining, and the primary of every listener's group answered when last asked."""
        reasons = ["draining"] if self.is_draining else []
        topology = self.frontend.settings.topology
        for group in sorted({self._groups[address] for address in self.listeners}):
            primary = topology.primary(group)
            if primary.state is not BackendState.UP:
                reasons.append(
                    f"{group}: {primary.name} at {primary.config.address} is {primary.state} {primary.error}"
                )
        return Readiness(not reasons, tuple(reason.strip() for reason in reasons))

    @property
    def addresses(self) -> dict[str, str]:
        """Where clients connect, and the group that each address serves."""
        return {str(listener.address): self._groups[configured] for configured, listener in self.listeners.items()}

    def pools(self) -> tuple[PoolFigures, ...]:
        """How the connections to each backend stand."""
        return tuple(backend.pool.figures() for backend in self._backends.values())

    def lags(self) -> dict[str, float]:
        """How many seconds each replica is behind its primary, of those where that is known."""
        known = ((name, backend.lag_s) for name, backend in self._backends.items())
        return {name: lag for name, lag in known if lag is not None}

    # One configuration's parts.

    def _new_backends(self, config: Config) -> dict[str, Backend]:
        # Backends whose configuration is the same stay, with their connections; the files it names may be new ones.
        backends = {}
        self._renewals = {}
        for name, wanted in config.backends.items():
            known = self._backends.get(name)
            try:
                context = backend_context(wanted.tls, is_local=wanted.address.is_local)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError((f"backends.{name}.tls: the files cannot be used: {error}",)) from error
            if known is not None and known.config == wanted:
                self._renewals[name] = context
                backends[name] = known
                continue
            backends[name] = Backend(
                name,
                wanted,
                dial=dial,
                fill=self._fill,
                choice=self._choice,
                tls=context,
                connect_timeout_s=config.timeouts.connect,
            )
            backends[name].greeting = self._memory.recall(str(wanted.address))
            if known is not None and known.is_drained:
                backends[name].drain()
        return backends

    def _settings(self, config: Config, backends: dict[str, Backend]) -> Settings:
        return Settings(
            topology=self._topology(config, backends),
            rules=Rules(config.rules),
            users=config.users,
            admins=config.admins,
            login=config.login,
            tls_mode=config.tls.mode,
            tls=self._server_tls(config),
            max_clients=config.limits.clients,
            max_clients_per_address=config.limits.clients_per_address,
            failed_logins=config.limits.failed_logins,
            inspect_max=config.limits.inspect_max,
            prepared_max=config.limits.prepared_max,
            prepared_types=config.prepared_types,
            cache=self.cache if config.is_cached else None,
            login_timeout_s=config.timeouts.login,
            pool_wait_s=config.timeouts.pool_wait,
            query_timeout_s=config.timeouts.query,
            idle_timeout_s=config.timeouts.idle,
            proxies=config.proxy_protocol.accept_from,
        )

    def _topology(self, config: Config, backends: dict[str, Backend]) -> Topology:
        known_groups = self._frontend.topology.groups if self._frontend is not None else {}
        groups = {name: Group(name, GroupConfig(primary=name), backend) for name, backend in backends.items()}
        for name, wanted in config.groups.items():
            replicas = tuple(backends[replica] for replica in wanted.replicas)
            group = groups[name] = Group(name, wanted, backends[wanted.primary], replicas)
            known = known_groups.get(name)
            if known is not None:
                group.observed = known.observed
            if wanted.roles is Roles.AUTO and known is not None:
                primary = _same_server(known.primary, group.members)
                if primary is not None:
                    # Who is the primary was found out, and is not found out anew.
                    group.promote(primary)
                    group.is_writable = known.is_writable
        return Topology(backends, groups)

    def _server_tls(self, config: Config) -> ServerTls | None:
        tls = config.tls
        if tls.mode is ClientTlsMode.OFF:
            return None
        try:
            if tls.certificate is not None:
                return server_tls(tls.certificate, tls.key or tls.certificate)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise ConfigError((f"tls: the certificate cannot be used: {error}",)) from error
        if self._state_folder is None:
            return None
        try:
            return server_tls(*self_made(self._state_folder / "tls"))
        except (OSError, ValueError, ssl.SSLError) as error:
            raise ConfigError(
                (
                    f"tls: no certificate can be made and kept in {self._state_folder} ({error}); name one in "
                    'tls.certificate, set XDG_STATE_HOME to a folder that can be written, or "tls": "off"',
                )
            ) from error

    async def _open_listeners(self, config: Config) -> dict[Address, tuple[Listener, str]]:
        opened: dict[Address, tuple[Listener, str]] = {}
        for wanted in config.listen:
            group = config.group_of(wanted)
            if wanted.address in self.listeners:
                continue
            self._groups[wanted.address] = group
            try:
                listener = await listen(
                    wanted.address, self._acceptor(wanted.address), self._inherited.take(wanted.address)
                )
            except OSError as error:
                for address, (open_already, _) in opened.items():
                    open_already.close()
                    del self._groups[address]
                del self._groups[wanted.address]
                raise CannotListen((f"listen: {wanted.address} cannot be opened: {why(error)}",)) from error
            opened[wanted.address] = (listener, group)
        return opened

    def _acceptor(self, configured: Address) -> Callable[[Channel], Owner]:
        # The group is looked up when a client comes: a reload may have changed it. One may still come after the address
        # was closed, accepted just before.
        return lambda channel: self.frontend.accept(channel, str(configured), self._groups[configured])

    def _take(
        self,
        config: Config,
        backends: dict[str, Backend],
        opened: dict[Address, tuple[Listener, str]],
        kept: frozenset[Backend] = frozenset(),
    ) -> None:
        for address, (listener, group) in opened.items():
            self.listeners[address] = listener
            self.emit(ListenerOpened(time.time(), str(listener.address), group))
        self._close_listeners(set(self.listeners) - {wanted.address for wanted in config.listen})
        self._groups.update((wanted.address, config.group_of(wanted)) for wanted in config.listen)
        for name, known in self._backends.items():
            if backends.get(name) is not known:
                self._watches.pop(name).cancel()
                if known in kept:
                    continue
                if known.is_usable and (paying := known.pool.have_paid()):
                    self._start(_wait_no_longer(paying, config.timeouts.connect), f"last of {name}")
                known.pool.close()
        caps = _caps(config.users)
        for name, backend in backends.items():
            backend.pool.cap(caps)
            if name in self._renewals:
                backend.renew(self._renewals[name], config.timeouts.connect)
            if name not in self._watches:
                watch = health.watch(backend, self._memory, self._hear)
                self._watches[name] = self._tasks.create_task(watch, name=f"watch {name}")
        self._backends = backends
        self.config = config
        self._monitor()
        self._attend_mirrors()

    def _hear(self, event: Event) -> None:
        # What is found out about the servers' health.
        self.emit(event)
        if isinstance(event, BackendDown) and event.backend in self._backends:
            self.frontend.leave_hanging(self._backends[event.backend])
            groups = (self.frontend.topology.groups[name] for name in set(self._groups.values()))
            if len(self.cache.store) and any(group.primary.name == event.backend for group in groups):
                # When it is back it may lack what it had.
                self.cache.wrote(None, f"{event.backend} was away")
        elif isinstance(event, PrimaryChanged):
            # It may lack what the one before had.
            self.cache.wrote(None, f"another primary of {event.group}")
            self._attend_cache()
            self._attend_mirrors()

    def _monitor(self) -> None:
        # Groups are new ones after each reload.
        for task in self._monitors:
            task.cancel()
        service = self.config.service
        groups = [group for group in self.frontend.topology.groups.values() if group.has_choice]
        followed = {replica for group in groups for replica in group.replicas if service is not None}
        for backend in set(self._backends.values()) - followed:
            # What was measured once is not known any more.
            backend.lag_s = None
        self._monitors = [
            self._tasks.create_task(monitor.watch(group, service, self._hear), name=f"monitor {group.name}")
            for group in groups
            if service is not None
        ]
        self._attend_cache()

    def _attend_cache(self) -> None:
        groups = self.frontend.topology.groups
        served = {name: groups[name] for name in set(self._groups.values()) if self.config.is_cached}
        self._upkeep.attend(served, self.config.service, self.config.cache.invalidate_from)

    def _attend_mirrors(self) -> None:
        self.mirrors.attend(self.config.mirrors, self.frontend.topology, self.config.service)

    def _close_listeners(self, addresses: set[Address]) -> None:
        for address in addresses:
            listener = self.listeners.pop(address)
            listener.close()
            self.emit(ListenerClosed(time.time(), str(listener.address)))

    # Tasks.

    def _start(self, chore: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = self._tasks.create_task(chore, name=name)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task

    def _fill(self, backend: Backend, shelf: Shelf) -> None:
        self._start(self._open_for(backend, shelf), f"open {backend.name}")

    async def _open_for(self, backend: Backend, shelf: Shelf) -> None:
        try:
            connection = await open_for(backend, shelf)
        except (MySQLError, BackendRefused) as error:
            if isinstance(error, BackendRefused) and not shelf.has_failed:
                user = shelf.key.user.decode("utf-8", "replace")
                self.emit(Warned(time.time(), f"backend {backend.name} refuses {user}: {error}"))
            backend.pool.failed(shelf, error)
        else:
            backend.pool.connected(shelf, connection, time.perf_counter())

    async def _retire_later(
        self, sessions: list[Session], before: Config, kept: frozenset[Backend], seconds: float
    ) -> None:
        try:
            await asyncio.sleep(seconds)
            # What was removed may be back by now.
            leaving = [s for s in sessions if _must_leave(s, self.frontend.topology, before, self.config)]
            error = MySQLError(ErrorCode.SHUTDOWN, "this connection's backend or user was removed; connect again")
            self.frontend.retire(leaving, error)
        finally:
            for backend in kept:
                backend.pool.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.perf_counter()
            self.frontend.end_overdue(now)
            self.cache.store.sweep(SWEPT_RESULTS)
            for told in self.cache.idle_patterns():
                self.emit(Warned(time.time(), told))
            for backend in self._backends.values():
                backend.pool.tend(now, self.config.timeouts.pool_idle, self.config.timeouts.pool_lifetime)


async def _wait_no_longer(paying: list[Connection], seconds: float) -> None:
    # Nobody asks the server any more how it is, so that sessions would wait for ever for one that hangs.
    await asyncio.sleep(seconds)
    for connection in paying:
        connection.abort()


_SHUTTING_DOWN = MySQLError(ErrorCode.SHUTDOWN, "the proxy is shutting down; connect again")


def _is_stored_otherwise(new: Config, old: Config) -> bool:
    return (new.cache, new.rules, new.backends, new.groups) != (old.cache, old.rules, old.backends, old.groups)


def _must_leave(session: Session, topology: Topology, old: Config, new: Config) -> bool:
    if session.group is None or session.backend is None:
        # One of the SQL door, or one who logs in.
        return old.admins.get(session.user) != new.admins.get(session.user)
    group = topology.groups.get(session.group.name)
    # A session of shared connections goes on at its group's other servers; one of its own connection cannot.
    if group is None or (session.shelf is None and topology.backends.get(session.backend.name) is not session.backend):
        return True
    if not new.users:
        return False
    user = new.users.get(session.user)
    return user is None or old.users.get(session.user, user).proofs != user.proofs


def _needed(leaving: list[Session], topology: Topology) -> frozenset[Backend]:
    # The servers of which sessions of groups that are gone take connections as long as they may go on.
    groups = [s.group for s in leaving if s.group is not None and s.group.name not in topology.groups]
    members = {member for group in groups for member in group.members}
    return frozenset(members.difference(topology.backends.values()))


def _same_server(known: Backend, members: Iterable[Backend]) -> Backend | None:
    # Of those of another configuration, which may have given it other limits.
    place = known.name, known.config.address
    return next((member for member in members if (member.name, member.config.address) == place), None)


def _caps(users: Mapping[str, User]) -> dict[bytes, Cap]:
    # By account at the server; users that share one share its connections, and the smallest number holds.
    caps: dict[bytes, Cap] = {}
    for name, user in users.items():
        account = (user.backend_user or name).encode()
        if user.max_connections is not None and (account not in caps or user.max_connections < caps[account].limit):
            caps[account] = Cap(user.max_connections, f"users.{name}.max_connections")
    return caps
