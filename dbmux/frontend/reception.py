"""How clients get in: from the greeting to the first command, and from one user to another.

An accepted session and its conversation come in; when the client has proved who it is, its session begins, or is told
why not and ends. Settings may be replaced at any time and hold for what begins afterwards. Never runs a command.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from dbmux.backend.group import Group
from dbmux.backend.server import Backend, Origin
from dbmux.config.model import Admin, ClientTlsMode, LoginMode, User
from dbmux.door.catalogue import COLLATION_ID
from dbmux.door.desk import Desk, Visitor
from dbmux.door.table import SCHEMA
from dbmux.door.visit import STATUS, Visit
from dbmux.errors import BackendRefused, ErrorCode, MySQLError, ProtocolError
from dbmux.events import CloseReason, Emit, LoggedIn, LoginFailed, Warned
from dbmux.frontend import admission, login
from dbmux.frontend.admission import Admitted, Learnt
from dbmux.frontend.limits import Limits, is_denial
from dbmux.frontend.login import Claim, Door
from dbmux.frontend.session import Session
from dbmux.frontend.settings import Settings
from dbmux.frontend.throttle import place_of
from dbmux.net.channel import Channel
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.net.tls import TlsLayer
from dbmux.wire import auth
from dbmux.wire.capabilities import OFFERED, Capability
from dbmux.wire.handshake import ChangeUser, Greeting, LoginRequest, TlsRequest, parse_change_user, program_name
from dbmux.wire.replies import Ok, Status, err_from, staying
from dbmux.wire.server import ClientMessage, ServerProtocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

T = TypeVar("T")

# Scrambles are printable, as servers send them: a zero byte would end one early in some clients.
_PRINTABLE = bytes(33 + byte % 94 for byte in range(256))
_UNKNOWN_SERVER = Greeting(
    server_version=b"", connection_id=0, scramble=b"", capabilities=OFFERED, charset=0, status=0, plugin=auth.NATIVE
)
# In place of a server's, for those who visit DbMux itself.
_OWN = replace(_UNKNOWN_SERVER, server_version=b"8.0.0-DbMux", charset=COLLATION_ID)
_UNFORESEEN = MySQLError(
    ErrorCode.HANDSHAKE, "the login failed for a reason that nobody foresaw; see DbMux's log, and please report it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomness:
    """Where scrambles and keys come from."""

    bytes: Callable[[int], bytes]


class Hall(Protocol):
    """What the reception needs of the frontend, where sessions are once they are in."""

    emit: Emit
    settings: Settings
    # Of the SQL door.
    desk: Desk
    sessions: dict[int, Session]

    def start(self, chore: Coroutine[None, None, T], name: str) -> asyncio.Task[T]:
        """Run a task that ends with the frontend at the latest."""

    def announce(self, session: Session) -> None:
        """For whom the session is, is known now."""

    def regroup(self, session: Session) -> None:
        """The session goes by the groups and rules of now."""


class Reception:
    """Logs clients in, at DbMux and at the servers."""

    def __init__(self, hall: Hall, randomness: Randomness) -> None:
        self.learnt = Learnt()
        self.limits = Limits(hall.settings, hall.emit)
        self._hall = hall
        self._emit = hall.emit
        self._randomness = randomness
        self._rsa_key: asyncio.Task[RSAPrivateKey] | None = None

    def conversation(self, channel: Channel) -> Conversation[ClientMessage]:
        """The talk with a client that has just connected, and may itself say something first."""
        return Conversation(channel, ServerProtocol(_UNKNOWN_SERVER))

    async def log_in(
        self, session: Session, client: Conversation[ClientMessage], group: str, settings: Settings
    ) -> None:
        """Greet a client and let it in, or tell it why not."""
        try:
            async with asyncio.timeout(settings.login_timeout_s):
                self.limits.check_room(len(self._hall.sessions))
                await self._read_proxy_header(session, client, settings)
                self._hall.announce(session)
                self.limits.count_address(session)
                home = settings.topology.groups[group]
                backend = settings.entrance(home)
                protocol = ServerProtocol(await self._greeting(session, backend, settings))
                protocol.receive(client.protocol.unread())
                client.protocol = session.greeter = protocol
                session.scramble = protocol.greeting.scramble
                client.send(protocol.greet())
                door = self._door(session, client, await self._request(client, settings), settings)
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
            self._emit(Warned(time.time(), f"{session.id} login failed for an unforeseen reason: {error!r}"))
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
            backend = settings.entrance(group)
            await backend.meet()
            raise MySQLError(ErrorCode.SHUTDOWN, f"backend {backend.name} was not there yet; connect again")
        with self.limits.counting_failures(session):
            admitted = await self._admit(session, door, group, settings)
        try:
            if session.state != 0 or door.client.is_gone:
                raise ConnectionClosed("the client went away during the login")
            self._check_still_welcome(session, group, admitted)
            self.limits.count_user(session, session.user)
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
        self._emit(LoggedIn(time.time(), session.id, session.user, schema, backend, version, seconds))

    async def _receive_visitor(self, session: Session, door: Door, admin: Admin) -> None:
        # Of DbMux itself: no server is asked, and a schema of theirs is not to be had.
        with self.limits.counting_failures(session):
            _, proof = await login.prove_configured(door, User(password=admin.password), None)
        if door.claim.schema.lower() not in (b"", SCHEMA.encode()):
            raise MySQLError(
                ErrorCode.UNKNOWN_SCHEMA,
                f"{session.user} is one of `admins`, who see DbMux's own tables only: connect to schema {SCHEMA}, "
                "or as another user",
            )
        if session.state != 0 or door.client.is_gone:
            raise ConnectionClosed("the client went away during the login")
        if self._hall.settings.admins.get(session.user) != admin:
            raise MySQLError(ErrorCode.SHUTDOWN, "this admin was removed or changed; connect again")
        protocol, channel = door.protocol, door.client.channel
        visitor = Visitor(user=session.user, number=session.id, server_version=protocol.greeting.version)
        channel.owner = visit = Visit(channel, protocol, self._hall.desk, visitor, session)
        session.greeter = None
        session.end_answer()
        visit.send(protocol.accept(Ok(status=STATUS, info=proof)))
        channel.resume()
        self._hall.start(self._attend(session, visit), f"visit {session.peer}")

    async def _attend(self, session: Session, visit: Visit) -> None:
        try:
            await visit.serve()
            session.end(CloseReason.QUIT)
        except ConnectionClosed as error:
            session.end(CloseReason.CLIENT_GONE, str(error))
        except MySQLError as error:
            session.fail(error, CloseReason.PROTOCOL_ERROR)
        except Exception as error:
            self._emit(Warned(time.time(), f"{session.id} the SQL door failed for an unforeseen reason: {error!r}"))
            session.end(CloseReason.PROTOCOL_ERROR, "the SQL door failed")

    def _check_still_welcome(self, session: Session, group: Group, admitted: Admitted) -> None:
        # The configuration may have changed while the client logged in under the old one. A session of shared
        # connections goes on at its group's other servers, as those do that were there already.
        now = self._hall.settings
        is_known = not now.users or session.user in now.users
        is_led_on = admitted.shelf is not None and group.name in now.topology.groups
        # Of one whose limits alone have changed, those that are there already may stay for a while, too.
        there = now.topology.backends.get(admitted.backend.name)
        is_there = there is not None and there.config.address == admitted.backend.config.address
        if not (is_led_on or is_there) or not is_known:
            raise MySQLError(ErrorCode.SHUTDOWN, "this connection's backend or user was removed; connect again")

    async def _admit(self, session: Session, door: Door, group: Group, settings: Settings) -> Admitted:
        deadline = time.perf_counter() + settings.pool_wait_s

        def entrance() -> Backend:
            # A reload may have replaced it since the login began.
            return settings.entrance(self._hall.settings.topology.groups.get(group.name, group))

        if settings.users:
            return await admission.by_users(door, entrance, settings.users, self.learnt, deadline)
        match settings.login:
            case LoginMode.LEARN:
                return await admission.by_learning(door, entrance, self.learnt, deadline)
            case LoginMode.RELAY:
                backend = entrance()
                return await admission.with_own_connection(door, backend, session.origin, deadline, self._hall.start)

    def _begin(self, session: Session, door: Door, group: Group, admitted: Admitted) -> None:
        protocol, client = door.protocol, door.client
        session.shelf = admitted.shelf
        session.begin(group, admitted.backend, admitted.state, protocol.capabilities)
        if admitted.connection is not None:
            session.keep(admitted.connection)
            admitted.connection.channel.resume()
        self._hall.regroup(session)
        client.send(protocol.accept(replace(admitted.ok, state=staying(admitted.ok.state))))
        client.channel.resume()
        session.resume_commands()
        if ahead := protocol.unread():
            session.received(ahead)

    async def change_user(self, session: Session, payload: bytes) -> None:
        """Let a session's client be somebody else, or tell it why not and end."""
        group, settings = session.group, self._hall.settings
        if session.state != 0 or group is None:
            return
        backend = settings.entrance(group)
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
            async with asyncio.timeout(self._hall.settings.login_timeout_s):
                self.limits.check_failures(session)
                change = parse_change_user(payload, session.capabilities)
                door = self._door(session, client, change, settings)
                admitted = await self._readmit(session, door, group, backend)
                if session.state != 0 or client.is_gone:
                    raise ConnectionClosed("the client went away during the change of user")
                self.limits.count_user(session, change.user.decode("utf-8", "replace"))
        except (TimeoutError, MySQLError, BackendRefused, ConnectionClosed, ssl.SSLError) as error:
            if is_denial(error):
                self.limits.count_failure(session)
            # A connection whose change of user failed is in no state that could be relied on.
            self._refuse(session, client, _as_refusal(error), CloseReason.LOGIN_FAILED)
            return
        except Exception as error:
            self._emit(Warned(time.time(), f"{session.id} change of user failed for an unforeseen reason: {error!r}"))
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
            admitted = await self._admit(session, door, group, self._hall.settings)
            return admission.readmitted(admitted)
        if session.is_spoiled:
            # What even a reset leaves behind, a change of user may leave too.
            backend.pool.worn.add(connection)
        return await admission.change_user(door, backend, connection)

    async def _request(self, client: Conversation[ClientMessage], settings: Settings) -> LoginRequest:
        # Behind TLS, where the client asks for that first.
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
        return request

    def _door(
        self,
        session: Session,
        client: Conversation[ClientMessage],
        request: LoginRequest | ChangeUser,
        settings: Settings,
    ) -> Door:
        protocol, tls = client.protocol, settings.tls
        assert isinstance(protocol, ServerProtocol)
        claim = Claim(
            user=request.user,
            schema=request.schema,
            host=session.peer.rpartition(":")[0] or "localhost",
            answer=request.answer,
            # A client that knows no plugins answers as the oldest of them does.
            plugin=request.plugin if protocol.capabilities & Capability.PLUGIN_AUTH else auth.NATIVE,
            scramble=session.scramble,
            attributes=request.attributes,
        )
        is_proved = client.channel.tls is not None and protocol.greeting.is_mariadb
        return Door(
            client=client,
            claim=claim,
            charset=request.charset,
            max_packet=request.max_packet if isinstance(request, LoginRequest) else 0,
            is_private=client.channel.tls is not None or not _is_tcp(client.channel),
            rsa_key=self._key,
            fingerprint=tls.fingerprint if tls is not None and is_proved else None,
        )

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
        if not settings.is_balancer(client.channel):
            session.place = place_of(name[0])
            return
        # Its own connections, which ask how DbMux is, count as nobody's.
        header = await client.proxy_header()
        if header.client is not None:
            session.place = place_of(header.client.host)
            session.peer = f"{header.client.host}:{header.client.port}"
            session.origin = Origin(client=(header.client.host, header.client.port), server=(local[0], local[1]))

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
        self._emit(LoginFailed(time.time(), session.id, session.user, packet.number, shown))
        session.end(reason, shown)

    async def _key(self) -> RSAPrivateKey:
        # 2048 bits take some 50 ms, and most proxies never need one.
        if self._rsa_key is None:
            self._rsa_key = self._hall.start(asyncio.to_thread(_make_rsa_key), "make RSA key")
        return await asyncio.shield(self._rsa_key)

    def _scramble(self) -> bytes:
        return self._randomness.bytes(20).translate(_PRINTABLE)


def _is_tcp(channel: Channel) -> bool:
    return isinstance(channel.transport.get_extra_info("peername"), tuple)


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
