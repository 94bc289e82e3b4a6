"""`dbmux demo`: real servers, the proxy in front of them, and some traffic.

On a terminal it opens the interface and teaches it; without one it shows that two versions are served, and ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import click

from dbmux.commands.options import Refused
from dbmux.config import load
from dbmux.config.model import Config
from dbmux.errors import BackendRefused, DbMuxError
from dbmux.playground import playground, recipe
from dbmux.playground.client import Client
from dbmux.playground.node import is_free, next_free_port
from dbmux.playground.packages import NoPlace
from dbmux.playground.playground import Scenario
from dbmux.playground.signals import interrupt_once
from dbmux.process import FINDINGS, FINE

# What the interface is taught with, and the table in it that is read most and not cached.
TAUGHT_WITH, TAUGHT_TABLE = "query-cache", "shop.customers"
SECONDS_WITHOUT_TERMINAL = 20.0
PAUSE_S = 0.05
START_TIMEOUT_S = 20.0
STOP_PATIENCE_S = 5.0
STATEMENTS = (
    "SELECT name, price FROM shop.products WHERE stock > 0 ORDER BY price",
    "SELECT c.name, SUM(o.quantity) FROM shop.orders o JOIN shop.customers c ON c.id = o.customer_id GROUP BY c.name",
    "UPDATE shop.products SET stock = stock + 1 WHERE id = 3",
    "SELECT VERSION()",
)


class Steps:
    """Says each step with its seconds."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One step."""
        begun = time.monotonic()
        yield
        click.echo(f"[{time.monotonic() - self._begun:5.1f} s] {what}: {time.monotonic() - begun:.1f} s")


@click.command()
@click.option("--recipe", "name", help="Which scenario, without the interface.")
def command(name: str | None) -> None:
    """Start a server with a shop's traffic, and the live interface in front of it; q ends all of it.

    Without a terminal, or with a recipe, it sends sample traffic through `dbmux serve`; without a terminal it ends by
    itself after 20 seconds, with a summary.
    """
    steps = Steps()
    is_shown = name is None and sys.stdin.isatty() and sys.stdout.isatty()
    name = name or (TAUGHT_WITH if is_shown else "two-versions")
    interrupt_once()
    try:
        with steps.step("servers started"):
            scenario = playground.up(recipe.load(name), (), playground.default_places(), click.echo)
    except NoPlace as error:
        raise Refused(str(error)) from error
    except DbMuxError as error:
        raise click.ClickException(str(error)) from error
    try:
        fine = _teach(scenario) if is_shown else _show(scenario, steps)
    finally:
        with steps.step("servers stopped"):
            playground.down(scenario)
    sys.exit(0 if fine else FINDINGS)


def _teach(scenario: Scenario) -> bool:
    environment = {**os.environ, **_free_listeners(scenario), **scenario.environment}
    account, password = next(iter(scenario.recipe.accounts.items()))
    with tempfile.TemporaryDirectory(prefix="dbmux-demo-") as folder:
        # A copy, to be edited.
        config = Path(folder) / load.FILE_NAME
        config.write_text(scenario.recipe.config.read_text(encoding="utf-8"), encoding="utf-8")
        (port,) = _ports(load.load(config, environment)).values()
        shop = (sys.executable, "-P", "-m", "dbmux.playground.shop", str(port), account, password)
        line = (sys.executable, "-P", "-m", "dbmux.cli", "tui", "--config", str(config), "--tour", TAUGHT_TABLE)
        visitors = subprocess.Popen(shop, start_new_session=True)
        try:
            code = subprocess.call(line, env=environment)
        finally:
            visitors.kill()
            visitors.wait()
    click.echo("With your own server: dbmux tui --backend HOST:3306")
    return code == FINE


