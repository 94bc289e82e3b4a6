"""A session relays commands and replies, whatever their size and timing."""

from __future__ import annotations

import asyncio
import socket

import pytest

from dbmux.address import TcpAddress
from dbmux.events import CloseReason, LoggedIn, LoginFailed, QueryFinished, SessionClosed
from dbmux.wire import packet
from dbmux.wire.client import ClientProtocol, Row
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, FakeBackend, Running, TestClient, client, connect, row, run, running, select

UNKNOWN = b"\x20"


def test_a_query_is_relayed_and_counted() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)

            reply = await one.ask(Command.QUERY, b"SELECT 1")

            assert Row(row(b"SELECT 1")) in reply
            finished = proxy.of(QueryFinished)
            assert [(e.backend, e.command, e.code) for e in finished] == [("db", Command.QUERY, 0)]
            assert finished[0].reply_bytes > 20
            one.close()

    run(scenario)


def test_pipelined_commands_are_answered_in_order() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)
            texts = [b"SELECT %d" % n for n in range(200)]
            one.conversation.channel.write(b"".join(packet.encode(b"\x03" + text, 0) for text in texts))

            for text in texts:
                one.protocol.command(Command.QUERY)
                assert Row(row(text)) in await one.reply()
            one.close()

    run(scenario)


def test_many_commands_without_a_reply_in_one_chunk_do_not_recurse() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)
            close = packet.encode(b"\x19\x01\x00\x00\x00", 0)
            one.conversation.channel.write(close * 5000)

            assert isinstance((await one.ask(Command.PING))[0], Ok)
            # What was never prepared needs no closing at the server.
            assert [c for c, _ in proxy.backend.commands] == [Command.PING]
            one.close()

    run(scenario)


def test_a_command_may_arrive_byte_by_byte() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)
            for byte in one.protocol.command(Command.QUERY, b"SELECT 1"):
                one.conversation.channel.write(bytes((byte,)))
                await asyncio.sleep(0)

            assert Row(row(b"SELECT 1")) in await one.reply()
            one.close()

    run(scenario)


@pytest.mark.parametrize("size", [100, 1 << 20, (1 << 24) - 2, (1 << 24) - 1, 1 << 24, (1 << 25) + 5])
def test_statements_of_any_length_arrive_whole(size: int) -> None:
    async def scenario() -> None:
        def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
            return None if command.command == 1 else protocol.send_ok(Ok(affected_rows=len(command.body)))

        backend = FakeBackend(answer=answer)
        async with running(backend) as proxy:
            one = await client(proxy.port)

            reply = await one.ask(Command.QUERY, b"x" * size)

            assert [message.affected_rows for message in reply if isinstance(message, Ok)] == [size]
            assert Row(b"") not in await one.ask(Command.PING)
            one.close()

    run(scenario)


def test_an_unknown_command_is_refused_and_the_session_goes_on() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)
            one.conversation.channel.write(packet.encode(b"\x20", 0))
            one.protocol.command(Command.PING)
            refused = (await one.reply())[0]

            assert isinstance(refused, Err)
            assert (refused.number, refused.sqlstate) == (1047, b"08S01")
            assert refused.message.startswith(b"DbMux: ")
            assert isinstance((await one.ask(Command.PING))[0], Ok)
            one.close()

    run(scenario)


def test_a_command_out_of_sequence_ends_the_session_with_1156() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)
            one.conversation.channel.write(packet.encode(b"\x03SELECT 1", 3))
            one.protocol.command(Command.QUERY)
            error = (await one.reply())[0]

            assert isinstance(error, Err)
            assert (error.number, error.sqlstate) == (1156, b"08S01")
            await _ended(proxy, CloseReason.PROTOCOL_ERROR)

    run(scenario)


def test_a_client_that_vanishes_in_mid_query_leaves_no_backend_connection() -> None:
    async def scenario() -> None:
        async with running(FakeBackend(answer=lambda *_: b"")) as proxy:
            one = await client(proxy.port)
            one.conversation.send(one.protocol.command(Command.QUERY, b"SELECT SLEEP(1000)"))
            await proxy.until(lambda: bool(proxy.backend.commands))
            one.conversation.channel.abort()

            await _ended(proxy, CloseReason.CLIENT_GONE)

    run(scenario)


