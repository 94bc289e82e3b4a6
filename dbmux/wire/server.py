"""The server's half of the protocol: what DbMux speaks towards clients, and the tests' fake backend.

A client's bytes come in through `receive`, messages go out through `next`; every `send_*` returns the bytes to write.
Never touches a socket and never decides whether a password is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.handshake import AuthSwitch, Greeting, LoginRequest, TlsRequest, parse_login
from dbmux.wire.replies import Eof, Err, Ok

LOGIN_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class AuthAnswer:
    """What the client's plugin says in the course of the authentication."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A whole command: its number, and the payload behind that byte."""

    command: int
    body: bytes


@dataclass(frozen=True, slots=True)
class FileData:
    """A piece of the file that was asked for; an empty one ends it."""

    data: bytes


ClientMessage = LoginRequest | TlsRequest | AuthAnswer | CommandReceived | FileData


class Phase(Enum):
    """What the client's next packet is."""

    LOGIN = auto()
    AUTH = auto()
    COMMAND = auto()
    FILE = auto()


class ServerProtocol:
    """One connection as its server sees it."""

    __slots__ = ("_limit", "_reader", "_sequence", "capabilities", "greeting", "phase")

    def __init__(self, greeting: Greeting, limit: int = packet.MAX_PAYLOAD) -> None:
        self.greeting = greeting
        self.capabilities = greeting.capabilities
        self.phase = Phase.LOGIN
        self._limit = limit
        self._reader = packet.PacketReader(LOGIN_LIMIT)
        self._sequence = 0

    @classmethod
    def changing_user(cls, greeting: Greeting, capabilities: int) -> ServerProtocol:
        """The half that answers a COM_CHANGE_USER which was already received."""
        protocol = cls(greeting)
        protocol.capabilities = capabilities
        protocol.phase = Phase.AUTH
        protocol._sequence = protocol._reader.sequence = 1
        return protocol

    def greet(self) -> bytes:
        """The greeting, which opens the conversation."""
        return self.send(self.greeting.build())

    def receive(self, data: bytes) -> None:
        """Take in what the client sent."""
        self._reader.feed(data)

    def next(self) -> ClientMessage | None:
        """The client's next message, or None until more was received; raises ProtocolError."""
        if self.phase is Phase.COMMAND and self._reader.is_between_payloads:
            self._reader.sequence = 0
        try:
            payload = self._reader.next()
        except ProtocolError as error:
            if (
                self.phase is Phase.LOGIN
                and error.code is ErrorCode.PACKET_ORDER
                and self._reader.announced > LOGIN_LIMIT
            ):
                # Whoever begins like this does not speak MySQL at all.
                raise ProtocolError(ErrorCode.HANDSHAKE, "what came is not a login; is this a MySQL client?") from error
            raise
        if payload is None:
            return None
        self._sequence = self._reader.sequence
        match self.phase:
            case Phase.LOGIN:
                return self._logged_in(payload)
            case Phase.AUTH:
                return AuthAnswer(payload)
            case Phase.COMMAND:
                if not payload:
                    raise ProtocolError(ErrorCode.MALFORMED, "a command has no bytes")
                return CommandReceived(payload[0], payload[1:])
            case Phase.FILE:
                if not payload:
                    self.phase = Phase.COMMAND
                return FileData(payload)

    def has_unread(self) -> bool:
        """Whether bytes are there that belong to no message yet."""
        return self._reader.has_unread()

    def unread(self) -> bytes:
        """Hand over what was received and belongs to no message: the start of TLS, or of pipelined commands."""
        return self._reader.unread()

    def send(self, payload: bytes) -> bytes:
        """Any payload as the next packet of this exchange."""
        data = packet.encode(payload, self._sequence)
        self._sequence = (self._sequence + 1 + len(payload) // packet.MAX_PAYLOAD) & 0xFF
        self._reader.sequence = self._sequence
        return data

    def switch(self, request: AuthSwitch) -> bytes:
        """Ask the client for another plugin's answer."""
        self.phase = Phase.AUTH
        return self.send(request.build())

    def accept(self, ok: Ok) -> bytes:
        """End the login; commands follow."""
        self.phase = Phase.COMMAND
        self._reader = _with_limit(self._reader, self._limit)
        return self.send(ok.build(self.capabilities))

    def send_ok(self, ok: Ok) -> bytes:
        """A success."""
        return self.send(ok.build(self.capabilities))

    def send_err(self, err: Err) -> bytes:
        """A failure."""
        is_greeted = self._sequence or self.phase is not Phase.LOGIN
        return self.send(err.build() if is_greeted else err.build_ungreeted())

    def ask_for_file(self, name: bytes) -> bytes:
        """Ask the client for a local file."""
        self.phase = Phase.FILE
        return self.send(b"\xfb" + name)

    def send_rows(self, columns: list[bytes], rows: list[bytes], status: int) -> bytes:
        """A result: column definitions and rows, each already encoded; `status` closes it."""
        parts = [self.send(len(columns).to_bytes(1, "little"))]
        parts += [self.send(column) for column in columns]
        deprecate_eof = self.capabilities & Capability.DEPRECATE_EOF
        if not deprecate_eof:
            parts.append(self.send(Eof(status=status).build()))
        parts += [self.send(row) for row in rows]
        if deprecate_eof:
            parts.append(self.send_ok(Ok(status=status, header=0xFE)))
        else:
            parts.append(self.send(Eof(status=status).build()))
        return b"".join(parts)

    def _logged_in(self, payload: bytes) -> LoginRequest | TlsRequest:
        request = parse_login(payload, self.greeting.capabilities)
        if isinstance(request, TlsRequest) and not request.capabilities & Capability.SSL:
            raise ProtocolError(ErrorCode.HANDSHAKE, "the login request ends before the user name")
        self.capabilities = request.capabilities
        if isinstance(request, LoginRequest):
            self.phase = Phase.AUTH
        return request


def _with_limit(reader: packet.PacketReader, limit: int) -> packet.PacketReader:
    fresh = packet.PacketReader(limit)
    fresh.feed(reader.unread())
    fresh.sequence = reader.sequence
    return fresh
