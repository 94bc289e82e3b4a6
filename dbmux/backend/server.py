"""One MySQL server behind DbMux, and the way to it up to the login request.

A configured backend comes in, conversations with it go out, greeted and inside TLS where that is configured. What
the server said of itself is remembered. Never knows a password.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from dbmux.address import Address
from dbmux.backend.pool import ConnectionPool
from dbmux.config.model import BackendConfig, BackendTlsMode, SendProxy
from dbmux.errors import BackendRefused, DbMuxError, ErrorCode, MySQLError
from dbmux.net import proxy_protocol
from dbmux.net.channel import Channel, Owner
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.net.tls import TlsLayer
from dbmux.wire.capabilities import NEEDED, OFFERED, Capability
from dbmux.wire.client import AuthMore, ClientProtocol, ServerMessage
from dbmux.wire.handshake import AuthSwitch, Greeting, LoginRequest, TlsRequest
from dbmux.wire.replies import Err

Dial = Callable[[Address, Callable[[Channel], Owner]], Awaitable[Channel]]

# What DbMux wants of a server beyond what the client asked for.
ALWAYS = int(
    Capability.SESSION_TRACK | Capability.PLUGIN_AUTH | Capability.SECURE_CONNECTION | Capability.PLUGIN_AUTH_LENENC
)


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
    """What a login will ask of the server."""

    capabilities: int
    charset: int
    max_packet: int


class Backend:
    """A server, under its configured name. `greeting` is the last one it gave, perhaps in an earlier life."""

    __slots__ = ("_dial", "_tls", "config", "connect_timeout_s", "error", "greeting", "name", "pool", "state")

    def __init__(
        self, name: str, config: BackendConfig, *, dial: Dial, tls: ssl.SSLContext | None, connect_timeout_s: float
    ) -> None:
        self.name = name
        self.config = config
        self.connect_timeout_s = connect_timeout_s
        self.pool = ConnectionPool(name, config.max_connections)
        self.greeting: Greeting | None = None
        self.state = BackendState.UNKNOWN
        self.error = ""
        self._dial = dial
        self._tls = tls

    @property
    def version(self) -> str:
        """The server's version as it was last told, or nothing."""
        if self.greeting is None:
            return ""
        # MariaDB hides its version behind one that old clients understand.
        return self.greeting.server_version.decode("latin-1").removeprefix("5.5.5-")

    async def reach(self, wish: Wish, origin: Origin | None = None) -> Conversation[ServerMessage]:
        """Connect, hear the greeting, start TLS; the login request must follow, with `agreed(wish)`.

        Raises MySQLError 2003 when the server cannot be reached, BackendRefused when it greets with an error.
        """
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                return await self._reach(wish, origin)
        except (OSError, ConnectionClosed, TimeoutError) as error:
            self.error = _reason(error)
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
        wish = Wish(capabilities=NEEDED | Capability.LONG_PASSWORD, charset=45, max_packet=1 << 24)
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
                f"backend {self.name} is no longer the server it was (it lacks {Capability(missing)}); connect again",
            )
        flags = wish.capabilities & OFFERED | ALWAYS
        return flags & greeting.capabilities & ~int(Capability.CONNECT_WITH_DB) | NEEDED

    async def _reach(self, wish: Wish, origin: Origin | None) -> Conversation[ServerMessage]:
        protocol = ClientProtocol()
        conversation: Conversation[ServerMessage]

        def opened(channel: Channel) -> Conversation[ServerMessage]:
            return Conversation(channel, protocol)

        channel = await self._dial(self.config.address, opened)
        try:
            conversation = channel.owner  # type: ignore[assignment]  # `opened` made it
            if origin is not None and self.config.send_proxy is not SendProxy.OFF:
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
            raise MySQLError(
                ErrorCode.UNREACHABLE,
                f"TLS to backend {self.name} failed ({_reason(error)}); see backends.{self.name}.tls",
            ) from error


# Bits that change what a statement means or how a reply is framed: they cannot be dropped behind a client's back.
_MEANINGFUL = int(
    Capability.FOUND_ROWS | Capability.IGNORE_SPACE | Capability.MULTI_STATEMENTS | Capability.MULTI_RESULTS
    | Capability.DEPRECATE_EOF | Capability.QUERY_ATTRIBUTES | Capability.LOCAL_FILES
    | Capability.MARIADB_EXTENDED_METADATA
)  # fmt: skip


def _proxy_header(version: SendProxy, origin: Origin) -> bytes:
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
