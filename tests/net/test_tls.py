"""TLS in memory and over a real connection: what one side says the other hears, and nothing that was not inside."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmux.net.certificate import ServerTls
from dbmux.net.channel import HIGH_WATER
from dbmux.net.tls import TlsLayer
from tests.net.conftest import Run
from tests.net.loopback import Peer, pair, until


def layers(tls: ServerTls, trusting: ssl.SSLContext) -> tuple[TlsLayer, TlsLayer]:
    """A client's and a server's layer whose handshake is done."""
    loop = asyncio.get_running_loop()
    client, server = TlsLayer(trusting, None, loop.create_future()), TlsLayer(tls.context, None, loop.create_future())
    client.decrypt(b"")
    while not (client.established.done() and server.established.done()):
        server.decrypt(client.outgoing())
        client.decrypt(server.outgoing())
    return client, server


async def secured(client: Peer, server: Peer, tls: ServerTls, trusting: ssl.SSLContext) -> None:
    """Have both sides of a connection speak TLS."""
    await asyncio.gather(server.start_tls(tls.context), client.start_tls(trusting))


class TestInMemory:
    @settings(max_examples=50, deadline=None)
    @given(plain=st.binary(max_size=70_000), cuts=st.lists(st.integers(1, 40_000), max_size=8))
    def test_any_bytes_in_any_pieces_come_out_as_they_went_in(
        self, tls: ServerTls, trusting: ssl.SSLContext, plain: bytes, cuts: list[int]
    ) -> None:
        async def scenario() -> bytes:
            client, server = layers(tls, trusting)
            encrypted, got = client.encrypt(plain), b""
            for cut in [*cuts, len(encrypted)]:
                got += server.decrypt(encrypted[:cut])
                encrypted = encrypted[cut:]
            return got

        assert asyncio.run(scenario()) == plain

    def test_a_goodbye_ends_it_after_what_was_said(self, run: Run, tls: ServerTls, trusting: ssl.SSLContext) -> None:
        async def scenario() -> None:
            client, server = layers(tls, trusting)

            said = client.encrypt(b"the last") + client.goodbye()

            assert server.decrypt(said) == b"the last"
            assert server.ended

        run(scenario)

    def test_nothing_can_be_said_before_the_handshake_is_done_or_after_the_goodbye(
        self, run: Run, tls: ServerTls, trusting: ssl.SSLContext
    ) -> None:
        async def scenario() -> None:
            fresh = TlsLayer(tls.context, None, asyncio.get_running_loop().create_future())
            client, _ = layers(tls, trusting)
            client.goodbye()

            assert (fresh.encrypt(b"too early"), client.encrypt(b"too late"), fresh.goodbye()) == (b"", b"", b"")

        run(scenario)

    def test_what_is_no_tls_is_an_error(self, run: Run, tls: ServerTls) -> None:
        async def scenario() -> None:
            layer = TlsLayer(tls.context, None, asyncio.get_running_loop().create_future())

            with pytest.raises(ssl.SSLError):
                layer.decrypt(b"GET / HTTP/1.1\r\n\r\n")

        run(scenario)


def test_both_sides_talk(run: Run, tls: ServerTls, trusting: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            await secured(client, server, tls, trusting)

            client.channel.write(b"x" * 1_000_000)
            server.channel.write(memoryview(b"y" * 1_000_000))
            await until(lambda: len(client.got) == len(server.got) == 1_000_000)

            assert client.channel.tls is not None
            assert client.channel.tls.version == "TLSv1.3"
            assert (bytes(client.got[:2]), bytes(server.got[:2])) == (b"yy", b"xx")

    run(scenario)


def test_a_slow_reader_stops_its_sender(run: Run, tls: ServerTls, trusting: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            await secured(client, server, tls, trusting)
            client.channel.pause()
            piece, sent = b"x" * 65536, 0
            while "congested" not in server.told:
                server.channel.write(piece)
                sent += len(piece)
                await asyncio.sleep(0)
            held = server.channel.transport.get_write_buffer_size()
            client.channel.resume()

            await until(lambda: len(client.got) == sent)

            assert held <= HIGH_WATER + 2 * len(piece)
            assert server.told == ["congested", "writable"]

    run(scenario)


def test_closing_sends_what_is_waiting_and_a_goodbye(run: Run, tls: ServerTls, trusting: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            await secured(client, server, tls, trusting)
            client.channel.pause()
            server.channel.write(b"x" * (4 << 20))
            server.channel.close()
            client.channel.resume()

            await until(lambda: client.is_closed)

            assert client.channel.tls is not None
            assert (len(client.got), client.channel.tls.ended, client.error) == (4 << 20, True, None)

    run(scenario)


def test_a_peer_that_vanishes_without_a_goodbye_is_gone(run: Run, tls: ServerTls, trusting: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            await secured(client, server, tls, trusting)
            client.channel.abort()

            await until(lambda: server.is_closed)

            assert bytes(server.got) == b""

    run(scenario)


def test_garbage_in_the_middle_ends_the_connection_with_its_reason(
    run: Run, tls: ServerTls, trusting: ssl.SSLContext
) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            await secured(client, server, tls, trusting)
            client.channel.transport.write(b"plain text" * 10)

            await until(lambda: server.is_closed)

            assert bytes(server.got) == b""
            assert isinstance(server.error, ssl.SSLError)

    run(scenario)


def test_a_certificate_that_is_not_trusted_fails_on_both_sides(run: Run, tls: ServerTls) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            at_server, at_client = server.start_tls(tls.context), client.start_tls(_suspicious())

            results = await asyncio.gather(at_client, at_server, return_exceptions=True)

            assert isinstance(results[0], ssl.SSLCertVerificationError)
            await until(lambda: client.is_closed and server.is_closed)
            assert isinstance(server.error, ssl.SSLError)

    run(scenario)


def _suspicious() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return context
