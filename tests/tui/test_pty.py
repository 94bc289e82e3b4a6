"""Whatever happens to the interface and its terminal, traffic goes on: with real processes, signals and a real pty."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.conftest import Serve
from tests.cli.conftest import serve as serve  # a fixture
from tests.fakes import FakeBackend
from tests.tui.terminal import BACK, DBMUX, Terminal, Traffic, is_there, terminal, until

CTRL_C, CTRL_Z, ESCAPE = "\x03", "\x1a", "\x1b"
TAKEN, GIVEN_BACK = b"\x1b[?1049h", b"\x1b[?1049l"
ASKED = "Clients are connected"
# What is the first screen's, whatever is in it.
FIRST = ("1 Live", "FOLLOW")


@pytest.fixture
def server(serve: Serve) -> str:
    """A server to be in front of; its address."""
    return serve(FakeBackend())


def in_front_of(server: str) -> tuple[str, ...]:
    """`dbmux tui`, with a port that the system chooses."""
    return (*DBMUX, "tui", "--backend", server, "--listen", "127.0.0.1:0")


@contextmanager
def hosted(server: str, columns: int = 100, lines: int = 30) -> Iterator[Terminal]:
    """An interface with its engine, in a terminal."""
    with terminal(columns, lines) as opened:
        opened.run(*in_front_of(server))
        opened.shows(*FIRST)
        yield opened


@contextmanager
def under_traffic(server: str, columns: int = 100, lines: int = 30) -> Iterator[tuple[Terminal, Traffic]]:
    """The same, with a client whose statements must all be answered."""
    with hosted(server, columns, lines) as opened, Traffic(opened.port) as traffic:
        opened.shows("FROM pr")
        yield opened, traffic


# Leaving.


def test_without_clients_q_ends_all_at_once(server: str) -> None:
    with hosted(server) as opened:
        engine = opened.engine

        opened.press("q")

        opened.shows(f"{BACK} 0")
        assert not is_there(engine)


def test_with_clients_q_asks_and_detaching_leaves_traffic_alone(server: str) -> None:
    with under_traffic(server) as (opened, traffic):
        opened.press("q")
        opened.shows(ASKED)
        opened.press(ESCAPE)
        opened.hides(ASKED)
        opened.press("q")
        opened.shows(ASKED)

        opened.press("d")

        opened.shows(f"dbmux attach {opened.engine}", f"{BACK} 0")
        traffic.goes_on()


def test_who_stops_with_clients_connected_lets_them_finish(server: str) -> None:
    with hosted(server) as opened:
        engine, traffic = opened.engine, Traffic(opened.port)
        with suppress(AssertionError), traffic:
            opened.press("q")
            opened.shows(ASKED)
            opened.press("s")
            until(lambda: bool(traffic.failures))

        opened.shows(f"{BACK} 0")
        assert not is_there(engine)
        assert traffic.answered


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_what_the_shell_runs_ends_all(server: str, number: signal.Signals) -> None:
    with hosted(server) as opened:
        engine = opened.engine

        os.kill(opened.launcher, number)

        opened.shows(f"{BACK} 0")
        assert not is_there(engine)


def test_ctrl_z_detaches_and_attach_comes_back(server: str) -> None:
    with under_traffic(server) as (opened, traffic):
        opened.press(CTRL_Z)
        opened.shows(f"dbmux attach {opened.engine}", f"{BACK} 0")
        traffic.goes_on()

        opened.run(*DBMUX, "attach")
        opened.shows(*FIRST, "FROM pr")
        opened.press("q")

        opened.shows(f"DbMux goes on as process {opened.engine}", f"{BACK} 0")
        traffic.goes_on()


def test_who_detached_is_drained_by_sigterm(server: str) -> None:
    with hosted(server) as opened:
        engine = opened.engine
        opened.press(CTRL_Z)
        opened.shows(f"{BACK} 0")

        os.kill(engine, signal.SIGTERM)

        until(lambda: not is_there(engine))


# What happens to the terminal.


def test_signals_to_stop_stop_nothing(server: str) -> None:
    with under_traffic(server) as (opened, traffic):
        for pid in (opened.engine, opened.launcher):
            os.kill(pid, signal.SIGTSTP)

        traffic.goes_on()
        opened.press("5")
        opened.shows("No mirrors configured")


def test_a_closed_terminal_ends_only_the_interface(server: str) -> None:
    with under_traffic(server) as (opened, traffic):
        engine, launcher = opened.engine, opened.launcher

        opened.hang_up()

        until(lambda: not is_there(launcher))
        until(lambda: Path(f"/proc/{engine}/fd/0").readlink() == Path(os.devnull))
        traffic.goes_on()
        assert opened.ask("status")["clients"] == 1


def test_whoever_kills_the_launcher_has_the_terminal_back(server: str) -> None:
    with under_traffic(server) as (opened, traffic):
        os.kill(opened.launcher, signal.SIGKILL)

        opened.shows(f"{BACK} {128 + signal.SIGKILL}")
        until(lambda: GIVEN_BACK in opened.raw)
        traffic.goes_on()


def test_whoever_kills_the_engine_has_the_terminal_back(server: str) -> None:
    with hosted(server) as opened:
        os.kill(opened.engine, signal.SIGKILL)

        opened.shows("dbmux was ended by SIGKILL", f"{BACK} {128 + signal.SIGKILL}")
        assert GIVEN_BACK in opened.raw


def test_a_terminal_that_does_not_read_stops_nothing(server: str) -> None:
    with under_traffic(server, 160, 50) as (opened, traffic):
        opened.stall()
        until(lambda: is_stalled(opened, traffic))

        traffic.slowest_s = 0.0
        traffic.goes_on(1000)
        slowest_s = traffic.slowest_s
        opened.read_on()

        opened.press("5")
        opened.shows("No mirrors configured")
        traffic.goes_on()
        assert slowest_s < 1


def is_stalled(opened: Terminal, traffic: Traffic) -> bool:
    """Whether nothing more is written to the terminal while statements that ought to be shown are answered."""
    before, begun = opened.waiting, time.monotonic()
    until(lambda: time.monotonic() > begun + 0.3)
    traffic.goes_on(10)
    return before == opened.waiting > 0


def test_a_terminal_that_does_not_read_does_not_put_off_the_end(server: str) -> None:
    with hosted(server, 160, 50) as opened:
        engine = opened.engine
        with suppress(AssertionError), Traffic(opened.port) as traffic:
            opened.stall()
            until(lambda: is_stalled(opened, traffic))

            os.kill(engine, signal.SIGTERM)

            until(lambda: not is_there(engine))
        assert not is_there(engine)


def test_another_size_of_the_window_is_drawn(server: str) -> None:
    with under_traffic(server) as (opened, traffic):
        # What there was is cut at its top and at its right.
        opened.resize(72, 20)

        until(lambda: opened.text.startswith(" DbMux") and " p pause" in opened.text.splitlines()[19])
        traffic.goes_on()


def test_keys_that_are_no_text_end_nothing(server: str) -> None:
    with under_traffic(server) as (opened, traffic):
        opened.press_bytes(b"\xff\xfe\xc3(\x1b[999~")

        opened.press("5")
        opened.shows("No mirrors configured")
        traffic.goes_on()


# What goes wrong.


def test_a_page_that_breaks_gives_the_terminal_back_and_traffic_goes_on(server: str) -> None:
    with terminal() as opened:
        opened.run(sys.executable, "-m", "tests.tui.broken", server)
        opened.shows(*FIRST)
        engine = opened.engine
        with suppress(AssertionError), Traffic(opened.port) as traffic:
            opened.press("2")
            opened.shows("The interface broke, and traffic goes on", f"dbmux attach {engine}")
            traffic.goes_on()
            assert BACK not in opened.text
            opened.press(CTRL_C)
            until(lambda: bool(traffic.failures))

        opened.shows(f"{BACK} 0")
        (report,) = opened.folder.glob("state/dbmux/reports/*.txt")
        told = report.read_text()
        assert "a page broke after 17 characters" in told
        assert "a secret" not in told + opened.raw.decode(errors="replace")
        assert report.stat().st_mode & 0o777 == 0o600


def test_what_cannot_start_says_so_before_the_screen_is_taken(server: str) -> None:
    with terminal() as opened, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        opened.run(*DBMUX, "tui", "--backend", server, "--listen", f"127.0.0.1:{port}")

        opened.shows(f"127.0.0.1:{port} cannot be opened", "Another address", f"{BACK} 3")
        assert TAKEN not in opened.raw


def test_a_wrong_configuration_is_told_before_the_screen_is_taken() -> None:
    with terminal() as opened:
        (opened.folder / "appconfig.json").write_text('{"backend": {}}')

        opened.run(*DBMUX, "tui")

        opened.shows("did you mean 'backends'?", f"{BACK} 2")
        assert TAKEN not in opened.raw


def test_without_a_terminal_it_is_refused(server: str) -> None:
    with terminal() as opened:
        opened.run("sh", "-c", f"{' '.join(in_front_of(server))} < /dev/null")

        opened.shows("there is no terminal", "dbmux serve", f"{BACK} 2")


# The interface of another process.


def test_attach_seeks_an_engine_that_went_away_and_keeps_what_it_shows(server: str) -> None:
    with terminal() as opened:
        (opened.folder / "appconfig.json").write_text(f'{{"backends": {{"db": "{server}"}}, "listen": "127.0.0.1:0"}}')
        first = opened.beside(*DBMUX, "serve")
        with Traffic(opened.port):
            opened.run(*DBMUX, "attach")
            opened.shows(*FIRST, "FROM pr")
        os.kill(first, signal.SIGKILL)
        opened.shows("trying again", "FROM pr")

        second = opened.beside(*DBMUX, "serve")

        opened.hides("trying again")
        with Traffic(opened.port) as traffic:
            traffic.goes_on()
            opened.press("7")
            opened.shows("app")
        assert opened.engine == second


def test_attach_says_which_ones_there_are(server: str) -> None:
    with terminal() as opened:
        opened.run(*DBMUX, "attach")
        opened.shows("no DbMux of yours runs here", f"{BACK} 3")
        numbers = [opened.beside(*DBMUX, "serve", "--backend", server, "--listen", "127.0.0.1:0") for _ in range(2)]
        until(lambda: sorted(opened.engines()) == sorted(numbers))

        opened.run(*DBMUX, "attach")

        opened.shows("several run", *map(str, numbers), f"{BACK} 2")
