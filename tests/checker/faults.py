"""Faults that the checker must find: caches that are wrong in one way each.

A fault's name comes in, a class goes out that takes the place of the right cache (tests/checker/serve.py). Each leaves
out one step of what the right one does, and is right in all others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, cast

from dbmux.cache.cache import EXECUTIONS, KINDS, PREFIX_BYTES, Cache, Environment, Scope, Source
from dbmux.cache.dictionary import Dictionary, Key, Sources
from dbmux.cache.fill import Fill
from dbmux.cache.plans import Plan
from dbmux.cache.store import Store
from dbmux.cache.tables import Table, capture
from dbmux.config.model import CacheConfig
from dbmux.footprint import Footprint
from dbmux.query import Kind, Query
from dbmux.session import SessionState
from tests.checker.registers import BROKEN

FRAGILE = tuple(family.name for family in BROKEN)


class CapturedAtTheEnd(Cache):
    """Epochs are captured when a reply is there, not before it was asked for."""

    def finish(self, fill: Fill, reply: bytes | str, rows: int) -> None:
        fill.captured = capture(fill.reading.tables)
        super().finish(fill, reply, rows)


class MovedOnlyWhenSent(Cache):
    """A write moves its tables when it is sent, and not when it has ended."""

    _is_planning = False

    def plan(self, scope: Scope, query: Query) -> Plan:
        plan = super().plan(scope, query)
        # What is planned is sent next.
        self._is_planning = plan.writes != ()
        return plan

    def wrote(self, tables: tuple[Table, ...] | None, why: str) -> None:
        if self._is_planning:
            super().wrote(tables, why)
        self._is_planning = False


def heedless(*kinds: Kind) -> type[Cache]:
    """What statements of these kinds write, or end, moves nothing."""

    class Heedless(Cache):
        def wrote(self, tables: tuple[Table, ...] | None, why: str) -> None:
            if why not in kinds:
                super().wrote(tables, why)

    return Heedless


class BrokenNotDoubted(Cache):
    """A write whose connection broke is taken for one that did not happen."""

    def doubt(self, tables: tuple[Table, ...] | None, why: str) -> None:
        return


class BrokenOnlyMoved(Cache):
    """A write whose connection broke is taken for one that has ended."""

    def doubt(self, tables: tuple[Table, ...] | None, why: str) -> None:
        self.wrote(tables, why)


class JoinedRegardless(Cache):
    """Who asks for what is being read gets it, though it was written since."""

    def joinable(self, key: bytes) -> Fill | None:
        return self.fills.get(key)

    def finish(self, fill: Fill, reply: bytes | str, rows: int) -> None:
        if isinstance(reply, bytes):
            fill.serve(reply, rows)
        super().finish(fill, reply, rows)


class FirstTableOnly(Cache):
    """Of a statement that writes to several tables only the first is followed."""

    def wrote(self, tables: tuple[Table, ...] | None, why: str) -> None:
        super().wrote(tables[:1] if tables else tables, why)


class _Blind(Dictionary):
    """A dictionary in which what leads to some tables was overlooked."""

    def __init__(self, seeing: Dictionary, unwritten: frozenset[str], unread: frozenset[str]) -> None:
        super().__init__()
        self._seeing = seeing
        self._unwritten = unwritten
        self._unread = unread

    def sources(self, footprint: Footprint, schema: str) -> Sources:
        found = self._seeing.sources(footprint, schema)
        return Sources(frozenset(key for key in found.tables if key[1] not in self._unread), found.why)

    def written(self, footprint: Footprint, schema: str) -> frozenset[Key] | None:
        found = self._seeing.written(footprint, schema)
        if found is None:
            return None
        named = {name.table.lower() for name in footprint.writes}
        return frozenset(key for key in found if key[1] in named or key[1] not in self._unwritten)


def blind(*, unwritten: tuple[str, ...] = (), unread: tuple[str, ...] = ()) -> type[Cache]:
    """Tables that nothing but their names leads to, for writes or for reads."""

    class Overlooking(Cache):
        def know(self, source: Source, dictionary: Dictionary | None, why: str) -> None:
            if dictionary is not None:
                dictionary = _Blind(dictionary, frozenset(unwritten), frozenset(unread))
            super().know(source, dictionary, why)

    return Overlooking


# Of an environment: group, user, account at the server, capabilities, and the session's own settings.
Part = Callable[[str, str, bytes, int, SessionState], Hashable]


def keyed(part: Part) -> type[Cache]:
    """Keys begin with no more than this part of what results depend on."""

    class Mixing(Cache):
        def __init__(self, config: CacheConfig, clock: Callable[[], float]) -> None:
            super().__init__(config, clock)
            self._numbers: dict[Hashable, int] = {}

        def environment(self, group: str, user: str, account: bytes, form: int, state: SessionState) -> Environment:
            environment = super().environment(group, user, account, form, state)
            known = part(group, user, account, form, state)
            number = self._numbers.setdefault(known, len(self._numbers))
            prefix = b"!" + number.to_bytes(PREFIX_BYTES - 1, "big")
            environment.prefixes = tuple(prefix + bytes((kind,)) for kind in range(KINDS))
            return environment

    return Mixing


class _Loose:
    """Stands before a store and takes executions of a prepared statement for the same, whatever is bound."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, key: bytes) -> object:
        return self._store.get(_without_values(key))

    def put(self, key: bytes, *values: Any, **options: Any) -> object:
        return self._store.put(_without_values(key), *values, **options)


