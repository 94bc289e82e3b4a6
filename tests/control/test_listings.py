"""What a running DbMux tells of its clients and its groups."""

from __future__ import annotations

import asyncio
import json

import pytest

from dbmux.address import TcpAddress
from dbmux.commands.clients import oldest_first
from dbmux.control.ask import NotAnswering, ask
from dbmux.control.http import ControlServer, Pages, Readiness
from dbmux.control.listings import clients, routes
from dbmux.wire.commands import Command
from tests.fakes import client, run
from tests.frontend.test_routing import group


def test_a_client_is_listed_with_what_it_holds_and_why() -> None:
    async def scenario() -> None:
        async with group() as found:
            idle, pinned, writing = [await client(found.port) for _ in range(3)]
            await pinned.ask(Command.QUERY, b"CREATE TEMPORARY TABLE t (a INT)")
            await writing.ask(Command.QUERY, b"BEGIN")

            told = clients(found.engine.frontend.sessions.values())

            assert [(one["user"], one["state"], one["backend"]) for one in told] == [
                ("app", "idle", None),
                ("app", "idle", "primary"),
                ("app", "idle", "primary"),
            ]
            assert [(pin["reason"], pin["what"]) for pin in told[1]["pins"]] == [("temporary table", ".t")]
            assert ["transaction_seconds" in one for one in told] == [False, False, True]
            assert json.loads(json.dumps(told)) == told
            for session in (idle, pinned, writing):
                session.close()

    run(scenario)


def test_groups_are_listed_with_what_their_servers_take() -> None:
    async def scenario() -> None:
        top = {"rules": {"reports": {"user": "reports", "route": "one", "observe": True}}}
        async with group(top=top) as found:
            found.backend("two").suspect()

            told = routes(found.engine.frontend, found.engine.config)

            (main,) = told["groups"]
            assert main["writable"]
            assert [(one["name"], one["role"], one["takes_reads"], one["no_reads"]) for one in main["servers"]] == [
                ("primary", "primary", False, ""),
                ("one", "replica", True, ""),
                ("two", "replica", False, "it is suspected"),
            ]
            assert told["rules"] == [{"name": "reports", "matched": 0, "observe": True}]

    run(scenario)


def test_another_process_can_ask() -> None:
    async def scenario() -> None:
        pages = Pages(ready=lambda: Readiness(True, ()), metrics=lambda: b"", clients=lambda: [{"id": 1}])
        server = await ControlServer.open(TcpAddress("127.0.0.1", 0), pages)

        assert await ask(server.address, "/clients") == [{"id": 1}]
        with pytest.raises(NotAnswering, match="no DbMux of this version"):
            await ask(server.address, "/nonsense")
        server.close()
        await asyncio.sleep(0)
        with pytest.raises(NotAnswering, match="is it running"):
            await ask(server.address, "/clients")

    run(scenario)


def test_who_holds_a_connection_for_longest_comes_first() -> None:
    pinned = {"id": 1, "pins": [{"seconds": 2.0}, {"seconds": 30.0}]}
    writing = {"id": 2, "pins": [], "transaction_seconds": 5.0}
    idle, new = {"id": 3, "pins": []}, {"id": 4}

    assert [one["id"] for one in oldest_first([idle, writing, new, pinned])] == [1, 2, 3, 4]
