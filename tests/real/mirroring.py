"""Pairs of real servers, the first of which is mirrored on the second."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random

import platformdirs
import pytest
import uvloop

from dbmux.address import TcpAddress
from dbmux.backend.binlog.listener import Pace
from dbmux.backend.server import Backend
from dbmux.backend.service import Service
from dbmux.config.model import Account, BackendConfig, BackendTls, BackendTlsMode, OnDefinition
from dbmux.events import Event
from dbmux.mirror.mirror import Mirror, MirrorState
from dbmux.net.dial import dial
from dbmux.playground.client import Client
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind, NoServer, find, parse_wish
from dbmux.sync.replay import Task
from dbmux.sync.verify.result import Verdict, overall
from dbmux.sync.verify.run import Wish, verify
from dbmux.sync.verify.settle import Delay
from tests.real.ports import free_port

ACCOUNT = Account(user="mirror", password="mirror-pass")
PATIENCE_S = 30.0
PACE = Pace(unseen=0.05, first_pause=0.01, asked=0.1)
_OPTIONS = (
    "--log-bin=binlog", "--binlog-format=ROW", "--binlog-row-metadata=FULL", "--binlog-row-image=FULL",
    "--max-allowed-packet=256M", "--local-infile=1",
)  # fmt: skip


def started(name: str, folder: Path, number: int, *options: str) -> Node:
    """A server whose log can be mirrored."""
    try:
        software = find(parse_wish(name), platformdirs.user_cache_path("dbmux") / "servers", print)
    except NoServer as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    if software.kind is Kind.MYSQL:
        options = ("--gtid-mode=ON", "--enforce-gtid-consistency=ON", *options)
    else:
        options = ("--plugin-maturity=unknown", *options)
    node = Node(
        name.replace(":", "-"),
        software,
        folder / name.replace(":", "-"),
        (*_OPTIONS, f"--server-id={number}", *options),
    )
    node.start(free_port)
    lines = ["SET sql_log_bin = 0"]
    if software.kind is Kind.MARIADB:
        lines += ["DELETE FROM mysql.global_priv WHERE User=''", "FLUSH PRIVILEGES"]
    lines += [
        f"CREATE USER '{ACCOUNT.user}'@'%' IDENTIFIED BY '{ACCOUNT.password}'",
        f"GRANT ALL ON *.* TO '{ACCOUNT.user}'@'%'",
    ]
    node.run(";\n".join(lines) + ";\n")
    return node


def backend(node: Node) -> Backend:
    """The server as DbMux reaches it."""
    config = BackendConfig(address=TcpAddress("127.0.0.1", node.port), tls=BackendTls(mode=BackendTlsMode.OFF))
    return Backend(node.name, config, dial=dial, tls=None, connect_timeout_s=5.0)


def client(node: Node) -> Client:
    """Somebody who goes past DbMux."""
    return Client("127.0.0.1", node.port, ACCOUNT.user, ACCOUNT.password)


class Silent:
    """Shows nothing of a comparison's course."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *told: None


@dataclass
class Pair:
    """A mirror that runs, of all tables of one schema; what is written to `source` is to be found on `target`."""

    source: Node
    target: Node
    schema: str
    mirror: Mirror
    told: list[Event] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def emit(self, event: Event) -> None:
        self.told.append(event)
        self.changed.set()

    def write(self, *statements: str) -> None:
        """Run them on the source, in one session."""
        with client(self.source) as session:
            session.query(f"USE {self.schema}")
            for sql in statements:
                session.query(sql)

    def both(self, *statements: str) -> None:
        """Run them on both servers, as somebody does who makes an equal pair."""
        for node in (self.source, self.target):
            with client(node) as session:
                session.query(f"CREATE DATABASE IF NOT EXISTS {self.schema}")
                session.query(f"USE {self.schema}")
                for sql in statements:
                    session.query(sql)

    def rows(self, node: Node, sql: str) -> list[tuple[str | None, ...]]:
        """What a SELECT gives there."""
        with client(node) as session:
            session.query(f"USE {self.schema}")
            session.query("SET time_zone = '+00:00'")
            return list(session.query(sql).rows)

    async def equal(self) -> None:
        """Fails unless both have the same rows, when the target has all that was written so far."""
        await self.caught_up()
        services = [await Service.connect(backend(node), ACCOUNT) for node in (self.source, self.target)]
        try:
            wish = Wish(patterns=(f"{self.schema}.*",), passage=Delay(0.2))
            results = await verify((services[0], services[1]), wish, Silent())
        finally:
            for service in services:
                service.close()
        assert overall(results) is Verdict.EQUAL, [one.as_json() for one in results if one.verdict is not Verdict.EQUAL]

    @property
    def log_status(self) -> str:
        """How the source is asked for the end of its log."""
        return "SHOW BINARY LOG STATUS" if self.source.software.kind is Kind.MYSQL else "SHOW MASTER STATUS"

    async def begin(self) -> None:
        """From now on."""
        await self.mirror.begin_anew()

    async def until(self, state: MirrorState) -> str:
        """Returns, with the reason, when the mirror is in this state."""
        async with asyncio.timeout(PATIENCE_S):
            while (figures := self.mirror.figures).state is not state:
                self.changed.clear()
                await self.changed.wait()
        return figures.why

    async def caught_up(self) -> None:
        """Returns when the target has all that was written so far."""
        with client(self.source) as session:
            (row,) = session.query(self.log_status).rows
        file, offset = row[0], int(row[1] or 0)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                figures = self.mirror.figures
                if figures.state is MirrorState.HALTED:
                    raise AssertionError(figures.why)
                place = figures.place
                if place is not None and (place.position.file, place.position.offset) >= (file, offset):
                    return
                await asyncio.sleep(0.01)


def mirrored(
    source: Node,
    target: Node,
    schema: str,
    scenario: Callable[[Pair], Awaitable[None]],
    on_definition: OnDefinition = OnDefinition.APPLY,
    tables: str = "*",
) -> None:
    """Play a scenario with a mirror that runs, of these of the schema's tables."""

    async def run() -> None:
        task = Task(
            name=schema,
            source=backend(source),
            target=backend(target),
            account=ACCOUNT,
            target_account=ACCOUNT,
            is_wanted=lambda table: table.schema == schema and fnmatchcase(table.name, tables),
            on_definition=on_definition,
        )
        mirror = Mirror(task, emit=lambda event: pair.emit(event), randomness=Random(), pace=PACE)
        pair = Pair(source, target, schema, mirror)
        attending = asyncio.create_task(mirror.attend())
        try:
            await scenario(pair)
        finally:
            attending.cancel()
            await asyncio.wait((attending,))

    uvloop.run(run())
