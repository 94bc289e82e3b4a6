"""Reads are answered from memory, and nobody can tell: each test is named after what must not go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter
from typing import Any

import pytest

from dbmux.cache.dictionary import Dictionary
from dbmux.config.model import CacheConfig
from dbmux.events import QueryFinished, SessionClosed
from dbmux.frontend.tenant import State
from dbmux.wire import auth, packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import Row, ServerMessage
from dbmux.wire.columns import FieldType
from dbmux.wire.commands import Command
from dbmux.wire.handshake import AuthSwitch, ChangeUser
from dbmux.wire.replies import Eof, Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import (
    COLUMN,
    PASSWORD,
    PLAIN,
    FakeBackend,
    Running,
    TestClient,
    client,
    connect,
    row,
    run,
    running,
)
from tests.frontend.test_routing import Group, Member, group
from tests.net.loopback import until

READ = b"SELECT a FROM shop.t"
WRITE = b"UPDATE shop.t SET a = 1"
PREPARED = b"\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"

Odd = Callable[[ServerProtocol], bytes | None]


class Shop(FakeBackend):
    """A server whose every SELECT has another row, the number of the answer; it knows about transactions.

    `odd` are statements that it answers otherwise.
    """

    def __init__(self, odd: Mapping[bytes, Odd] | None = None) -> None:
        super().__init__(answer=self._answer)
        self.odd = dict(odd or {})
        self.autocommit = Status.AUTOCOMMIT
        self._answers = 0
        self._statuses: dict[int, Status] = {}

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        status = self._statuses.get(id(protocol), self.autocommit)
        match command.command, command.body.upper().split():
            case Command.QUIT, _:
                return None
            case Command.STMT_CLOSE, _:
                return b""
            case Command.STMT_PREPARE, _:
                head = packet.encode(PREPARED, 1) + packet.encode(COLUMN, 2)
                return head + packet.encode(b"\xfe\x00\x00\x02\x00", 3)
            case Command.RESET_CONNECTION, _:
                status = self.autocommit
            case Command.QUERY, [b"BEGIN"] | [b"START", *_]:
                status |= Status.IN_TRANSACTION
            case Command.QUERY, [b"COMMIT"] | [b"ROLLBACK"] | [b"CREATE" | b"ALTER" | b"TRUNCATE", *_]:
                status &= ~Status.IN_TRANSACTION
            case Command.QUERY, [b"SET", b"AUTOCOMMIT=0"]:
                status &= ~Status.AUTOCOMMIT
            case Command.QUERY, [b"SET", b"AUTOCOMMIT=1"]:
                status = Status.AUTOCOMMIT
            case Command.QUERY, [b"UPDATE" | b"SELECT", *_] if not status & Status.AUTOCOMMIT:
                status |= Status.IN_TRANSACTION
        self._statuses[id(protocol)] = status
        if command.body in self.odd:
            return self.odd[command.body](protocol)
        if command.command == Command.STMT_EXECUTE or command.body.lstrip(b"/ (").startswith((b"SELECT", b"*")):
            self._answers += 1
            return protocol.send_rows([COLUMN], [row(b"%d" % self._answers)], status)
        return protocol.send_ok(Ok(status=status))

    @property
    def statements(self) -> list[bytes]:
        """What clients asked it, without what DbMux itself sets and asks."""
        return [body for command, body in self.commands if command == Command.QUERY and not body.startswith(b"SET ")]


def rows(protocol: ServerProtocol, status: Status, warnings: int = 0) -> bytes:
    """A result of one row that ends so, for clients that know EOF."""
    parts = (b"\x01", COLUMN, Eof(status=status).build(), row(b"odd"), Eof(status=status, warnings=warnings).build())
    return b"".join(protocol.send(part) for part in parts)


def ok(protocol: ServerProtocol, status: Status) -> bytes:
    return protocol.send_ok(Ok(status=status))


async def as_task(does: Callable[[], object]) -> None:
    does()


TABLES = ("t", "u", "child", "audit")


def dictionary() -> Dictionary:
    """The shop: a view `v` upon `t`, a trigger from `t` to `audit`, rows of `child` that go with those of `t`."""
    known = Dictionary()
    for name in TABLES:
        known.add_table("shop", name, "BASE TABLE", "InnoDB")
    known.add_table("shop", "v", "VIEW", "")
    known.add_view("shop", "v", "select `shop`.`t`.`a` AS `a` from `shop`.`t`")
    known.add_trigger("shop", "t", b"INSERT INTO audit VALUES (NEW.a)")
    known.add_foreign_key(("shop", "child"), ("shop", "t"))
    known.add_routine("shop", "p", b"BEGIN UPDATE u SET a = 1; END")
    return known


@asynccontextmanager
async def shop(
    backend: FakeBackend | None = None, connections: int | None = None, **config: Any
) -> AsyncIterator[Running]:
    """An engine that stores what is read of the shop, whose dictionary it knows."""
    top = {"cache": {"tables": {"shop.*": "60s"}}, "users": {"app": PASSWORD.decode()}, **config}
    async with running(backend or Shop(), connections=connections, **top) as proxy:
        know(proxy)
        yield proxy


def know(proxy: Running) -> None:
    """The dictionary was read."""
    cache = proxy.engine.cache
    cache.know(cache.source("db"), dictionary(), "")


async def value(session: TestClient, sql: bytes = READ) -> str:
    """The only row of a result."""
    return only_row(await session.ask(Command.QUERY, sql))


def only_row(told: list[ServerMessage]) -> str:
    (found,) = [message for message in told if isinstance(message, Row)]
    return found.payload[1:].decode()


def asked(proxy: Running, sql: bytes = READ) -> int:
    """How often the server was asked that."""
    assert isinstance(proxy.backend, Shop)
    return proxy.backend.statements.count(sql)


def verdicts(proxy: Running) -> list[str]:
    return [event.cache for event in proxy.of(QueryFinished)]


def held(proxy: Running, sql: bytes) -> asyncio.Event:
    """Have the server's answers to a statement wait for this."""
    gate = proxy.backend.gates[sql] = asyncio.Event()
    return gate


async def arrived(proxy: Running, sql: bytes, times: int = 1) -> None:
    """Wait until the server has got a statement."""
    await proxy.until(lambda: asked(proxy, sql) == times)


