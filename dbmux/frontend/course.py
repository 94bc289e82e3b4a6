"""The course of a session through its group: which server takes its next query, and why.

A query of a session that holds no connection comes in; a server goes out, with the route that led there. What the
session wrote is followed, so that it reads its own writes. Sessions of groups with one server have no course. Never
touches a connection.
"""

from __future__ import annotations

from time import perf_counter

from dbmux.backend.connection import Connection
from dbmux.backend.group import Group
from dbmux.backend.pool import Shelf
from dbmux.backend.server import Backend, BackendState
from dbmux.backend.topology import Target
from dbmux.config.model import ImplicitTransactions, ReadYourWrites, Roles
from dbmux.errors import BackendRefused
from dbmux.frontend import gtids
from dbmux.frontend.orders import Orders
from dbmux.planner.routing import route_by_meaning
from dbmux.query import Access, Kind, Query, SetUserVariable
from dbmux.routes import ONLY, READ, ROUTES, Reason, Role, Route
from dbmux.wire.commands import Command
from dbmux.wire.replies import Status

# For so long an account that could not log in at a replica is not tried there again.
REFUSED_S = 10.0
# What these do to data, another statement did before them.
_WRITES_NOTHING = frozenset(
    (
        Kind.BEGIN,
        Kind.COMMIT,
        Kind.DIAGNOSTICS,
        Kind.EXPLAIN,
        Kind.KILL,
        Kind.ROLLBACK,
        Kind.SAVEPOINT,
        Kind.SET,
        Kind.SHOW,
        Kind.USE,
    )
)
# What any server can do for a session that holds no connection, while there is none to write to.
_EASY = _WRITES_NOTHING - {Kind.BEGIN} | {Kind.PREPARED}
_STATEMENTS = (Command.QUERY, Command.STMT_EXECUTE, Command.MARIADB_STMT_BULK_EXECUTE)
_TRANSACTION = ROUTES[Role.PRIMARY, Reason.TRANSACTION], ROUTES[Role.REPLICA, Reason.TRANSACTION]
_READ_AHEAD = ROUTES[Role.REPLICA, Reason.IMPLICIT_TRANSACTION]
_READ_AT_PRIMARY = ROUTES[Role.PRIMARY, Reason.READ]
_WRITE = ROUTES[Role.PRIMARY, Reason.WRITE]
_OWN_WRITES = ROUTES[Role.PRIMARY, Reason.OWN_WRITES]
_PINNED = ROUTES[Role.PRIMARY, Reason.PINNED], ROUTES[Role.REPLICA, Reason.PINNED]


def needs_primary(query: Query) -> bool:
    """Whether only a server that takes writes will do."""
    is_easy = query.kind in _EASY and query.access is not Access.WRITE
    return query.access is not Access.READ and not is_easy


