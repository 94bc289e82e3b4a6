"""The loads: each is put on one target once, and gives its figures.

A target and options come in, metrics by name go out. sysbench makes the queries and mariadb-slap the logins; the
rest are small clients of our own.
"""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from re import search

from benchmarks.measure import cpu_seconds, resident_kb
from benchmarks.targets import (
    CACHED,
    MISSING,
    PASSWORD,
    REFERENCE,
    ROUTER_SHARED,
    SCHEMA,
    THRONG,
    THRONG_CONNECTIONS,
    TUI,
    USER,
    Bench,
    Target,
)
from dbmux.playground.client import CAPABILITIES, Client
from dbmux.wire import auth, packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import ClientProtocol
from dbmux.wire.commands import Command
from dbmux.wire.handshake import AuthSwitch, Greeting, LoginRequest, TlsRequest
from dbmux.wire.replies import Err, Ok

ROWS, ROW_BYTES = 100_000, 185
CONNECTS = 300
LOGINS = 4_000
CROWD = 64
THRONG_CLIENTS = 1_000
TABLE_ROWS = 10_000
POINT_SELECT = "oltp_point_select"
SLEEP = Path(__file__).parent / "sleep.lua"
PLAIN_CLIENTS, TLS_CLIENTS = 5_000, 1_000
SLOW_RESULT_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much of it."""

    seconds: float
    threads: int
    rounds: int


Load = Callable[[Target, Options], dict[str, float]]


def sysbench(script: str, *extra: str, threads: int | None = None) -> Load:
    """A load of sysbench's, with so many threads whatever the options say."""

    def load(target: Target, options: Options) -> dict[str, float]:
        if target.name == THRONG and threads != THRONG_CLIENTS:
            return {}
        if target.name in (CACHED, MISSING, TUI) and (script != POINT_SELECT or threads is not None):
            return {}
        count = f"--threads={threads or options.threads}"
        run = [*sysbench_line(target.port, script), *extra, count, "--percentile=99", "run"]
        subprocess.run([*run[:-1], "--time=1", "run"], capture_output=True, check=True)
        before = cpu_seconds(target.pid) if target.pid else 0.0
        told = subprocess.run(
            [*run[:-1], f"--time={options.seconds:g}", "--histogram=on", "run"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        used = cpu_seconds(target.pid) - before if target.pid else 0.0
        queries = number(r"total:\s+(\d+)", told)
        found = {
            "queries/s": number(r"queries:\s+\d+\s+\(([\d.]+) per sec", told),
            "p50 ms": percentile(told, 50),
            "p99 ms": percentile(told, 99),
        }
        if target.pid:
            found |= {"CPU us/query": used * 1e6 / queries, "RSS MB": resident_kb(target.pid) / 1024}
        return found

    return load


def throng(script: str, *extra: str, others: int) -> Load:
    """A thousand threads where they share connections, beside so many at the others."""

    def load(target: Target, options: Options) -> dict[str, float]:
        clients = _clients(target, others)
        return sysbench(script, *extra, threads=clients)(target, options) if clients else {}

    return load


def crowd(statement: str) -> Load:
    """The same by clients that are no threads, beside as many as there are connections at the others."""

    def load(target: Target, options: Options) -> dict[str, float]:
        clients = _clients(target, THRONG_CONNECTIONS)
        if not clients:
            return {}
        watched = [str(target.pid)] if target.pid else []
        words = [str(target.port), str(clients), str(options.seconds), statement, *watched]
        # What is wrong, it tells by itself.
        run = subprocess.run([sys.executable, "-m", "benchmarks.crowd", *words], stdout=subprocess.PIPE, check=True)
        told = json.loads(run.stdout)
        found = {"queries/s": told["queries"] / told["seconds"], "p50 ms": told["p50_ms"], "p99 ms": told["p99_ms"]}
        if target.pid:
            found |= {"CPU us/query": told["cpu_s"] * 1e6 / told["queries"], "RSS MB": resident_kb(target.pid) / 1024}
        return found

    return load


def _clients(target: Target, others: int) -> int:
    if target.name in (THRONG, ROUTER_SHARED):
        return THRONG_CLIENTS
    return others if target.name in ("direct", REFERENCE) else 0


def sysbench_line(port: int, script: str) -> list[str]:
    """sysbench's words for one target."""
    account = [f"--mysql-user={USER}", f"--mysql-password={PASSWORD}", f"--mysql-db={SCHEMA}", "--mysql-ssl=off"]
    return [
        "sysbench",
        script,
        "--mysql-host=127.0.0.1",
        f"--mysql-port={port}",
        *account,
        f"--table-size={TABLE_ROWS}",
    ]


def percentile(told: str, percent: float) -> float:
    """A percentile, in milliseconds, of sysbench's histogram of transactions."""
    buckets = []
    for line in told.splitlines():
        if (found := search(r"^\s*([\d.]+) \|\**\s*(\d+)$", line)) is not None:
            buckets.append((float(found[1]), int(found[2])))
    wanted = sum(count for _, count in buckets) * percent / 100
    seen = 0
    for milliseconds, count in buckets:
        seen += count
        if seen >= wanted:
            return milliseconds
    return 0.0


def large_result(target: Target, options: Options) -> dict[str, float]:
    """100 000 rows, 19 MB, read as fast as they come."""
    statement = f"SELECT RPAD(seq, {ROW_BYTES}, 'x') FROM {SCHEMA}.seq_1_to_{ROWS}".encode()
    # First, while nothing has grown yet that it could use again.
    slow_reader = {"slow reader MB": _slow_reader(target)} if target.pid else {}
    with connected(target.port) as link:
        _drain(link, statement)
        before = cpu_seconds(target.pid) if target.pid else 0.0
        begun, total, count = time.perf_counter(), 0, 0
        while time.perf_counter() - begun < options.seconds:
            total += _drain(link, statement)
            count += 1
        seconds = time.perf_counter() - begun
        used = cpu_seconds(target.pid) - before if target.pid else 0.0
    cpu = {"CPU ms/result": used * 1e3 / count} if target.pid else {}
    return {"MB/s": total / seconds / 1e6} | cpu | slow_reader


def connect(target: Target, options: Options) -> dict[str, float]:
    """Log in, ask once, leave; one after the other."""
    waits = []
    begun = time.perf_counter()
    for _ in range(CONNECTS):
        start = time.perf_counter()
        with Client("127.0.0.1", target.port, USER, PASSWORD) as client:
            client.query("SELECT 1")
        waits.append(time.perf_counter() - start)
    seconds = time.perf_counter() - begun
    waits.sort()
    return {"connections/s": CONNECTS / seconds, "p99 ms": waits[int(CONNECTS * 0.99)] * 1e3}


def logins(target: Target, options: Options) -> dict[str, float]:
    """The same by several clients at once, which cost too little to hide what is measured."""
    program = shutil.which("mariadb-slap")
    if program is None:
        return {}
    account = [f"--user={USER}", f"--password={PASSWORD}", f"--create-schema={SCHEMA}", "--no-drop", "--skip-ssl"]
    run = [program, "--no-defaults", "--host=127.0.0.1", f"--port={target.port}", *account, "--query=SELECT 1"]
    run += [f"--concurrency={options.threads}", f"--number-of-queries={LOGINS}", "--detach=1"]
    before = cpu_seconds(target.pid) if target.pid else 0.0
    begun = time.perf_counter()
    subprocess.run(run, capture_output=True, check=True)
    seconds = time.perf_counter() - begun
    used = cpu_seconds(target.pid) - before if target.pid else 0.0
    per_core = {"logins/s of a whole core": LOGINS / used} if target.pid else {}
    return {"logins/s": LOGINS / seconds} | per_core


def idle_clients(target: Target, options: Options) -> dict[str, float]:
    """Memory of the proxy per idle logged-in client, plain and in TLS."""
    if target.pid is None:
        return {}
    found = {"kB/client": _crowd(target, PLAIN_CLIENTS, None)}
    if target.name.startswith("dbmux"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        found["kB/client TLS"] = _crowd(target, TLS_CLIENTS, context)
    return found


def elsewhere(load: Load) -> Load:
    """A load that is not for a thousand clients."""
    return lambda target, options: {} if target.name in (THRONG, CACHED, MISSING, TUI) else load(target, options)


# Made with its sequences, and with the passwords of old.
MARIADB_ALONE = ("throng-one-thread", "throng-2ms-one-thread", "large-result", "idle-clients")
LOADS: dict[str, Load] = {
    "point-select": sysbench(POINT_SELECT, "--db-ps-mode=disable"),
    "prepared": sysbench(POINT_SELECT, "--db-ps-mode=auto"),
    "crowded": sysbench(POINT_SELECT, "--db-ps-mode=disable", threads=CROWD),
    "throng": throng(POINT_SELECT, "--db-ps-mode=disable", others=THRONG_CLIENTS),
    "throng-20": throng(POINT_SELECT, "--db-ps-mode=disable", others=THRONG_CONNECTIONS),
    "throng-2ms": throng(str(SLEEP), others=THRONG_CONNECTIONS),
    "throng-one-thread": crowd(f"SELECT c FROM {SCHEMA}.sbtest1 WHERE id=%d"),
    "throng-2ms-one-thread": crowd("SELECT SLEEP(0.002)"),
    "read-write": sysbench("oltp_read_write", "--db-ps-mode=disable"),
    "large-result": elsewhere(large_result),
    "connect": elsewhere(connect),
    "logins": elsewhere(logins),
    "idle-clients": elsewhere(idle_clients),
}


def prepare(bench: Bench) -> None:
    """Tables for sysbench."""
    line = sysbench_line(bench.server.port, "oltp_read_write")
    subprocess.run([*line, "prepare"], capture_output=True, check=True)


def _crowd(target: Target, count: int, tls: ssl.SSLContext | None) -> float:
    assert target.pid is not None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as early:
        for _ in range(100):
            early.enter_context(connected(target.port, tls))
        time.sleep(0.5)
    time.sleep(0.5)
    before = resident_kb(target.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connected(target.port, tls))
        time.sleep(1)
        used = resident_kb(target.pid) - before
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    time.sleep(1)
    return used / count


def _slow_reader(target: Target) -> float:
    # A client asks for 1 GB, reads a little and then no more; how much does the proxy take in meanwhile?
    assert target.pid is not None
    before = resident_kb(target.pid)
    rows = SLOW_RESULT_BYTES // 1000
    with connected(target.port) as link:
        link.sendall(packet.encode(b"\x03" + f"SELECT RPAD(seq, 1000, 'x') FROM {SCHEMA}.seq_1_to_{rows}".encode(), 0))
        link.recv(1 << 20)
        highest = 0
        for _ in range(20):
            time.sleep(0.1)
            highest = max(highest, resident_kb(target.pid))
    return max(0, highest - before) / 1024


def _drain(link: socket.socket, statement: bytes) -> int:
    # Reads a whole result without looking at rows: the end is the closing EOF packet with nothing behind it.
    link.sendall(packet.encode(b"\x03" + statement, 0))
    buffer = bytearray(1 << 20)
    total = 0
    tail = b""
    while True:
        size = link.recv_into(buffer)
        if not size:
            raise ConnectionResetError("the target closed the connection")
        total += size
        tail = (tail + bytes(buffer[max(0, size - 9) : size]))[-9:]
        if total == size and buffer[4] == 0xFF:
            raise RuntimeError(f"the target refused: {bytes(buffer[13:size]).decode()}")
        if total > 1000 and tail[:3] == b"\x05\x00\x00" and tail[4] == 0xFE:
            return total


@contextlib.contextmanager
def connected(port: int, tls: ssl.SSLContext | None = None) -> Iterator[socket.socket]:
    """A logged-in connection as a bare socket."""
    link = socket.create_connection(("127.0.0.1", port), timeout=30)
    try:
        link = _log_in(link, tls)
        yield link
    finally:
        with contextlib.suppress(OSError):
            link.sendall(packet.encode(bytes((Command.QUIT,)), 0))
        link.close()


def _log_in(link: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
    protocol = ClientProtocol()
    greeting = _next(link, protocol)
    assert isinstance(greeting, Greeting)
    flags = CAPABILITIES & (greeting.capabilities | Capability.LONG_PASSWORD)
    if tls is not None:
        flags |= Capability.SSL
        link.sendall(protocol.request_tls(TlsRequest(capabilities=flags, max_packet=1 << 24, charset=45)))
        link = tls.wrap_socket(link)
    answer = auth.native_answer(PASSWORD.encode(), greeting.scramble)
    request = LoginRequest(
        capabilities=flags, max_packet=1 << 24, charset=45, user=USER.encode(), answer=answer, plugin=auth.NATIVE
    )
    link.sendall(protocol.log_in(request))
    while True:
        match _next(link, protocol):
            case Ok():
                return link
            case AuthSwitch(scramble=scramble):
                link.sendall(protocol.answer(auth.native_answer(PASSWORD.encode(), scramble)))
            case Err() as err:
                raise ConnectionRefusedError(err.message.decode())


def _next(link: socket.socket, protocol: ClientProtocol) -> object:
    while (message := protocol.next()) is None:
        data = link.recv(4096)
        if not data:
            raise ConnectionResetError("the target closed the connection")
        protocol.receive(data)
    return message


def number(pattern: str, told: str) -> float:
    found = search(pattern, told)
    return float(found[1]) if found else 0.0
