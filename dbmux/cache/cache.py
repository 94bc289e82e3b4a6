"""The query cache of one engine: finds stored replies, lets one session fetch what many want, and follows every write.

Sessions come with what makes their results their own (an environment), with statements' meanings and with replies; out
go replies that no write has overtaken. Everything is decided at once and synchronously. Never reads SQL, and never
talks to a server or a client.

The rule that makes it true: the epochs of a reading's tables are captured before it is sent, and its reply is stored
only if none has moved when it is whole; a write moves them when it is sent and when it has ended, whatever its end was,
and the end of a transaction moves those of all that it wrote.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

from dbmux.cache.advisor import Advisor
from dbmux.cache.dictionary import Dictionary, Key
from dbmux.cache.eviction import Room
from dbmux.cache.fill import Fill
from dbmux.cache.plans import Bypass, Plan, Reading
from dbmux.cache.policies import NOT_AMONG, Policies, Terms
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
# Of reasons, so many are told apart.
MOST_REASONS = 500
BEYOND = f"a table {NOT_AMONG}"
# After so many, a pattern that has matched nothing is probably wrong.
ENOUGH_QUERIES = 500
OTHER_REASONS = "other reasons"
OTHER_TABLES = "other tables"
PREFIX_BYTES = 6
# What keys are of. What was stored because a hint or a rule said so is found only where one says so again.
TEXTS, EXECUTIONS, ORDERED_TEXTS, ORDERED_EXECUTIONS, KINDS = range(5)
# A write whose connection broke may still be carried out at the server: for so long nothing is stored of its tables.
DOUBT_S = 60.0
FLUSHED = "flushed"
# Variables with whose other values a result is not stored: what they must be, and why.
_TELLING = {
    "autocommit": ((b"1", b"ON", b"TRUE"), "autocommit is off"),
    "group_replication_consistency": ((b"EVENTUAL",), "the session waits for what other servers have written"),
    # IS NULL then finds the row that the session inserted last.
    "sql_auto_is_null": ((b"0", b"OFF", b"FALSE"), "sql_auto_is_null is on"),
    "transaction_isolation": (
        # What was read uncommitted may be taken back, which nothing tells when it was written past DbMux.
        (b"READ-COMMITTED", b"REPEATABLE-READ"),
        "the isolation level is SERIALIZABLE or READ UNCOMMITTED",
    ),
    "wsrep_sync_wait": ((b"0",), "the session waits for what other servers have written"),
}


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
    # Whether they are seen, and how much later.
    is_followed: bool = False
    delay_s: Callable[[], float | None] = field(default=lambda: None)
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

    __slots__ = ("_shared", "prefixes", "refusal", "scope")

    def __init__(self, scope: Scope, prefix: bytes, shared: bytes, refusal: str) -> None:
        self.scope = scope
        self.prefixes = tuple(prefix + bytes((kind,)) for kind in range(KINDS))
        self._shared = shared
        self.refusal = refusal

    def shared_key(self, key: bytes) -> bytes:
        """One of this environment's keys as it is where users share."""
        return self._shared + key[PREFIX_BYTES:]


def sizes(text: bytes, columns: int) -> bytes:
    """What stands before a prepared statement's text in keys: a client that knows other columns must be told."""
    return len(text).to_bytes(4, "little") + columns.to_bytes(2, "little")


def text_of(key: bytes) -> bytes:
    """The statement in a key."""
    text = key[PREFIX_BYTES + 1 :]
    if key[PREFIX_BYTES] in (EXECUTIONS, ORDERED_EXECUTIONS):
        return text[6 : 6 + int.from_bytes(text[:4], "little")]
    return text


