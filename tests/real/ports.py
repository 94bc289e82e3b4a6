"""Ports for DbMux in tests: of the system's choice, so that two test runs on one machine hardly ever want the same."""

from __future__ import annotations

import socket

_given: set[int] = set()
"""The ports of this run: the kernel may name one twice, and of two listeners in one configuration one would vanish."""


def free_port() -> int:
    """A port that nobody listens on, and that was given to nobody else in this run."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        assert isinstance(port, int)
        if port not in _given:
            _given.add(port)
            return port
