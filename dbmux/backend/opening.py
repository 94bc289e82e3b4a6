"""Opening a connection, for a pool or for DbMux itself: reached, logged in, and asked in which state it begins.

A backend, the kind of connection and an account come in; a `Connection` goes out, or one is opened only to end what
runs on another. What the server says of a collation's character sets is remembered at the backend, so that a session
that logs in with that collation needs not ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

from dbmux.backend.connection import Connection
from dbmux.backend.inquiry import ask
from dbmux.backend.login import Credentials, log_in
from dbmux.backend.pool import Account, Shelf, ShelfKey
from dbmux.backend.renewal import Renewal, can_reset, is_lost_by_reset
from dbmux.backend.server import Backend, Wish
from dbmux.backend.turn import run
from dbmux.config.model import Account as ServiceAccount
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.net.conversation import ConnectionClosed
from dbmux.session import SessionState, names_of
from dbmux.sql.kill import KillScope
from dbmux.sql.variables import TRACK_CHANGES
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import ClientProtocol
from dbmux.wire.commands import Command
from dbmux.wire.handshake import UTF8MB4

MAX_PACKET = 1 << 30
KILL_TIMEOUT_S = 5.0
STATE_QUERY = (
    b"SELECT @@character_set_client,@@character_set_connection,@@character_set_results,@@collation_connection,"
    b"@@sql_mode,@@max_connections,@@init_connect,@@max_prepared_stmt_count"
)
# An account's own limit (CREATE USER … WITH MAX_STATEMENT_TIME) is the session's variable from its login on.
LIMIT_QUESTION = b",@@max_statement_time<>@@global.max_statement_time"

_Way = Callable[[Backend, ShelfKey, Account], Awaitable[Connection]]


async def open_connection(backend: Backend, key: ShelfKey, account: Account) -> Connection:
    """Dial and log in; raises BackendRefused with the server's error, or MySQLError."""
    wish = Wish(capabilities=key.capabilities, charset=account.charset, max_packet=MAX_PACKET)
    conversation = await backend.reach(wish)
    try:
        ok = await log_in(backend, conversation, wish, Credentials(user=key.user, password=account.password))
        protocol = conversation.protocol
        assert isinstance(protocol, ClientProtocol)
        assert protocol.greeting is not None
        asks_for_limit = protocol.greeting.is_mariadb and can_reset(protocol.greeting)
        row = (await ask(conversation, STATE_QUERY + LIMIT_QUESTION if asks_for_limit else STATE_QUERY))[0]
    except ConnectionClosed as error:
        raise MySQLError(
            ErrorCode.UNREACHABLE, f"backend {backend.name} closed the connection during the login; see its error log"
        ) from error
    except BaseException:
        conversation.channel.abort()
        raise
    names = names_of(row[:4])
    backend.learn(account.charset, names, ok.state, row[4] or b"", int(row[5] or b"0"), int(row[7] or b"0"))
    connection = Connection(conversation.channel, protocol.greeting, protocol.capabilities, SessionState(names=names))
    connection.scanner.status = protocol.status
    is_limited = b"1" in row[8:]
    is_lost = is_limited or is_lost_by_reset(protocol.greeting, protocol.capabilities, row[6] or b"")
    connection.can_be_reset = not is_lost
    if not can_reset(protocol.greeting):
        connection.renewal = Renewal(key.user, account.charset, account.password)
    conversation.channel.resume()
    return connection


async def open_shared(backend: Backend, key: ShelfKey, account: Account) -> Connection:
    """The same for sessions: it tells when something was set, also where a trigger did it."""
    connection = await open_connection(backend, key, account)
    if connection.capabilities & Capability.SESSION_TRACK:
        try:
            await run(connection, [(Command.QUERY, TRACK_CHANGES)])
            connection.can_track = True
        except BackendRefused:
            # A server without it, or a proxy before one.
            pass
    return connection


async def open_for(backend: Backend, shelf: Shelf) -> Connection:
    """The same with the account of a shelf: where the server has discarded its password, with the one of before."""
    return await _open_with_either(open_shared, backend, shelf)


async def _open_with_either(way: _Way, backend: Backend, shelf: Shelf) -> Connection:
    account = shelf.account
    assert account is not None
    try:
        return await way(backend, shelf.key, account)
    except BackendRefused as refused:
        is_denied = refused.number == ErrorCode.ACCESS_DENIED.number
        other = shelf.fall_back(account, perf_counter()) if is_denied else None
        if other is None:
            raise
    return await way(backend, shelf.key, other)


async def open_own(backend: Backend, account: ServiceAccount) -> Connection:
    """The same for DbMux's own questions, through the service account: outside the pool, and the caller's to close."""
    key = ShelfKey(account.user.encode(), 0, has_schema=False)
    return await open_connection(backend, key, Account(account.password.encode(), UTF8MB4))


async def kill(backend: Backend, shelf: Shelf, connection_id: int, scope: KillScope) -> None:
    """End what runs on a server connection, perhaps with the connection, over another one of the same account.

    As far as that is possible.
    """
    if shelf.account is not None:
        opening = _open_with_either(open_connection, backend, shelf)
        await _kill(opening, b"KILL %b %d" % (scope.name.encode(), connection_id))


async def end(backend: Backend, key: ShelfKey, account: Account, connection_id: int) -> None:
    """End a connection that is of no shelf, and what runs on it."""
    await _kill(open_connection(backend, key, account), b"KILL CONNECTION %d" % connection_id)


async def _kill(opening: Awaitable[Connection], statement: bytes) -> None:
    try:
        connection = await opening
    except (MySQLError, BackendRefused):
        return
    try:
        async with asyncio.timeout(KILL_TIMEOUT_S):
            await run(connection, [(Command.QUERY, statement)])
    except (TimeoutError, MySQLError, BackendRefused):
        # It has ended by itself, or the server does not answer.
        pass
    finally:
        connection.quit()
