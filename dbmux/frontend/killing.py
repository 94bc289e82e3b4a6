# cython: annotation_typing=False, language_level=3, nonecheck=True
"""KILL, by the numbers that clients see: what it ends is a session of DbMux's, or what that one runs at a server.

A plan comes in; what goes to a server is the number that the victim's connection has there. A victim without one is
ended here, if it is the same user's. Until the server has done it, the victim's connection is no other session's.
"""

from __future__ import annotations

from time import perf_counter
from typing import Protocol

from dbmux.backend.connection import Connection
from dbmux.backend.pool import Shelf
from dbmux.backend.topology import Target
from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.events import CloseReason
from dbmux.frontend.orders import Orders
from dbmux.frontend.state import IDLE, State
from dbmux.frontend.tenant import RESULT, Market
from dbmux.frontend.warned import WarnedTenant
from dbmux.net.channel import Channel
from dbmux.plan import Kill
from dbmux.query import Access, Kind, Query
from dbmux.routes import ROUTES, Reason, Role
from dbmux.sql.kill import KillScope
from dbmux.wire import packet
from dbmux.wire.commands import Shape
from dbmux.wire.replies import Ok

# What servers say to a session that kills itself: MySQL always the first, MariaDB the second where it is ended.
INTERRUPTED = BackendRefused(1317, b"70100", b"Query execution was interrupted")
KILLED = BackendRefused(1927, b"70100", b"Connection was killed")
# Never plain: when it has ended, its victim is let go.
KILL = Query(kind=Kind.KILL, access=Access.UNSURE, is_digest_wide=False)


class Sessions(Market, Protocol):
    """Where the victims are."""

    def find(self, session_id: int) -> KillingTenant | None:
        """The session with this id."""


class KillingTenant(WarnedTenant):
    """A tenant that can kill, and be killed."""

    __slots__ = ("_killing",)

    def __init__(self, session_id: int, channel: Channel, surroundings: Sessions) -> None:
        super().__init__(session_id, channel, surroundings)
        self.surroundings: Sessions = surroundings
        self._killing: tuple[KillingTenant, Connection, KillScope] | None = None

    def wait_no_longer(self) -> bool:
        """End a statement that waits for a connection, or for a primary; whether there was one."""
        if self.state != State.WAITING or self.connection is not None or self.shelf is None:
            return False
        self._leave_queues(self.shelf)
        self._answer_error(
            MySQLError(ErrorCode.INTERRUPTED, "the statement was killed while it waited; nothing was sent")
        )
        return True

    def spare(self, connection: Connection) -> None:
        """Of what ran on the connection the server has ended what it should: it may be another session's again."""
        connection.kills -= 1
        if self.connection is connection and self.state == IDLE:
            self._let_go(connection, perf_counter())

    def _kill(self, plan: Kill, before: bytes, behind: bytes | None) -> None:
        # The client knows other sessions by DbMux's numbers; numbers that are not DbMux's are the server's own.
        victim = self.surroundings.find(plan.target)
        number = plan.target
        assert self.backend is not None
        if victim is not None:
            if victim.connection is None:
                self._kill_idle(victim, plan.scope)
                return
            if not self._can_reach(victim):
                self.refuse(
                    MySQLError(
                        ErrorCode.UNKNOWN_THREAD,
                        f"connection {number} is at another backend; send KILL through a connection to that one",
                    )
                )
                return
            # Until the server has done it, the connection must not become another session's.
            victim.connection.kills += 1
            self._killing = victim, victim.connection, plan.scope
            number = victim.connection.id
        if behind is None:
            data = packet.encode(before[4:] + number.to_bytes(4, "little"), 0)
            self._relay(KILL, Shape.SIMPLE, data)
        else:
            self._relay(KILL, RESULT, packet.encode(before[4:] + str(number).encode() + behind, 0))

    def _can_reach(self, victim: KillingTenant) -> bool:
        # The KILL goes to the victim's server; a session that holds a connection, or has no other, can't choose.
        mine, its = self.backend, victim.backend
        assert mine is not None
        assert its is not None
        if self.connection is None and self.shelf is not None and self.group is not None:
            if self.course is None and its is not mine:
                self._set_out(self.group)
            if self.course is not None:
                role = Role.PRIMARY if its is self.group.primary else Role.REPLICA
                self._orders = Orders(target=Target(self.group, role, its), route=ROUTES[role, Reason.VICTIM])
            return True
        return mine.config.address == its.config.address

    def _kill_idle(self, victim: KillingTenant, scope: KillScope) -> None:
        # It has no connection at the server: there is nothing to stop but the session itself.
        if victim.user != self.user:
            self.refuse(
                MySQLError(ErrorCode.UNKNOWN_THREAD, f"connection {victim.id} is another user's; kill it as that user")
            )
            return
        if victim is self:
            self._kill_itself(scope)
            return
        self.carried.count(0)
        self.channel.write(packet.encode(Ok(status=self.status).build(self.capabilities), 1))
        if scope is KillScope.QUERY:
            victim.wait_no_longer()
        else:
            victim.end(CloseReason.KILLED, f"by {self.id}")

    def _kill_itself(self, scope: KillScope) -> None:
        # In the servers' own words: the statement that says so is the one that is interrupted.
        is_mariadb = self.backend is not None and self.backend.is_mariadb
        self._answer_error(KILLED if is_mariadb and scope is KillScope.CONNECTION else INTERRUPTED)
        if scope is KillScope.CONNECTION:
            self.end(CloseReason.KILLED, "by itself")

    def _end_killing(self, victim: KillingTenant, connection: Connection, scope: KillScope, error: int) -> None:
        self._killing = None
        # A connection that was killed is closed in a moment: until then no other session may have it.
        if victim is self and scope is KillScope.CONNECTION and error in (INTERRUPTED.number, KILLED.number):
            self.end(CloseReason.KILLED, "by itself")
        elif scope is KillScope.QUERY or error:
            victim.spare(connection)
        elif victim.connection is not connection:
            # It has left that one meanwhile, but is meant all the same.
            victim.end(CloseReason.KILLED, f"by {self.id}")

    def _give_up_killing(self, victim: KillingTenant, connection: Connection, scope: KillScope) -> None:
        self._killing = None
        is_sent = self.state != State.WAITING
        if is_sent and scope is KillScope.CONNECTION:
            return
        if is_sent and isinstance(connection.home, Shelf) and not connection.is_closed:
            # The server may get to it at any later time: it must hit no other session.
            connection.home.pool.worn.add(connection)
        victim.spare(connection)

    def _leave_queues(self, shelf: Shelf) -> None:
        shelf.pool.cancel(self)
        if self.course is not None:
            self.course.group.cancel(self)
