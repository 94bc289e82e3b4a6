"""Whatever breaks, and wherever: one session ends, with the right error where one can be told, and nothing leaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmux.wire import packet
from dbmux.wire.client import ClientProtocol
from dbmux.wire.commands import Command
from dbmux.wire.handshake import LoginRequest
from dbmux.wire.replies import Err
from tests.fakes import PASSWORD, PLAIN, FakeBackend, Running, client, run, running


class CutBackend(FakeBackend):
    """Sends so many bytes of its side of each conversation, then hangs up."""

    def __init__(self, cut: int) -> None:
        super().__init__()
        self.cut = cut

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write, left = writer.write, self.cut

        def limited(data: bytes) -> None:
            nonlocal left
            write(data[:left])
            left -= len(data)
            if left <= 0:
                raise ConnectionResetError

        writer.write = limited  # type: ignore[method-assign, assignment]
        await super().serve(reader, writer)


async def _clean(proxy: Running) -> None:
    pool = proxy.engine.frontend.settings.topology.backends["db"].pool
    await proxy.until(
        # A relayed login may have left one for the next.
        lambda: not proxy.engine.frontend.sessions and pool.figures().idle == pool.taken == proxy.backend.open
    )


async def _raw_conversation(port: int) -> bytes:
    """All that the server side says to a client that logs in, asks once and leaves."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    protocol = ClientProtocol()
    told = b""
    said_login = said_query = False
    while data := await reader.read(4096):
        told += data
        protocol.receive(data)
        try:
            while protocol.next() is not None:
                if not said_login and protocol.greeting is not None:
                    said_login = True
                    writer.write(protocol.log_in(_login(protocol)))
                elif said_login and protocol._reader.sequence == 3:
                    writer.write(protocol.answer(_answer(told)))
                elif not said_query and protocol._reader.sequence == 5:
                    said_query = True
                    writer.write(protocol.command(Command.QUERY, b"SELECT 1"))
                elif said_query and protocol.is_reply_whole:
                    writer.write(packet.encode(bytes((Command.QUIT,)), 0))
        except Exception:
            break
    writer.close()
    return told


def _login(protocol: ClientProtocol) -> LoginRequest:
    assert protocol.greeting is not None
    return LoginRequest(
        capabilities=PLAIN, max_packet=1 << 24, charset=45, user=b"app", answer=b"", plugin=protocol.greeting.plugin
    )


def _answer(_: bytes) -> bytes:
    from dbmux.wire import auth
    from tests.fakes import SCRAMBLE

    return auth.native_answer(PASSWORD, SCRAMBLE)


def test_a_backend_that_hangs_up_at_any_byte_leaks_nothing() -> None:
    told: list[bytes] = []

    async def talk(backend: FakeBackend) -> None:
        async with running(backend) as proxy:
            told.append(await _raw_conversation(proxy.port))
            await _clean(proxy)

    run(partial(talk, FakeBackend()))
    whole = len(told.pop())
    assert whole > 150
    # Behind what the client sees come the answers to what is said when it has gone.
    for cut in range(whole + 200):
        run(partial(talk, CutBackend(cut)))

    assert 0 < sum(each.endswith(packet.encode(b"\xfe\x00\x00\x02\x00", 5)) for each in told) < whole


def test_a_client_that_hangs_up_at_any_byte_leaks_nothing() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            protocol = ClientProtocol()
            protocol._reader.sequence = 1
            login = packet.encode(
                LoginRequest(capabilities=PLAIN, max_packet=1 << 24, charset=45, user=b"app", answer=b"").build(), 1
            )
            said = login + packet.encode(_answer(b""), 3) + packet.encode(b"\x03SELECT 1", 0)
            for cut in range(len(said) + 1):
                reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                await reader.readexactly(4)
                writer.write(said[:cut])
                await asyncio.sleep(0)
                writer.close()
                await _clean(proxy)

    run(scenario)


@settings(max_examples=60, deadline=None)
@given(garbage=st.binary(min_size=1, max_size=200))
def test_garbage_instead_of_a_login_is_refused_and_forgotten(garbage: bytes) -> None:
    async def scenario() -> None:
        async with running(timeouts={"login": "100ms"}) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            await reader.readexactly(4)
            writer.write(packet.encode(garbage, 1))
            told = b""
            # On a slow machine the time for it is over before it is read, and nobody reads it then.
            with suppress(ConnectionResetError):
                told = await reader.read()
            assert b"DbMux: " in told or not told.count(b"\xff")
            writer.close()
            await _clean(proxy)

    run(scenario)


@pytest.mark.parametrize(
    "said, number",
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1043),
        (packet.encode(b"\x00" * 10, 1), 1043),
        (packet.encode(b"\x00" * 40, 1), 1043),
        (packet.encode(b"\x00" * 40, 2), 1156),
        (b"\xff\xff\xff\x01", 1153),
    ],
    ids=["http", "short", "old protocol", "sequence", "too big"],
)
def test_what_is_no_login_gets_the_right_error(said: bytes, number: int) -> None:
    async def scenario() -> None:
        async with running() as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            greeting = await reader.readexactly(4)
            await reader.readexactly(int.from_bytes(greeting[:3], "little"))
            writer.write(said)
            told = await reader.read()
            assert int.from_bytes(told[5:7], "little") == number
            assert told[7:13] == b"#08S01"
            writer.close()
            await _clean(proxy)

    run(scenario)


def _garbage_reply(reply: bytes) -> Callable[..., bytes]:
    return lambda protocol, command: reply


@pytest.mark.parametrize(
    "reply",
    [b"\x01\x00\x00\x05\x00", b"\x05\x00\x00\x01\xfd\xff\xff\xff\x00", b"\x00\x00\x00\x01", b"\x01\x00\x00\x01\xff"],
    ids=["sequence", "too many columns", "empty", "short error"],
)
def test_a_backend_that_sends_garbage_gives_2027(reply: bytes) -> None:
    async def scenario() -> None:
        async with running(FakeBackend(answer=_garbage_reply(reply))) as proxy:
            one = await client(proxy.port)

            error = (await one.ask(Command.QUERY, b"SELECT 1"))[0]

            assert isinstance(error, Err)
            assert (error.number, error.sqlstate) == (2027, b"HY000")
            await _clean(proxy)

    run(scenario)
