"""A conversation hands messages to the one who waits for them, and bounds what it holds for nobody."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dbmux.address import TcpAddress
from dbmux.errors import ErrorCode, ProtocolError
from dbmux.net.certificate import ServerTls
from dbmux.net.channel import Channel
from dbmux.net.conversation import UNREAD_LIMIT, ConnectionClosed, Conversation
from dbmux.net.dial import dial
from dbmux.net.listener import listen
from dbmux.net.proxy_protocol import ClientAddress, build_v1
from dbmux.net.tls import TlsLayer
from tests.net.conftest import Run
from tests.net.loopback import Peer, until


class Lines:
    """The smallest protocol: a message is a line."""

    def __init__(self) -> None:
        self.buffer = b""

    def receive(self, data: bytes) -> None:
        self.buffer += data

    def next(self) -> bytes | None:
        line, end, rest = self.buffer.partition(b"\n")
        if line.startswith(b"!"):
            raise ProtocolError(ErrorCode.MALFORMED, "no such line")
        if not end:
            return None
        self.buffer = rest
        return line

    def has_unread(self) -> bool:
        return bool(self.buffer)

    def unread(self) -> bytes:
        data, self.buffer = self.buffer, b""
        return data


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[Peer, Conversation[bytes]]]:
    """A client that does as it is told, and the server's conversation with it."""
    client = Peer()
    holder: list[Conversation[bytes]] = []

    def accepted(channel: Channel) -> Conversation[bytes]:
        holder.append(Conversation(channel, Lines()))
        return holder[0]

    listener = await listen(TcpAddress("127.0.0.1", 0), accepted)
    await dial(listener.address, client.opened)
    await until(lambda: bool(holder))
    try:
        yield client, holder[0]
    finally:
        client.channel.abort()
        holder[0].channel.abort()
        await until(lambda: client.is_closed and holder[0].is_gone)
        listener.close()


def test_messages_come_one_by_one_however_they_arrive(run: Run) -> None:
    async def scenario() -> None:
        async with talking() as (client, conversation):
            client.channel.write(b"one\ntwo\nth")
            assert [await conversation.next(), await conversation.next()] == [b"one", b"two"]

            waiting = asyncio.ensure_future(conversation.next())
            await asyncio.sleep(0)
            client.channel.write(b"ree\n")

            assert await waiting == b"three"

    run(scenario)


def test_what_was_said_before_the_end_is_heard_first(run: Run) -> None:
    async def scenario() -> None:
        async with talking() as (client, conversation):
            client.channel.write(b"last words\n")
            client.channel.close()
            await until(lambda: conversation.is_gone)

            assert await conversation.next() == b"last words"
            with pytest.raises(ConnectionClosed):
                await conversation.next()

    run(scenario)


def test_who_waits_is_told_that_the_peer_has_gone(run: Run) -> None:
    async def scenario() -> None:
        async with talking() as (client, conversation):
            waiting = asyncio.ensure_future(conversation.next())
            await asyncio.sleep(0)
            client.channel.close()

            with pytest.raises(ConnectionClosed, match="closed"):
                await waiting

    run(scenario)


def test_a_peer_that_breaks_the_protocol_raises_its_error(run: Run) -> None:
    async def scenario() -> None:
        async with talking() as (client, conversation):
            client.channel.write(b"!\n")

            with pytest.raises(ProtocolError):
                await conversation.next()

    run(scenario)


def test_a_wait_that_was_given_up_loses_nothing(run: Run) -> None:
    async def scenario() -> None:
        async with talking() as (client, conversation):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await conversation.next()
            client.channel.write(b"later\n")

            assert await conversation.next() == b"later"

    run(scenario)


def test_a_peer_that_talks_without_being_asked_is_not_read(run: Run) -> None:
    async def scenario() -> None:
        async with talking() as (client, conversation):
            line = b"x" * 65535 + b"\n"
            sent = 0
            while "congested" not in client.told:
                client.channel.write(line)
                sent += len(line)
                await asyncio.sleep(0)
            assert isinstance(conversation.protocol, Lines)
            held = len(conversation.protocol.buffer)

            got = 0
            while got < sent:
                got += len(await conversation.next()) + 1

            assert UNREAD_LIMIT < held < 2 * UNREAD_LIMIT

    run(scenario)


