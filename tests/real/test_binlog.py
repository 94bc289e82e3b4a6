"""What is told of real servers' binary logs: every kind of write, and what happens when the stream is cut."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from time import perf_counter

import platformdirs
import pytest
import uvloop

from dbmux.address import TcpAddress
from dbmux.backend.binlog.follow import Binlog
from dbmux.backend.binlog.listener import Broken, Cause, Pace
from dbmux.backend.server import Backend
from dbmux.config.grants import grants
from dbmux.config.model import Account, BackendConfig, BackendTls, BackendTlsMode, Config
from dbmux.net.certificate import backend_context, self_made
from dbmux.net.dial import dial
from dbmux.playground.client import Client
from dbmux.playground.node import Node
from dbmux.playground.packages import Kind, NoServer, find, parse_wish
from tests.real.conftest import SERVERS
from tests.real.ports import free_port

pytestmark = pytest.mark.real

SERVICE = Account(user="dbmux", password="service-pass")
UNABLE = Account(user="unable", password="unable-pass")
CONFIG = Config.model_validate(
    {
        "backends": {"db": "127.0.0.1"},
        "users": {"app": "app-pass"},
        "service": {"user": SERVICE.user, "password": SERVICE.password},
        "cache": {"tables": {"shop.*": "5s"}},
    }
)
PATIENCE_S = 20.0
PACE = Pace(unseen=0.05, first_pause=0.01)
MARK = ("test", "mark")
PLAIN, SECURE = BackendTls(mode=BackendTlsMode.OFF), BackendTls(mode=BackendTlsMode.REQUIRED)


@dataclass
class Heard:
    """A listener that remembers."""

    touched_tables: list[tuple[str, str]] = field(default_factory=list)
    statements: list[tuple[str, str]] = field(default_factory=list)
    begun: int = 0
    broken: list[Broken] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def began(self) -> None:
        self.begun += 1
        self.changed.set()

    def touched(self, schema: str, table: str) -> None:
        self.touched_tables.append((schema, table))
        self.changed.set()

    def statement(self, schema: str, text: bytes, flags: int) -> None:
        self.statements.append((schema, text.decode()))
        self.changed.set()

    def broke(self, reason: Broken) -> None:
        self.broken.append(reason)
        self.changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()


@dataclass
class Followed:
    """A server whose log is followed, and a client that goes past."""

    node: Node
    heard: Heard
    binlog: Binlog

    def client(self) -> Client:
        return Client("127.0.0.1", self.node.port, "app", "app-pass")

    async def settled(self) -> None:
        """Returns when all that was written is told, and told again."""
        told = self.heard.touched_tables.count(MARK)
        with self.client() as client:
            client.query("SET SESSION binlog_format = ROW")
            client.query("INSERT INTO test.mark VALUES (NULL)")
        await self.heard.until(lambda: self.heard.touched_tables.count(MARK) >= told + 2)


Scenario = Callable[[Followed], Awaitable[None]]


def follow(
    node: Node, scenario: Scenario, account: Account = SERVICE, pace: Pace = PACE, tls: BackendTls = PLAIN
) -> None:
    async def run() -> None:
        config = BackendConfig(address=TcpAddress("127.0.0.1", node.port), tls=tls)
        context = backend_context(tls, is_local=True)
        backend = Backend(node.name, config, dial=dial, tls=context, connect_timeout_s=5.0)
        heard = Heard()
        binlog = Binlog(backend, account, heard, randomness=Random(), pace=pace)
        following = asyncio.create_task(binlog.follow())
        try:
            await scenario(Followed(node, heard, binlog))
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    uvloop.run(run())


def started(name: str, folder: Path, *options: str) -> Node:
    try:
        software = find(parse_wish(name), platformdirs.user_cache_path("dbmux") / "servers", print)
    except NoServer as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    if software.kind is Kind.MARIADB:
        certificate, key = self_made(folder / "tls")
        options += (f"--ssl-cert={certificate}", f"--ssl-key={key}")
    node = Node(name, software, folder / "node", ("--server-id=1", *options))
    node.start(free_port)
    node.run(_accounts(software.kind))
    return node


def _accounts(kind: Kind) -> str:
    lines = ["SET sql_log_bin = 0"]
    if kind is Kind.MARIADB:
        lines += ["DELETE FROM mysql.global_priv WHERE User=''", "FLUSH PRIVILEGES"]
    lines += [
        # As it is printed, on either family: what an administrator would run.
        grants(CONFIG).replace("<the password of service>", SERVICE.password).rstrip(";\n"),
        f"CREATE USER '{UNABLE.user}'@'127.0.0.1' IDENTIFIED BY '{UNABLE.password}'",
        "CREATE USER 'app'@'%' IDENTIFIED BY 'app-pass'",
        "GRANT ALL ON *.* TO 'app'@'%'",
        "CREATE DATABASE IF NOT EXISTS test",
        "CREATE TABLE test.mark (id INT PRIMARY KEY AUTO_INCREMENT)",
    ]
    return ";\n".join(lines) + ";\n"


@pytest.fixture(scope="module", params=[*SERVERS, "mysql:9 without GTIDs"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    name, _, without = request.param.partition(" ")
    gtids = [f"--gtid-mode={'OFF' if without else 'ON'}", "--enforce-gtid-consistency=ON"]
    if not name.startswith("mysql"):
        gtids.clear()
    node = started(name, tmp_path_factory.mktemp("binlog"), "--log-bin=binlog", *gtids)
    try:
        yield node
    finally:
        node.stop()


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of write: what must be there before, the write, and what is told of it."""

    name: str
    before: tuple[str, ...]
    writes: tuple[str, ...]
    touched: frozenset[str] = frozenset()
    statements: tuple[str, ...] = ()
    only: Kind | None = None