def _show(scenario: Scenario, steps: Steps) -> bool:
    environment = {**os.environ, **_free_listeners(scenario), **scenario.environment}
    config = load.load(scenario.recipe.config, environment)
    with tempfile.TemporaryFile() as log, _proxy(scenario.recipe.config, environment, log.fileno()) as process:
        with steps.step("DbMux started"):
            _wait_until_served(config, scenario, process, log)
        _tell(scenario, config)
        traffic = Traffic(scenario, config)
        with steps.step("sample traffic"):
            traffic.run(None if sys.stdout.isatty() else SECONDS_WITHOUT_TERMINAL)
        _end(process)
        log.seek(0)
        click.echo("DbMux's log:")
        for line in log.read().decode().splitlines()[:12]:
            click.echo(f"  {line}")
    click.echo(traffic.summary())
    return not traffic.failures and sum(traffic.answered.values()) > 0


@contextmanager
def _proxy(config: Path, environment: dict[str, str], log: int) -> Iterator[subprocess.Popen[bytes]]:
    # -P: nothing is imported from the folder that the user happens to be in.
    line = (sys.executable, "-P", "-m", "dbmux.cli", "serve", "--config", str(config))
    # In a session of its own, so that Ctrl-C reaches it through us, after the traffic has ended.
    # What it says at its start is said by the demo itself.
    process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # The first signal waits for transactions of clients that the user has connected, the second does not.
    for end in (process.terminate, process.terminate, process.kill):
        if process.poll() is not None:
            return
        end()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_PATIENCE_S)


def _free_listeners(scenario: Scenario) -> dict[str, str]:
    # The recipe's usual ports may be taken on this machine.
    usual = {f"{node.name.upper()}_LISTEN": 3307 + at for at, node in enumerate(scenario.nodes)} | {"CONTROL": 3380}
    taken: set[int] = set()
    chosen = {}
    for name, port in usual.items():
        free = port if is_free(port) else next_free_port(taken)
        taken.add(free)
        chosen[name] = str(free)
    return chosen


def _ports(config: Config) -> dict[str, int]:
    return {config.group_of(listen): getattr(listen.address, "port", 0) for listen in config.listen}


def _wait_until_served(config: Config, scenario: Scenario, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    account, password = next(iter(scenario.recipe.accounts.items()))
    deadline = time.monotonic() + START_TIMEOUT_S
    for port in _ports(config).values():
        while True:
            try:
                Client("127.0.0.1", port, account, password).__exit__()
                break
            except (OSError, BackendRefused):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise click.ClickException(f"DbMux did not start:\n{log.read().decode()}") from None
                time.sleep(PAUSE_S)


def _tell(scenario: Scenario, config: Config) -> None:
    account, password = next(iter(scenario.recipe.accounts.items()))
    click.echo("Connect yourself:")
    for node, port in _ports(config).items():
        click.echo(f"  mysql -h 127.0.0.1 -P {port} -u {account} -p{password} shop   # {node}, through DbMux")
    if config.control is not None:
        click.echo(f"  curl http://{config.control}/metrics")


class Traffic:
    """Statements against each listener in turn, until the time is over or Ctrl-C."""

    def __init__(self, scenario: Scenario, config: Config) -> None:
        self._ports = _ports(config)
        self._account, self._password = next(iter(scenario.recipe.accounts.items()))
        self.answered: Counter[str] = Counter()
        self.versions: dict[str, str] = {}
        self.failures: list[str] = []

    def run(self, seconds: float | None) -> None:
        """Send until then; None means until Ctrl-C."""
        if seconds is None:
            click.echo("Sending statements; Ctrl-C ends it.")
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            while deadline is None or time.monotonic() < deadline:
                for node, port in self._ports.items():
                    self._round(node, port)
                time.sleep(PAUSE_S)
        except KeyboardInterrupt:
            click.echo("")

    def summary(self) -> str:
        """What was seen."""
        lines = [f"{n}: {count} statements answered by {self.versions[n]}" for n, count in self.answered.items()]
        lines += self.failures[:5] or ["no failures"]
        return "\n".join(lines)

    def _round(self, node: str, port: int) -> None:
        try:
            with Client("127.0.0.1", port, self._account, self._password) as client:
                self.versions[node] = client.server_version
                for statement in STATEMENTS:
                    client.query(statement)
                    self.answered[node] += 1
        except (OSError, BackendRefused) as error:
            self.failures.append(f"{node}: {error}")
