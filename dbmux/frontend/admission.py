"""Letting a client in: who it is was claimed, is proved here, and a first connection shows that the server agrees.

A door and a backend come in, or who says which backend it is; out goes what the session begins with: the state, and
either a shelf from which its connections come, or a connection of its own (a relayed login, whose password nobody
knows). After a refusal nothing is kept: places and connections are given back, and a connection on which a change of
user failed is closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace

from dbmux.backend.connection import Connection
from dbmux.backend.inquiry import ask
from dbmux.backend.login import Credentials, end_login
from dbmux.backend.opening import open_shared
from dbmux.backend.pool import Account, Pool, RelayKey, Shelf, ShelfKey
from dbmux.backend.server import Backend, Origin, Wish
from dbmux.backend.turn import Turn, run
from dbmux.config.model import User
from dbmux.errors import BackendRefused, DbMuxError, ErrorCode, MySQLError
from dbmux.frontend import login
from dbmux.frontend.entry import Entry, NewConnection, UserChange
from dbmux.frontend.login import Door
from dbmux.session import SessionState, assignments, needs_reset, schemas
from dbmux.wire.buffer import lenenc_bytes
from dbmux.wire.capabilities import Capability as C
from dbmux.wire.client import ClientProtocol, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status, Track

# What must be the same for two sessions that share a connection: framing, and what statements mean.
CLASS = (
    C.LONG_PASSWORD | C.FOUND_ROWS | C.LONG_FLAG | C.NO_SCHEMA | C.ODBC | C.LOCAL_FILES | C.IGNORE_SPACE
    | C.PROTOCOL_41 | C.INTERACTIVE | C.TRANSACTIONS | C.MULTI_STATEMENTS | C.MULTI_RESULTS | C.PS_MULTI_RESULTS
    | C.EXPIRED_PASSWORDS | C.DEPRECATE_EOF | C.QUERY_ATTRIBUTES | C.MARIADB_BULK | C.MARIADB_EXTENDED_METADATA
)  # fmt: skip
# The server takes these into account at a login and forgets them in a change of user (wait_timeout, sql_mode).
LOST_BY_CHANGE = C.INTERACTIVE | C.IGNORE_SPACE
Start = Callable[[Coroutine[None, None, None], str], object]
# The server at which a login is proved now.
Entrance = Callable[[], Backend]
FAREWELL_S = 5.0
# For so long a learnt password is believed without asking the server again.
BELIEVED_S = 60.0
# How often a connection is opened for an account that may have no more at the server, after one of its own made room.
TRIES = 3


@dataclass(slots=True)
class Learnt:
    """Passwords that clients showed and a server accepted; in memory only, the oldest forgotten first."""

    limit: int = 10_000
    credentials: dict[tuple[str, bytes], Credentials] = field(default_factory=dict)
    checked: dict[tuple[str, bytes], float] = field(default_factory=dict)

    def remember(self, backend: str, who: Credentials, now: float) -> None:
        """Keep the newest password of this user at this backend, or under the hash of the configuration."""
        key = (backend, who.user)
        self.forget(backend, who.user)
        while len(self.credentials) >= self.limit:
            oldest = next(iter(self.credentials))
            self.forget(*oldest)
        self.credentials[key] = who
        self.checked[key] = now

    def forget(self, backend: str, user: bytes) -> None:
        """Neither the password nor when it was checked is known any more."""
        self.credentials.pop((backend, user), None)
        self.checked.pop((backend, user), None)

    def refused(self, backend: str, who: Credentials) -> None:
        """The server does not take this password; another one that is known may be as good as before."""
        known = self.credentials.get((backend, who.user))
        if known is not None and known.password == who.password:
            self.forget(backend, who.user)

    def is_believed(self, backend: str, who: Credentials, now: float) -> bool:
        """Whether the server accepted just this password not long ago."""
        known = self.credentials.get((backend, who.user))
        is_same = known is not None and known.password == who.password
        return is_same and now - self.checked[backend, who.user] < BELIEVED_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What a session begins with, and at which server; one of `shelf` and `connection` is there."""

    backend: Backend
    ok: Ok
    state: SessionState
    shelf: Shelf | None = None
    connection: Connection | None = None


