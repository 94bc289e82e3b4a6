"""The small client asks and tells what came, and every failure is an OSError or the server's own error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from dbmux.errors import BackendRefused
from dbmux.playground.client import Client, Result
from dbmux.wire import auth, packet
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, PASSWORD, FakeBackend, row, run


class Saying(FakeBackend):
    """A server that says this and hangs up."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self.said = said

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.said)
        writer.close()


class Asking(FakeBackend):
    """A server whose account wants the whole exchange of caching_sha2_password, and answers it with an error."""

    def _check(self, protocol: ServerProtocol, answer: bytes) -> bytes:
        if answer == auth.KEY_REQUEST:
            return protocol.send_err(Err(number=1045, sqlstate=b"28000", message=b"no key for you"))
        return protocol.send(b"\x01" + auth.FULL_NEEDED)


def asked(backend: FakeBackend, ask: Callable[[int], object]) -> object:
    """What a client, which waits in a thread of its own, gives or raises with this server."""
    told: list[object] = []

    async def scenario() -> None:
        server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
        try:
            told.append(await asyncio.to_thread(ask, server.sockets[0].getsockname()[1]))
        finally:
            server.close()
        await server.wait_closed()

    run(scenario)
    return told[0]


def client(port: int, password: bytes = PASSWORD) -> Client:
    return Client("127.0.0.1", port, "app", password.decode())


def test_rows_are_text_and_none() -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.command == Command.QUIT:
            return None
        rows = [row("é".encode(), b"1"), b"\xfb\xfb"]
        return protocol.send_rows([COLUMN, COLUMN], rows, Status.AUTOCOMMIT)

    def ask(port: int) -> Result:
        with client(port) as one:
            assert one.server_version == "8.0.36-fake"
            return one.query("SELECT a, b")

    assert asked(FakeBackend(answer=answer), ask) == Result(rows=(("é", "1"), (None, None)), affected_rows=0)


def test_affected_rows_are_told() -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        return protocol.send_ok(Ok(affected_rows=3)) if command.command == Command.QUERY else None

    def ask(port: int) -> Result:
        with client(port) as one:
            return one.query("DELETE FROM t")

    assert asked(FakeBackend(answer=answer), ask) == Result(rows=(), affected_rows=3)


def test_an_error_of_the_server_is_raised_and_the_connection_goes_on() -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body == b"SELECT wrong":
            return protocol.send_err(Err(number=1064, sqlstate=b"42000", message=b"wrong"))
        return protocol.send_ok(Ok()) if command.command == Command.QUERY else None

    def ask(port: int) -> Result:
        with client(port) as one:
            with pytest.raises(BackendRefused, match=r"1064 \(42000\): wrong"):
                one.query("SELECT wrong")
            return one.query("DO 0")

    assert asked(FakeBackend(answer=answer), ask) == Result(rows=(), affected_rows=0)


@pytest.mark.parametrize(
    "backend, number",
    [
        (FakeBackend(), 1045),
        (Asking(), 1045),
        (Saying(packet.encode(Err(number=1040, sqlstate=b"08004", message=b"too many").build(), 0)), 1040),
    ],
    ids=["wrong password", "refused key", "refused at the door"],
)
def test_a_login_that_is_refused_is_told(backend: FakeBackend, number: int) -> None:
    def ask(port: int) -> int:
        with pytest.raises(BackendRefused) as raised:
            client(port, b"wrong")
        return raised.value.number

    assert asked(backend, ask) == number


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x4a\x00\x00\x00\x0a8.0"])
def test_what_is_no_server_is_an_oserror(said: bytes) -> None:
    def ask(port: int) -> str:
        with pytest.raises(OSError) as raised:
            client(port)
        return str(raised.value)

    assert asked(Saying(said), ask)


def test_a_server_that_dies_in_the_middle_is_an_oserror() -> None:
    def ask(port: int) -> bool:
        with client(port) as one, pytest.raises(ConnectionResetError):
            one.query("SELECT 1")
        return True

    assert asked(FakeBackend(answer=lambda *_: None), ask)
