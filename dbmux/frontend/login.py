"""The three ways of logging in: users of the configuration, relayed to the server, or learnt from the client.

A client's claim and its conversation come in; out goes how to log in at the server, or of a relayed login the server's
OK; a refusal is raised. After a refusal nothing but the error is ever sent. What each way can and cannot do is told in
docs/login.md. Passwords are compared in constant time and never shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmux.address import UnixAddress
from dbmux.backend import login as backend_login
from dbmux.backend.login import Credentials
from dbmux.backend.server import Backend
from dbmux.config.model import User
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.frontend.entry import Entry
from dbmux.net.conversation import Conversation
from dbmux.wire import auth
from dbmux.wire.client import AuthMore, ClientProtocol, ServerMessage
from dbmux.wire.handshake import AuthSwitch, is_utf8
from dbmux.wire.replies import Err, Ok
from dbmux.wire.rows import TextRow
from dbmux.wire.server import AuthAnswer, ClientMessage, ServerProtocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# The longest password that servers take is far shorter; a longer "encrypted" one would cost time to refuse.
MAX_ANSWER = 1024

_IN_THE_CLEAR = (auth.CLEAR, b"dialog")
_OWN_PLUGINS = (auth.NATIVE, auth.CACHING_SHA2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who a client says it is, and its first answer, which `plugin` made of `scramble`.

    That one is the connection's for as long as it lasts, as servers have it: MariaDB's client answers a change of user
    with what it made of it before.
    """

    user: bytes
    schema: bytes
    host: str
    answer: bytes
    plugin: bytes
    scramble: bytes
    attributes: bytes

    def credentials(self, password: auth.Secret = b"") -> Credentials:
        """The same claim towards a server."""
        return Credentials(user=self.user, password=password, schema=self.schema, attributes=self.attributes)

    def denied(self) -> MySQLError:
        """The error for a wrong name or password: the same for both."""
        user, using = self.user.decode("utf-8", "replace"), "YES" if self.answer else "NO"
        return MySQLError(
            ErrorCode.ACCESS_DENIED, f"Access denied for user '{user}'@'{self.host}' (using password: {using})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A client that wants in: its conversation, and what DbMux has to prove things with."""

    client: Conversation[ClientMessage]
    claim: Claim
    charset: int
    max_packet: int
    is_private: bool
    rsa_key: Callable[[], Awaitable[RSAPrivateKey]]
    # Of DbMux's certificate, where the client is inside TLS and of the kind that takes a proof of it.
    fingerprint: bytes | None

    @property
    def protocol(self) -> ServerProtocol:
        """The client's half of the talk, seen from this side."""
        protocol = self.client.protocol
        assert isinstance(protocol, ServerProtocol)
        return protocol

    def refuse_ambiguous_name(self) -> None:
        """Raise MySQLError where the same bytes are another account's name in another character set."""
        if not self.claim.user.isascii() and not is_utf8(self.charset):
            raise MySQLError(
                ErrorCode.ACCESS_DENIED,
                "a user's name with letters beyond ASCII is only taken from clients whose character set is utf8mb4 or "
                "utf8; connect with one of these",
            )

    async def switch(self, request: AuthSwitch) -> bytes:
        """Have the client answer another plugin."""
        self.client.send(self.protocol.switch(request))
        return await self.answer()

    async def more(self, payload: bytes) -> bytes:
        """Send the client a packet of its plugin, and have its answer."""
        self.client.send(self.protocol.send(payload))
        return await self.answer()

    async def answer(self) -> bytes:
        """The client's next answer."""
        message = await self.client.next()
        assert isinstance(message, AuthAnswer)
        if len(message.answer) > MAX_ANSWER * 64:
            raise MySQLError(ErrorCode.HANDSHAKE, "the answer to the authentication is too long")
        return message.answer

    async def clear_password(self, scramble: bytes) -> bytes:
        """Have the client of caching_sha2_password send its password: in TLS, or encrypted to DbMux's own key."""
        answer = await self.more(b"\x01" + auth.FULL_NEEDED)
        if self.is_private:
            return answer.rstrip(b"\0")
        return await self.decrypted(answer, scramble, auth.KEY_REQUEST)

    async def decrypted(self, answer: bytes, scramble: bytes, key_request: bytes) -> bytes:
        """The password that the client encrypted to DbMux's own key, which it may ask for first."""
        if answer == b"\0" or not answer:
            return b""
        key = await self.rsa_key()
        if answer == key_request:
            answer = await self.more(b"\x01" + _public_pem(key))
        try:
            return auth.decrypt_password(answer[:MAX_ANSWER], scramble, key)
        except ValueError:
            raise MySQLError(
                ErrorCode.ACCESS_DENIED,
                "the password was not encrypted to DbMux's key; connect with TLS, or let the client ask for the key "
                "(--get-server-public-key, allowPublicKeyRetrieval)",
            ) from None


async def prove_configured(door: Door, user: User | None, known: Credentials | None) -> tuple[Credentials, bytes]:
    """Check the client against a user of the configuration: how it logs in at the backend, and what its OK should say.

    None is a user who is not there. `known` is what was learnt before of one of whom only a hash is there.
    """
    claim = door.claim
    if user is not None and user.password_hash is not None:
        shown, proof = await _prove_by_hash(door, user.password_hash, known)
        secret = shown.password
    else:
        password = (user.password if user is not None and user.password is not None else "").encode()
        told = await _prove_client(door, password)
        if user is None or told is None:
            raise claim.denied()
        secret, proof = password, told
    if user.backend_password is not None:
        secret = user.backend_password.encode()
    who = Credentials(
        user=user.backend_user.encode() if user.backend_user is not None else claim.user,
        password=secret,
        schema=claim.schema,
        attributes=claim.attributes,
    )
    return who, proof


async def _prove_by_hash(door: Door, stored: str, known: Credentials | None) -> tuple[Credentials, bytes]:
    # A client that can show its password in private is asked to: it is good for every account. Of the others a
    # native hash needs no more than their answer.
    claim, scramble, answer = door.claim, door.claim.scramble, door.claim.answer
    if auth.is_native_hash(stored) and not (door.is_private and claim.plugin == auth.CACHING_SHA2):
        if not (_answers_greeting(door) and claim.plugin == auth.NATIVE):
            answer = await door.switch(AuthSwitch(plugin=auth.NATIVE, scramble=scramble + b"\0"))
        key = auth.native_key(stored, scramble, answer)
        if key is None:
            raise claim.denied()
        return claim.credentials(key), _certificate_proof(door, key, scramble)
    who, proof = await show_password(door, known)
    is_known = known is not None and known.password == who.password
    # Thousands of rounds: other clients should not have to wait for them.
    if not is_known and not (
        isinstance(who.password, bytes) and await asyncio.to_thread(auth.is_hash_of, stored, who.password)
    ):
        raise claim.denied()
    return who, proof


async def show_password(door: Door, known: Credentials | None) -> tuple[Credentials, bytes]:
    """Learn the client's password, which the server has still to check, and what its OK should say.

    A client that proves at once the password which is `known` from an earlier login need not show it again; every
    other is asked to.
    """
    claim, scramble = door.claim, door.claim.scramble
    if known is not None and _answers_greeting(door):
        proof = _verdict(door, claim.plugin, known.password, scramble, claim.answer)
        if proof is not None:
            return claim.credentials(known.password), proof
    answer = claim.answer
    if not (_answers_greeting(door) and claim.plugin == auth.CACHING_SHA2):
        answer = await door.switch(AuthSwitch(plugin=auth.CACHING_SHA2, scramble=scramble + b"\0"))
    password = await door.clear_password(scramble) if answer.rstrip(b"\0") else b""
    return claim.credentials(password), b""


async def log_in_relayed(door: Door, entry: Entry, message: ServerMessage) -> Ok:
    """Carry the server's own account check, which begins with `message`, to the client; no password is known here."""
    conversation = entry.conversation
    assert conversation is not None
    asked = AuthSwitch(plugin=auth.UNKNOWN, scramble=b"")
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    while True:
        match message:
            case Ok() as ok:
                return ok
            case Err() as err:
                raise BackendRefused(err.number, err.sqlstate, err.message)
            case AuthSwitch() as asked:
                both = door.is_private and _is_private(entry, conversation)
                if asked.plugin in _IN_THE_CLEAR and not both:
                    raise MySQLError(
                        ErrorCode.TLS_REQUIRED,
                        "this account sends its password in the clear, which needs TLS to DbMux and to the backend",
                    )
                if asked.plugin == auth.SHA256 and door.is_private != _is_private(entry, conversation):
                    await _relay_sha256(door, entry, conversation, asked)
                else:
                    conversation.send(protocol.answer(await door.switch(asked)))
            case AuthMore(data=auth.FAST_OK) as more if asked.plugin == auth.CACHING_SHA2:
                door.client.send(door.protocol.send(more.payload))
            case AuthMore(data=auth.FULL_NEEDED) if (
                asked.plugin == auth.CACHING_SHA2 and door.is_private != _is_private(entry, conversation)
            ):
                await _relay_full_exchange(door, entry, conversation, asked)
            case AuthMore() as more:
                door.client.send(door.protocol.send(more.payload))
                if (answer := await _answer_unless_over(door, conversation)) is not None:
                    conversation.send(protocol.answer(answer))
            case _:
                raise MySQLError(ErrorCode.MALFORMED_REPLY, "the server sent what is not part of a login")
        message = await backend_login.next_message(entry.backend, conversation)


def explained(refused: BackendRefused, backend: Backend) -> BackendRefused | MySQLError:
    """The server's refusal, or where its words would puzzle behind a proxy, an error that says more."""
    if refused.number != ErrorCode.SOCKET_ONLY.number:
        return refused
    return MySQLError(
        ErrorCode.SOCKET_ONLY,
        f"backend {backend.name} says: {refused.message.decode('utf-8', 'replace')}. Such an account logs in only "
        "over the server's own Unix socket, not through a proxy; make one that has a password (CREATE USER)",
    )


async def refuse_socket_account(backend: Backend, ask: Callable[[bytes], Awaitable[Sequence[TextRow]]]) -> None:
    """Raise when the server let somebody in for DbMux's own operating-system user rather than for a password.

    Over a Unix socket the server sees DbMux, not the client, so such an account would be open to everybody. `ask` runs
    a statement as that account.
    """
    if not isinstance(backend.config.address, UnixAddress):
        return
    try:
        told = await ask(b"SHOW CREATE USER CURRENT_USER()")
    except BackendRefused:
        told = []
    account = b" ".join(value or b"" for row in told for value in row)
    if not account or b"unix_socket" in account or b"auth_socket" in account:
        raise MySQLError(
            ErrorCode.SOCKET_ONLY,
            "over its Unix socket the server knows this account by the operating-system user, and that is DbMux's, not "
            "yours; name the account in `users` with a password of its own, or use an account with a password",
        )


async def _relay_full_exchange(
    door: Door, entry: Entry, conversation: Conversation[ServerMessage], asked: AuthSwitch
) -> None:
    # One side is private and the other is not: the password changes its clothes on the way.
    password = await door.clear_password(asked.scramble)
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    if _is_private(entry, conversation):
        conversation.send(protocol.answer(password + b"\0"))
    else:
        await backend_login.send_encrypted(entry.backend, conversation, password, asked)


async def _answer_unless_over(door: Door, conversation: Conversation[ServerMessage]) -> bytes | None:
    # Some plugins end with a word of the server's that wants no answer: then it speaks again, and not the client.
    both = (asyncio.ensure_future(door.answer()), asyncio.ensure_future(conversation.until_readable()))
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        answer = both[0].result() if both[0].done() else None
    finally:
        for task in both:
            task.cancel()
        # Until they are over they hold on to their conversations.
        await asyncio.wait(both)
    return answer


async def _relay_sha256(door: Door, entry: Entry, conversation: Conversation[ServerMessage], asked: AuthSwitch) -> None:
    # As in `_relay_full_exchange`, for the older plugin, which shows its password at once where it is private.
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    answer = await door.switch(asked)
    if door.is_private:
        await backend_login.send_encrypted(entry.backend, conversation, answer.rstrip(b"\0"), asked)
        return
    password = await door.decrypted(answer, asked.scramble, auth.SHA256_KEY_REQUEST)
    conversation.send(protocol.answer(password + b"\0"))


async def _prove_client(door: Door, password: bytes) -> bytes | None:
    # As `_verdict`, having asked a client that does not speak the greeting's plugin by what it prefers.
    claim = door.claim
    if _answers_greeting(door):
        return _verdict(door, claim.plugin, password, claim.scramble, claim.answer)
    plugin = claim.plugin if claim.plugin in _OWN_PLUGINS else auth.NATIVE
    answer = await door.switch(AuthSwitch(plugin=plugin, scramble=claim.scramble + b"\0"))
    return _verdict(door, plugin, password, claim.scramble, answer)


def _answers_greeting(door: Door) -> bool:
    return door.claim.plugin == door.protocol.greeting.plugin and door.claim.plugin in _OWN_PLUGINS


def _verdict(door: Door, plugin: bytes, password: auth.Secret, scramble: bytes, answer: bytes) -> bytes | None:
    # None for a wrong answer; for a right one what the OK should say, which proves DbMux's certificate where it can.
    if not auth.is_right(plugin, password, scramble, answer):
        return None
    if plugin == auth.CACHING_SHA2 and password:
        door.client.send(door.protocol.send(b"\x01" + auth.FAST_OK))
    return _certificate_proof(door, password, scramble) if plugin == auth.NATIVE and password else b""


def _certificate_proof(door: Door, password: auth.Secret, scramble: bytes) -> bytes:
    return auth.certificate_proof(password, scramble, door.fingerprint) if door.fingerprint is not None else b""


def _is_private(entry: Entry, conversation: Conversation[ServerMessage]) -> bool:
    return backend_login.is_private(entry.backend, conversation)


def _public_pem(key: RSAPrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
