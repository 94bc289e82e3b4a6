"""Whatever happens to the interface and to its terminal, traffic goes on: with real processes, signals and a real pty."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Serve
from tests.fakes import FakeBackend
from tests.tui.terminal import BACK, DBMUX, Terminal, Traffic, is_there, terminal, until

pytest_plugins = ("tests.cli.conftest",)
CTRL_C, CTRL_Z, ESCAPE = "\x03", "\x1a", "\x1b"
ALTERNATE_SCREEN = b"\x1b[?1049h"


@pytest.fixture
def server(serve: Serve) -> str:
    """A server to be in front of; its address."""
    return serve(FakeBackend())


@contextmanager
def hosted(server: str, columns: int = 100, lines: int = 30) -> Iterator[Terminal]:
    """`dbmux tui` in a terminal, and seen."""
    with terminal(columns, lines) as opened:
        opened.run(*DBMUX, "tui", "--backend", server, "--listen", "127.0.0.1:0")
        opened.shows("1 Live", "? help")
        yield opened


def test_without_clients_q_ends_all_at_once(server: str) -> None:
    with hosted(server) as opened:
        engine = opened.engine

        opened.press("q")

        opened.shows(f"{BACK} 0")
        assert not is_there(engine)


def test_with_clients_q_asks_and_detaching_leaves_traffic_alone(server: str) -> None:
    with hosted(server) as opened, Traffic(opened.port) as traffic:
        opened.shows("FROM products")
        opened.press("q")
        opened.shows("Clients are connected")
        opened.press(ESCAPE)
        until(lambda: "Clients are connected" not in opened.text)

        opened.press("q")
        opened.shows("Clients are connected")
        opened.press("d")

        opened.shows(f"{BACK} 0", f"dbmux attach {opened.engine}")
        traffic.goes_on()


def test_who_stops_with_clients_connected_lets_them_finish(server: str) -> None:
    with hosted(server) as opened:
        engine = opened.engine
        traffic = Traffic(opened.port)
        traffic._thread.start()
        traffic.goes_on()

        opened.press("q")
        opened.shows("Clients are connected")
        opened.press("s")

        opened.shows(f"{BACK} 0")
        assert not is_there(engine)
