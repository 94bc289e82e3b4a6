# cython: annotation_typing=False, language_level=3, nonecheck=True
"""The connections to one backend: how many there may be, which lie idle, and who waits for one.

Connections lie on shelves, one for each account and class of capabilities: only those can serve one another's sessions.
Whoever finds its shelf empty waits; the first to come is the first to be served. Every decision is synchronous: a
connection that comes back goes to the next who waits for it, or makes room for one that is wanted elsewhere, or lies
down. Dialling is somebody else's work, asked for through `dial`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from time import perf_counter
from typing import NamedTuple, Protocol
from weakref import WeakValueDictionary

from dbmux.backend.connection import Connection, Ration
from dbmux.backend.occupation import describe
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.session import SessionState
from dbmux.wire.auth import Secret

# How many idle connections are looked at for one that needs no preparation.
CHOICE = 8
# How many connections of another kind may go to those behind him before one makes room for the first in the queue.
PATIENCE = 16
# For so long a server that had no place for one more is not asked for one again.
FULL_S = 1.0
# What a server says to an account that has all the connections that it may have, and where that is set.
_TOO_MANY_OF_ACCOUNT = {1203: b"", 1226: b"max_user_connections"}
_SERVERS_SETTING = "max_user_connections of the account at the server,"
WAIT_BOUNDS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class ShelfKey:
    """Whose connections may serve one another: the account at the server, and the capabilities agreed with it.

    A connection without a schema can get one, but never lose it again, so those without are a kind of their own.
    """

    user: bytes
    capabilities: int
    has_schema: bool


@dataclass(frozen=True, slots=True)
class RelayKey(ShelfKey):
    """Whose connections a relayed login may take over by a change of user, which gives it its own account and schema.

    So both are left open: the user is nobody, and of the schema there is one kind.
    """

    max_packet: int


@dataclass(frozen=True, slots=True)
class Account:
    """An account's password at the server, never shown, and the collation with which to log in.

    `since` is when a client brought it, by time.perf_counter: of two the newer one holds. `before` has another password
    that was brought before this one: while an account has two, either may be the first to be discarded.
    """

    password: Secret
    charset: int
    since: float = 0.0
    before: Account | None = None

    def __repr__(self) -> str:
        return f"Account(charset={self.charset})"


class Cap(NamedTuple):
    """How many connections an account may have, and the setting that says so."""

    limit: int
    setting: str


class Met(NamedTuple):
    """A limit of an account that the server has shown by a refusal, and when, by the pool's clock."""

    cap: Cap
    at: float


class Waiter(Protocol):
    """Who waits for a connection of `shelf`, or with None for a mere place under the limit.

    Connections of relayed logins cannot be dialled here: who waits for one gets what comes first, it or a place.
    """

    shelf: Shelf | None
    deadline: float

    @property
    def account(self) -> bytes:
        """The account at the server for which it is; nothing when that is not known."""

    def granted(self, connection: Connection | None) -> None:
        """Here it is; None is a place, for a connection that the waiter opens himself."""

    def denied(self, error: MySQLError | BackendRefused) -> None:
        """There will be none."""


class Place:
    """Somebody's place in the queue: since when, and how many connections of another kind went to those behind it."""

    __slots__ = ("passed", "shelf", "since", "waiter")

    def __init__(self, waiter: Waiter, shelf: Shelf | None, since: float) -> None:
        self.waiter = waiter
        self.shelf = shelf
        self.since = since
        self.passed = 0

    @property
    def account(self) -> bytes:
        """Whose connection is waited for."""
        return self.waiter.account


class Choice(Enum):
    """Which idle connection is taken."""

    LAST_USED = auto()
    """Few connections are kept busy, and those without work grow old and are closed."""
    ANOTHER = auto()
    """For tests: never the one that the session had last, and every debt is paid at once."""


# Asked for each statement: a name of an enum is looked up slowly.
_ANOTHER = Choice.ANOTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """A pool as it stands. `waits` has how many waited at most as long as each of WAIT_BOUNDS_S, and longer."""

    backend: str
    limit: int | None
    idle: int
    busy: int
    connecting: int
    unshared: int
    waiters: int
    waits: tuple[int, ...]
    waited_s: float
    carried: int