def case(
    name: str, before: str, writes: str, touched: str = "", statements: tuple[str, ...] = (), only: Kind | None = None
) -> Case:
    """The same, with statements in one text, split at semicolons."""
    return Case(
        name,
        tuple(part.strip() for part in before.split(";") if part.strip()),
        tuple(part.strip() for part in writes.split(";") if part.strip()),
        frozenset(name.replace("_", " ") for name in touched.split()),
        statements,
        only,
    )


T = "CREATE TABLE t (a INT PRIMARY KEY, b INT)"
TWO = f"{T}; CREATE TABLE u (a INT)"
ROW = f"{T}; INSERT INTO t VALUES (1, 1)"
ROWS = f"{TWO}; INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (1)"
JSON = """CREATE TABLE t (a INT PRIMARY KEY, j JSON); INSERT INTO t VALUES (1, '{"x": 1, "y": 2}')"""
TRIGGER = f"{TWO}; CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW INSERT INTO u VALUES (NEW.a)"
PROCEDURE = f"{TWO}; CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1, 1) %% INSERT INTO u VALUES (1) %% END"
FAMILY = (
    "CREATE TABLE parent (a INT PRIMARY KEY) ENGINE=InnoDB;"
    "CREATE TABLE child (a INT, FOREIGN KEY (a) REFERENCES parent (a) ON DELETE CASCADE) ENGINE=InnoDB;"
    "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1)"
)
PARTITIONS = "CREATE TABLE t (a INT PRIMARY KEY) PARTITION BY HASH (a) PARTITIONS 4"
INSERT = "INSERT INTO t VALUES (5, 5)"
BY_STATEMENT = "SET SESSION binlog_format = STATEMENT"
PARTIAL = "SET SESSION binlog_row_value_options = PARTIAL_JSON"
MIXED = "SET SESSION binlog_format = MIXED"
SQUEEZED = "SET GLOBAL log_bin_compress_min_len = 10; SET GLOBAL log_bin_compress = {}"
LONG = "CREATE TABLE a_name_that_is_long_enough (a_column_that_is_long_enough INT)"
MARIADB, MYSQL = Kind.MARIADB, Kind.MYSQL

