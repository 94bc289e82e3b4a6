"""Stored answers to SHOW WARNINGS are told as of another moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbmux.frontend.diagnostics import added, column, with_status
from dbmux.wire import packet
from dbmux.wire.replies import Eof, Ok, Status


@pytest.mark.parametrize(
    "end",
    [lambda status: Eof(status=status).build(), lambda status: Ok(status=status, header=0xFE).build(0)],
    ids=["EOF", "OK"],
)
def test_a_stored_reply_tells_the_flags_of_now_and_keeps_its_own(end: Callable[[int], bytes]) -> None:
    row = packet.encode(b"\x04Note", 1)
    before = Status.AUTOCOMMIT | Status.MORE_RESULTS | Status.ANSI_QUOTES
    # A client that is not told of NO_BACKSLASH_ESCAPES escapes strings wrongly.
    lasting = Status.IN_TRANSACTION | Status.AUTOCOMMIT | Status.NO_BACKSLASH_ESCAPES

    told = with_status(row + packet.encode(end(before), 2), lasting | Status.SLOW_QUERY)

    assert told == row + packet.encode(end(lasting | Status.MORE_RESULTS), 2)


def test_the_rows_of_another_reply_come_behind_those_of_the_first() -> None:
    def reply(*rows: bytes) -> bytes:
        payloads = [b"\3", b"a", b"b", b"c", *rows, Eof().build()]
        return b"".join(packet.encode(payload, number) for number, payload in enumerate(payloads, 1))

    told = added(reply(b"\x07Warning 1"), reply(b"\x05Error 2", b"\x04Note 3"))

    assert told == reply(b"\x07Warning 1", b"\x05Error 2", b"\x04Note 3")
    assert column(told, 3) == b"c"
