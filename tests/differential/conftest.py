"""Real servers, and DbMux before them as the differential tests want it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbmux.playground.node import Node
from dbmux.wire.replies import Ok
from tests.differential.client import PLAIN, Connection, Login
from tests.differential.stage import Place, Stage, port, questions, schema_names
from tests.differential.steps import OTHER_ACCOUNT, OTHER_PASSWORD, Sql
from tests.differential.twice import Hits, twice
from tests.real.conftest import ACCOUNT, PASSWORD, START_TIMEOUT_S, nodes, serve, wait_until_served
from tests.real.ports import free_port

__all__ = ["nodes"]

# How long the generated sequences go on, for each server; without it a few are enough.
SECONDS = float(os.environ.get("DBMUX_DIFFERENTIAL_SECONDS", "0"))
# Has DbMux move a session to another backend connection between any two statements where it is not pinned.
FORCE_SWITCH = "DBMUX_TEST_FORCE_SWITCH"


@dataclass(frozen=True, slots=True)
class Setting:
    """How DbMux runs: whether it switches connections all the time, over how many of them at most, whether reads go to
    replicas, which here are the same server once more, whether every result is stored that may be, and whether logins
    are relayed."""

    forced: bool
    # More than the sessions of any scenario; all settings together have fewer than the server lets in.
    max_connections: int = 100
    is_split: bool = False
    is_cached: bool = False
    is_relayed: bool = False


FORCED = Setting(forced=True)
SPLIT = Setting(forced=True, is_split=True)
CACHED = Setting(forced=True, is_cached=True)
CROWDED = Setting(forced=False, max_connections=2)
# As in life: what is not carried at once stays at the server until somebody else needs the connection.
FREE = Setting(forced=False)
# Each session has one connection for life, which mostly is one that another scenario's session has left.
RELAYED = Setting(forced=False, is_relayed=True)

HERE = Path(__file__).parent

Stages = Callable[[Setting, str], Stage]


@pytest.fixture(scope="session")
def stages(nodes: dict[str, Node], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """A stage for a setting and a server; one DbMux a setting, started when it is first needed."""
    names = schema_names()
    running = []
    made: dict[tuple[Setting, str], Stage] = {}
    for node in nodes.values():
        node.run(
            f"CREATE USER '{OTHER_ACCOUNT}'@'%' IDENTIFIED BY '{OTHER_PASSWORD}';"
            f"GRANT ALL ON *.* TO '{OTHER_ACCOUNT}'@'%'"
        )

    def start(setting: Setting) -> None:
        ports, control = {name: free_port() for name in nodes}, free_port()
        with pytest.MonkeyPatch.context() as environment:
            if setting.forced:
                environment.setenv(FORCE_SWITCH, "1")
            configuration = _configuration(nodes, ports, control, setting)
            running.append(serve(tmp_path_factory.mktemp("differential"), configuration))
        for name, node in nodes.items():
            wait_until_served(ports[name])
            # What is defined through DbMux it knows of at once.
            admin = _logged_in(ports[name] if setting.is_cached else node.port)
            # A session that left something locked shows as an error, not as silence.
            admin.ask(Sql(b"SET lock_wait_timeout = 5"), lambda session: 0)
            place = Place(
                server=name,
                port=node.port,
                admin=admin,
                user=ACCOUNT,
                password=PASSWORD,
                questions=questions(admin),
            )
            through = port(ports[name])
            made[setting, name] = Stage(
                place, port(node.port), twice(through, Hits(control)) if setting.is_cached else through, names
            )

    def stage(setting: Setting, name: str) -> Stage:
        if (setting, name) not in made:
            start(setting)
        return made[setting, name]

    try:
        yield stage
    finally:
        for process in running:
            process.terminate()
        for each in made.values():
            each.close()
        for process in running:
            assert process.wait(START_TIMEOUT_S) == 0


def _configuration(nodes: dict[str, Node], ports: dict[str, int], control: int, setting: Setting) -> object:
    backends: dict[str, dict[str, object]] = {
        name: {"address": f"127.0.0.1:{node.port}", "max_connections": setting.max_connections}
        for name, node in nodes.items()
    }
    groups: dict[str, object] = {}
    if setting.is_split:
        for name, backend in list(backends.items()):
            replicas = {f"{name} {number}": backend for number in (1, 2)}
            backends |= replicas
            groups[f"{name} split"] = {"primary": name, "replicas": list(replicas), "read_your_writes": "off"}
    end = " split" if setting.is_split else ""
    return {
        "listen": {f"127.0.0.1:{ports[name]}": name + end for name in nodes},
        "backends": backends,
        "groups": groups,
        **(_RELAY if setting.is_relayed else _USERS),
        "timeouts": {"drain": "5s"},
        "control": f"127.0.0.1:{control}",
        **(_CACHE if setting.is_cached else {}),
    }


_USERS = {"users": {ACCOUNT: PASSWORD, OTHER_ACCOUNT: OTHER_PASSWORD}}
_RELAY = {"login": "relay"}
_CACHE = {"service": {"user": ACCOUNT, "password": PASSWORD}, "cache": {"tables": {"*": "1h"}}}


def _logged_in(number: int) -> Connection:
    connection = Connection(number, Login(user=ACCOUNT, password=PASSWORD, capabilities=PLAIN))
    if not isinstance(connection.login_reply[-1], Ok):
        connection.close()
        raise ConnectionRefusedError(f"cannot log in: {connection.login_reply}")
    return connection


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that needs servers here is a suite of its own."""
    for item in items:
        if item.path.parent == HERE and item.get_closest_marker("real"):
            item.add_marker(pytest.mark.differential)