class Shelf:
    """The connections of one key. `idle` has the one that was used last at its end."""

    __slots__ = (
        "__weakref__",
        "account",
        "connecting",
        "failed_at",
        "has_failed",
        "idle",
        "is_relayed",
        "key",
        "members",
        "pool",
    )

    def __init__(self, pool: Pool, key: ShelfKey) -> None:
        self.pool = pool
        self.key = key
        # Those in use are their session's until it ends.
        self.is_relayed = isinstance(key, RelayKey)
        self.idle: list[Connection] = []
        self.members: set[Connection] = set()
        self.connecting = 0
        # Whether the last dial did: then nothing is dialled that nobody waits for.
        self.has_failed = False
        # When, by time.perf_counter.
        self.failed_at = 0.0
        # With what the next connection is dialled; whoever brings a newer password replaces it.
        self.account: Account | None = None

    def bring(self, password: Secret, charset: int, now: float) -> None:
        """A client has shown this password, with which the next connection is dialled."""
        known, before = self.account, None
        if known is not None:
            before = known.before if known.password == password else replace(known, before=None)
        self.account = Account(password, charset, now, before)

    def fall_back(self, refused: Account, now: float) -> Account | None:
        """The server does not take this password any more: what to try instead, if there is anything."""
        known = self.account
        if known is None or known.password != refused.password:
            # Somebody has brought another one meanwhile.
            return known
        if known.before is None:
            return None
        self.account = replace(known.before, charset=known.charset, since=now)
        return self.account

    def take(self, state: SessionState, session: object) -> Connection | None:
        """An idle connection, rather one that is in this state already; None when all are in use."""
        idle = self.idle
        if not idle:
            return None
        if self.pool.choice is _ANOTHER:
            return self._take_another(session)
        connection = idle[-1]
        if connection.state is state and (not connection.debt or connection.creditor is session):
            return idle.pop()
        for at in range(len(idle) - 1, max(-1, len(idle) - 1 - CHOICE), -1):
            connection = idle[at]
            if connection.state == state and (not connection.debt or connection.creditor is session):
                connection.state = state
                return idle.pop(at)
        return idle.pop()

    def _take_another(self, session: object) -> Connection | None:
        for connection in self.idle:
            if connection.creditor is not session:
                self.idle.remove(connection)
                return connection
        return None

    def claim(self, connection: Connection) -> bool:
        """Take this very connection if it is idle."""
        if connection in self.members and connection in self.idle:
            self.idle.remove(connection)
            return True
        return False

    def give(self, connection: Connection, now: float) -> None:
        """A connection is free again, in the state that it says: to the next who waits, or to lie idle."""
        if connection.is_closed:
            return
        if connection.state.schema and not self.key.has_schema:
            home = self.sibling(replace(self.key, has_schema=True))
            home.move(connection)
            home.give(connection, now)
            return
        pool = self.pool
        if connection.is_paused:
            # For a client that has all of its reply, though it has not read it yet.
            connection.resume()
        if connection.holder is not None:
            connection.holder = None
            pool.busy -= 1
        is_worn = pool.is_closing or (bool(pool.worn) and connection in pool.worn)
        if is_worn or (pool.queue and pool.is_wanted_elsewhere(self)):
            if connection.debt and connection.creditor is not None:
                connection.creditor.collect(connection, self._has_paid)
            else:
                connection.quit()
            return
        if pool.queue and (place := pool.first(self)) is not None:
            place.waiter.granted(connection)
            return
        connection.idle_since = now
        self.idle.append(connection)
        if pool.queue:
            pool.decide()

    def have_paid(self, connection: Connection) -> None:
        """Before an idle connection is closed, its last session gets what only this connection knows for it."""
        self.idle.remove(connection)
        if connection.creditor is None:
            connection.forget_debt()
            self.idle.append(connection)
        else:
            connection.creditor.collect(connection, self._has_paid)

    def _has_paid(self, connection: Connection) -> None:
        self.give(connection, connection.idle_since)

    def keep_ration(self) -> None:
        """Of too many statements those on idle connections of the pool are closed."""
        self.pool.keep_ration()

    def sibling(self, key: ShelfKey) -> Shelf:
        """The shelf of the same pool and account with another key."""
        found = self.pool.shelf(key)
        mine, its = self.account, found.account
        # Somebody may have brought that one a newer password, and this one's may not hold any more.
        if its is None or (mine is not None and its.since < mine.since):
            found.account = mine
        return found

    def move(self, connection: Connection) -> None:
        """Take over a connection in use from another shelf of the same pool."""
        if connection.is_closed:
            return
        home = connection.home
        assert isinstance(home, Shelf)
        assert connection not in home.idle
        home.members.discard(connection)
        connection.home = self
        self.members.add(connection)

    def lost(self, connection: Connection) -> None:
        """A connection of this shelf was closed."""
        if connection.holder is not None:
            self.pool.busy -= 1
        self.members.discard(connection)
        self.pool.worn.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self.pool.release(self.key.user)