CASES = (
    case("insert", T, "INSERT INTO t VALUES (1, 1), (2, 2)", "t"),
    case("insert ... select", TWO, "INSERT INTO u VALUES (1); INSERT INTO t SELECT a, a FROM u", "t u"),
    case("on duplicate key", ROW, "INSERT INTO t VALUES (1, 1) ON DUPLICATE KEY UPDATE b = 2", "t"),
    case("update", ROW, "UPDATE t SET b = 7", "t"),
    case("delete", ROW, "DELETE FROM t", "t"),
    case("replace", ROW, "REPLACE INTO t VALUES (1, 9)", "t"),
    case("multi-table update", ROWS, "UPDATE t JOIN u ON t.a = u.a SET t.b = 2, u.a = 3", "t u"),
    case("multi-table delete", ROWS, "DELETE t, u FROM t JOIN u ON t.a = u.a", "t u"),
    case("transaction", TWO, f"BEGIN; {INSERT}; INSERT INTO u VALUES (1); COMMIT", "t u"),
    case("savepoint", TWO, f"BEGIN; {INSERT}; SAVEPOINT s; INSERT INTO u VALUES (1); ROLLBACK TO s; COMMIT", "t"),
    case("trigger", TRIGGER, INSERT, "t u"),
    case("procedure", PROCEDURE, "CALL p()", "t u"),
    case("cascade of a foreign key", FAMILY, "DELETE FROM parent", "parent child"),
    case("partitions", PARTITIONS, "INSERT INTO t VALUES (1), (2), (3)", "t"),
    case("not transactional", "CREATE TABLE t (a INT) ENGINE=MyISAM", "BEGIN; INSERT INTO t VALUES (1); ROLLBACK", "t"),
    case("view", f"{T}; CREATE VIEW w AS SELECT * FROM t", "INSERT INTO w VALUES (7, 7)", "t"),
    case("quoted names", "CREATE TABLE `é ``x` (a INT)", "INSERT INTO `é ``x` VALUES (1)", "é_`x"),
    case("load data", T, "LOAD DATA INFILE '{file}' INTO TABLE t", "t"),
    case("XA", T, f"XA START 'x'; {INSERT}; XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'", "t"),
    case("XA in one phase", T, f"XA START 'x'; {INSERT}; XA END 'x'; XA COMMIT 'x' ONE PHASE", "t"),
    case("compressed", T, f"SET SESSION binlog_transaction_compression = ON; {INSERT}", "t", only=MYSQL),
    case("compressed", "CREATE TABLE t (a VARCHAR(99))",
         f"{SQUEEZED.format(1)}; {LONG}; INSERT INTO t VALUES (REPEAT('x', 99)); {SQUEEZED.format(0)}", "t",
         statements=(LONG,), only=MARIADB),
    case("rows with their query", T, f"SET SESSION binlog_rows_query_log_events = ON; {INSERT}", "t", only=MYSQL),
    case("a part of JSON", JSON, f"{PARTIAL}; UPDATE t SET j = JSON_SET(j, '$.x', 3)", "t", only=MYSQL),
    case("mixed", T, f"{MIXED}; UPDATE t SET b = 1; INSERT INTO t VALUES (1, MOD(UUID_SHORT(), 7))", "t",
         statements=("UPDATE t SET b = 1",)),
    case("by statement", T, f"{BY_STATEMENT}; {INSERT}", statements=(INSERT,)),
    case("by statement, with variables", T, f"{BY_STATEMENT}; SET @v = 3; INSERT INTO t VALUES (@v, RAND())",
         statements=("INSERT INTO t VALUES (@v, RAND())",)),
    case("definitions", "SELECT 1",
         "CREATE TABLE c (a INT); ALTER TABLE c ADD b INT; TRUNCATE c; RENAME TABLE c TO d; DROP TABLE d",
         statements=("CREATE TABLE c (a INT)", "ALTER TABLE c ADD b INT", "TRUNCATE c", "RENAME TABLE c TO d",
                     "DROP TABLE `d` /* generated by server */")),
    case("create ... select", ROW, "CREATE TABLE c AS SELECT * FROM t", "c"),
    case("schemas", "SELECT 1", "CREATE DATABASE gone; DROP DATABASE gone",
         statements=("CREATE DATABASE gone", "DROP DATABASE gone")),
)  # fmt: skip


def _prepare(client: Client, statements: tuple[str, ...]) -> None:
    client.query("DROP DATABASE IF EXISTS shop")
    client.query("CREATE DATABASE shop")
    client.query("USE shop")
    client.query("SET SESSION binlog_format = ROW")
    for statement in statements:
        client.query(statement.replace("%%", ";"))


@pytest.mark.parametrize("wanted", CASES, ids=lambda wanted: wanted.name)
def test_of_every_kind_of_write_the_tables_or_the_statement_are_told(
    server: Node, wanted: Case, tmp_path: Path
) -> None:
    file = tmp_path / "rows"
    file.write_text("7\t7\n8\t8\n")
    if wanted.only not in (None, server.software.kind):
        pytest.skip("the other family has it")

    async def scenario(followed: Followed) -> None:
        heard = followed.heard
        with followed.client() as client:
            _prepare(client, wanted.before)
            await heard.until(lambda: heard.begun == 1)
            await followed.settled()
            heard.touched_tables.clear()
            heard.statements.clear()

            for statement in wanted.writes:
                client.query(statement.replace("{file}", str(file)))
            await followed.settled()

        assert {table for schema, table in heard.touched_tables if schema == "shop"} == wanted.touched
        assert set(wanted.statements) <= {text for _, text in heard.statements}
        assert wanted.touched or len(set(heard.statements)) == len(wanted.statements)
        assert heard.broken == []
        assert heard.begun == 1

    follow(server, scenario)


