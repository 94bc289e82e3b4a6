"""All clients: who is connected, how they get in, and how they are asked to leave.

Accepted channels come in; sessions live here until they end. Settings may be replaced at any time and hold for what
begins afterwards. Owns every task that waits on behalf of a client. Never opens a listening socket.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import ssl
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING, Self

from dbmux.backend.connection import Connection
from dbmux.backend.group import Group
from dbmux.backend.opening import kill
from dbmux.backend.pool import Shelf
from dbmux.backend.server import Backend, Origin
from dbmux.backend.topology import Topology
from dbmux.cache.cache import Cache
from dbmux.config.model import Admin, ClientTlsMode, LoginMode, User
from dbmux.door.catalogue import COLLATION_ID
from dbmux.door.desk import Desk, Visitor
from dbmux.door.table import SCHEMA
from dbmux.door.visit import STATUS, Visit
from dbmux.errors import BackendRefused, ErrorCode, MySQLError, ProtocolError
from dbmux.events import AddressBlocked, CloseReason, Emit, LoggedIn, LoginFailed, SessionOpened, Warned, Who
from dbmux.frontend import admission, login
from dbmux.frontend.admission import Admitted, Learnt
from dbmux.frontend.census import Census
from dbmux.frontend.login import Claim, Door
from dbmux.frontend.rules import Rules
from dbmux.frontend.session import Session
from dbmux.frontend.tenant import Tenant
from dbmux.frontend.throttle import Throttle, is_here, place_of
from dbmux.net.certificate import ServerTls
from dbmux.net.channel import Channel, Owner
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.net.dial import keep_alive
from dbmux.net.tls import TlsLayer
from dbmux.planner.planner import Planner
from dbmux.sql.kill import KillScope
from dbmux.wire import auth
from dbmux.wire.capabilities import OFFERED, Capability
from dbmux.wire.handshake import Greeting, LoginRequest, TlsRequest, parse_change_user, program_name
from dbmux.wire.replies import Ok, Status, err_from, staying
from dbmux.wire.server import ClientMessage, ServerProtocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# Connection ids of DbMux begin here, far above those of servers, so that KILL can tell whose number it was given.
FIRST_ID = 1 << 30
LAST_ID = (1 << 32) - 1

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for clients that come now."""

    topology: Topology
    rules: Rules
    users: Mapping[str, User]
    admins: Mapping[str, Admin] = field(default_factory=dict)
    login: LoginMode
    tls_mode: ClientTlsMode
    tls: ServerTls | None
    max_clients: int
    max_clients_per_address: int | None = None
    failed_logins: int = 0
    inspect_max: int
    prepared_max: int
    cache: Cache | None = None
    login_timeout_s: float
    pool_wait_s: float = 10.0
    query_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    proxies: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomness:
    """Where scrambles and keys come from."""

    bytes: Callable[[int], bytes]


