"""`dbmux verify` between real servers of both families: what is equal is equal, and one bit is a difference."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from queue import Queue
from random import Random
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.server import Backend
from dbmux.backend.service import Service
from dbmux.config.model import Account, BackendConfig, BackendTls, BackendTlsMode
from dbmux.net.dial import dial
from dbmux.playground.client import Client
from dbmux.playground.node import Node
from dbmux.sync.table import Table
from dbmux.sync.verify.compare import Sizes
from dbmux.sync.verify.repair import Repair, Statements
from dbmux.sync.verify.result import TableResult, Verdict
from dbmux.sync.verify.run import Watcher, Wish, verify
from dbmux.sync.verify.settle import Delay
from dbmux.sync.verify.side import ServerSide
from dbmux.sync.verify.state import State
from tests.cli.command import LINE, environment
from tests.real.columns import CASES, ELSEWHERE
from tests.real.conftest import ACCOUNT, PASSWORD, SERVERS

pytestmark = pytest.mark.real

PAIRS = list(permutations(SERVERS, 2))
MYSQL = "mysql:9"
# As small as makes many chunks and buckets out of few rows.
SIZES = Sizes()
SMALL = Sizes(chunk=200, largest=400, bucket=20, listed=50, waiting=1)
SESSION = "SET sql_mode='ALLOW_INVALID_DATES', time_zone='+00:00';"


class Silent:
    """Watches and says nothing."""

    def begun(self, table: str, rows: int) -> None: ...
    def advanced(self, rows: int) -> None: ...
    def ended(self, result: TableResult) -> None: ...


def server_of(node: Node) -> Backend:
    config = BackendConfig(address=TcpAddress("127.0.0.1", node.port), tls=BackendTls(mode=BackendTlsMode.OFF))
    return Backend(node.name, config, dial=dial, tls=None, connect_timeout_s=5)


def compare(
    nodes: dict[str, Node],
    pair: tuple[str, str],
    pattern: str,
    sizes: Sizes = SIZES,
    *,
    repair: bool = False,
    settle_s: float = 0,
    watcher: Watcher | None = None,
    **wishes: Any,
) -> dict[str, TableResult]:
    """The results by the table's name without its schema."""

    async def run() -> list[TableResult]:
        account = Account(user=ACCOUNT, password=PASSWORD)
        first, second = [await Service.connect(server_of(nodes[name]), account) for name in pair]
        try:
            passage = Delay(settle_s)

            def mender(sides: tuple[ServerSide, ServerSide], described: tuple[Table, Table]) -> Repair:
                return Repair((first, second), Statements((first, second), sides, described[1]), passage)

            mends = mender if repair else None
            wish = Wish(patterns=(pattern,), passage=passage, sizes=sizes, mender=mends, **wishes)
            return await verify((first, second), wish, watcher or Silent())
        finally:
            first.close()
            second.close()

    return {result.name.partition(".")[2]: result for result in asyncio.run(run())}


@contextmanager
def tables(nodes: dict[str, Node], schema: str, made: dict[str, str]) -> Iterator[None]:
    """A schema that is there as long as the test needs it, and in it on each of these servers what its SQL makes."""
    for name, sql in made.items():
        run(nodes[name], f"DROP DATABASE IF EXISTS `{schema}`; CREATE DATABASE `{schema}`; USE `{schema}`; {sql}")
    yield
    for name in made:
        run(nodes[name], f"DROP DATABASE `{schema}`")


def run(node: Node, sql: str) -> None:
    node.run(SESSION + sql, "--default-character-set=utf8mb4")


@pytest.fixture(scope="module")
def filled(nodes: dict[str, Node]) -> dict[str, Node]:
    """In schema `same` all servers have the same rows; in a schema called like one of them, that one is nudged."""
    for name, node in nodes.items():
        for schema in ("same", *(schema_of(server) for server in SERVERS)):
            cases = [case for case in CASES if case.is_for(name)]
            run(node, f"CREATE DATABASE `{schema}`;" + "".join(case.create(schema) for case in cases))
            if schema == schema_of(name):
                run(node, "".join(case.nudge(schema) for case in cases))
    return nodes


def schema_of(server: str) -> str:
    return "nudged_" + "".join(letter for letter in server if letter.isalnum())


