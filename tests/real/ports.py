"""Ports for servers and for DbMux in tests: every process that runs tests has a range of its own.

A port has to stay free while nobody listens there: a test may have stopped its server, to start it again. So a process
takes the first range that no other process has, of this test run or of another. The sign that a range is taken is its
first port, bound for as long as the process lives.
"""

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Iterator

from dbmux.playground.node import is_free

# Above the playground's own ports, below those that Linux gives to outgoing connections.
FIRST_PORT, END = 14400, 32400
# A whole run of the tests takes some hundreds, most of them in one process or another.
PORTS_EACH = 900

_one_at_a_time = threading.Lock()


def free_port() -> int:
    """A port that nobody listens on, and that was given to nobody else by this process."""
    with _one_at_a_time:
        for port in _own():
            if is_free(port):
                return port
    raise AssertionError(f"this process has taken all of its {PORTS_EACH} ports")


def free_ports(count: int) -> tuple[int, ...]:
    """As many such ports."""
    return tuple(free_port() for _ in range(count))


@functools.cache
def _own() -> Iterator[int]:
    for first in range(FIRST_PORT, END, PORTS_EACH):
        sign = socket.socket()
        try:
            sign.bind(("127.0.0.1", first))
        except OSError:
            sign.close()
            continue
        sign.detach()
        return iter(range(first + 1, first + PORTS_EACH))
    raise AssertionError("other processes have all ranges of ports for tests")
