"""Letting a client in: who it is was claimed, is proved here, and a first connection shows that the server agrees.

A door and a backend come in; out goes what the session begins with: the state, and either a shelf from which its
connections come, or a connection of its own (a relayed login, whose password nobody knows). After a refusal nothing is
kept: places and connections are given back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field

from dbmux.backend.connection import Connection
from dbmux.backend.inquiry import ask
from dbmux.backend.login import Credentials, end_login
from dbmux.backend.opening import open_connection
from dbmux.backend.pool import Account, Pool, Shelf, ShelfKey
from dbmux.backend.server import Backend, Origin, Wish
from dbmux.backend.turn import Turn, run
from dbmux.config.model import User
from dbmux.errors import BackendRefused, DbMuxError, MySQLError
from dbmux.frontend import login
from dbmux.frontend.entry import Entry, NewConnection
from dbmux.frontend.login import Door
from dbmux.session import SessionState, assignments, needs_reset
from dbmux.wire.buffer import lenenc_bytes
from dbmux.wire.capabilities import Capability as C
from dbmux.wire.client import ClientProtocol
from dbmux.wire.commands import Command
from dbmux.wire.replies import Ok, Status, Track

# What must be the same for two sessions that share a connection: framing, and what statements mean.
CLASS = int(
    C.LONG_PASSWORD | C.FOUND_ROWS | C.LONG_FLAG | C.NO_SCHEMA | C.ODBC | C.LOCAL_FILES | C.IGNORE_SPACE
    | C.PROTOCOL_41 | C.INTERACTIVE | C.TRANSACTIONS | C.MULTI_STATEMENTS | C.MULTI_RESULTS | C.PS_MULTI_RESULTS
    | C.EXPIRED_PASSWORDS | C.DEPRECATE_EOF | C.QUERY_ATTRIBUTES | C.MARIADB_BULK | C.MARIADB_EXTENDED_METADATA
)  # fmt: skip
Start = Callable[[Coroutine[None, None, None], str], None]
FAREWELL_S = 5.0
# For so long a learnt password is believed without asking the server again.
BELIEVED_S = 60.0


@dataclass(slots=True)
class Learnt:
    """Passwords that clients showed and a server accepted; in memory only, the oldest forgotten first."""

    limit: int = 10_000
    credentials: dict[tuple[str, bytes], Credentials] = field(default_factory=dict)
    checked: dict[tuple[str, bytes], float] = field(default_factory=dict)

    def remember(self, backend: str, who: Credentials, now: float) -> None:
        """Keep the newest password of this user at this backend."""
        key = (backend, who.user)
        self.forget(backend, who.user)
        while len(self.credentials) >= self.limit:
            oldest = next(iter(self.credentials))
            self.forget(*oldest)
        self.credentials[key] = who
        self.checked[key] = now

    def forget(self, backend: str, user: bytes) -> None:
        """The server takes it no longer."""
        self.credentials.pop((backend, user), None)
        self.checked.pop((backend, user), None)

    def is_believed(self, backend: str, who: Credentials, now: float) -> bool:
        """Whether the server accepted just this password not long ago."""
        known = self.credentials.get((backend, who.user))
        is_same = known is not None and known.password == who.password
        return is_same and now - self.checked[backend, who.user] < BELIEVED_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What a session begins with; one of `shelf` and `connection` is there."""

    ok: Ok
    state: SessionState
    shelf: Shelf | None = None
    connection: Connection | None = None


async def by_users(door: Door, backend: Backend, users: Mapping[str, User], deadline: float) -> Admitted:
    """A user of the configuration."""
    who, proof = await login.prove_configured(door, users)
    try:
        return await _shared(door, backend, who, proof, deadline)
    except BackendRefused as refused:
        raise login.explained(refused, backend) from refused


async def by_learning(door: Door, backend: Backend, learnt: Learnt, deadline: float) -> Admitted:
    """Anybody whose password the server accepts, which is then known."""
    user = door.claim.user
    who, proof = await login.show_password(door, learnt.credentials.get((backend.name, user)))
    try:
        if not learnt.is_believed(backend.name, who, time.monotonic()):
            await _check(door, backend, who, deadline)
            learnt.remember(backend.name, who, time.monotonic())
        return await _shared(door, backend, who, proof, deadline)
    except BackendRefused as refused:
        learnt.forget(backend.name, user)
        raise login.explained(refused, backend) from refused


