"""What a replica tells is stored only when it cannot be older than what was written."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from functools import partial
from time import perf_counter

import pytest

from dbmux.cache.dictionary import Dictionary
from dbmux.wire.commands import Command
from tests.fakes import client, run
from tests.frontend.shop import ON, READ, WRITE, begin, dictionary, value
from tests.frontend.test_routing import Group, Member, group
from tests.net.loopback import until


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
    "has_trigger, statements",
    [
        ("far", [b"/* dbmux: route=far */ UPDATE shop.t SET a = 1"]),
        ("far", [b"START /* dbmux: route=far */ TRANSACTION", b"UPDATE shop.t SET a = 1", b"COMMIT"]),
        ("far", [b"/* dbmux: route=far */ CREATE TEMPORARY TABLE shop.x (a INT)", b"UPDATE shop.t SET a = 1"]),
        ("main", [b"BEGIN", b"/* dbmux: route=far */ UPDATE shop.t SET a = 1", b"COMMIT"]),
        ("main", [b"/* dbmux: route=far */ SELECT 1", b"UPDATE shop.t SET a = 1"]),
    ],
)
def test_a_write_that_goes_to_another_group_meets_the_triggers_there(has_trigger: str, statements: list[bytes]) -> None:
    async def scenario() -> None:
        groups = {"main": {"primary": "primary"}}
        async with group(names=("primary", "far"), top={"cache": ON, "groups": groups}) as found:
            cache = found.engine.cache
            for name in ("main", "far"):
                there = dictionary() if name == has_trigger else without_triggers()
                cache.know(cache.source(name), there, "")
            one, two = await client(found.port), await client(found.port)
            read = b"SELECT a FROM shop.audit"
            # Known by now, so that it takes the quickest way.
            await one.ask(Command.QUERY, b"UPDATE shop.t SET a = 1")
            for _ in range(2):
                await value(two, read)

            for sql in statements:
                await one.ask(Command.QUERY, sql)

            await value(two, read)
            assert found.members["primary"].statements.count(read) == 2

    run(scenario)


def without_triggers() -> Dictionary:
    found = Dictionary()
    for table in ("t", "audit"):
        found.add_table("shop", table, "BASE TABLE", "InnoDB")
    return found


def test_a_definition_at_another_group_has_the_dictionary_there_read_anew() -> None:
    async def scenario() -> None:
        groups = {"main": {"primary": "primary"}}
        async with group(names=("primary", "far"), top={"cache": ON, "groups": groups}) as found:
            cache = found.engine.cache
            doubted: list[str] = []
            for name in ("main", "far"):
                cache.source(name).doubt = partial(doubted.append, name)
            one = await client(found.port)

            await one.ask(Command.QUERY, b"/* dbmux: route=far */ ALTER TABLE shop.t ADD b INT")

            assert doubted == ["far"]

    run(scenario)


@pytest.mark.parametrize(
    "hint, asked", [("route=main.primary, cache ttl=60s", 1), ("route=main.primary", 2), ("cache ttl=60s", 1)]
)
def test_who_chooses_a_server_gets_its_answer_unless_it_may_be_stored(hint: str, asked: int) -> None:
    statement = READ.replace(b"SELECT", f"SELECT /* dbmux: {hint} */".encode())

    async def scenario() -> None:
        async with replicated() as found:
            known(found)
            one = await client(found.port)
            found.backend("one").applied_until = perf_counter()

            for _ in range(2):
                await one.ask(Command.QUERY, statement)

            sent = [
                member.statements.count(statement) for member in found.members.values() if isinstance(member, Member)
            ]
            assert sum(sent) == asked
            one.close()

    run(scenario)
