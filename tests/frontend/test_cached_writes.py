"""A write ends what was read, whoever sent it and however it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from dbmux.frontend.state import State
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import ServerProtocol
from tests.fakes import PLAIN, TestClient, changed_user, client, run
from tests.frontend.shop import (
    OFF,
    ON,
    READ,
    WRITE,
    Shop,
    arrived,
    begin,
    clients,
    configure,
    dictionary,
    held,
    know,
    ok,
    only_row,
    shop,
    value,
)


async def as_task(does: Callable[[], object]) -> None:
    does()


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
            (session, _) = [each for _, each in sorted(proxy.engine.frontend.sessions.items())]
            gate = held(proxy, both)
            writer.conversation.send(writer.protocol.command(Command.QUERY, both))
            await proxy.until(lambda: session.state == State.REPLYING)
            assert session.connection is not None
            session.connection.pause()
            before = await value(reader)
            assert await value(reader) == before

            session.connection.resume()
            assert isinstance(await writer.conversation.next(), Ok)

            assert await value(reader) != before
            gate.set()
            await writer.reply()

    run(scenario)


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

            await changed_user(one)

            again = await value(two)
            assert again != before
            assert await value(one) == again

    run(scenario)