async def by_relay(door: Door, backend: Backend, entry: Entry) -> Ok:
    """Anybody whom the server lets in; the way is the entry's."""
    try:
        ok = await login.log_in_relayed(door, entry)
        conversation = entry.conversation
        assert conversation is not None
        await login.refuse_socket_account(backend, lambda sql: ask(conversation, sql))
        return ok
    except BackendRefused as refused:
        raise login.explained(refused, backend) from refused


async def with_own_connection(
    door: Door, backend: Backend, origin: Origin | None, deadline: float, start: Start
) -> Admitted:
    """A relayed login on a new connection, which is the session's for life.

    `start` runs a task that outlives this login: a server that is left in the middle of one counts it against DbMux's
    host, and blocks that in the end (manual page "Host Cache"), so the login is brought to its refusal.
    """
    pool = backend.pool
    await Turn(pool, None, deadline).wait()
    wish = Wish(capabilities=door.protocol.capabilities, charset=door.charset, max_packet=door.max_packet)
    entry = NewConnection(backend, wish, origin)
    try:
        ok = await by_relay(door, backend, entry)
    except BaseException:
        start(_leave_politely(entry, pool), f"leave {backend.name}")
        raise
    assert entry.conversation is not None
    protocol = entry.conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    assert protocol.greeting is not None
    state = SessionState(schema=door.claim.schema)
    connection = Connection(entry.conversation.channel, protocol.greeting, protocol.capabilities, state)
    connection.scanner.status = ok.status
    pool.admit(pool.unshared, connection, time.perf_counter())
    return Admitted(ok=ok, state=state, connection=connection)


async def _leave_politely(entry: Entry, pool: Pool) -> None:
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
        pool.release(pool.unshared.key.user)


async def _shared(door: Door, backend: Backend, who: Credentials, proof: bytes, deadline: float) -> Admitted:
    # The server is asked whether the schema is there and may be used, on a connection that is given back.
    shelf = _shelf(door, backend.pool, who)
    if door.charset not in backend.names:
        await _open(shelf, backend, deadline)
    state = backend.first_state(who.schema, door.charset)
    if not who.schema and shelf.members:
        return Admitted(ok=_ok(proof, state), state=state, shelf=shelf)
    connection = shelf.take(state, None) or await Turn(backend.pool, shelf, deadline).wait()
    assert connection is not None
    try:
        statements: list[tuple[Command, bytes]] = []
        if needs_reset(connection.state, state):
            statements.append((Command.RESET_CONNECTION, b""))
            connection.forget_session()
        if who.schema:
            statements.append((Command.INIT_DB, who.schema))
        statements += [(Command.QUERY, sql) for sql in assignments(connection.state, state, backend.spelling)]
        await run(connection, statements)
    except BackendRefused:
        # The schema is not there, or not for this user: the connection is as it was, but for what came before.
        shelf.give(connection, time.perf_counter())
        raise
    connection.state = state
    if state.schema and not shelf.key.has_schema:
        shelf = shelf.sibling(ShelfKey(shelf.key.user, shelf.key.capabilities, True))
        shelf.move(connection)
    shelf.give(connection, time.perf_counter())
    return Admitted(ok=_ok(proof, state), state=state, shelf=shelf)


def _ok(proof: bytes, state: SessionState) -> Ok:
    # As the server would say it: it reports the schema that the login chose.
    if not state.schema:
        return Ok(info=proof)
    report = bytes((Track.SCHEMA,)) + lenenc_bytes(lenenc_bytes(state.schema))
    return Ok(status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED, info=proof, state=report)


async def _check(door: Door, backend: Backend, who: Credentials, deadline: float) -> None:
    # A new connection is the only proof that the server takes this password.
    shelf = _shelf(door, backend.pool, who)
    await _open(shelf, backend, deadline)


async def _open(shelf: Shelf, backend: Backend, deadline: float) -> None:
    pool, account = backend.pool, shelf.account
    assert account is not None
    await Turn(pool, None, deadline, shelf.key.user).wait()
    try:
        connection = await open_connection(backend, shelf.key, account)
    except BaseException:
        pool.release(shelf.key.user)
        raise
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
    key = _key(door, who.user)
    shelf = pool.shelf(ShelfKey(key.user, key.capabilities, bool(who.schema)))
    if shelf.account is None or shelf.account.password != who.password or shelf.account.charset != door.charset:
        shelf.account = Account(who.password, door.charset, time.perf_counter())
    return shelf


def _key(door: Door, user: bytes) -> ShelfKey:
    return ShelfKey(user, door.protocol.capabilities & CLASS, bool(door.claim.schema))
