"""Each recipe is what it says: its servers come up, DbMux runs with its configuration, and its checks hold."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbmux.config import load as config
from dbmux.playground import playground, recipe
from dbmux.playground.client import Client
from dbmux.playground.playground import Scenario
from tests.real.conftest import own_playground
from tests.real.ports import free_port

pytestmark = pytest.mark.real


@contextmanager
def running(name: str, folder: Path) -> Iterator[Scenario]:
    """A recipe's servers, with data of their own."""
    scenario = playground.up(recipe.load(name), (), own_playground(folder / "dbmux" / "playground"), print)
    try:
        yield scenario
    finally:
        playground.down(scenario)


@dataclass(frozen=True, slots=True)
class Proxied:
    """DbMux in front of a scenario: the ports of its listeners by group, and the variables that chose them."""

    ports: dict[str, int]
    environment: dict[str, str]
    pid: int


@contextmanager
def proxied(scenario: Scenario, folder: Path) -> Iterator[Proxied]:
    """DbMux with the recipe's own configuration."""
    names = ["CONTROL", *(f"{node.name.upper()}_LISTEN" for node in scenario.nodes)]
    environment = {name: str(free_port()) for name in names} | scenario.environment
    line = (sys.executable, "-m", "dbmux.cli", "serve", "--config", str(scenario.recipe.config))
    state = {"XDG_STATE_HOME": str(folder / "state")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(line, env=os.environ | environment | state, stdout=log, stderr=log)
    made = config.load(scenario.recipe.config, environment)
    try:
        ports = {made.group_of(listen): getattr(listen.address, "port", 0) for listen in made.listen}
        yield Proxied(ports, environment, process.pid)
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
    with running(name, tmp_path) as scenario, proxied(scenario, tmp_path) as dbmux:
        ports, checked = dbmux.ports, set()
        for check in scenario.recipe.checks:
            for group in check.groups:
                for account in scenario.recipe.accounts.items():
                    assert rows(ports[group], account, check.sql) == check.rows
                checked.add(group)

        assert checked == set(ports)
        account = next(iter(scenario.recipe.accounts.items()))
        shown = {str(rows(port, account, "SELECT VERSION()")[0][0]).partition("-")[0] for port in ports.values()}
        assert shown == {started.software.version for started in scenario.nodes}


@pytest.mark.parametrize("name", [name for name in recipe.names() if recipe.load(name).program.exists()])
def test_its_program_finds_that_it_is_so(name: str, tmp_path: Path) -> None:
    with running(name, tmp_path) as scenario, proxied(scenario, tmp_path) as dbmux:
        for port in dbmux.ports.values():
            rows(port, next(iter(scenario.recipe.accounts.items())), "SELECT 1")

        line = (sys.executable, scenario.recipe.program)
        told = {"XDG_DATA_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "DBMUX_PID": str(dbmux.pid)}
        environment = os.environ | dbmux.environment | told
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)

        print(done.stdout)
        assert (done.returncode, done.stderr) == (0, "")
