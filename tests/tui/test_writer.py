"""What is written to a terminal that reads, that does not, and that is gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from dbmux.tui.terminal import MOST_WAITING, Writer

# More than a pipe takes without anybody who reads.
MUCH = "x" * (1 << 20)


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Where somebody reads, and where the writer writes."""
    reads, writes = os.pipe()
    yield reads, writes
    # Whoever is stuck in writing is freed before the descriptor is another one's.
    os.close(reads)


def test_everything_is_written_in_its_order(ends: tuple[int, int]) -> None:
    writer = Writer(ends[1])

    for text in ("one ", "zwei ", "三"):
        writer.write(text)
    writer.close()
    os.close(ends[1])

    assert os.read(ends[0], 100).decode() == "one zwei 三"


def test_whoever_writes_waits_for_one_that_reads(ends: tuple[int, int]) -> None:
    writer = Writer(ends[1])
    is_written = threading.Event()

    def write() -> None:
        for _ in range(MOST_WAITING + 2):
            writer.write(MUCH)
        is_written.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert not is_written.wait(0.05)
    left = (MOST_WAITING + 2) * len(MUCH)
    while left:
        left -= len(os.read(ends[0], 1 << 20))

    assert is_written.wait(10)
    thread.join()
    writer.close()


def test_nobody_waits_for_a_terminal_that_was_abandoned(ends: tuple[int, int]) -> None:
    writer = Writer(ends[1])

    def write() -> None:
        for _ in range(2 * MOST_WAITING):
            writer.write(MUCH)

    thread = threading.Thread(target=write)
    thread.start()

    writer.abandon()

    thread.join(10)
    assert not thread.is_alive()
    writer.write("this does not wait either")


def test_what_is_gone_is_written_to_no_more() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    writer = Writer(writes)

    for _ in range(2 * MOST_WAITING):
        writer.write("into nothing")
    writer.close()

    os.close(writes)


def test_closing_waits_only_for_a_while(ends: tuple[int, int]) -> None:
    writer = Writer(ends[1], patience_s=0.01)
    writer.write(MUCH)

    writer.close()

    # What did not fit is lost.
    assert len(os.read(ends[0], 1 << 20)) < len(MUCH)
