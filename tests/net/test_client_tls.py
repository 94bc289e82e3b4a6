"""TLS towards clients, through an engine: it starts however its first bytes arrive, and only what is inside counts."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dbmux.address import TcpAddress
from dbmux.events import CloseReason, LoggedIn, LoginFailed, SessionClosed
from dbmux.net.channel import HIGH_WATER, Channel
from dbmux.net.conversation import Conversation
from dbmux.net.dial import dial
from dbmux.net.tls import TlsLayer
from dbmux.wire import auth, packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import ClientProtocol, Row, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.handshake import AuthSwitch, Greeting, LoginRequest, TlsRequest
from dbmux.wire.replies import Err, Ok, Status
from tests.fakes import COLUMN, PASSWORD, PLAIN, FakeBackend, Running, TestClient, client, connect, row, running
from tests.net.conftest import Run

WITH_TLS = PLAIN | int(Capability.SSL)
REQUEST = TlsRequest(capabilities=WITH_TLS, max_packet=1 << 24, charset=45)
LOGIN = LoginRequest(capabilities=WITH_TLS, max_packet=1 << 24, charset=45, user=b"app", answer=b"", plugin=auth.NATIVE)


class Greeted:
    """A client that has heard the greeting and speaks for itself."""

    def __init__(self, conversation: Conversation[ServerMessage], protocol: ClientProtocol) -> None:
        self.conversation = conversation
        self.protocol = protocol

    @property
    def channel(self) -> Channel:
        return self.conversation.channel

    async def log_in(self) -> TestClient:
        """The login, in whatever the connection has become."""
        self.conversation.send(self.protocol.log_in(LOGIN))
        while True:
            match await self.conversation.next():
                case Ok():
                    return TestClient(self.conversation)
                case AuthSwitch(plugin=plugin, scramble=scramble):
                    self.conversation.send(self.protocol.answer(auth.answer_to(plugin, PASSWORD, scramble) or b""))
                case other:
                    raise AssertionError(other)


@asynccontextmanager
async def greeted(proxy: Running) -> AsyncIterator[Greeted]:
    """A client that is about to ask for TLS."""
    protocol = ClientProtocol()
    channel = await dial(TcpAddress("127.0.0.1", proxy.port), lambda channel: Conversation(channel, protocol))
    conversation = channel.owner
    assert isinstance(conversation, Conversation)
    greeting = await conversation.next()
    assert isinstance(greeting, Greeting)
    assert greeting.capabilities & Capability.SSL
    try:
        yield Greeted(conversation, protocol)
    finally:
        channel.abort()
        await proxy.until(lambda: conversation.is_gone)


@asynccontextmanager
async def offering(certificate: tuple[Path, Path], **config: Any) -> AsyncIterator[Running]:
    """An engine that offers TLS."""
    tls = {"mode": "optional", "certificate": certificate[0], "key": certificate[1]} | config.pop("tls", {})
    async with running(FakeBackend(), tls=tls, **config) as proxy:
        yield proxy


def client_layer(context: ssl.SSLContext) -> tuple[TlsLayer, bytes]:
    """A client's TLS, and its first bytes."""
    layer = TlsLayer(context, None, asyncio.get_running_loop().create_future())
    layer.decrypt(b"")
    return layer, layer.outgoing()


