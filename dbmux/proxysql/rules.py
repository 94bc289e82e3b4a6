"""From ProxySQL's query rules to rules.

Rows and what serves each hostgroup come in; rules go out, in the same order, and a finding for each that could not be
carried over, or not whole. The split of reads from writes that most configurations begin with is what a group does by
itself, and becomes no rule.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dbmux.config.environment import literally
from dbmux.proxysql.findings import Findings
from dbmux.proxysql.hostgroups import Served
from dbmux.proxysql.patterns import Meaning, meaning
from dbmux.proxysql.tables import Row, Tables
from dbmux.proxysql.taken import Taker, may_meet, taker_of_all, takers_of_some
from dbmux.routes import Role

# What ProxySQL answers with an error_msg.
REJECTED = 1148

# Rules that have one of these mean something that no rule here can say.
_WHOLE = {
    "flagIN": "rules do not lead to other rules; the first that matches holds",
    "flagOUT": "rules do not lead to other rules; the first that matches holds",
    "next_query_flagIN": "a rule holds for one statement, not for the next",
    "proxy_addr": "a rule does not know the listen address; map each address to a group with `listen`",
    "proxy_port": "a rule does not know the listen address; map each address to a group with `listen`",
    "digest": "digests have other numbers here; write the statement's text as `digest`",
    "negate_match_pattern": "a rule has no opposite; write rules for what is meant before one for the rest",
    "replace_pattern": "statements are not rewritten",
    "OK_msg": "no statement is answered without a server; `reject` answers with an error",
}
# What a rule can do without.
_PARTS = {
    "cache_empty_result": "an empty result is stored like any other",
    "cache_timeout": "there is no time limit for it",
    "reconnect": "a read that a server did not begin to answer is sent to another by itself",
    "retries": "a read that a server did not begin to answer is sent to another by itself; a write never is",
    "delay": "statements are not delayed",
    "mirror_hostgroup": "a server is mirrored, not a statement: see `mirrors`",
    "mirror_flagOUT": "a server is mirrored, not a statement: see `mirrors`",
    "sticky_conn": "what needs its connection keeps it by itself",
    "gtid_from_hostgroup": 'set "read_your_writes": "gtid" for the group',
    "log": "`log.queries` writes the statements that its filter lets through to a file",
    "attributes": "unknown here",
}
_KNOWN = frozenset((
    *_WHOLE, *_PARTS, "rule_id", "active", "username", "schemaname", "client_addr", "match_digest", "match_pattern",
    "re_modifiers", "destination_hostgroup", "timeout", "cache_ttl", "error_msg", "multiplex", "apply", "comment",
))  # fmt: skip


@dataclass(slots=True)
class _Carrying:
    served: Mapping[int, Served]
    homes: Mapping[str, Served]
    findings: Findings
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    split: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    takers: list[Taker] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules, and the groups whose reads all went to their readers."""

    rules: Mapping[str, Mapping[str, Any]]
    split: frozenset[str]


def usual_split(tables: Tables) -> list[tuple[int, int]]:
    """Writers and readers that belong together: the users' own hostgroup, and where a rule sends all their SELECTs."""
    homes = {row.number("default_hostgroup") for row in tables.get("mysql_users", ()) if row.is_on("active", 1)}
    readers = {
        row.number("destination_hostgroup")
        for row in tables.get("mysql_query_rules", ())
        if row.is_on("active") and _has_no_user(row) and (found := _meaning(row)) is not None and found.is_plain_select
        if row.text("destination_hostgroup")
    }
    return [(next(iter(homes)), next(iter(readers)))] if len(homes) == len(readers) == 1 and homes != readers else []


def carry_rules(tables: Tables, served: Mapping[int, Served], homes: Mapping[str, Served], findings: Findings) -> Rules:
    """All rules; DbMux, too, takes the first that matches. `homes` are what serves the users' own hostgroups."""
    carrying = _Carrying(served, homes, findings)
    rows = sorted(tables.get("mysql_query_rules", ()), key=lambda row: row.number("rule_id"))
    active = [row for row in rows if _is_active(row, findings)]
    for at, row in enumerate(active):
        _carry(row, carrying, is_last=at == len(active) - 1)
    # Those for one user go before those for everybody.
    fast = sorted(tables.get("mysql_query_rules_fast_routing", ()), key=lambda row: not row.text("username"))
    for at, row in enumerate(fast):
        _carry_fast(row, fast[at + 1 :], carrying)
    return Rules(carrying.rules, frozenset(carrying.split))


def _is_active(row: Row, findings: Findings) -> bool:
    if not row.is_on("active"):
        findings.tell(row, f"rule {row.text('rule_id')}", "it is not active")
    return row.is_on("active")


