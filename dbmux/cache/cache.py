"""The query cache of one engine: finds stored replies, lets one session fetch what many want, and follows every write.

Sessions come with what makes their results their own (an environment), with statements' meanings and with replies; out
go replies that no write has overtaken. Everything is decided at once and synchronously. Never reads SQL, and never
talks to a server or a client.

The rule that makes it true: the epochs of a reading's tables are captured before it is sent, and its reply is stored
only if none has moved when it is whole; a write moves them when it is sent and when it has ended, whatever its end was,
and the end of a transaction moves those of all that it wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

from dbmux.cache.dictionary import Dictionary, Key
from dbmux.cache.eviction import Room
from dbmux.cache.fill import Fill
from dbmux.cache.plans import Plan, Reading
from dbmux.cache.policies import Policies, Terms
from dbmux.cache.store import Put, Store
from dbmux.cache.tables import Table, Tables, capture
from dbmux.cache.tally import Tally
from dbmux.config.model import CacheConfig, CachePolicy
from dbmux.footprint import NOWHERE, Footprint
from dbmux.query import Kind, Query
from dbmux.session import SessionState
from dbmux.sql.charsets import UNREADABLE

# Of each, so many are remembered; more are forgotten all at once, for clients can make up any number.
REMEMBERED = 10_000
PREFIX_BYTES = 6
# What keys are of. What was stored because a hint or a rule said so is found only where one says so again.
TEXTS, EXECUTIONS, ORDERED_TEXTS, ORDERED_EXECUTIONS, KINDS = range(5)
# A write whose connection broke may still be carried out at the server: for so long nothing is stored of its tables.
DOUBT_S = 60.0
_ON = (b"1", b"ON", b"TRUE")


class Verdict(StrEnum):
    """What the cache had to do with a query; one that is passed by has a reason in words instead."""

    HIT = "hit"
    STALE = "stale"
    COALESCED = "coalesced"
    MISS = "miss"


@dataclass(slots=True, eq=False)
class Source:
    """The servers of one group, as the cache knows them: what is in them, and why nothing of them may be stored."""

    name: str
    dictionary: Dictionary | None = None
    why: str = "the server's dictionary was not read yet"
    # Why writes that bypass DbMux are not seen now, though they should be; nothing is stored meanwhile.
    broken: str = ""
    # Whether they are seen.
    is_followed: bool = False
    # Have the dictionary read anew: it is not true any more, or it may lack something.
    doubt: Callable[[], None] = field(default=lambda: None)
    renew: Callable[[], None] = field(default=lambda: None)


@dataclass(slots=True, eq=False)
class Scope:
    """A schema at one group's servers: in it, statements mean the same to the cache whoever sends them."""

    source: Source
    schema: str
    plans: dict[int, Plan] = field(default_factory=dict)
    version: int = -1


class Environment:
    """What a session's results depend on beside the text: sessions of the same environment share their entries.

    `prefixes` are what keys begin with, by what they are of. `refusal` says why nothing is read or stored here.
    """

    __slots__ = ("_shared", "prefixes", "refusal", "scope", "source")

    def __init__(self, scope: Scope, prefix: bytes, shared: bytes, refusal: str) -> None:
        self.scope = scope
        self.source = scope.source
        self.prefixes = tuple(prefix + bytes((kind,)) for kind in range(KINDS))
        self._shared = shared
        self.refusal = refusal

    def shared_key(self, key: bytes) -> bytes:
        """One of this environment's keys as it is where users share."""
        return self._shared + key[PREFIX_BYTES:]