class Frontend:
    """The sessions of one engine. `async with` keeps its tasks; leaving ends all of them."""

    def __init__(self, settings: Settings, *, emit: Emit, randomness: Randomness) -> None:
        self.settings = settings
        self.emit = emit
        self.learnt = Learnt()
        self.sessions: dict[int, Session] = {}
        self.planner = Planner()
        # Of the SQL door; its tables are put there by whoever knows the engine whole.
        self.desk = Desk()
        self.limited: set[Tenant] = set()
        self.rules_matched: Counter[str] = Counter()
        self._randomness = randomness
        self._ids = itertools.count(FIRST_ID)
        self._tasks = asyncio.TaskGroup()
        self._chores: set[asyncio.Task[None]] = set()
        # Who comes through a balancer that has not said yet for whom.
        self._unannounced: set[int] = set()
        self._addresses = Census()
        self._users = Census()
        self._throttle = Throttle(settings.failed_logins, time.monotonic)
        self._rsa_key: asyncio.Task[RSAPrivateKey] | None = None
        self._emptied = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        error = MySQLError(ErrorCode.SHUTDOWN, "the proxy is shutting down; connect again")
        for session in list(self.sessions.values()):
            session.fail(error, CloseReason.DRAINED)
        for task in self._chores:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    @property
    def inspect_max(self) -> int:
        """Statements up to this length, in bytes, are looked at whole."""
        return self.settings.inspect_max

    @property
    def prepared_max(self) -> int:
        """Commands about prepared statements up to this length, in bytes, are held."""
        return self.settings.prepared_max

    @property
    def pool_wait_s(self) -> float:
        """How long a command may wait for a connection."""
        return self.settings.pool_wait_s

    @property
    def cache(self) -> Cache | None:
        """Where results are stored, if they are."""
        return self.settings.cache

    @property
    def topology(self) -> Topology:
        """The servers and groups of now."""
        return self.settings.topology

    def take(self, settings: Settings) -> None:
        """Other settings hold from now on, for sessions that are there from their next transaction on."""
        before, self.settings = self.settings, settings
        self._throttle.allowed = settings.failed_logins
        for session in list(self.sessions.values()):
            self._regroup(session)
            if session.group is not None:
                session.use_cache(settings.cache)
        for group in before.topology.groups.values():
            group.leave()

    def _regroup(self, session: Session) -> None:
        group = session.group and self.topology.groups.get(session.group.name)
        if group is not None:
            host = session.peer.rpartition(":")[0]
            session.who = Who(session.user, session.peer, session.program, group.name, session.capabilities)
            session.regroup(group, self.settings.rules.lens(session.user, host))

    def leave_hanging(self, backend: Backend) -> None:
        """A server is down: reads that hang there go to others where they can, and nobody waits for what it owes."""
        for session in list(self.sessions.values()):
            if session.backend is backend:
                session.leave_hanging()
        for connection in list(backend.pool.connections()):
            if connection.holder is None and connection.exchange is not None:
                connection.channel.abort()

    def count_rule(self, name: str) -> None:
        """A rule has matched a statement."""
        self.rules_matched[name] += 1

    def find(self, session_id: int) -> Session | None:
        """The logged-in session with this id."""
        session = self.sessions.get(session_id)
        return session if session is not None and session.backend is not None else None

    def forget(self, session: Session) -> None:
        """A session ended."""
        self.sessions.pop(session.id, None)
        self.limited.discard(session)
        self._addresses.drop(session.id)
        self._users.drop(session.id)
        self._announce(session)
        if not self.sessions:
            self._emptied.set()

    def accept(self, channel: Channel, listener: str, group: str) -> Owner:
        """A client connected: make its session and begin its login."""
        keep_alive(channel)
        session = Session(self._next_id(), channel, channel.peer, listener, self)
        protocol = ServerProtocol(_UNKNOWN_SERVER)
        conversation: Conversation[ClientMessage] = Conversation(channel, protocol)
        self.sessions[session.id] = session
        self._unannounced.add(session.id)
        if not _is_balancer(channel, self.settings.proxies):
            self._announce(session)
        self._start(self._log_in(session, conversation, group, self.settings), f"login {session.peer}")
        return conversation

    def _announce(self, session: Session) -> None:
        if session.id in self._unannounced:
            self._unannounced.discard(session.id)
            self.emit(SessionOpened(time.time(), session.id, session.peer, session.listener))

    def change_user(self, session: Session, payload: bytes) -> None:
        """A session's client wants to be somebody else."""
        self._start(self._change_user(session, payload), f"change user {session.peer}")

    def retire(self, sessions: Iterable[Session], error: MySQLError) -> None:
        """Ask sessions to leave as soon as no transaction is under way."""
        for session in list(sessions):
            session.retire(error)

    def _start(self, chore: Coroutine[None, None, None], name: str) -> None:
        task = self._tasks.create_task(chore, name=name)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def drained(self) -> None:
        """Returns when no session is left."""
        while self.sessions:
            self._emptied.clear()
            await self._emptied.wait()

    def end_overdue(self, now: float) -> None:
        """End queries and idle sessions that the configuration allows no longer; `now` by time.perf_counter."""
        for backend in self.settings.topology.backends.values():
            backend.pool.expire(now)
        for group in self.settings.topology.groups.values():
            group.expire(now)
        for tenant in list(self.limited):
            assert isinstance(tenant, Session)
            limit, since = tenant.limit, tenant.busy_since
            if limit is not None and since is not None and now - since > limit[0]:
                self._stop(tenant, *limit)
        query, idle = self.settings.query_timeout_s, self.settings.idle_timeout_s
        if query is None and idle is None:
            return
        for session in list(self.sessions.values()):
            if query is not None and session.busy_since is not None and now - session.busy_since > query:
                self._stop(session, query, "timeouts.query")
            elif idle is not None and session.is_idle_since(now - idle):
                error = MySQLError(
                    ErrorCode.SHUTDOWN, f"idle for longer than timeouts.idle ({idle:g} s); connect again"
                )
                session.fail(error, CloseReason.TIMEOUT)

    def _stop(self, session: Session, limit: float, whose: str) -> None:
        can_kill = self.end_statement(session)
        session.fail(_overdue(session, limit, whose, can_kill), CloseReason.TIMEOUT)

    def end_statement(self, session: Session) -> bool:
        """Have the server stop what runs on a session's connection; False when no password for that is known.

        Closing the connection does not stop a statement at the server: that takes a KILL.
        """
        connection, shelf, backend = session.connection, session.shelf, session.backend
        if connection is None or shelf is None or shelf.account is None or backend is None:
            return False
        self._start(kill(backend, shelf, connection.id, KillScope.CONNECTION), f"kill at {backend.name}")
        return True

    def stop_query(self, session: Session) -> bool:
        """Have the server stop what runs for a session, which goes on; False when nothing does, or nobody can."""
        connection, shelf, backend = session.connection, session.shelf, session.backend
        if session.busy_since is None or connection is None or backend is None:
            return False
        if shelf is None or shelf.account is None:
            return False
        # Until the server has done it, the connection must not become another session's.
        connection.kills += 1
        self._start(self._stop_query(session, backend, shelf, connection), f"stop a query at {backend.name}")
        return True

    async def _stop_query(self, session: Session, backend: Backend, shelf: Shelf, connection: Connection) -> None:
        try:
            await kill(backend, shelf, connection.id, KillScope.QUERY)
        finally:
            session.spare(connection)

    # Logging in.

    async def _log_in(
        self, session: Session, client: Conversation[ClientMessage], group: str, settings: Settings
    ) -> None:
        try:
            async with asyncio.timeout(settings.login_timeout_s):
                self._check_room(settings)
                await self._read_proxy_header(session, client, settings)
                self._announce(session)
                self._check_address(session, settings)
                home = settings.topology.groups[group]
                backend = _entrance(home, settings)
                protocol = ServerProtocol(await self._greeting(session, backend, settings))
                protocol.receive(client.protocol.unread())
                client.protocol = session.greeter = protocol
                session.scramble = protocol.greeting.scramble
                client.send(protocol.greet())
                door = await self._door(session, client, protocol, settings)
                await self._enter(session, door, home, settings)
        except TimeoutError:
            limit = settings.login_timeout_s
            slow = MySQLError(
                ErrorCode.HANDSHAKE, f"the login took longer than timeouts.login ({limit:g} s); connect again"
            )
            self._refuse(session, client, slow, CloseReason.TIMEOUT)
        except MySQLError as error:
            broke = isinstance(error, ProtocolError)
            reason = CloseReason.PROTOCOL_ERROR if broke else CloseReason.LOGIN_FAILED
            self._refuse(session, client, error, reason)
        except BackendRefused as error:
            self._refuse(session, client, error, CloseReason.LOGIN_FAILED)
        except ConnectionClosed as error:
            session.end(CloseReason.CLIENT_GONE, str(error))
        except ssl.SSLError as error:
            session.end(CloseReason.PROTOCOL_ERROR, f"TLS: {error.reason}")
        except Exception as error:
            # One session ends by what nobody foresaw, not the proxy.
            self.emit(Warned(time.time(), f"{session.id} login failed for an unforeseen reason: {error!r}"))
            self._refuse(session, client, _UNFORESEEN, CloseReason.PROTOCOL_ERROR)

    async def _enter(self, session: Session, door: Door, group: Group, settings: Settings) -> None:
        started = time.perf_counter()
        session.user = door.claim.user.decode("utf-8", "replace")
        session.program = program_name(door.claim.attributes)
        if (admin := settings.admins.get(session.user)) is not None:
            await self._receive_visitor(session, door, admin)
            self._tell_login(session, door, SCHEMA, SCHEMA, started)
            return
        if door.protocol.greeting.server_version == _OWN.server_version:
            backend = _entrance(group, settings)
            await backend.meet()
            raise MySQLError(ErrorCode.SHUTDOWN, f"backend {backend.name} was not there yet; connect again")
        with self._counting_failures(session):
            admitted = await self._admit(session, door, group, settings)
        try:
            if session.state != 0 or door.client.is_gone:
                raise ConnectionClosed("the client went away during the login")
            self._check_still_welcome(session, group, admitted)
            self._check_user(session, session.user)
        except (ConnectionClosed, MySQLError):
            if admitted.connection is not None:
                admitted.connection.quit()
            raise
        self._begin(session, door, group, admitted)
        schema = door.claim.schema.decode("utf-8", "replace")
        self._tell_login(session, door, schema, admitted.backend.name, started)

    def _tell_login(self, session: Session, door: Door, schema: str, backend: str, started: float) -> None:
        tls = door.client.channel.tls
        version, seconds = tls.version if tls is not None else "", time.perf_counter() - started
        self.emit(LoggedIn(time.time(), session.id, session.user, schema, backend, version, seconds))

    async def _receive_visitor(self, session: Session, door: Door, admin: Admin) -> None:
        # Of DbMux itself: no server is asked, and a schema of theirs is not to be had.
        with self._counting_failures(session):
            _, proof = await login.prove_configured(door, User(password=admin.password), None)
        if door.claim.schema.lower() not in (b"", SCHEMA.encode()):
            raise MySQLError(
                ErrorCode.UNKNOWN_SCHEMA,
                f"{session.user} is one of `admins`, who see DbMux's own tables only: connect to schema {SCHEMA}, "
                "or as another user",
            )
        if session.state != 0 or door.client.is_gone:
            raise ConnectionClosed("the client went away during the login")
        if self.settings.admins.get(session.user) != admin:
            raise MySQLError(ErrorCode.SHUTDOWN, "this admin was removed or changed; connect again")
        protocol, channel = door.protocol, door.client.channel
        version = protocol.greeting.server_version.decode("latin-1").removeprefix("5.5.5-")
        visitor = Visitor(user=session.user, number=session.id, server_version=version)
        channel.owner = visit = Visit(channel, protocol, self.desk, visitor, session)
        session.greeter = None
        session.end_answer()
        visit.send(protocol.accept(Ok(status=STATUS, info=proof)))
        channel.resume()
        self._start(self._attend(session, visit), f"visit {session.peer}")

    async def _attend(self, session: Session, visit: Visit) -> None:
        try:
            await visit.serve()
            session.end(CloseReason.QUIT)
        except ConnectionClosed as error:
            session.end(CloseReason.CLIENT_GONE, str(error))
        except MySQLError as error:
            session.fail(error, CloseReason.PROTOCOL_ERROR)
        except Exception as error:
            self.emit(Warned(time.time(), f"{session.id} the SQL door failed for an unforeseen reason: {error!r}"))
            session.end(CloseReason.PROTOCOL_ERROR, "the SQL door failed")

    def _check_still_welcome(self, session: Session, group: Group, admitted: Admitted) -> None:
        # The configuration may have changed while the client logged in under the old one. A session of shared
        # connections goes on at its group's other servers, as those do that were there already.
        now = self.settings
        is_known = not now.users or session.user in now.users
        is_led_on = admitted.shelf is not None and group.name in now.topology.groups
        # Of one whose limits alone have changed, those that are there already may stay for a while, too.
        there = now.topology.backends.get(admitted.backend.name)
        is_there = there is not None and there.config.address == admitted.backend.config.address
        if not (is_led_on or is_there) or not is_known:
            raise MySQLError(ErrorCode.SHUTDOWN, "this connection's backend or user was removed; connect again")

    @contextmanager
    def _counting_failures(self, session: Session) -> Iterator[None]:
        try:
            yield
        except (MySQLError, BackendRefused) as error:
            if _is_denial(error):
                self._login_failed(session)
            raise
        self._throttle.succeeded(session.place)

    def _login_failed(self, session: Session) -> None:
        place = session.place
        if place and not is_here(place) and (seconds := self._throttle.failed(place)):
            self.emit(AddressBlocked(time.time(), place, seconds))

    def _check_throttle(self, session: Session) -> None:
        seconds = self._throttle.refused_s(session.place)
        if seconds and not is_here(session.place):
            raise MySQLError(
                ErrorCode.BLOCKED,
                f"too many logins from {session.place} failed (limits.failed_logins); try again in {ceil(seconds)} s",
            )

    async def _admit(self, session: Session, door: Door, group: Group, settings: Settings) -> Admitted:
        deadline = time.perf_counter() + settings.pool_wait_s

        def entrance() -> Backend:
            # A reload may have replaced it since the login began.
            return _entrance(self.topology.groups.get(group.name, group), settings)

        if settings.users:
            return await admission.by_users(door, entrance, settings.users, self.learnt, deadline)
        match settings.login:
            case LoginMode.LEARN:
                return await admission.by_learning(door, entrance, self.learnt, deadline)
            case LoginMode.RELAY:
                backend = entrance()
                return await admission.with_own_connection(door, backend, session.origin, deadline, self._start)

    def _begin(self, session: Session, door: Door, group: Group, admitted: Admitted) -> None:
        protocol, client = door.protocol, door.client
        session.shelf = admitted.shelf
        session.begin(group, admitted.backend, admitted.state, protocol.capabilities)
        if admitted.connection is not None:
            session.keep(admitted.connection)
            admitted.connection.channel.resume()
        self._regroup(session)
        client.send(protocol.accept(replace(admitted.ok, state=staying(admitted.ok.state))))
        client.channel.resume()
        session.resume_commands()
        if ahead := protocol.unread():
            session.received(ahead)

    async def _change_user(self, session: Session, payload: bytes) -> None:
        group, settings = session.group, self.settings
        if session.state != 0 or group is None:
            return
        backend = _entrance(group, settings)
        if backend.greeting is None:
            why = f"backend {backend.name} was not reached yet, and only it knows how its users log in; connect again"
            session.fail(MySQLError(ErrorCode.UNREACHABLE, why), CloseReason.BACKEND_GONE)
            return
        # As servers do: whatever the client answers with the command itself, it is asked.
        greeting = replace(self._dressed(session.id, backend.greeting, settings), plugin=auth.UNKNOWN)
        protocol = ServerProtocol.changing_user(greeting, session.capabilities)
        client: Conversation[ClientMessage] = Conversation(session.channel, protocol)
        session.channel.owner = client
        try:
            async with asyncio.timeout(self.settings.login_timeout_s):
                self._check_throttle(session)
                change = parse_change_user(payload, session.capabilities)
                door = Door(
                    client=client,
                    claim=Claim(
                        user=change.user,
                        schema=change.schema,
                        host=session.peer.rpartition(":")[0],
                        answer=change.answer,
                        plugin=change.plugin,
                        scramble=session.scramble,
                        attributes=change.attributes,
                    ),
                    charset=change.charset,
                    max_packet=0,
                    is_private=_is_private(session.channel),
                    rsa_key=self._key,
                    fingerprint=self._fingerprint(session.channel, greeting, settings),
                )
                admitted = await self._readmit(session, door, group, backend)
                if session.state != 0 or client.is_gone:
                    raise ConnectionClosed("the client went away during the change of user")
                self._check_user(session, change.user.decode("utf-8", "replace"))
        except (TimeoutError, MySQLError, BackendRefused, ConnectionClosed, ssl.SSLError) as error:
            if _is_denial(error):
                self._login_failed(session)
            # A connection whose change of user failed is in no state that could be relied on.
            self._refuse(session, client, _as_refusal(error), CloseReason.LOGIN_FAILED)
            return
        except Exception as error:
            self.emit(Warned(time.time(), f"{session.id} change of user failed for an unforeseen reason: {error!r}"))
            self._refuse(session, client, _UNFORESEEN, CloseReason.PROTOCOL_ERROR)
            return
        session.user = change.user.decode("utf-8", "replace")
        session.program = program_name(change.attributes)
        self._begin(session, door, group, admitted)

    async def _readmit(self, session: Session, door: Door, group: Group, backend: Backend) -> Admitted:
        # A session of its own connection changes the user on it; one of the pool just takes others.
        connection = session.connection
        if session.shelf is not None or connection is None:
            session.leave_connections()
            admitted = await self._admit(session, door, group, self.settings)
            return admission.readmitted(admitted)
        if session.is_spoiled:
            # What even a reset leaves behind, a change of user may leave too.
            backend.pool.worn.add(connection)
        return await admission.change_user(door, backend, connection)

    async def _door(
        self, session: Session, client: Conversation[ClientMessage], protocol: ServerProtocol, settings: Settings
    ) -> Door:
        request = await client.next()
        if isinstance(request, TlsRequest):
            assert settings.tls is not None
            established = asyncio.get_running_loop().create_future()
            await client.secure(TlsLayer(settings.tls.context, None, established))
            request = await client.next()
        elif settings.tls_mode is ClientTlsMode.REQUIRED and _is_tcp(client.channel):
            raise MySQLError(
                ErrorCode.TLS_REQUIRED, "this listener takes clients with TLS only; switch TLS on in the client"
            )
        if not isinstance(request, LoginRequest):
            raise ProtocolError(ErrorCode.HANDSHAKE, "TLS was asked for twice")
        claim = Claim(
            user=request.user,
            schema=request.schema,
            host=session.peer.rpartition(":")[0] or "localhost",
            answer=request.answer,
            # A client that knows no plugins answers as the oldest of them does.
            plugin=request.plugin if request.capabilities & Capability.PLUGIN_AUTH else auth.NATIVE,
            scramble=protocol.greeting.scramble,
            attributes=request.attributes,
        )
        return Door(
            client=client,
            claim=claim,
            charset=request.charset,
            max_packet=request.max_packet,
            is_private=_is_private(client.channel),
            rsa_key=self._key,
            fingerprint=self._fingerprint(client.channel, protocol.greeting, settings),
        )

    def _fingerprint(self, channel: Channel, greeting: Greeting, settings: Settings) -> bytes | None:
        tls = settings.tls
        return tls.fingerprint if tls is not None and channel.tls is not None and greeting.is_mariadb else None

    async def _greeting(self, session: Session, backend: Backend, settings: Settings) -> Greeting:
        if backend.greeting is None:
            # Never seen, in this life or an earlier one: the client waits until the server says what it is.
            try:
                await backend.meet()
            except (MySQLError, BackendRefused):
                if not settings.admins:
                    raise
                # It may be one of them, who wants to know why the server is not there.
                return self._dressed(session.id, _OWN, settings)
        assert backend.greeting is not None
        return self._dressed(session.id, backend.greeting, settings)

    def _dressed(self, session_id: int, greeting: Greeting, settings: Settings) -> Greeting:
        flags = greeting.capabilities & OFFERED
        if settings.tls is not None and settings.tls_mode is not ClientTlsMode.OFF:
            flags |= Capability.SSL
        return Greeting(
            server_version=greeting.server_version,
            connection_id=session_id,
            scramble=self._scramble(),
            capabilities=flags,
            charset=greeting.charset,
            status=Status.AUTOCOMMIT,
            plugin=greeting.plugin,
        )

    async def _read_proxy_header(
        self, session: Session, client: Conversation[ClientMessage], settings: Settings
    ) -> None:
        name = client.channel.transport.get_extra_info("peername")
        local = client.channel.transport.get_extra_info("sockname")
        if not isinstance(name, tuple):
            return
        session.origin = Origin(client=(name[0], name[1]), server=(local[0], local[1]))
        if not _is_balancer(client.channel, settings.proxies):
            session.place = place_of(name[0])
            return
        # Its own connections, which ask how DbMux is, count as nobody's.
        header = await client.proxy_header()
        if header.client is not None:
            session.place = place_of(header.client.host)
            session.peer = f"{header.client.host}:{header.client.port}"
            session.origin = Origin(client=(header.client.host, header.client.port), server=(local[0], local[1]))

    def _check_room(self, settings: Settings) -> None:
        if len(self.sessions) > settings.max_clients:
            raise MySQLError(
                ErrorCode.TOO_MANY_CLIENTS,
                f"{_clients_are(settings.max_clients)} connected already; raise limits.clients or close some",
            )

    def _check_address(self, session: Session, settings: Settings) -> None:
        place, limit = session.place, settings.max_clients_per_address
        if not place:
            return
        self._check_throttle(session)
        if limit is not None and self._addresses.others(session.id, place) >= limit:
            raise MySQLError(
                ErrorCode.TOO_MANY_CLIENTS,
                f"{_clients_are(limit)} connected from {place} already; raise limits.clients_per_address or close some",
            )
        self._addresses.put(session.id, place)

    def _check_user(self, session: Session, name: str) -> None:
        user = self.settings.users.get(name)
        limit = user.max_clients if user is not None else None
        if limit is not None and self._users.others(session.id, name) >= limit:
            raise MySQLError(
                ErrorCode.TOO_MANY_OF_USER,
                f"{_clients_are(limit)} logged in as {name} already; raise users.{name}.max_clients or close some",
            )
        self._users.put(session.id, name)

    def _refuse(
        self,
        session: Session,
        client: Conversation[ClientMessage],
        error: MySQLError | BackendRefused,
        reason: CloseReason,
    ) -> None:
        protocol = client.protocol
        assert isinstance(protocol, ServerProtocol)
        packet = err_from(error)
        shown = error.message if isinstance(error, MySQLError) else str(error)
        if not client.is_gone:
            client.send(protocol.send_err(packet))
        self.emit(LoginFailed(time.time(), session.id, session.user, packet.number, shown))
        session.end(reason, shown)

    async def _key(self) -> RSAPrivateKey:
        # 2048 bits take some 50 ms, and most proxies never need one.
        if self._rsa_key is None:
            self._rsa_key = self._tasks.create_task(asyncio.to_thread(_make_rsa_key), name="make RSA key")
        return await asyncio.shield(self._rsa_key)

    def _scramble(self) -> bytes:
        return self._randomness.bytes(20).translate(_PRINTABLE)

    def _next_id(self) -> int:
        number = next(self._ids)
        if number > LAST_ID:
            self._ids = itertools.count(FIRST_ID + 1)
            number = FIRST_ID
        while number in self.sessions:
            number = next(self._ids)
        return number