def test_a_client_logs_in_and_asks_inside_tls(
    run: Run, certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    async def scenario() -> None:
        async with offering(certificate) as proxy, greeted(proxy) as one:
            one.conversation.send(one.protocol.request_tls(REQUEST))
            layer, hello = client_layer(trusting)
            one.channel.write(hello)
            one.channel.start_tls(layer)
            await layer.established

            inside = await one.log_in()

            assert Row(row(b"SELECT 1")) in await inside.ask(Command.QUERY, b"SELECT 1")
            assert [event.tls for event in proxy.of(LoggedIn)] == ["TLSv1.3"]

    run(scenario)


@pytest.mark.parametrize("cut", [1, 36, 37, 100], ids=lambda cut: f"{cut} bytes first")
def test_the_request_and_the_start_of_tls_may_arrive_in_any_pieces(
    run: Run, certificate: tuple[Path, Path], trusting: ssl.SSLContext, cut: int
) -> None:
    async def scenario() -> None:
        async with offering(certificate) as proxy, greeted(proxy) as one:
            layer, hello = client_layer(trusting)
            said = one.protocol.request_tls(REQUEST) + hello
            one.channel.write(said[:cut])
            for _ in range(10):
                await asyncio.sleep(0)

            one.channel.write(said[cut:])
            one.channel.start_tls(layer)
            await layer.established

            assert isinstance(await one.log_in(), TestClient)

    run(scenario)


def test_a_late_proxy_reads_the_request_and_the_start_of_tls_at_once(
    run: Run, certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    async def scenario() -> None:
        async with offering(certificate) as proxy, greeted(proxy) as one:
            layer, hello = client_layer(trusting)
            # One write is one read at the proxy, as if its loop had been busy since the first of the bytes came.
            one.channel.write(one.protocol.request_tls(REQUEST) + hello)
            one.channel.start_tls(layer)

            await layer.established

            assert isinstance(await one.log_in(), TestClient)

    run(scenario)


def test_what_is_said_in_the_clear_behind_the_request_is_never_executed(
    run: Run, certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    async def scenario() -> None:
        async with offering(certificate) as proxy, greeted(proxy) as one:
            layer, hello = client_layer(trusting)
            injected = packet.encode(LOGIN.build(), 2) + packet.encode(b"\x03DROP TABLE students", 0)
            one.channel.write(one.protocol.request_tls(REQUEST) + injected + hello)
            one.channel.start_tls(layer)

            await _ended(proxy, CloseReason.PROTOCOL_ERROR)

            assert (proxy.backend.logins, proxy.backend.commands) == (0, [])

    run(scenario)


def test_garbage_instead_of_tls_ends_that_session_only(run: Run, certificate: tuple[Path, Path]) -> None:
    async def scenario() -> None:
        async with offering(certificate) as proxy, greeted(proxy) as one:
            other = await client(proxy.port)
            one.channel.write(one.protocol.request_tls(REQUEST) + b"GET / HTTP/1.1\r\n\r\n")

            await _ended(proxy, CloseReason.PROTOCOL_ERROR)

            assert isinstance((await other.ask(Command.PING))[0], Ok)
            other.close()

    run(scenario)


@pytest.mark.parametrize("share", [0.0, 0.5], ids=["nothing", "half of it"])
def test_a_handshake_that_never_completes_is_ended_by_the_login_timeout(
    run: Run, certificate: tuple[Path, Path], trusting: ssl.SSLContext, share: float
) -> None:
    async def scenario() -> None:
        async with offering(certificate, timeouts={"login": "100ms"}) as proxy, greeted(proxy) as one:
            other = await client(proxy.port)
            _, hello = client_layer(trusting)
            one.channel.write(one.protocol.request_tls(REQUEST) + hello[: int(len(hello) * share)])

            await _ended(proxy, CloseReason.TIMEOUT)

            assert [event.code for event in proxy.of(LoginFailed)] == [1043]
            assert isinstance((await other.ask(Command.PING))[0], Ok)
            assert isinstance(await connect(proxy.port), TestClient)
            other.close()

    run(scenario)


def test_a_client_that_vanishes_in_the_handshake_is_gone_at_once(run: Run, certificate: tuple[Path, Path]) -> None:
    async def scenario() -> None:
        async with offering(certificate) as proxy, greeted(proxy) as one:
            one.channel.write(one.protocol.request_tls(REQUEST))
            one.channel.close()

            await _ended(proxy, CloseReason.CLIENT_GONE)

    run(scenario)


def test_tls_cannot_be_asked_for_twice(run: Run, certificate: tuple[Path, Path], trusting: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with offering(certificate) as proxy, greeted(proxy) as one:
            layer, hello = client_layer(trusting)
            one.channel.write(one.protocol.request_tls(REQUEST) + hello)
            one.channel.start_tls(layer)
            await layer.established

            one.conversation.send(one.protocol.request_tls(REQUEST))
            error = await one.conversation.next()

            assert isinstance(error, Err)
            assert (error.number, error.sqlstate) == (1043, b"08S01")

    run(scenario)


def test_a_plain_client_is_refused_with_3159_where_tls_is_required(run: Run, certificate: tuple[Path, Path]) -> None:
    async def scenario() -> None:
        async with offering(certificate, tls={"mode": "required"}) as proxy:
            refused = await connect(proxy.port)

            assert isinstance(refused, Err)
            assert (refused.number, refused.sqlstate) == (3159, b"HY000")
            assert proxy.backend.logins == 0

    run(scenario)


def test_a_client_that_reads_nothing_stops_its_backend_inside_tls_too(
    run: Run, certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    rows = [row(b"x" * 250)] * 60_000

    async def scenario() -> None:
        async with offering(certificate) as proxy, greeted(proxy) as one:
            proxy.backend.answer = lambda protocol, _: protocol.send_rows([COLUMN], rows, Status.AUTOCOMMIT)
            layer, hello = client_layer(trusting)
            one.channel.write(one.protocol.request_tls(REQUEST) + hello)
            one.channel.start_tls(layer)
            await layer.established
            inside = await one.log_in()
            one.channel.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            session = next(iter(proxy.engine.frontend.sessions.values()))
            held = session.channel.transport.get_write_buffer_size

            one.conversation.send(one.protocol.command(Command.QUERY, b"SELECT much"))
            one.channel.pause()
            await proxy.until(lambda: held() > HIGH_WATER)
            for _ in range(100):
                await asyncio.sleep(0)
            most = held()
            one.channel.resume()
            reply = await inside.reply()

            assert most < 2 << 20
            assert sum(isinstance(message, Row) for message in reply) == len(rows)

    run(scenario)


async def _ended(proxy: Running, reason: CloseReason) -> None:
    await proxy.until(lambda: [event.reason for event in proxy.of(SessionClosed)] == [reason])
    pool = proxy.engine.frontend.settings.topology.backends["db"].pool
    await proxy.until(lambda: pool.taken == len(proxy.engine.frontend.sessions))