class Cache:
    """All stored results and what is known of their tables; `clock` counts seconds."""

    def __init__(self, config: CacheConfig, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.store = Store(config.memory, clock)
        self.tables = Tables()
        # Tables whose writes are not followed, by choice: they never move.
        self._unfollowed = Tables()
        self.fills: dict[bytes, Fill] = {}
        self.advisor = Advisor(clock())
        # By the rule or hint that had results stored, if one had, and the tables.
        self.tallies: dict[tuple[str, tuple[Key, ...]], Tally] = {}
        self._other_tables = Tally(OTHER_TABLES)
        # SELECTs that were neither answered from memory nor to be stored.
        self.bypasses: Counter[str] = Counter()
        # Why so much was cleared at once, and when last.
        self.cleared: Counter[str] = Counter()
        self.cleared_at: dict[str, float] = {}
        self._policies = Policies(config)
        self._sources: dict[str, Source] = {}
        self._scopes: dict[tuple[str, bytes], Scope] = {}
        self._environments: dict[tuple[object, ...], Environment] = {}
        self._shared: dict[tuple[object, ...], bytes] = {}
        self._prefixes = count(1)
        self._version = 0
        self._is_idle_told, self._asked_before = False, 0
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
        self._policies = Policies(config)
        # What was advised may be done by now, or not be done any more.
        self.advisor = Advisor(self.clock())
        self._is_idle_told, self._asked_before = False, self._asked()
        self._version += 1

    # What there is.

    @property
    def sources(self) -> Iterable[Source]:
        """The groups of which something was asked or is followed."""
        return self._sources.values()

    def all_tallies(self) -> Iterator[Tally]:
        """What became of the statements of all sets of tables."""
        return (tally for tally in (*self.tallies.values(), self._other_tables) if tally.hits or tally.misses)

    def filled_tables(self) -> Iterator[Table]:
        """The tables from which something is stored."""
        return (table for tables in (self.tables, self._unfollowed) for table in tables if table.entries)

    def idle_patterns(self) -> list[str]:
        """What to tell of patterns that have matched nothing in many queries; each is told once."""
        if self._is_idle_told or not self._has_asked_enough:
            return []
        self._is_idle_told = True
        return [
            f"cache.tables.{pattern} has matched nothing in {ENOUGH_QUERIES} queries"
            + (f"; nearest seen: {near}" if near else "")
            for pattern, near in self.idle()
        ]

    def idle(self) -> list[tuple[str, str | None]]:
        """Patterns that have matched nothing in many queries, each with the nearest table."""
        return list(self._policies.idle()) if self._has_asked_enough else []

    @property
    def _has_asked_enough(self) -> bool:
        return self._asked() - self._asked_before >= ENOUGH_QUERIES

    def _asked(self) -> int:
        # Those whose tables were compared with the patterns.
        return self.bypasses[BEYOND] + sum(tally.hits + tally.misses for tally in self.all_tallies())

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
            scope = self.scope(group, state.schema)
            known = self._environments[key] = Environment(scope, self._prefix(), shared, refusal)
        return known

    def scope(self, group: str, schema: bytes) -> Scope:
        """Where names without a schema are of this one, at a group's servers."""
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
        known = source.dictionary
        if known is not None and dictionary is not None and known != dictionary:
            # Nobody had told that anything was defined: what was read through a view may be of the one before.
            self.wrote(None, "something was defined past DbMux")
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
        made = self._plan(scope, query, None, "")
        if query.is_digest_wide and query.footprint is not NOWHERE:
            if len(plans) >= REMEMBERED:
                plans.clear()
            plans[id(query)] = made
        return made

    def forced(self, scope: Scope, query: Query, policy: CachePolicy, by: str) -> Plan:
        """The same where a rule or a hint, whose name is `by`, says how the result is to be stored."""
        return self._plan(scope, query, policy, by)

    def _plan(self, scope: Scope, query: Query, policy: CachePolicy | None, by: str) -> Plan:
        footprint = query.footprint
        writes: tuple[Table, ...] | None = ()
        if not footprint.is_harmless:
            writes = self.written(scope.source, footprint, scope.schema)
        named = tuple(sorted({((n.schema or scope.schema).lower(), n.table.lower()) for n in footprint.reads}))
        found = self._read(scope, query, named, policy, by)
        if isinstance(found, Reading):
            return Plan(query=query, reading=found, writes=writes, defines=footprint.defines)
        if query.kind is not Kind.SELECT:
            return Plan(query=query, writes=writes, defines=footprint.defines)
        bypass = Bypass(found, _general(found, named))
        watched: tuple[Table, ...] = ()
        dictionary = scope.source.dictionary
        if bypass.cause == BEYOND and dictionary is not None:
            watched = self._tables(dictionary.sources(footprint, scope.schema).tables)
        return Plan(query=query, bypass=bypass, watched=watched, writes=writes, defines=footprint.defines)

    def written(self, source: Source, footprint: Footprint, schema: str) -> tuple[Table, ...] | None:
        """The tables that a statement may write, with what the server does behind it; None for any at all."""
        if source.dictionary is None or not schema.isascii():
            # Letters beyond ASCII are others in each character set of clients.
            return None
        found = source.dictionary.written(footprint, schema)
        return None if found is None else self._tables(found)

    def _read(
        self, scope: Scope, query: Query, named: tuple[Key, ...], policy: CachePolicy | None, by: str
    ) -> Reading | str:
        footprint, source = query.footprint, scope.source
        if footprint.uncacheable:
            return footprint.uncacheable
        if source.broken:
            return source.broken
        if not scope.schema.isascii():
            return "the schema's name has letters beyond ASCII"
        if source.dictionary is None:
            return source.why
        found = source.dictionary.sources(footprint, scope.schema)
        if found.is_missing:
            source.renew()
        if found.why:
            return found.why
        if policy is None:
            terms = self._policies.terms(frozenset(named), found.tables.difference(named))
            if isinstance(terms, str):
                return terms
        else:
            terms = self._policies.forced(found.tables, policy)
        return self._reading(query, terms, found.tables, self._tally(named, by, terms))

    def _reading(self, query: Query, terms: Terms, tables: frozenset[Key], tally: Tally) -> Reading:
        unfollowed = tables - terms.followed
        epochs = self._tables(terms.followed) + tuple(self._unfollowed.table(*key) for key in sorted(unfollowed))
        for table in epochs:
            memory = self._policies.memory((table.schema, table.name))
            if memory is not None and table.share is None:
                table.share = Room(memory)
        return Reading(
            query=query,
            tables=epochs,
            tally=tally,
            ttl_s=terms.ttl_s,
            soft_ttl_s=terms.soft_ttl_s,
            max_bytes=terms.max_bytes,
            is_shared=terms.is_shared,
        )

    def _tally(self, named: tuple[Key, ...], by: str, terms: Terms) -> Tally:
        tally = self.tallies.get((by, named))
        if tally is None:
            if len(self.tallies) >= REMEMBERED:
                return self._other_tables
            tally = self.tallies[by, named] = Tally(", ".join(".".join(key) for key in named), by)
        tally.ttl_s = terms.ttl_s
        return tally

    def _tables(self, keys: Iterable[Key]) -> tuple[Table, ...]:
        return tuple(self.tables.table(*key) for key in sorted(keys))

    # Reading.

    def bypass(self, cause: str) -> None:
        """Count a SELECT that is neither answered from memory nor stored; the cause in words that many share."""
        if cause not in self.bypasses and len(self.bypasses) >= MOST_REASONS:
            cause = OTHER_REASONS
        self.bypasses[cause] += 1

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

    def finish(self, fill: Fill, reply: bytes | str, rows: int) -> None:
        """A reading has ended: store it if nothing has overtaken it. In place of a reply, why it must not be stored."""
        self._forget(fill)
        reading, now = fill.reading, self.clock()
        tally, cost_s = reading.tally, now - fill.began_at
        tally.misses += 1
        tally.spent_s += cost_s
        if isinstance(reply, str):
            tally.refusals[reply] += 1
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
            cost_s=cost_s,
            tally=tally,
            query=reading.query,
        )
        if put is Put.STORED:
            tally.stored += 1
            if fill.waiters:
                tally.coalesced += len(fill.waiters)
                tally.saved_s += len(fill.waiters) * cost_s
                fill.serve(reply, rows)
        else:
            tally.refusals[put] += 1
            fill.release()

    def abandon(self, fill: Fill) -> None:
        """A reading will not end, or so late that nobody is to wait for it; it may be finished all the same."""
        self._forget(fill)
        fill.release()

    def _forget(self, fill: Fill) -> None:
        if self.fills.get(fill.key) is fill:
            del self.fills[fill.key]

    # Writing.

    def writing(self, tables: tuple[Table, ...] | None, why: str) -> None:
        """A statement is about to be sent that may write these tables, or with None any at all."""
        for table in tables or ():
            table.writes += 1
        self.wrote(tables, why)

    def wrote(self, tables: tuple[Table, ...] | None, why: str) -> None:
        """These tables, or with None any at all, may be written just now, or were."""
        now = self.clock()
        if tables is None:
            self.tables.move_everything()
            self._all_written_at = now
            self.cleared[why] += 1
            self.cleared_at[why] = now
            return
        for table in tables:
            table.move()
            self._written_at[table] = now

    def written_at(self, tables: tuple[Table, ...]) -> float:
        """When one of these tables was written last, as far as is known: a replica must be that far."""
        known = self._written_at
        return max([known.get(table, self._all_written_at) for table in tables] + [self._all_written_at])

    def flush(self, schema: str = "", name: str = "") -> int:
        """Use nothing any more that was read from this table, or without a name from any; says how many results go.

        `*` stands for all of the schema's; a result of several tables is counted for each.
        """
        if not name:
            results = len(self.store)
            self._unfollowed.move_everything()
            self.wrote(None, FLUSHED)
            return results
        results = 0
        for tables in (self.tables, self._unfollowed):
            for table in tables.named(schema, name):
                results += table.entries
                self.wrote((table,), FLUSHED)
        return results

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


def _general(why: str, named: tuple[Key, ...]) -> str:
    for key in named:
        why = re.sub(re.escape(".".join(key)), "a table", why, flags=re.IGNORECASE)
    return why


def _refusal(state: SessionState) -> str:
    if state.names is None or state.names.client is None:
        return "the session's character set is not known"
    if state.names.client.strip(b"'").decode("ascii", "replace") in UNREADABLE:
        return "statements in the session's character set are not read"
    for name, value in state.variables:
        harmless, why = _TELLING.get(name, ((), ""))
        if why and value.strip(b"'").upper() not in harmless:
            return why
    return ""