def _carry(row: Row, carrying: _Carrying, *, is_last: bool) -> None:
    name, findings = f"rule {row.text('rule_id')}", carrying.findings
    found = _meaning(row)
    if (obstacle := _obstacle(row, found, carrying, is_last=is_last)) is not None:
        findings.tell(row, name, obstacle)
        carrying.left_out.append(row.text("rule_id"))
        return
    assert found is not None
    for column, reason in _PARTS.items():
        if row.text(column) not in ("", "0"):
            findings.tell(row, f"{name}, {column} {row.text(column)}", reason)
    for column in row.values.keys() - _KNOWN:
        findings.tell(row, f"{name}, {column}", "unknown here")
    if row.text("multiplex"):
        why = "DbMux finds by itself what has to keep its connection, and for how long"
        findings.tell(row, f"{name}, multiplex {row.text('multiplex')}", why)
    conditions, actions = _conditions(row, found), _actions(row, carrying.served)
    if _is_split(found, actions, row, carrying):
        _leave_to_group(row, found, carrying)
    elif actions:
        _add_noted(row, found, {**conditions, **actions}, carrying)
        if (target := _reader(found, row, carrying.served)) is not None and _has_no_user(row):
            carrying.split.add(target.group)
    elif row.is_on("apply"):
        _keep_home(row, found, conditions, carrying)
    else:
        findings.tell(row, name, "nothing is left for it to do")


def _keep_home(row: Row, found: Meaning, conditions: Mapping[str, Any], carrying: _Carrying) -> None:
    # Without an action, too, such a rule is the last for what it matches, which stays in its user's own hostgroup.
    routes = {home.route for home in _homes(row, carrying.homes)}
    if len(routes) == 1:
        _add_noted(row, found, {**conditions, "route": routes.pop()}, carrying)
        return
    why = "it kept what it matches where its users are, and which group that is cannot be told"
    why += "; its statements now go on to the later rules"
    carrying.findings.tell(row, f"rule {row.text('rule_id')}", why)
    carrying.left_out.append(row.text("rule_id"))


def _add_noted(row: Row, found: Meaning, rule: dict[str, Any], carrying: _Carrying) -> None:
    name = f"rule {row.text('rule_id')}"
    _add(row, name.replace(" ", "_"), rule, carrying)
    if found.note:
        carrying.findings.tell(row, f"{name}, {_pattern(row)}", found.note)


def _add(row: Row, name: str, rule: dict[str, Any], carrying: _Carrying) -> None:
    if missing := [*carrying.left_out, *(one.number for one in takers_of_some(rule, carrying.takers))]:
        numbers = ", ".join(missing)
        why = f"it now also sees what {numbers} took before it; look whether that is right"
        carrying.findings.tell(row, name.replace("_", " "), why)
        carrying.left_out.clear()
    unique, count = name, 2
    while unique in carrying.rules:
        unique, count = f"{name}_{count}", count + 1
    carrying.rules[unique] = rule


def _obstacle(row: Row, found: Meaning | None, carrying: _Carrying, *, is_last: bool) -> str | None:
    for column, reason in _WHOLE.items():
        if row.text(column) not in ("", "0"):
            return f"{column}: {reason}"
    if found is None:
        return f"what {_pattern(row)!r} stands for is not certain; write it as digest, table or kind"
    if row.text("match_digest") and row.text("match_pattern"):
        return "match_digest and match_pattern together; write one condition"
    modifiers = row.text("re_modifiers").upper()
    if _pattern(row) and modifiers and "CASELESS" not in modifiers:
        return f"re_modifiers {modifiers}: upper and lower case are the same in keywords here"
    if row.text("client_addr") and _network(row.text("client_addr")) is None:
        return f"client_addr {row.text('client_addr')}: an address or a network is needed"
    hostgroup = row.text("destination_hostgroup")
    if hostgroup and row.number("destination_hostgroup") not in carrying.served:
        return f"no server is in hostgroup {hostgroup}"
    target = _reader(found, row, carrying.served)
    if target is not None and target.group not in _home_groups(row, carrying.homes):
        return (
            f"it sends the reads of another group to {target.group}, and a rule would send locking reads to its primary"
        )
    if not row.is_on("apply") and not is_last:
        return "apply is 0, so later rules may change what it does; here the first that matches is the last"
    return _taken(_conditions(row, found), carrying)


def _taken(conditions: Mapping[str, Any], carrying: _Carrying) -> str | None:
    # A rule of the split that became none does not keep statements from the rules after it.
    taker = taker_of_all(conditions, carrying.takers)
    if taker is None:
        return None
    return f"rule {taker.number} took every SELECT before it, and is no rule here; say with `kind` what is left"


def _meaning(row: Row) -> Meaning | None:
    return meaning(_pattern(row).strip())


def _pattern(row: Row) -> str:
    return row.text("match_digest") or row.text("match_pattern")


def _has_no_user(row: Row) -> bool:
    return not any(row.text(column) for column in ("username", "schemaname", "client_addr", "proxy_addr", "proxy_port"))


