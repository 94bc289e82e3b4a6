"""What is measured: a server, and proxies in front of it, started here and ended here.

A folder comes in; running targets with their ports and pids go out. Only processes that were started here are ended.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from dbmux.playground.client import Client
from dbmux.playground.node import Node, next_free_port
from dbmux.playground.packages import Kind, Wish, find

USER, PASSWORD, SCHEMA = "bench", "bench", "sbtest"
REFERENCE = "haproxy"
# What DbMux has to the server where its clients share connections: few, and as many as a thousand clients need.
SHARED_CONNECTIONS, THRONG_CONNECTIONS = 8, 20
THRONG = "dbmux-throng"
# The same as with few connections, with the interface on a terminal of 160x50.
TUI = "dbmux-tui"
# With the query cache: one that finds nearly everything, and one whose results are always too old.
CACHED, MISSING = "dbmux-cached", "dbmux-missing"
# MySQL Router as it relays, and as it shares connections, which it does before a MySQL alone.
ROUTER, ROUTER_SHARED = "mysqlrouter", "mysqlrouter-shared"
# Room for the clients of a load, and for what relayed logins left idle.
CLIENTS = 7_000
START_TIMEOUT_S = 20.0
CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Target:
    """Something to connect to; `pid` is the proxy's, None for the server itself."""

    name: str
    port: int
    pid: int | None


@dataclass(frozen=True, slots=True)
class Bench:
    """The server and everything in front of it."""

    server: Node
    targets: tuple[Target, ...]


@contextmanager
def running(folder: Path, wish: Wish, with_pure: bool) -> Iterator[Bench]:
    """Start a server and the proxies that this machine has."""
    with ExitStack() as stack:
        software = find(wish, platformdirs.user_cache_path("dbmux") / "servers", print)
        is_mariadb = software.kind is Kind.MARIADB
        options = (f"--max-connections={CLIENTS}", *(("--thread-stack=192K",) if is_mariadb else ()))
        server = Node("server", software, folder / "server", options)
        stack.callback(server.stop)
        server.start()
        server.seed(
            f"CREATE USER {USER} IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO {USER}; CREATE DATABASE {SCHEMA};"
            + ("DELETE FROM mysql.global_priv WHERE User=''; FLUSH PRIVILEGES;" if is_mariadb else "")
        )
        targets = [Target("direct", server.port, None)]
        taken = [server.port]
        for name, start in _STARTS.items():
            if name == "dbmux-pure" and not with_pure:
                continue
            taken.append(next_free_port(taken))
            command = start(folder, taken[-1], server)
            if command is None:
                continue
            started = stack.enter_context(process(command[0], folder / f"{name}.log", command[1]))
            wait(taken[-1])
            targets.append(Target(name, taken[-1], _engine(folder, name) or started.pid))
        yield Bench(server, tuple(targets))


def _engine(folder: Path, name: str) -> int | None:
    # The process that serves, where it is another one than was started: its control socket is named by it.
    return next((int(path.stem) for path in (folder / name / "run").glob("*.sock")), None)


Command = tuple[tuple[str, ...], dict[str, str]]


def _haproxy(folder: Path, port: int, server: Node) -> Command | None:
    program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        return None
    config = folder / "haproxy.cfg"
    config.write_text(
        f"global\n  nbthread 1\n  maxconn {CLIENTS}\n"
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
        f"listen mysql\n  bind 127.0.0.1:{port}\n  server one 127.0.0.1:{server.port}\n"
    )
    return (program, "-db", "-f", str(config)), {}


def _proxysql(folder: Path, port: int, server: Node) -> Command | None:
    program = os.environ.get("PROXYSQL") or shutil.which("proxysql")
    if program is None:
        return None
    data = folder / "proxysql"
    data.mkdir()
    config = folder / "proxysql.cnf"
    config.write_text(
        f'datadir="{data}"\nadmin_variables={{ mysql_ifaces="127.0.0.1:{next_free_port([port])}" }}\n'
        f'mysql_variables={{ threads=1 interfaces="127.0.0.1:{port}" max_connections={CLIENTS}'
        f' monitor_enabled=false server_version="10.11.0" }}\n'
        f'mysql_servers=({{ address="127.0.0.1" port={server.port} hostgroup=0 max_connections={CLIENTS} }})\n'
        f'mysql_users=({{ username="{USER}" password="{PASSWORD}" default_hostgroup=0 }})\n'
    )
    return (program, "-f", "--initial", "-c", str(config)), {}


def _router(folder: Path, port: int, server: Node) -> Command | None:
    return _routing(folder / ROUTER, port, server, ("client_ssl_mode=PASSTHROUGH", "server_ssl_mode=AS_CLIENT"))


