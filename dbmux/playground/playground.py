"""Scenarios of local servers: up, down, and what is running.

Recipes come in, running nodes go out; what happens is said in lines to the caller's `say`. Data is kept from one `up`
to the next and removed only by a node's `wipe`, which the caller must have announced.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import platformdirs

from dbmux.errors import DbMuxError
from dbmux.playground import packages, replication
from dbmux.playground.dump import Failure
from dbmux.playground.node import PORTS, STATE_FILE, Node, NodeFailed, next_free_port
from dbmux.playground.packages import Kind, Machine, Say, Wish
from dbmux.playground.recipe import Recipe
from dbmux.playground.replication import Part

START = "start it: dbmux playground up"
# The first ones tell.
MOST_FAILURES = 20
# A large dump takes its time on a replica, too.
LOADED_TIMEOUT_S = 3600.0


class NoNode(DbMuxError):
    """There is no such node; the message names those that are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the playground keeps things, the machine that it runs on, and the ports that its servers may have there."""

    data: Path
    cache: Path
    machine: Machine
    ports: Sequence[int] = PORTS


def default_places() -> Places:
    """The user's own folders, on this machine."""
    return Places(
        data=platformdirs.user_data_path("dbmux") / "playground",
        cache=platformdirs.user_cache_path("dbmux") / "servers",
        machine=packages.this_machine(),
    )


@dataclass(frozen=True, slots=True)
class Scenario:
    """A recipe whose nodes run; `started` are those that did not run before."""

    recipe: Recipe
    nodes: tuple[Node, ...]
    started: tuple[Node, ...]

    @property
    def environment(self) -> dict[str, str]:
        """The ports, under the names by which the recipe's configuration asks for them."""
        return {f"{node.name.upper()}_PORT": str(node.port) for node in self.nodes}


def up(chosen: Recipe, servers: tuple[Wish, ...], places: Places, say: Say) -> Scenario:
    """Start a recipe's nodes, `servers` in place of its own where given; raises NoServer or NodeFailed.

    When one fails, and when the caller is interrupted, those that were started are stopped again.
    """
    wishes = _wishes(chosen, servers)
    start = _Start(chosen, places, say)
    try:
        with ThreadPoolExecutor(max_workers=len(wishes)) as threads:
            starts = [threads.submit(start.node, name, wish) for name, wish in wishes.items()]
            try:
                wait(starts, return_when=FIRST_EXCEPTION)
            finally:
                start.is_given_up = not all(one.done() for one in starts)
            running = {one.result().name: one.result() for one in starts}
            list(threads.map(start.follow, *_replicas_of(chosen, running)))
        return Scenario(chosen, tuple(one.result() for one in starts), tuple(start.begun))
    except BaseException:
        stop(start.begun)
        raise


def down(scenario: Scenario) -> None:
    """Stop those nodes of a scenario that were started with it."""
    stop(scenario.started)


def stop(running: Sequence[Node]) -> None:
    """Stop nodes, all at once."""
    # In threads, which a second Ctrl-C does not reach.
    with ThreadPoolExecutor(max_workers=max(1, len(running))) as threads:
        list(threads.map(Node.stop, running))


def load(scenario: Scenario, dumps: Sequence[Path], say: Say) -> bool:
    """Put dumps on each node, on replicas through their primary; says each statement that failed, per version, and
    returns whether none did.

    Raises BadDump, or NodeFailed when a server is gone, or a replica does not get what its primary has.
    """
    primaries = scenario.recipe.primaries
    fine = True
    for loaded in scenario.nodes:
        if loaded.name not in primaries:
            for dump in dumps:
                failed = loaded.load(dump)
                fine = fine and not failed
                _tell(loaded, dump, failed, say)
    running = {node.name: node for node in scenario.nodes}
    for replica, primary in zip(*_replicas_of(scenario.recipe, running), strict=True):
        replication.catch_up(replica, primary, LOADED_TIMEOUT_S)
        say(f"{replica.name} ({replica.software}): has what {primary.name} has")
    return fine


def log_ends(scenario: Scenario) -> dict[str, str]:
    """Where the binary logs end, of those nodes that keep one for others than replicas, by name."""
    return {node.name: replication.log_end(node) for node in scenario.nodes if node.name in scenario.recipe.logged}


def _tell(loaded: Node, dump: Path, failed: Sequence[Failure], say: Say) -> None:
    where = f"{loaded.name} ({loaded.software}): "
    if not failed:
        say(f"{where}{dump} loaded, nothing failed")
        return
    say(f"{where}not all of {dump} is there, {len(failed)} statement{'s' * (len(failed) != 1)} failed")
    causes = [failure for failure in failed if not failure.is_consequence] or failed
    advised = set[str]()
    for failure in causes[:MOST_FAILURES]:
        say(f"  line {failure.line}: {failure.error}")
        say(f"    {failure.statement}")
        if failure.advice and failure.advice not in advised:
            advised.add(failure.advice)
            say(f"    {failure.advice}")
    if len(causes) > MOST_FAILURES:
        say(f"  … and {len(causes) - MOST_FAILURES} more")
    if len(causes) < len(failed):
        say(f"  and {len(failed) - len(causes)} about tables that are not there")


def nodes(places: Places) -> Iterator[Node]:
    """Every node that was ever started and not wiped, running or not."""
    for file in sorted(places.data.glob(f"*/*/{STATE_FILE}")):
        found = Node.found_in(file.parent)
        if found is not None:
            yield found


