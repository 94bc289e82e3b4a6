"""A backend made of our own server half, and a client of our own client half, around a real engine on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dbmux.address import TcpAddress
from dbmux.backend.vacancy import QUESTION
from dbmux.config.model import Config
from dbmux.events import Event
from dbmux.net.channel import Channel
from dbmux.net.conversation import Conversation
from dbmux.net.dial import dial
from dbmux.proxy import Engine
from dbmux.sql.variables import TRACK_CHANGES
from dbmux.wire import auth
from dbmux.wire.capabilities import OFFERED
from dbmux.wire.capabilities import Capability as C
from dbmux.wire.client import ClientProtocol, ServerMessage
from dbmux.wire.handshake import UTF8MB4, AuthSwitch, ChangeUser, Greeting, LoginRequest
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import AuthAnswer, CommandReceived, ServerProtocol

SCRAMBLE = b"abcdefghijklmnopqrst"
PASSWORD = b"right"
PLAIN = C.LONG_PASSWORD | C.PROTOCOL_41 | C.SECURE_CONNECTION | C.PLUGIN_AUTH | C.TRANSACTIONS | C.MULTI_RESULTS

Answer = Callable[[ServerProtocol, CommandReceived], bytes | None]


def row(*values: bytes) -> bytes:
    """A text row."""
    return b"".join(bytes((len(value),)) + value for value in values)


COLUMN = b"\x03def\x00\x00\x00\x01a\x00\x0c\x2d\x00\x04\x00\x00\x00\xfd\x00\x00\x00\x00\x00"


def select(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """Answers every query with one row that repeats it, and everything else with OK; None hangs up."""
    if command.command == 1:
        return None
    if command.command == 3:
        return protocol.send_rows([COLUMN], [row(command.body[:200])], Status.AUTOCOMMIT)
    return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))


def start_of_last_packet(reply: bytes) -> int:
    """Where it begins."""
    at = 0
    while (end := at + 4 + int.from_bytes(reply[at : at + 3], "little")) < len(reply):
        at = end
    return at


@dataclass
class FakeBackend:
    """A MySQL server that knows one password and answers as it was told."""

    answer: Answer = select
    capabilities: int = OFFERED
    version: bytes = b"8.0.36-fake"
    init_connect: bytes = b""
    # Whether the account has a time limit of its own.
    is_limited: bytes = b"0"
    greets: bool = True
    logins: int = 0
    open: int = 0
    # What clients sent; DbMux's own questions are answered apart.
    commands: list[tuple[int, bytes]] = field(default_factory=list)
    # Users to whom a connection was changed, and what it answers when a relayed login has left one.
    changes: list[bytes] = field(default_factory=list)
    after_leaving: tuple[bytes, bytes, bytes] = (b"", b"0", b"151")
    questions: int = 0
    # The session state that a login is told.
    report: bytes = b""
    port: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    # The last packets of the answers to these statements are sent only when that is set; what they say was settled when
    # the statement came.
    gates: dict[bytes, asyncio.Event] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self.changed.set()
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol(
            Greeting(
                server_version=self.version,
                connection_id=7,
                scramble=SCRAMBLE,
                capabilities=self.capabilities,
                charset=45,
                status=2,
                plugin=auth.NATIVE,
            ),
            limit=1 << 26,
        )
        if not self.greets:
            await reader.read()
            return
        writer.write(protocol.greet())
        while data := await reader.read(1 << 16):
            protocol.receive(data)
            while (message := protocol.next()) is not None:
                reply = self._reply(protocol, message)
                if reply is None:
                    return
                if isinstance(message, CommandReceived) and message.body in self.gates:
                    last = start_of_last_packet(reply)
                    writer.write(reply[:last])
                    await self.gates[message.body].wait()
                    reply = reply[last:]
                writer.write(reply)
                await writer.drain()

    def _reply(self, protocol: ServerProtocol, message: object) -> bytes | None:
        match message:
            case LoginRequest(plugin=auth.UNKNOWN) | LoginRequest(user=b"dbmux_probe"):
                return protocol.switch(AuthSwitch(plugin=auth.NATIVE, scramble=SCRAMBLE + b"\0"))
            case LoginRequest(answer=answer) | AuthAnswer(answer):
                return self._check(protocol, answer)
            case CommandReceived(command=3, body=body) if body == QUESTION:
                self.questions += 1
                return protocol.send_rows([COLUMN] * 3, [row(*self.after_leaving)], Status.AUTOCOMMIT)
            case CommandReceived(command=17, body=body):
                self.changes.append(body.partition(b"\0")[0])
                return protocol.switch(AuthSwitch(plugin=auth.NATIVE, scramble=SCRAMBLE + b"\0"))
            case CommandReceived(command=3, body=body) if body.startswith(b"SELECT @@character_set_client"):
                values = (b"utf8mb4", b"utf8mb4", b"utf8mb4", b"utf8mb4_general_ci", b"", b"151", self.init_connect,
                          b"16382", self.is_limited)  # fmt: skip
                wanted = values[: body.count(b"@@")]
                return protocol.send_rows([COLUMN] * len(wanted), [row(*wanted)], Status.AUTOCOMMIT)
            case CommandReceived(command=3, body=body) if body == TRACK_CHANGES:
                return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))
            case CommandReceived() as command:
                self.commands.append((command.command, command.body))
                return self.answer(protocol, command)
            case _:
                return b""

    def _check(self, protocol: ServerProtocol, answer: bytes) -> bytes:
        if not auth.is_right(auth.NATIVE, PASSWORD, SCRAMBLE, answer):
            return protocol.send_err(Err(number=1045, sqlstate=b"28000", message=b"Access denied"))
        self.logins += 1
        changed = Status.SESSION_STATE_CHANGED if self.report else 0
        return protocol.accept(Ok(status=Status.AUTOCOMMIT | changed, state=self.report))


class TestClient:
    """A logged-in client; `ask` gives all messages of a reply."""

    __test__ = False

    def __init__(self, conversation: Conversation[ServerMessage], login: Ok | None = None) -> None:
        self.conversation = conversation
        self.login = login or Ok()

    @property
    def protocol(self) -> ClientProtocol:
        protocol = self.conversation.protocol
        assert isinstance(protocol, ClientProtocol)
        return protocol

    async def ask(self, command: int, body: bytes = b"") -> list[ServerMessage]:
        self.conversation.send(self.protocol.command(command, body))
        return await self.reply()

    async def reply(self) -> list[ServerMessage]:
        told = []
        while not self.protocol.is_reply_whole:
            told.append(await self.conversation.next())
        return told

    def close(self) -> None:
        self.conversation.channel.close()


async def connect(
    port: int,
    password: bytes = PASSWORD,
    capabilities: int = PLAIN,
    user: bytes = b"app",
    header: bytes = b"",
    schema: bytes = b"",
    charset: int = UTF8MB4,
) -> TestClient | Err:
    """Log in at a port, as a balancer would after a PROXY header; the server's refusal is returned."""
    protocol = ClientProtocol()
    holder: list[Conversation[ServerMessage]] = []

    def opened(channel: Channel) -> Conversation[ServerMessage]:
        holder.append(Conversation(channel, protocol))
        return holder[0]

    await dial(TcpAddress("127.0.0.1", port), opened)
    conversation = holder[0]
    if header:
        conversation.send(header)
    greeting = await conversation.next()
    if isinstance(greeting, Err):
        return greeting
    assert isinstance(greeting, Greeting)
    answer = auth.answer_to(greeting.plugin, password, greeting.scramble) or b""
    request = LoginRequest(
        capabilities=capabilities & greeting.capabilities,
        max_packet=1 << 24,
        charset=charset,
        user=user,
        answer=answer,
        plugin=greeting.plugin,
        schema=schema,
    )
    conversation.send(protocol.log_in(request))
    while True:
        match await conversation.next():
            case Ok() as ok:
                return TestClient(conversation, ok)
            case Err() as err:
                return err
            case AuthSwitch(plugin=plugin, scramble=scramble):
                conversation.send(protocol.answer(auth.answer_to(plugin, password, scramble) or b""))
            case _:
                continue


