"""Clients and server connections die at random under load: money is neither made nor lost, and everything ends."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest

from dbmux.observe.observer import KEPT_QUERIES
from tests.real.conftest import ACCOUNT, PASSWORD, Server, serve, wait_until_served
from tests.real.ports import free_ports

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

# A minute before each server; `make soak` takes longer.
SECONDS = float(os.environ.get("DBMUX_SOAK_SECONDS", "60"))
CLIENTS, CONNECTIONS, ACCOUNTS, EACH = 12, 4, 20, 100
STALL_S, RECOVERY_S = 0.3, 10.0
MORE_MEMORY_KB = 10 * 1024
SEED = 7
# Lost in a reply, a deadlock, a row that changed since it was read, and what a killed connection says.
EXPECTED = {2013, 1213, 1020, 1317, 1927, 1205}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A DbMux whose clients share a few connections, its control address and its process."""

    listen: int
    control: int
    pid: int

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def memory_kb(self) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


@pytest.fixture
def proxy(server: Server, tmp_path: Path) -> Iterator[Proxy]:
    listen, control = free_ports(2)
    config = {
        "listen": f"127.0.0.1:{listen}",
        "control": f"127.0.0.1:{control}",
        "backends": {"db": {"address": f"127.0.0.1:{server.port}", "max_connections": CONNECTIONS}},
        "users": {ACCOUNT: PASSWORD},
    }
    process = serve(tmp_path, config)
    try:
        wait_until_served(listen)
        yield Proxy(listen, control, process.pid)
        assert "Traceback" not in (tmp_path / "log").read_text()
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _transfers(port: int, seed: int, until: float, errors: Counter[int]) -> int:
    """Move money between accounts until then; how many transfers were committed."""
    dice, done = random.Random(seed), 0
    connection: pymysql.Connection[pymysql.cursors.Cursor] | None = None
    while time.monotonic() < until:
        try:
            if connection is None:
                connection = pymysql.connect(
                    host="127.0.0.1", port=port, user=ACCOUNT, password=PASSWORD.encode(), database="test"
                )
            source, target = dice.sample(range(1, ACCOUNTS + 1), 2)
            with connection.cursor() as cursor:
                cursor.execute("SELECT SUM(n) FROM bank")
                cursor.execute("UPDATE bank SET n = n - 1 WHERE id = %s", (source,))
                cursor.execute("UPDATE bank SET n = n + 1 WHERE id = %s", (target,))
            connection.commit()
            done += 1
            if dice.random() < 0.05:
                # Gone without a word, in the middle of a transaction.
                connection.cursor().execute("UPDATE bank SET n = n + 1000 WHERE id = 1")
                connection._force_close()
                connection = None
        except pymysql.err.MySQLError as error:
            errors[error.args[0]] += 1
            with contextlib.suppress(pymysql.err.MySQLError):
                if connection is not None:
                    connection.close()
            connection = None
    return done


def _together(port: int, until: float, errors: Counter[int], disturb: Callable[[], None] = lambda: None) -> int:
    """All clients move money until then, while something is done to them; how many transfers were committed."""
    done = [0] * CLIENTS

    def work(number: int) -> None:
        done[number] = _transfers(port, SEED + number, until, errors)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    disturb()
    for thread in threads:
        thread.join(20 + max(until - time.monotonic(), 0))
    assert not any(thread.is_alive() for thread in threads)
    return sum(done)


def _disturbed(server: Server, proxy: Proxy, seconds: float, errors: Counter[int]) -> int:
    """The same while connections are killed and the server stops for a moment now and then."""
    until = time.monotonic() + seconds

    def disturb() -> None:
        dice = random.Random(SEED)
        while time.monotonic() < until:
            time.sleep(0.2)
            _kill_one(server)
            if dice.random() < 0.1:
                _stall(server)

    return _together(proxy.listen, until, errors, disturb)


@pytest.mark.timeout(SECONDS + 600)
def test_money_is_neither_made_nor_lost(server: Server, proxy: Proxy) -> None:
    values = ", ".join(f"({number}, {EACH})" for number in range(1, ACCOUNTS + 1))
    server.node.run(
        f"DROP TABLE IF EXISTS test.bank; CREATE TABLE test.bank (id INT PRIMARY KEY, n INT); "
        f"INSERT INTO test.bank VALUES {values}"
    )
    # What relayed logins of other tests left idle.
    others = int(server.node.run(f"SELECT COUNT(*) {_OURS}").split()[-1])
    errors: Counter[int] = Counter()
    # What it takes once every part of it was used, and it remembers as many statements as it ever does.
    while _commands(proxy.control) < KEPT_QUERIES:
        _together(proxy.listen, time.monotonic() + 1, Counter())
    descriptors = proxy.descriptors
    # Also of what went wrong it remembers some, and of each second of the last ten minutes how it was.
    _disturbed(server, proxy, SECONDS / 3, errors)
    memory_kb = proxy.memory_kb

    done = _disturbed(server, proxy, SECONDS * 2 / 3, errors)

    assert done > CLIENTS
    assert errors.keys() <= EXPECTED
    recovered = time.monotonic() + RECOVERY_S
    while _open_sessions(proxy.control) or proxy.descriptors > descriptors + CONNECTIONS:
        assert time.monotonic() < recovered
        time.sleep(0.05)
    assert proxy.memory_kb < memory_kb + MORE_MEMORY_KB
    assert server.node.run("SELECT SUM(n) FROM test.bank").split()[-1] == str(ACCOUNTS * EACH)
    assert int(server.node.run(f"SELECT COUNT(*) {_OURS}").split()[-1]) <= CONNECTIONS + others


_OURS = f"FROM information_schema.processlist WHERE user = '{ACCOUNT}' AND db = 'test'"


def _kill_one(server: Server) -> None:
    told = server.node.run(f"SELECT id {_OURS} ORDER BY RAND() LIMIT 1").split()
    if told:
        server.node.run(f"KILL {told[-1]}", "--force")


def _stall(server: Server) -> None:
    assert server.node.pid is not None
    os.kill(server.node.pid, signal.SIGSTOP)
    try:
        time.sleep(STALL_S)
    finally:
        os.kill(server.node.pid, signal.SIGCONT)


def _open_sessions(control: int) -> int:
    return _sum(control, "dbmux_sessions_open ")


def _commands(control: int) -> int:
    return _sum(control, "dbmux_commands_total{")


def _sum(control: int, begin: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{control}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith(begin))