class Cache:
    """All stored results and what is known of their tables; `clock` counts seconds."""

    def __init__(self, config: CacheConfig, clock: Callable[[], float]) -> None:
        self.config = config
        self.clock = clock
        self.store = Store(config.memory, clock)
        self.tables = Tables()
        # Tables whose writes are not followed, by choice: they never move.
        self._unfollowed = Tables()
        self.fills: dict[bytes, Fill] = {}
        self.tallies: dict[tuple[Key, ...], Tally] = {}
        self.bypasses: Counter[str] = Counter()
        # Why so much was cleared at once.
        self.cleared: Counter[str] = Counter()
        self._policies = Policies(config)
        self._sources: dict[str, Source] = {}
        self._scopes: dict[tuple[str, bytes], Scope] = {}
        self._environments: dict[tuple[object, ...], Environment] = {}
        self._shared: dict[tuple[object, ...], bytes] = {}
        self._prefixes = count(1)
        self._version = 0
        self._doubted: dict[Table, float] = {}
        self._all_doubted_until = 0.0
        self._written_at: dict[Table, float] = {}
        self._all_written_at = clock()

    def configure(self, config: CacheConfig) -> None:
        """Other policies hold from now on; what was stored by the old ones is not used any more."""
        self.store.resize(config.memory)
        for tables in (self.tables, self._unfollowed):
            # So that also what is being read just now is not stored.
            tables.move_everything()
            for table in tables:
                table.share = None
        self.config = config
        self._policies = Policies(config)
        self._version += 1

    # Where statements run.

    def source(self, group: str) -> Source:
        """The servers of a group, by its name."""
        if group not in self._sources:
            self._sources[group] = Source(group)
        return self._sources[group]

    def environment(self, group: str, user: str, account: bytes, form: int, state: SessionState) -> Environment:
        """The environment of a session; `form` are the capabilities by which servers write replies differently."""
        refusal = _refusal(state)
        values = (form, state.schema, state.names, state.variables)
        key = (group, user, account, *values)
        known = self._environments.get(key)
        if known is None:
            if len(self._environments) >= REMEMBERED:
                self._environments.clear()
                self._shared.clear()
                self._scopes.clear()
            shared = self._shared.get((group, *values))
            if shared is None:
                shared = self._shared[group, *values] = self._prefix()
            scope = self._scope(group, state.schema)
            known = self._environments[key] = Environment(scope, self._prefix(), shared, refusal)
        return known

    def _scope(self, group: str, schema: bytes) -> Scope:
        known = self._scopes.get((group, schema))
        if known is None:
            known = Scope(self.source(group), schema.decode("utf-8", "backslashreplace"))
            self._scopes[group, schema] = known
        return known

    def _prefix(self) -> bytes:
        # Never used twice: what an older environment stored cannot be found any more.
        return next(self._prefixes).to_bytes(PREFIX_BYTES, "big")

    def know(self, source: Source, dictionary: Dictionary | None, why: str) -> None:
        """A group's dictionary was read, or is not known any more."""
        source.dictionary, source.why = dictionary, why
        self._version += 1

    def follow(self, source: Source, *, is_followed: bool, broken: str) -> None:
        """Whether writes past DbMux are seen, and if they should be and are not, why."""
        source.is_followed, source.broken = is_followed, broken
        self._version += 1

    # Plans.

    def plan(self, scope: Scope, query: Query) -> Plan:
        """What is to be done with a query of a session in this scope."""
        plans = scope.plans
        if scope.version != self._version:
            plans.clear()
            scope.version = self._version
        known = plans.get(id(query))
        if known is not None:
            return known
        made = self._plan(scope, query, None)
        if query.is_digest_wide and query.footprint is not NOWHERE:
            if len(plans) >= REMEMBERED:
                plans.clear()
            plans[id(query)] = made
        return made

    def forced(self, scope: Scope, query: Query, policy: CachePolicy) -> Plan:
        """The same where a rule or a hint says how the result is to be stored."""
        return self._plan(scope, query, policy)

    def _plan(self, scope: Scope, query: Query, policy: CachePolicy | None) -> Plan:
        footprint = query.footprint
        writes: tuple[Table, ...] | None = ()
        if not footprint.is_harmless:
            writes = self.written(scope.source, footprint, scope.schema)
        found = self._read(scope, query, policy)
        reading = found if isinstance(found, Reading) else None
        verdict = found if isinstance(found, str) and query.kind is Kind.SELECT else ""
        return Plan(query=query, reading=reading, verdict=verdict, writes=writes, defines=footprint.defines)

    def written(self, source: Source, footprint: Footprint, schema: str) -> tuple[Table, ...] | None:
        """The tables that a statement may write, with what the server does behind it; None for any at all."""
        if source.dictionary is None or not schema.isascii():
            # Letters beyond ASCII are others in each character set of clients.
            return None
        found = source.dictionary.written(footprint, schema)
        return None if found is None else self._tables(found)

    def _read(self, scope: Scope, query: Query, policy: CachePolicy | None) -> Reading | str:
        footprint, source = query.footprint, scope.source
        if footprint.uncacheable:
            return footprint.uncacheable
        if source.broken:
            return source.broken
        if not scope.schema.isascii():
            return "the schema's name has letters beyond ASCII"
        if source.dictionary is None:
            return source.why
        named = frozenset(((n.schema or scope.schema).lower(), n.table.lower()) for n in footprint.reads)
        found = source.dictionary.sources(footprint, scope.schema)
        if found.is_missing:
            source.renew()
        if found.why:
            return found.why
        if policy is None:
            terms = self._policies.terms(named, found.tables - named)
            if isinstance(terms, str):
                return terms
        else:
            terms = self._policies.forced(found.tables, policy)
        return self._reading(terms, found.tables, tuple(sorted(named)))

    def _reading(self, terms: Terms, tables: frozenset[Key], named: tuple[Key, ...]) -> Reading:
        unfollowed = tables - terms.followed
        epochs = self._tables(terms.followed) + tuple(self._unfollowed.table(*key) for key in sorted(unfollowed))
        for table in epochs:
            memory = self._policies.memory((table.schema, table.name))
            if memory is not None and table.share is None:
                table.share = Room(memory)
        tally = self.tallies.get(named)
        if tally is None:
            tally = self.tallies[named] = Tally(", ".join(".".join(key) for key in named))
        return Reading(
            tables=epochs,
            tally=tally,
            ttl_s=terms.ttl_s,
            soft_ttl_s=terms.soft_ttl_s,
            max_bytes=terms.max_bytes,
            is_shared=terms.is_shared,
        )

    def _tables(self, keys: Iterable[Key]) -> tuple[Table, ...]:
        return tuple(self.tables.table(*key) for key in sorted(keys))

    # Reading.

    def begin(self, key: bytes, reading: Reading) -> Fill | None:
        """A reading is about to be sent: its fill; None while nothing may be stored of its tables."""
        now = self.clock()
        if now < self._all_doubted_until or (self._doubted and self._is_doubted(reading.tables, now)):
            return None
        fill = Fill(key, reading, capture(reading.tables), now)
        self.fills[key] = fill
        return fill

    def _is_doubted(self, tables: tuple[Table, ...], now: float) -> bool:
        for table in [table for table, until in self._doubted.items() if until <= now]:
            del self._doubted[table]
        return any(table in self._doubted for table in tables)

    def joinable(self, key: bytes) -> Fill | None:
        """A reading under way of the same result, of whose tables nothing was written since it began."""
        fill = self.fills.get(key)
        return fill if fill is not None and capture(fill.reading.tables) == fill.captured else None

    def finish(self, fill: Fill, reply: bytes | None, rows: int) -> None:
        """A reading has ended: store it if nothing has overtaken it; None is a reply that must not be stored."""
        self._forget(fill)
        reading, now = fill.reading, self.clock()
        reading.tally.misses += 1
        reading.tally.spent_s += now - fill.began_at
        if reply is None:
            reading.tally.refused += 1
            fill.release()
            return
        put = self.store.put(
            fill.key,
            reply,
            reading.tables,
            fill.captured,
            now + reading.ttl_s,
            refresh_at=-1.0 if reading.soft_ttl_s is None else now + reading.soft_ttl_s,
            rows=rows,
            cost_s=now - fill.began_at,
            tally=reading.tally,
        )
        if put is Put.STORED:
            reading.tally.stored += 1
            reading.tally.coalesced += len(fill.waiters)
            fill.serve(reply, rows)
        else:
            reading.tally.refused += 1
            fill.release()

    def abandon(self, fill: Fill) -> None:
        """A reading will not end, or so late that nobody is to wait for it; it may be finished all the same."""
        self._forget(fill)
        fill.release()

    def _forget(self, fill: Fill) -> None:
        if self.fills.get(fill.key) is fill:
            del self.fills[fill.key]

    # Writing.

    def wrote(self, tables: tuple[Table, ...] | None, why: str) -> None:
        """These tables, or with None any at all, may be written just now, or were."""
        now = self.clock()
        if tables is None:
            self.tables.move_everything()
            self._all_written_at = now
            self.cleared[why] += 1
            return
        for table in tables:
            table.move()
            self._written_at[table] = now

    def written_at(self, tables: tuple[Table, ...]) -> float:
        """When one of these tables was written last, as far as is known: a replica must be that far."""
        known = self._written_at
        return max([known.get(table, self._all_written_at) for table in tables] + [self._all_written_at])

    def doubt(self, tables: tuple[Table, ...] | None, why: str) -> None:
        """A write was sent whose end is not known: it may come true later."""
        self.wrote(tables, why)
        until = self.clock() + DOUBT_S
        if tables is None:
            # Also of tables that nobody has asked for yet.
            self._all_doubted_until = until
            return
        for table in tables:
            self._doubted[table] = until


def _refusal(state: SessionState) -> str:
    if state.names is None or state.names.client is None:
        return "the session's character set is not known"
    if state.names.client.strip(b"'").decode("ascii", "replace") in UNREADABLE:
        return "statements in the session's character set are not read"
    for name, value in state.variables:
        if name == "autocommit" and value.strip(b"'").upper() not in _ON:
            return "autocommit is off"
        if name == "transaction_isolation" and value.strip(b"'").upper() == b"SERIALIZABLE":
            return "the isolation level is SERIALIZABLE"
    return ""
