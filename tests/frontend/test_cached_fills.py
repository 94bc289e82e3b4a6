"""One session fetches what many want: the others wait, and never for ever nor for what is not theirs."""

from __future__ import annotations

import asyncio

import pytest

from dbmux.events import SessionClosed
from dbmux.wire import packet
from dbmux.wire.buffer import lenenc_bytes
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status, Track
from tests.fakes import COLUMN, PASSWORD, PLAIN, TestClient, client, connect, row, run
from tests.frontend.shop import (
    OFF,
    READ,
    WRITE,
    Odd,
    Shop,
    age,
    arrived,
    asked,
    begin,
    clients,
    configure,
    held,
    only_row,
    rows,
    shop,
    told_ahead,
    value,
    verdicts,
    waiting,
)


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
        pytest.param(lambda p: rows(p, 0), id="autocommit off"),
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


CHARSET = bytes((Track.SYSTEM_VARIABLE,)) + lenenc_bytes(
    lenenc_bytes(b"character_set_client") + lenenc_bytes(b"utf8mb4")
)
SCHEMA = bytes((Track.SCHEMA,)) + lenenc_bytes(lenenc_bytes(b"other"))
GTID = bytes((Track.SYSTEM_VARIABLE,)) + lenenc_bytes(lenenc_bytes(b"last_gtid") + lenenc_bytes(b"0-1-7"))
TRACKING = PLAIN | Capability.DEPRECATE_EOF | Capability.SESSION_TRACK


def reporting(state: bytes) -> Odd:
    """Rows, for clients that know no EOF, and what has become of the session."""
    end = Ok(status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED, state=state, header=0xFE)
    return lambda p: b"".join(p.send(part) for part in (b"\x01", COLUMN, row(b"1"), end.build(p.capabilities)))


@pytest.mark.parametrize(
    ("state", "is_stored"), [(CHARSET, True), (GTID, False), (SCHEMA, False), (CHARSET + SCHEMA, False)]
)
def test_a_result_that_reports_only_the_charsets_that_the_session_has_anyway_is_stored(
    state: bytes, is_stored: bool
) -> None:
    async def scenario() -> None:
        async with shop(Shop({READ: reporting(state)})) as proxy:
            one = await client(proxy.port, TRACKING)

            told = [await one.ask(Command.QUERY, READ) for _ in range(2)]

            assert told[0] == told[1]
            assert asked(proxy) == (1 if is_stored else 2)

    run(scenario)


def test_mariadb_says_that_something_changed_whenever_it_reads_a_view_and_not_what() -> None:
    async def scenario() -> None:
        odd = {READ: lambda p: rows(p, Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED)}
        async with shop(Shop(odd)) as proxy:
            one = await client(proxy.port)

            told = [await one.ask(Command.QUERY, READ) for _ in range(2)]

            assert told[0] == told[1]
            assert asked(proxy) == 1

    run(scenario)


def test_who_wants_no_report_of_the_session_is_not_answered_with_one() -> None:
    async def scenario() -> None:
        async with shop(Shop({READ: reporting(CHARSET)})) as proxy:
            one = await client(proxy.port, TRACKING)
            two = await client(proxy.port, TRACKING & ~Capability.SESSION_TRACK)

            tracked, other = await one.ask(Command.QUERY, READ), await two.ask(Command.QUERY, READ)

            ends = [told[-1] for told in (tracked, other)]
            assert [end.state for end in ends if isinstance(end, Ok)] == [CHARSET, b""]
            assert asked(proxy) == 2

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


def test_an_old_result_is_fetched_anew_by_one_and_served_to_the_others_meanwhile() -> None:
    async def scenario() -> None:
        cache = {"tables": {"shop.t": {"ttl": "60s", "soft_ttl": "50s"}}}
        async with shop(cache=cache) as proxy:
            one, two = await clients(proxy, 2)
            first = await value(one)
            age(proxy)
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
        cache = {"tables": {"shop.t": {"ttl": "60s", "soft_ttl": "50s"}}}
        async with shop(cache=cache) as proxy:
            one, two = await clients(proxy, 2)
            await value(one)
            age(proxy)
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


def test_a_client_that_reads_slowly_is_given_no_more_from_memory_until_it_has_caught_up() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            slow, other = await clients(proxy, 2)
            await value(slow)
            session = min(proxy.engine.frontend.sessions.items())[1]

            session.channel.pause_writing()
            asking = begin(slow, READ)
            await other.ask(Command.PING)
            before = verdicts(proxy).count("hit")
            session.channel.resume_writing()

            assert only_row(await asking) == "1"
            assert (before, verdicts(proxy).count("hit")) == (0, 1)

    run(scenario)