def waiting(proxy: Running) -> int:
    """How many wait for another's reading."""
    return sum(len(fill.waiters) for fill in proxy.engine.cache.fills.values())


def begin(session: TestClient, sql: bytes) -> asyncio.Future[list[ServerMessage]]:
    return asyncio.ensure_future(session.ask(Command.QUERY, sql))


async def clients(proxy: Running, count: int) -> list[TestClient]:
    return [await client(proxy.port) for _ in range(count)]


# Answering.


def test_what_was_read_before_is_answered_from_memory() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)

            first = await one.ask(Command.QUERY, READ)
            second = await two.ask(Command.QUERY, READ)

            assert first == second
            assert asked(proxy) == 1
            assert verdicts(proxy) == ["miss", "hit"]

    run(scenario)


def test_ones_own_write_ends_what_was_stored() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            before = await value(one)

            await one.ask(Command.QUERY, WRITE)

            assert await value(one) != before

    run(scenario)


def test_anothers_write_ends_what_was_stored() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            before = await value(one)

            await two.ask(Command.QUERY, WRITE)

            assert await value(one) != before

    run(scenario)


def test_a_write_to_another_table_ends_nothing() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            before = await value(one)

            await two.ask(Command.QUERY, b"UPDATE shop.u SET a = 1")

            assert await value(one) == before

    run(scenario)


# Many ask the same at once.


def test_many_who_ask_the_same_at_once_are_one_command_at_the_server() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            sessions = await clients(proxy, 5)
            gate = held(proxy, READ)

            asking = [begin(session, READ) for session in sessions]
            await arrived(proxy, READ)
            await proxy.until(lambda: waiting(proxy) == 4)
            gate.set()

            told = await asyncio.gather(*asking)
            assert {only_row(each) for each in told} == {"1"}
            assert asked(proxy) == 1
            assert sorted(verdicts(proxy)) == ["coalesced"] * 4 + ["miss"]

    run(scenario)


def test_a_connection_that_must_be_made_ready_first_does_not_lose_those_who_wait() -> None:
    async def scenario() -> None:
        async with shop(connections=1) as proxy:
            one, two, other = await clients(proxy, 3)
            for session in (one, two):
                await session.ask(Command.QUERY, b"SET time_zone = '+00:00'")
            # By now it is a statement that is known, and the quickest way is taken.
            await other.ask(Command.QUERY, READ)
            gate = held(proxy, READ)
            asking = [begin(session, READ) for session in (one, two)]
            await arrived(proxy, READ, 2)

            gate.set()

            assert [only_row(told) for told in await asyncio.gather(*asking)] == ["2", "2"]
            assert proxy.engine.cache.fills == {}

    run(scenario)


def test_a_reading_overtaken_by_a_write_is_neither_stored_nor_shared() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two, writer = await clients(proxy, 3)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ)
            second = begin(two, READ)
            await proxy.until(lambda: waiting(proxy) == 1)

            await writer.ask(Command.QUERY, WRITE)
            gate.set()

            assert (only_row(await first), only_row(await second)) == ("1", "2")
            assert await value(one) == "3"

    run(scenario)


def test_nobody_waits_for_a_reading_that_began_before_a_write() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ)
            await two.ask(Command.QUERY, WRITE)
            del proxy.backend.gates[READ]

            assert await value(two) == "2"

            gate.set()
            assert only_row(await first) == "1"
            assert await value(two) == "2"

    run(scenario)


def test_who_waits_for_a_client_that_reads_slowly_goes_on_alone() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            slow, other, late = await clients(proxy, 3)
            (filler, *_) = [proxy.engine.frontend.sessions[key] for key in sorted(proxy.engine.frontend.sessions)]
            gate = held(proxy, READ)
            first = begin(slow, READ)
            await arrived(proxy, READ)
            second = begin(other, READ)
            await proxy.until(lambda: waiting(proxy) == 1)
            del proxy.backend.gates[READ]

            filler.channel.pause_writing()

            assert only_row(await second) == "2"
            # Nor does anybody begin to wait for it.
            assert await value(late) == "3"
            gate.set()
            filler.channel.resume_writing()
            assert only_row(await first) == "1"

    run(scenario)


def test_a_client_that_leaves_in_the_middle_of_a_reading_leaves_nobody_waiting() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            gate = held(proxy, READ)
            one.conversation.send(one.protocol.command(Command.QUERY, READ))
            await arrived(proxy, READ)
            second = begin(two, READ)
            await proxy.until(lambda: waiting(proxy) == 1)
            del proxy.backend.gates[READ]

            one.conversation.channel.abort()

            assert only_row(await second) == "2"
            assert proxy.engine.cache.fills == {}
            gate.set()
            await proxy.until(lambda: proxy.backend.open == 1)

    run(scenario)


def test_one_who_leaves_while_waiting_is_not_waited_for() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two, three = await clients(proxy, 3)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ)
            two.conversation.send(two.protocol.command(Command.QUERY, READ))
            third = begin(three, READ)
            await proxy.until(lambda: waiting(proxy) == 2)

            two.conversation.channel.abort()
            await proxy.until(lambda: waiting(proxy) == 1)
            gate.set()

            assert [only_row(await first), only_row(await third)] == ["1", "1"]

    run(scenario)


def test_a_session_that_is_killed_while_waiting_ends_and_the_others_do_not() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, victim, three, killer = await clients(proxy, 4)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ)
            victim.conversation.send(victim.protocol.command(Command.QUERY, READ))
            third = begin(three, READ)
            await proxy.until(lambda: waiting(proxy) == 2)
            assert victim.protocol.greeting is not None

            (told,) = await killer.ask(Command.QUERY, b"KILL %d" % victim.protocol.greeting.connection_id)
            gate.set()

            assert isinstance(told, Ok)
            assert len(proxy.of(SessionClosed)) == 1
            assert [only_row(await first), only_row(await third)] == ["1", "1"]

    run(scenario)


