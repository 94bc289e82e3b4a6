"""From ProxySQL's servers and hostgroups to backends and groups.

The tables come in; backends, groups, and what serves each hostgroup now go out. A writer and a reader hostgroup become
one group; what else shares a hostgroup cannot, for a group has one server that is written to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dbmux.address import TcpAddress
from dbmux.config.values import BACKEND_PORT, read_address
from dbmux.proxysql.findings import Findings
from dbmux.proxysql.tables import Row, Tables
from dbmux.routes import Role

DEFAULT_MAX_CONNECTIONS = 1000
READ_ONLY = "read_only"
# The tables that make two hostgroups one, and whether DbMux finds the primary by itself there.
_PAIRS = {
    "mysql_replication_hostgroups": True,
    "mysql_group_replication_hostgroups": True,
    "mysql_galera_hostgroups": False,
    "mysql_aws_aurora_hostgroups": False,
}
_NOT_OF_GROUPS = {
    "backup_writer_hostgroup": "a group has one primary; what is not it is a replica",
    "offline_hostgroup": "servers that fail are left alone until they are back; there is no group for them",
    "max_transactions_behind": 'measured in seconds here: groups.NAME.max_lag, such as "2s"',
}
_NOT_OF_SERVERS = {
    "compression": "connections to servers are not compressed",
    "max_latency_ms": 'slow servers get less with "balance": "fastest"; none is left out for being slow',
    "gtid_port": 'no agent on the servers is needed; "read_your_writes": "gtid" asks them',
}
_KNOWN = frozenset((
    *_NOT_OF_SERVERS, "hostgroup_id", "hostname", "port", "status", "weight", "max_connections", "max_replication_lag",
    "use_ssl", "comment",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """Two hostgroups of the same data; `row` says so, or is None when rules and users show it."""

    writer: int
    reader: int
    row: Row | None = None
    finds_primary: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """What serves a hostgroup: a group, or a backend, which is a group as well; and which part of it."""

    group: str
    role: Role
    has_replicas: bool

    @property
    def route(self) -> str:
        """As rules write it."""
        return f"{self.group}.{self.role}" if self.has_replicas else self.group


@dataclass(slots=True)
class Hostgroups:
    """The servers' part of a configuration, and what became of each hostgroup."""

    backends: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    served: dict[int, Served] = field(default_factory=dict)


def carry_servers(tables: Tables, split: Sequence[tuple[int, int]], findings: Findings) -> Hostgroups:
    """All servers and hostgroups; `split` are writers and readers that only users and rules show to belong together."""
    rows = list(_usable(tables.get("mysql_servers", ()), findings))
    pairs = list(_pairs(tables, split, {row.number("hostgroup_id") for row in rows}, findings))
    made = Hostgroups()
    names = _names(rows)
    for address, name in names.items():
        same = [row for row in rows if _address(row) == address]
        readers = [row for row in same if any(row.number("hostgroup_id") == pair.reader for pair in pairs)]
        made.backends[name] = _backend(address, same, (readers or same)[0], findings)
    paired: set[int] = set()
    for pair in pairs:
        if not paired & {pair.writer, pair.reader}:
            _join(made, pair, rows, names, findings, len(pairs))
            paired |= {pair.writer, pair.reader}
        elif pair.row is not None:
            findings.tell(pair.row, f"hostgroups {pair.writer} and {pair.reader}", "one is in another pair already")
    for hostgroup in sorted({row.number("hostgroup_id") for row in rows} - paired):
        _stand_alone(made, [row for row in rows if row.number("hostgroup_id") == hostgroup], names, findings)
    return made


def _usable(rows: Iterable[Row], findings: Findings) -> Iterator[Row]:
    for row in rows:
        status = row.text("status").upper()
        for column in sorted(row.values.keys() - _KNOWN):
            findings.tell(row, f"mysql_servers, {column}", "unknown here")
        if not row.text("hostname"):
            findings.tell(row, "a server", "it has no hostname, which is address in a file")
        elif (problem := _problem(row)) is not None:
            findings.tell(row, f"server {_address(row)}", problem)
        elif status.startswith("OFFLINE"):
            findings.tell(row, f"server {_address(row)}", f"its status is {status}; add it when it is back")
        else:
            findings.tell_set(row, _NOT_OF_SERVERS)
            yield row


def _problem(row: Row) -> str | None:
    try:
        address = read_address(_address(row), BACKEND_PORT)
    except ValueError as error:
        return str(error)
    return "no server listens at port 0" if isinstance(address, TcpAddress) and address.port == 0 else None


def _pairs(tables: Tables, split: Sequence[tuple[int, int]], there: set[int], findings: Findings) -> Iterator[Pair]:
    found: set[tuple[int, int]] = set()
    for table, finds_primary in _PAIRS.items():
        for row in tables.get(table, ()):
            pair = Pair(row.number("writer_hostgroup"), row.number("reader_hostgroup", -1), row, finds_primary)
            what = f"hostgroups {pair.writer} and {pair.reader}"
            if not row.is_on("active", 1):
                findings.tell(row, what, "the row is not active")
            elif not there & {pair.writer, pair.reader}:
                findings.tell(row, what, "no server is in them")
            else:
                _tell_differences(row, table, findings)
                found.add((pair.writer, pair.reader))
                yield pair
    for writer, reader in split:
        if (writer, reader) not in found:
            yield Pair(writer, reader)