def on_both(pair: tuple[str, str]) -> set[str]:
    return {case.name for case in CASES if all(case.is_for(server) for server in pair)}


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_the_same_values_are_equal_in_every_type(filled: dict[str, Node], pair: tuple[str, str]) -> None:
    results = compare(filled, pair, "same.*")

    both = {name: result for name, result in results.items() if not result.is_alone}
    assert {name: (result.verdict, result.problem) for name, result in both.items()} == dict.fromkeys(
        on_both(pair), (Verdict.EQUAL, "")
    )


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_one_bit_of_difference_is_found_in_every_type(filled: dict[str, Node], pair: tuple[str, str]) -> None:
    results = compare(filled, pair, f"{schema_of(pair[1])}.*")

    found = {
        name: (result.different, [(one.key, one.columns) for one in result.examples])
        for name, result in results.items()
        if not result.is_alone
    }
    assert found == dict.fromkeys(on_both(pair), (1, [((b"1",), ("c",))]))


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_a_repair_writes_every_type_as_it_is(nodes: dict[str, Node], pair: tuple[str, str]) -> None:
    cases = [case for case in CASES if all(case.is_for(server) for server in pair)]
    fill = "".join(case.create("mended") for case in cases)
    with tables(nodes, "mended", dict.fromkeys(pair, fill)):
        run(nodes[pair[1]], "".join(case.nudge("mended") for case in cases))
        mended = compare(nodes, pair, "mended.*", repair=True)
        again = compare(nodes, pair, "mended.*")

    assert {name: (one.repaired, one.problem) for name, one in mended.items()} == dict.fromkeys(on_both(pair), (1, ""))
    assert {one.verdict for one in again.values()} == {Verdict.EQUAL}


@pytest.mark.parametrize("maria", ["mariadb:10.11", "mariadb:11"])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_value_is_the_same_under_another_familys_type(nodes: dict[str, Node], maria: str, name: str) -> None:
    here, there, first, same, other = ELSEWHERE[name]
    schema = f"elsewhere_{name}"

    with tables(
        nodes,
        schema,
        {
            maria: f"CREATE TABLE t (id INT PRIMARY KEY, c {here})",
            MYSQL: f"CREATE TABLE t (id INT PRIMARY KEY, c {there})",
        },
    ):
        run(nodes[maria], f"INSERT INTO {schema}.t VALUES (1,{first}),(2,{first}),(3,NULL)")
        run(nodes[MYSQL], f"INSERT INTO {schema}.t VALUES (1,{same}),(2,{other}),(3,NULL)")
        forth = compare(nodes, (maria, MYSQL), f"{schema}.*")["t"]
        back = compare(nodes, (MYSQL, maria), f"{schema}.*")["t"]

    assert [(one.problem, [example.key for example in one.examples]) for one in (forth, back)] == [("", [(b"2",)])] * 2


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_generated_and_invisible_columns_are_compared(nodes: dict[str, Node], pair: tuple[str, str]) -> None:
    made = (
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, s INT AS (a+{0}) STORED, v INT AS (a-{0}) VIRTUAL, i INT INVISIBLE)"
    )
    rows = "INSERT INTO t (id,a,i) VALUES (1,10,{0})"
    first, second = (";".join((made, rows)).format(number) for number in (1, 0))
    with tables(nodes, "hidden", {pair[0]: first, pair[1]: second}):
        found = compare(nodes, pair, "hidden.t")["t"]
        run(nodes[pair[1]], "DROP TABLE hidden.t; USE hidden; " + first)
        same = compare(nodes, pair, "hidden.t")["t"]

    assert (found.problem, found.columns) == ("", {"s": 1, "v": 1, "i": 1})
    assert same.verdict is Verdict.EQUAL


@pytest.mark.parametrize("pair", [("mariadb:11", MYSQL), (MYSQL, "mariadb:10.11")], ids=" ".join)
def test_json_in_rows_without_a_key_is_compared_by_its_meaning(nodes: dict[str, Node], pair: tuple[str, str]) -> None:
    first, same, other = (
        f"CREATE TABLE t (n INT, j JSON); INSERT INTO t VALUES (1,'{one}'),(1,'{one}'),(2,NULL),(2,'[]')"
        for one in ('{"b":[1.0,2],"a":{}}', '{"a": {}, "b":[1,2e0]}', '{"a": {}, "b":[1,2.0000000000000004]}')
    )
    with tables(nodes, "loose", {pair[0]: first, pair[1]: same}):
        equal = compare(nodes, pair, "loose.t")["t"]
        run(nodes[pair[1]], "DROP TABLE loose.t; USE loose; " + other)
        found = compare(nodes, pair, "loose.t")["t"]

    assert (equal.verdict, equal.problem) == (Verdict.EQUAL, "")
    assert (found.problem, found.kinds) == ("", {"missing": 1, "extra": 1})


