"""Which tables' results are stored, and for how long: what `cache.tables` says, applied to the tables of a statement.

The configured patterns come in, then the tables that a statement reads; the terms on which its result is stored go out,
or the reason why it is not. Never sees a statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dbmux.cache.dictionary import Key
from dbmux.config.consistency import nearest
from dbmux.config.model import CacheConfig, CachePolicy, Consistency

MOST_UNMATCHED = 1000
NOT_AMONG = "is not among cache.tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How one statement's results are stored; seconds and bytes. `followed` are the tables whose writes end them."""

    ttl_s: float
    soft_ttl_s: float | None
    max_bytes: int
    is_shared: bool
    followed: frozenset[Key]


class Policies:
    """The patterns of a configuration; of those that match a table the longest holds."""

    def __init__(self, config: CacheConfig) -> None:
        self._config = config
        self._by_name = {pattern.lower(): policy for pattern, policy in config.tables.items()}
        self._matched: set[str] = set()
        # Tables that no pattern matched, so many.
        self._unmatched: set[str] = set()

    def terms(self, named: frozenset[Key], behind: frozenset[Key]) -> Terms | str:
        """What holds for a result of these tables together: of each, the strictest.

        `behind` are those that a statement reads through the views that it names. They need not be configured, but may
        forbid it.
        """
        policies: dict[Key, CachePolicy] = {}
        for table in sorted(named | behind):
            policy = self._policy(table)
            if policy is not None:
                policies[table] = policy
            elif self._is_forbidden(table):
                return f"{'.'.join(table)} is false in cache.tables"
            elif table in named:
                return f"{'.'.join(table)} {NOT_AMONG}"
        return self._together(policies, named | behind)

    def idle(self) -> Iterator[tuple[str, str | None]]:
        """The patterns that have matched nothing so far, each with the table that was probably meant."""
        for pattern in self._config.tables:
            if pattern.lower() not in self._matched:
                yield pattern, nearest(pattern.lower().rstrip("*"), sorted(self._unmatched))

    def forced(self, tables: frozenset[Key], policy: CachePolicy) -> Terms:
        """What holds when a rule or a hint says so for this statement."""
        return self._together(dict.fromkeys(tables, policy), tables)

    def _together(self, policies: Mapping[Key, CachePolicy], tables: frozenset[Key]) -> Terms:
        some = policies.values()
        unfollowed = {table for table, policy in policies.items() if policy.consistency is Consistency.TTL}
        return Terms(
            ttl_s=min(policy.ttl for policy in some),
            soft_ttl_s=_least(policy.soft_ttl for policy in some),
            max_bytes=min(policy.max_entry or self._config.max_entry for policy in some),
            is_shared=all(policy.share for policy in some),
            followed=tables - unfollowed,
        )

    def memory(self, table: Key) -> int | None:
        """How many bytes results of a table may take, where that is limited."""
        policy = self._policy(table)
        return None if policy is None else policy.memory

    def _policy(self, table: Key) -> CachePolicy | None:
        pattern = self._pattern(table)
        return None if pattern is None else self._by_name[pattern] or None

    def _is_forbidden(self, table: Key) -> bool:
        return self._pattern(table) is not None and self._policy(table) is None

    def _pattern(self, table: Key) -> str | None:
        name = ".".join(table).lower()
        if name in self._by_name:
            found: str | None = name
        else:
            begun = [one for one in self._by_name if one.endswith("*") and name.startswith(one[:-1])]
            found = max(begun, key=len, default=None)
        if found is not None:
            self._matched.add(found)
        elif len(self._unmatched) < MOST_UNMATCHED:
            self._unmatched.add(name)
        return found


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