# Scrambles are printable, as servers send them: a zero byte would end one early in some clients.
_PRINTABLE = bytes(33 + byte % 94 for byte in range(256))
_UNKNOWN_SERVER = Greeting(
    server_version=b"", connection_id=0, scramble=b"", capabilities=OFFERED, charset=0, status=0, plugin=auth.NATIVE
)
# In place of a server's, for those who visit DbMux itself.
_OWN = replace(_UNKNOWN_SERVER, server_version=b"8.0.0-DbMux", charset=COLLATION_ID)


def _overdue(session: Session, limit: float, whose: str, was_stopped: object) -> MySQLError:
    is_mariadb = session.backend is not None and session.backend.is_mariadb
    code = ErrorCode.TIMED_OUT_MARIADB if is_mariadb else ErrorCode.TIMED_OUT_MYSQL
    end = "" if was_stopped else "; the server may still finish it"
    return MySQLError(
        code, f"the query ran longer than {whose} allows ({limit:g} s){end}; make it faster or raise the limit"
    )


def _is_denial(error: Exception) -> bool:
    # A password that was wrong, whoever checked it.
    number = error.code.number if isinstance(error, MySQLError) else getattr(error, "number", 0)
    return number == ErrorCode.ACCESS_DENIED.number


def _is_balancer(channel: Channel, proxies: tuple[Network, ...]) -> bool:
    if not proxies:
        return False
    name = channel.transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return False
    address = ipaddress.ip_address(name[0].partition("%")[0])
    return any(address in network for network in proxies)


def _is_tcp(channel: Channel) -> bool:
    return isinstance(channel.transport.get_extra_info("peername"), tuple)


def _entrance(group: Group, settings: Settings) -> Backend:
    # Where a login is proved. A relayed one keeps that server for life, so that it must be the primary.
    is_relayed = not settings.users and settings.login is LoginMode.RELAY
    return group.primary if is_relayed else group.entrance


def _is_private(channel: Channel) -> bool:
    return channel.tls is not None or not _is_tcp(channel)


_UNFORESEEN = MySQLError(
    ErrorCode.HANDSHAKE, "the login failed for a reason that nobody foresaw; see DbMux's log, and please report it"
)


def _as_refusal(error: Exception) -> MySQLError | BackendRefused:
    match error:
        case MySQLError() | BackendRefused():
            return error
        case TimeoutError():
            return MySQLError(ErrorCode.HANDSHAKE, "the change of user took too long; connect again")
        case _:
            return MySQLError(ErrorCode.LOST_IN_REPLY, "the connection was lost in the change of user; connect again")


def _make_rsa_key() -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _clients_are(number: int) -> str:
    return "1 client is" if number == 1 else f"{number} clients are"
