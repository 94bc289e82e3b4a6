"""What is drained takes no more work, and what it has is finished."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbmux.address import TcpAddress
from dbmux.control.ask import Refused, ask
from dbmux.control.draining import drain, resume
from dbmux.control.http import ControlServer, Pages, Readiness
from dbmux.wire.commands import Command
from tests.fakes import client, run
from tests.frontend.test_routing import group, limited


def nothing() -> None:
    raise AssertionError("nothing is to be stopped")


def test_a_drained_replica_takes_no_reads_until_it_is_resumed() -> None:
    async def scenario() -> None:
        async with group() as found:
            topology = found.engine.frontend.topology
            main = topology.groups["main"]

            told = drain(topology, "one", nothing)

            assert told == {"backend": "one", "busy": 0}
            assert not main.can_read(found.backend("one"))
            assert {main.reader(0.0, ()) for _ in range(8)} == {found.backend("two")}
            assert resume(topology, "one") == {"backends": ["one"]}
            assert main.can_read(found.backend("one"))
            assert resume(topology, None) == {"backends": []}

    run(scenario)


def test_a_drained_replica_stays_so_when_its_configuration_changes() -> None:
    async def scenario() -> None:
        async with group() as found:
            drain(found.engine.frontend.topology, "one", nothing)

            await found.engine.apply(limited(found, "one"), "test", ())
            topology = found.engine.frontend.topology

            assert found.backend("one").config.max_connections == 7
            assert topology.groups["main"].why_unread(found.backend("one")) == "it is drained"
            assert resume(topology, "one") == {"backends": ["one"]}

    run(scenario)


def test_what_runs_on_a_drained_replica_goes_on() -> None:
    async def scenario() -> None:
        async with group() as found:
            reader = await client(found.port)
            await reader.ask(Command.QUERY, b"START TRANSACTION READ ONLY")
            (session,) = found.engine.frontend.sessions.values()
            name = session.backend_name

            assert drain(found.engine.frontend.topology, name, nothing)["busy"] == 1
            await reader.ask(Command.QUERY, b"SELECT 1")

            assert session.backend_name == name
            reader.close()

    run(scenario)


@pytest.mark.parametrize(
    ("name", "why"),
    [("primary", "it|primary is the primary of main: make another server"), ("three", "no backend is called 'three'")],
)
def test_what_cannot_be_drained_is_said(name: str, why: str) -> None:
    async def scenario() -> None:
        async with group() as found:
            with pytest.raises(ValueError, match=why):
                drain(found.engine.frontend.topology, name, nothing)

    run(scenario)


def test_without_a_name_all_of_it_is_drained() -> None:
    stopped: list[str] = []

    async def scenario() -> None:
        async with group() as found:
            assert drain(found.engine.frontend.topology, None, lambda: stopped.append("all")) == {"backend": None}

    run(scenario)
    assert stopped == ["all"]


def test_who_orders_what_cannot_be_done_is_told_why() -> None:
    def refuse(name: str | None) -> object:
        raise ValueError(f"no backend is called {name!r}")

    orders: dict[str, Callable[[str | None], object]] = {"/drain": refuse}

    async def scenario() -> None:
        pages = Pages(ready=lambda: Readiness(True, ()), metrics=bytes, orders=orders)
        server = await ControlServer.open(TcpAddress("127.0.0.1", 0), pages)
        try:
            with pytest.raises(Refused, match="^no backend is called 'db9'$"):
                await ask(server.address, "/drain?backend=db9", "POST")
        finally:
            server.close()

    run(scenario)
