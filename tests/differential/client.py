"""A client that waits and hides nothing: every message of a reply comes out as the server sent it.

Logins and steps come in, messages go out. It speaks through dbmux.wire.client over a blocking socket, and nothing of
the engine is used, so that it can judge the engine. A lost connection or a reply that does not come is a message too,
never an exception.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbmux.errors import ProtocolError
from dbmux.wire import auth, packet
from dbmux.wire.buffer import lenenc, lenenc_bytes
from dbmux.wire.capabilities import Capability as C
from dbmux.wire.client import AuthMore, ClientProtocol, FileRequest, ServerMessage
from dbmux.wire.commands import SHAPES
from dbmux.wire.commands import Command as Byte
from dbmux.wire.handshake import AuthSwitch, Greeting, LoginRequest
from dbmux.wire.handshake import ChangeUser as ChangeUserPacket
from dbmux.wire.replies import Err, Ok, parse_err
from dbmux.wire.rows import PARAMETER_NULLS_FROM, build_nulls, build_value
from dbmux.wire.statements import BulkExecute as Bulk
from dbmux.wire.statements import BulkFlag, ExecuteFlag, ParameterType, Prepared
from tests.differential.steps import (
    LAST_PREPARED,
    UTF8MB4,
    BulkExecute,
    ChangeUser,
    CloseStatement,
    Collect,
    Command,
    Elsewhere,
    Execute,
    ExecuteLast,
    Fetch,
    FieldList,
    InitDb,
    Kill,
    Listen,
    LongData,
    Parameter,
    Prepare,
    Quit,
    Raw,
    ResetStatement,
    Send,
    Sql,
    Together,
)

ANSWER_TIMEOUT_S = 10.0
# What every client asks for. Scenarios add to it.
PLAIN = int(
    C.LONG_PASSWORD | C.LONG_FLAG | C.PROTOCOL_41 | C.SECURE_CONNECTION | C.PLUGIN_AUTH | C.TRANSACTIONS
    | C.MULTI_RESULTS | C.PS_MULTI_RESULTS
)  # fmt: skip
# A statement that could not be prepared is called by a number that no server gave.
NEVER_PREPARED = 0xABCDEF
UNANSWERED = (Byte.STMT_SEND_LONG_DATA, Byte.STMT_CLOSE, Byte.QUIT)


@dataclass(frozen=True, slots=True)
class Gone:
    """The connection was closed: politely or not, which is a matter of time."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """What came makes no sense to our half of the protocol; the connection is given up."""

    why: str


@dataclass(frozen=True, slots=True)
class Silence:
    """No reply came in time; the connection is given up."""


Failure = Gone | Garbled | Silence
Message = ServerMessage | Failure
Reply = tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """As whom and how."""

    user: str
    password: str
    schema: bytes = b""
    charset: int = UTF8MB4
    capabilities: int = PLAIN


class Talker(Protocol):
    """One session, whatever it goes through."""

    login_reply: Reply
    connection_id: int

    def ask(self, command: Command, others: Callable[[str], int]) -> Reply:
        """Send a command and take its whole reply; `others` gives another session's connection id."""

    def close(self) -> None:
        """Hang up, politely where that is still possible."""