def _conditions(row: Row, found: Meaning) -> dict[str, Any]:
    return {**_session(row), **found.conditions}


def _session(row: Row) -> dict[str, str]:
    # What is asked of the session, whatever the statement.
    made = {
        "user": row.text("username"),
        "schema": row.text("schemaname"),
        "client": _network(row.text("client_addr")) or "",
    }
    return {key: value for key, value in made.items() if value}


def _network(written: str) -> str | None:
    # MySQL's way to write a network, as far as it ends between two numbers.
    if (found := re.fullmatch(r"((?:\d{1,3}\.){1,3})%", written)) is not None:
        octets = found[1].rstrip(".").split(".")
        written = f"{'.'.join([*octets, *['0'] * (4 - len(octets))])}/{8 * len(octets)}"
    try:
        return str(ipaddress.ip_network(written))
    except ValueError:
        return None


def _actions(row: Row, served: Mapping[int, Served]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if row.text("destination_hostgroup"):
        made["route"] = served[row.number("destination_hostgroup")].route
    if row.text("error_msg"):
        made["reject"] = {"code": REJECTED, "message": literally(row.text("error_msg"))}
    if row.number("timeout"):
        made["timeout"] = f"{row.number('timeout')}ms"
    if row.number("cache_ttl"):
        made["cache"] = f"{row.number('cache_ttl')}ms"
    return made


def _is_split(found: Meaning, actions: Mapping[str, Any], row: Row, carrying: _Carrying) -> bool:
    if found.is_locking_read:
        return True
    target = _reader(found, row, carrying.served)
    return target is not None and len(actions) == 1 and target.group in _home_groups(row, carrying.homes)


def _reader(found: Meaning, row: Row, served: Mapping[int, Served]) -> Served | None:
    # Where a rule sends all SELECTs to, if those are replicas.
    if not found.is_plain_select or not row.text("destination_hostgroup"):
        return None
    target = served.get(row.number("destination_hostgroup"))
    return target if target is not None and target.has_replicas and target.role is Role.REPLICA else None


def _home_groups(row: Row, homes: Mapping[str, Served]) -> set[str]:
    return {home.group for home in _homes(row, homes)}


def _homes(row: Row, homes: Mapping[str, Served]) -> set[Served]:
    # Of those who log in with the name that the row asks for, or of all.
    user = row.text("username")
    return set(homes.values()) if not user else {homes[user]} if user in homes else set()


def _leave_to_group(row: Row, found: Meaning, carrying: _Carrying) -> None:
    name = f"rule {row.text('rule_id')}"
    target = carrying.served.get(row.number("destination_hostgroup"))
    if not found.is_locking_read:
        why = "a group sends what surely only reads to its replicas by itself; no rule is needed"
        if not _has_no_user(row):
            why += ", and here it does so for everybody"
        elif len(_home_groups(row, carrying.homes)) > 1:
            why += "; those of other groups' users stay in their group now"
        if target is not None:
            carrying.takers.append(Taker(row.text("rule_id"), _session(row), target.group, target.route))
            carrying.split.add(target.group)
    elif target is not None and target.role is Role.PRIMARY:
        why = "a group sends locking reads to its primary by itself; no rule is needed"
    else:
        why = "a rule cannot ask for locking reads only; they go to the primary"
    carrying.findings.tell(row, f"{name}, {_pattern(row)}", why)


def _carry_fast(row: Row, others: Iterable[Row], carrying: _Carrying) -> None:
    target = carrying.served.get(row.number("destination_hostgroup"))
    name = f"fast routing of {row.text('username') or 'everybody'} in {row.text('schemaname') or 'every schema'}"
    conditions = _session(row)
    if target is None:
        carrying.findings.tell(row, name, f"no server is in hostgroup {row.text('destination_hostgroup')}")
    elif row.number("flagIN"):
        carrying.findings.tell(row, name, _WHOLE["flagIN"])
    elif not _is_split_at_home(row, target, carrying):
        _add(row, _fast_name(conditions), {**conditions, "route": target.route}, carrying)
    elif any(may_meet(_session(other), conditions) for other in others):
        # A rule without a route: it keeps the statements from the rules after it, and the group splits them.
        carrying.rules[_fast_name(conditions)] = conditions
    else:
        carrying.findings.tell(row, name, "its group is theirs, and sends reads to its replicas; no rule is needed")


def _is_split_at_home(row: Row, target: Served, carrying: _Carrying) -> bool:
    # Fast routing is for what no rule sent anywhere; a rule that names the primary would take the reads as well.
    is_home = _homes(row, carrying.homes) == {target} and target.role is Role.PRIMARY
    takers = (one for one in carrying.takers if may_meet(one.conditions, _session(row)))
    return is_home and any(one.group == target.group for one in takers)


def _fast_name(conditions: Mapping[str, str]) -> str:
    return "_".join(("fast", *(re.sub(r"\W+", "_", value) for value in conditions.values())))