TEXT = "VARCHAR(20) CHARACTER SET utf8mb4"
KEYS = {
    "numbers": "a INT, b BIGINT UNSIGNED, v VARCHAR(20), PRIMARY KEY (a, b)",
    "text": f"a {TEXT} COLLATE utf8mb4_general_ci, b INT, v VARCHAR(20), PRIMARY KEY (a, b)",
    "own collations": f"a {TEXT}, b INT, v VARCHAR(20), PRIMARY KEY (a, b)",
    "number, own collation": f"b INT, a {TEXT}, v VARCHAR(20), PRIMARY KEY (b, a)",
    "unique": "a VARCHAR(20) NOT NULL, b INT NOT NULL, v VARCHAR(20), UNIQUE KEY (b, a), KEY (v)",
    "float": "a FLOAT, b DECIMAL(10,2), v VARCHAR(20), PRIMARY KEY (a, b)",
    "moment": "a DATETIME(3), b BINARY(4), v VARCHAR(20), PRIMARY KEY (a, b)",
    "none": "a INT, b INT, v VARCHAR(20)",
}
# a, b from a number n.
VALUES = {
    "numbers": "n DIV 50, 18446744073709551615-n",
    "text": "CONCAT(CHAR(97+n%26), n DIV 26), n",
    "own collations": "CONCAT(SUBSTR('aAäbBzZñ', n%8+1, 1), n), n",
    "number, own collation": "n DIV 700, CONCAT(SUBSTR('aAäbBzZñ', n%8+1, 1), n)",
    "unique": "CONCAT('x', n), n",
    "float": "n/10, n/4",
    "moment": "'2024-01-01 00:00:00.000' + INTERVAL n SECOND, CHAR(n DIV 256, n%256)",
    "none": "n, n*2",
}
NUMBERS = "SELECT a.i+10*b.i+100*c.i+1000*d.i AS n FROM digits a, digits b, digits c, digits d HAVING n < 3000"


@pytest.mark.parametrize("pair", [("mariadb:11", "mysql:9"), ("mysql:9", "mariadb:10.11")], ids=" ".join)
@pytest.mark.parametrize("name", KEYS)
def test_rows_that_are_missing_extra_or_changed_are_found_under_any_key(
    nodes: dict[str, Node], pair: tuple[str, str], name: str
) -> None:
    columns = "b,a,v" if name == "number, own collation" else "a,b,v"
    values = VALUES[name]
    fill = (
        "CREATE TABLE digits (i INT PRIMARY KEY); INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);"
        f"INSERT INTO t ({columns}) SELECT {values}, CONCAT('v', n) FROM ({NUMBERS}) x;"
    )
    with tables(nodes, "keys", dict.fromkeys(pair, f"CREATE TABLE t ({KEYS[name]});{fill}")):
        same = compare(nodes, pair, "keys.t", SMALL)["t"]
        run(nodes[pair[0]], "DELETE FROM `keys`.t WHERE v IN ('v0','v1777')")
        run(
            nodes[pair[1]],
            "DELETE FROM `keys`.t WHERE v IN ('v1','v1500','v2999'); UPDATE `keys`.t SET v='V777' WHERE v='v777'",
        )
        found = compare(nodes, pair, "keys.t", SMALL)["t"]
        repaired = compare(nodes, pair, "keys.t", SMALL, repair=True)["t"]
        again = compare(nodes, pair, "keys.t", SMALL)["t"]

    assert (same.verdict, same.problem, same.rows) == (Verdict.EQUAL, "", (3000, 3000))
    if name == "none":
        # The changed row is there once in either form.
        assert found.kinds == {"missing": 4, "extra": 3}
        assert "no key" in repaired.problem
        return
    assert (found.kinds, found.columns) == ({"missing": 3, "extra": 2, "changed": 1}, {"v": 1})
    assert (repaired.repaired, repaired.problem, repaired.verdict) == (6, "", Verdict.EQUAL)
    assert (again.verdict, again.rows) == (Verdict.EQUAL, (2998, 2998))


