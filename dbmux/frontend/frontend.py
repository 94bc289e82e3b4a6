"""All clients: who is connected, and how they are asked to leave.

Accepted channels come in; sessions live here until they end. Settings may be replaced at any time and hold for what
begins afterwards. Owns every task that waits on behalf of a client. Never opens a listening socket.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import Self, TypeVar

from dbmux.backend.connection import Connection
from dbmux.backend.opening import kill
from dbmux.backend.pool import Shelf
from dbmux.backend.server import Backend
from dbmux.backend.topology import Topology
from dbmux.door.desk import Desk
from dbmux.errors import ErrorCode, MySQLError
from dbmux.events import CloseReason, Emit, SessionOpened, Who
from dbmux.frontend.admission import Learnt
from dbmux.frontend.reception import Randomness, Reception
from dbmux.frontend.session import Session
from dbmux.frontend.settings import Settings
from dbmux.frontend.tenant import Tenant
from dbmux.lexer import Digester
from dbmux.net.channel import Channel, Owner
from dbmux.net.dial import keep_alive
from dbmux.planner.planner import Planner
from dbmux.sql.kill import KillScope

# Connection ids of DbMux begin here, far above those of servers, so that KILL can tell whose number it was given.
FIRST_ID = 1 << 30
LAST_ID = (1 << 32) - 1

T = TypeVar("T")


class Frontend:
    """The sessions of one engine. `async with` keeps its tasks; leaving ends all of them."""

    def __init__(self, settings: Settings, *, emit: Emit, randomness: Randomness) -> None:
        self.settings = settings
        self.emit = emit
        self.sessions: dict[int, Session] = {}
        self.planner = Planner()
        self.digester = Digester()
        # Of the SQL door; its tables are put there by whoever knows the engine whole.
        self.desk = Desk()
        self.limited: set[Tenant] = set()
        self.rules_matched: Counter[str] = Counter()
        self._ids = itertools.count(FIRST_ID)
        self._tasks = asyncio.TaskGroup()
        self._chores: set[asyncio.Task[object]] = set()
        # Who comes through a balancer that has not said yet for whom.
        self._unannounced: set[int] = set()
        self._reception = Reception(self, randomness)
        self._emptied = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        error = MySQLError(ErrorCode.SHUTDOWN, "the proxy is shutting down; connect again")
        for session in list(self.sessions.values()):
            session.fail(error, CloseReason.DRAINED)
        for task in self._chores:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    @property
    def learnt(self) -> Learnt:
        """The passwords that clients have shown."""
        return self._reception.learnt

    @property
    def topology(self) -> Topology:
        """The servers and groups of now."""
        return self.settings.topology

    def take(self, settings: Settings) -> None:
        """Other settings hold from now on, for sessions that are there from their next transaction on."""
        before, self.settings = self.settings, settings
        self._reception.limits.take(settings)
        for session in list(self.sessions.values()):
            self.regroup(session)
            if session.group is not None:
                session.use_cache(settings.cache)
        for group in before.topology.groups.values():
            group.leave()

    def regroup(self, session: Session) -> None:
        """The session goes by the groups and rules of now."""
        group = session.group and self.topology.groups.get(session.group.name)
        if group is not None:
            host = session.peer.rpartition(":")[0]
            session.who = Who(session.user, session.peer, session.program, group.name, session.capabilities)
            session.regroup(group, self.settings.rules.lens(session.user, host))

    def leave_hanging(self, backend: Backend) -> None:
        """A server is down: reads that hang there go to others where they can, and nobody waits for what it owes."""
        for session in list(self.sessions.values()):
            if session.backend is backend:
                session.leave_hanging()
        for connection in list(backend.pool.connections()):
            if connection.holder is None and connection.exchange is not None:
                connection.channel.abort()

    def count_rule(self, name: str) -> None:
        """A rule has matched a statement."""
        self.rules_matched[name] += 1

    def find(self, session_id: int) -> Session | None:
        """The logged-in session with this id."""
        session = self.sessions.get(session_id)
        return session if session is not None and session.backend is not None else None

    def forget(self, session: Session) -> None:
        """A session ended."""
        self.sessions.pop(session.id, None)
        self.limited.discard(session)
        self._reception.limits.forget(session)
        self.announce(session)
        if not self.sessions:
            self._emptied.set()

    def accept(self, channel: Channel, listener: str, group: str) -> Owner:
        """A client connected: make its session and begin its login."""
        keep_alive(channel)
        session = Session(self._next_id(), channel, channel.peer, listener, self)
        conversation = self._reception.conversation(channel)
        self.sessions[session.id] = session
        self._unannounced.add(session.id)
        if not self.settings.is_balancer(channel):
            self.announce(session)
        self.start(self._reception.log_in(session, conversation, group, self.settings), f"login {session.peer}")
        return conversation

    def announce(self, session: Session) -> None:
        """For whom the session is, is known now."""
        if session.id in self._unannounced:
            self._unannounced.discard(session.id)
            self.emit(SessionOpened(time.time(), session.id, session.peer, session.listener))

    def change_user(self, session: Session, payload: bytes) -> None:
        """A session's client wants to be somebody else."""
        self.start(self._reception.change_user(session, payload), f"change user {session.peer}")

    def retire(self, sessions: Iterable[Session], error: MySQLError) -> None:
        """Ask sessions to leave as soon as no transaction is under way."""
        for session in list(sessions):
            session.retire(error)

    def start(self, chore: Coroutine[None, None, T], name: str) -> asyncio.Task[T]:
        """Run a task that ends with this frontend at the latest."""
        task = self._tasks.create_task(chore, name=name)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        return task

    async def drained(self) -> None:
        """Returns when no session is left."""
        while self.sessions:
            self._emptied.clear()
            await self._emptied.wait()

    def end_overdue(self, now: float) -> None:
        """End queries and idle sessions that the configuration allows no longer; `now` by time.perf_counter."""
        for backend in self.settings.topology.backends.values():
            backend.pool.expire(now)
        for group in self.settings.topology.groups.values():
            group.expire(now)
        for tenant in list(self.limited):
            assert isinstance(tenant, Session)
            limit, since = tenant.limit, tenant.busy_since
            if limit is not None and since is not None and now - since > limit[0]:
                self._stop(tenant, *limit)
        query, idle = self.settings.query_timeout_s, self.settings.idle_timeout_s
        if query is None and idle is None:
            return
        for session in list(self.sessions.values()):
            if query is not None and session.busy_since is not None and now - session.busy_since > query:
                self._stop(session, query, "timeouts.query")
            elif idle is not None and session.is_idle_since(now - idle):
                error = MySQLError(
                    ErrorCode.SHUTDOWN, f"idle for longer than timeouts.idle ({idle:g} s); connect again"
                )
                session.fail(error, CloseReason.TIMEOUT)

    def _stop(self, session: Session, limit: float, whose: str) -> None:
        can_kill = self.end_statement(session)
        session.fail(_overdue(session, limit, whose, can_kill), CloseReason.TIMEOUT)

    def end_statement(self, session: Session) -> bool:
        """Have the server stop what runs on a session's connection; False when no password for that is known.

        Closing the connection does not stop a statement at the server: that takes a KILL.
        """
        connection, shelf, backend = session.connection, session.shelf, session.backend
        if connection is None or shelf is None or shelf.account is None or backend is None:
            return False
        self.start(kill(backend, shelf, connection.id, KillScope.CONNECTION), f"kill at {backend.name}")
        return True

    def stop_query(self, session: Session) -> bool:
        """Have the server stop what runs for a session, which goes on; False when nothing does, or nobody can."""
        connection, shelf, backend = session.connection, session.shelf, session.backend
        if session.busy_since is None or connection is None or backend is None:
            return False
        if shelf is None or shelf.account is None:
            return False
        # Until the server has done it, the connection must not become another session's.
        connection.kills += 1
        self.start(self._stop_query(session, backend, shelf, connection), f"stop a query at {backend.name}")
        return True

    async def _stop_query(self, session: Session, backend: Backend, shelf: Shelf, connection: Connection) -> None:
        try:
            await kill(backend, shelf, connection.id, KillScope.QUERY)
        finally:
            session.spare(connection)

    def _next_id(self) -> int:
        number = next(self._ids)
        if number > LAST_ID:
            self._ids = itertools.count(FIRST_ID + 1)
            number = FIRST_ID
        while number in self.sessions:
            number = next(self._ids)
        return number


def _overdue(session: Session, limit: float, whose: str, was_stopped: object) -> MySQLError:
    is_mariadb = session.backend is not None and session.backend.is_mariadb
    code = ErrorCode.TIMED_OUT_MARIADB if is_mariadb else ErrorCode.TIMED_OUT_MYSQL
    end = "" if was_stopped else "; the server may still finish it"
    return MySQLError(
        code, f"the query ran longer than {whose} allows ({limit:g} s){end}; make it faster or raise the limit"
    )