def test_who_may_not_read_it_is_told_the_grant_and_that_is_enough(server: Node) -> None:
    async def scenario(followed: Followed) -> None:
        heard = followed.heard
        await heard.until(lambda: bool(heard.broken))
        (reason,) = heard.broken
        assert reason.cause is Cause.NO_RIGHT
        assert reason.remedy.endswith("TO 'unable'@'127.0.0.1'")

        server.run(reason.remedy)

        await heard.until(lambda: heard.begun == 1)
        await followed.settled()
        assert heard.broken == [reason]

    try:
        follow(server, scenario, UNABLE)
    finally:
        server.run("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'unable'@'127.0.0.1'")


@pytest.mark.parametrize("name", ["mariadb:10.11", "mysql:9"])
def test_a_server_without_a_log_is_told(name: str, tmp_path: Path) -> None:
    node = started(name, tmp_path)

    async def scenario(followed: Followed) -> None:
        await followed.heard.until(lambda: bool(followed.heard.broken))

        assert [reason.cause for reason in followed.heard.broken] == [Cause.NO_LOG]

    try:
        follow(node, scenario)
    finally:
        node.stop()


@pytest.mark.parametrize("whose", ["Binlog Dump", "Sleep"])
def test_after_a_kill_of_either_connection_it_goes_on(server: Node, whose: str) -> None:
    async def scenario(followed: Followed) -> None:
        heard = followed.heard
        await heard.until(lambda: heard.begun == 1)
        await followed.settled()

        with followed.client() as client:
            for number, user, _, _, command, *_ in client.query("SHOW PROCESSLIST").rows:
                if user == SERVICE.user and command is not None and command.startswith(whose):
                    client.query(f"KILL {number}")

        await heard.until(lambda: heard.begun == 2)
        await followed.settled()
        assert [reason.cause for reason in heard.broken] == [Cause.ENDED]

    follow(server, scenario)


def test_after_a_restart_it_goes_on(server: Node) -> None:
    async def scenario(followed: Followed) -> None:
        heard = followed.heard
        await heard.until(lambda: heard.begun == 1)

        await asyncio.to_thread(server.stop)
        await heard.until(lambda: heard.broken[-1:] != [] and heard.broken[-1].cause is Cause.UNREACHABLE)
        await asyncio.to_thread(server.start)

        await heard.until(lambda: heard.begun == 2)
        await followed.settled()

    follow(server, scenario)


def test_a_server_that_hangs_is_noticed(server: Node) -> None:
    async def scenario(followed: Followed) -> None:
        heard, pid = followed.heard, server.pid
        await heard.until(lambda: heard.begun == 1)
        assert pid is not None

        os.kill(pid, signal.SIGSTOP)
        try:
            await heard.until(lambda: bool(heard.broken))
        finally:
            os.kill(pid, signal.SIGCONT)

        assert heard.broken[0].cause is Cause.SILENT
        await heard.until(lambda: heard.begun == 2)

    follow(server, scenario, pace=replace(PACE, heartbeat=0.2, silence=0.5, answer=0.6))


def test_new_files_and_other_checksums_are_followed(server: Node) -> None:
    async def scenario(followed: Followed) -> None:
        heard = followed.heard
        await heard.until(lambda: heard.begun == 1)
        with followed.client() as client:
            for statement in ("FLUSH LOGS", "SET GLOBAL binlog_checksum = NONE", "SET GLOBAL binlog_checksum = CRC32"):
                client.query(statement)
                await followed.settled()

        assert heard.begun == 1
        assert heard.broken == []

    follow(server, scenario)


def test_a_row_larger_than_a_packet_is_followed(server: Node) -> None:
    async def scenario(followed: Followed) -> None:
        heard = followed.heard
        with followed.client() as client:
            _prepare(client, ("CREATE TABLE t (a LONGTEXT)", "SET GLOBAL max_allowed_packet = 1073741824"))
        await heard.until(lambda: heard.begun == 1)
        with followed.client() as client:
            client.query("SET SESSION binlog_format = ROW")
            await asyncio.to_thread(client.query, "INSERT INTO shop.t VALUES (REPEAT('x', 20000000))")

        await followed.settled()

        assert ("shop", "t") in heard.touched_tables
        assert heard.broken == []

    follow(server, scenario)


