"""What is ordered for one statement: by a hint in it, or by the first rule that matches it.

A statement and its meaning come in, with the session's rules; orders go out, or the error with which it is refused.
A hint goes before a rule where both say something. Never carries anything out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from dbmux.backend.group import Group
from dbmux.backend.topology import Target, Topology
from dbmux.config.model import CachePolicy, Rule
from dbmux.config.units import count, seconds
from dbmux.errors import ErrorCode, MySQLError
from dbmux.frontend.gtids import is_gtid
from dbmux.frontend.rules import Named
from dbmux.query import Access, Query
from dbmux.routes import ROUTES, Reason, Role, Route
from dbmux.sql.hint import MALFORMED
from dbmux.wire.replies import Err, err_from

_KEYS = ("route", "timeout", "max_rows", "gtid", "cache", "nocache", "ttl")
# The SQLSTATEs of errors that rules are likely to name; others have the general one.
_STATES = {
    1040: b"08004",
    1044: b"42000",
    1045: b"28000",
    1048: b"23000",
    1049: b"42000",
    1062: b"23000",
    1064: b"42000",
    1142: b"42000",
    1146: b"42S02",
    1213: b"40001",
    1226: b"42000",
    1227: b"42000",
    1235: b"42000",
}


class Orders(NamedTuple):
    """Everything that a rule and a hint say; `rule` is the rule's name, `would` what it would do and only observes.

    `cached_by`, `timed_by` and `counted_by` say which of them `cache`, `timeout_s` and `max_rows` are of.
    """

    rule: str = ""
    would: str = ""
    target: Target | None = None
    route: Route | None = None
    refusal: Err | None = None
    timeout_s: float | None = None
    max_rows: int | None = None
    gtid: bytes = b""
    cache: CachePolicy | Literal[False] | None = None
    cached_by: str = ""
    timed_by: str = ""
    counted_by: str = ""


def orders(
    query: Query, hints: Mapping[str, str] | None, named: Named | None, topology: Topology, home: Group
) -> Orders | None:
    """The orders for a statement of a session of the group `home`; raises MySQLError for a hint that makes no sense."""
    told = Orders() if named is None else _by_rule(*named, topology, home)
    if hints is not None:
        told = _by_hint(told, hints, topology, home)
    is_for_replica = told.target is not None and told.target.role is Role.REPLICA
    if is_for_replica and query.access is Access.LOCKING_READ:
        told = _locking(told)
    elif is_for_replica and query.access is Access.WRITE:
        who = f"rule {told.rule}" if told.route is not None and told.route.reason is Reason.RULE else "a hint"
        error = MySQLError(
            ErrorCode.READ_ONLY,
            f"{who} sends this statement to a replica, which takes no writes; mend the one or the other",
        )
        told = told._replace(refusal=err_from(error))
    return told if named is not None or hints is not None else None


def _locking(told: Orders) -> Orders:
    # At a replica its lock would keep nobody away. Who hints knows of this very statement; who writes a rule need not.
    if told.target is None or told.route is None or told.route.reason is Reason.HINT:
        return told
    route = ROUTES[Role.PRIMARY, Reason.LOCKING_READ]._replace(rule=told.rule)
    return told._replace(target=Target(told.target.group, Role.PRIMARY), route=route)


def _by_rule(name: str, rule: Rule, topology: Topology, home: Group) -> Orders:
    if rule.observe:
        return Orders(rule=name, would=_would(rule))
    target = None if rule.route is None else topology.target(rule.route, home)
    return Orders(
        rule=name,
        target=target,
        route=None if target is None else ROUTES[target.role, Reason.RULE]._replace(rule=name),
        refusal=None if rule.reject is None else _rejection(name, rule.reject.code, rule.reject.message),
        timeout_s=rule.timeout,
        max_rows=rule.max_rows,
        cache=rule.cache,
        cached_by=f"rule {name}",
        timed_by=f"rule {name}",
        counted_by=f"rule {name}",
    )


def _would(rule: Rule) -> str:
    if rule.reject is not None:
        return "reject"
    if rule.cache is False:
        return "nocache"
    told = [
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in (
            ("route", rule.route),
            ("timeout", rule.timeout),
            ("max_rows", rule.max_rows),
            ("cache", None if rule.cache is None else f"{rule.cache.ttl:g} s"),
        )
        if value is not None
    ]
    return ", ".join(told)


def _rejection(name: str, code: int, message: str) -> Err:
    return Err(number=code, sqlstate=_STATES.get(code, b"HY000"), message=f"DbMux: {message} (rule {name})".encode())


def _by_hint(told: Orders, hints: Mapping[str, str], topology: Topology, home: Group) -> Orders:
    for key, value in hints.items():
        if key == MALFORMED:
            raise _nonsense(f"{value!r} cannot be read; write key=value, key=value")
        if key not in _KEYS:
            raise _nonsense(f"{key!r} is not known; there are {', '.join(_KEYS)}")
        try:
            match key:
                case "timeout":
                    told = told._replace(timeout_s=seconds(value), timed_by="its hint")
                case "max_rows":
                    told = told._replace(max_rows=_positive(value), counted_by="its hint")
                case "cache" | "nocache" | "ttl":
                    told = told._replace(cache=_stored(hints), cached_by="hint")
                case "gtid" if not is_gtid(value.encode()):
                    raise ValueError("it has not the form of one")
                case "gtid":
                    told = told._replace(gtid=value.encode())
                case _:
                    told = _routed(told, value, topology, home)
        except ValueError as error:
            raise _nonsense(f"{key}: {error}") from None
    return told


def _routed(told: Orders, value: str, topology: Topology, home: Group) -> Orders:
    target = topology.target(value, home)
    if target is None:
        there = ", ".join(dict.fromkeys([*topology.groups, *(backend.name for backend in home.members)]))
        raise ValueError(f"no route is called {value!r}; there are {there}")
    return told._replace(target=target, route=ROUTES[target.role, Reason.HINT]._replace(rule=told.rule))


def _stored(hints: Mapping[str, str]) -> CachePolicy | Literal[False]:
    has_value = bool(hints.get("nocache") or hints.get("cache"))
    if "nocache" in hints and not has_value:
        return False
    if has_value or "cache" not in hints or "ttl" not in hints:
        raise ValueError("write cache ttl=60s, or nocache")
    ttl_s = seconds(hints["ttl"])
    if ttl_s <= 0:
        raise ValueError("ttl must be more than 0")
    return CachePolicy(ttl=ttl_s)


def _positive(value: str) -> int:
    number = count(value)
    if not isinstance(number, int) or number < 1:
        raise ValueError("a number from 1 on is expected")
    return number


def _nonsense(what: str) -> MySQLError:
    return MySQLError(ErrorCode.BAD_HINT, f"the hint in this statement makes no sense: {what}")
