# cython: annotation_typing=False, language_level=3, nonecheck=True
"""A session and the query cache: answers from memory, readings that are stored, and writes that are followed.

A command's bytes and meaning come in before it is sent; either it is answered at once, or waits for another session
that reads the same, or is noted so that its end tells the cache. Only sessions without a connection of their own are
answered: one that has a transaction, a lock or a temporary table asks the server. Never keeps what a reply said.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from time import perf_counter, time

from dbmux.backend.connection import Connection, Debt
from dbmux.backend.group import Group
from dbmux.cache.advisor import Subject
from dbmux.cache.cache import (
    EXECUTIONS,
    ORDERED_EXECUTIONS,
    ORDERED_TEXTS,
    TEXTS,
    Cache,
    Environment,
    Scope,
    Verdict,
    text_of,
)
from dbmux.cache.eviction import Entry
from dbmux.cache.fill import Fill, Herald
from dbmux.cache.plans import Plan, Reading
from dbmux.cache.store import Put
from dbmux.cache.tables import Table
from dbmux.cache.written import Written
from dbmux.config.model import CachePolicy
from dbmux.events import KEPT, MEMORY, QueryFinished
from dbmux.frontend.carried import COUNTS
from dbmux.frontend.orders import Orders
from dbmux.frontend.prepared import EXECUTE, HELD, Statement
from dbmux.frontend.ready import ReadyTenant
from dbmux.frontend.state import IDLE, REPLYING, WAITING, State
from dbmux.frontend.tenant import AUTOCOMMIT, IN_TRANSACTION, QUERY, RESULT, Market, new_tuple
from dbmux.lexer import digest, uncommented
from dbmux.net.channel import Channel
from dbmux.query import Kind, Query
from dbmux.routes import CACHED
from dbmux.session import SessionState
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Shape
from dbmux.wire.replies import Ok, Status, tells_only_charsets

# A reply with a flag of these says something of the moment or of the session.
OTHER_STATUS = ~int(
    Status.AUTOCOMMIT
    | Status.NO_GOOD_INDEX
    | Status.NO_INDEX
    | Status.SLOW_QUERY
    | Status.NO_BACKSLASH_ESCAPES
    | Status.SESSION_STATE_CHANGED
)
STATE_CHANGED = int(Status.SESSION_STATE_CHANGED)
HIT, MISS = Verdict.HIT, Verdict.MISS
# A command was sent, or will be.
_UNDER_WAY = frozenset((State.FILE_UPLOAD, State.REPLYING, State.STATEMENT_UPLOAD, State.WAITING))
_SWITCH = re.compile(
    rb"\s*SET\s+@(?:dbmux_cache|`dbmux_cache`)\s*:?=\s*(off|on|0|1|false|true|'off'|'on'|\"off\"|\"on\")\s*;?\s*",
    re.IGNORECASE,
)
# Of a digest more is not kept.
LONGEST_DIGEST = 500


class Switch(Enum):
    """What a session wants of the cache."""

    ON = auto()
    OFF = auto()


class CachedTenant(ReadyTenant):
    """A tenant whose reads may be answered from the cache, if there is one."""

    __slots__ = (
        "_advised",
        "_away",
        "_cache",
        "_environment",
        "_environment_state",
        "_is_cache_off",
        "_joined",
        "_key",
        "_may_lack",
        "_resume",
        "_scope",
        "_written",
        "user",
    )

    def __init__(self, session_id: int, channel: Channel, surroundings: Market) -> None:
        super().__init__(session_id, channel, surroundings)
        self.user = ""
        self._cache: Cache | None = None
        self._environment: Environment
        # The state for which that is the environment.
        self._environment_state: SessionState | None = None
        self._is_cache_off = False
        # Who wants to know how long the server takes for the command under way.
        self._advised: Subject | None = None
        # The key of the text under way, or b"" when it is not to be stored.
        self._key = b""
        # Whether a replica is asked that may not have everything.
        self._may_lack = False
        # Another session's reading that this one waits for, and how it goes on without.
        self._joined: Fill | None = None
        self._resume: Callable[[], None]
        # The group that a hint or a rule chose for the connection, and where the command under way is carried out.
        self._away = ""
        self._scope: Scope
        # What the open transaction has written.
        self._written = Written()

    @abstractmethod
    def _go_on(self) -> None:
        """Run what the client sent meanwhile."""

    def _begin_cached(self, cache: Cache | None) -> None:
        """A login is over."""
        self._cache = cache
        self._environment_state = None
        self._is_cache_off = False

    def use_cache(self, cache: Cache | None) -> None:
        """Have results stored and found there from now on, or nowhere."""
        if cache is None:
            self._fail_cached()
            self._verdict = ""
        elif self._cache is None:
            # What it wrote so far was not followed, and what it may be writing now.
            self._written.clear()
            if self.connection is not None:
                self._written.add(None)
            if self.state in _UNDER_WAY:
                self._scope = self._enter_environment(cache).scope
                self._plan = Plan(query=self._query, writes=None)
        self._cache = cache
        self._environment_state = None

    def _enter_environment(self, cache: Cache) -> Environment:
        shelf, group, state = self.shelf, self.group, self.carried.state
        assert group is not None
        account, form = (b"", 0) if shelf is None else (shelf.key.user, shelf.key.capabilities)
        # Whoever asked for it is told the session's state in a form that others cannot read.
        form |= self.capabilities & Capability.SESSION_TRACK
        self._environment = cache.environment(group.name, self.user, account, form, state)
        self._environment_state = state
        return self._environment

    # Answering.

    def _recall(self, cache: Cache, data: bytes, start: int, kind: int = TEXTS) -> bool:
        """Answer a text from memory; False when it must be asked. Runs once a query: the shorter the better."""
        is_same = self.carried.state is self._environment_state
        environment = self._environment if is_same else self._enter_environment(cache)
        course = self.course
        if environment.refusal or self._is_cache_off or self._is_congested or (course is not None and course.has_token):
            self._key = b""
            return False
        self._sent, self._statement = data, None
        text = data[start:]
        # Not `in`: it tries bytes as a number first, and has an exception to forget.
        if text.find(b"/*") >= 0 or text.find(b"#") >= 0 or text.find(b"--") >= 0:
            text = uncommented(text, 0, self._flags)
        self._command = QUERY
        key = self._key = environment.prefixes[kind] + text
        entry = cache.store.get(key)
        return entry is not None and self._serve(cache, entry)

    def _is_recalled(self, cache: Cache, query: Query, data: bytes, start: int) -> bool:
        """The same for a text whose meaning is known by now, and for which something may be ordered."""
        if query.footprint.uncacheable or self._is_bypassed:
            self._key = b""
            return False
        return self._recall(cache, data, start, TEXTS if self._cache_policy is None else ORDERED_TEXTS)

    def _recall_prepared(self, cache: Cache, statement: Statement, types: bytes, data: bytes) -> bool:
        """The same for an execution."""
        self._sent, self._statement = data, statement
        was, now = statement.state, self.carried.state
        environment = self._environment if now is self._environment_state else self._enter_environment(cache)
        is_unlike = statement.query.footprint.uncacheable or (was is not now and not _reads_alike(was, now))
        has_token = self.course is not None and self.course.has_token
        if is_unlike or environment.refusal or self._is_cache_off or self._is_congested or has_token:
            return False
        self._command = EXECUTE
        kind = EXECUTIONS if self._cache_policy is None else ORDERED_EXECUTIONS
        text, size = statement.text, len(types).to_bytes(4, "little")
        parts = (environment.prefixes[kind], statement.sizes, text, size, types, statement.derived, data[9:])
        key = self._key = b"".join(parts)
        entry = cache.store.get(key)
        return entry is not None and self._serve(cache, entry)

    def _serve(self, cache: Cache, entry: Entry) -> bool:
        # An old entry is fetched anew by the first who finds it, and served to the others meanwhile.
        now = perf_counter()
        tally = entry.tally
        if entry.refresh_at > now:
            verdict = HIT
        elif cache.joinable(entry.key) is None:
            return False
        else:
            verdict = Verdict.STALE
            tally.stale += 1
        tally.hits += 1
        tally.saved_s += entry.cost_s
        self._answer(entry.reply, entry.rows, verdict, now, entry.query)
        return True

    def _answer(self, reply: bytes, rows: int, verdict: str, started: float, query: Query | None) -> None:
        self.channel.write(reply)
        carried = self.carried
        carried.row_count = -1
        carried.found_rows = rows
        carried.forget_warnings()
        carried.apart = COUNTS
        if self._debtor is not None:
            # What else it still knew is of before this statement.
            self._debtor.debt &= Debt.INSERT_ID
        self._ended = now = perf_counter()
        sent, statement = self._sent, self._statement
        self._emit(
            new_tuple(
                QueryFinished,
                (
                    time(),
                    self.id,
                    MEMORY,
                    self._command,
                    now - started,
                    len(reply),
                    0,
                    CACHED,
                    verdict,
                    self.who,
                    carried.state.schema,
                    sent if len(sent) <= KEPT else sent[:KEPT],
                    b"" if statement is None else statement.shown,
                    query,
                    0.0,
                    0.0,
                    rows,
                    0,
                    b"",
                    False,
                    0,
                    b"" if statement is None else statement.types[:KEPT],
                ),
            )
        )

    # The ends of the fast lanes.

    def _take_bare(self, query: Query) -> Connection | None:
        """A connection that is free and as this session wants it; None where more must be thought of."""
        connection, course = self.connection, self.course
        # What a session held before has what it did there: nothing is sent again elsewhere.
        self._is_retriable = connection is None
        if connection is None:
            connection = self._take() if course is None else self._take_for(course, query)
        elif course is not None:
            if connection.kills:
                # It may be kept for that alone, and be at the wrong server.
                return None
            course.stay(self.backend, connection)
        is_ready = connection is not None and (
            connection.state is self.carried.state and (connection.creditor is self or not connection.debt)
        )
        return connection if is_ready else None

    def _send_bare(self, connection: Connection, query: Query, data: bytes) -> None:
        self._query = query
        self._is_plain = True
        self.state = REPLYING
        if connection.creditor is not self:
            connection.serve(self)
        connection.reply_bytes = 0
        connection.scanner.begin(RESULT, 1)
        if self._fill is not None:
            self._record(self._fill, connection)
        self._started = perf_counter()
        connection.channel.write(data)

    # Asking.

    def _consult(self, cache: Cache, query: Query, policy: CachePolicy | None = None) -> bool:
        """Note what a command that is about to be sent means to the cache; True when it need not be sent."""
        plan = self._find_plan(cache, query, policy)
        key, self._key = self._key, b""
        self._fill = None
        self._verdict = plan.bypass.why
        self._plan = None if plan.is_idle and self._written.is_empty else plan
        self._advised = None
        if plan.writes != ():
            cache.writing(plan.writes, query.kind)
        if plan.reading is not None:
            return self._read_for_many(cache, key, plan, plan.reading)
        if self._verdict:
            cache.bypass(plan.bypass.cause)
            if plan.watched and key and self.connection is None and not hash(key) & cache.advisor.mask:
                self._advise(cache, key, plan, plan.watched)
        return False

    def _find_plan(self, cache: Cache, query: Query, policy: CachePolicy | None) -> Plan:
        is_same = self.carried.state is self._environment_state
        environment = self._environment if is_same else self._enter_environment(cache)
        if self._orders is None and not self._away:
            scope = self._scope = environment.scope
            return cache.plan(scope, query)
        return self._ordered(cache, environment, query, policy)

    def _read_for_many(self, cache: Cache, key: bytes, plan: Plan, reading: Reading) -> bool:
        # What comes may be stored: unless it is there already, or on its way to another session, this one fetches it.
        if not key or self.connection is not None:
            self._verdict = self._why_not()
            cache.bypass(self._verdict)
            return False
        if reading.is_shared:
            key = self._environment.shared_key(key)
            entry = cache.store.get(key)
            if entry is not None and self._serve(cache, entry):
                self._plan = None
                return True
        if key in cache.fills and self._joins(cache, key):
            return True
        self._fill = cache.begin(key, reading)
        if self._fill is not None:
            self._verdict = MISS
            if not hash(key) & cache.advisor.mask:
                self._advise(cache, key, plan, reading.tables)
        else:
            self._verdict = "a write to its tables may still come true"
            cache.bypass(self._verdict)
        return False

    def _ordered(self, cache: Cache, environment: Environment, query: Query, policy: CachePolicy | None) -> Plan:
        # A hint or a rule may choose another group's server, where there are other triggers, for as long as its
        # connection is held.
        orders = self._orders
        if self.connection is None:
            self._away = orders.target.group.name if orders is not None and orders.target is not None else ""
        scope = cache.scope(self._away, self.carried.state.schema) if self._away else environment.scope
        self._scope = scope
        if policy is None or orders is None:
            return cache.plan(scope, query)
        return cache.forced(scope, query, policy, orders.cached_by)

    def _joins(self, cache: Cache, key: bytes) -> bool:
        # Who is owed something must be free to be paid at any time.
        fill = cache.joinable(key) if self._debtor is None else None
        if fill is None:
            return False
        self._plan = None
        self._joined = fill
        self._started = perf_counter()
        fill.waiters.append(self)
        self.state = WAITING
        return True

    def _advise(self, cache: Cache, key: bytes, plan: Plan, tables: tuple[Table, ...]) -> None:
        # What the server is asked, for those who want to know what storing it would bring.
        advisor, number, now = cache.advisor, hash(key), cache.clock()
        seen = advisor.find(number)
        if seen is None:
            text = digest(text_of(key), 0, self._flags)
            in_force_s = 0.0 if plan.reading is None else plan.reading.ttl_s
            seen = advisor.meet(number, text[:LONGEST_DIGEST], tables, now, in_force_s=in_force_s)
        self._advised = advisor.ask(seen, now)
        if self._advised is not None:
            # Its end is to be measured.
            self._plan = plan

    def _why_not(self) -> str:
        connection = self.connection
        if self.shelf is None:
            return "relayed login"
        if self._environment.refusal:
            return self._environment.refusal
        if self._is_cache_off:
            return "the session has the cache switched off"
        if self.course is not None and self.course.has_token:
            # Of what it wants to see, which another DbMux may have written, this one was perhaps not told.
            return "the session handed over a GTID"
        if connection is not None and connection.is_in_transaction:
            return "in a transaction"
        if connection is not None:
            return "pinned to its connection"
        if self._orders is not None and self._is_sent_away(self._orders):
            return "its server was chosen"
        if self._orders is not None and self._orders.cache is False:
            return f"nocache by {self._orders.cached_by}"
        return "not asked for"

    def _request(self, query: Query, data: bytes, then: Callable[[], None], statement: Statement | None = None) -> None:
        if self._cache is not None and self._consult(self._cache, query, self._cache_policy):
            self._command = data[4]
            self._resume = lambda: self._request_alone(query, data, then, statement)
            return
        super()._request(query, data, then, statement)

    @property
    def _cache_policy(self) -> CachePolicy | None:
        return None if self._orders is None else self._orders.cache or None

    @property
    def _is_bypassed(self) -> bool:
        """Whether it is ordered otherwise than to answer from memory, or the answer could not be given so."""
        orders = self._orders
        if orders is None:
            return self.connection is not None
        is_ordered = orders.cache is False or orders.max_rows is not None or bool(orders.gtid)
        return is_ordered or self._is_sent_away(orders) or self.connection is not None

    def _is_sent_away(self, orders: Orders) -> bool:
        # Who chooses a server wants its answer, unless he says that it may be stored. Other groups' are not kept here.
        return orders.target is not None and not (orders.cache and orders.target.group is self.group)

    def _resume_with(self, query: Query, data: bytes) -> None:
        """Have a text that waits for another session's reading sent, should that come to nothing."""

        def resume() -> None:
            self._shape = int(Shape.RESULT)
            self._request_alone(query, data, self._send_pending)

        self._command = QUERY
        self._resume = resume

    def _request_alone(
        self, query: Query, data: bytes, then: Callable[[], None], statement: Statement | None = None
    ) -> None:
        # Whoever has waited in vain does not wait again: a table that is written all the time would starve it.
        self._verdict = MISS
        super()._request(query, data, then, statement)

    def filled(self, reply: bytes, rows: int) -> None:
        """The other session's reading is over, and this is the result."""
        joined, self._joined = self._joined, None
        if joined is None:
            # Whoever was told before has ended this session.
            return
        self.state = IDLE
        self._answer(reply, rows, Verdict.COALESCED, self._started, joined.reading.query)
        self._go_on()

    def not_filled(self) -> None:
        """The other session's reading gave nothing that can be shared."""
        if self._joined is None:
            return
        self._joined = None
        self.state = IDLE
        self._resume()

    def _switch_cache(self, switch: Switch) -> None:
        """SET @dbmux_cache: whether this session's results are read from memory and stored there."""
        self._is_cache_off = switch is Switch.OFF
        self.carried.count(0)
        self.channel.write(packet.encode(Ok(status=self.status).build(self.capabilities), 1))

    # Following.

    def _listen(self, plan: Plan, connection: Connection) -> None:
        if self._fill is not None:
            self._record(self._fill, connection)
        elif plan.query.kind is Kind.MULTI:
            # Each of the statements is acknowledged by its own reply, and not by the last.
            connection.client = Herald(lambda: self._wrote_so_far(plan), self.channel.write)

    def _wrote_so_far(self, plan: Plan) -> None:
        if self._cache is not None:
            self._cache.wrote(plan.writes, Kind.MULTI)
            self._cache.wrote(self._written.tables, Kind.MULTI)

    def _record(self, fill: Fill, connection: Connection) -> None:
        # Asked before it is sent: the replica may catch up while it reads.
        self._may_lack = self.course is not None and self._is_behind(self.course.group, fill)
        fill.record(self.channel.write)
        connection.client = fill
        connection.reported_state = b""

    def _is_behind(self, group: Group, fill: Fill) -> bool:
        if self._cache is None or self.backend is None:
            return True
        is_primary = self.backend is group.primary
        return not is_primary and self.backend.applied_until <= self._cache.written_at(fill.reading.tables)

    def _conclude(self, plan: Plan, connection: Connection) -> None:
        cache, self._plan = self._cache, None
        connection.client = self.channel
        if cache is None:
            return
        if self._advised is not None:
            if not _unstorable(connection):
                # Of others nothing is to be said: no ttl would have their results stored.
                self._advised.took(perf_counter() - self._started)
            self._advised = None
        if self._fill is not None:
            fill, self._fill = self._fill, None
            cache.finish(fill, self._storable(fill, connection), connection.scanner.rows)
        if plan.writes != () or not self._written.is_empty:
            self._follow_writes(cache, plan, connection)
        if plan.writes != () and (now := cache.plan(self._scope, plan.query)) is not plan:
            # By now a trigger may be there that was not known when it was sent.
            self._follow_writes(cache, now, connection)
        if plan.defines:
            self._scope.source.doubt()

    def _storable(self, fill: Fill, connection: Connection) -> bytes | str:
        # The reply, or why it must not be stored.
        if why := _unstorable(connection):
            return why
        if self._may_lack:
            # Its result must not outlive this moment.
            return "a replica gave it that may lack what was written"
        return fill.reply or Put.TOO_LARGE

    def _follow_writes(self, cache: Cache, plan: Plan, connection: Connection) -> None:
        # Only the server knows when a transaction ends: by COMMIT, by a definition, by LOCK TABLES, by another BEGIN.
        status, why = connection.scanner.status, plan.query.kind
        is_open = bool(status & IN_TRANSACTION) or not status & AUTOCOMMIT
        if plan.writes != ():
            cache.wrote(plan.writes, why)
        if not self._written.is_empty and not (is_open and plan.query.is_self_contained):
            cache.wrote(self._written.tables, why)
        if is_open:
            self._written.add(plan.writes)
        else:
            self._written.clear()

    def _leave_cache(self) -> None:
        """The command under way, and the transaction, end without the server's word."""
        cache, plan, fill, joined = self._cache, self._plan, self._fill, self._joined
        self._plan = self._fill = self._joined = None
        if cache is None:
            return
        if joined is not None and self in joined.waiters:
            joined.waiters.remove(self)
        if fill is not None:
            cache.abandon(fill)
        if plan is not None:
            self._written.add(plan.writes)
            if plan.defines:
                self._scope.source.doubt()
        if not self._written.is_empty:
            written = self._written.tables
            if plan is not None and self.state not in (IDLE, WAITING) and not self._scope.source.is_followed:
                # It was sent, perhaps, and the server may still carry it out.
                cache.doubt(written, "a connection was lost")
            else:
                cache.wrote(written, "a transaction was given up")
            self._written.clear()

    def _fail_cached(self) -> None:
        """The cache has nothing to do with the command under way any more: it was not sent, or there is no cache."""
        fill, cache = self._fill, self._cache
        self._plan = self._fill = None
        if fill is not None and cache is not None:
            cache.abandon(fill)

    def _stop_sharing(self) -> None:
        """This client reads slowly: who waits for the same goes on by himself, and nobody else begins to wait."""
        if self._fill is not None and self._cache is not None:
            self._cache.abandon(self._fill)


def _unstorable(connection: Connection) -> str:
    # Why a result must not be stored, whoever asked for it.
    scanner = connection.scanner
    if scanner.error or not scanner.has_rows:
        return "it is an error"
    if scanner.warnings:
        return "it has warnings"
    if scanner.status & STATE_CHANGED and not tells_only_charsets(connection.reported_state):
        return "it tells of the session"
    if not scanner.status & AUTOCOMMIT or scanner.status & OTHER_STATUS:
        return "its status tells of the moment"
    return ""


def switches_cache(sql: bytes, start: int, flags: int) -> Switch | None:
    """What `SET @dbmux_cache = off` and its like ask for in sql[start:]; None for every other statement."""
    found = _SWITCH.fullmatch(uncommented(sql, start, flags))
    if found is None:
        return None
    return Switch.OFF if found[1].strip(b"'\"").lower() in (b"off", b"0", b"false") else Switch.ON


def _reads_alike(was: SessionState, now: SessionState) -> bool:
    # A prepared statement keeps these of its preparation.
    is_held = all(was.variable(name) == now.variable(name) for name in HELD)
    return is_held and was.schema == now.schema and was.names == now.names