def test_a_backend_that_dies_before_the_reply_gives_2013() -> None:
    async def scenario() -> None:
        async with running(FakeBackend(answer=lambda *_: None)) as proxy:
            one = await client(proxy.port)

            error = (await one.ask(Command.QUERY, b"SELECT 1"))[0]

            assert isinstance(error, Err)
            assert (error.number, error.sqlstate) == (2013, b"HY000")
            await _ended(proxy, CloseReason.BACKEND_GONE)

    run(scenario)


def test_a_wrong_password_is_refused_in_the_servers_words() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            refused = await connect(proxy.port, password=b"wrong")

            assert refused == Err(number=1045, sqlstate=b"28000", message=b"Access denied")
            assert proxy.of(LoginFailed)[0].code == 1045
            assert not proxy.of(LoggedIn)
            await _ended(proxy, CloseReason.LOGIN_FAILED)

    run(scenario)


def test_session_state_is_hidden_from_clients_that_did_not_ask() -> None:
    state = b"\x01\x05\x04shop"

    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes:
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED, state=state, info=b"hi"))

    async def scenario() -> None:
        async with running(FakeBackend(answer=answer)) as proxy:
            one = await client(proxy.port)

            assert (await one.ask(Command.QUERY, b"USE shop"))[0] == Ok(status=Status.AUTOCOMMIT, info=b"hi")
            assert (await one.ask(Command.INIT_DB, b"shop"))[0] == Ok(status=Status.AUTOCOMMIT, info=b"hi")
            one.close()

    run(scenario)


def test_kill_is_mapped_to_the_servers_number() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            one = await client(proxy.port)
            own = one.protocol.greeting
            assert own is not None

            await one.ask(Command.QUERY, b"/* stop it */ KILL QUERY %d" % own.connection_id)
            await one.ask(Command.QUERY, b"KILL 99")

            assert proxy.backend.commands == [(3, b"/* stop it */ KILL QUERY 7"), (3, b"KILL 99")]
            assert own.connection_id >= 1 << 30
            one.close()

    run(scenario)


def test_an_unreachable_backend_gives_1429() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            await proxy.until(lambda: bool(proxy.engine.readiness().is_ready))
            backend = proxy.engine.frontend.settings.topology.backends["db"]
            backend.config = backend.config.model_copy(update={"address": _closed_port()})

            refused = await connect(proxy.port)

            assert isinstance(refused, Err)
            assert (refused.number, refused.sqlstate) == (1429, b"HY000")
            assert b"dbmux check --connect" in refused.message

    run(scenario)


def test_a_full_pool_gives_1040_with_its_state() -> None:
    async def scenario() -> None:
        async with running(connections=1, timeouts={"pool_wait": "1ms"}) as proxy:
            backend = proxy.engine.frontend.settings.topology.backends["db"]
            one = await client(proxy.port)

            refused = await connect(proxy.port)

            assert isinstance(refused, Err)
            assert refused.number == 1040
            assert b"the only connection to db is busy: 1 pinned (1 relayed login); waited" in refused.message
            assert backend.pool.taken == 1
            one.close()

    run(scenario)


def test_the_client_limit_gives_1040() -> None:
    async def scenario() -> None:
        async with running(limits={"clients": 1}) as proxy:
            one = await client(proxy.port)

            refused = await connect(proxy.port)

            assert isinstance(refused, Err)
            assert refused.number == 1040
            one.close()

    run(scenario)


def test_draining_tells_idle_sessions_1053_and_lets_transactions_end() -> None:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        status = Status.AUTOCOMMIT if command.body == b"COMMIT" else Status.IN_TRANSACTION
        return None if command.command == 1 else protocol.send_ok(Ok(status=status))

    async def scenario() -> None:
        async with running(FakeBackend(answer=answer)) as proxy:
            idle, busy = await client(proxy.port), await client(proxy.port)
            await busy.ask(Command.QUERY, b"BEGIN")
            draining = asyncio.ensure_future(proxy.engine.drain())

            told = await _unasked(idle)
            assert isinstance(told, Err)
            assert (told.number, told.sqlstate) == (1053, b"08S01")

            assert not draining.done()
            await proxy.engine.apply(proxy.engine.config, "a file that is saved meanwhile", ())
            assert not proxy.engine.listeners
            assert isinstance((await busy.ask(Command.QUERY, b"COMMIT"))[0], Ok)
            await draining
            assert not proxy.engine.frontend.sessions

    run(scenario)