def test_a_waiter_that_kills_another_as_soon_as_it_is_served_does_not_bring_it_back() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two, victim = await clients(proxy, 3)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ)
            assert victim.protocol.greeting is not None
            kill = packet.encode(b"\x03KILL %d" % victim.protocol.greeting.connection_id, 0)
            second = begin(two, READ)
            await proxy.until(lambda: waiting(proxy) == 1)
            two.conversation.channel.write(kill)
            victim.conversation.send(victim.protocol.command(Command.QUERY, READ))
            await proxy.until(lambda: waiting(proxy) == 2)

            gate.set()

            assert [only_row(await first), only_row(await second)] == ["1", "1"]
            await proxy.until(lambda: len(proxy.engine.frontend.sessions) == 2)
            assert verdicts(proxy).count("coalesced") == 1

    run(scenario)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda p: p.send_err(Err(number=1205, sqlstate=b"HY000", message=b"no")), id="an error"),
        pytest.param(lambda p: rows(p, Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED), id="other state"),
        pytest.param(lambda p: rows(p, Status(0)), id="autocommit off"),
        pytest.param(lambda p: rows(p, Status.AUTOCOMMIT | Status.IN_TRANSACTION), id="a transaction"),
        pytest.param(
            lambda p: rows(p, Status.AUTOCOMMIT | Status.MORE_RESULTS) + p.send_ok(Ok(status=Status.AUTOCOMMIT)),
            id="several results",
        ),
        pytest.param(lambda p: rows(p, Status.AUTOCOMMIT, warnings=1), id="warnings"),
    ],
)
def test_what_says_more_than_rows_is_neither_stored_nor_shared(odd: Odd) -> None:
    async def scenario() -> None:
        async with shop(Shop({READ: odd})) as proxy:
            one, two = await clients(proxy, 2)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ)
            second = begin(two, READ)
            await proxy.until(lambda: waiting(proxy) == 1)

            gate.set()
            del proxy.backend.gates[READ]

            await first
            await second
            await arrived(proxy, READ, 2)
            assert len(proxy.engine.cache.store) == 0

    run(scenario)


def test_a_result_that_is_too_large_is_not_stored() -> None:
    async def scenario() -> None:
        large = {READ: lambda p: p.send_rows([COLUMN], [row(b"x" * 200)] * 20, Status.AUTOCOMMIT)}
        cache = {"tables": {"shop.t": {"ttl": "60s", "max_entry": 4000}}}
        async with shop(Shop(large), cache=cache) as proxy:
            (one,) = await clients(proxy, 1)

            told = [await one.ask(Command.QUERY, READ) for _ in range(2)]

            assert told[0] == told[1]
            assert asked(proxy) == 2

    run(scenario)


def test_a_result_may_be_as_large_as_it_is_configured() -> None:
    async def scenario() -> None:
        large = {READ: lambda p: p.send_rows([COLUMN], [row(b"x" * 200)] * 10_000, Status.AUTOCOMMIT)}
        cache = {"tables": {"shop.t": {"ttl": "60s", "max_entry": "4MB"}}}
        async with shop(Shop(large), cache=cache) as proxy:
            (one,) = await clients(proxy, 1)

            for _ in range(2):
                await one.ask(Command.QUERY, READ)

            assert asked(proxy) == 1

    run(scenario)


# Transactions.


@pytest.mark.parametrize(
    "end",
    [b"COMMIT", b"ROLLBACK", b"COMMIT AND CHAIN", b"BEGIN", b"ALTER TABLE shop.u ADD b INT", b"SET autocommit=1"],
)
@pytest.mark.parametrize("begins", [b"BEGIN", b"SET autocommit=0"])
def test_what_a_transaction_wrote_ends_results_when_it_ends(begins: bytes, end: bytes) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.QUERY, begins)
            await one.ask(Command.QUERY, WRITE)
            # What others read now is of before.
            before = await value(two)
            assert await value(two) == before

            await one.ask(Command.QUERY, end)

            assert await value(two) != before

    run(scenario)


@pytest.mark.parametrize(
    "leave",
    [
        lambda one: one.ask(Command.RESET_CONNECTION),
        lambda one: as_task(one.conversation.channel.abort),
    ],
    ids=["reset", "gone"],
)
def test_what_a_transaction_wrote_ends_results_when_its_session_leaves_it(
    leave: Callable[[TestClient], Awaitable[object]],
) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.QUERY, b"BEGIN")
            await one.ask(Command.QUERY, WRITE)
            before = await value(two)

            await leave(one)
            await proxy.until(lambda: (Command.RESET_CONNECTION, b"") in proxy.backend.commands)

            assert await value(two) != before
            assert await value(two) == await value(two)

    run(scenario)


def hang_up(protocol: ServerProtocol) -> None:
    """The server closes the connection instead of an answer."""


@pytest.mark.parametrize("is_followed", [False, True])
def test_after_a_write_of_unknown_outcome_nothing_is_stored_unless_the_server_tells_its_writes(
    is_followed: bool,
) -> None:
    async def scenario() -> None:
        async with shop(Shop({WRITE: hang_up})) as proxy:
            one, two = await clients(proxy, 2)
            cache = proxy.engine.cache
            cache.follow(cache.source("db"), is_followed=is_followed, broken="")
            before = await value(two)

            (told,) = await one.ask(Command.QUERY, WRITE)
            after = [await value(two) for _ in range(2)]

            assert isinstance(told, Err)
            assert before not in after
            assert (after[0] == after[1]) is is_followed

    run(scenario)


def test_a_commit_of_unknown_outcome_is_doubted_for_what_the_transaction_wrote() -> None:
    async def scenario() -> None:
        async with shop(Shop({b"COMMIT": hang_up})) as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.QUERY, b"BEGIN")
            await one.ask(Command.QUERY, WRITE)

            await one.ask(Command.QUERY, b"COMMIT")

            assert await value(two) != await value(two)
            other = b"SELECT a FROM shop.u"
            assert await value(two, other) == await value(two, other)

    run(scenario)


def test_a_write_that_was_never_sent_is_not_doubted() -> None:
    async def scenario() -> None:
        async with shop(connections=1) as proxy:
            holder, writer, reader = await clients(proxy, 3)
            await holder.ask(Command.QUERY, b"BEGIN")
            writer.conversation.send(writer.protocol.command(Command.QUERY, WRITE))
            pool = proxy.engine.frontend.settings.topology.backends["db"].pool
            await proxy.until(lambda: bool(pool.queue))

            writer.conversation.channel.abort()
            await proxy.until(lambda: not pool.queue)
            await holder.ask(Command.QUERY, b"COMMIT")

            assert await value(reader) == await value(reader)

    run(scenario)


