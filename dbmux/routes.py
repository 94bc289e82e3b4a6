"""Where a query goes and why: the vocabulary of routing.

A route is a shared, frozen value: one for each reason, and one more for each rule. It names a role, not a server; which
server has the role is found when the query runs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a server is in its group."""

    PRIMARY = "primary"
    REPLICA = "replica"


class Reason(StrEnum):
    """Why a query went where it went; the first that holds is told."""

    ONLY = "the group has one server"
    TRANSACTION = "in a transaction"
    PINNED = "pinned to its connection"
    HINT = "hint"
    RULE = "rule"
    OBSERVED = "observed only"
    VICTIM = "KILL goes where its victim is"
    DIAGNOSTICS = "asks about the statement before"
    IMPLICIT_TRANSACTION = "implicit transaction"
    READ_ONLY_TRANSACTION = "read-only transaction"
    WRITE = "write"
    LOCKING_READ = "locking read"
    UNSURE = "not surely a read"
    SESSION = "changes the session"
    READ = "read"
    OWN_WRITES = "a replica may not have the session's own writes yet"
    NO_REPLICA = "no replica can take it"
    NO_PRIMARY = "the primary cannot be reached"
    CACHED = "answered from the cache"


class Route(NamedTuple):
    """A role and the reason; `rule` is the name of the rule that matched, `would` what was only observed.

    `number` stands for role and reason where they are counted.
    """

    role: Role
    reason: Reason
    rule: str = ""
    would: str = ""
    number: int = 0


KINDS = tuple((role, reason) for role in Role for reason in Reason)
ROUTES = {(role, reason): Route(role, reason, number=number) for number, (role, reason) in enumerate(KINDS)}
ONLY = ROUTES[Role.PRIMARY, Reason.ONLY]
READ = ROUTES[Role.REPLICA, Reason.READ]
CACHED = ROUTES[Role.PRIMARY, Reason.CACHED]