class Pool:
    """All shelves of a backend under one limit; None leaves the limit to the server. `caps` bound single accounts.

    `unshared` has the connections that are their session's for life, and end with it. A shelf that nobody uses is
    forgotten, but for those that once had a connection where some are to be kept idle. `worn` are too old and end when
    they come back.
    A server may have fewer places than the limit says, or others may have taken them: then `limit` is what there was,
    and grows again with every connection that succeeds, and by one a second. So it is with an account that may have no
    more there, for that account alone.
    `busy` is how many sessions hold, and `carried` counts how often a connection had to be made ready for another one.
    """

    __slots__ = (
        "_clock",
        "_dial",
        "_full_at",
        "_kept",
        "_met",
        "_taken_by",
        "_waited_s",
        "_waits",
        "_wanted",
        "busy",
        "caps",
        "carried",
        "choice",
        "is_closing",
        "limit",
        "min_idle",
        "name",
        "queue",
        "ration",
        "shelves",
        "taken",
        "unshared",
        "worn",
    )

    def __init__(
        self,
        name: str,
        limit: int | None,
        dial: Callable[[Shelf], None],
        choice: Choice = Choice.LAST_USED,
        *,
        min_idle: int = 0,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.name = name
        self.choice = choice
        self.limit = limit
        self._wanted = limit
        # When the server had no place for one more, by the clock; None when it has some, as far as is known.
        self._full_at: float | None = None
        self.min_idle = min_idle
        self.caps: Mapping[bytes, Cap] = {}
        self.taken = 0
        self.busy = 0
        self.carried = 0
        self.ration = Ration()
        self.shelves: WeakValueDictionary[ShelfKey, Shelf] = WeakValueDictionary()
        self.unshared = Shelf(self, ShelfKey(b"", 0, False))
        # In the order in which they came. Mostly the first leaves; a dict would walk through the gap there each time.
        self.queue: deque[Place] = deque()
        self.worn: set[Connection] = set()
        self.is_closing = False
        self._dial = dial
        self._clock = clock
        # In the order in which they came, so that what is decided does not depend on chance.
        self._kept: dict[Shelf, None] = {}
        self._taken_by: Counter[bytes] = Counter()
        self._met: dict[bytes, Met] = {}
        self._waits = [0] * (len(WAIT_BOUNDS_S) + 1)
        self._waited_s = 0.0

    def shelf(self, key: ShelfKey) -> Shelf:
        """The shelf of a key, made when there is none."""
        found = self.shelves.get(key)
        if found is None:
            found = self.shelves[key] = Shelf(self, key)
        return found

    def connections(self) -> Iterator[Connection]:
        """All that are open, idle or in use."""
        for shelf in (self.unshared, *self.shelves.values()):
            yield from shelf.members

    def figures(self) -> PoolFigures:
        """How it stands."""
        shelves = list(self.shelves.values())
        idle = sum(len(shelf.idle) for shelf in shelves)
        used = [(shelf, len(shelf.members) - len(shelf.idle)) for shelf in (self.unshared, *shelves)]
        unshared = sum(count for shelf, count in used if shelf is self.unshared or shelf.is_relayed)
        return PoolFigures(
            backend=self.name,
            limit=self.limit,
            idle=idle,
            busy=sum(count for _, count in used) - unshared,
            connecting=sum(shelf.connecting for shelf in shelves),
            unshared=unshared,
            waiters=len(self.queue),
            waits=tuple(self._waits),
            waited_s=self._waited_s,
            carried=self.carried,
        )

    def wait(self, waiter: Waiter, since: float | None = None) -> None:
        """Queue for a connection; granted or denied later, or at once. `since` is when that began, if not just now."""
        shelf = waiter.shelf
        if self.is_closing:
            waiter.denied(self._closed())
        elif shelf is not None and shelf.idle and self.choice is Choice.LAST_USED:
            waiter.granted(shelf.idle.pop())
        else:
            self.queue.append(Place(waiter, shelf, self._clock() if since is None else since))
            if self.limit is None or self.busy < self.taken or self.taken != self.limit:
                self.decide()

    def cancel(self, waiter: Waiter) -> None:
        """Leave the queue."""
        for place in self.queue:
            if place.waiter is waiter:
                self._leave(place)
                # Somebody behind may have what was kept for him.
                self.decide()
                return

    def first(self, shelf: Shelf) -> Place | None:
        """The place of the first who waits for a connection of this shelf, who then waits no more."""
        for place in self.queue:
            if place.shelf is shelf:
                self._leave(place)
                return place
        return None

    def is_wanted_elsewhere(self, giver: Shelf) -> bool:
        """Whether one of `giver`'s connections has to make room: for a limit, or for the first whom that would help."""
        account = giver.key.user
        if self._is_above(account):
            return True
        place = self.queue[0]
        if place.shelf is giver:
            # As it is mostly: who is there is helped most by this very connection.
            return False
        is_full = self.limit is not None and self.taken >= self.limit
        if not is_full and not self._is_capped(account):
            return False
        first = self._first_helped(account, is_full)
        if first is None:
            return False
        shelf = first.shelf
        if shelf is giver or (shelf is not None and shelf.connecting):
            return False
        if shelf is None or shelf.is_relayed or not shelf.members:
            # He has no connection of his own kind to hope for.
            return True
        first.passed += 1
        return first.passed > PATIENCE

    def _is_above(self, account: bytes) -> bool:
        cap = self._cap_of(account)
        is_above_cap = cap is not None and self._taken_by[account] > cap.limit
        return is_above_cap or (self.limit is not None and self.taken > self.limit)

    def _is_capped(self, account: bytes) -> bool:
        cap = self._cap_of(account)
        return cap is not None and self._taken_by[account] >= cap.limit

    def _cap_of(self, account: bytes) -> Cap | None:
        # The smaller one, where both the configuration and the server bound it.
        cap, met = self.caps.get(account), self._met.get(account) if self._met else None
        if met is None:
            return cap
        return met.cap if cap is None or met.cap.limit < cap.limit else cap

    def _first_helped(self, account: bytes, is_full: bool) -> Place | None:
        # By the end of one of this account's connections.
        for place in self.queue:
            if place.account == account or (is_full and not self._is_capped(place.account)):
                return place
        return None

    def permit(self, limit: int) -> None:
        """Another limit holds from now on."""
        if limit != self._wanted:
            self._wanted = self.limit = limit
            self._full_at = None
            self.decide()

    def cap(self, caps: Mapping[bytes, Cap]) -> None:
        """Other caps hold from now on; an account above its own keeps what it uses until that comes back."""
        if caps != self.caps:
            self.caps = caps
            self.decide()

    def connected(self, shelf: Shelf, connection: Connection, now: float) -> None:
        """A dialled connection stands."""
        shelf.connecting -= 1
        shelf.has_failed = False
        self.admit(shelf, connection, now)
        shelf.give(connection, now)
        if shelf.key.user in self._met:
            self._ask_for_one_more(shelf.key.user)
        self._grow()

    def admit(self, shelf: Shelf, connection: Connection, now: float) -> None:
        """A connection whose place is taken already belongs to a shelf from now on."""
        if connection.is_closed:
            self.release(shelf.key.user)
            return
        connection.home = shelf
        connection.share(self.ration)
        connection.opened_at = now
        shelf.members.add(connection)
        if self.min_idle and shelf is not self.unshared and not shelf.is_relayed:
            self._kept[shelf] = None

    def keep_ration(self) -> None:
        """While more statements are prepared than may be, connections close theirs that are idle."""
        while self.ration.is_exceeded and self.close_idle_statements():
            continue

    def close_idle_statements(self) -> bool:
        """Close all that is prepared on the connection that was idle for longest, of those that have any; whether one
        has."""
        # What a connection owes is asked for before anything else is sent there.
        idle = [one for shelf in self.shelves.values() for one in shelf.idle if one.statements and not one.debt]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.idle_since)
        oldest.close_statements(list(oldest.statements))
        return True

    def failed(self, shelf: Shelf, error: MySQLError | BackendRefused) -> None:
        """A dial failed: the first who waits for it is told, unless he may have another connection of his account."""
        shelf.connecting -= 1
        shelf.has_failed = True
        shelf.failed_at = self._clock()
        if self.refused(shelf.key.user, error):
            return
        if isinstance(error, BackendRefused) and error.number == ErrorCode.TOO_MANY_CLIENTS.number and self.taken:
            self.limit, self._full_at = self.taken, self._clock()
        if (place := self.first(shelf)) is not None:
            place.waiter.denied(error)
        self.decide()

    def refused(self, account: bytes, error: MySQLError | BackendRefused) -> bool:
        """A place is free again: whether because the server lets this account have no more than those it has here.

        If not, whoever is told of the error has to have the pool decide after it.
        """
        self._count_out(account)
        if not isinstance(error, BackendRefused):
            return False
        setting = _TOO_MANY_OF_ACCOUNT.get(error.number)
        # What was closed here a moment ago may still count there.
        has_some = self._taken_by[account] > 0 or account in self._met
        if setting is None or setting not in error.message or not has_some:
            return False
        self._met[account] = Met(Cap(self._taken_by[account], _SERVERS_SETTING), self._clock())
        self.decide()
        return True

    def _ask_for_one_more(self, account: bytes) -> None:
        # If anybody wants it; else the next who does will find out.
        if any(place.account == account for place in self.queue):
            self._met[account] = Met(Cap(self._taken_by[account] + 1, _SERVERS_SETTING), self._clock())
            self.decide()
        else:
            del self._met[account]

    @property
    def is_refused_more(self) -> bool:
        """Whether the server had no place for one more, so that one of those which it has must be waited for."""
        return self._full_at is not None

    def _grow(self) -> None:
        if self._full_at is None:
            return
        self.limit = self.taken + 1
        if self._wanted is not None and self.limit >= self._wanted:
            self.limit, self._full_at = self._wanted, None
        self.decide()

    def release(self, account: bytes = b"") -> None:
        """A place is free again that was this account's; that of a relayed login is not known."""
        self._count_out(account)
        self.decide()

    def have_paid(self) -> list[Connection]:
        """Before they are closed, sessions get what only idle connections know for them; the connections that pay."""
        owing = [(shelf, one) for shelf in self.shelves.values() for one in shelf.idle if one.debt and one.creditor]
        for shelf, connection in owing:
            shelf.have_paid(connection)
        return [connection for _, connection in owing]

    def close(self) -> None:
        """Keep nothing any more: idle connections end now, the others when they come back; nobody waits longer."""
        self.is_closing = True
        self._kept.clear()
        for shelf in list(self.shelves.values()):
            for connection in list(shelf.idle):
                connection.quit()
        for place in list(self.queue):
            self._deny(place, self._closed())

    def end(self) -> None:
        """Close every connection now."""
        self.close()
        for connection in list(self.connections()):
            connection.quit()

    def expire(self, now: float) -> None:
        """Deny those whose time is over."""
        overdue = [place for place in self.queue if place.waiter.deadline < now]
        if not overdue:
            return
        others = len(self.queue) - 1
        # What holds for one holds for all of them: it is told as it was before the first is denied.
        states = {account: self._state(now, account) for account in {place.account for place in overdue}}
        for place in overdue:
            waiting = f", {others} more wait" if others else ""
            state, advice = states[place.account]
            told = f"{state}; waited {max(now - place.since, 0):.3g} s{waiting}; {advice}"
            self._deny(place, MySQLError(ErrorCode.BUSY, told))

    def tend(self, now: float, idle_s: float, lifetime_s: float) -> None:
        """Close connections that were idle for too long, or are too old; each has its own share of jitter.

        `min_idle` of each shelf may be idle for as long as they like, and are dialled anew when they are gone.
        """
        for shelf in list(self.shelves.values()):
            for connection in list(shelf.members):
                age = lifetime_s * (0.9 + (connection.id % 21) / 100)
                if now - connection.opened_at > age:
                    self.worn.add(connection)
            for connection in list(shelf.idle):
                is_spare = now - connection.idle_since > idle_s and len(shelf.idle) > self.min_idle
                if (is_spare or connection in self.worn) and connection.debt:
                    shelf.have_paid(connection)
                elif is_spare or connection in self.worn:
                    connection.quit()
        if self._full_at is not None and now - self._full_at >= FULL_S:
            self._full_at = now
            self._grow()
        for account in [account for account, met in self._met.items() if now - met.at >= FULL_S]:
            self._ask_for_one_more(account)
        for shelf in list(self._kept):
            self._refill(shelf)

    def decide(self) -> None:
        """Dial for those who wait, as far as there is room; idle connections of others make some."""
        # One at a time: whoever is told may come back with another wish before this returns.
        while not self.is_closing and (place := self._unprovided()) is not None:
            if not self._make_room_under_cap(place.account):
                continue
            if not self._make_room():
                return
            self._count_in(place.account)
            shelf = place.shelf
            if shelf is None or shelf.is_relayed:
                self._leave(place)
                place.waiter.granted(None)
            else:
                shelf.connecting += 1
                self._dial(shelf)

    def _unprovided(self) -> Place | None:
        # The first for whom nothing is being dialled yet, and may be.
        expected: dict[Shelf, int] = {}
        stuck: dict[bytes, bool] = {}
        for place in self.queue:
            shelf, account = place.shelf, place.account
            if account not in stuck:
                stuck[account] = self._is_capped(account) and not any(one.idle for one in self._shelves_of(account))
            if stuck[account]:
                continue
            if shelf is None or shelf.is_relayed:
                return place
            expected[shelf] = expected.get(shelf, 0) + 1
            if expected[shelf] > shelf.connecting:
                return place
        return None

    def _shelves_of(self, account: bytes) -> list[Shelf]:
        return [shelf for shelf in self.shelves.values() if shelf.key.user == account]

    def _make_room_under_cap(self, account: bytes) -> bool:
        # False when an idle connection has to pay first; until it comes back there is nothing to take from him.
        while self._is_capped(account):
            if not self._close_oldest(self._shelves_of(account)):
                return False
        return True

    def _make_room(self) -> bool:
        while self.limit is not None and self.taken >= self.limit:
            if not self._close_oldest(self.shelves.values()):
                return False
        return True

    def _close_oldest(self, shelves: Iterable[Shelf]) -> bool:
        idle = [(shelf, connection) for shelf in shelves for connection in shelf.idle]
        if not idle:
            return False
        # Rather one that owes nobody anything.
        shelf, oldest = min(idle, key=lambda one: (bool(one[1].debt), one[1].idle_since))
        if oldest.debt:
            # When it has paid it comes back, and there will be room.
            shelf.have_paid(oldest)
            return False
        # Its loss would decide again, in the middle of this decision.
        oldest.home = None
        shelf.idle.remove(oldest)
        shelf.members.discard(oldest)
        self.worn.discard(oldest)
        self._count_out(shelf.key.user)
        oldest.quit()
        return True

    def _count_in(self, account: bytes) -> None:
        self.taken += 1
        self._taken_by[account] += 1

    def _count_out(self, account: bytes) -> None:
        self.taken -= 1
        self._taken_by[account] -= 1
        if not self._taken_by[account]:
            del self._taken_by[account]

    def _refill(self, shelf: Shelf) -> None:
        missing = self.min_idle - len(shelf.idle) - shelf.connecting
        while missing > 0 and not self.queue and not shelf.has_failed:
            if (self.limit is not None and self.taken >= self.limit) or self._is_capped(shelf.key.user):
                return
            missing -= 1
            self._count_in(shelf.key.user)
            shelf.connecting += 1
            self._dial(shelf)

    def _leave(self, place: Place) -> None:
        queue = self.queue
        if queue[0] is place:
            queue.popleft()
        else:
            queue.remove(place)
        waited = max(self._clock() - place.since, 0.0)
        self._waits[bisect_left(WAIT_BOUNDS_S, waited)] += 1
        self._waited_s += waited

    def _deny(self, place: Place, error: MySQLError) -> None:
        # Another's denial may have made him leave.
        if place in self.queue:
            self._leave(place)
            place.waiter.denied(error)

    def _closed(self) -> MySQLError:
        return MySQLError(ErrorCode.SHUTDOWN, f"backend {self.name} was removed, or DbMux stops; connect again")

    def _state(self, now: float, account: bytes) -> tuple[str, str]:
        # Where the connections are that this account waits for, and what to do about it.
        cap = self._cap_of(account)
        if cap is not None and self._is_capped(account):
            shelves, taken = self._shelves_of(account), self._taken_by[account]
            whose, setting = f"{account.decode('utf-8', 'replace')}'s ", cap.setting
        else:
            shelves, taken = [self.unshared, *self.shelves.values()], self.taken
            whose, setting = "", f"backends.{self.name}.max_connections"
        holders = [connection.holder for shelf in shelves for connection in shelf.members]
        where = describe((holder.occupation for holder in holders if holder is not None), now)
        number = f"all {taken} of {whose}connections" if whose else f"all {taken} connections"
        if taken == 1:
            number = f"{whose}only connection" if whose else "the only connection"
        state = f"{number} to {self.name} {'are' if taken != 1 else 'is'} busy{': ' + where if where else ''}"
        if not whose and self._full_at is not None:
            setting = "max_connections of the server, which has no place for more,"
        return state, f"`dbmux clients --holding` shows what holds them; raise {setting} or timeouts.pool_wait"