def test_after_a_write_anywhere_of_unknown_outcome_nothing_is_stored_of_tables_that_nobody_had_read() -> None:
    async def scenario() -> None:
        async with shop(Shop({b"CALL shop.unknown()": hang_up})) as proxy:
            one, two = await clients(proxy, 2)

            await one.ask(Command.QUERY, b"CALL shop.unknown()")

            assert await value(two) != await value(two)

    run(scenario)


@pytest.mark.parametrize(
    "first",
    [
        pytest.param([b"BEGIN"], id="in a transaction"),
        pytest.param([b"SET autocommit=0"], id="without autocommit"),
        pytest.param([b"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"], id="SERIALIZABLE"),
        pytest.param([b"SET transaction_isolation = 'serializable'"], id="serializable by variable"),
        pytest.param([b"CREATE TEMPORARY TABLE shop.u (a INT)"], id="with a temporary table"),
        pytest.param([b"LOCK TABLES shop.u READ"], id="with a lock"),
        pytest.param([b"SET @dbmux_cache = off"], id="switched off"),
        pytest.param([b"SET @dbmux_cache = on", b"SET @dbmux_cache='OFF';"], id="switched off later"),
    ],
)
def test_nothing_is_read_from_memory_or_put_there(first: list[bytes]) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            for statement in first:
                await one.ask(Command.QUERY, statement)

            mine = [await value(one) for _ in range(2)]
            others = await value(two)
            again = await value(one)

            assert len({*mine, others, again}) == 4
            assert len(proxy.engine.cache.store) == 1

    run(scenario)


def test_a_relayed_login_has_a_connection_of_its_own_and_so_no_answers_from_memory() -> None:
    async def scenario() -> None:
        async with shop(users={}) as proxy:
            one, two = await clients(proxy, 2)

            assert len({await value(each) for each in (one, two, one)}) == 3
            assert set(verdicts(proxy)) == {"relayed login"}

    run(scenario)


def test_a_relayed_logins_writes_end_what_others_stored() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            relayed = proxy.engine.config.model_copy(update={"users": {}})
            before = await value(one)
            await proxy.engine.apply(relayed, "test", ())
            assert await value(one) == before
            two = await client(proxy.port)

            await two.ask(Command.QUERY, WRITE)

            assert await value(one) != before

    run(scenario)


# The key.


@pytest.mark.parametrize(
    "statements",
    [
        [b"USE shop"],
        [b"SET NAMES latin1"],
        [b"SET NAMES utf8mb4 COLLATE utf8mb4_bin"],
        [b"SET character_set_results = latin1"],
        [b"SET sql_mode = 'ANSI_QUOTES'"],
        [b"SET time_zone = '+02:00'"],
        [b"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"],
        [b"SET group_concat_max_len = 10"],
    ],
)
def test_a_session_that_is_otherwise_shares_nothing(statements: list[bytes]) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            for statement in statements:
                await two.ask(Command.QUERY, statement)

            told = [await value(each) for each in (one, two, one, two)]

            assert told[0] != told[1]
            assert told[2:] == told[:2]

    run(scenario)


def test_a_session_that_was_reset_is_as_it_was_at_first() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            first = await value(one)
            await one.ask(Command.QUERY, b"SET time_zone = '+02:00'")
            other = await value(one)
            await one.ask(Command.QUERY, b"SET @dbmux_cache = off")

            await one.ask(Command.RESET_CONNECTION)

            again = await value(one)
            assert first != other
            assert again != other
            assert await value(one) == again

    run(scenario)


@pytest.mark.parametrize("capability", [Capability.DEPRECATE_EOF, Capability.IGNORE_SPACE, Capability.FOUND_ROWS])
def test_a_client_to_which_servers_speak_otherwise_shares_nothing(capability: Capability) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await client(proxy.port), await client(proxy.port, PLAIN | capability)

            told = [await value(each) for each in (one, two, one, two)]

            assert told == ["1", "2", "1", "2"]

    run(scenario)


@pytest.mark.parametrize("share, expected", [(False, ["1", "2", "1"]), (True, ["1", "1", "1"])])
def test_users_share_results_only_where_that_is_configured(share: bool, expected: list[str]) -> None:
    async def scenario() -> None:
        users = {"app": PASSWORD.decode(), "other": PASSWORD.decode()}
        cache = {"tables": {"shop.t": {"ttl": "60s", "share": share}}}
        async with shop(users=users, cache=cache) as proxy:
            one, two = await client(proxy.port), await connect(proxy.port, user=b"other")
            assert isinstance(two, TestClient)

            assert [await value(each) for each in (one, two, one)] == expected

    run(scenario)


def test_users_who_share_results_wait_for_each_other() -> None:
    async def scenario() -> None:
        users = {"app": PASSWORD.decode(), "other": PASSWORD.decode()}
        cache = {"tables": {"shop.t": {"ttl": "60s", "share": True}}}
        async with shop(users=users, cache=cache) as proxy:
            one, two = await client(proxy.port), await connect(proxy.port, user=b"other")
            assert isinstance(two, TestClient)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ)
            second = begin(two, READ)
            await proxy.until(lambda: waiting(proxy) == 1)

            gate.set()

            assert only_row(await first) == only_row(await second)

    run(scenario)


@pytest.mark.parametrize(
    "text, is_same",
    [
        (b"/* traceparent='00-4bf9-01' */ SELECT a FROM shop.t", True),
        (b"SELECT a FROM shop.t /*route='/x',framework='django'*/", True),
        (b"SELECT a FROM shop.t -- by the report\n", True),
        (b"# by the report\nSELECT a FROM shop.t", True),
        (b"SELECT /* by the report */ a FROM shop.t", True),
        (b"SELECT /*+ NO_INDEX_MERGE(t) */ a FROM shop.t", False),
        (b"SELECT /*!80000 SQL_BIG_RESULT */ a FROM shop.t", False),
        (b"SELECT /*M! SQL_BIG_RESULT */ a FROM shop.t", False),
        (b"SELECT a FROM shop.t /*!80000 LIMIT 1 */", False),
        (b"SELECT a /* a */ FROM shop.t", False),
        (b"select a FROM shop.t", False),
        (b"SELECT  a FROM shop.t", False),
        (b"SELECT a FROM shop.t /* of which there is no end", False),
    ],
)
def test_comments_for_people_are_no_part_of_the_key(text: bytes, is_same: bool) -> None:
    async def scenario() -> None:
        async with shop(Shop({text: lambda p: rows(p, Status.AUTOCOMMIT)})) as proxy:
            (one,) = await clients(proxy, 1)
            first = await value(one)

            assert (await value(one, text) == first) is is_same

    run(scenario)


