"""The packets of the login: greeting, login request, TLS request, auth switch, change of user.

Payloads come in and values go out, and back; names and passwords' answers stay bytes. Rules: manual pages
"HandshakeV10", "HandshakeResponse41", "AuthSwitchRequest", "COM_CHANGE_USER", and MariaDB's "Connecting" page for
the four bytes of its own capabilities.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.auth import CACHING_SHA2, NATIVE, SHA256
from dbmux.wire.buffer import Reader, lenenc_bytes
from dbmux.wire.capabilities import NEEDED, REFRAMING, Capability, names
from dbmux.wire.commands import Command

PROTOCOL_VERSION = 10
SCRAMBLE_LENGTH = 20
AUTH_SWITCH = 0xFE
# The collation with which DbMux itself logs in: every server has it.
UTF8MB4 = 45
# The collations of utf8mb3 and utf8mb4, by information_schema.collations of MariaDB 11.8 and MySQL 9.7.
_UTF8 = frozenset(
    (33, 45, 46, 76, 83, *range(192, 216), *range(223, 248), *range(255, 324), *range(576, 580), *range(608, 612))
)
# Plugins whose answers are made of a scramble.
SCRAMBLED = frozenset((NATIVE, CACHING_SHA2, SHA256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What a server says first."""

    server_version: bytes
    connection_id: int
    scramble: bytes
    capabilities: int
    charset: int
    status: int
    plugin: bytes

    @property
    def is_mariadb(self) -> bool:
        """Whether a MariaDB server speaks: it clears the flag that MySQL always sets."""
        return not self.capabilities & Capability.LONG_PASSWORD

    @property
    def version(self) -> str:
        """The server's version, which MariaDB before 11 hides behind one that old clients understand."""
        return self.server_version.decode("latin-1").removeprefix("5.5.5-")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The first three numbers of the version, for comparisons."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version)[:3])

    def build(self) -> bytes:
        """The payload."""
        low, high = self.capabilities & 0xFFFF, self.capabilities >> 16 & 0xFFFF
        return b"".join(
            (
                bytes((PROTOCOL_VERSION,)),
                self.server_version + b"\0",
                self.connection_id.to_bytes(4, "little"),
                self.scramble[:8] + b"\0",
                low.to_bytes(2, "little"),
                bytes((self.charset & 0xFF,)),
                self.status.to_bytes(2, "little"),
                high.to_bytes(2, "little"),
                bytes((len(self.scramble) + 1,)),
                bytes(6),
                (self.capabilities >> 32 if self.is_mariadb else 0).to_bytes(4, "little"),
                self.scramble[8:] + b"\0",
                self.plugin + b"\0",
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsRequest:
    """A client asks for TLS; the login request follows inside."""

    capabilities: int
    max_packet: int
    charset: int

    def build(self) -> bytes:
        """The payload."""
        return _client_head(self.capabilities, self.max_packet, self.charset)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """What a client answers to the greeting; `attributes` are the connection attributes as they came."""

    capabilities: int
    max_packet: int
    charset: int
    user: bytes
    answer: bytes
    schema: bytes = b""
    plugin: bytes = b""
    attributes: bytes = b""

    def build(self) -> bytes:
        """The payload."""
        flags = self.capabilities
        parts = [_client_head(flags, self.max_packet, self.charset), self.user + b"\0"]
        if flags & Capability.PLUGIN_AUTH_LENENC:
            parts.append(lenenc_bytes(self.answer))
        else:
            parts.append(bytes((len(self.answer),)) + self.answer)
        if flags & Capability.CONNECT_WITH_DB:
            parts.append(self.schema + b"\0")
        if flags & Capability.PLUGIN_AUTH:
            parts.append(self.plugin + b"\0")
        if flags & Capability.CONNECT_ATTRS:
            parts.append(lenenc_bytes(self.attributes))
        return b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSwitch:
    """A server asks for another way of authentication."""

    plugin: bytes
    scramble: bytes

    def build(self) -> bytes:
        """The payload."""
        return b"\xfe" + self.plugin + b"\0" + self.scramble


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUser:
    """COM_CHANGE_USER; MariaDB wants the attributes' length even when there are none."""

    user: bytes
    answer: bytes
    schema: bytes
    charset: int
    plugin: bytes
    attributes: bytes = b""

    def build(self, capabilities: int) -> bytes:
        """The command with its first byte."""
        head = bytes((Command.CHANGE_USER,)) + self.user + b"\0" + bytes((len(self.answer),)) + self.answer
        tail = self.schema + b"\0" + self.charset.to_bytes(2, "little") + self.plugin + b"\0"
        attributes = lenenc_bytes(self.attributes) if capabilities & Capability.CONNECT_ATTRS else b""
        return head + tail + attributes


def parse_greeting(payload: bytes) -> Greeting:
    """Read a server's greeting; raises ProtocolError for anything that is not protocol version 10."""
    reader = Reader(payload, ErrorCode.MALFORMED_REPLY)
    if reader.integer(1) != PROTOCOL_VERSION:
        raise reader.error("not a MySQL greeting")
    version, connection_id = reader.until_nul(), reader.integer(4)
    scramble = reader.take(8)
    reader.take(1)
    flags, charset, status = reader.integer(2), reader.integer(1), reader.integer(2)
    flags |= reader.integer(2) << 16
    length = reader.integer(1)
    reader.take(6)
    extended = reader.integer(4)
    if not flags & Capability.LONG_PASSWORD:
        flags |= extended << 32
    scramble += reader.take(max(13, length - 8))[: SCRAMBLE_LENGTH - 8]
    plugin = reader.rest().partition(b"\0")[0]
    if missing := NEEDED & ~flags:
        raise reader.error(f"the server lacks {names(missing)}")
    return Greeting(
        server_version=version,
        connection_id=connection_id,
        scramble=scramble,
        capabilities=flags,
        charset=charset,
        status=status,
        plugin=plugin,
    )


def parse_login(payload: bytes, offered: int) -> LoginRequest | TlsRequest:
    """Read a client's first or, inside TLS, second packet; raises ProtocolError.

    The result's capabilities are only those that were `offered`; a client that insists on one that would change the
    framing is refused by that name.
    """
    reader = Reader(payload, ErrorCode.HANDSHAKE)
    flags, max_packet, charset = reader.integer(4), reader.integer(4), reader.integer(1)
    reader.take(19)
    extended = reader.integer(4)
    if not flags & Capability.LONG_PASSWORD:
        flags |= extended << 32
    if refused := flags & REFRAMING & ~offered:
        raise reader.error(f"DbMux does not offer {names(refused)}; switch it off in the client")
    flags &= offered
    if not flags & Capability.PROTOCOL_41:
        raise reader.error("only protocol 4.1 and later is spoken here; use a newer client")
    if not reader.remaining:
        return TlsRequest(capabilities=flags, max_packet=max_packet, charset=charset)
    user = reader.until_nul()
    if flags & Capability.PLUGIN_AUTH_LENENC:
        answer = reader.lenenc_bytes()
    elif flags & Capability.SECURE_CONNECTION:
        answer = reader.take(reader.integer(1))
    else:
        answer = reader.until_nul()
    schema = _optional_string(reader) if flags & Capability.CONNECT_WITH_DB else b""
    plugin = _optional_string(reader) if flags & Capability.PLUGIN_AUTH else b""
    has_attributes = flags & Capability.CONNECT_ATTRS and reader.remaining
    attributes = reader.lenenc_bytes() if has_attributes else b""
    return LoginRequest(
        capabilities=flags,
        max_packet=max_packet,
        charset=charset,
        user=user,
        answer=answer,
        schema=schema,
        plugin=plugin,
        attributes=attributes,
    )


def program_name(attributes: bytes) -> str:
    """What the client calls itself in its connection attributes; nothing where it says nothing readable."""
    reader = Reader(attributes)
    try:
        while reader.remaining:
            name, value = reader.lenenc_bytes(), reader.lenenc_bytes()
            if name == b"program_name":
                return value.decode("utf-8", "replace")
    except ProtocolError:
        pass
    return ""


def parse_auth_switch(payload: bytes) -> AuthSwitch:
    """Read an auth switch request; a bare 0xFE, the switch to pre-4.1 passwords, is refused."""
    reader = Reader(payload, ErrorCode.MALFORMED_REPLY)
    if reader.integer(1) != AUTH_SWITCH or not reader.remaining:
        raise reader.error("the server asks for a login from before MySQL 4.1")
    plugin, scramble = reader.until_nul(), reader.rest()
    if plugin in SCRAMBLED and len(scramble) < SCRAMBLE_LENGTH:
        raise reader.error(f"a scramble of {len(scramble)} bytes")
    return AuthSwitch(plugin=plugin, scramble=scramble)


def parse_change_user(payload: bytes, capabilities: int) -> ChangeUser:
    """Read COM_CHANGE_USER; raises ProtocolError."""
    reader = Reader(payload)
    reader.take(1)
    user = reader.until_nul()
    answer = reader.take(reader.integer(1))
    schema = reader.until_nul()
    charset = reader.integer(2) if reader.remaining else 0
    plugin = _optional_string(reader) if capabilities & Capability.PLUGIN_AUTH else b""
    has_attributes = capabilities & Capability.CONNECT_ATTRS and reader.remaining
    attributes = reader.lenenc_bytes() if has_attributes else b""
    return ChangeUser(user=user, answer=answer, schema=schema, charset=charset, plugin=plugin, attributes=attributes)


def _client_head(flags: int, max_packet: int, charset: int) -> bytes:
    extended = 0 if flags & Capability.LONG_PASSWORD else flags >> 32
    return b"".join(
        (
            (flags & 0xFFFFFFFF).to_bytes(4, "little"),
            max_packet.to_bytes(4, "little"),
            bytes((charset & 0xFF,)),
            bytes(19),
            extended.to_bytes(4, "little"),
        )
    )


def _optional_string(reader: Reader) -> bytes:
    # Some clients leave out the zero of the packet's last string.
    if reader.data.find(b"\0", reader.position) < 0:
        return reader.rest()
    return reader.until_nul()


def is_utf8(collation: int) -> bool:
    """Whether a client with this collation writes its user's name in UTF-8."""
    return collation in _UTF8
