"""Scenarios of local servers: up, down, and what is running.

Recipes come in, running nodes go out; what happens is said in lines to the caller's `say`. Data is kept from one `up`
to the next and removed only by a node's `wipe`, which the caller must have announced.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import platformdirs

from dbmux.errors import DbMuxError
from dbmux.playground import packages
from dbmux.playground.node import Node, next_free_port
from dbmux.playground.packages import Kind, Say, Wish
from dbmux.playground.recipe import Recipe


class NoNode(DbMuxError):
    """There is no such node; the message names those that are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the playground keeps things."""

    data: Path
    cache: Path


def default_places() -> Places:
    """The user's own folders."""
    return Places(
        data=platformdirs.user_data_path("dbmux") / "playground",
        cache=platformdirs.user_cache_path("dbmux") / "servers",
    )


@dataclass(frozen=True, slots=True)
class Scenario:
    """A recipe whose nodes run."""

    recipe: Recipe
    nodes: tuple[Node, ...]

    @property
    def environment(self) -> dict[str, str]:
        """The ports, under the names by which the recipe's configuration asks for them."""
        return {f"{node.name.upper()}_PORT": str(node.port) for node in self.nodes}


def up(chosen: Recipe, servers: tuple[Wish, ...], places: Places, say: Say) -> Scenario:
    """Start a recipe's nodes, `servers` in place of its own where given; raises NoServer or NodeFailed."""
    wishes = _wishes(chosen, servers)
    ports = _Ports(found.port for found in nodes(places))
    with ThreadPoolExecutor(max_workers=len(wishes)) as threads:
        starts = [threads.submit(_start, chosen, name, wish, places, say, ports) for name, wish in wishes.items()]
        started = []
        failure: BaseException | None = None
        for start in starts:
            try:
                started.append(start.result())
            except DbMuxError as error:
                failure = error
    if failure is not None:
        for running in started:
            running.stop()
        raise failure
    return Scenario(chosen, tuple(started))


def down(scenario: Scenario) -> None:
    """Stop a scenario's nodes, all at once."""
    with ThreadPoolExecutor(max_workers=len(scenario.nodes)) as threads:
        list(threads.map(lambda node: node.stop(), scenario.nodes))


def load(scenario: Scenario, dump: Path, say: Say) -> bool:
    """Put a dump on each node; says each statement that failed, per version, and returns whether none did."""
    fine = True
    for node in scenario.nodes:
        failed = node.load(dump)
        fine = fine and not failed
        version = f"{node.name} ({node.software.kind} {node.software.version})"
        say(f"{version}: {dump} loaded, {len(failed) or 'no'} statements failed")
        for line in failed:
            say(f"  {line}")
    return fine


def nodes(places: Places) -> Iterator[Node]:
    """Every node whose data is there, running or not."""
    for state in sorted(places.data.glob("*/*/state.json")):
        folder = state.parent
        found = next(iter(sorted(folder.glob("data-*"))), None)
        if found is None:
            continue
        kind, version = found.name.removeprefix("data-").split("-", 1)
        wish = Wish(Kind(kind), ".".join(version.split(".")[: 2 if kind == Kind.MARIADB else 1]))
        try:
            software = packages.find(wish, places.cache, lambda _: None)
        except packages.NoServer:
            continue
        yield Node(folder.name, software, folder)


def node(name: str, places: Places) -> Node:
    """The running node of this name; raises NoNode."""
    running = {found.name: found for found in nodes(places) if found.pid is not None}
    if name not in running:
        raise NoNode(f"no node {name!r} is running; there are {', '.join(running) or 'none'}: dbmux playground up")
    return running[name]


class _Ports:
    """Ports for nodes that start at the same time."""

    def __init__(self, kept: Iterable[int]) -> None:
        self._given = set(kept)
        self._lock = Lock()

    def free(self) -> int:
        with self._lock:
            port = next_free_port(self._given)
            self._given.add(port)
            return port


def _wishes(chosen: Recipe, servers: tuple[Wish, ...]) -> dict[str, Wish]:
    if not servers:
        return dict(chosen.nodes)
    named = dict(zip(chosen.nodes, servers, strict=False))
    for wish in servers[len(named) :]:
        named[str(wish).replace(":", "").replace(".", "")] = wish
    return named


def _start(chosen: Recipe, name: str, wish: Wish, places: Places, say: Say, ports: _Ports) -> Node:
    begun = time.monotonic()
    software = packages.find(wish, places.cache, say)
    started = Node(name, software, places.data / chosen.name / name)
    started.start(ports.free)
    started.seed(_accounts(chosen, software.kind) + chosen.schema.read_text(encoding="utf-8"))
    seconds = time.monotonic() - begun
    say(f"{name}: {software.kind} {software.version} on 127.0.0.1:{started.port} ({seconds:.1f} s)")
    return started


def _accounts(chosen: Recipe, kind: Kind) -> str:
    # MySQL and MariaDB each take their own plugin; passwords stand in the recipe and protect nothing.
    lines = []
    for name, password in chosen.accounts.items():
        lines.append(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}';")
        lines.append(f"GRANT ALL ON *.* TO '{name}'@'%';")
    if kind is Kind.MARIADB:
        # Installed anonymous users would be found before '%' for local connections.
        lines.insert(0, "DELETE FROM mysql.global_priv WHERE User='';\nFLUSH PRIVILEGES;")
    return "\n".join(lines) + "\n"
