"""The count that MySQL tells of a CALL: its procedure's, or that of the statement before, wherever that ran."""

from __future__ import annotations

import pytest

from dbmux.frontend.calls import CallReply
from dbmux.wire import packet
from dbmux.wire.client import ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, PASSWORD, FakeBackend, client, row, run, running, select

USERS = {"app": PASSWORD.decode()}
COUNTERS = b"SHOW SESSION STATUS"


class Calling(FakeBackend):
    """An UPDATE changes three rows; a CALL of `nothing` runs nothing, and of `changes_none` an UPDATE of no rows."""

    def __init__(self, *, tells: int = 4) -> None:
        super().__init__(answer=self._answer)
        self.tells = tells
        self.run = {b"Com_call_procedure": 0, b"Com_other": 0, b"Com_update": 0, b"Compression": 0}

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        words = command.body.split()
        if words[:1] == [b"CALL"]:
            self.run[b"Com_call_procedure"] += 1
            self.run[b"Com_update"] += words[1] == b"changes_none()"
            if words[1] == b"shows()":
                return select(protocol, command)
            if words[1] == b"fails()":
                return protocol.send_err(Err(number=1644, message=b"no"))
            return protocol.send_ok(Ok(affected_rows=5 if words[1] == b"changes_five()" else 0, status=2))
        if command.command == Command.QUERY:
            self.run[b"Com_other"] += 1
        if command.body.startswith(COUNTERS):
            rows = [row(name, b"%d" % count) for name, count in self.run.items()][: self.tells]
            if not rows:
                return protocol.send_err(Err(number=1104, message=b"MAX_JOIN_SIZE"))
            return protocol.send_rows([COLUMN] * 2, rows, Status.AUTOCOMMIT)
        if words[:2] == [b"SELECT", b"FOUND_ROWS()"] or words[:2] == [b"SELECT", b"LAST_INSERT_ID()"]:
            return protocol.send_rows([COLUMN], [row(b"0")], Status.AUTOCOMMIT)
        if words[:1] == [b"UPDATE"]:
            return protocol.send_ok(Ok(affected_rows=3, status=2))
        return select(protocol, command)


async def call(backend: FakeBackend, sql: bytes) -> list[ServerMessage]:
    """What a client is answered whose UPDATE of before ran on a connection that another one has used since."""
    async with running(backend, connections=1, users=USERS) as proxy:
        one, two = await client(proxy.port), await client(proxy.port)
        await one.ask(Command.QUERY, b"UPDATE t SET a = 1")
        await two.ask(Command.QUERY, b"SELECT 1")
        told = await one.ask(Command.QUERY, sql)
        again = await one.ask(Command.QUERY, sql)
        one.close()
        two.close()
    assert again == told
    return told


@pytest.mark.parametrize(
    "sql, rows", [(b"CALL nothing()", 3), (b"CALL changes_none()", 0), (b"CALL changes_five()", 5)]
)
def test_a_call_that_counts_nothing_tells_the_count_of_before(sql: bytes, rows: int) -> None:
    async def scenario() -> None:
        told = await call(Calling(), sql)

        assert told == [Ok(affected_rows=rows, status=2)]

    run(scenario)


@pytest.mark.parametrize("tells", [0, 1, 2, 3], ids=lambda tells: f"{tells} of the counters")
def test_where_the_counters_cannot_be_read_a_call_tells_what_its_connection_does(tells: int) -> None:
    async def scenario() -> None:
        told = await call(Calling(tells=tells), b"CALL nothing()")

        assert told == [Ok(status=2)]

    run(scenario)


@pytest.mark.parametrize("sql", [b"CALL shows()", b"CALL fails()"])
def test_any_other_reply_is_passed_on_as_it_comes(sql: bytes) -> None:
    async def scenario() -> None:
        backend = Calling()

        told = await call(backend, sql)

        assert not any(isinstance(message, Ok) for message in told[:1])
        assert sum(body.startswith(COUNTERS) for _, body in backend.commands) == 1

    run(scenario)


def test_behind_a_statement_on_the_same_connection_nothing_is_asked() -> None:
    async def scenario() -> None:
        backend = Calling()
        async with running(backend, connections=1, users=USERS) as proxy:
            one = await client(proxy.port)
            await one.ask(Command.QUERY, b"UPDATE t SET a = 1")

            await one.ask(Command.QUERY, b"CALL nothing()")

            assert [body for _, body in backend.commands] == [b"UPDATE t SET a = 1", b"CALL nothing()"]
            one.close()

    run(scenario)


@pytest.mark.parametrize("size", range(1, 8))
def test_an_ok_that_comes_in_pieces_is_kept_whole(size: int) -> None:
    sent: list[bytes | memoryview] = []
    reply = CallReply(sent.append)
    whole = packet.encode(Ok(status=2, info=b"told").build(0), 1)

    reply.write(whole[: packet.HEADER + size + 1])
    reply.write(whole[packet.HEADER + size + 1 :])

    assert sent == []
    reply.release(300)
    assert sent == [packet.encode(Ok(affected_rows=300, status=2, info=b"told").build(0), 1)]


@pytest.mark.parametrize("first", [b"\x01", Ok(status=10).build(0)], ids=["a result", "an OK"])
def test_what_is_not_alone_is_passed_on(first: bytes) -> None:
    sent: list[bytes | memoryview] = []
    reply = CallReply(sent.append)
    whole = packet.encode(first, 1) + packet.encode(Ok(status=2).build(0), 2)

    reply.write(whole[:11])
    reply.write(whole[11:])

    reply.release(3)
    assert b"".join(sent) == whole
