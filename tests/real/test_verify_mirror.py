"""`dbmux verify` of a mirrored pair, while writes go on: what the mirror has yet to bring is no difference."""

from __future__ import annotations

import asyncio
from asyncio import Event
from collections.abc import Iterator
from random import Random

import pytest

from dbmux.backend.service import Service
from dbmux.mirror.mirror import MirrorState
from dbmux.playground.client import Client
from dbmux.playground.node import Node
from dbmux.sync.verify.compare import Sizes
from dbmux.sync.verify.passage import mirror_passage
from dbmux.sync.verify.result import TableResult, Verdict
from dbmux.sync.verify.run import Wish, verify
from tests.real.mirroring import ACCOUNT, Pair, backend, client, mirrored, started
from tests.real.test_verify import Silent

pytestmark = pytest.mark.real

NAMES = ("mariadb:10.11", "mysql:9")
ROWS = 2000
FILL = f"INSERT INTO t VALUES {','.join(f'({number},0)' for number in range(ROWS))}"


@pytest.fixture(scope="module")
def pair_of_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    folder = tmp_path_factory.mktemp("mirrored")
    nodes = {}
    try:
        for number, name in enumerate(NAMES, start=1):
            nodes[name] = started(name, folder, number)
        yield nodes
    finally:
        for node in nodes.values():
            node.stop()


async def compared(pair: Pair, still_s: float = 30.0) -> TableResult:
    """The only table of the pair's schema."""
    first, second = [await Service.connect(backend(node), ACCOUNT) for node in (pair.source, pair.target)]
    passage = await mirror_passage(backend(pair.source), ACCOUNT, second, (pair.schema,), still_s)
    assert passage is not None
    try:
        wish = Wish(patterns=(f"{pair.schema}.*",), passage=passage, sizes=Sizes(chunk=100, largest=200, waiting=50))
        (result,) = await verify((first, second), wish, Silent())
        return result
    finally:
        passage.close()
        first.close()
        second.close()


async def write(pair: Pair, is_over: Event) -> None:
    """In bursts, each of which the mirror has brought before the next one: it may be slower than who writes to the
    source, and a verify that waits for it would wait longer each time."""
    random = Random(3)
    with client(pair.source) as session:
        session.query(f"USE {pair.schema}")
        while not is_over.is_set():
            await asyncio.to_thread(burst, session, random)
            await pair.caught_up()


def burst(session: Client, random: Random) -> None:
    for _ in range(20):
        number = random.randrange(ROWS - 100)
        session.query(f"UPDATE t SET v = v + 1 WHERE id BETWEEN {number} AND {number + 5}")
        session.query(f"DELETE FROM t WHERE id = {random.randrange(ROWS - 100)}")
        session.query(f"REPLACE INTO t VALUES ({random.randrange(ROWS - 100)}, 7)")


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1]], ids=" ".join)
def test_what_the_mirror_has_yet_to_bring_is_no_difference(
    pair_of_nodes: dict[str, Node], names: tuple[str, str]
) -> None:
    async def scenario(pair: Pair) -> None:
        pair.both("CREATE TABLE t (id INT PRIMARY KEY, v INT)", FILL)
        await pair.begin()
        await pair.until(MirrorState.RUNNING)
        with client(pair.target) as session:
            session.query(f"UPDATE {pair.schema}.t SET v = 9 WHERE id = {ROWS - 1}")
            session.query(f"DELETE FROM {pair.schema}.t WHERE id = {ROWS - 2}")
        is_over = Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write(pair, is_over))
            try:
                result = await compared(pair)
            finally:
                is_over.set()

        told = result.problem, result.undecided, result.kinds
        assert told == ("", 0, {"changed": 1, "missing": 1}), result.examples
        assert sorted(one.key for one in result.examples) == [(b"%d" % (ROWS - 2),), (b"%d" % (ROWS - 1),)]

    source, target = names
    mirrored(pair_of_nodes[source], pair_of_nodes[target], f"moving_{source[:5]}", scenario)


def test_a_mirror_that_stands_still_leaves_what_it_did_not_bring_undecided(pair_of_nodes: dict[str, Node]) -> None:
    async def scenario(pair: Pair) -> None:
        pair.both("CREATE TABLE t (id INT PRIMARY KEY, v INT)", FILL)
        await pair.begin()
        await pair.until(MirrorState.RUNNING)
        pair.mirror.pause()
        pair.write("UPDATE t SET v = 1 WHERE id = 5")

        held = await compared(pair, still_s=0.2)
        pair.mirror.resume()
        brought = await compared(pair)

        assert (held.verdict, held.different) == (Verdict.UNDECIDED, 0)
        assert "stands still" in held.problem
        assert (brought.verdict, brought.problem) == (Verdict.EQUAL, "")

    source, target = NAMES
    mirrored(pair_of_nodes[source], pair_of_nodes[target], "still", scenario)
