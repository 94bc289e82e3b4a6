"""What rules of the usual split took in ProxySQL, and leave to the rules after them now that they are none.

The conditions of rules come in; out goes which of the takers mattered to them. Never looks at more than a SELECT, for
the split took nothing else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dbmux.query import Kind


@dataclass(frozen=True, slots=True)
class Taker:
    """A rule that sent every SELECT of some sessions along a route; without `conditions`, of all."""

    number: str
    conditions: Mapping[str, Any]
    group: str
    route: str


def taker_of_all(conditions: Mapping[str, Any], takers: Iterable[Taker]) -> Taker | None:
    """The one that left no SELECT to a rule of these conditions."""
    return next((one for one in takers if _may_be_select(conditions) and _holds_wherever(one, conditions)), None)


def takers_of_some(rule: Mapping[str, Any], takers: Iterable[Taker]) -> list[Taker]:
    """Those that took SELECTs which the rule sees now, and sent them elsewhere."""
    return [one for one in takers if one.route != rule.get("route") and may_meet(one.conditions, rule)]


def may_meet(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a SELECT of some session may be what both ask for."""
    both = one.keys() & other.keys()
    if "client" in both and not ipaddress.ip_network(one["client"]).overlaps(ipaddress.ip_network(other["client"])):
        return False
    is_same_session = all(one[key] == other[key] for key in both & {"user", "schema"})
    return is_same_session and _may_be_select(one) and _may_be_select(other)


def _holds_wherever(taker: Taker, conditions: Mapping[str, Any]) -> bool:
    return taker.conditions.items() <= conditions.items()


def _may_be_select(conditions: Mapping[str, Any]) -> bool:
    if "digest" in conditions:
        return re.match(r"\s*SELECT\b", conditions["digest"], re.IGNORECASE) is not None
    return "kind" not in conditions or Kind.SELECT.value in conditions["kind"]
