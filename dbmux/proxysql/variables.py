"""From ProxySQL's variables to listen addresses, time limits, limits and the service account.

Rows come in, parts of a configuration go out. Most variables have no counterpart, because they tune how ProxySQL
works inside; those are counted, not told.
"""

from __future__ import annotations

from typing import Any

from dbmux.proxysql.findings import Finding, Findings
from dbmux.proxysql.tables import VARIABLES, Row, Tables
from dbmux.proxysql.users import Secrets

DEFAULT_INTERFACES = "0.0.0.0:6033"
DEFAULT_MONITOR = "monitor"
# Milliseconds each, and the value that is as good as none.
_TIMEOUTS = {
    "mysql-default_query_timeout": ("query", 36_000_000),
    "mysql-connect_timeout_server": ("connect", 0),
    "mysql-connect_timeout_server_max": ("pool_wait", 0),
    "mysql-wait_timeout": ("idle", 0),
    "mysql-connection_max_age_ms": ("pool_lifetime", 0),
}
_CARRIED = frozenset((
    *_TIMEOUTS, "mysql-interfaces", "mysql-max_connections", "mysql-monitor_username", "mysql-monitor_password",
))  # fmt: skip
_CACHE_SIZE = "mysql-query_cache_size_mb"
# What somebody set on purpose, and would miss.
_TOLD = {
    "mysql-threads": "one process uses one core",
    "mysql-init_connect": "no statement is run on new connections",
    "mysql-ssl_p2s_ca": 'name it for each server: "tls": {"mode": "verify_ca", "ca": …}',
    "mysql-ssl_p2s_cert": "name it for each server: backends.NAME.tls.certificate",
    "mysql-ssl_p2s_key": "name it for each server: backends.NAME.tls.key",
    "mysql-max_transaction_time": "transactions have no time limit of their own",
    "mysql-firewall_whitelist_enabled": "there is no whitelist; `reject` rules refuse what they name",
    "mysql-eventslog_filename": "`log.queries` writes statements to a file, in a form of its own",
    "mysql-default_schema": "let clients name their schema when they connect",
    "mysql-multiplexing": 'connections are shared; "login": "relay", with one server and without `users`, gives each '
    "client one of its own",
}
_OFF = ("", "0", "false")
# Those that are on unless somebody set them off.
_TOLD_OFF = frozenset(("mysql-multiplexing",))
_USUAL = {
    "mysql-threads": "4", "mysql-max_transaction_time": "14400000",
    "mysql-default_schema": "information_schema",
}  # fmt: skip


def interfaces(tables: Tables) -> list[tuple[Row, str]]:
    """Where ProxySQL listens for clients, and which row says so."""
    there = [row for row in tables.get(VARIABLES, ()) if row.text("variable_name") == "mysql-interfaces"]
    row = there[-1] if there else Row("mysql-interfaces", {"variable_value": DEFAULT_INTERFACES})
    return [(row, one.strip()) for one in row.text("variable_value").split(";") if one.strip()]


def carry_variables(tables: Tables, findings: Findings) -> dict[str, Any]:
    """Time limits and limits, and the room of the query cache."""
    made: dict[str, Any] = {}
    timeouts: dict[str, str] = {}
    for row in tables.get(VARIABLES, ()):
        name, value = row.text("variable_name"), row.text("variable_value")
        if name in _TIMEOUTS:
            key, none = _TIMEOUTS[name]
            if (ms := _whole(row)) not in (0, none):
                timeouts[key] = f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"
        elif name == "mysql-max_connections" and _whole(row):
            made["limits"] = {"clients": _whole(row)}
        elif name.lower() == _CACHE_SIZE and _whole(row):
            made["cache"] = {"memory": f"{_whole(row)}MB"}
        elif name in _TOLD:
            if _is_unusual(name, value):
                findings.tell(row, name, _TOLD[name])
        elif name not in _CARRIED:
            findings.without_counterpart.append(Finding(row.place, name, "has no counterpart"))
    if timeouts:
        made["timeouts"] = timeouts
    return made


def _is_unusual(name: str, value: str) -> bool:
    if name in _TOLD_OFF:
        return value.lower() in _OFF
    return value not in (*_OFF, _USUAL.get(name))


def carry_monitor(tables: Tables, secrets: Secrets, usual: str) -> dict[str, Any]:
    """The monitor's account as the service account; `usual` is its name, and its password, where none is written."""
    values = _values(tables)
    user = values.get("mysql-monitor_username", usual)
    if not user:
        return {}
    password = values.get("mysql-monitor_password", usual)
    return {"service": {"user": user, **({"password": secrets.written(user, password)} if password else {})}}


def _values(tables: Tables) -> dict[str, str]:
    return {row.text("variable_name"): row.text("variable_value") for row in tables.get(VARIABLES, ())}


def _whole(row: Row) -> int:
    return Row(f"{row.place}: {row.text('variable_name')}", row.values).number("variable_value")
