"""What is kept of a node, and that a pid alone is never believed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbmux.playground import state
from dbmux.playground.packages import Kind, Software
from dbmux.playground.state import State, started_at

SOFTWARE = Software(
    kind=Kind.MYSQL,
    version="9.1.0",
    server=("/lib/ld.so", "/usr/sbin/mysqld"),
    client=("/usr/bin/mysql",),
    root=Path("/cache/mysql-9"),
)


@pytest.fixture
def foreign() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours."""
    with subprocess.Popen(("sleep", "1000")) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    "kept",
    [
        State(),
        State(port=13306, software=SOFTWARE),
        State(port=13306, pid=7, started="boot 1", software=SOFTWARE),
    ],
)
def test_a_state_comes_back_as_it_was_kept(tmp_path: Path, kept: State) -> None:
    state.write(tmp_path / "state.json", kept)

    assert state.read(tmp_path / "state.json") == kept


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"port": "many"}', b"\xff", b'{"port": 1, "pid": []}'])
def test_a_file_that_cannot_be_read_is_as_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "state.json").write_bytes(content)

    assert state.read(tmp_path / "state.json") == State()


def test_a_process_that_is_still_the_same_is_running() -> None:
    assert State(pid=os.getpid(), started=started_at(os.getpid())).running == os.getpid()


def test_a_process_with_the_same_pid_that_started_at_another_time_is_not_ours(foreign: subprocess.Popen[bytes]) -> None:
    ours = started_at(os.getpid())

    assert started_at(foreign.pid) != ours
    assert State(pid=foreign.pid, started=ours).running is None


def test_a_process_that_ended_is_not_running_even_before_it_is_collected(foreign: subprocess.Popen[bytes]) -> None:
    kept = State(pid=foreign.pid, started=started_at(foreign.pid))
    foreign.kill()
    os.waitid(os.P_PID, foreign.pid, os.WEXITED | os.WNOWAIT)

    assert kept.running is None


def test_a_process_whose_start_was_never_known_is_not_ours() -> None:
    assert State(pid=1 << 22, started=None).running is None
