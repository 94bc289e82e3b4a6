"""ProxySQL's configuration carried over: what it says as an appconfig.json, and all that it says in vain.

Tables come in; the text of a configuration goes out, which is valid, with the findings and the environment variables
that it needs. Raises `ConfigError` where nothing valid can be made, as without a server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbmux.address import TcpAddress
from dbmux.config.load import loads
from dbmux.config.values import DEFAULT_PORT, read_address
from dbmux.errors import ConfigError
from dbmux.proxysql.findings import Finding, Findings
from dbmux.proxysql.hostgroups import Hostgroups, carry_servers
from dbmux.proxysql.rules import Rules, carry_rules, usual_split
from dbmux.proxysql.tables import VARIABLES, Tables
from dbmux.proxysql.users import Passwords, Secrets, carry_users, homes
from dbmux.proxysql.variables import DEFAULT_INTERFACES, DEFAULT_MONITOR, carry_monitor, carry_variables, interfaces

_CARRIED = frozenset((
    VARIABLES, "mysql_servers", "mysql_users", "mysql_query_rules", "mysql_query_rules_fast_routing",
    "mysql_replication_hostgroups", "mysql_group_replication_hostgroups", "mysql_galera_hostgroups",
    "mysql_aws_aurora_hostgroups",
))  # fmt: skip
_TABLES = {
    "mysql_hostgroup_attributes": "pools and groups have settings of their own: backends.NAME, groups.NAME",
    "mysql_firewall_whitelist_rules": "there is no whitelist; `reject` rules refuse what they name",
    "scheduler": "no programs are run; let cron or systemd do that",
    "proxysql_servers": "processes do not tell each other their configuration; give each the same file",
}
# The order in which the parts of a configuration are read best.
_ORDER = ("listen", "default", "backends", "groups", "users", "login", "service", "cache", "rules", "timeouts",
          "limits")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Carried:
    """The configuration's text, what is to be told, and the variables that must be set, with whose password each is."""

    text: str
    told: tuple[Finding, ...]
    without_counterpart: tuple[Finding, ...]
    variables: Mapping[str, str]


def carry(tables: Tables, passwords: Passwords) -> Carried:
    """Everything that can be; raises ConfigError."""
    findings, secrets = Findings(), Secrets(passwords)
    hostgroups = carry_servers(tables, usual_split(tables), findings)
    if not hostgroups.backends:
        told = map(str, findings.in_order())
        raise ConfigError((f"no server can be carried over: {_why_without_server(tables)}", *told))
    belonging = homes(tables, hostgroups.served)
    groups = {user: home.group for user, home in belonging.items()}
    users, own_rules = carry_users(tables, hostgroups.served, secrets, findings)
    rules = carry_rules(tables, hostgroups.served, belonging, findings)
    _observe_without_split(hostgroups, rules.split, findings)
    made: dict[str, Any] = {
        **_entrances(tables, hostgroups, groups, findings),
        "backends": {name: _short(backend, "address") for name, backend in hostgroups.backends.items()},
        "groups": {name: _short(group, "primary") for name, group in hostgroups.groups.items()},
        "users": users,
        "rules": {**rules.rules, **own_rules},
        **carry_variables(tables, findings),
        **_service(tables, hostgroups, rules, secrets),
    }
    if not users:
        made["login"] = "learn"
    for name, rows in tables.items():
        for row in rows if name not in _CARRIED else ():
            findings.tell(row, name, _TABLES.get(name, "is not known here, or not carried over"))
    text = json.dumps({key: made[key] for key in _ORDER if made.get(key)}, indent=2, ensure_ascii=False) + "\n"
    # Whatever stood there: nothing goes out that DbMux would refuse.
    loads(text, "the configuration that was made", dict.fromkeys(secrets.variables, "x"))
    return Carried(text, findings.in_order(), tuple(findings.without_counterpart), secrets.variables)


def _why_without_server(tables: Tables) -> str:
    if not any(tables.values()):
        return "nothing is in it at all"
    if not tables.get("mysql_servers"):
        there = ", ".join(name for name, rows in tables.items() if rows)
        return f"there is no mysql_servers, or nothing in it; there is {there}"
    return "of mysql_servers none can be used"


def _observe_without_split(hostgroups: Hostgroups, split: frozenset[str], findings: Findings) -> None:
    # Where no rule sent the reads away, all went to the writer, but for those that a rule names.
    for name, group in hostgroups.groups.items():
        if "replicas" in group and name not in split:
            group["observe"] = True
            why = 'no rule sends all SELECTs to its readers, so it has "observe": true: take that away to balance reads'
            findings.told.append(Finding("mysql_query_rules", f"group {name}", why))


def _service(tables: Tables, hostgroups: Hostgroups, rules: Rules, secrets: Secrets) -> dict[str, Any]:
    # Groups with replicas ask their servers how far they are; that is what ProxySQL's monitor is for. The query cache
    # asks them what there is.
    is_cached = any("cache" in rule for rule in rules.rules.values())
    is_needed = is_cached or any("replicas" in group for group in hostgroups.groups.values())
    return carry_monitor(tables, secrets, usual=DEFAULT_MONITOR if is_needed else "")


def _entrances(
    tables: Tables, hostgroups: Hostgroups, belonging: Mapping[str, str], findings: Findings
) -> dict[str, Any]:
    # One group for each address: the one of most users first, the others at ports after it.
    addresses = list(_listenable(tables, findings))
    counted = [*belonging.values()] or [target.group for target in hostgroups.served.values()][:1]
    addresses = addresses or [DEFAULT_INTERFACES]
    groups = sorted(dict.fromkeys(counted), key=lambda group: -counted.count(group))
    if len(groups) == 1 and len(addresses) == 1:
        return {"listen": addresses[0], "default": groups[0]}
    listen = dict.fromkeys(addresses, groups[0])
    rows = {row.text("username"): row for row in tables.get("mysql_users", ())}
    for group in groups[1:]:
        address = _next_free(listen)
        listen[address] = group
        for user in (user for user, home in belonging.items() if home == group):
            what = f"user {user}, default_hostgroup {rows[user].number('default_hostgroup')}"
            findings.tell(rows[user], what, f"it must connect to {address}, which serves {group}: a group has its port")
    return {"listen": listen}


def _listenable(tables: Tables, findings: Findings) -> Iterator[str]:
    for row, address in interfaces(tables):
        try:
            read_address(address, DEFAULT_PORT)
        except ValueError as error:
            findings.tell(row, f"mysql-interfaces {address}", str(error))
        else:
            yield address


def _next_free(listen: Mapping[str, str]) -> str:
    taken = [read_address(one, DEFAULT_PORT) for one in listen]
    ports = [one.port for one in taken if isinstance(one, TcpAddress)] or [DEFAULT_PORT - 1]
    host = next((one.host for one in taken if isinstance(one, TcpAddress)), "127.0.0.1")
    return str(TcpAddress(host, max(ports) + 1))


def _short(section: Mapping[str, Any], main: str) -> Any:
    return section[main] if len(section) == 1 else section