class Connection:
    """A logged-in connection to a port of this machine."""

    def __init__(self, port: int, login: Login, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        # As clients do; else what follows a command without an answer waits for the server's acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._protocol = ClientProtocol()
        self._statements: dict[str, _Statement] = {}
        self._gone: Failure | None = None
        self._told: list[Message] = []
        self.connection_id = 0
        self.login_reply = self._guarded(lambda: self._log_in(login))

    def ask(self, command: Command, others: Callable[[str], int]) -> Reply:
        """Send a command and take its whole reply."""
        if self._gone is not None:
            return (self._gone,)
        return self._guarded(lambda: self._ask(command, others))

    def close(self) -> None:
        """Hang up."""
        if self._gone is None:
            with contextlib.suppress(OSError):
                self._socket.sendall(self._protocol.command(Byte.QUIT))
        self._socket.close()
        self._gone = Gone()

    def _guarded(self, talk: Callable[[], Sequence[Message]]) -> Reply:
        self._told = []
        try:
            talk()
        except TimeoutError:
            self._give_up(Silence())
        except OSError:
            self._give_up(Gone())
        except ProtocolError as error:
            self._give_up(Garbled(str(error)))
        return tuple(self._told)

    def _give_up(self, why: Failure) -> None:
        self._gone = why
        self._told.append(why)
        self._socket.close()

    def _ask(self, command: Command, others: Callable[[str], int]) -> Sequence[Message]:
        match command:
            case ChangeUser():
                return self._change_user(command)
            case Send(text):
                self._send(Byte.QUERY, self._query(Sql(text)))
                return ()
            case Collect():
                return self._whole_reply()
            case Together(first, second):
                number, body = self._packet_of(second, others)
                ahead = packet.encode(bytes((number,)) + body, 0)
                start, what = self._packet_of(first, others)
                self._socket.sendall(self._protocol.command(start, what) + ahead)
                self._whole_reply(name=first.name if isinstance(first, Prepare) else "")
                self._protocol.command(number, body)
                return self._whole_reply()
            case Listen():
                return self._listen()
            case Quit():
                self.close()
                return ()
            case _:
                self._send(*self._packet_of(command, others))
                file = command.file if isinstance(command, Sql) else ()
                return self._whole_reply(file, command.name if isinstance(command, Prepare) else "")

    def _send(self, number: int, body: bytes) -> None:
        data = self._protocol.command(number, body)
        if number not in SHAPES and number not in UNANSWERED:
            # Servers refuse such commands: an answer of one packet is expected, as PING has it.
            self._protocol.command(Byte.PING)
        self._socket.sendall(data)

    def _whole_reply(self, file: Sequence[bytes] = (), name: str = "") -> Sequence[Message]:
        while not self._protocol.is_reply_whole:
            message = self._next()
            self._told.append(message)
            match message:
                case FileRequest():
                    for piece in (*file, b""):
                        self._socket.sendall(self._protocol.send_file(piece))
                case Prepared(statement=number):
                    self._statements[name] = _Statement(number)
        return self._told

    def _listen(self) -> Sequence[Message]:
        # An error that comes unasked has the number 0 or the next one of what was told last: it is read as it is.
        unasked = self._protocol.unread()
        while data := self._socket.recv(1 << 16):
            unasked += data
        if unasked:
            self._told.append(parse_err(unasked[packet.HEADER :]))
        raise ConnectionResetError("the connection was closed")

    def _next(self) -> ServerMessage:
        while (message := self._protocol.next()) is None:
            data = self._socket.recv(1 << 18)
            if not data:
                raise ConnectionResetError("the connection was closed")
            self._protocol.receive(data)
        return message

    # What each command looks like on the wire.

    def _packet_of(self, command: Command, others: Callable[[str], int]) -> tuple[int, bytes]:
        match command:
            case Sql():
                return Byte.QUERY, self._query(command)
            case Kill(session, words):
                return Byte.QUERY, self._query(Sql(words + b" %d" % others(session)))
            case InitDb(schema):
                return Byte.INIT_DB, schema
            case FieldList(table, wildcard):
                return Byte.FIELD_LIST, table + b"\0" + wildcard
            case Raw(number, body):
                return number, body
            case _:
                return self._statement_packet(command)

    def _statement_packet(self, command: Command) -> tuple[int, bytes]:
        match command:
            case Prepare(text=text):
                return Byte.STMT_PREPARE, text
            case Execute(name, values, types, flags):
                return Byte.STMT_EXECUTE, self._execute(self._known(name), values, types, flags)
            case ExecuteLast(values):
                return Byte.STMT_EXECUTE, self._execute(_Statement(LAST_PREPARED), values, True, 0)
            case BulkExecute(name, types, rows):
                known = tuple(ParameterType(kind) for kind in types)
                bulk = Bulk(statement=self._known(name).number, flags=BulkFlag.TYPES, types=known, rows=rows)
                return Byte.MARIADB_STMT_BULK_EXECUTE, bulk.build()
            case LongData(name, parameter, data):
                return Byte.STMT_SEND_LONG_DATA, self._known(name).bytes + parameter.to_bytes(2, "little") + data
            case Fetch(name, rows):
                return Byte.STMT_FETCH, self._known(name).bytes + rows.to_bytes(4, "little")
            case ResetStatement(name):
                return Byte.STMT_RESET, self._known(name).bytes
            case CloseStatement(name):
                return Byte.STMT_CLOSE, self._known(name).bytes
            case _:
                raise AssertionError(f"{command} has no packet of its own")

    def _known(self, name: str) -> _Statement:
        return self._statements.get(name, _Statement(NEVER_PREPARED))

    def _query(self, command: Sql) -> bytes:
        if not self._protocol.capabilities & C.QUERY_ATTRIBUTES:
            return command.text
        head = lenenc(len(command.attributes)) + lenenc(1)
        return head + self._parameters(command.attributes, True) + command.text

    def _execute(
        self, statement: _Statement, values: Sequence[Parameter | Elsewhere], types: bool, flags: int
    ) -> bytes:
        counted = self._protocol.capabilities & C.QUERY_ATTRIBUTES and flags & ExecuteFlag.PARAMETER_COUNT
        head = statement.bytes + bytes((flags, 1, 0, 0, 0)) + (lenenc(len(values)) if counted else b"")
        return head + self._parameters(values, types)

    def _parameters(self, values: Sequence[Parameter | Elsewhere], types: bool) -> bytes:
        if not values:
            return b""
        there = [value.value if isinstance(value, Parameter) else b"" for value in values]
        parts = [build_nulls(there, PARAMETER_NULLS_FROM), bytes((types,))]
        for value in values if types else ():
            unsigned = isinstance(value, Parameter) and value.is_unsigned
            parts.append(ParameterType(value.type, unsigned).build())
            if self._protocol.capabilities & C.QUERY_ATTRIBUTES:
                parts.append(lenenc_bytes(value.name if isinstance(value, Parameter) else b""))
        parts += [build_value(value.value, value.type) for value in values if isinstance(value, Parameter)]
        return b"".join(parts)

    # Logging in.

    def _log_in(self, login: Login) -> Sequence[Message]:
        greeting = self._next()
        if not isinstance(greeting, Greeting):
            self._told.append(greeting)
            raise ConnectionResetError("refused before the login")
        self.connection_id = greeting.connection_id
        flags = login.capabilities & greeting.capabilities & ~C.CONNECT_WITH_DB
        if login.schema:
            flags |= C.CONNECT_WITH_DB
        password = login.password.encode()
        request = LoginRequest(
            capabilities=flags,
            max_packet=1 << 24,
            charset=login.charset,
            user=login.user.encode(),
            answer=auth.answer_to(greeting.plugin, password, greeting.scramble) or b"",
            schema=login.schema,
            plugin=greeting.plugin,
        )
        self._socket.sendall(self._protocol.log_in(request))
        return self._prove(password, AuthSwitch(plugin=greeting.plugin, scramble=greeting.scramble))

    def _change_user(self, command: ChangeUser) -> Sequence[Message]:
        request = ChangeUserPacket(
            user=command.user.encode(),
            answer=b"",
            schema=command.schema,
            charset=command.charset,
            plugin=auth.UNKNOWN,
        )
        self._statements.clear()
        self._socket.sendall(self._protocol.change_user(request))
        return self._prove(command.password.encode(), AuthSwitch(plugin=auth.UNKNOWN, scramble=b""))

    def _prove(self, password: bytes, asked: AuthSwitch) -> Sequence[Message]:
        # How the password is proved differs by the way of logging in; what comes of it must not.
        while True:
            match self._next():
                case Ok() as ok:
                    self._told.append(ok)
                    return self._told
                case Err() as err:
                    self._told.append(err)
                    return self._told
                case AuthSwitch() as asked:
                    answer = auth.answer_to(asked.plugin, password, asked.scramble) or b""
                    self._socket.sendall(self._protocol.answer(answer))
                case AuthMore(data=auth.FULL_NEEDED):
                    self._socket.sendall(self._protocol.answer(auth.KEY_REQUEST))
                    key = self._next()
                    assert isinstance(key, AuthMore)
                    encrypted = auth.encrypt_password(password, asked.scramble, key.data)
                    self._socket.sendall(self._protocol.answer(encrypted))
                case _:
                    continue


@dataclass(frozen=True, slots=True)
class _Statement:
    number: int

    @property
    def bytes(self) -> bytes:
        return self.number.to_bytes(4, "little")