def test_a_slow_login_is_ended() -> None:
    async def scenario() -> None:
        async with running(timeouts={"login": "50ms"}) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            told = await reader.read()

            assert b"DbMux: the login took longer than timeouts.login" in told
            writer.close()
            await _ended(proxy, CloseReason.TIMEOUT)

    run(scenario)


def test_an_overdue_query_is_ended_with_3024() -> None:
    async def scenario() -> None:
        async with running(FakeBackend(answer=lambda *_: b""), timeouts={"query": "1ms"}) as proxy:
            one = await client(proxy.port)

            error = (await one.ask(Command.QUERY, b"SELECT SLEEP(1000)"))[0]

            assert isinstance(error, Err)
            assert error.number == 3024
            await _ended(proxy, CloseReason.TIMEOUT)

    run(scenario)


def test_a_slow_reader_stops_the_backend() -> None:
    big = row(b"x" * 200)

    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        return select(protocol, command) if command.command != 3 else protocol.send_rows([COLUMN], [big] * 200_000, 2)

    async def scenario() -> None:
        async with running(FakeBackend(answer=answer)) as proxy:
            one = await client(proxy.port)
            one.conversation.channel.pause()
            one.conversation.send(one.protocol.command(Command.QUERY, b"SELECT"))
            session = next(iter(proxy.engine.frontend.sessions.values()))
            await proxy.until(lambda: session.channel.transport.get_write_buffer_size() > 0)
            for _ in range(2000):
                await asyncio.sleep(0)

            assert session.channel.transport.get_write_buffer_size() < 1 << 20
            one.conversation.channel.resume()
            assert len([m for m in await one.reply() if isinstance(m, Row)]) == 200_000
            one.close()

    run(scenario)


def test_what_dbmux_answers_itself_waits_too_for_a_client_that_reads_slowly() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            slow, other = await client(proxy.port), await client(proxy.port)
            session = min(proxy.engine.frontend.sessions.items())[1]
            session.channel.pause_writing()
            slow.conversation.channel.write(packet.encode(UNKNOWN, 0))
            slow.conversation.channel.write(packet.encode(UNKNOWN, 0) * 20_000)
            await proxy.until(lambda: not session.channel.transport.is_reading())
            await other.ask(Command.PING)
            answered = len(proxy.of(QueryFinished))

            session.channel.resume_writing()

            assert answered == 1
            for _ in range(20_001):
                slow.protocol.command(Command.PING)
                assert isinstance((await slow.reply())[0], Err)
            slow.close()
            other.close()

    run(scenario)


def test_a_client_that_sends_ahead_what_is_answered_at_once_leaves_others_their_turn() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            greedy, other = await client(proxy.port), await client(proxy.port)
            greedy.conversation.channel.write(packet.encode(UNKNOWN, 0) * 20_000)
            await proxy.until(lambda: bool(proxy.of(QueryFinished)))

            await other.ask(Command.PING)

            assert len(proxy.of(QueryFinished)) < 10_000
            greedy.close()
            other.close()

    run(scenario)


async def _unasked(one: TestClient) -> object:
    # As a greeting: the only place where a client expects a packet numbered 0.
    fresh = ClientProtocol()
    fresh.receive(one.protocol.unread())
    one.conversation.protocol = fresh
    return await one.conversation.next()


async def _ended(proxy: Running, reason: CloseReason) -> None:
    await proxy.until(lambda: bool(proxy.of(SessionClosed)))
    assert proxy.of(SessionClosed)[-1].reason is reason
    backend = proxy.engine.frontend.settings.topology.backends["db"]
    await proxy.until(lambda: backend.pool.taken == 0 and proxy.backend.open == 0)


def _address(port: int) -> TcpAddress:
    return TcpAddress("127.0.0.1", port)


def _closed_port() -> TcpAddress:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return _address(probe.getsockname()[1])
