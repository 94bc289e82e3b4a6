"""The client's half of the protocol: what DbMux speaks towards backends, and the tests' client.

A server's bytes come in through `receive`, messages go out through `next`; every other method returns the bytes to
write. Replies follow the kernel's grammar, so that there is one. Never touches a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.kernel import ReplyScanner
from dbmux.wire import packet
from dbmux.wire.buffer import Reader
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import SHAPES, Command, Shape
from dbmux.wire.handshake import (
    AuthSwitch,
    ChangeUser,
    Greeting,
    LoginRequest,
    TlsRequest,
    parse_auth_switch,
    parse_greeting,
)
from dbmux.wire.replies import EOF, EOF_PAYLOAD, ERR, LOCAL_INFILE, OK, Eof, Err, Ok, parse_eof, parse_err, parse_ok
from dbmux.wire.statements import Prepared, Query, parse_prepared

LOGIN_LIMIT = 64 * 1024
REPLY_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AuthMore:
    """What the server's plugin says in the course of the authentication, as it came."""

    payload: bytes

    @property
    def data(self) -> bytes:
        """Without the byte 0x01 that marks such packets."""
        return self.payload[1:] if self.payload.startswith(b"\x01") else self.payload


@dataclass(frozen=True, slots=True)
class ColumnCount:
    """A result begins; so many definitions follow."""

    count: int


@dataclass(frozen=True, slots=True)
class Definition:
    """A column's or parameter's definition, as it came."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """A row, text or binary, as it came."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class FileRequest:
    """The server asks for a local file."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """COM_STATISTICS' answer."""

    text: bytes


ServerMessage = (
    Greeting | AuthSwitch | AuthMore | Ok | Err | Eof | ColumnCount | Definition | Row | FileRequest | Prepared | Text
)


class Phase(Enum):
    """What the server's next packet belongs to."""

    GREETING = auto()
    AUTH = auto()
    REPLY = auto()


