"""Each recipe is what it says: its servers come up, DbMux runs with its configuration, and its checks hold."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbmux.config import load as config
from dbmux.playground import playground, recipe
from dbmux.playground.client import Client
from dbmux.playground.playground import Scenario
from tests.real.ports import free_port

pytestmark = pytest.mark.real


@contextmanager
def running(name: str, folder: Path) -> Iterator[Scenario]:
    """A recipe's servers, with data of their own."""
    places = playground.default_places()
    kept = playground.Places(data=folder / "data", cache=places.cache, machine=places.machine)
    scenario = playground.up(recipe.load(name), (), kept, print)
    try:
        yield scenario
    finally:
        playground.down(scenario)


@contextmanager
def proxied(scenario: Scenario, folder: Path) -> Iterator[dict[str, int]]:
    """DbMux with the recipe's own configuration; gives the port of each node's listener."""
    names = ["CONTROL", *(f"{node.name.upper()}_LISTEN" for node in scenario.nodes)]
    ports = {name: free_port() for name in names}
    environment = {name: str(port) for name, port in ports.items()} | scenario.environment
    line = (sys.executable, "-m", "dbmux.cli", "serve", "--config", str(scenario.recipe.config))
    state = {"XDG_STATE_HOME": str(folder / "state")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(line, env=os.environ | environment | state, stdout=log, stderr=log)
    made = config.load(scenario.recipe.config, environment)
    try:
        yield {made.group_of(listen): getattr(listen.address, "port", 0) for listen in made.listen}
    finally:
        process.terminate()
        assert process.wait(30) == 0


def rows(port: int, account: tuple[str, str], sql: str) -> tuple[tuple[str | None, ...], ...]:
    """What a statement gives at a listener, as soon as there is one."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with Client("127.0.0.1", port, *account) as client:
                return client.query(sql).rows
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("name", recipe.names())
def test_its_checks_hold_through_every_listener_and_each_shows_the_server_behind_it(name: str, tmp_path: Path) -> None:
    with running(name, tmp_path) as scenario, proxied(scenario, tmp_path) as ports:
        checked = set()
        for check in scenario.recipe.checks:
            for node in check.nodes:
                for account in scenario.recipe.accounts.items():
                    assert rows(ports[node], account, check.sql) == check.rows
                checked.add(node)

        assert checked == set(ports)
        account = next(iter(scenario.recipe.accounts.items()))
        for started in scenario.nodes:
            version = rows(ports[started.name], account, "SELECT VERSION()")[0][0]
            assert str(version).startswith(started.software.version)
