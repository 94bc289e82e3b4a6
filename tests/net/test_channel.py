"""A channel carries bytes both ways, tells its owner what happens, and is never held up by its peer."""

from __future__ import annotations

import asyncio
import socket

from dbmux.net.channel import HIGH_WATER
from tests.net.conftest import Run
from tests.net.loopback import pair, until


def test_bytes_go_both_ways(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            client.channel.write(b"from the client")
            server.channel.write(b"from the server")

            await until(lambda: bool(client.got and server.got))

            assert (bytes(client.got), bytes(server.got)) == (b"from the server", b"from the client")

    run(scenario)


def test_the_owner_may_change_between_two_pieces(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server), pair() as (other, _):
            client.channel.write(b"one")
            await until(lambda: bool(server.got))
            server.channel.owner = other

            client.channel.write(b"two")
            await until(lambda: bool(other.got))

            assert (bytes(server.got), bytes(other.got)) == (b"one", b"two")
            server.channel.owner = server

    run(scenario)


def test_a_peer_that_goes_away_is_told_once_and_last(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            client.channel.write(b"goodbye")
            client.channel.close()

            await until(lambda: server.is_closed and client.is_closed)

            assert bytes(server.got) == b"goodbye"
            assert (server.told, client.told) == (["closed"], ["closed"])
            assert server.error is None

    run(scenario)


def test_whatever_is_asked_of_a_closed_channel_does_no_harm(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            client.channel.close()
            await until(lambda: server.is_closed and client.is_closed)

            for channel in (client.channel, server.channel):
                channel.write(b"into the void")
                channel.pause()
                channel.resume()
                channel.close()
                channel.abort()

            assert (server.told, client.told) == (["closed"], ["closed"])

    run(scenario)


def test_a_peer_that_says_it_will_send_no_more_is_taken_as_gone_after_its_last_bytes(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            client.channel.write(b"the last")
            client.channel.transport.write_eof()

            await until(lambda: server.is_closed and client.is_closed)

            assert bytes(server.got) == b"the last"
            assert server.error is None

    run(scenario)


def test_a_reset_is_told_with_its_error(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            no_lingering = b"\1\0\0\0\0\0\0\0"
            client.channel.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, no_lingering
            )
            client.channel.abort()

            await until(lambda: server.is_closed)

            assert isinstance(server.error, ConnectionResetError)

    run(scenario)


def test_a_slow_reader_stops_its_sender_until_it_has_caught_up(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            client.channel.pause()
            piece, sent = b"x" * 65536, 0
            while "congested" not in server.told:
                server.channel.write(piece)
                sent += len(piece)
                await asyncio.sleep(0)
            held = server.channel.transport.get_write_buffer_size()
            seen_before = len(client.got)
            client.channel.resume()

            await until(lambda: len(client.got) == sent)

            assert held <= HIGH_WATER + len(piece)
            assert seen_before <= 2 * len(piece)
            assert server.told == ["congested", "writable"]

    run(scenario)


def test_closing_sends_what_is_waiting(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            client.channel.pause()
            server.channel.write(b"x" * (8 << 20))
            server.channel.close()
            client.channel.resume()

            await until(lambda: client.is_closed)

            assert len(client.got) == 8 << 20

    run(scenario)


def test_closing_waits_only_so_long_for_a_peer_that_reads_nothing(run: Run) -> None:
    async def scenario() -> None:
        async with pair(linger_s=0.01) as (client, server):
            client.channel.pause()
            server.channel.write(b"x" * (8 << 20))
            server.channel.close()

            await until(lambda: server.is_closed)

            assert len(client.got) < 8 << 20

    run(scenario)


def test_a_peer_that_sends_no_more_and_reads_nothing_is_cut_off_too(run: Run) -> None:
    async def scenario() -> None:
        async with pair(linger_s=0.01) as (client, server):
            client.channel.pause()
            server.channel.write(b"x" * (8 << 20))
            client.channel.transport.write_eof()

            await until(lambda: server.is_closed)

            assert len(client.got) < 8 << 20

    run(scenario)


def test_aborting_sends_nothing_more(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            client.channel.pause()
            server.channel.write(b"x" * (8 << 20))
            server.channel.abort()
            await until(lambda: server.is_closed)
            client.channel.resume()

            await until(lambda: client.is_closed)

            assert len(client.got) < 8 << 20

    run(scenario)


def test_the_peers_address_is_told(run: Run) -> None:
    async def scenario() -> None:
        async with pair() as (client, server):
            local = client.channel.transport.get_extra_info("sockname")

            assert server.channel.peer == f"127.0.0.1:{local[1]}"

    run(scenario)