class Course:
    """One session's, whose login at `backend` gave it the shelf `home`; that account holds everywhere.

    `route` is the last query's. `tried` are the servers that failed the query under way, `refusal` is what one of them
    said to its account, and `wait_for` is the GTID that its server must have first. `gtid` is that of what the session
    wrote last, with those that it was told, or b"" where it is not known.
    """

    __slots__ = (
        "_has_waited",
        "_home",
        "_is_ordered_read",
        "_is_told",
        "_is_untold",
        "_key",
        "_own",
        "_shelves",
        "_told",
        "_was_sent_again",
        "autocommit",
        "chosen",
        "deadline",
        "group",
        "gtid",
        "has_token",
        "refusal",
        "route",
        "tried",
        "wait_for",
        "written_at",
        "wrote",
    )

    def __init__(self, group: Group, backend: Backend, home: Shelf) -> None:
        self.group = group
        self._home = home
        self._key = home.key
        # Of the one under way nothing was chosen: a session may get its course in the middle of it.
        self.route: Route = ONLY
        self.tried: tuple[Backend, ...] = ()
        self.refusal: BackendRefused | None = None
        # The bit of the status that the server told last.
        self.autocommit = int(Status.AUTOCOMMIT)
        # When what it wrote last was done, by time.perf_counter; 0.0 before it wrote anything.
        self.written_at = 0.0
        # What `glance` found for the query under way, and had no connection idle.
        self.chosen: Backend | None = None
        # Until when the command under way waits for a primary, once it does.
        self.deadline = 0.0
        # What `gtid` is made of: what the server reported of a write, and what other sessions told.
        self.gtid = self._own = self._told = b""
        # Whether it wrote something of which that is not known.
        self._is_untold = False
        # Whether the session was ever told what another one had written.
        self.has_token = False
        self.wait_for = b""
        # Whether it wrote something that others do not see yet.
        self.wrote = False
        self._has_waited = False
        # Whether a hint names what the query under way must see, and whether the primary got that once more.
        self._is_told = False
        self._was_sent_again = False
        # Whether a rule or a hint sends the query under way, a SELECT, to a replica.
        self._is_ordered_read = False
        self._shelves = {backend: home}

    def steer(self, query: Query, orders: Orders | None) -> Backend | None:
        """The server for a query; None when every one that could take it was tried in vain."""
        chosen, self.chosen = self.chosen, None
        if chosen is not None:
            return chosen
        group = self.group
        if orders is not None and orders.target is not None and orders.route is not None:
            return self._as_ordered(orders.target, orders.route, orders.gtid, query)
        route = READ if query.access is Access.READ and query.is_plain else route_by_meaning(query)
        if route.role is Role.REPLICA:
            route, reader = self._read(route, orders)
            if reader is not None:
                self.route = route
                return reader
        self.route = route
        primary = group.primary
        if primary not in self.tried and (primary.is_usable or needs_primary(query) or self._is_bound(query)):
            return primary
        self.route = ROUTES[Role.REPLICA, Reason.NO_PRIMARY]
        return None if needs_primary(query) else group.any_reader(self.tried)

    def glance(self, query: Query) -> Backend | None:
        """The server for a plain query, where that takes no thought; None means that `steer` must think.

        The path of most queries: what it does `begin` and `steer` would do, too.
        """
        group = self.group
        if self.tried or self.wait_for or self._has_waited or not self.autocommit or group.config.observe:
            return None
        if self._was_sent_again:
            return None
        if query.access is Access.READ:
            is_bound = self.written_at and group.config.read_your_writes is not ReadYourWrites.OFF
            reader = group.reader(self.written_at if is_bound else 0.0, ())
            if reader is None or self._is_refused(reader):
                return None
            self.route = READ if reader is not group.primary else _READ_AT_PRIMARY
            return reader
        primary = group.primary
        if query.access is Access.WRITE and primary.is_usable and group.is_writable:
            self.route = _WRITE
            return primary
        return None

    def begin(self) -> None:
        """Another command begins: what was found out while the last one was sent is of no use any more."""
        self.tried = ()
        self.refusal = None
        self.wait_for = b""
        self.deadline = 0.0
        self._has_waited = False
        self._is_told = False
        self._was_sent_again = False
        self._is_ordered_read = False

    def has_waited_in_vain(self) -> None:
        """The replica did not get in time what the session wrote: the primary has it."""
        self.wait_for = b""
        self._has_waited = True

    def is_sent_again(self, query: Query, backend: Backend) -> bool:
        """Whether a read that this server lost goes there once more: others may lack what it must see."""
        if self._was_sent_again or backend is not self.group.primary or not self._is_bound(query):
            return False
        self._was_sent_again = True
        return True

    def _is_bound(self, query: Query) -> bool:
        # Whether a read must see what the primary has, which may have lost a connection when it is only suspected.
        if query.access is not Access.READ or self.group.primary.state is BackendState.DOWN:
            return False
        return self._is_told or bool(self._written_before)

    @property
    def _written_before(self) -> float:
        # What a read must see of the session's own writes: all up to this moment, or 0.0 for nothing.
        return 0.0 if self.group.config.read_your_writes is ReadYourWrites.OFF else self.written_at

    def _as_ordered(self, target: Target, route: Route, gtid: bytes, query: Query) -> Backend | None:
        # A statement that waits through a reload was ordered to a group that is followed no more.
        group = self.group if target.group.name == self.group.name else target.group
        is_for_replica = target.role is Role.REPLICA
        if gtid and self._has_waited:
            self.route = _OWN_WRITES
            return group.primary
        self.route = route
        self.wait_for = gtid if is_for_replica else b""
        self._is_ordered_read = is_for_replica and query.kind is Kind.SELECT and query.access is not Access.LOCKING_READ
        if target.backend is not None:
            chosen: Backend | None = target.backend
        elif is_for_replica:
            # The primary, too, where it has a share or no replica can: it has what is waited for.
            chosen = group.reader(0.0, self.tried) or group.any_reader(self.tried)
            if chosen is group.primary:
                self.route = ROUTES[Role.PRIMARY, route.reason]._replace(rule=route.rule)
                self.wait_for = b""
        else:
            chosen = group.primary
        return None if chosen in self.tried else chosen

    def _read(self, route: Route, orders: Orders | None) -> tuple[Route, Backend | None]:
        group, config = self.group, self.group.config
        if not group.has_choice:
            return ONLY, None
        wanted, written_at = orders.gtid if orders is not None else b"", self._written_before
        self._is_told = bool(wanted)
        is_implicit = not self.autocommit and route is READ
        if is_implicit and config.implicit_transactions is ImplicitTransactions.PRIMARY:
            return ROUTES[Role.PRIMARY, Reason.IMPLICIT_TRANSACTION], None
        if config.observe:
            group.observed += 1
            return ROUTES[Role.PRIMARY, Reason.OBSERVED]._replace(would=str(route.role)), None
        if self._has_waited:
            return _OWN_WRITES, None
        self.tried += tuple(replica for replica in group.replicas if self._is_refused(replica))
        self.wait_for = own = b""
        reader = group.reader(written_at, self.tried)
        if reader is None and written_at:
            is_known = config.read_your_writes is ReadYourWrites.GTID and not self._is_untold
            own = self.gtid if is_known else b""
            reader = group.reader(0.0, self.tried)
            if reader is not None and not own:
                return _OWN_WRITES, None
        if reader is None:
            return ROUTES[Role.PRIMARY, Reason.NO_REPLICA], None
        if reader is not group.primary and (wanted or own):
            # A replica that is known to have the session's own writes need not have what a hint names.
            self.wait_for = gtids.both(own, wanted)
            if not self.wait_for:
                return _OWN_WRITES, None
        if is_implicit:
            route = _READ_AHEAD
        return (route if reader is not group.primary else ROUTES[Role.PRIMARY, route.reason]), reader

    @property
    def must_wait_for_primary(self) -> bool:
        """Whether a query for the primary would be refused now, and there may soon be one that takes it."""
        group = self.group
        return group.config.roles is Roles.AUTO and not (group.is_writable and group.primary.is_usable)

    @property
    def is_reading_ahead(self) -> bool:
        """Whether the last query read from a replica for a transaction that did not write yet, and may end there.

        A plain read opens one where the server's own default is to have autocommit off. What a rule or a hint sends to
        a replica would hold the session there, where it cannot write.
        """
        return self.route is _READ_AHEAD or self.route is READ or self._is_ordered_read

    def stay(self, backend: Backend | None, connection: Connection) -> None:
        """A query goes to the connection that the session holds."""
        self._is_ordered_read = False
        routes = _TRANSACTION if connection.is_in_transaction else _PINNED
        self.route = routes[backend is not self.group.primary]

    def shelf(self, backend: Backend) -> Shelf:
        """The shelf of a server from which this session takes connections."""
        shelf = self._shelves.get(backend)
        if shelf is None:
            shelf = self._shelves[backend] = backend.pool.shelf(self._key)
        newest = self._home.account
        known = shelf.account
        if known is not newest and newest is not None and (known is None or known.since < newest.since):
            shelf.account = newest
        return shelf

    def _is_refused(self, backend: Backend) -> bool:
        # Whether this account cannot log in there, as it seems; the others can.
        shelf = self.shelf(backend)
        return shelf.has_failed and not shelf.members and perf_counter() - shelf.failed_at < REFUSED_S

    def move(self, backend: Backend, shelf: Shelf) -> None:
        """The session's connections are of another kind from now on, that of this shelf."""
        self._key = shelf.key
        self._shelves = {backend: shelf}

    def regroup(self, group: Group) -> None:
        """The session's group is another one; servers that are not in it are forgotten."""
        self.group = group
        self._shelves = {backend: shelf for backend, shelf in self._shelves.items() if backend in group.members}

    def follow(self, query: Query, command: int, connection: Connection, now: float) -> None:
        """A query was answered: what the session wrote is to be seen by what it reads next."""
        self.autocommit = connection.scanner.status & Status.AUTOCOMMIT
        # EXPLAIN, too, may be of a statement that is carried out.
        may_write = query.kind not in _WRITES_NOTHING or query.access is Access.WRITE
        if may_write and query.access is not Access.READ and command in _STATEMENTS:
            self.wrote = True
        if self.wrote and not connection.is_in_transaction:
            self.wrote = False
            self.written_at = now
            self._note_gtid(connection)
        for effect in query.effects:
            match effect:
                case SetUserVariable(gtids.VARIABLE, value) if gtids.is_gtid(value.strip(b"'")):
                    # What another session wrote counts as written by this one, besides what that wrote itself.
                    self._is_untold |= bool(self.written_at) and not gtids.are_told(connection.state)
                    self._told = gtids.both(gtids.readable(self._told), value.strip(b"'"))
                    self._combine()
                    self.written_at, self.has_token = now, True

    def _note_gtid(self, connection: Connection) -> None:
        # Nothing is reported of what changed nothing; nor of anything, where the session has switched that off.
        if not gtids.are_told(connection.state):
            self.gtid = self._own = b""
            self._is_untold = True
        elif connection.reported_gtid and connection.reported_gtid != self._own:
            self._own, self._is_untold = connection.reported_gtid, False
            self._told = gtids.readable(self._told)
            self._combine()

    def _combine(self) -> None:
        self.gtid = gtids.both(self._own, self._told) if self._told else self._own
        if not self.gtid:
            self._is_untold = True
