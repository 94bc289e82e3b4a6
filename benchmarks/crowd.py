"""python -m benchmarks.crowd PORT CLIENTS SECONDS STATEMENT [PID]: many clients, and one thread for all of them.

Each of the clients asks anew as soon as it has its answer; %d in the statement is a number that changes. How many
answers came and how long they took goes out as JSON, with the processor time of PID. A thousand threads want more of a
small machine than the proxy before them: here a client is a socket.
"""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass
from itertools import cycle
from random import Random

from benchmarks.loads import TABLE_ROWS, connected
from benchmarks.measure import cpu_seconds
from dbmux.wire import packet
from dbmux.wire.commands import Command

WARM_UP_S = 1.0
TEXTS = 1_000
READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Told:
    """What was seen; `cpu_s` is what the watched process used meanwhile, 0.0 when there is none."""

    queries: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_s: float


class Crowd:
    """Clients that are logged in; all replies to `texts` have the same length."""

    def __init__(self, links: list[socket.socket], texts: list[bytes]) -> None:
        self._links = {link.fileno(): link for link in links}
        self._texts = cycle(texts)
        self._size = _length(links[0], texts[0])
        self._missing = dict.fromkeys(self._links, self._size)
        self._sent: dict[int, float] = {}
        self._ready = select.epoll()
        for number, link in self._links.items():
            self._ready.register(number, select.EPOLLIN)
            self._sent[number] = time.perf_counter()
            link.sendall(next(self._texts))

    def ask(self, seconds: float) -> list[float]:
        """Keep every client waiting for an answer, for so long; how long each answer took that came, in seconds."""
        links, missing, sent, waits = self._links, self._missing, self._sent, list[float]()
        until = time.perf_counter() + seconds
        now = 0.0
        while now < until:
            for number, _ in self._ready.poll():
                data = links[number].recv(READ)
                missing[number] -= len(data)
                if not data or missing[number] < 0:
                    raise ConnectionError(f"the target closed the connection, or answered otherwise: {data[:200]!r}")
                if not missing[number]:
                    now = time.perf_counter()
                    waits.append(now - sent[number])
                    missing[number], sent[number] = self._size, now
                    links[number].send(next(self._texts))
        return waits


def _length(link: socket.socket, text: bytes) -> int:
    # Of a reply of one row: nothing comes behind it, since nothing else is asked.
    link.sendall(text)
    time.sleep(0.5)
    reply = link.recv(READ)
    if reply[packet.HEADER] == 0xFF:
        raise RuntimeError(f"the target refused: {reply!r}")
    return len(reply)


def _texts(statement: str) -> list[bytes]:
    random = Random(1)
    told = [statement % random.randrange(1, TABLE_ROWS) if "%d" in statement else statement for _ in range(TEXTS)]
    return [packet.encode(bytes((Command.QUERY,)) + text.encode(), 0) for text in told]


def _run(port: int, clients: int, seconds: float, statement: str, pid: int | None) -> Told:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:
        crowd = Crowd([stack.enter_context(connected(port)) for _ in range(clients)], _texts(statement))
        crowd.ask(WARM_UP_S)
        before = cpu_seconds(pid) if pid else 0.0
        begun = time.perf_counter()
        waits = sorted(crowd.ask(seconds))
        took = time.perf_counter() - begun
        used = cpu_seconds(pid) - before if pid else 0.0
    middle, slowest = (waits[len(waits) * percent // 100] * 1e3 for percent in (50, 99))
    return Told(len(waits), took, middle, slowest, used)


if __name__ == "__main__":
    port, clients, seconds, statement, *pid = sys.argv[1:]
    told = _run(int(port), int(clients), float(seconds), statement, int(pid[0]) if pid else None)
    print(json.dumps(asdict(told)))
