"""What is told of a statement in few characters: when, where it went, what the cache did, what sticks out.

A row or an event comes in, words go out, the same for the live view and for lines in a terminal. Never makes a text
visible: what comes from a statement is cut and cleaned by whoever shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from dbmux.events import MEMORY, OWN
from dbmux.feed.row import Row

_VERDICTS = {"hit": "H", "stale": "S", "coalesced": "C", "miss": "M", "": " "}
_ALARMS = frozenset(("BackendDown", "ConfigRejected", "LoginFailed", "AddressBlocked", "Warned"))


def clock(at: float) -> str:
    """The time of day, to the millisecond."""
    second, micros = divmod(round(at * 1_000_000), 1_000_000)
    return f"{_second(second)}.{micros // 1000:03}"


@lru_cache(16)
def _second(at: int) -> str:
    # Most of what is told at once happened in the same one.
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def moment(at: float) -> str:
    """The day and the time of day, for what may be of another day; to the second."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


def takes(group: Mapping[str, Any], server: Mapping[str, Any]) -> str:
    """What a server of a group takes, as `routes` tells of them."""
    if server["role"] != "primary":
        return "reads" if server["takes_reads"] else "nothing"
    if not group["writable"]:
        return "nothing"
    # An engine that runs since before an update does not tell whether the primary has a share of the reads.
    has_share = group["observe"] or group.get("primary_reads", False)
    is_last = not any(one["takes_reads"] for one in group["servers"])
    return "reads and writes" if has_share or is_last else "writes"


def verdict(row: Row, none: str) -> str:
    """What the cache had to do with it, in one letter; `none` when that was no question."""
    if row.code:
        return "E"
    return _VERDICTS.get(row.cache, "B").replace(" ", none)


def route(row: Row) -> str:
    """Where it went, in short."""
    if row.backend == MEMORY:
        return "cache"
    if row.backend == OWN:
        return "dbmux"
    if not row.role:
        return row.group or row.backend
    return f"{row.group[:6]} {'ro' if row.role == 'replica' else 'rw'}"


def badges(row: Row) -> str:
    """What sticks out about it."""
    told = []
    if row.code:
        told.append("ERR")
    elif row.is_slow:
        told.append("SLOW")
    if row.nplus1:
        told.append("N+1")
    if row.is_pinned and not row.transaction:
        told.append("PIN")
    if row.rule:
        told.append("RULE")
    return " ".join(told)


def is_alarm(kind: str, text: str) -> bool:
    """Whether an event of this kind, told in this sentence, wants somebody to look."""
    if kind == "MirrorChanged":
        return text.partition(":")[0].endswith(" is halted")
    return kind in _ALARMS
