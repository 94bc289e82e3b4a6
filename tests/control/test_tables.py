"""The tables of the SQL door say what the engine does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dbmux.config.effective import HIDDEN
from dbmux.config.history import History
from dbmux.control.watched import watched_tables
from dbmux.door.desk import Visitor
from dbmux.observe.observer import Observer
from dbmux.wire.commands import Command
from tests.fakes import client, run
from tests.frontend.test_routing import Group, group

TOP: dict[str, Any] = {
    "rules": {
        "reports": {"user": "reports", "route": "one", "observe": True, "timeout": 60, "cache": {"ttl": 5}},
        "one": {"digest": "SELECT name FROM people WHERE name = 'Eve'", "cache": False, "kind": ["select", "show"]},
    },
    "admins": {"ops": "topsecret"},
    "limits": {"failed_logins": 3},
}


async def ask(found: Group, sql: str) -> list[tuple[Any, ...]]:
    """The rows of an answer."""
    told = await found.engine.frontend.desk.ask(sql.encode(), Visitor(user="ops", number=1, server_version="8.4.0"))
    assert told is not None
    return list(told.rows)


def watch(found: Group) -> None:
    """Have the tables of somebody who watches, and saw all that happened so far."""
    observer = Observer(None)
    text = '{\n"limits": {"failed_logins": 3}}'
    history = History(found.engine.config, "app.json", 1.0, text)
    found.engine.frontend.desk.add(*watched_tables(observer.digests, history))
    for event in found.events:
        observer.emit(event)


def test_sessions_join_what_they_hold() -> None:
    async def scenario() -> None:
        async with group(top=TOP) as found:
            idle, pinned, writing = [await client(found.port) for _ in range(3)]
            await pinned.ask(Command.QUERY, b"CREATE TEMPORARY TABLE t (a INT)")
            await writing.ask(Command.QUERY, b"BEGIN")

            told = await ask(found, "SELECT s.user, reason, what FROM sessions s JOIN pins p ON p.session = s.id")
            held = await ask(
                found,
                "SELECT backend, pins, transaction_seconds IS NOT NULL FROM sessions WHERE state = 'idle' ORDER BY id",
            )
            pools = await ask(found, "SELECT backend, idle + busy FROM pools ORDER BY backend")

            assert told == [("app", "temporary table", ".t")]
            assert held == [(None, 0, 0), ("primary", 1, 0), ("primary", 0, 1)]
            assert dict(pools)["primary"] == 2
            for session in (idle, pinned, writing):
                session.close()

    run(scenario)


def test_backends_and_members_say_who_serves_what() -> None:
    async def scenario() -> None:
        async with group(top=TOP) as found:
            found.backend("two").suspect()

            told = await ask(
                found,
                "SELECT m.group_name, m.role, m.takes_reads, b.name, b.state = 'suspected' "
                "FROM backends b JOIN members m ON m.backend = b.name ORDER BY m.role, b.name",
            )

            assert told == [
                ("main", "primary", 0, "primary", 0),
                ("main", "replica", 1, "one", 0),
                ("main", "replica", 0, "two", 1),
            ]

    run(scenario)


def test_rules_are_listed_in_their_order_and_hide_literals() -> None:
    async def scenario() -> None:
        async with group(top=TOP) as found:
            found.engine.frontend.count_rule("one")

            told = await ask(
                found, "SELECT position, name, matched, observe, digest, kind, route, cache_seconds FROM rules"
            )

            assert told == [
                (1, "reports", 0, 1, None, None, "one", 5.0),
                (2, "one", 1, 0, "SELECT name FROM people WHERE name = ?", "select,show", None, 0.0),
            ]

    run(scenario)


def test_the_configuration_is_listed_without_its_passwords() -> None:
    async def scenario() -> None:
        async with group(top=TOP) as found:
            watch(found)

            told = await ask(found, "SELECT setting, value, line FROM config ORDER BY setting")

            written = [(setting, value) for setting, value, line in told if line == 2]
            assert written == [("limits.failed_logins", "3")]
            assert ("admins.ops.password", HIDDEN, None) in told
            assert ("timeouts.query", None, None) in told
            assert "topsecret" not in repr(told)

    run(scenario)


@pytest.mark.parametrize("table", ["digests", "digests_recent"])
def test_statements_are_counted_by_digest(table: str) -> None:
    async def scenario() -> None:
        async with group(top=TOP) as found:
            app = await client(found.port)
            for number in range(3):
                await app.ask(Command.QUERY, b"SELECT * FROM people WHERE id = %d" % number)
            watch(found)

            told = await ask(
                found,
                f"SELECT digest_text, calls, errors, seconds > 0, p50_seconds <= p99_seconds, user FROM {table} "
                "WHERE digest_text LIKE '%people%'",
            )

            assert told == [("SELECT * FROM people WHERE id = ?", 3, 0, 1, 1, "app")]
            app.close()

    run(scenario)


def test_every_row_says_something_of_every_column() -> None:
    async def scenario() -> None:
        shop = {"cache": {"tables": {"shop.*": "1m"}}, "service": {"user": "dbmux", "password": "p"}}
        async with group(top={**TOP, **shop}) as found:
            pinned = await client(found.port)
            await pinned.ask(Command.QUERY, b"BEGIN")
            await pinned.ask(Command.QUERY, b"CREATE TEMPORARY TABLE t (a INT)")
            watch(found)

            for source in found.engine.frontend.desk.tables.values():
                names = {column.name for column in source.table.columns}
                for row in source.rows():
                    assert names - row.keys() == set(), source.table.name
            pinned.close()
            await asyncio.sleep(0)

    run(scenario)