@contextmanager
def written_to(first: Node, second: Node | None, lag_s: float) -> Iterator[list[Exception]]:
    """Somebody writes to `moving.t` on the first server, and what is written comes to the second one, if it is given,
    so much later. The list takes what went wrong there."""
    failures: list[Exception] = []
    # Bounded, so that the second server is never further behind than is said.
    written: Queue[tuple[float, str] | None] = Queue(10)
    is_over = Event()

    def write() -> None:
        try:
            random = Random(7)
            with connected(first) as client:
                while not is_over.is_set():
                    sql = WRITES[random.randrange(len(WRITES))].format(n=random.randrange(1, 2000), v=random.random())
                    client.query(sql)
                    written.put((monotonic() + lag_s, sql))
        except Exception as error:
            failures.append(error)
        written.put(None)

    def bring() -> None:
        try:
            with connected(second or first) as client:
                while (one := written.get()) is not None:
                    if second is not None:
                        sleep(max(0.0, one[0] - monotonic()))
                        client.query(one[1])
        except Exception as error:
            failures.append(error)

    threads = [Thread(target=write), Thread(target=bring)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


WRITES = (
    "UPDATE moving.t SET v='{v}' WHERE id={n}",
    "DELETE FROM moving.t WHERE id={n}",
    "REPLACE INTO moving.t VALUES ({n},'{v}')",
    "UPDATE moving.t SET v='{v}' WHERE id BETWEEN {n} AND {n}+3",
)


def connected(node: Node) -> Client:
    return Client("127.0.0.1", node.port, ACCOUNT, PASSWORD)


@pytest.mark.parametrize("pair", [("mariadb:10.11", "mysql:9"), ("mysql:9", "mariadb:11")], ids=" ".join)
def test_what_comes_later_to_the_second_server_is_no_difference_and_what_never_comes_is_one(
    nodes: dict[str, Node], pair: tuple[str, str]
) -> None:
    fill = "CREATE TABLE digits (i INT PRIMARY KEY); INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);"
    fill += f"CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(50)); INSERT INTO t SELECT n, n FROM ({NUMBERS}) x;"
    with tables(nodes, "moving", dict.fromkeys(pair, fill)):
        run(nodes[pair[1]], "UPDATE moving.t SET v='planted' WHERE id=2500; DELETE FROM moving.t WHERE id=2800")
        with written_to(nodes[pair[0]], nodes[pair[1]], lag_s=0.1) as failures:
            found = compare(nodes, pair, "moving.t", SMALL, settle_s=0.4)["t"]

    assert failures == []
    assert (found.problem, found.undecided, found.kinds) == ("", 0, {"changed": 1, "missing": 1})
    assert sorted(example.key for example in found.examples) == [(b"2500",), (b"2800",)]


def dbmux_verify(nodes: dict[str, Node], pair: tuple[str, str], folder: Path, *options: str) -> tuple[int, str]:
    """The command's exit code and what it said, with its state in this folder."""
    process = begun(nodes, pair, folder, *options)
    told, _ = process.communicate(timeout=60)
    return process.returncode, told


def begun(
    nodes: dict[str, Node], pair: tuple[str, str], folder: Path, *options: str, password: str = PASSWORD
) -> subprocess.Popen[str]:
    """The command, which runs."""
    addresses = [f"127.0.0.1:{nodes[name].port}" for name in pair]
    account = {"DBMUX_VERIFY_USER": ACCOUNT, "DBMUX_VERIFY_PASSWORD": password}
    return subprocess.Popen(
        (*LINE, "verify", *addresses, "--settle", "0", *options),
        cwd=folder,
        env=environment(folder, **account),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Whoever runs the tests may have it ignored, as what a shell runs in the background has.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_who_breaks_it_off_is_not_told_that_there_are_differences(nodes: dict[str, Node], tmp_path: Path) -> None:
    pair, wanted = ("mariadb:10.11", MYSQL), ("--tables", "held.*")
    held = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%`held`.`t`%' AND state LIKE '%lock%'"
    with tables(nodes, "held", dict.fromkeys(pair, "CREATE TABLE t (id INT PRIMARY KEY)")):
        with connected(nodes[pair[0]]) as client:
            client.query("LOCK TABLES held.t WRITE")
            process = begun(nodes, pair, tmp_path, *wanted)
            until(lambda: nodes[pair[0]].run(held, "-N").strip() == "1")
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=60)
        resumed = dbmux_verify(nodes, pair, tmp_path, *wanted, "--resume")

    assert (process.returncode, told) == (2, "broken off: the same with --resume goes on from here\n")
    assert resumed == (0, "held.t: equal, 0 rows\nequal: 1 table\n")


def until(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + 30
    while not holds():
        assert monotonic() < deadline
        sleep(0.05)


def test_a_login_that_is_refused_says_where(nodes: dict[str, Node], tmp_path: Path) -> None:
    process = begun(nodes, ("mariadb:11", MYSQL), tmp_path, password="wrong")
    told, _ = process.communicate(timeout=60)

    assert process.returncode == 2
    assert f"127.0.0.1:{nodes['mariadb:11'].port} refused {ACCOUNT}: 1045" in told


def test_the_command_tells_what_differs_and_repairs_it_after_a_dry_run(nodes: dict[str, Node], tmp_path: Path) -> None:
    fill = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9)); INSERT INTO t VALUES (1,'a'),(2,'b'),(3,NULL);"
    pair, wanted = ("mariadb:10.11", MYSQL), ("--tables", "cli.*")
    with tables(nodes, "cli", dict.fromkeys(pair, fill)):
        equal = dbmux_verify(nodes, pair, tmp_path, *wanted)
        run(
            nodes[MYSQL],
            "UPDATE cli.t SET v='A' WHERE id=1; DELETE FROM cli.t WHERE id=2; INSERT INTO cli.t VALUES (4,'')",
        )
        different = dbmux_verify(nodes, pair, tmp_path, *wanted)
        code, told = dbmux_verify(nodes, pair, tmp_path, *wanted, "--json")
        dry = dbmux_verify(nodes, pair, tmp_path, *wanted, "--repair", "--dry-run")
        still = dbmux_verify(nodes, pair, tmp_path, *wanted)
        repaired = dbmux_verify(nodes, pair, tmp_path, *wanted, "--repair")
        again = dbmux_verify(nodes, pair, tmp_path, *wanted)

    assert equal == (0, "cli.t: equal, 3 rows\nequal: 1 table\n")
    assert different[0] == 1
    assert "1 changed, 1 extra, 1 missing; in v" in different[1]
    assert "changed: 1\n    v: a | A" in different[1]
    assert (code, json.loads(told)["tables"][0]["kinds"]) == (1, {"changed": 1, "extra": 1, "missing": 1})
    assert "DELETE FROM `cli`.`t` WHERE `id`=4;" in dry[1]
    assert dry[1].count("REPLACE INTO `cli`.`t` (`id`,`v`) VALUES") == 2
    assert still == different
    assert repaired[0] == 0
    assert "3 repaired" in repaired[1]
    assert again[0] == 0


