"""`dbmux routes`: which server takes what, as people read it."""

from __future__ import annotations

from typing import Any

import pytest

from dbmux.commands.routes import lines

PRIMARY: dict[str, Any] = {
    "name": "db1",
    "role": "primary",
    "state": "up",
    "takes_reads": False,
    "no_reads": "",
    "lag_seconds": None,
    "busy": 0,
    "connections": 0,
    "limit": None,
    "waiting": 0,
}
REPLICA = PRIMARY | {"name": "db2", "role": "replica", "takes_reads": True}
DRAINED = REPLICA | {"takes_reads": False}


@pytest.mark.parametrize(
    ("servers", "more", "takes"),
    [
        ([PRIMARY, REPLICA], {}, ["writes", "reads"]),
        ([PRIMARY], {}, ["reads and writes"]),
        ([PRIMARY, DRAINED], {}, ["reads and writes", "nothing"]),
        ([PRIMARY, REPLICA], {"observe": True}, ["reads and writes", "reads"]),
        ([PRIMARY, REPLICA], {"primary_reads": True}, ["reads and writes", "reads"]),
        ([PRIMARY, REPLICA], {"writable": False}, ["nothing", "reads"]),
    ],
    ids=["both", "an only one", "none but the primary", "observed", "shared", "away"],
)
def test_a_primary_takes_reads_where_no_other_server_does(
    servers: list[dict[str, Any]], more: dict[str, Any], takes: list[str]
) -> None:
    group = {"name": "main", "writable": True, "observe": False, "observed": 0, "servers": servers, **more}

    told = [
        line.split("  up")[1].split("  -")[0].strip()
        for line in lines({"groups": [group], "rules": []})
        if "  up" in line
    ]

    assert told == takes