def node(name: str, places: Places) -> Node:
    """The node of this name, or of this recipe and name (`single/db`); raises NoNode."""
    known = {f"{found.folder.parent.name}/{found.name}": found for found in nodes(places)}
    fitting = [found for full, found in known.items() if name in (full, found.name)]
    # A name that several recipes have means the one that runs.
    running = [found for found in fitting if found.pid is not None]
    for found in (running, fitting):
        if len(found) == 1:
            return found[0]
    if fitting:
        raise NoNode(f"several nodes are called {name!r}; say which: {', '.join(known)}")
    raise NoNode(
        f"there is no node {name!r}, only {', '.join(known)}" if known else f"there is no node {name!r}; {START}"
    )


def running_node(name: str, places: Places) -> Node:
    """The node of this name, which must run; raises NoNode."""
    found = node(name, places)
    if found.pid is None:
        raise NoNode(f"node {name!r} is stopped; {START}")
    return found


class _Start:
    """Nodes of one recipe that start at the same time, each in its thread."""

    def __init__(self, chosen: Recipe, places: Places, say: Say) -> None:
        self._recipe = chosen
        self._places = places
        self._say = say
        self._ports = {found.port for found in nodes(places)}
        self._lock = Lock()
        self.begun: list[Node] = []
        self.is_given_up = False

    def node(self, name: str, wish: Wish) -> Node:
        """Start one, with its data."""
        begun = time.monotonic()
        software = packages.find(wish, self._places.cache, self._say, self._places.machine)
        folder = self._places.data / self._recipe.name / name
        primary = self._recipe.primaries.get(name, "")
        starting = Node(name, software, folder, self._options(name, software.kind), primary)
        with packages.only_one(folder.with_suffix(".lock")):
            if starting.pid is not None:
                starting.start()
                self._say(f"{name}: {software} runs already on 127.0.0.1:{starting.port}")
            elif not self.is_given_up:
                self._bring_up(starting)
                self._say(f"{name}: {software} on 127.0.0.1:{starting.port} ({time.monotonic() - begun:.1f} s)")
        return starting

    def follow(self, replica: Node, primary: Node) -> None:
        """Have a replica follow its primary, unless both ran already."""
        if replica in self.begun or primary in self.begun:
            replication.follow(replica, primary)

    def _options(self, name: str, kind: Kind) -> tuple[str, ...]:
        primaries = self._recipe.primaries
        if name in primaries:
            return replication.options(Part.REPLICA, kind, 2 + list(primaries).index(name))
        is_logged = name in primaries.values() or name in self._recipe.logged
        return replication.options(Part.PRIMARY, kind, 1) if is_logged else ()

    def _bring_up(self, starting: Node) -> None:
        self.begun.append(starting)
        if not starting.is_seeded:
            # What an interrupted start has left is nobody's data.
            starting.discard()
        try:
            starting.start(self._free_port)
            starting.seed(_seed(self._recipe, starting))
        finally:
            if self.is_given_up:
                starting.stop()

    def _free_port(self) -> int:
        with self._lock:
            port = next_free_port(self._ports, self._places.ports)
            self._ports.add(port)
            return port


def _wishes(chosen: Recipe, servers: tuple[Wish, ...]) -> dict[str, Wish]:
    if not servers:
        return dict(chosen.nodes)
    named = dict(zip(chosen.nodes, servers, strict=False))
    for replica, primary in chosen.primaries.items():
        wish = named.setdefault(replica, named[primary])
        if wish.kind is not named[primary].kind:
            raise NodeFailed(
                f"{replica} cannot be {wish} as a replica of {primary}, which is {named[primary]};"
                " give --server once, for all of them"
            )
    for wish in servers[len(named) :]:
        name = str(wish).replace(":", "").replace(".", "")
        # The name of a node is part of a variable's name: no dash.
        names = (name if number == 1 else f"{name}_{number}" for number in itertools.count(1))
        named[next(free for free in names if free not in named)] = wish
    return named


def _replicas_of(chosen: Recipe, running: Mapping[str, Node]) -> tuple[list[Node], list[Node]]:
    # Replicas, and the primary of each.
    pairs = [(running[name], running[primary]) for name, primary in chosen.primaries.items() if name in running]
    return [replica for replica, _ in pairs], [primary for _, primary in pairs]


def _seed(chosen: Recipe, starting: Node) -> str:
    # Installed anonymous users would be found before '%' for local connections; each server has its own.
    kind = starting.software.kind
    cleared = "SET sql_log_bin=0; DELETE FROM mysql.global_priv WHERE User=''; FLUSH PRIVILEGES; SET sql_log_bin=1;\n"
    own = cleared if kind is Kind.MARIADB else ""
    if starting.name in chosen.primaries:
        # All else comes from its primary.
        return own
    lines = [own + _accounts(chosen)]
    if starting.name in chosen.primaries.values():
        lines.append(replication.account())
        if kind is Kind.MARIADB:
            # With this right, which ALL has, an account writes to replicas.
            lines += [f"REVOKE READ_ONLY ADMIN ON *.* FROM '{name}'@'%';" for name in chosen.accounts]
    return "\n".join([*lines, chosen.schema.read_text("utf-8")])


def _accounts(chosen: Recipe) -> str:
    # MySQL and MariaDB each take their own plugin; passwords stand in the recipe and protect nothing.
    lines = []
    for name, password in chosen.accounts.items():
        lines.append(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}';")
        lines.append(f"GRANT ALL ON *.* TO '{name}'@'%';")
    return "\n".join(lines)