def _tell_differences(row: Row, table: str, findings: Findings) -> None:
    check = row.text("check_type") or READ_ONLY
    if table == "mysql_replication_hostgroups" and check != READ_ONLY:
        findings.tell(row, f"check_type {check}", 'the primary is the server whose read_only is off ("roles": "auto")')
    elif table == "mysql_galera_hostgroups":
        findings.tell(row, table, "the cluster's state is not followed; the primary is the one that is configured")
    elif table == "mysql_aws_aurora_hostgroups":
        findings.tell(row, table, "Aurora's topology is not followed; the group has the servers that were there")
    elif table == "mysql_group_replication_hostgroups":
        findings.tell(row, table, 'the primary is the server whose read_only is off ("roles": "auto"), and no more')
    if row.number("max_writers", 1) > 1:
        findings.tell(row, "max_writers", "a group has one primary, to which all writes go")
    findings.tell_set(row, _NOT_OF_GROUPS)


def _names(rows: Iterable[Row]) -> dict[str, str]:
    # The host's own name; what would be there twice gets longer.
    hosts: dict[str, tuple[str, str, str]] = {}
    for row in rows:
        hosts.setdefault(_address(row), _spellings(row.text("hostname"), row.number("port", BACKEND_PORT)))
    names: dict[str, str] = {}
    for address, spellings in hosts.items():
        alone = (one for at, one in enumerate(spellings) if [other[at] for other in hosts.values()].count(one) == 1)
        name = next((one for one in alone if one not in names.values()), address)
        names[address] = name
    return names


def _spellings(host: str, port: int) -> tuple[str, str, str]:
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", host).strip("-") or "db"
    if host.startswith("/"):
        return plain, plain, plain
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.partition(".")[0] or plain, plain, f"{plain}-{port}"
    return f"db-{plain}", f"db-{plain}", f"db-{plain}-{port}"


def _address(row: Row) -> str:
    host, port = row.text("hostname"), row.number("port", BACKEND_PORT)
    if host.startswith("/"):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _backend(address: str, same: Sequence[Row], leading: Row, findings: Findings) -> dict[str, Any]:
    made: dict[str, Any] = {"address": address}
    weight = leading.number("weight", 1)
    if weight != 1:
        made["weight"] = weight
    for row in same:
        if row.number("weight", 1) != weight:
            findings.tell(row, "weight", f"a server has one weight; the {weight} of {leading.place} was taken")
    most = max(row.number("max_connections", DEFAULT_MAX_CONNECTIONS) for row in same)
    if most == 0:
        findings.tell(leading, "max_connections 0", "leave the server out of its group, or give it weight 0")
    elif most != DEFAULT_MAX_CONNECTIONS:
        made["max_connections"] = most
    if any(row.is_on("use_ssl") for row in same):
        made["tls"] = "required"
    return made


def _join(
    made: Hostgroups, pair: Pair, rows: Sequence[Row], names: Mapping[str, str], findings: Findings, pairs: int
) -> None:
    writers = [row for row in rows if row.number("hostgroup_id") == pair.writer]
    readers = [row for row in rows if row.number("hostgroup_id") == pair.reader]
    if not (writers or readers):
        return
    members = list(dict.fromkeys(names[_address(row)] for row in (*_heaviest_first(writers), *readers)))
    name = _group_name(pair, pairs, made)
    if pair.row is not None and not pair.finds_primary and not writers:
        findings.tell(pair.row, f"group {name}", f"no server is in the writer hostgroup; {members[0]} was taken")
    for row in _heaviest_first(writers)[1:]:
        findings.tell(row, f"a second writer, {names[_address(row)]}", f"a replica of {name} now, which takes reads")
    group: dict[str, Any] = {"primary": members[0]}
    if len(members) > 1:
        group["replicas"] = members[1:]
        if members[0] in {names[_address(row)] for row in readers} and writers:
            group["reads"] = "all"
        if pair.finds_primary:
            group["roles"] = "auto"
        _limit_lag(group, name, readers, findings)
    made.groups[name] = group
    made.served[pair.writer] = Served(name, Role.PRIMARY, len(members) > 1)
    made.served[pair.reader] = Served(name, Role.REPLICA, len(members) > 1)


def _heaviest_first(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -row.number("weight", 1))


def _limit_lag(group: dict[str, Any], name: str, readers: Sequence[Row], findings: Findings) -> None:
    limits = [row.number("max_replication_lag") for row in readers]
    if most := min((limit for limit in limits if limit > 0), default=0):
        group["max_lag"] = f"{most}s"
    for row, limit in zip(readers, limits, strict=True):
        if limit != most:
            findings.tell(row, "max_replication_lag", f"a group has one limit; {name} got the smallest, {most}s")


def _group_name(pair: Pair, pairs: int, made: Hostgroups) -> str:
    comment = pair.row.text("comment") if pair.row is not None else ""
    for name in (comment if re.fullmatch(r"[A-Za-z][\w-]{0,30}", comment) else "", "main" if pairs == 1 else ""):
        if name and name not in made.groups and name not in made.backends:
            return name
    name = f"hg{pair.writer}"
    while name in made.groups or name in made.backends:
        name += "-group"
    return name


def _stand_alone(made: Hostgroups, rows: Sequence[Row], names: Mapping[str, str], findings: Findings) -> None:
    # Hostgroups of one server are that backend.
    first, *others = _heaviest_first(rows)
    name = names[_address(first)]
    for row in others:
        findings.tell(
            row,
            f"server {_address(row)} in hostgroup {row.number('hostgroup_id')}",
            f"no table says which of its servers is written to, so all goes to {name}; "
            "if the others are replicas of it, make a group",
        )
    made.served[first.number("hostgroup_id")] = Served(name, Role.PRIMARY, has_replicas=False)
