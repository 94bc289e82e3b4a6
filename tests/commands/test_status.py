"""`dbmux status`: how it goes, as people read it."""

from __future__ import annotations

from typing import Any

from dbmux.commands.status import lines

IDLE = {"commands": 0, "errors": 0, "hits": 0, "p50": 0.0, "p95": 0.0, "p99": 0.0, "lag": 0.0004}
STATUS: dict[str, Any] = {
    "version": "1",
    "pid": 1,
    "seconds": 60.0,
    "draining": False,
    "listeners": [],
    "backends": [],
    "pins": {},
    "clients": 0,
    "statements": 0,
    "kept": 0,
    "kept_bytes": 0,
    "config": {"version": 1, "source": "appconfig.json", "at": 0.0, "problems": []},
    "unused": [],
}


def test_where_no_server_answered_anything_no_time_is_told() -> None:
    (lately,) = (line for line in lines(STATUS | {"pulse": [IDLE, IDLE]}) if line.startswith("last"))

    assert "at most p50 -, p95 -, p99 -, loop late by 0.4ms" in lately
