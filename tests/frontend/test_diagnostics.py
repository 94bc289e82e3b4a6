"""Stored answers to SHOW WARNINGS are told as of another moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbmux.frontend.diagnostics import with_status
from dbmux.wire import packet
from dbmux.wire.replies import Eof, Ok, Status


@pytest.mark.parametrize(
    "end",
    [lambda status: Eof(status=status).build(), lambda status: Ok(status=status, header=0xFE).build(0)],
    ids=["EOF", "OK"],
)
def test_a_stored_reply_tells_the_transaction_of_now(end: Callable[[int], bytes]) -> None:
    row = packet.encode(b"\x04Note", 1)
    now = Status.IN_TRANSACTION | Status.AUTOCOMMIT

    told = with_status(row + packet.encode(end(Status.AUTOCOMMIT), 2), now)

    assert told == row + packet.encode(end(now), 2)
