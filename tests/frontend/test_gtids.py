"""GTIDs of own writes: which of two counts, what can be read, and whether they are told at all."""

from __future__ import annotations

import pytest

from dbmux.frontend.gtids import are_told, both, readable
from dbmux.session import SessionState

_SOURCE = b"3e11fa47-71ca-11e1-9e33-c80aa9429562"


@pytest.mark.parametrize(
    "first, second, together",
    [
        (b"", b"0-1-7", b"0-1-7"),
        (b"0-1-7", b"0-2-5", b"0-1-7"),
        (b"0-1-7", b"0-2-9", b"0-2-9"),
        (b"0-1-7", b"1-1-5", b"0-1-7,1-1-5"),
        (_SOURCE + b":7", _SOURCE.upper() + b":1-5", _SOURCE + b":7"),
        (_SOURCE + b":1-3:7", _SOURCE + b":9", _SOURCE + b":9"),
        (_SOURCE + b":7", _SOURCE + b":tag:3", _SOURCE + b":7," + _SOURCE + b":tag:3"),
        (b"a:2", b"0-1-7", b"a:2,0-1-7"),
        (b"".join(b"%d-1-1," % domain for domain in range(800)), b"0-1-2", b""),
    ],
)
def test_of_two_gtids_the_later_of_each_source_counts(first: bytes, second: bytes, together: bytes) -> None:
    assert both(first, second) == together


def test_only_what_a_server_may_have_said_can_be_read() -> None:
    assert readable(b"x:9, 0-1-7," + _SOURCE + b":1-3:7") == b"0-1-7," + _SOURCE + b":1-3:7"


@pytest.mark.parametrize(
    "name, value, told",
    [
        ("session_track_gtids", b"OWN_GTID", True),
        ("session_track_gtids", b"'own_gtid'", True),
        ("session_track_gtids", b"OFF", False),
        ("session_track_gtids", b"DEFAULT", False),
        ("session_track_system_variables", b"'autocommit, Last_gtid'", True),
        ("session_track_system_variables", b"'*'", True),
        ("session_track_system_variables", b"'autocommit'", False),
    ],
)
def test_a_session_may_have_switched_off_that_gtids_are_told(name: str, value: bytes, told: bool) -> None:
    assert are_told(SessionState(variables=((name, value),))) is told