def _router_shared(folder: Path, port: int, server: Node) -> Command | None:
    if server.software.kind is not Kind.MYSQL:
        return None
    # At once: otherwise a client has its connection for itself as long as it never stops for a second.
    sharing = ("connection_sharing=1", "connection_sharing_delay=0")
    return _routing(
        folder / ROUTER_SHARED, port, server, ("client_ssl_mode=DISABLED", "server_ssl_mode=DISABLED", *sharing)
    )


def _routing(folder: Path, port: int, server: Node, how: tuple[str, ...]) -> Command | None:
    program = os.environ.get("MYSQLROUTER") or shutil.which("mysqlrouter")
    if program is None:
        return None
    folder.mkdir()
    config = folder / "mysqlrouter.conf"
    settings = (
        "[DEFAULT]",
        *(f"{kind}_folder={folder}" for kind in ("logging", "runtime", "data")),
        f"max_total_connections={CLIENTS}",
        f"max_idle_server_connections={THRONG_CONNECTIONS}",
        "[io]",
        "threads=1",
        "[routing:mysql]",
        f"bind_address=127.0.0.1\nbind_port={port}",
        f"destinations=127.0.0.1:{server.port}\nrouting_strategy=first-available\nprotocol=classic",
        *how,
    )
    config.write_text("\n".join(settings) + "\n")
    return (program, "-c", str(config)), {}


def _shared(folder: Path, port: int, server: Node) -> Command | None:
    return _over(SHARED_CONNECTIONS, folder / "dbmux-shared", port, server)


def _throng(folder: Path, port: int, server: Node) -> Command | None:
    return _over(THRONG_CONNECTIONS, folder / THRONG, port, server)


def _tui(folder: Path, port: int, server: Node) -> Command | None:
    (_, *rest), environment = _over(SHARED_CONNECTIONS, folder / TUI, port, server)
    line = tuple("tui" if word == "serve" else word for word in rest)
    runtime = {"DBMUX_RUNTIME_DIR": str(folder / TUI / "run"), "LANG": "C.UTF-8"}
    return (sys.executable, "-P", "-m", "benchmarks.terminal", sys.executable, *line), environment | runtime


def _cached(folder: Path, port: int, server: Node) -> Command | None:
    return _over(SHARED_CONNECTIONS, folder / CACHED, port, server, ttl="10m")


def _missing(folder: Path, port: int, server: Node) -> Command | None:
    return _over(SHARED_CONNECTIONS, folder / MISSING, port, server, ttl="0.001ms")


def _over(connections: int, folder: Path, port: int, server: Node, ttl: str = "") -> Command:
    backend = {"address": f"127.0.0.1:{server.port}", "max_connections": connections}
    config: dict[str, object] = {"backends": {"db": backend}, "users": {USER: PASSWORD}}
    if ttl:
        config |= {"service": {"user": USER, "password": PASSWORD}, "cache": {"tables": {f"{SCHEMA}.*": ttl}}}
    return _serve(folder, port, CHECKOUT, config)


def _dbmux(folder: Path, port: int, server: Node) -> Command | None:
    return _serve(folder / "dbmux", port, CHECKOUT, {"backends": {"db": f"127.0.0.1:{server.port}"}})


def _pure(folder: Path, port: int, server: Node) -> Command | None:
    copy = folder / "pure"
    shutil.copytree(CHECKOUT / "dbmux", copy / "dbmux", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return _serve(folder / "dbmux-pure", port, copy, {"backends": {"db": f"127.0.0.1:{server.port}"}})


def _serve(folder: Path, port: int, code: Path, behind: dict[str, object]) -> Command:
    folder.mkdir()
    config = folder / "appconfig.json"
    config.write_text(json.dumps({"listen": f"127.0.0.1:{port}", "limits": {"clients": 20000}, **behind}))
    environment = {"PYTHONPATH": str(code), "XDG_STATE_HOME": str(folder)}
    return (sys.executable, "-P", "-m", "dbmux.cli", "serve", "--config", str(config)), environment


_STARTS = {
    "haproxy": _haproxy,
    "proxysql": _proxysql,
    ROUTER: _router,
    ROUTER_SHARED: _router_shared,
    "dbmux": _dbmux,
    "dbmux-shared": _shared,
    TUI: _tui,
    THRONG: _throng,
    CACHED: _cached,
    MISSING: _missing,
    "dbmux-pure": _pure,
}


@contextmanager
def process(line: tuple[str, ...], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs, with its words in a file, and is ended."""
    with log.open("wb") as file:
        started = subprocess.Popen(line, stdout=file, stderr=file, env={**os.environ, **environment})
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def wait(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            Client("127.0.0.1", port, USER, PASSWORD).__exit__()
            return
        except (TimeoutError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