class ClientProtocol:
    """One connection as its client sees it."""

    __slots__ = ("_reader", "_scanner", "_shape", "capabilities", "greeting", "phase")

    def __init__(self) -> None:
        self.phase = Phase.GREETING
        self.greeting: Greeting | None = None
        self.capabilities = 0
        self._reader = packet.PacketReader(LOGIN_LIMIT)
        self._scanner = ReplyScanner(0, 0)
        self._shape = Shape.NONE

    @classmethod
    def logged_in(cls, greeting: Greeting, capabilities: int, status: int = 2) -> ClientProtocol:
        """The half that goes on with a connection which is logged in already and was last told this status."""
        protocol = cls()
        protocol.greeting = greeting
        protocol.capabilities = capabilities
        protocol.phase = Phase.REPLY
        protocol._scanner = ReplyScanner(int(bool(capabilities & Capability.DEPRECATE_EOF)), 0)
        protocol._scanner.status = status
        return protocol

    @property
    def is_reply_whole(self) -> bool:
        """Whether the last command was answered to its end."""
        return self._shape is Shape.NONE

    @property
    def status(self) -> int:
        """The server's status flags as last told."""
        return self._scanner.status

    def receive(self, data: bytes) -> None:
        """Take in what the server sent."""
        self._reader.feed(data)

    def next(self) -> ServerMessage | None:
        """The server's next message, or None until more was received; raises ProtocolError."""
        payload = self._reader.next()
        if payload is None:
            return None
        match self.phase:
            case Phase.GREETING:
                return self._greeted(payload)
            case Phase.AUTH:
                return self._authenticated(payload)
            case Phase.REPLY:
                return self._replied(payload)

    def has_unread(self) -> bool:
        """Whether bytes are there that belong to no message yet."""
        return self._reader.has_unread()

    def unread(self) -> bytes:
        """Hand over what was received and belongs to no message."""
        return self._reader.unread()

    def request_tls(self, request: TlsRequest) -> bytes:
        """Ask for TLS; the login request must follow inside it."""
        return self._send(request.build())

    def log_in(self, request: LoginRequest) -> bytes:
        """Answer the greeting."""
        self.capabilities = request.capabilities
        deprecate_eof = int(bool(request.capabilities & Capability.DEPRECATE_EOF))
        self._scanner = ReplyScanner(deprecate_eof, 0)
        return self._send(request.build())

    def answer(self, answer: bytes) -> bytes:
        """Answer the server's plugin."""
        return self._send(answer)

    def change_user(self, request: ChangeUser) -> bytes:
        """Log in as somebody else on this connection."""
        self._reader.sequence = 0
        self.phase = Phase.AUTH
        return self._send(request.build(self.capabilities))

    def command(self, command: int, body: bytes = b"") -> bytes:
        """A command; its whole reply must be read before the next."""
        self._reader = self._with_reply_limit()
        self._reader.sequence = 0
        data = self._send(bytes((command,)) + body)
        self._shape = SHAPES.get(command, Shape.NONE)
        self._scanner.begin(self._shape, self._reader.sequence)
        self._scanner.opens_cursor = int(command == Command.STMT_EXECUTE and bool(body[4:5].strip(b"\0\x08")))
        self.phase = Phase.REPLY
        return data

    def query(self, sql: bytes) -> bytes:
        """A statement, in the form that was agreed on."""
        return self.command(Command.QUERY, Query(text=sql).build(self.capabilities))

    def send_file(self, data: bytes) -> bytes:
        """A piece of the file that was asked for; an empty one ends it."""
        sent = self._send(data)
        if not data:
            self._shape = Shape.SIMPLE
            self._scanner.begin(Shape.SIMPLE, self._reader.sequence)
        return sent

    def _send(self, payload: bytes) -> bytes:
        data = packet.encode(payload, self._reader.sequence)
        sent = 1 + len(payload) // packet.MAX_PAYLOAD
        self._reader.sequence = (self._reader.sequence + sent) & 0xFF
        return data

    def _with_reply_limit(self) -> packet.PacketReader:
        fresh = packet.PacketReader(REPLY_LIMIT)
        fresh.feed(self._reader.unread())
        return fresh

    def _greeted(self, payload: bytes) -> Greeting | Err:
        if payload[:1] == b"\xff":
            return parse_err(payload)
        self.greeting = parse_greeting(payload)
        self.phase = Phase.AUTH
        return self.greeting

    def _authenticated(self, payload: bytes) -> AuthSwitch | AuthMore | Ok | Err:
        if not payload:
            return AuthMore(payload)
        match payload[0]:
            case 0x00:
                return parse_ok(payload)
            case 0xFF:
                return parse_err(payload)
            case 0xFE:
                return parse_auth_switch(payload)
            case _:
                return AuthMore(payload)

    def _replied(self, payload: bytes) -> ServerMessage:
        shape = self._scanner.phase
        verdict = self._scanner.scan(packet.encode(payload, self._scanner.sequence))
        if verdict == ReplyScanner.BROKEN or self._shape is Shape.NONE:
            raise ProtocolError(ErrorCode.MALFORMED_REPLY, "the server sent what is not a reply to the command")
        if verdict == ReplyScanner.DONE:
            self._shape = Shape.NONE
        return self._message(payload, shape)

    def _message(self, payload: bytes, at: int) -> ServerMessage:
        first = payload[0] if payload else -1
        if first == ERR:
            return parse_err(payload)
        match at:
            case Shape.TEXT:
                return Text(payload)
            case Shape.PREPARED:
                return parse_prepared(payload)
            case Shape.ROWS if first != EOF or len(payload) >= packet.MAX_PAYLOAD:
                return Row(payload)
            case Shape.RESULT if first == LOCAL_INFILE:
                return FileRequest(payload[1:])
            case Shape.RESULT if first not in (OK, EOF):
                return ColumnCount(Reader(payload).lenenc())
            case _ if first in (OK, EOF):
                return parse_eof(payload) if len(payload) == EOF_PAYLOAD else parse_ok(payload)
            case _:
                return Definition(payload)