# Hints and switches.


def test_a_hint_has_a_result_stored_of_a_table_that_is_not_configured() -> None:
    async def scenario() -> None:
        async with shop(cache={"tables": {"other.*": "60s"}}) as proxy:
            (one,) = await clients(proxy, 1)
            hinted = b"SELECT /* dbmux: cache ttl=60s */ a FROM shop.t"

            told = [await value(one, hinted) for _ in range(2)]
            bare = [await value(one) for _ in range(2)]

            assert told == ["1", "1"]
            assert bare == ["2", "3"]
            await one.ask(Command.QUERY, WRITE)
            assert await value(one, hinted) == "4"

    run(scenario)


def test_a_hint_asks_the_server_and_stores_nothing() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            hinted = b"/* dbmux: nocache */ SELECT a FROM shop.t"

            told = [await value(one, hinted), await value(one), await value(one, hinted), await value(one)]

            assert told == ["1", "2", "3", "2"]

    run(scenario)


def test_what_was_ordered_for_one_statement_is_not_done_to_the_next_that_waits_in_vain() -> None:
    async def scenario() -> None:
        backend = Shop()
        async with shop(backend) as proxy:
            one, two, writer = await clients(proxy, 3)
            await two.ask(Command.QUERY, b"SELECT /* dbmux: max_rows=1 */ a FROM shop.u")
            # Known by now, so that it takes the quickest way.
            await value(two)
            await writer.ask(Command.QUERY, WRITE)
            await two.ask(Command.QUERY, b"SELECT /* dbmux: max_rows=1 */ a FROM shop.u")
            backend.odd[READ] = lambda p: p.send_rows([COLUMN], [row(b"1"), row(b"2")], Status.AUTOCOMMIT)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ, 2)
            second = begin(two, READ)
            await proxy.until(lambda: waiting(proxy) == 1)

            await writer.ask(Command.QUERY, WRITE)
            gate.set()

            assert await second == await first

    run(scenario)


def test_the_switch_tells_of_a_transaction_that_is_open() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            await one.ask(Command.QUERY, b"BEGIN")

            (told,) = await one.ask(Command.QUERY, b"SET @dbmux_cache = off")

            assert isinstance(told, Ok)
            assert told.status & Status.IN_TRANSACTION

    run(scenario)


# What a session asks of the statement before.


COUNTS = b"SELECT FOUND_ROWS(), ROW_COUNT(), @@warning_count"


async def counts_after(session: TestClient, proxy: Running) -> bytes:
    """What the server is asked for them."""
    await session.ask(Command.QUERY, COUNTS)
    assert isinstance(proxy.backend, Shop)
    return proxy.backend.statements[-1]


def test_what_was_found_and_changed_is_told_after_an_answer_from_memory_as_after_the_real_one() -> None:
    async def scenario() -> None:
        three = {READ: lambda p: p.send_rows([COLUMN], [row(b"1"), row(b"2"), row(b"3")], Status.AUTOCOMMIT)}
        async with shop(Shop(three)) as proxy:
            (one,) = await clients(proxy, 1)
            await one.ask(Command.QUERY, READ)
            really = await counts_after(one, proxy)
            # Now it changes what all three are on the connection.
            await one.ask(Command.QUERY, b"SELECT a FROM shop.u")

            await one.ask(Command.QUERY, READ)

            assert asked(proxy) == 1
            assert await counts_after(one, proxy) == really
            assert b"3" in really

    run(scenario)


def test_the_row_count_of_a_write_is_gone_after_an_answer_from_memory() -> None:
    async def scenario() -> None:
        changed = {b"UPDATE shop.u SET a = 1": lambda p: p.send_ok(Ok(status=Status.AUTOCOMMIT, affected_rows=7))}
        async with shop(Shop(changed), connections=1) as proxy:
            (one,) = await clients(proxy, 1)
            await one.ask(Command.QUERY, READ)
            await one.ask(Command.QUERY, b"UPDATE shop.u SET a = 1")
            proxy.backend.commands.clear()

            await one.ask(Command.QUERY, READ)
            await one.ask(Command.QUERY, b"SELECT ROW_COUNT()")

            # Something that sets it to -1 goes before.
            bodies = [body for _, body in proxy.backend.commands]
            assert bodies == [b"SELECT 1 FROM (SELECT 1) one WHERE FALSE", b"SELECT ROW_COUNT()"]

    run(scenario)


def test_warnings_end_with_an_answer_from_memory() -> None:
    async def scenario() -> None:
        warned = {b"UPDATE shop.u SET a = 1": lambda p: p.send_ok(Ok(status=Status.AUTOCOMMIT, warnings=1))}
        async with shop(Shop(warned), connections=1) as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.QUERY, READ)
            await one.ask(Command.QUERY, b"UPDATE shop.u SET a = 1")

            await one.ask(Command.QUERY, READ)
            proxy.backend.commands.clear()
            await one.ask(Command.QUERY, b"SHOW WARNINGS")

            assert proxy.backend.commands[0] == (Command.QUERY, b"SELECT 1 FROM (SELECT 1) one WHERE FALSE")
            # Nobody else pays for warnings that are nobody's.
            proxy.backend.commands.clear()
            await two.ask(Command.QUERY, b"SELECT 2")
            assert proxy.backend.commands == [(Command.QUERY, b"SELECT 2")]

    run(scenario)


def test_the_last_insert_id_is_the_same_after_an_answer_from_memory() -> None:
    async def scenario() -> None:
        insert = b"INSERT INTO shop.u VALUES (NULL)"
        ids = iter((b"77", b"78"))
        numbered = {
            insert: lambda p: p.send_ok(Ok(status=Status.AUTOCOMMIT, last_insert_id=77, affected_rows=1)),
            b"SELECT LAST_INSERT_ID()": lambda p: p.send_rows([COLUMN], [row(next(ids))], Status.AUTOCOMMIT),
        }
        async with shop(Shop(numbered), connections=1) as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.QUERY, READ)
            await one.ask(Command.QUERY, insert)
            await one.ask(Command.QUERY, READ)
            assert asked(proxy) == 1

            await two.ask(Command.QUERY, insert)
            await one.ask(Command.QUERY, b"SELECT LAST_INSERT_ID() + 1")

            assert (Command.QUERY, b"SET last_insert_id=77") in proxy.backend.commands

    run(scenario)