async def by_users(
    door: Door, entrance: Entrance, users: Mapping[str, User], learnt: Learnt, deadline: float
) -> Admitted:
    """A user of the configuration; what one of whom only a hash is there has shown is remembered under that hash."""
    door.refuse_ambiguous_name()
    name = door.claim.user
    user = users.get(name.decode("utf-8", "replace"))
    stored = user.password_hash if user is not None else None
    known = learnt.credentials.get((stored, name)) if stored is not None else None
    who, proof = await login.prove_configured(door, user, known)
    if stored is not None and isinstance(who.password, bytes) and user is not None and user.backend_password is None:
        learnt.remember(stored, door.claim.credentials(who.password), time.monotonic())
    return await _at_one(entrance, lambda backend: _shared(door, backend, who, proof, deadline))


async def by_learning(door: Door, entrance: Entrance, learnt: Learnt, deadline: float) -> Admitted:
    """Anybody whose password the server accepts, which is then known."""
    door.refuse_ambiguous_name()
    who, proof = await login.show_password(door, learnt.credentials.get((entrance().name, door.claim.user)))

    async def admit(backend: Backend) -> Admitted:
        if not learnt.is_believed(backend.name, who, time.monotonic()):
            await _check(door, backend, who, learnt, deadline)
        return await _shared(door, backend, who, proof, deadline)

    return await _at_one(entrance, admit)


async def _at_one(entrance: Entrance, admit: Callable[[Backend], Awaitable[Admitted]]) -> Admitted:
    # At another server when the first cannot be reached: by then it is suspected, and no entrance any more.
    tried: list[Backend] = []
    while True:
        tried.append(entrance())
        try:
            return await admit(tried[-1])
        except BackendRefused as refused:
            raise login.explained(refused, tried[-1]) from refused
        except MySQLError:
            if entrance() in tried:
                raise


async def with_own_connection(
    door: Door, backend: Backend, origin: Origin | None, deadline: float, start: Start
) -> Admitted:
    """A relayed login, on a connection that an earlier one left or on a new one; it is the session's until it ends.

    `start` runs a task that outlives this login: a server that is left in the middle of one counts it against DbMux's
    host, and blocks that in the end (manual page "Host Cache"), so the login is brought to its refusal.
    """
    pool, home = backend.pool, _home(door, backend)
    wanted = home if home.is_relayed else None
    while (left := await Turn(pool, wanted, deadline).wait()) is not None:
        if not backend.is_as_new(left):
            left.quit()
            continue
        entry = UserChange(backend, left, door.charset)
        first = await _first_word(door, backend, entry, left, start)
        if first is not None:
            return await _change_user(door, entry, first, left, start)
        # Where one was dead the next may be; a new one is sure to tell.
        wanted = None
    return await _log_in(door, NewConnection(backend, _wish(door), origin), home, start)


async def change_user(door: Door, backend: Backend, connection: Connection) -> Admitted:
    """COM_CHANGE_USER of a client whose login was relayed, over the connection that it has."""
    entry = UserChange(backend, connection, door.charset)
    ok = await _relay(door, entry, await entry.ask(door.claim.credentials()))
    return _changed(door, backend, ok, connection)


async def _first_word(
    door: Door, backend: Backend, entry: UserChange, left: Connection, start: Start
) -> ServerMessage | None:
    # None when the connection turns out to be dead. An error before anything was asked is no verdict on the client.
    try:
        async with asyncio.timeout(backend.connect_timeout_s):
            first = await entry.ask(door.claim.credentials())
    except TimeoutError:
        # Something between here and the server has forgotten it, and then the others too.
        left.abort()
        backend.vacancy.clear()
        return None
    except MySQLError:
        left.abort()
        return None
    except BaseException:
        start(_leave_politely(entry, left.abort), f"leave {backend.name}")
        raise
    if isinstance(first, Err):
        left.quit()
        return None
    return first


