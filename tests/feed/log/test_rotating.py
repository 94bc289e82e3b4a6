"""A file that is written, filled, moved and deleted."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dbmux.feed.log.rotating import RotatingFile, Written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that has no more room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def contents(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(path.parent.iterdir())}


def test_lines_are_appended_to_what_is_there(path: Path) -> None:
    path.write_bytes(b"old\n")
    file = RotatingFile(path, 100, 1)

    assert file.write([b"a\n", b"b\n"]) == Written(2)
    file.close()
    assert file.write([b"c\n"]) == Written(1)

    assert contents(path) == {"log.jsonl": b"old\na\nb\nc\n"}
    file.close()


def test_only_its_owner_may_read_it(path: Path) -> None:
    file = RotatingFile(path, 4, 1)

    file.write([b"aaa\n", b"bbb\n"])

    assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}
    file.close()


def test_what_does_not_fit_begins_another_and_the_oldest_goes(path: Path) -> None:
    file = RotatingFile(path, 4, 2)

    file.write([b"a\n", b"b\n", b"c\n", b"d\n", b"e\n", b"f\n", b"g\n"])

    assert contents(path) == {"log.jsonl": b"g\n", "log.jsonl.1": b"e\nf\n", "log.jsonl.2": b"c\nd\n"}
    file.close()


def test_none_may_be_kept(path: Path) -> None:
    file = RotatingFile(path, 4, 0)

    file.write([b"a\n", b"b\n", b"c\n"])

    assert contents(path) == {"log.jsonl": b"c\n"}
    file.close()


def test_a_line_that_is_larger_than_a_file_has_one_of_its_own(path: Path) -> None:
    file = RotatingFile(path, 4, 5)

    file.write([b"a\n", b"larger than that\n", b"b\n"])

    assert contents(path) == {"log.jsonl": b"b\n", "log.jsonl.1": b"larger than that\n", "log.jsonl.2": b"a\n"}
    file.close()


@pytest.mark.parametrize("recreate", [False, True], ids=["moved", "moved and made anew"])
def test_a_file_that_was_moved_away_is_left_alone(path: Path, recreate: bool) -> None:
    file = RotatingFile(path, 100, 1)
    file.write([b"a\n"])
    path.rename(path.with_name("moved"))
    if recreate:
        path.touch()

    file.write([b"b\n"])

    assert contents(path) == {"log.jsonl": b"b\n", "moved": b"a\n"}
    file.close()


def test_a_file_that_was_emptied_goes_on_at_its_beginning(path: Path) -> None:
    file = RotatingFile(path, 6, 1)
    file.write([b"aaaa\n"])
    os.truncate(path, 0)

    file.write([b"b\n"])

    assert contents(path) == {"log.jsonl": b"b\n"}
    file.close()


def test_a_link_stays_and_what_it_leads_to_is_numbered(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "real")
    file = RotatingFile(path, 4, 1)

    file.write([b"a\n", b"b\n", b"c\n"])

    assert path.is_symlink()
    assert (tmp_path / "real").read_bytes() == b"c\n"
    assert (tmp_path / "real.1").read_bytes() == b"a\nb\n"
    file.close()


def test_what_is_no_file_is_only_written(path: Path) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = RotatingFile(path, 4, 1)

    assert file.write([b"a\n", b"b\n", b"c\n"]) == Written(3)

    assert os.read(reader, 100) == b"a\nb\nc\n"
    file.close()
    os.close(reader)


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    written = RotatingFile(tmp_path / "no" / "log", 100, 1).write([b"a\n"])

    assert written.lines == 0
    assert written.error is not None
    assert written.error.errno == errno.ENOENT


def test_on_a_full_disk_no_half_line_is_left_and_it_goes_on_when_there_is_room(path: Path) -> None:
    file = RotatingFile(path, 1000, 1)
    with files_of_at_most(6):
        file.write([b"aaaa\n"])

        written = file.write([b"bbbb\n"])

    assert (written.lines, path.read_bytes()) == (0, b"aaaa\n")
    assert file.write([b"cccc\n"]) == Written(1)
    assert path.read_bytes() == b"aaaa\ncccc\n"
    file.close()