class TestTls:
    def test_what_arrived_with_the_request_is_the_start_of_tls(
        self, run: Run, tls: ServerTls, trusting: ssl.SSLContext
    ) -> None:
        async def scenario() -> None:
            async with talking() as (client, conversation):
                layer = TlsLayer(trusting, None, asyncio.get_running_loop().create_future())
                layer.decrypt(b"")
                client.channel.write(b"tls please\n" + layer.outgoing())
                assert await conversation.next() == b"tls please"
                await until(lambda: _holds(conversation))
                client.channel.start_tls(layer)

                await conversation.secure(_layer(tls))
                await layer.established
                client.channel.write(b"inside\n")

                assert await conversation.next() == b"inside"

        run(scenario)

    @pytest.mark.parametrize("injected", [b"drop everything\n", b"\n", b"x" * 1000], ids=["line", "empty", "long"])
    def test_what_was_said_in_the_clear_is_never_heard_inside(
        self, run: Run, tls: ServerTls, trusting: ssl.SSLContext, injected: bytes
    ) -> None:
        async def scenario() -> None:
            async with talking() as (client, conversation):
                layer = TlsLayer(trusting, None, asyncio.get_running_loop().create_future())
                layer.decrypt(b"")
                client.channel.write(b"tls please\n" + injected + layer.outgoing())
                assert await conversation.next() == b"tls please"
                await until(lambda: _holds(conversation))

                with pytest.raises(ssl.SSLError):
                    await conversation.secure(_layer(tls))

                with pytest.raises(ConnectionClosed):
                    await conversation.next()

        run(scenario)

    def test_a_peer_that_vanishes_in_the_handshake_is_told(self, run: Run, tls: ServerTls) -> None:
        async def scenario() -> None:
            async with talking() as (client, conversation):
                securing = asyncio.ensure_future(conversation.secure(_layer(tls)))
                await asyncio.sleep(0)
                client.channel.close()

                with pytest.raises(ConnectionClosed):
                    await securing

        run(scenario)

    def test_a_peer_that_vanished_before_the_handshake_is_told(self, run: Run, tls: ServerTls) -> None:
        async def scenario() -> None:
            async with talking() as (client, conversation):
                client.channel.close()
                await until(lambda: conversation.is_gone)

                with pytest.raises(ConnectionClosed):
                    await conversation.secure(_layer(tls))

        run(scenario)

    def test_a_handshake_that_was_given_up_leaves_a_channel_that_can_be_closed(self, run: Run, tls: ServerTls) -> None:
        async def scenario() -> None:
            async with talking() as (client, conversation):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0):
                        await conversation.secure(_layer(tls))

                conversation.send(b"too slow")
                conversation.channel.close()
                await until(lambda: client.is_closed)

                assert bytes(client.got) == b""

        run(scenario)


class TestProxyHeader:
    def test_the_header_stands_before_the_first_message(self, run: Run) -> None:
        async def scenario() -> None:
            async with talking() as (client, conversation):
                header = build_v1(("192.0.2.7", 5), ("192.0.2.1", 3306))
                client.channel.write(header[:9])
                waiting = asyncio.ensure_future(conversation.proxy_header())
                await until(lambda: not client.channel.transport.get_write_buffer_size())
                client.channel.write(header[9:] + b"first\n")

                assert (await waiting).client == ClientAddress("192.0.2.7", 5)
                assert await conversation.next() == b"first"

        run(scenario)

    def test_a_peer_without_one_is_an_error(self, run: Run) -> None:
        async def scenario() -> None:
            async with talking() as (client, conversation):
                client.channel.write(b"first\n")

                with pytest.raises(ProtocolError):
                    await conversation.proxy_header()

        run(scenario)

    def test_a_peer_that_vanishes_before_its_end_is_told(self, run: Run) -> None:
        async def scenario() -> None:
            async with talking() as (client, conversation):
                client.channel.write(b"PROXY TCP4 ")
                client.channel.close()

                with pytest.raises(ConnectionClosed):
                    await conversation.proxy_header()

        run(scenario)


def _layer(tls: ServerTls) -> TlsLayer:
    return TlsLayer(tls.context, None, asyncio.get_running_loop().create_future())


def _holds(conversation: Conversation[bytes]) -> bool:
    assert isinstance(conversation.protocol, Lines)
    return bool(conversation.protocol.buffer)
