"""Both halves of the protocol, joined in memory: a whole conversation, in any chunks, and with any byte changed."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from dbmux.errors import ProtocolError
from dbmux.wire import auth
from dbmux.wire.capabilities import NEEDED, OFFERED, Capability
from dbmux.wire.client import ClientProtocol, ColumnCount, Definition, FileRequest, Row, ServerMessage, Text
from dbmux.wire.columns import Column, FieldType
from dbmux.wire.commands import Command
from dbmux.wire.handshake import AuthSwitch, Greeting, LoginRequest
from dbmux.wire.replies import Eof, Err, Ok, Status
from dbmux.wire.rows import build_text_row
from dbmux.wire.server import AuthAnswer, ClientMessage, CommandReceived, FileData, ServerProtocol
from dbmux.wire.statements import Prepared
from tests.wire.chunks import chunks

GREETING = Greeting(
    server_version=b"8.4.0",
    connection_id=5,
    scramble=b"abcdefghijklmnopqrst",
    capabilities=OFFERED,
    charset=45,
    status=2,
    plugin=auth.CACHING_SHA2,
)
COLUMN = Column(name=b"a", type=FieldType.VAR_STRING).build(0)
MODERN = int(NEEDED | Capability.DEPRECATE_EOF | Capability.SESSION_TRACK | Capability.LONG_PASSWORD)
CLASSIC = int(NEEDED | Capability.LONG_PASSWORD)


class Pair:
    """A client and a server; what either says is kept, and reaches the other through `cut`."""

    def __init__(self, capabilities: int, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> None:
        self.client = ClientProtocol()
        self.server = ServerProtocol(GREETING, limit=1 << 20)
        self.capabilities = capabilities
        self.cut = cut
        self.said_by_server = b""
        self.said_by_client = b""

    def to_client(self, data: bytes) -> list[ServerMessage]:
        self.said_by_server += data
        told: list[ServerMessage] = []
        for chunk in self.cut(data):
            self.client.receive(chunk)
            while (message := self.client.next()) is not None:
                told.append(message)
        return told

    def to_server(self, data: bytes) -> list[ClientMessage]:
        self.said_by_client += data
        told: list[ClientMessage] = []
        for chunk in self.cut(data):
            self.server.receive(chunk)
            while (message := self.server.next()) is not None:
                told.append(message)
        return told

    def log_in(self) -> list[object]:
        told: list[object] = [*self.to_client(self.server.greet())]
        request = LoginRequest(
            capabilities=self.capabilities, max_packet=1 << 24, charset=45, user=b"app", answer=b"", plugin=b"x"
        )
        told += self.to_server(self.client.log_in(request))
        told += self.to_client(self.server.switch(AuthSwitch(plugin=auth.NATIVE, scramble=b"s" * 20 + b"\0")))
        told += self.to_server(self.client.answer(b"answer"))
        told += self.to_client(self.server.accept(Ok(status=Status.AUTOCOMMIT)))
        return told

    def ask(self, command: int, body: bytes, reply: Callable[[], bytes]) -> list[object]:
        return [*self.to_server(self.client.command(command, body)), *self.to_client(reply())]


def _conversation(pair: Pair) -> list[object]:
    server = pair.server
    rows = [build_text_row([b"x" * size]) for size in (0, 1, 250, 251, 300)]
    told = pair.log_in()
    told += pair.ask(Command.QUERY, b"SELECT a", lambda: server.send_rows([COLUMN], rows, Status.AUTOCOMMIT))
    told += pair.ask(Command.QUERY, b"CALL p", lambda: _two_results(server))
    told += pair.ask(Command.PING, b"", lambda: server.send_ok(Ok()))
    told += pair.ask(Command.STATISTICS, b"", lambda: server.send(b"Uptime: 1"))
    told += pair.ask(Command.QUERY, b"oops", lambda: server.send_err(Err(number=1064, message=b"no")))
    told += pair.ask(Command.STMT_PREPARE, b"SELECT ?", lambda: _prepared(server))
    told += pair.ask(Command.QUERY, b"LOAD DATA", lambda: server.ask_for_file(b"f.csv"))
    told += pair.to_server(pair.client.send_file(b"1,2,3"))
    told += pair.to_server(pair.client.send_file(b""))
    told += pair.to_client(server.send_ok(Ok(affected_rows=1)))
    return told


def _two_results(server: ServerProtocol) -> bytes:
    first = server.send_rows([COLUMN], [build_text_row([b"1"])], Status.MORE_RESULTS)
    return first + server.send_ok(Ok(affected_rows=2))


def _prepared(server: ServerProtocol) -> bytes:
    parts = [server.send(Prepared(statement=1, columns=1, parameters=1).build())]
    for _ in ("parameter", "column"):
        parts.append(server.send(COLUMN))
        if not server.capabilities & Capability.DEPRECATE_EOF:
            parts.append(server.send(Eof().build()))
    return b"".join(parts)


def _kinds(told: list[object]) -> list[type]:
    return [type(message) for message in told]


def test_a_conversation_without_deprecated_eof() -> None:
    pair = Pair(CLASSIC)

    assert _kinds(pair.log_in()) == [Greeting, LoginRequest, AuthSwitch, AuthAnswer, Ok]
    told = pair.ask(Command.QUERY, b"SELECT a", lambda: pair.server.send_rows([COLUMN], [build_text_row([b"1"])], 2))
    assert _kinds(told) == [CommandReceived, ColumnCount, Definition, Eof, Row, Eof]
    assert pair.client.is_reply_whole


def test_a_conversation_with_deprecated_eof() -> None:
    pair = Pair(MODERN)
    told = _conversation(pair)

    query = [CommandReceived, ColumnCount, Definition]
    expected = [Greeting, LoginRequest, AuthSwitch, AuthAnswer, Ok]
    expected += [*query, Row, Row, Row, Row, Row, Ok]
    expected += [*query, Row, Ok, Ok]
    expected += [CommandReceived, Ok, CommandReceived, Text, CommandReceived, Err]
    expected += [CommandReceived, Prepared, Definition, Definition]
    expected += [CommandReceived, FileRequest, FileData, FileData, Ok]
    assert _kinds(told) == expected


@settings(max_examples=60)
@given(st.data(), st.sampled_from([CLASSIC, MODERN]))
def test_any_chunking_gives_the_same_messages(data: st.DataObject, capabilities: int) -> None:
    whole = _conversation(Pair(capabilities))
    assert _conversation(Pair(capabilities, lambda said: data.draw(chunks(said)))) == whole


@settings(max_examples=300)
@given(st.data(), st.sampled_from([CLASSIC, MODERN]))
def test_any_change_gives_a_protocol_error_and_nothing_else(data: st.DataObject, capabilities: int) -> None:
    whole = Pair(capabilities)
    _conversation(whole)

    def spoil(said: bytes) -> list[bytes]:
        if not data.draw(st.integers(0, 3)):
            at = data.draw(st.integers(0, len(said) - 1))
            said = said[:at] + bytes((data.draw(st.integers(0, 255)),)) + said[at + 1 :]
        return [said]

    try:
        _conversation(Pair(capabilities, spoil))
    except ProtocolError:
        return