async def _change_user(door: Door, entry: UserChange, first: ServerMessage, left: Connection, start: Start) -> Admitted:
    try:
        return _changed(door, entry.backend, await _relay(door, entry, first), left)
    except BaseException as error:
        # It is still logged in as whoever had it, and servers bear few failures on one connection.
        if isinstance(error, BackendRefused):
            left.quit()
        else:
            start(_leave_politely(entry, left.abort), f"leave {entry.backend.name}")
        raise


def _changed(door: Door, backend: Backend, ok: Ok, connection: Connection) -> Admitted:
    connection.channel.owner = connection
    connection.forget_session()
    connection.state = SessionState(schema=door.claim.schema)
    connection.scanner.status = ok.status
    return Admitted(backend=backend, ok=ok, state=connection.state, connection=connection)


async def _log_in(door: Door, entry: NewConnection, home: Shelf, start: Start) -> Admitted:
    pool = entry.backend.pool
    try:
        ok = await _relay(door, entry, await entry.ask(door.claim.credentials()))
    except BaseException:
        start(_leave_politely(entry, pool.release), f"leave {entry.backend.name}")
        raise
    assert entry.conversation is not None
    protocol = entry.conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    assert protocol.greeting is not None
    state = SessionState(schema=door.claim.schema)
    connection = Connection(entry.conversation.channel, protocol.greeting, protocol.capabilities, state)
    connection.scanner.status = ok.status
    pool.admit(home, connection, time.perf_counter())
    return Admitted(backend=entry.backend, ok=ok, state=state, connection=connection)


async def _relay(door: Door, entry: Entry, first: ServerMessage) -> Ok:
    # Anybody whom the server lets in; the way is the entry's.
    try:
        ok = await login.log_in_relayed(door, entry, first)
        conversation = entry.conversation
        assert conversation is not None
        await login.refuse_socket_account(entry.backend, lambda sql: ask(conversation, sql))
    except BackendRefused as refused:
        raise login.explained(refused, entry.backend) from refused
    if conversation.is_gone:
        raise MySQLError(ErrorCode.LOST_IN_REPLY, "the backend closed the connection after the login; connect again")
    return ok


async def _leave_politely(entry: Entry, close: Callable[[], None]) -> None:
    conversation = entry.conversation
    try:
        if conversation is not None:
            async with asyncio.timeout(FAREWELL_S):
                await end_login(conversation)
    except (TimeoutError, DbMuxError):
        # The server ended it, or does not answer.
        pass
    finally:
        if conversation is not None:
            conversation.channel.abort()
        close()


def _home(door: Door, backend: Backend) -> Shelf:
    # Where the connection is left, or for those that end with their session, `unshared`.
    flags = door.protocol.capabilities
    if backend.tells_clients_apart or flags & LOST_BY_CHANGE:
        return backend.pool.unshared
    return backend.pool.shelf(RelayKey(b"", flags & (CLASS | C.CONNECT_ATTRS), True, door.max_packet))


def _wish(door: Door) -> Wish:
    named = C.CONNECT_WITH_DB if door.claim.schema else 0
    flags = door.protocol.capabilities & ~C.CONNECT_WITH_DB | named
    return Wish(capabilities=flags, charset=door.charset, max_packet=door.max_packet)


