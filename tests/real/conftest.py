"""Real servers for the tests, made by the playground's own code, and DbMux in front, one process a way of login."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs
import pytest

from dbmux.net.certificate import self_made
from dbmux.playground import playground
from dbmux.playground.client import Client
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind, NoServer, find, parse_wish
from dbmux.playground.playground import Places
from tests.real.ports import free_port, free_ports

SERVERS = ("mariadb:10.11", "mariadb:11", "mysql:9")
WAYS = ("relay", "users", "learn")
# Needs no quoting in files and addresses.
SIMPLE_ACCOUNT, SIMPLE_PASSWORD = "suite", "suite"
ACCOUNT, PASSWORD = "app", "app-pass \\'\" word"
# Nobody logs in as this one but the test whose subject is that.
UNSEEN_ACCOUNT = "unseen"
ED_ACCOUNT, ED_PASSWORD = "ed", "ed-password"
START_TIMEOUT_S = 30.0
# Twice what the largest recipe needs: one may be taken by somebody else.
PLAYGROUND_PORTS = 6


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `port` is its own, `ports` those of DbMux in front of it, by way of logging in."""

    name: str
    node: Node
    port: int
    ports: dict[str, int]

    @property
    def is_mysql(self) -> bool:
        return self.node.software.kind is Kind.MYSQL

    def forget_logins(self) -> None:
        """Have caching_sha2_password start cold."""
        if self.is_mysql:
            self.node.run("FLUSH PRIVILEGES")


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    root = tmp_path_factory.mktemp("servers")
    certificate, key = self_made(root / "tls")
    started: dict[str, Node] = {}

    def start(name: str) -> Node:
        software = find(parse_wish(name), platformdirs.user_cache_path("dbmux") / "servers", print)
        options: tuple[str, ...] = (
            "--max-connections=2000",
            "--max-prepared-stmt-count=200000",
            "--max-allowed-packet=1G",
            "--local-infile=1",
        )
        if software.kind is Kind.MARIADB:
            options += (f"--ssl-cert={certificate}", f"--ssl-key={key}", "--plugin-maturity=unknown")
        node = Node(name, software, root / name.replace(":", "-"), options)
        started[name] = node
        node.start(free_port)
        node.run(_accounts(software.kind))
        return node

    try:
        with ThreadPoolExecutor() as threads:
            list(threads.map(start, SERVERS))
        yield started
    except NoServer as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    finally:
        for node in started.values():
            node.stop()


@pytest.fixture(scope="session")
def servers(nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Each server with three DbMux in front of it."""
    root = tmp_path_factory.mktemp("proxies")
    ports: dict[str, dict[str, int]] = {name: {} for name in nodes}
    processes = []
    for way in WAYS:
        for name in nodes:
            ports[name][way] = free_port()
        processes.append(_serve(root, way, nodes, {name: ports[name][way] for name in nodes}))
    try:
        for name in nodes:
            for way in WAYS:
                wait_until_served(ports[name][way])
        yield {name: Server(name, node, node.port, ports[name]) for name, node in nodes.items()}
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            assert process.wait(START_TIMEOUT_S) == 0


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    return servers[request.param]


@pytest.fixture
def mysql9(servers: dict[str, Server]) -> Server:
    return servers["mysql:9"]


@pytest.fixture
def mariadb(servers: dict[str, Server]) -> Server:
    return servers["mariadb:10.11"]


def _serve(root: Path, way: str, nodes: dict[str, Node], ports: dict[str, int]) -> subprocess.Popen[bytes]:
    config = {
        "listen": {f"127.0.0.1:{ports[name]}": name for name in nodes},
        "backends": {name: {"address": f"127.0.0.1:{node.port}"} for name, node in nodes.items()},
        "timeouts": {"drain": "5s"},
    }
    if way == "users":
        config["users"] = {ACCOUNT: PASSWORD, "empty": "", SIMPLE_ACCOUNT: SIMPLE_PASSWORD}
    else:
        config["login"] = way
    return serve(root / way, config)


def own_playground(folder: Path) -> Places:
    """A playground with data and ports of its own, and the user's packages."""
    return replace(playground.default_places(), data=folder, ports=free_ports(PLAYGROUND_PORTS))


def serve(folder: Path, config: object, **variables: str) -> subprocess.Popen[bytes]:
    """Run `dbmux serve` with this configuration and a state folder of its own."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "appconfig.json"
    path.write_text(json.dumps(config))
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), **variables}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            (sys.executable, "-m", "dbmux.cli", "serve", "--config", str(path)), stdout=log, stderr=log, env=environment
        )


def wait_until_served(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            Client("127.0.0.1", port, ACCOUNT, PASSWORD).__exit__()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _accounts(kind: Kind) -> str:
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    lines = [
        f"CREATE USER '{ACCOUNT}'@'%' IDENTIFIED BY '{quoted}'",
        f"GRANT ALL ON *.* TO '{ACCOUNT}'@'%'",
        "CREATE USER 'empty'@'%'",
        f"CREATE USER '{UNSEEN_ACCOUNT}'@'%' IDENTIFIED BY 'unseen'",
        f"GRANT ALL ON test.* TO '{UNSEEN_ACCOUNT}'@'%'",
        "CREATE DATABASE IF NOT EXISTS test",
        "GRANT ALL ON test.* TO 'empty'@'%'",
    ]
    if kind is Kind.MARIADB:
        lines.insert(0, "DELETE FROM mysql.global_priv WHERE User=''")
        lines.insert(1, "FLUSH PRIVILEGES")
        lines.append("INSTALL SONAME 'auth_ed25519'")
        lines.append(f"CREATE USER '{ED_ACCOUNT}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{ED_PASSWORD}')")
        lines.append(f"GRANT ALL ON test.* TO '{ED_ACCOUNT}'@'%'")
    return "SET NAMES utf8mb4;\n" + ";\n".join(lines) + ";\n"
