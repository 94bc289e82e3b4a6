"""One MySQL server behind DbMux, and the way to it up to the login request.

A configured backend comes in, conversations with it go out, greeted and inside TLS where that is configured. What
the server said of itself is remembered. Never knows a password.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dbmux.address import Address, TcpAddress
from dbmux.backend.connection import Connection
from dbmux.backend.pool import Choice, Pool, Shelf
from dbmux.backend.vacancy import Vacancy
from dbmux.config.model import BackendConfig, BackendTlsMode, SendProxy
from dbmux.errors import BackendRefused, DbMuxError, ErrorCode, MySQLError
from dbmux.net import proxy_protocol
from dbmux.net.channel import Channel, Owner
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.net.tls import TlsLayer
from dbmux.session import Names, SessionState
from dbmux.wire.capabilities import NEEDED, OFFERED, Capability, names
from dbmux.wire.client import AuthMore, ClientProtocol, ServerMessage
from dbmux.wire.handshake import UTF8MB4, AuthSwitch, Greeting, LoginRequest, TlsRequest
from dbmux.wire.replies import Err

Dial = Callable[[Address, Callable[[Channel], Owner]], Awaitable[Channel]]

# What DbMux wants of a server beyond what the client asked for.
ALWAYS = int(
    Capability.SESSION_TRACK | Capability.PLUGIN_AUTH | Capability.SECURE_CONNECTION | Capability.PLUGIN_AUTH_LENENC
)

STATES_KEPT = 1000
# How much of the moving average the newest answer is.
LATENCY_SHARE = 0.1
# Between two tries of a TLS that failed; doubled by each failure.
TLS_PAUSE_S, LONGEST_TLS_PAUSE_S = 10.0, 3600.0
# How many of the server's connections one DbMux takes unless it is told a number.
SHARE_PERCENT = 80
# MariaDB knows the new names from 11.1 on, and warns of the old ones. MySQL has the old ones until 5.7.
NEW_NAMES_SINCE = (11, 1)
NEW_NAMES_SINCE_MYSQL = (8, 0)
_OLD_NAMES = {"transaction_isolation": "tx_isolation", "transaction_read_only": "tx_read_only"}


class BackendState(StrEnum):
    """What is known of a server's health."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The client on whose behalf a connection is opened: its TCP address and the one it connected to."""

    client: tuple[str, int]
    server: tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a login will ask of the server; CONNECT_WITH_DB is among it where it names a schema.

    Servers hold by what stands in the request for TLS.
    """

    capabilities: int
    charset: int
    max_packet: int


class Backend:
    """A server, under its configured name. `greeting` is the last one it gave, perhaps in an earlier life."""

    __slots__ = (
        "_alarm",
        "_dial",
        "_filler",
        "_states",
        "_tls",
        "_tls_failure",
        "_tls_pause_s",
        "_tls_retry_at",
        "applied_until",
        "config",
        "connect_timeout_s",
        "error",
        "greeting",
        "is_suspect",
        "lag_s",
        "latency_s",
        "name",
        "names",
        "pool",
        "reports",
        "sql_mode",
        "state",
        "up_since",
        "vacancy",
        "weight",
    )

    def __init__(
        self,
        name: str,
        config: BackendConfig,
        *,
        dial: Dial,
        tls: ssl.SSLContext | None,
        connect_timeout_s: float,
        fill: Callable[[Backend, Shelf], None] | None = None,
        choice: Choice = Choice.LAST_USED,
    ) -> None:
        self.name = name
        self.config = config
        self.connect_timeout_s = connect_timeout_s
        self.pool = Pool(name, config.max_connections, self._fill, choice, min_idle=config.min_idle)
        self.vacancy = Vacancy(self.pool)
        self.greeting: Greeting | None = None
        # What a login with a collation's number gives and reports, and the mode that every session begins with.
        self.names: dict[int, Names] = {}
        self.reports: dict[int, bytes] = {}
        self.sql_mode = b""
        # One object for equal states, so that two sessions in the same one are seen to be at a glance.
        self._states: dict[SessionState, SessionState] = {}
        self.state = BackendState.UNKNOWN
        self.error = ""
        # Something failed since it was last asked whether it is well.
        self.is_suspect = False
        # When it was found back, by time.perf_counter, as long as that matters; 0.0 for one that was not away.
        self.up_since = 0.0
        # Its share of reads; that of a primary without any is of no account.
        self.weight = config.weight
        # How far it is behind its primary, None where that is not known, and up to when it has all that was written
        # there, by time.perf_counter.
        self.lag_s: float | None = None
        self.applied_until = 0.0
        # A moving average of how long its answers took.
        self.latency_s = 0.0
        self._alarm = asyncio.Event()
        self._dial = dial
        self._tls = tls
        self._filler = fill
        self._tls_failure: MySQLError | None = None
        self._tls_pause_s = TLS_PAUSE_S
        self._tls_retry_at = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether nothing is known against it."""
        return self.state is not BackendState.DOWN and not self.is_suspect

    @property
    def is_drained(self) -> bool:
        """Whether it takes no reads by order, and not by its configuration."""
        return not self.weight and bool(self.config.weight)

    def drain(self) -> None:
        """Take no more reads."""
        self.weight = 0

    def note(self, seconds: float) -> None:
        """An answer took so long: one more for the moving average."""
        self.latency_s += (seconds - self.latency_s) * LATENCY_SHARE if self.latency_s else seconds

    def suspect(self) -> None:
        """Something failed there: it is left alone until it was asked how it is, which happens at once."""
        self.is_suspect = True
        self._alarm.set()

    async def alarm(self) -> None:
        """Returns when somebody suspects it."""
        self._alarm.clear()
        if not self.is_suspect:
            await self._alarm.wait()

    @property
    def version(self) -> str:
        """The server's version as it was last told, or nothing."""
        return self.greeting.version if self.greeting is not None else ""

    @property
    def is_mariadb(self) -> bool:
        """Which family of servers it is of; MySQL's while that is not known."""
        return self.greeting is not None and self.greeting.is_mariadb

    @property
    def spelling(self) -> Mapping[str, str]:
        """This server's own names for variables that are called otherwise on newer ones."""
        is_old = _numbers(self.version) < (NEW_NAMES_SINCE if self.is_mariadb else NEW_NAMES_SINCE_MYSQL)
        return _OLD_NAMES if is_old else {}

    def renew(self, tls: ssl.SSLContext | None, connect_timeout_s: float) -> None:
        """Files that its configuration names were read again, and the time limit is perhaps another."""
        if tls is not None or self._tls is not None:
            # A relayed login would have one that was made by what the files say now.
            self.vacancy.clear()
        self._tls = tls
        self.connect_timeout_s = connect_timeout_s
        self._tls_failure = None

    @property
    def tells_clients_apart(self) -> bool:
        """Whether a connection says at its beginning for which client it is."""
        return self.config.send_proxy is not SendProxy.OFF and isinstance(self.config.address, TcpAddress)

    def is_as_new(self, connection: Connection) -> bool:
        """Whether a new connection would be greeted like this one, and be inside TLS or not as this one is."""
        now, then = self.greeting, connection.greeting
        if now is None or (now.server_version, now.capabilities) != (then.server_version, then.capabilities):
            return False
        wants_tls = self._tls is not None and bool(now.capabilities & Capability.SSL)
        return wants_tls == (connection.channel.tls is not None)

    def first_state(self, schema: bytes, charset: int) -> SessionState:
        """The state in which a session begins that logs in with this schema and collation."""
        if len(self._states) > STATES_KEPT:
            self._states.clear()
        state = SessionState(schema=schema, names=self.names[charset])
        return self._states.setdefault(state, state)

    def learn(
        self, charset: int, names: Names, report: bytes, sql_mode: bytes, max_connections: int, max_statements: int
    ) -> None:
        """Remember what a fresh connection said of itself."""
        self.names[charset] = names
        self.reports[charset] = report
        self.sql_mode = sql_mode
        if self.config.max_connections is None and max_connections:
            self.pool.permit(max(1, max_connections * SHARE_PERCENT // 100))
        # A server without a limit may say -1.
        self.pool.ration.most = max_statements * SHARE_PERCENT // 100 if max_statements > 0 else None

    def _fill(self, shelf: Shelf) -> None:
        # A backend that is only asked questions needs no filler.
        assert self._filler is not None
        self._filler(self, shelf)

    async def reach(self, wish: Wish, origin: Origin | None = None) -> Conversation[ServerMessage]:
        """Connect, hear the greeting, start TLS; the login request must follow, with `agreed(wish)`.

        Raises MySQLError 1429 when the server cannot be reached, BackendRefused when it greets with an error.
        """
        if self._tls_failure is not None and asyncio.get_running_loop().time() < self._tls_retry_at:
            raise self._tls_failure
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                conversation = await self._reach(wish, origin)
            self._tls_failure, self._tls_pause_s = None, TLS_PAUSE_S
            return conversation
        except (OSError, ConnectionClosed, TimeoutError) as error:
            self.error = _reason(error)
            if self.state is not BackendState.DOWN:
                self.suspect()
            raise MySQLError(
                ErrorCode.UNREACHABLE,
                f"backend {self.name} at {self.config.address} cannot be reached ({self.error}); "
                f"is it running, and does `dbmux check --connect` reach it?",
            ) from error

    async def meet(self) -> None:
        """Connect only to hear the greeting, and leave as politely as the protocol allows: by a login that fails.

        A connection that just vanishes is counted by the server, which may in the end block this host (manual page
        "Host Cache", max_connect_errors). Raises like `reach`.
        """
        wish = Wish(capabilities=NEEDED | Capability.LONG_PASSWORD, charset=UTF8MB4, max_packet=1 << 24)
        conversation = await self.reach(wish)
        protocol = conversation.protocol
        assert isinstance(protocol, ClientProtocol)
        assert protocol.greeting is not None
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                conversation.send(
                    protocol.log_in(
                        LoginRequest(
                            capabilities=self.agreed(wish, protocol.greeting),
                            max_packet=wish.max_packet,
                            charset=wish.charset,
                            user=b"dbmux_probe",
                            answer=b"",
                            plugin=protocol.greeting.plugin,
                        )
                    )
                )
                while isinstance(await conversation.next(), AuthSwitch | AuthMore):
                    conversation.send(protocol.answer(b""))
        except (TimeoutError, DbMuxError):
            # The greeting was heard, which is all that was wanted.
            pass
        finally:
            conversation.channel.close()

    def agreed(self, wish: Wish, greeting: Greeting) -> int:
        """The capabilities of a login: the client's, as far as this server has them, and DbMux's own."""
        if missing := wish.capabilities & (OFFERED & ~ALWAYS) & ~greeting.capabilities & _MEANINGFUL:
            raise MySQLError(
                ErrorCode.HANDSHAKE,
                f"backend {self.name} is no longer the server it was (it lacks {names(missing)}); connect again",
            )
        flags = wish.capabilities & OFFERED | ALWAYS
        return flags & greeting.capabilities | NEEDED

    async def _reach(self, wish: Wish, origin: Origin | None) -> Conversation[ServerMessage]:
        protocol = ClientProtocol()
        conversation: Conversation[ServerMessage]

        def opened(channel: Channel) -> Conversation[ServerMessage]:
            return Conversation(channel, protocol)

        channel = await self._dial(self.config.address, opened)
        try:
            conversation = channel.owner  # type: ignore[assignment]  # `opened` made it
            if self.tells_clients_apart:
                conversation.send(_proxy_header(self.config.send_proxy, origin))
            greeting = await conversation.next()
            if isinstance(greeting, Err):
                raise BackendRefused(greeting.number, greeting.sqlstate, greeting.message)
            assert isinstance(greeting, Greeting)
            self.greeting = greeting
            await self._secure(conversation, protocol, greeting, wish)
            return conversation
        except BaseException:
            channel.abort()
            raise

    async def _secure(
        self, conversation: Conversation[ServerMessage], protocol: ClientProtocol, greeting: Greeting, wish: Wish
    ) -> None:
        mode = self.config.tls.mode
        if self._tls is None:
            return
        if not greeting.capabilities & Capability.SSL:
            if mode in (None, BackendTlsMode.PREFERRED):
                return
            raise MySQLError(
                ErrorCode.UNREACHABLE,
                f"backend {self.name} has no TLS, but backends.{self.name}.tls asks for it; switch TLS on there",
            )
        flags = self.agreed(wish, greeting) | Capability.SSL
        conversation.send(
            protocol.request_tls(TlsRequest(capabilities=flags, max_packet=wish.max_packet, charset=wish.charset))
        )
        established = asyncio.get_running_loop().create_future()
        hostname = getattr(self.config.address, "host", None) if self._tls.check_hostname else None
        try:
            await conversation.secure(TlsLayer(self._tls, hostname, established))
        except ssl.SSLError as error:
            # A server counts each of these, and blocks this host after some (manual page "Host Cache"): try seldom.
            self._tls_retry_at = asyncio.get_running_loop().time() + self._tls_pause_s
            self._tls_pause_s = min(2 * self._tls_pause_s, LONGEST_TLS_PAUSE_S)
            self._tls_failure = MySQLError(
                ErrorCode.UNREACHABLE,
                f"TLS to backend {self.name} failed ({_reason(error)}); see backends.{self.name}.tls",
            )
            raise self._tls_failure from error


# Bits that change what a statement means or how a reply is framed: they cannot be dropped behind a client's back.
_MEANINGFUL = (
    Capability.FOUND_ROWS | Capability.IGNORE_SPACE | Capability.MULTI_STATEMENTS | Capability.MULTI_RESULTS
    | Capability.DEPRECATE_EOF | Capability.QUERY_ATTRIBUTES | Capability.LOCAL_FILES
    | Capability.MARIADB_EXTENDED_METADATA
)  # fmt: skip


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _proxy_header(version: SendProxy, origin: Origin | None) -> bytes:
    if origin is None:
        # DbMux's own connections, which many clients share or none.
        return proxy_protocol.OWN_V1 if version is SendProxy.V1 else proxy_protocol.OWN_V2
    build = proxy_protocol.build_v1 if version is SendProxy.V1 else proxy_protocol.build_v2
    return build(origin.client, origin.server)


def _reason(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case OSError():
            return error.strerror or str(error)
        case _:
            return str(error)
