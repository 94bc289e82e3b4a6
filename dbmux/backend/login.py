"""Logging in at a backend with a password that is known.

A greeted conversation and credentials come in; out goes the server's OK, or its refusal is raised. The password is
never sent in the clear outside TLS or a Unix socket. The account's plugin decides; an answer may have to be encrypted
to the server's RSA key (manual page "Caching SHA-2 Authentication").
"""

from __future__ import annotations

from dataclasses import dataclass

from dbmux.address import UnixAddress
from dbmux.backend.server import Backend, Wish
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.wire import auth
from dbmux.wire.client import AuthMore, ClientProtocol, Phase, ServerMessage
from dbmux.wire.handshake import AuthSwitch, LoginRequest
from dbmux.wire.replies import Err, Ok


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who logs in, and to what; the password never shows in a repr."""

    user: bytes
    password: auth.Secret
    schema: bytes = b""
    attributes: bytes = b""

    def __repr__(self) -> str:
        return f"Credentials({self.user!r})"


def login_request(backend: Backend, wish: Wish, who: Credentials, answer: bytes, plugin: bytes) -> LoginRequest:
    """The login request for an already greeted connection."""
    assert backend.greeting is not None
    return LoginRequest(
        capabilities=backend.agreed(wish, backend.greeting),
        max_packet=wish.max_packet,
        charset=wish.charset,
        user=who.user,
        answer=answer,
        schema=who.schema,
        plugin=plugin,
        attributes=who.attributes,
    )


async def log_in(backend: Backend, conversation: Conversation[ServerMessage], wish: Wish, who: Credentials) -> Ok:
    """Log in; raises BackendRefused with the server's error, or MySQLError when DbMux cannot do what it asks for."""
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    assert protocol.greeting is not None
    plugin, scramble = protocol.greeting.plugin, protocol.greeting.scramble
    answer = auth.answer_to(plugin, who.password, scramble)
    if answer is None:
        plugin, answer = auth.UNKNOWN, b""
    conversation.send(protocol.log_in(login_request(backend, wish, who, answer, plugin)))
    return await prove(backend, conversation, who.password, AuthSwitch(plugin=plugin, scramble=scramble))


async def prove(
    backend: Backend, conversation: Conversation[ServerMessage], password: auth.Secret, asked: AuthSwitch
) -> Ok:
    """Answer what the server's plugin asks until it says OK; `asked` is what was answered first."""
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    while True:
        match await next_message(backend, conversation):
            case Ok() as ok:
                return ok
            case Err() as err:
                raise BackendRefused(err.number, err.sqlstate, err.message)
            case AuthSwitch() as asked:
                await _answer_switch(backend, conversation, password, asked)
            case AuthMore(data=auth.FAST_OK) if asked.plugin == auth.CACHING_SHA2:
                continue
            case AuthMore(data=auth.FULL_NEEDED) if asked.plugin == auth.CACHING_SHA2:
                clear = _clear(backend, asked.plugin, password)
                if is_private(backend, conversation):
                    conversation.send(protocol.answer(clear + b"\0"))
                else:
                    await send_encrypted(backend, conversation, clear, asked)
            case _:
                raise _cannot(backend, asked.plugin)


async def _answer_switch(
    backend: Backend, conversation: Conversation[ServerMessage], password: auth.Secret, asked: AuthSwitch
) -> None:
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    answer = auth.answer_to(asked.plugin, password, asked.scramble)
    if answer is None and asked.plugin in (auth.CLEAR, auth.SHA256) and is_private(backend, conversation):
        answer = _clear(backend, asked.plugin, password) + b"\0"
    if answer is None and asked.plugin == auth.SHA256:
        await send_encrypted(backend, conversation, _clear(backend, asked.plugin, password), asked)
    elif answer is None and asked.plugin == auth.CACHING_SHA2:
        raise _needs_clear(backend, asked.plugin)
    elif answer is None:
        raise _cannot(backend, asked.plugin)
    else:
        conversation.send(protocol.answer(answer))


async def send_encrypted(
    backend: Backend, conversation: Conversation[ServerMessage], password: bytes, asked: AuthSwitch
) -> None:
    """Ask the server for its RSA key and send the password encrypted to it."""
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    is_old = asked.plugin == auth.SHA256
    conversation.send(protocol.answer(auth.SHA256_KEY_REQUEST if is_old else auth.KEY_REQUEST))
    match await next_message(backend, conversation):
        case AuthMore() as more:
            try:
                encrypted = auth.encrypt_password(password, asked.scramble, more.data)
            except ValueError:
                raise _cannot(backend, asked.plugin) from None
            conversation.send(protocol.answer(encrypted))
        case Err() as err:
            raise BackendRefused(err.number, err.sqlstate, err.message)
        case _:
            raise _cannot(backend, asked.plugin)


async def end_login(conversation: Conversation[ServerMessage]) -> None:
    """Bring a login that nobody will finish to its end: answer nothing until the server refuses."""
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    while protocol.phase is Phase.AUTH:
        conversation.send(protocol.answer(b""))
        if isinstance(await conversation.next(), Ok | Err):
            return


def is_private(backend: Backend, conversation: Conversation[ServerMessage]) -> bool:
    """Whether nobody between DbMux and the server can read: TLS or a Unix socket."""
    return conversation.channel.tls is not None or isinstance(backend.config.address, UnixAddress)


async def next_message(backend: Backend, conversation: Conversation[ServerMessage]) -> ServerMessage:
    """The server's next message; raises MySQLError 1429 when it hangs up."""
    try:
        return await conversation.next()
    except ConnectionClosed as error:
        raise MySQLError(
            ErrorCode.UNREACHABLE, f"backend {backend.name} closed the connection during the login; see its error log"
        ) from error


def _clear(backend: Backend, plugin: bytes, password: auth.Secret) -> bytes:
    if isinstance(password, auth.NativeKey):
        raise _needs_clear(backend, plugin)
    return password


def _needs_clear(backend: Backend, plugin: bytes) -> MySQLError:
    name = plugin.decode("ascii", "replace")
    return MySQLError(
        ErrorCode.AUTH_UNSUPPORTED,
        f"the account at backend {backend.name} uses {name}, which needs the password itself, and the client proved "
        "only that it knows it; connect with TLS and caching_sha2_password, or write `password` for the user",
    )


def _cannot(backend: Backend, plugin: bytes) -> MySQLError:
    name = plugin.decode("ascii", "replace")
    return MySQLError(
        ErrorCode.AUTH_UNSUPPORTED,
        f"the account at backend {backend.name} uses {name}, which DbMux can only pass through; "
        'remove it from `users` and set "login": "relay"',
    )
