"""Variables that servers of a group have otherwise."""

from __future__ import annotations

from dbmux.control.variables import differing

FIRST = {
    "sql_mode": "STRICT",
    "max_connections": "100",
    "hostname": "a",
    "server_id": "1",
    "datadir": "/a",
    "gtid_binlog_pos": "0-1-5",
}
SECOND = {
    "sql_mode": "",
    "max_connections": "100",
    "hostname": "b",
    "server_id": "2",
    "datadir": "/b",
    "query_cache_size": "0",
}


def test_what_differs_is_told_with_each_servers_value() -> None:
    told = {one["name"]: one["values"] for one in differing({"db1": FIRST, "db2": SECOND})}

    assert told["sql_mode"] == {"db1": "STRICT", "db2": ""}
    assert told["query_cache_size"] == {"db1": None, "db2": "0"}


def test_what_is_alike_or_must_differ_is_not() -> None:
    names = {one["name"] for one in differing({"db1": FIRST, "db2": SECOND})}

    assert names.isdisjoint(("max_connections", "hostname", "server_id", "datadir", "gtid_binlog_pos"))


def test_one_server_differs_from_nothing() -> None:
    assert differing({"db1": FIRST}) == []