# When results end.


class Clock:
    """The cache's, which stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_old_result_is_fetched_anew_by_one_and_served_to_the_others_meanwhile() -> None:
    async def scenario() -> None:
        cache = {"tables": {"shop.t": {"ttl": "60s", "soft_ttl": "1ms"}}}
        async with shop(cache=cache) as proxy:
            one, two = await clients(proxy, 2)
            first = await value(one)
            await asyncio.sleep(0.002)
            gate = held(proxy, READ)

            refreshing = begin(one, READ)
            await arrived(proxy, READ, 2)
            meanwhile = await value(two)
            gate.set()

            assert (meanwhile, only_row(await refreshing)) == (first, "2")
            assert verdicts(proxy) == ["miss", "stale", "miss"]

    run(scenario)


def test_a_write_ends_also_what_is_being_fetched_anew() -> None:
    async def scenario() -> None:
        cache = {"tables": {"shop.t": {"ttl": "60s", "soft_ttl": "1ms"}}}
        async with shop(cache=cache) as proxy:
            one, two = await clients(proxy, 2)
            await value(one)
            await asyncio.sleep(0.002)
            gate = held(proxy, READ)
            refreshing = begin(one, READ)
            await arrived(proxy, READ, 2)

            await two.ask(Command.QUERY, WRITE)
            del proxy.backend.gates[READ]
            after = await value(two)
            gate.set()

            assert after == "3"
            assert only_row(await refreshing) == "2"

    run(scenario)


@pytest.mark.parametrize(
    "write, read",
    [
        pytest.param(WRITE, b"SELECT a FROM shop.audit", id="a trigger"),
        pytest.param(b"DELETE FROM shop.t", b"SELECT a FROM shop.child", id="a cascade"),
        pytest.param(b"UPDATE shop.v SET a = 1", b"SELECT a FROM shop.audit", id="a trigger behind a view"),
        pytest.param(WRITE, b"SELECT a FROM shop.v", id="a view"),
        pytest.param(b"CALL shop.p()", b"SELECT a FROM shop.u", id="a procedure"),
        pytest.param(b"CALL shop.unknown()", b"SELECT a FROM shop.u", id="an unknown procedure"),
        pytest.param(b"EXECUTE s", b"SELECT a FROM shop.u", id="what a variable says"),
        pytest.param(b"TRUNCATE shop.u", b"SELECT a FROM shop.u", id="TRUNCATE"),
        pytest.param(b"ALTER TABLE shop.u RENAME TO shop.w", b"SELECT a FROM shop.u", id="another name"),
        pytest.param(
            b"ALTER TABLE shop.u EXCHANGE PARTITION p WITH TABLE shop.audit",
            b"SELECT a FROM shop.audit",
            id="a partition that becomes a table",
        ),
        pytest.param(b"XA COMMIT 'x'", b"SELECT a FROM shop.u", id="an XA transaction"),
        pytest.param(b"GRANT SELECT ON shop.t TO app", b"SELECT a FROM shop.u", id="rights"),
        pytest.param(b"SET GLOBAL sql_mode = ''", b"SELECT a FROM shop.u", id="a setting"),
        pytest.param(b"this is no SQL", b"SELECT a FROM shop.u", id="what is not understood"),
    ],
)
def test_a_write_ends_what_was_read_of_all_tables_that_it_touches(write: bytes, read: bytes) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            before = await value(one, read)
            assert await value(one, read) == before

            await two.ask(Command.QUERY, write)

            assert await value(one, read) != before

    run(scenario)


def test_after_a_definition_nothing_is_stored_until_the_dictionary_was_read_anew() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            source = proxy.engine.cache.source("db")
            source.doubt = lambda: proxy.engine.cache.know(source, None, "it is being read anew")

            await one.ask(Command.QUERY, b"ALTER TABLE shop.u ADD b INT")

            assert await value(one) != await value(one)
            know(proxy)
            assert await value(one) == await value(one)

    run(scenario)


def test_a_write_that_was_sent_before_a_trigger_was_defined_may_have_met_it() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            writer, definer, reader = await clients(proxy, 3)
            source = proxy.engine.cache.source("db")
            source.doubt = lambda: proxy.engine.cache.know(source, None, "it is being read anew")
            write, read = b"UPDATE shop.child SET a = 1", b"SELECT a FROM shop.u"
            gate = held(proxy, write)
            writing = begin(writer, write)
            await arrived(proxy, write)
            await definer.ask(Command.QUERY, b"CREATE TRIGGER x BEFORE UPDATE ON shop.child FOR EACH ROW DELETE FROM u")
            anew = dictionary()
            anew.add_trigger("shop", "child", b"DELETE FROM u")
            proxy.engine.cache.know(source, anew, "")
            before = await value(reader, read)

            gate.set()
            await writing

            assert await value(reader, read) != before

    run(scenario)


def test_the_first_answer_to_several_statements_acknowledges_the_first_write() -> None:
    async def scenario() -> None:
        both = b"UPDATE shop.t SET a = 2; DO SLEEP(1)"
        odd = {both: lambda p: ok(p, Status.AUTOCOMMIT | Status.MORE_RESULTS) + ok(p, Status.AUTOCOMMIT)}
        async with shop(Shop(odd)) as proxy:
            writer = await client(proxy.port, PLAIN | Capability.MULTI_STATEMENTS)
            (reader,) = await clients(proxy, 1)
            gate = held(proxy, both)
            before = await value(reader)

            writer.conversation.send(writer.protocol.command(Command.QUERY, both))
            first = await writer.conversation.next()
            between = await value(reader)

            assert isinstance(first, Ok)
            assert before != between
            gate.set()
            await writer.reply()
            assert await value(reader) != between

    run(scenario)


# Other configurations.


async def configure(proxy: Running, **cache: Any) -> None:
    """Reload with another `cache` section."""
    wanted = proxy.engine.config.model_copy(update={"cache": CacheConfig.model_validate(cache)})
    await proxy.engine.apply(wanted, "test", ())
    know(proxy)


ON = {"tables": {"shop.*": "60s"}}
OFF: dict[str, Any] = {"tables": {}}


def test_a_reload_ends_what_was_stored_and_what_is_being_read() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            gate = held(proxy, READ)
            reading = begin(one, READ)
            await arrived(proxy, READ)
            other = b"SELECT a FROM shop.u"
            before = await value(two, other)

            await configure(proxy, tables={"shop.t": False, "shop.*": "50s"})
            gate.set()

            assert only_row(await reading) != await value(two)
            assert await value(two) != await value(two)
            assert await value(two, other) != before

    run(scenario)


def test_a_reload_without_the_cache_leaves_nobody_waiting() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ)
            second = begin(two, READ)
            await proxy.until(lambda: waiting(proxy) == 1)
            del proxy.backend.gates[READ]

            await configure(proxy, **OFF)

            assert only_row(await second) == "2"
            gate.set()
            assert only_row(await first) == "1"
            await value(two)
            assert verdicts(proxy)[-1] == ""
            assert proxy.engine.cache.fills == {}

    run(scenario)


@pytest.mark.parametrize("off_first", [True, False])
def test_a_transaction_that_began_before_a_reload_ends_results_when_it_ends(off_first: bool) -> None:
    async def scenario() -> None:
        async with shop(cache=OFF if off_first else ON) as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.QUERY, b"BEGIN")
            await one.ask(Command.QUERY, WRITE)
            if not off_first:
                await configure(proxy, **OFF)
            await configure(proxy, **ON)
            before = await value(two)
            assert await value(two) == before

            await one.ask(Command.QUERY, b"COMMIT")

            assert await value(two) != before

    run(scenario)


def test_a_write_that_was_sent_before_the_cache_was_switched_on_ends_results_when_it_ends() -> None:
    async def scenario() -> None:
        async with shop(cache=OFF) as proxy:
            one, two = await clients(proxy, 2)
            gate = held(proxy, WRITE)
            writing = begin(one, WRITE)
            await arrived(proxy, WRITE)
            await configure(proxy, **ON)
            before = await value(two)

            gate.set()
            await writing

            assert await value(two) != before
            assert await value(one) == await value(two)

    run(scenario)


# Commands of other kinds.


def test_commands_sent_ahead_are_answered_in_their_order() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            await value(one)
            commands = (READ, WRITE, READ, b"SELECT a FROM shop.u", READ)

            for sql in commands:
                two.conversation.channel.write(packet.encode(b"\x03" + sql, 0))

            told = [await told_ahead(two) for _ in commands]
            assert told == ["1", "", "2", "3", "2"]

    run(scenario)


def test_commands_sent_ahead_wait_for_anothers_reading() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            gate = held(proxy, READ)
            first = begin(one, READ)
            await arrived(proxy, READ)
            for sql in (READ, b"SELECT a FROM shop.u", READ):
                two.conversation.channel.write(packet.encode(b"\x03" + sql, 0))
            await proxy.until(lambda: waiting(proxy) == 1)

            gate.set()

            assert [await told_ahead(two) for _ in range(3)] == ["1", "2", "1"]
            assert only_row(await first) == "1"

    run(scenario)


async def told_ahead(session: TestClient) -> str:
    """The row of the next reply to what was sent ahead, or nothing of an OK."""
    session.protocol.command(Command.QUERY)
    rows = [message for message in await session.reply() if isinstance(message, Row)]
    return rows[0].payload[1:].decode() if rows else ""


def test_a_long_statement_that_is_not_looked_at_ends_everything() -> None:
    async def scenario() -> None:
        async with shop(limits={"inspect_max": 4096}) as proxy:
            one, two = await clients(proxy, 2)
            before = await value(one)

            long = two.protocol.command(Command.QUERY, b"INSERT INTO other.t VALUES ('" + b"x" * 20_000 + b"')")
            two.conversation.channel.write(long[:10_000])
            session = max(proxy.engine.frontend.sessions.items())[1]
            await proxy.until(lambda: session.state == State.STATEMENT_UPLOAD)
            between = await value(one)
            two.conversation.channel.write(long[10_000:])
            await two.reply()

            assert between != before
            assert await value(one) != between

    run(scenario)


def test_a_change_of_user_ends_the_transaction_and_the_switch() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.QUERY, b"SET @dbmux_cache = off")
            await one.ask(Command.QUERY, b"BEGIN")
            await one.ask(Command.QUERY, WRITE)
            before = await value(two)

            await change_user(one)

            again = await value(two)
            assert again != before
            assert await value(one) == again

    run(scenario)


async def change_user(session: TestClient) -> None:
    request = ChangeUser(user=b"app", answer=b"", schema=b"", charset=45, plugin=auth.NATIVE)
    session.conversation.send(session.protocol.change_user(request))
    asked = await session.conversation.next()
    assert isinstance(asked, AuthSwitch)
    answer = auth.answer_to(asked.plugin, PASSWORD, asked.scramble) or b""
    session.conversation.send(session.protocol.answer(answer))
    while not isinstance(told := await session.conversation.next(), Ok):
        assert not isinstance(told, Err)


# Prepared statements.


ONE = (1).to_bytes(4, "little")
HEAD = ONE + b"\x00\x01\x00\x00\x00\x00"
NUMBER, TEXT = bytes((FieldType.LONG, 0)), bytes((FieldType.VAR_STRING, 0))
PREPARED_READ = b"SELECT a FROM shop.t WHERE a = ?"


async def executed(session: TestClient, value: bytes, types: bytes = b"") -> str:
    """The row that an execution gives; types are told as clients do, with the first values."""
    told = await session.ask(Command.STMT_EXECUTE, HEAD + (b"\x01" + types if types else b"\x00") + value)
    return only_row(told)


def executions(proxy: Running) -> int:
    return sum(command == Command.STMT_EXECUTE for command, _ in proxy.backend.commands)


def test_an_execution_is_answered_from_memory_for_whoever_prepared_the_same() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            for each in (one, two):
                await each.ask(Command.STMT_PREPARE, PREPARED_READ)

            told = [await executed(each, b"\x05\0\0\0", NUMBER) for each in (one, two)]

            assert told == ["1", "1"]
            assert executions(proxy) == 1
            await one.ask(Command.QUERY, WRITE)
            assert await executed(two, b"\x05\0\0\0", NUMBER) == "2"

    run(scenario)


def test_other_values_types_and_texts_share_nothing() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.STMT_PREPARE, PREPARED_READ)
            await two.ask(Command.STMT_PREPARE, PREPARED_READ + b" + 0")

            told = [
                await executed(one, b"\x01\0\0\0", NUMBER),
                await executed(one, b"\x02\0\0\0", NUMBER),
                await executed(one, b"\x01\0\0\0", bytes((FieldType.LONG, 0x80))),
                await executed(one, b"\x01\0\0\0", bytes((FieldType.FLOAT, 0))),
                await executed(two, b"\x01\0\0\0", NUMBER),
                only_row(await one.ask(Command.QUERY, b"SELECT a FROM shop.t WHERE a = 1")),
            ]

            assert len(set(told)) == 6

    run(scenario)


@pytest.mark.parametrize("has_others", [False, True])
def test_types_that_were_told_with_an_answer_from_memory_hold_for_the_next_values(has_others: bool) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            for each in (one, two):
                await each.ask(Command.STMT_PREPARE, PREPARED_READ)
            if has_others:
                await executed(two, b"\x01x", TEXT)
            await executed(one, b"\x05\0\0\0", NUMBER)
            before = executions(proxy)
            await executed(two, b"\x05\0\0\0", NUMBER)
            assert executions(proxy) == before

            await executed(two, b"\x06\0\0\0")

            # Where the server was told that type for the first one, it need not be told again.
            sent = [body for command, body in proxy.backend.commands if command == Command.STMT_EXECUTE]
            assert sent[-1][9:] in (b"\x00\x01" + NUMBER + b"\x06\0\0\0", b"\x00\x00\x06\0\0\0")

    run(scenario)


@pytest.mark.parametrize(
    "variable", [b"sql_mode = 'ANSI_QUOTES'", b"group_concat_max_len = 10", b"div_precision_increment = 9"]
)
def test_a_statement_that_was_prepared_otherwise_shares_nothing(variable: bytes) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.STMT_PREPARE, PREPARED_READ)
            for each in (one, two):
                await each.ask(Command.QUERY, b"SET " + variable)
            await two.ask(Command.STMT_PREPARE, PREPARED_READ)

            told = [await executed(each, b"\x05\0\0\0", NUMBER) for each in (one, two, one)]

            assert len(set(told)) == 3

    run(scenario)


def test_an_execution_that_opens_a_cursor_is_not_stored() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            await one.ask(Command.STMT_PREPARE, PREPARED_READ)
            head = ONE + b"\x01\x01\x00\x00\x00\x00\x01" + NUMBER

            told = [only_row(await one.ask(Command.STMT_EXECUTE, head + b"\x05\0\0\0")) for _ in range(2)]

            assert told == ["1", "2"]

    run(scenario)


def test_a_write_that_was_prepared_ends_results() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.STMT_PREPARE, b"UPDATE shop.t SET a = ?")
            before = await value(two)

            await one.ask(Command.STMT_EXECUTE, HEAD + b"\x01" + NUMBER + b"\x05\0\0\0")

            assert await value(two) != before

    run(scenario)


# Replicas.


def known(found: Group) -> Group:
    """The shop's dictionary was read at a group's primary."""
    cache = found.engine.cache
    cache.know(cache.source("main"), dictionary(), "")
    return found


def replicated() -> AbstractAsyncContextManager[Group]:
    """A primary and a replica, and a cache for what is read of them."""
    return group(names=("primary", "one"), top={"cache": ON})


def statements(found: Group, name: str) -> int:
    member = found.members[name]
    assert isinstance(member, Member)
    return member.statements.count(READ)


@pytest.mark.parametrize("is_known_to_have_all, asked", [(False, 2), (True, 1)])
def test_a_replicas_result_is_stored_only_when_it_is_known_to_have_all(is_known_to_have_all: bool, asked: int) -> None:
    async def scenario() -> None:
        async with replicated() as found:
            known(found)
            one = await client(found.port)
            found.backend("one").applied_until = perf_counter() if is_known_to_have_all else 0.0

            told = [await value(one) for _ in range(2)]

            assert told == ["one", "one"]
            assert statements(found, "one") == asked

    run(scenario)


def test_a_replica_that_catches_up_while_it_reads_may_have_read_before() -> None:
    async def scenario() -> None:
        async with replicated() as found:
            known(found)
            one, writer = await client(found.port), await client(found.port)
            replica = found.backend("one")
            replica.applied_until = perf_counter()
            await writer.ask(Command.QUERY, WRITE)
            gate = found.members["one"].gates[READ] = asyncio.Event()
            reading = begin(one, READ)
            await until(lambda: statements(found, "one") == 1)

            replica.applied_until = perf_counter()
            gate.set()
            await reading

            await value(one)
            assert statements(found, "one") == 2

    run(scenario)


def test_a_read_after_ones_own_write_is_answered_by_the_primary_and_stored() -> None:
    async def scenario() -> None:
        async with replicated() as found:
            known(found)
            one, two = await client(found.port), await client(found.port)
            await one.ask(Command.QUERY, WRITE)

            told = [await value(each) for each in (one, one, two)]

            assert told == ["primary"] * 3
            assert statements(found, "primary") == 1

    run(scenario)


@pytest.mark.parametrize(
    "before, sql, verdict",
    [
        ([], READ, "miss"),
        ([READ], READ, "hit"),
        ([b"BEGIN"], READ, "in a transaction"),
        ([b"CREATE TEMPORARY TABLE shop.x (a INT)"], READ, "pinned to its connection"),
        ([b"SET autocommit=0"], READ, "autocommit is off"),
        ([b"SET @dbmux_cache = off"], READ, "the session has the cache switched off"),
        ([], b"SELECT NOW() FROM shop.t", "NOW"),
        ([], b"SELECT a FROM bank.t", "bank.t is not in the server's dictionary"),
        ([], b"SELECT /* dbmux: nocache */ a FROM shop.t", "not asked for"),
        ([], WRITE, ""),
        ([], b"SHOW TABLES", ""),
        ([READ], b"COMMIT", ""),
    ],
)
def test_the_event_says_what_the_cache_had_to_do_with_it(before: list[bytes], sql: bytes, verdict: str) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            for statement in before:
                await one.ask(Command.QUERY, statement)

            await one.ask(Command.QUERY, sql)

            assert verdicts(proxy)[-1] == verdict

    run(scenario)