def test_what_cannot_be_told_is_not_equal(nodes: dict[str, Node], tmp_path: Path) -> None:
    pair = ("mariadb:11", MYSQL)
    made = {pair[0]: "CREATE TABLE t (a INT PRIMARY KEY, b INT)", pair[1]: "CREATE TABLE t (a INT PRIMARY KEY)"}
    with tables(nodes, "untold", made):
        columns = dbmux_verify(nodes, pair, tmp_path, "--tables", "untold.*")
        nothing = dbmux_verify(nodes, pair, tmp_path, "--tables", "untold.nothing")
        run(nodes[MYSQL], "DROP TABLE untold.t")
        alone = dbmux_verify(nodes, pair, tmp_path, "--tables", "untold.*")

    assert columns[0] == 2
    assert "only one of them has b" in columns[1]
    assert nothing == (2, "undecided: no such table, or the account sees none\n")
    assert alone[0] == 1
    assert "only on 127.0.0.1" in alone[1]


class Killing(Silent):
    """Ends the connections of the account to a server once a table is half done."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.rows = 0

    def advanced(self, rows: int) -> None:
        self.rows += rows
        if self.rows > 1500 and self._node is not None:
            ids = self._node.run(f"SELECT id FROM information_schema.processlist WHERE user='{ACCOUNT}'", "-N").split()
            self._node.run("".join(f"KILL {number};" for number in ids), "--force")
            self.rows = -1_000_000


def test_a_connection_that_is_cut_is_a_problem_of_its_table_and_the_rest_is_compared_later(
    nodes: dict[str, Node], tmp_path: Path
) -> None:
    pair = ("mariadb:10.11", "mariadb:11")
    fill = "CREATE TABLE digits (i INT PRIMARY KEY); INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);"
    fill += f"CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t SELECT n, n FROM ({NUMBERS}) x;"
    state = State(tmp_path, *pair)
    with tables(nodes, "cut", dict.fromkeys(pair, fill)):
        run(nodes[pair[1]], "UPDATE cut.t SET v=v+1 WHERE id IN (5, 2900)")
        cut = compare(nodes, pair, "cut.t", SMALL, watcher=Killing(nodes[pair[1]]), save=state.write)["t"]
        kept = state.read()["cut.t"]
        watcher = Counting()
        resumed = compare(nodes, pair, "cut.t", SMALL, watcher=watcher, known=state.read())["t"]

    assert (cut.kinds, cut.is_done) == ({"changed": 1}, False)
    assert "closed the connection in the middle" in cut.problem
    assert kept.after is not None
    assert (resumed.rows, resumed.kinds, resumed.verdict) == ((3000, 3000), {"changed": 2}, Verdict.DIFFERENT)
    assert watcher.rows[0] == kept.rows[0] > 0


class Counting(Silent):
    """Remembers how far it was told to be."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def advanced(self, rows: int) -> None:
        self.rows.append(rows)