def _without_values(key: bytes) -> bytes:
    start = PREFIX_BYTES + 1
    if key[PREFIX_BYTES] != EXECUTIONS:
        return key
    text = int.from_bytes(key[start : start + 4], "little")
    return key[: start + 8 + text]


class ParametersLeftOut(Cache):
    """The key of a prepared statement is its text alone."""

    def __init__(self, config: CacheConfig, clock: Callable[[], float]) -> None:
        super().__init__(config, clock)
        self.store = cast(Store, _Loose(self.store))


class ReplicasHaveAll(Cache):
    """Whatever a replica gives is stored."""

    def written_at(self, tables: tuple[Table, ...]) -> float:
        return -1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A faulty cache, and the families of registers that show it soonest."""

    cache: type[Cache]
    focus: tuple[str, ...] = ("plain",)


WITH_REPLICAS = {"a replica is taken for one that has everything": Fault(ReplicasHaveAll)}
FAULTS = {
    "epochs are captured at the end": Fault(CapturedAtTheEnd, ("slow",)),
    "a write moves its tables only when it is sent": Fault(MovedOnlyWhenSent),
    "COMMIT moves nothing": Fault(heedless(Kind.COMMIT)),
    "a commit by another statement moves nothing": Fault(heedless(Kind.BEGIN, Kind.SET)),
    "TRUNCATE moves nothing": Fault(heedless(Kind.DDL), ("emptied",)),
    "CALL moves nothing": Fault(heedless(Kind.CALL), ("routine",)),
    "a broken write is forgotten": Fault(BrokenNotDoubted, FRAGILE),
    "a broken write is taken for one that has ended": Fault(BrokenOnlyMoved, FRAGILE),
    "whoever joins a reading gets it, though it was overtaken": Fault(JoinedRegardless, ("slow",)),
    "only the first table of a statement is followed": Fault(FirstTableOnly, ("pair",)),
    "triggers are not followed": Fault(blind(unwritten=("audit",)), ("trigger",)),
    "cascades of updates are not followed": Fault(blind(unwritten=("child",)), ("cascade",)),
    "cascades of deletions are not followed": Fault(blind(unwritten=("file",)), ("deletion",)),
    "views are not followed": Fault(blind(unread=("plain",))),
    "the key lacks parameters": Fault(ParametersLeftOut),
    "the key lacks the user": Fault(keyed(lambda group, user, account, form, state: (form, state)), ("vault",)),
    "the key lacks the schema": Fault(
        keyed(lambda group, user, account, form, state: (user, account, form, state.names, state.variables))
    ),
    "the key lacks the character set": Fault(
        keyed(lambda group, user, account, form, state: (user, account, form, state.schema, state.variables))
    ),
    "the key lacks the session's variables": Fault(
        keyed(lambda group, user, account, form, state: (user, account, form, state.schema, state.names))
    ),
    "the key lacks the kind of client": Fault(keyed(lambda group, user, account, form, state: (user, account, state))),
}
