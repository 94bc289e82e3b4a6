"""What became of many statements that were sent as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ProtocolError
from dbmux.wire import packet
from dbmux.wire.outcomes import Outcomes
from dbmux.wire.replies import Err, Ok, Status

MORE = Status.AUTOCOMMIT | Status.MORE_RESULTS


def answer(*found: int | Err) -> bytes:
    """What a server sends of statements that found so many rows."""
    pieces = []
    for at, one in enumerate(found):
        status = MORE if at + 1 < len(found) else Status.AUTOCOMMIT
        payload = one.build() if isinstance(one, Err) else Ok(affected_rows=one, status=status).build(0)
        pieces.append(packet.encode(payload, at + 1))
    return b"".join(pieces)


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=20), st.integers(1, 50))
def test_each_statement_tells_how_many_rows_it_found(found: list[int], size: int) -> None:
    outcomes, data, told = Outcomes(1), answer(*found), []

    for at in range(0, len(data), size):
        outcomes.receive(data[at : at + size])
        while (one := outcomes.next()) is not None:
            told.append(one)

    assert told == found
    assert outcomes.is_whole
    assert not outcomes.has_unread()


def test_an_error_ends_them() -> None:
    outcomes = Outcomes(1)
    outcomes.receive(answer(1, Err(number=1062, message=b"Duplicate entry")))

    assert outcomes.next() == 1
    assert outcomes.next() == Err(number=1062, message=b"Duplicate entry")
    assert outcomes.is_whole


@pytest.mark.parametrize(
    "data",
    [packet.encode(b"\x01", 1), packet.encode(b"", 1), packet.encode(Ok().build(0), 7), answer(1) + answer(1)],
    ids=["a result", "nothing", "out of order", "one too many"],
)
def test_what_such_statements_do_not_answer_is_refused(data: bytes) -> None:
    outcomes = Outcomes(1)
    outcomes.receive(data)

    with pytest.raises(ProtocolError):
        while outcomes.next() is not None:
            pass
