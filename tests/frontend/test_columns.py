"""A client is told by its server, once, that a prepared statement has other columns; through DbMux by whichever."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbmux.wire.capabilities import Capability
from dbmux.wire.client import Row, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.replies import Eof, Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from dbmux.wire.statements import ExecuteFlag, Prepared
from tests.fakes import COLUMN, PASSWORD, PLAIN, FakeBackend, Running, TestClient, client, row, run, running
from tests.frontend.shop import clients, shop, verdicts

READ = b"SELECT * FROM shop.t"
CLASSIC, MODERN = PLAIN, PLAIN | int(Capability.DEPRECATE_EOF)
TOLD = Status.AUTOCOMMIT | Status.METADATA_CHANGED
STEPS = ("a", "b", "c", "2 columns", "3 columns", "no table", "hold", "release", "lock", "unlock")
USERS = {"app": PASSWORD.decode()}


class Altered(FakeBackend):
    """A server with one table of so many `columns`, none while it is dropped.

    The first execution after a change tells of it, as servers do.
    """

    def __init__(self) -> None:
        super().__init__(answer=self._answer)
        self.columns = 2
        # What each connection's statements know of it, by their numbers.
        self._known: dict[int, dict[int, int]] = defaultdict(dict)
        self._statuses: dict[int, int] = {}

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        known, status = self._known[id(protocol)], self._statuses.get(id(protocol), Status.AUTOCOMMIT)
        number = int.from_bytes(command.body[:4], "little")
        match command.command:
            case Command.STMT_PREPARE | Command.STMT_EXECUTE if not self.columns:
                return protocol.send_err(Err(number=1146, sqlstate=b"42S02", message=b"there is no such table"))
            case Command.STMT_PREPARE:
                number = 1 + max(known, default=0)
                known[number] = self.columns
                parts = [Prepared(number, self.columns, 0).build(), *[COLUMN] * self.columns]
                if not protocol.capabilities & Capability.DEPRECATE_EOF:
                    parts.append(Eof().build())
                return b"".join(protocol.send(part) for part in parts)
            case Command.STMT_CLOSE:
                return b""
            case Command.STMT_EXECUTE:
                changed = Status.METADATA_CHANGED if known[number] != self.columns else 0
                known[number] = self.columns
                return protocol.send_rows([COLUMN] * self.columns, [row(b"x") * self.columns], status | changed)
            case Command.QUERY if command.body == b"BEGIN":
                status |= Status.IN_TRANSACTION
            case Command.QUERY if command.body == b"COMMIT":
                status &= ~Status.IN_TRANSACTION
        self._statuses[id(protocol)] = status
        return protocol.send_ok(Ok(status=status))


async def prepare(session: TestClient) -> None:
    await session.ask(Command.STMT_PREPARE, READ)


async def execute(session: TestClient, number: int = 1) -> list[ServerMessage]:
    return await session.ask(Command.STMT_EXECUTE, number.to_bytes(4, "little") + b"\x00\x01\x00\x00\x00")


def ends(told: list[ServerMessage]) -> list[int]:
    """The statuses in a reply."""
    return [message.status for message in told if isinstance(message, Ok | Eof)]


def altered(proxy: Running) -> Altered:
    assert isinstance(proxy.backend, Altered)
    return proxy.backend


@pytest.mark.parametrize("capabilities, count", [(CLASSIC, 2), (MODERN, 1)])
def test_every_end_of_the_first_reply_tells_of_columns_that_changed_before_the_statement_was_prepared_there(
    capabilities: int, count: int
) -> None:
    async def scenario() -> None:
        async with running(Altered(), connections=2, users=USERS) as proxy:
            one, other = await client(proxy.port, capabilities), await client(proxy.port, capabilities)
            await prepare(one)
            await other.ask(Command.QUERY, b"BEGIN")
            altered(proxy).columns = 3

            told = [await execute(one) for _ in range(2)]

            assert [ends(reply) for reply in told] == [[TOLD] * count, [Status.AUTOCOMMIT] * count]
            assert [sum(isinstance(message, Row) for message in reply) for reply in told] == [1, 1]
            one.close()
            other.close()

    run(scenario)


def test_each_of_two_statements_with_the_same_text_tells_of_other_columns_over_a_relayed_login_too() -> None:
    async def scenario() -> None:
        async with running(Altered()) as proxy:
            one = await client(proxy.port, MODERN)
            await prepare(one)
            await prepare(one)
            altered(proxy).columns = 3

            told = [ends(await execute(one, number)) for number in (1, 1, 2, 2)]

            assert told == [[TOLD], [Status.AUTOCOMMIT]] * 2
            one.close()

    run(scenario)


@pytest.mark.parametrize("connections", [1, 2, 3])
@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=25))
@example(steps=["a", "lock", "3 columns", "a", "unlock", "hold", "a", "a"])
@example(steps=["a", "3 columns", "a", "hold", "a", "c", "release", "a", "c"])
@example(steps=["a", "lock", "3 columns", "a", "2 columns", "a", "no table", "a", "unlock", "2 columns", "a"])
@example(steps=["a", "3 columns", "a", "no table", "b", "3 columns", "b"])
def test_each_session_is_told_of_each_change_that_it_does_not_know(connections: int, steps: list[str]) -> None:
    async def scenario() -> None:
        async with running(Altered(), connections=connections, users=USERS) as proxy:
            backend = altered(proxy)
            sessions = {name: await client(proxy.port, MODERN) for name in "abc"}
            known = dict.fromkeys(sessions, backend.columns)
            for session in sessions.values():
                await prepare(session)
            # Whoever holds a connection sends the others to the next one, where there is one.
            for step in steps:
                match step:
                    case "2 columns" | "3 columns" | "no table":
                        backend.columns = int(step[0]) if step[0].isdigit() else 0
                    case "hold" if connections > 1:
                        await sessions["c"].ask(Command.QUERY, b"BEGIN")
                    case "lock" if connections > 2:
                        await sessions["a"].ask(Command.QUERY, b"LOCK TABLES t READ")
                    case "unlock":
                        await sessions["a"].ask(Command.QUERY, b"UNLOCK TABLES")
                    case "release":
                        await sessions["c"].ask(Command.QUERY, b"COMMIT")
                    case "a" | "b" | "c":
                        told = ends(await execute(sessions[step]))

                        is_told = any(status & Status.METADATA_CHANGED for status in told)
                        assert len(told) == (1 if backend.columns else 0)
                        assert is_told is (bool(backend.columns) and known[step] != backend.columns)
                        known[step] = backend.columns or known[step]
            for session in sessions.values():
                session.close()

    run(scenario)


def test_a_result_with_other_columns_is_not_answered_from_memory_to_who_was_not_told() -> None:
    async def scenario() -> None:
        async with shop(Altered()) as proxy:
            one, two = await clients(proxy, 2)
            await prepare(one)
            altered(proxy).columns = 3
            await prepare(two)
            await execute(two)

            told = [ends(await execute(session)) for session in (two, one, one)]

            assert told == [[Status.AUTOCOMMIT] * 2, [TOLD] * 2, [Status.AUTOCOMMIT] * 2]
            assert verdicts(proxy)[-3:] == ["hit", "miss", "hit"]

    run(scenario)


@pytest.mark.parametrize("flag, closed", [(ExecuteFlag.READ_ONLY_CURSOR, 1), (ExecuteFlag(0), 0)])
def test_a_statement_that_mysql_executed_with_a_cursor_is_left_to_nobody(flag: ExecuteFlag, closed: int) -> None:
    async def scenario() -> None:
        async with running(Altered(), connections=1, users=USERS) as proxy:
            one = await client(proxy.port)
            await prepare(one)

            await one.ask(Command.STMT_EXECUTE, (1).to_bytes(4, "little") + bytes((flag, 1, 0, 0, 0)))
            await one.ask(Command.PING)

            asked = [number for number, _ in proxy.backend.commands]
            assert asked.count(Command.STMT_CLOSE) == closed
            one.close()

    run(scenario)
