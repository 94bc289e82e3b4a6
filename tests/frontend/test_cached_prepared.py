"""Executions of prepared statements are answered from memory like texts, and never mistaken for each other."""

from __future__ import annotations

import pytest

from dbmux.events import QueryFinished
from dbmux.feed.arguments import arguments_of
from dbmux.sql.bind import Argument
from dbmux.wire.columns import FieldType
from dbmux.wire.commands import Command
from tests.fakes import Running, TestClient, run
from tests.frontend.shop import WRITE, clients, only_row, shop, value

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
    "otherwise",
    [
        b"USE shop",
        b"SET NAMES latin1",
        b"SET sql_mode = 'ANSI_QUOTES'",
        b"SET group_concat_max_len = 10",
        b"SET div_precision_increment = 9",
    ],
)
def test_a_statement_that_was_prepared_otherwise_shares_nothing(otherwise: bytes) -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            one, two = await clients(proxy, 2)
            await one.ask(Command.STMT_PREPARE, PREPARED_READ)
            for each in (one, two):
                await each.ask(Command.QUERY, otherwise)
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


def test_what_is_told_of_an_execution_has_the_types_of_its_arguments_also_when_they_were_told_before() -> None:
    async def scenario() -> None:
        async with shop() as proxy:
            (one,) = await clients(proxy, 1)
            await one.ask(Command.STMT_PREPARE, PREPARED_READ)

            await executed(one, b"\x05\0\0\0", NUMBER)
            await executed(one, b"\x06\0\0\0")
            await executed(one, b"\x06\0\0\0")

            told = [event for event in proxy.of(QueryFinished) if event.command == Command.STMT_EXECUTE]
            assert [event.cache for event in told] == ["miss", "miss", "hit"]
            assert [arguments_of(event) for event in told] == [
                ((Argument(value, FieldType.LONG),),) for value in (5, 6, 6)
            ]

    run(scenario)
