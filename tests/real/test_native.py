"""A real replica of a real server as a mirror: how it stands, and that it is compared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvloop

from dbmux.address import TcpAddress
from dbmux.config.model import Config
from dbmux.control.mirroring import Mirroring
from dbmux.control.shadowing import Shadows
from dbmux.mirror.ledger import Entry, opened
from dbmux.mirror.shadow import Shadow
from dbmux.observe.observer import Observer
from dbmux.playground import replication
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind
from dbmux.playground.replication import Part
from dbmux.proxy import Engine
from dbmux.wire.commands import Command
from tests.fakes import TestClient, connect
from tests.real.mirroring import ACCOUNT, started

pytestmark = pytest.mark.real

PATIENCE_S = 30.0
# Without GTIDs the places in the log tell. MariaDB always has them.
PAIRS = {
    "MariaDB 10.11 to 11": ("mariadb:10.11", "mariadb:11", ()),
    "MySQL 9": ("mysql:9", "mysql:9", ()),
    "MySQL 9 without GTIDs": ("mysql:9", "mysql:9", ("--gtid-mode=OFF", "--enforce-gtid-consistency=OFF")),
}
SCHEMA = "CREATE DATABASE shop; CREATE TABLE shop.items (id INT PRIMARY KEY, name VARCHAR(40));"
BY_PLACES = (
    "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='{user}',"
    " SOURCE_PASSWORD='{password}', SOURCE_LOG_FILE='{file}', SOURCE_LOG_POS={offset}, GET_SOURCE_PUBLIC_KEY=1;"
    " START REPLICA;"
)


@pytest.fixture(scope="module", params=PAIRS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    source, target, options = PAIRS[request.param]
    root, nodes = tmp_path_factory.mktemp("native"), list[Node]()
    try:
        for number, (name, part) in enumerate(zip((source, target), Part, strict=True), 1):
            kind = Kind.MARIADB if name.startswith("mariadb") else Kind.MYSQL
            made = (*replication.options(Part.PRIMARY, kind, number), *options)
            nodes.append(started(name, root / part.value, number, *made))
        primary, replica = nodes
        if options:
            file, offset, *_ = primary.run("SHOW BINARY LOG STATUS", "--skip-column-names").split("\t")
            primary.run(replication.account())
            user, password = replication.ACCOUNT, replication.PASSWORD
            replica.run(
                BY_PLACES.format(port=primary.port, user=user, password=password, file=file, offset=int(offset))
            )
        else:
            primary.run(replication.account())
            replication.follow(replica, primary)
        primary.run(SCHEMA)
        yield primary, replica
    finally:
        # A primary whose replica is still there takes its time to end.
        for node in reversed(nodes):
            node.stop()


@dataclass
class Compared:
    """An engine in front of both, which compares all reads of its client."""

    engine: Engine
    shadows: Shadows
    client: TestClient

    async def told(self) -> dict[str, Any]:
        """What `dbmux mirror status` says."""
        (told,) = await Mirroring(self.engine.mirrors).table()["mirrors"]({})
        assert isinstance(told, dict)
        return told

    async def until(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not is_so(told := await self.told()):  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0.05)
        return told

    @property
    def shadow(self) -> Shadow:
        found = self.shadows.find("upgrade")
        assert found is not None
        return found


@asynccontextmanager
async def compared(pair: tuple[Node, Node], ledger: Path) -> AsyncIterator[Compared]:
    observer = Observer(None)
    addresses = [{"address": f"127.0.0.1:{node.port}", "tls": "off"} for node in pair]
    config = Config.model_validate(
        {
            "listen": "127.0.0.1:0",
            "tls": "off",
            "default": "old",
            "backends": dict(zip(("old", "new"), addresses, strict=True)),
            "users": {ACCOUNT.user: ACCOUNT.password},
            "service": {"user": ACCOUNT.user, "password": ACCOUNT.password},
            "mirrors": {"upgrade": {"from": "old", "to": "new", "feed": "native", "reads": 1.0}},
        }
    )
    async with Engine(config, emit=observer.emit, state_folder=None) as engine:
        shadows = Shadows(engine, observer.queries, ledger, Random(1), attend_s=0.05)
        running = asyncio.create_task(shadows.run())
        (listener,) = engine.listeners.values()
        assert isinstance(listener.address, TcpAddress)
        client = await connect(listener.address.port, ACCOUNT.password.encode(), user=ACCOUNT.user.encode())
        assert isinstance(client, TestClient)
        while shadows.find("upgrade") is None:  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0.01)
        yield Compared(engine, shadows, client)
        client.close()
        running.cancel()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario()

    uvloop.run(bounded())


def _written(path: Path) -> list[Entry]:
    with opened(path) as ledger:
        return ledger.entries("upgrade")


def test_it_is_told_how_a_replica_stands_and_its_reads_are_compared(pair: tuple[Node, Node], tmp_path: Path) -> None:
    path = tmp_path / "differences.sqlite"
    primary, replica = pair
    primary.run("REPLACE INTO shop.items VALUES (1, 'pot'), (2, 'cup')")

    async def scenario() -> None:
        async with compared(pair, path) as found:
            await found.until(lambda told: told["state"] == "native" and told["delay_seconds"] is not None)
            await found.client.ask(Command.QUERY, b"SELECT name FROM shop.items WHERE id = 1")
            while not found.shadow.tally.outcomes["same"]:  # noqa: ASYNC110 - there is no event for what tests wait for
                await asyncio.sleep(0.05)
            before = (await found.told())["position"]

            await found.client.ask(Command.QUERY, b"UPDATE shop.items SET name = 'jug' WHERE id = 2")
            told = await found.until(lambda told: told["position"] != before)
            assert told["state"] == "native"

            # Somebody writes at the replica.
            replica.run("SET sql_log_bin = 0; UPDATE shop.items SET name = 'mug' WHERE id = 2")
            await found.client.ask(Command.QUERY, b"SELECT name FROM shop.items WHERE id = 2")
            # It is counted before it is written down.
            while not _written(path):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)

    run(scenario)

    (entry,) = _written(path)
    assert (entry.kind, entry.source, entry.target) == ("value", "jug", "mug")


def test_it_is_told_when_a_replica_is_behind_stopped_or_goes_on_again(pair: tuple[Node, Node], tmp_path: Path) -> None:
    primary, replica = pair
    word = "REPLICA" if primary.software.kind is Kind.MYSQL else "SLAVE"

    async def scenario() -> None:
        async with compared(pair, tmp_path / "differences.sqlite") as found:
            await found.until(lambda told: told["state"] == "native")
            await found.until(lambda told: bool(found.engine.mirrors.find("upgrade").applied_until))  # type: ignore[union-attr]
            replica.run(f"STOP {word} SQL_THREAD")
            primary.run("REPLACE INTO shop.items VALUES (3, 'lid')")

            told = await found.until(lambda told: told["state"] == "halted")
            assert told["why"] == "new: its replication is stopped"
            told = await found.until(lambda told: (told["delay_seconds"] or 0) > 1)

            replica.run(f"START {word} SQL_THREAD")
            await found.until(lambda told: told["state"] == "native" and (told["delay_seconds"] or 0) < 1)

    run(scenario)