async def _shared(door: Door, backend: Backend, who: Credentials, proof: bytes, deadline: float) -> Admitted:
    # The server is asked whether the schema is there and may be used, on a connection that is given back.
    shelf = _shelf(door, backend.pool, who)
    if door.charset not in backend.names:
        assert shelf.account is not None
        await _open(shelf, backend, shelf.account, deadline)
    state = backend.first_state(who.schema, door.charset)
    if not who.schema and shelf.members:
        return _sharing(door, backend, proof, state, shelf)
    connection = await Turn(backend.pool, shelf, deadline).wait(shelf.take(state, None))
    assert connection is not None
    while not connection.can_be_reset and needs_reset(connection.state, state):
        # What its login brought about would be gone with a reset.
        connection.quit()
        connection = await Turn(backend.pool, shelf, deadline).wait(shelf.take(state, None))
        assert connection is not None
    # What runs now counts instead of its last session's statement.
    connection.creditor = None
    try:
        statements: list[tuple[Command, bytes]] = []
        if needs_reset(connection.state, state):
            statements.append((Command.RESET_CONNECTION, b""))
            connection.forget_session()
        if who.schema:
            chosen = schemas(connection.state, state) or [who.schema]
            statements += [(Command.INIT_DB, schema) for schema in chosen]
        statements += [(Command.QUERY, sql) for sql in assignments(connection.state, state, backend.spelling)]
        await run(connection, statements)
    except BackendRefused:
        # The schema is not there, or not for this user: the connection is as it was, unless it has left that very one.
        if connection.state.schema == who.schema:
            connection.quit()
        else:
            shelf.give(connection, time.perf_counter())
        raise
    # Whether it takes several statements in one text is not among what was set.
    connection.state = replace(state, option=connection.state.option)
    if state.schema and not shelf.key.has_schema:
        shelf = shelf.sibling(ShelfKey(shelf.key.user, shelf.key.capabilities, True))
        shelf.move(connection)
    shelf.give(connection, time.perf_counter())
    return _sharing(door, backend, proof, state, shelf)


def _sharing(door: Door, backend: Backend, proof: bytes, state: SessionState, shelf: Shelf) -> Admitted:
    ok = _ok(proof, state, backend.reports[door.charset])
    return Admitted(backend=backend, ok=ok, state=state, shelf=shelf)


def readmitted(admitted: Admitted) -> Admitted:
    """The same after a change of user, of which a server reports less than of a login."""
    return replace(admitted, ok=_ok(admitted.ok.info, admitted.state, b""))


def _ok(proof: bytes, state: SessionState, report: bytes) -> Ok:
    # As the server would say it, which reports the schema that the login chose.
    if state.schema:
        report += bytes((Track.SCHEMA,)) + lenenc_bytes(lenenc_bytes(state.schema))
    changed = Status.SESSION_STATE_CHANGED if report else 0
    return Ok(status=Status.AUTOCOMMIT | changed, info=proof, state=report)


async def _check(door: Door, backend: Backend, who: Credentials, learnt: Learnt, deadline: float) -> None:
    # A new connection is the only proof that the server takes this password.
    try:
        await _open(backend.pool.shelf(_key(door, who)), backend, _account(door, who), deadline)
    except BackendRefused:
        learnt.refused(backend.name, who)
        raise
    learnt.remember(backend.name, who, time.monotonic())


async def _open(shelf: Shelf, backend: Backend, account: Account, deadline: float) -> None:
    pool = backend.pool
    connection = None
    for tries_left in reversed(range(TRIES)):
        await Turn(pool, None, deadline, shelf.key.user).wait()
        try:
            connection = await open_shared(backend, shelf.key, account)
            break
        except BackendRefused as refused:
            if not pool.refused(shelf.key.user, refused):
                pool.decide()
                raise
            if not tries_left:
                raise
        except BaseException:
            pool.release(shelf.key.user)
            raise
    assert connection is not None
    # Not before: with one that the server refuses no connection of the others must be dialled.
    shelf.bring(account.password, account.charset, account.since)
    pool.admit(shelf, connection, time.perf_counter())
    try:
        await login.refuse_socket_account(backend, lambda sql: _ask(connection, sql))
    except MySQLError:
        connection.quit()
        raise
    shelf.give(connection, time.perf_counter())


async def _ask(connection: Connection, sql: bytes) -> tuple[tuple[bytes | None, ...], ...]:
    return (await run(connection, [(Command.QUERY, sql)]))[0].rows


def _shelf(door: Door, pool: Pool, who: Credentials) -> Shelf:
    shelf = pool.shelf(_key(door, who))
    shelf.bring(who.password, door.charset, time.perf_counter())
    return shelf


def _account(door: Door, who: Credentials) -> Account:
    return Account(who.password, door.charset, time.perf_counter())


def _key(door: Door, who: Credentials) -> ShelfKey:
    return ShelfKey(who.user, door.protocol.capabilities & CLASS, bool(who.schema))