async def client(port: int, capabilities: int = PLAIN) -> TestClient:
    """A client that is logged in."""
    found = await connect(port, capabilities=capabilities)
    assert isinstance(found, TestClient)
    return found


async def changed_user(one: TestClient, plugin: bytes = auth.NATIVE, schema: bytes = b"") -> AuthSwitch:
    """Become the same user once more; what the server asked for."""
    app = ChangeUser(user=b"app", answer=b"", schema=schema, charset=45, plugin=plugin)
    one.conversation.send(one.protocol.change_user(app))
    asked = await one.conversation.next()
    assert isinstance(asked, AuthSwitch)
    answer = auth.answer_to(asked.plugin, PASSWORD, asked.scramble) or b""
    one.conversation.send(one.protocol.answer(answer))
    while not isinstance(message := await one.conversation.next(), Ok):
        assert not isinstance(message, Err)
    return asked


@dataclass
class Running:
    """An engine in front of a fake backend."""

    engine: Engine
    backend: FakeBackend
    port: int
    events: list[Event]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let the loop run until something holds; the test's time limit bounds it."""
        while not is_so():  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0)


@asynccontextmanager
async def running(
    backend: FakeBackend | None = None, connections: int | None = None, **config: Any
) -> AsyncIterator[Running]:
    """A fake backend and an engine in front of it, with so many connections, on ports of the system's choice."""
    fake = backend or FakeBackend()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    events: list[Event] = []
    db = {"address": f"127.0.0.1:{fake.port}", "max_connections": connections}
    made = Config.model_validate({"listen": "127.0.0.1:0", "backends": {"db": db}, "tls": "off", **config})
    async with Engine(made, emit=events.append, state_folder=None) as engine:
        listener = next(iter(engine.listeners.values()))
        assert isinstance(listener.address, TcpAddress)
        yield Running(engine, fake, listener.address.port, events)
    server.close()
    await server.wait_closed()


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine, at most ten seconds."""

    async def bounded() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(bounded())
