"""Reads are answered from memory, and nobody can tell: what is found there, by whom, and what a session knows after."""

from __future__ import annotations

import pytest

from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command
from dbmux.wire.replies import Ok, Status
from tests.fakes import COLUMN, PASSWORD, PLAIN, Running, TestClient, client, connect, row, run
from tests.frontend.shop import READ, WRITE, Shop, asked, clients, rows, shop, told_ahead, value, verdicts


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


@pytest.mark.parametrize(
    "first",
    [
        pytest.param([b"BEGIN"], id="in a transaction"),
        pytest.param([b"SET autocommit=0"], id="without autocommit"),
        pytest.param([b"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"], id="SERIALIZABLE"),
        pytest.param([b"SET transaction_isolation = 'serializable'"], id="serializable by variable"),
        pytest.param([b"SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"], id="READ UNCOMMITTED"),
        pytest.param([b"CREATE TEMPORARY TABLE shop.u (a INT)"], id="with a temporary table"),
        pytest.param([b"LOCK TABLES shop.u READ"], id="with a lock"),
        pytest.param([b"SET @dbmux_cache = off"], id="switched off"),
        pytest.param([b"/* app:shop */ SET @dbmux_cache = off /* trace:1 */"], id="switched off with comments"),
        pytest.param([b"SET @`dbmux_cache` = off -- it is"], id="switched off between backticks"),
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


def test_the_switch_tells_of_a_transaction_that_is_open() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            await one.ask(Command.QUERY, b"BEGIN")

            (told,) = await one.ask(Command.QUERY, b"SET @dbmux_cache = off")

            assert isinstance(told, Ok)
            assert told.status & Status.IN_TRANSACTION

    run(scenario)


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
            b"SELECT LAST_INSERT_ID() LIMIT 1": lambda p: p.send_rows([COLUMN], [row(next(ids))], Status.AUTOCOMMIT),
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
        ([], b"SELECT /* dbmux: nocache */ a FROM shop.t", "nocache by hint"),
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
