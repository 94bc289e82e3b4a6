"""A mirror under attack: all that can be written, and kill -9 of everything. Nothing is lost or done twice.

DBMUX_TORTURE_SEED repeats what a failure has printed, as far as threads and processes let themselves be repeated;
DBMUX_TORTURE_ROUNDS has it last longer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pymysql
import pytest
import uvloop

from dbmux.backend.service import Service
from dbmux.playground.node import Node
from dbmux.sync.verify.result import Verdict, overall
from dbmux.sync.verify.run import Wish, verify
from dbmux.sync.verify.settle import Delay
from tests.real.attacks import Proxy, attacks, is_left, until
from tests.real.conftest import SERVERS
from tests.real.logs import changed_rows, end_of_log, transactions
from tests.real.mirroring import ACCOUNT, Silent, backend, started
from tests.real.writers import Writers
from tests.real.writing import BALANCE, ROWS, Scene, connect, finish_prepared

pytestmark = pytest.mark.real

# So many transactions the target may be behind when something is attacked: not so many that nothing hits it at work.
BACKLOG = 50
ROUNDS = int(os.environ.get("DBMUX_TORTURE_ROUNDS", "1"))


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    root = tmp_path_factory.mktemp("torture")
    running: dict[str, Node] = {}
    try:
        for number, name in enumerate(SERVERS):
            running[name] = started(name, root, number + 1, "--max-connections=500")
        yield running
    finally:
        for node in running.values():
            node.stop()


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("DBMUX_TORTURE_SEED", Random().randrange(1_000_000)))
    print(f"DBMUX_TORTURE_SEED={chosen}")
    return chosen


class Watcher:
    """Looks at the target all the time, and notes what must never be seen there: half of a transaction, a row that is
    as it was before."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.wrong: list[str] = []
        self.looks = 0

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        seen: dict[int, int] = {}
        while not self._over.wait(0.02):
            with (
                suppress(pymysql.Error, OSError),
                closing(connect(self._scene.target, database=self._scene.schema, autocommit=True)) as connection,
                connection.cursor() as cursor,
            ):
                while not self._over.wait(0.02):
                    cursor.execute("SELECT id, v, balance FROM rows_")
                    self._look(cursor.fetchall(), seen)

    def _look(self, rows: tuple[tuple[int, int, int], ...], seen: dict[int, int]) -> None:
        self.looks += 1
        total = sum(balance for _, _, balance in rows)
        if (len(rows), total) != (ROWS, ROWS * BALANCE):
            self.wrong.append(f"{len(rows)} rows, a sum of {total}")
        self.wrong += [f"row {row} back from {seen[row]} to {v}" for row, v, _ in rows if v < seen.get(row, 0)]
        seen.update((row, v) for row, v, _ in rows)


def differences(scene: Scene) -> list[dict[str, Any]]:
    """What `dbmux verify` says that is not "equal"."""

    async def compare() -> list[dict[str, Any]]:
        first, second = [await Service.connect(backend(node), ACCOUNT) for node in (scene.source, scene.target)]
        results = await verify((first, second), Wish(patterns=(f"{scene.schema}.*",), passage=Delay(0.2)), Silent())
        first.close()
        second.close()
        assert results
        return [] if overall(results) is Verdict.EQUAL else [result.as_json() for result in results]

    return uvloop.run(compare())


@pytest.mark.timeout(900 * ROUNDS)
@pytest.mark.parametrize("names", list(permutations(SERVERS, 2)), ids=" to ".join)
def test_nothing_is_lost_or_done_twice_whatever_is_killed(
    names: tuple[str, str], nodes: dict[str, Node], tmp_path: Path, seed: int
) -> None:
    source, target = (nodes[name] for name in names)
    scene = Scene(f"torture_{SERVERS.index(names[0])}_{SERVERS.index(names[1])}", source, target)
    scene.build()
    random = Random(seed)

    tell = Story().tell

    with Proxy(tmp_path, scene) as proxy:
        before, starts = transactions(source), [end_of_log(node) for node in (source, target)]
        proxy.begin()
        with Watcher(scene) as watcher:
            with Writers(scene, seed) as writers:
                for attack in attacks(random, proxy, scene) * ROUNDS:
                    tell(attack)
                    proxy.catches_up(proxy.applied() + 1)
                    with writers.resting():
                        proxy.catches_up(transactions(source) - before - BACKLOG)
                    writers.tally.wait_for(attack.moment)
                    time.sleep(attack.after_s)
                    attack.act()
                tell("until everything was done")
                until(lambda: not writers.tally.missing(), lambda: f"never done: {writers.tally.missing()}")
            until(lambda: is_left(scene))
            finish_prepared(source)
            wanted = transactions(source) - before
            tell(f"until all {wanted} transactions are there, {proxy.applied()} of which are")
            proxy.catches_up(wanted)

        tell("what became of them")
        assert writers.tally.missing() == []
        assert proxy.applied() == wanted
        assert differences(scene) == []
        assert watcher.wrong == []
        assert watcher.looks
        # Nothing was copied: the target has logged the same changes, and no others.
        told, told_by_target = [
            changed_rows(node, start, scene.schema) for node, start in zip((source, target), starts, strict=True)
        ]
        assert told_by_target.rows == told.rows + told.once_more
        tell("all is well")


class Story:
    """What happens, with the time, for whoever looks at a failure."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def tell(self, what: object) -> None:
        """From now on."""
        print(f"{time.monotonic() - self._begun:6.1f} s  {what}")