def test_what_is_told_a_second_time_is_seen_by_everybody(server: Node) -> None:
    async def scenario(followed: Followed) -> None:
        heard = followed.heard
        with followed.client() as writer, followed.client() as reader:
            _prepare(writer, (T,))
            writer.query("SET GLOBAL sync_binlog = 1")
            await heard.until(lambda: heard.begun == 1)
            await followed.settled()
            heard.touched_tables.clear()
            begun, count = perf_counter(), 0
            # Where nothing tells what is seen, each takes a second.
            while count < 50 and perf_counter() - begun < 3:
                count += 1
                written = asyncio.create_task(
                    asyncio.to_thread(writer.query, f"INSERT INTO t VALUES ({count}, {count})")
                )

                await heard.until(lambda: heard.touched_tables.count(("shop", "t")) >= 2)

                assert reader.query("SELECT COUNT(*) FROM shop.t").rows == ((str(count),),)
                await written
                heard.touched_tables.clear()

    follow(server, scenario)


def test_it_begins_when_what_was_logged_before_is_seen(server: Node) -> None:
    with Client("127.0.0.1", server.port, "app", "app-pass") as writer:
        _prepare(writer, (T,))

    async def scenario(followed: Followed) -> None:
        with followed.client() as reader:
            await followed.heard.until(lambda: followed.heard.begun == 1)

            told = ("shop", "t") in followed.heard.touched_tables
            assert told or reader.query("SELECT COUNT(*) FROM shop.t").rows == (("1",),)

    def write() -> None:
        with Client("127.0.0.1", server.port, "app", "app-pass") as writer:
            writer.query("SET SESSION binlog_format = ROW")
            writer.query("INSERT INTO shop.t VALUES (1, 1)")

    semisync(server, "ON")
    try:
        with ThreadPoolExecutor(1) as threads:
            writing = threads.submit(write)
            while server.run("SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE '%semi-sync ACK%'") == "":
                assert not writing.done()
            follow(server, scenario, pace=replace(PACE, unseen=0.5))
            writing.result()
    finally:
        semisync(server, "OFF")


def test_it_is_read_inside_tls(server: Node) -> None:
    async def scenario(followed: Followed) -> None:
        await followed.heard.until(lambda: followed.heard.begun == 1)
        await followed.settled()

        assert followed.heard.broken == []

    follow(server, scenario, tls=SECURE)


def semisync(node: Node, state: str) -> None:
    """Whether commits wait for a replica, of which there is none, until 0.3 seconds have passed."""
    side, replica, plugin = "master", "slave", ""
    if node.software.kind is Kind.MYSQL:
        side, replica = "source", "replica"
        is_there = node.run("SELECT 1 FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'rpl_semi_sync_source'")
        plugin = "" if is_there else "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so';"
    node.run(
        f"{plugin} SET GLOBAL rpl_semi_sync_{side}_wait_point = AFTER_SYNC;"
        f" SET GLOBAL rpl_semi_sync_{side}_wait_no_{replica} = ON;"
        f" SET GLOBAL rpl_semi_sync_{side}_timeout = 300;"
        f" SET GLOBAL rpl_semi_sync_{side}_enabled = {state};"
    )


def test_what_waits_for_a_replica_is_told_again_when_it_is_seen(server: Node) -> None:
    async def scenario(followed: Followed) -> None:
        heard = followed.heard
        with followed.client() as writer, followed.client() as reader:
            _prepare(writer, (T,))
            await heard.until(lambda: heard.begun == 1)
            await followed.settled()
            heard.touched_tables.clear()
            semisync(server, "ON")

            writing = asyncio.create_task(asyncio.to_thread(writer.query, INSERT))
            await heard.until(lambda: heard.touched_tables.count(("shop", "t")) == 1)
            assert reader.query("SELECT COUNT(*) FROM shop.t").rows == (("0",),)
            await heard.until(lambda: heard.touched_tables.count(("shop", "t")) == 2)
            assert reader.query("SELECT COUNT(*) FROM shop.t").rows == (("1",),)
            await writing

    try:
        follow(server, scenario)
    finally:
        semisync(server, "OFF")
