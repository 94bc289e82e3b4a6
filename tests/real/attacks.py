"""What a mirror must survive: SIGKILL of DbMux, of its source and of its target, and connections that are cut."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pymysql
import uvloop

from dbmux.address import UnixAddress
from dbmux.control.sockets import own
from dbmux.feed.feed import Lost
from dbmux.feed.remote import RemoteFeed
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind
from tests.real.conftest import serve
from tests.real.mirroring import ACCOUNT
from tests.real.ports import free_port
from tests.real.writers import DEFINITIONS, LARGE, PATIENCE_S
from tests.real.writing import Deed, Scene, connect

# How long after somebody began with something it is attacked, at most.
LATEST_S = 0.4


class Proxy:
    """A `dbmux serve` that mirrors one server on another while it is entered, and can be killed."""

    def __init__(self, folder: Path, scene: Scene) -> None:
        self._folder = folder
        self._config = {
            "listen": f"127.0.0.1:{free_port()}",
            "backends": {
                "old": {"address": f"127.0.0.1:{scene.source.port}", "tls": "off"},
                "new": {"address": f"127.0.0.1:{scene.target.port}", "tls": "off"},
            },
            "default": "old",
            "service": {"user": ACCOUNT.user, "password": ACCOUNT.password},
            "mirrors": {scene.schema: {"from": "old", "to": "new", "ddl": "apply", "tables": [f"{scene.schema}.*"]}},
        }
        self._environment = {"XDG_RUNTIME_DIR": str(folder)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Proxy:
        self._folder.chmod(0o700)
        self.start()
        until(lambda: self.asked("mirrors") is not None)
        return self

    def __exit__(self, *failure: object) -> None:
        self.kill()

    def start(self) -> None:
        """Have it run."""
        self._process = serve(self._folder, self._config, **self._environment)

    def kill(self) -> None:
        """With SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def begin(self) -> None:
        """Have it feed the target from now on."""
        assert self.asked("mirror.start") is not None

    def asked(self, what: str) -> Any:
        """What it says at its control socket; None while nobody answers there."""
        assert self._process is not None
        address = UnixAddress(str(own(self._environment, self._process.pid)))

        async def ask() -> Any:
            with closing(await RemoteFeed.connect(address, "torture")) as feed:
                return await feed.ask(what, {})

        try:
            return uvloop.run(ask())
        except Lost:
            return None

    def applied(self) -> int:
        """How many transactions the target has; fails when the mirror has halted."""
        mirror: dict[str, Any] = (self.asked("mirrors") or [{"state": "", "transactions": 0}])[0]
        assert mirror["state"] != "halted", mirror
        return int(mirror["transactions"])

    def catches_up(self, wanted: int) -> None:
        """Returns when the target has so many transactions; fails when for too long none is added."""
        while (applied := self.applied()) < wanted:
            self._gets_beyond(applied)

    def _gets_beyond(self, transactions: int) -> None:
        until(lambda: self.applied() > transactions, lambda: self.asked("mirrors"))


@dataclass(frozen=True, slots=True)
class Attack:
    """What is done, so long after somebody began with a deed, or at any moment."""

    name: str
    act: Callable[[], None]
    moment: Deed | None
    after_s: float

    def __str__(self) -> str:
        moment = self.moment.__name__ if self.moment is not None else "any moment"
        return f"{self.name} {self.after_s * 1000:.0f} ms after {moment}"


def attacks(random: Random, proxy: Proxy, scene: Scene) -> list[Attack]:
    """Each of them at least once, in any order, and at moments some of which are the worst."""
    acts: list[tuple[str, Callable[[], None]]] = [
        ("kill of DbMux", lambda: _restart(proxy)),
        ("kill of DbMux", lambda: _restart(proxy)),
        ("kill of the source", lambda: _kill_source(scene)),
        ("kill of the target", lambda: kill(scene.target)),
        ("cut of the target's connections", lambda: cut_connections(scene.target)),
        ("cut of all connections", lambda: cut_connections(scene.target, scene.source)),
    ]
    moments: list[Deed | None] = [*random.sample(DEFINITIONS, 2), *random.sample(LARGE, 2), None, None]
    random.shuffle(acts)
    random.shuffle(moments)
    return [Attack(*act, moment, random.uniform(0, LATEST_S)) for act, moment in zip(acts, moments, strict=True)]


def _restart(proxy: Proxy) -> None:
    proxy.kill()
    proxy.start()


def _kill_source(scene: Scene) -> None:
    with scene.source_stays:
        if scene.source.software.kind is Kind.MARIADB:
            _make_durable(scene.source)
        kill(scene.source)


def _make_durable(node: Node) -> None:
    # How an XA transaction has ended is written down with whatever comes next, or after a second: killed before that,
    # MariaDB has it still prepared, though it has logged the end.
    with closing(connect(node)) as connection, connection.cursor() as cursor:
        cursor.execute("FLUSH LOCAL ENGINE LOGS")


def kill(node: Node, meanwhile: Callable[[], None] = lambda: None) -> None:
    """With SIGKILL, and have it back; what is done meanwhile finds it stopped."""
    pid, port = node.pid, node.port
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: node.pid is None)
    meanwhile()
    # There, though the system still remembers connections.
    node.start(lambda: port)


def cut_connections(*nodes: Node) -> None:
    """All that anybody has there."""
    for node in nodes:
        with suppress(pymysql.Error), closing(connect(node)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()")
            for (number,) in cursor.fetchall():
                with suppress(pymysql.Error):
                    cursor.execute(f"KILL {number}")


def is_left(scene: Scene) -> bool:
    """Whether nobody writes any more: who was told of a KILL may still be committing what came before it."""
    with closing(connect(scene.source)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = %s", (scene.schema,))
        return not cursor.fetchall()


def until(is_so: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    """Returns when it is; fails, saying what is told, when it is not for too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)
