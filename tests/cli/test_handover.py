"""A restart with a socket that a service manager keeps: no connection is refused, and the manager is told."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.command import LINE, SECONDS, environment
from tests.cli.conftest import Serve
from tests.fakes import FakeBackend


@contextmanager
def managed(
    folder: Path, listening: socket.socket, told: socket.socket, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    # As a service manager does it: sockets from descriptor 3 on, and the id of the process in LISTEN_PID.
    number = listening.fileno()
    starter = f'exec 3<&{number}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
    process = subprocess.Popen(
        ("bash", "-c", starter, "bash", *LINE, "serve", *arguments),
        cwd=folder,
        env=environment(folder, NOTIFY_SOCKET=told.getsockname()),
        pass_fds=(number,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def states(told: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in told.recv(4096).decode().splitlines())


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    """Where the service manager hears of it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing:
        hearing.bind(str(tmp_path / "notify"))
        hearing.settimeout(SECONDS)
        yield hearing


class Knocking:
    """Connects again and again, in a thread, and waits to be greeted each time."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.greeted = 0
        self.failures: list[str] = []
        self._address = address
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Knocking:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.end()

    def end(self) -> None:
        """Knock no more."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                with socket.create_connection(self._address, SECONDS) as client:
                    if client.recv(100):
                        self.greeted += 1
                    else:
                        self.failures.append("closed without a word")
            except OSError as error:
                self.failures.append(repr(error))

    def until(self, number: int) -> None:
        """Returns when so many more were greeted."""
        wanted = self.greeted + number
        while self.greeted < wanted and self._thread.is_alive() and not self.failures:
            self._is_over.wait(0.001)


def test_no_connection_is_refused_between_two_runs(tmp_path: Path, serve: Serve, told: socket.socket) -> None:
    backend = serve(FakeBackend())
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        arguments = ("--backend", backend, "--listen", address)
        with managed(tmp_path, listening, told, *arguments) as first:
            assert states(told) == {"READY": "1"}
            with Knocking(listening.getsockname()) as knocking:
                knocking.until(20)
                first.send_signal(signal.SIGTERM)
                assert states(told) == {"STOPPING": "1"}
                assert first.wait(SECONDS) == 0
                with managed(tmp_path, listening, told, *arguments):
                    assert states(told) == {"READY": "1"}
                    knocking.until(20)
                    knocking.end()

        assert knocking.failures == []
        assert knocking.greeted >= 40


def test_a_reload_is_told_from_its_beginning_to_its_end(tmp_path: Path, told: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listen = f"127.0.0.1:{listening.getsockname()[1]}"
        (tmp_path / "appconfig.json").write_text(json.dumps({"listen": listen, "tls": "off", "backends": {"db": "x"}}))
        with managed(tmp_path, listening, told) as process:
            states(told)

            process.send_signal(signal.SIGHUP)
            begun, ended = states(told), states(told)

    assert begun["RELOADING"] == "1"
    assert int(begun["MONOTONIC_USEC"]) > 0
    assert ended == {"READY": "1"}


def test_a_socket_for_an_address_that_is_not_configured_is_warned_of(tmp_path: Path, told: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with managed(tmp_path, listening, told, "--backend", "x", "--listen", "127.0.0.2:0") as process:
            states(told)
            process.terminate()
            _, said = process.communicate(timeout=SECONDS)

    assert f"a socket for {address} was handed over, but `listen` does not name it" in said.decode()
