"""Follows the servers of a group through the service account: how far the replicas are, and which one takes writes.

A group comes in; its servers' `lag_s` and `applied_until`, with `"roles": "auto"` its primary, and events go out. Each
server is asked on a connection of the monitor's own, outside its pool. Who does not answer in time is suspected, and
its lag not known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from dbmux.backend.connection import Answer, Connection
from dbmux.backend.group import Group
from dbmux.backend.opening import open_connection
from dbmux.backend.pool import Account, ShelfKey
from dbmux.backend.replication import History, Standing, lag, parse_position, seconds_behind
from dbmux.backend.server import Backend, BackendState
from dbmux.backend.turn import run
from dbmux.config.model import Account as ServiceAccount
from dbmux.config.model import Roles
from dbmux.errors import DbMuxError
from dbmux.events import Emit, PrimaryChanged, ReplicaCaughtUp, ReplicaFellBehind, Warned
from dbmux.wire.commands import Command

POLL_S = 1.0
# In a group without a primary every moment counts.
URGENT_POLL_S = 0.1
ANSWER_S = 3.0
UTF8MB4 = 45

# By whether it is a MariaDB.
_STANDING = {
    True: b"SELECT @@global.read_only, @@global.gtid_binlog_pos, @@global.gtid_current_pos",
    False: b"SELECT @@global.read_only OR @@global.super_read_only, @@global.gtid_executed, @@global.gtid_executed",
}
_STATUS = {True: b"SHOW ALL SLAVES STATUS", False: b"SHOW REPLICA STATUS"}

Sleep = Callable[[float], Awaitable[None]]


class Probe:
    """One server, and the connection on which it is asked."""

    def __init__(self, backend: Backend, account: ServiceAccount) -> None:
        self.backend = backend
        self._key = ShelfKey(account.user.encode(), 0, has_schema=False)
        self._account = Account(account.password.encode(), UTF8MB4)
        self._connection: Connection | None = None
        self.problem = ""

    async def standing(self, *, as_primary: bool) -> Standing | None:
        """What it says of itself; None when it cannot be asked, and `problem` says why."""
        answer = await self._ask(_STANDING)
        if answer is None:
            return None
        read_only, written, present = answer.row(3)
        position = parse_position((written if as_primary else present) or present or b"")
        return Standing(is_read_only=read_only not in (b"0", b"OFF"), position=position)

    async def seconds_behind(self) -> float | None:
        """What a replica without GTIDs says of its lag."""
        answer = await self._ask(_STATUS)
        if answer is None or len(answer.rows) != 1:
            return None
        return seconds_behind(dict(zip(answer.names(), answer.rows[0], strict=True)))

    def close(self) -> None:
        """End its connection."""
        if self._connection is not None:
            self._connection.quit()

    async def _ask(self, sql: Mapping[bool, bytes]) -> Answer | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._connection is None or self._connection.is_closed:
                    self._connection = await open_connection(self.backend, self._key, self._account)
                # The connection knows what the server is; the backend may not have been met before.
                words = sql[self._connection.greeting.is_mariadb]
                (answer,) = await run(self._connection, [(Command.QUERY, words)])
        except TimeoutError:
            self.problem = "no answer in time"
            self.backend.suspect()
            return None
        except DbMuxError as error:
            self.problem = str(error)
            return None
        self.problem = ""
        return answer


class Monitor:
    """Of one group."""

    def __init__(self, group: Group, account: ServiceAccount, emit: Emit) -> None:
        self._group = group
        self._emit = emit
        self._probes = {member: Probe(member, account) for member in group.members}
        self._history = History()
        # What was told last of each server and of the whole.
        self._told: dict[Backend | None, str] = {}
        self._behind: set[Backend] = set()

    async def follow(self, sleep: Sleep = asyncio.sleep) -> None:
        """Look at the group about once a second, until cancelled."""
        try:
            while True:
                await self.look()
                await sleep(POLL_S if self._group.is_writable else URGENT_POLL_S)
        finally:
            self.close()

    def close(self) -> None:
        """End its connections."""
        for probe in self._probes.values():
            probe.close()

    async def look(self) -> None:
        """Ask every server once, the primary first: what it has by then, the others may have a moment later."""
        group, asked_at = self._group, perf_counter()
        primary = await self._standing(group.primary)
        if primary is not None:
            self._history.note(asked_at, primary.position)
        async with asyncio.TaskGroup() as tasks:
            asked = [(replica, tasks.create_task(self._standing(replica))) for replica in group.replicas]
        standings = {group.primary: primary} | {replica: task.result() for replica, task in asked}
        if group.config.roles is Roles.AUTO:
            self._assign(standings)
        for replica in group.replicas:
            await self._measure(replica, standings[replica])

    async def _standing(self, backend: Backend) -> Standing | None:
        probe = self._probes[backend]
        if backend.state is BackendState.DOWN:
            # Health looks after it, and less and less often.
            return None
        standing = await probe.standing(as_primary=backend is self._group.primary)
        problem = probe.problem and f"the service account cannot ask {backend.name} how it stands: {probe.problem}"
        self._tell(backend, problem)
        return standing

    # Who is the primary.

    def _assign(self, standings: dict[Backend, Standing | None]) -> None:
        group = self._group
        writable = [backend for backend, standing in standings.items() if standing and not standing.is_read_only]
        if not writable:
            group.is_writable = False
            return
        names = " and ".join(backend.name for backend in writable)
        self._tell(None, f"{group.name}: {names} take writes" if len(writable) > 1 else "")
        if group.primary not in writable:
            before, after = group.primary, writable[0]
            group.promote(after)
            self._history.forget()
            self._emit(PrimaryChanged(time.time(), group.name, before.name, after.name))
        if not group.is_writable:
            group.found_writable()

    def _tell(self, about: Backend | None, what: str) -> None:
        # Once, until something else is to be said, or nothing any more.
        if what and self._told.get(about) != what:
            self._emit(Warned(time.time(), what))
        self._told[about] = what

    # How far the replicas are.

    async def _measure(self, replica: Backend, standing: Standing | None) -> None:
        reached = behind = None
        if standing is not None:
            behind, reached = lag(self._history, standing.position, perf_counter())
            if behind is None:
                behind = await self._probes[replica].seconds_behind()
        replica.lag_s = behind
        if reached is not None:
            replica.applied_until = max(replica.applied_until, reached)
        is_behind = self._group.is_behind(replica)
        if is_behind and replica not in self._behind:
            self._behind.add(replica)
            self._emit(ReplicaFellBehind(time.time(), self._group.name, replica.name, behind))
        elif not is_behind and replica in self._behind:
            self._behind.discard(replica)
            self._emit(ReplicaCaughtUp(time.time(), self._group.name, replica.name))


async def watch(group: Group, account: ServiceAccount, emit: Emit) -> None:
    """Follow a group until cancelled; what nobody foresaw is told, and does not end it."""
    while True:
        try:
            await Monitor(group, account, emit).follow()
        except Exception as error:
            emit(Warned(time.time(), f"asking how {group.name} stands failed for an unforeseen reason: {error!r}"))
        await asyncio.sleep(POLL_S)
