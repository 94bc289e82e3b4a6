"""Follows the servers of a group through the service account: how far the replicas are, and which one takes writes.

A group comes in; its servers' `lag_s` and `applied_until`, with `"roles": "auto"` its primary, and events go out. Each
server is asked on a connection of the monitor's own, outside its pool. Who does not answer in time is suspected, and
its lag not known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from time import perf_counter

from dbmux.backend.connection import Answer, Connection
from dbmux.backend.group import Group
from dbmux.backend.opening import open_own
from dbmux.backend.replication import (
    Following,
    History,
    Standing,
    following,
    lag,
    log_end_question,
    parse_position,
    standing_question,
    status_question,
)
from dbmux.backend.server import Backend, BackendState
from dbmux.backend.turn import run
from dbmux.config.model import Account, Roles
from dbmux.errors import BackendRefused, DbMuxError, ProtocolError
from dbmux.events import Emit, PrimaryChanged, ReplicaCaughtUp, ReplicaFellBehind, Warned
from dbmux.wire.commands import Command
from dbmux.wire.handshake import Greeting

POLL_S = 1.0
# In a group without a primary every moment counts.
URGENT_POLL_S = 0.1
ANSWER_S = 3.0

# Between two logins of an account that is refused; doubled up to the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 10.0


class Probe:
    """One server, and the connection on which it is asked."""

    def __init__(self, backend: Backend, account: Account, clock: Callable[[], float] = perf_counter) -> None:
        self.backend = backend
        self._clock = clock
        self._pause_s, self._retry_at = FIRST_PAUSE_S, 0.0
        self._account = account
        self._connection: Connection | None = None
        self.problem = ""

    async def standing(self, *, as_primary: bool) -> Standing | None:
        """What it says of itself; None when it cannot be asked, and `problem` says why."""
        answer = await self._ask(standing_question)
        if answer is None:
            return None
        try:
            read_only, written, applied = answer.row(3)
        except ProtocolError as error:
            self.problem = str(error)
            return None
        gtid = b"".join(((written if as_primary else applied) or b"").split())
        return Standing(
            is_read_only=read_only not in (b"0", b"OFF"),
            position=parse_position(gtid),
            gtid=gtid.decode("ascii", "replace"),
        )

    async def seconds_behind(self) -> float | None:
        """What a replica without GTIDs says of its lag."""
        told = await self.following()
        return told[0].behind_s if told is not None and len(told) == 1 else None

    async def following(self) -> tuple[Following, ...] | None:
        """What it says of each primary that it follows; None when it cannot be asked, and `problem` says why."""
        answer = await self._ask(status_question)
        if answer is None:
            return None
        names = answer.names()
        return tuple(following(dict(zip(names, row, strict=True))) for row in answer.rows)

    async def log_end(self) -> tuple[str, int] | None:
        """Where its log ends, by file and offset; None when it cannot be asked, or keeps none."""
        answer = await self._ask(log_end_question)
        if answer is None or len(answer.rows) != 1:
            return None
        file, offset, *_ = (value or b"" for value in answer.rows[0])
        return file.decode(errors="surrogateescape"), int(offset)

    async def server_id(self) -> int | None:
        """The number that it has among those that replicate; None when it cannot be asked."""
        answer = await self._ask(lambda greeting: b"SELECT @@global.server_id")
        return None if answer is None else int(answer.row(1)[0] or b"0")

    def close(self) -> None:
        """End its connection."""
        if self._connection is not None:
            self._connection.quit()

    async def _ask(self, question: Callable[[Greeting], bytes]) -> Answer | None:
        if self._clock() < self._retry_at:
            return None
        try:
            async with asyncio.timeout(ANSWER_S):
                connection = await self._connected()
                # The connection knows what the server is; the backend may not have been met before.
                (answer,) = await run(connection, [(Command.QUERY, question(connection.greeting))])
        except TimeoutError:
            self.problem = "no answer in time"
            self.backend.suspect()
            return None
        except DbMuxError as error:
            self.problem = str(error)
            return None
        self.problem = ""
        return answer

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed:
            try:
                self._connection = await open_own(self.backend, self._account)
            except BackendRefused:
                # Servers log each of these.
                self._retry_at = self._clock() + self._pause_s
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
                raise
            self._pause_s = FIRST_PAUSE_S
        return self._connection


class Monitor:
    """Of one group."""

    def __init__(self, group: Group, account: Account, emit: Emit) -> None:
        self._group = group
        self._emit = emit
        self._probes = {member: Probe(member, account) for member in group.members}
        self._history = History()
        # What was told last of each server and of the whole.
        self._told: dict[Backend | None, str] = {}
        self._behind: set[Backend] = set()

    async def follow(self) -> None:
        """Look at the group about once a second, until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(POLL_S if self._group.is_writable else URGENT_POLL_S)
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
        elif group.primary.state is not BackendState.DOWN:
            self._history.miss(asked_at)
        async with asyncio.TaskGroup() as tasks:
            asked = [(replica, tasks.create_task(self._standing(replica))) for replica in group.replicas]
        standings = {group.primary: primary} | {replica: task.result() for replica, task in asked}
        if group.config.roles is Roles.AUTO:
            self._assign(standings, asked_at)
        async with asyncio.TaskGroup() as tasks:
            for replica in group.replicas:
                tasks.create_task(self._measure(replica, standings[replica]))
        for backend, probe in self._probes.items():
            self._tell(backend, probe.problem and f"{backend.name} does not tell how it stands: {probe.problem}")

    async def _standing(self, backend: Backend) -> Standing | None:
        if backend.state is BackendState.DOWN:
            # Health looks after it, and less and less often.
            return None
        return await self._probes[backend].standing(as_primary=backend is self._group.primary)

    # Who is the primary.

    def _assign(self, standings: dict[Backend, Standing | None], asked_at: float) -> None:
        group = self._group
        writable = [backend for backend, standing in standings.items() if standing and not standing.is_read_only]
        is_mute = standings[group.primary] is None and group.primary.is_usable
        if not writable or is_mute:
            # One that is well and only does not tell how it stands is not replaced: two would be written to.
            self._doubt(standings[group.primary])
            return
        names = " and ".join(backend.name for backend in writable)
        self._tell(None, f"{group.name}: {names} take writes" if len(writable) > 1 else "")
        if group.primary not in writable:
            before, after = group.primary, writable[0]
            group.promote(after)
            after.lag_s = None
            self._history.forget()
            self._emit(PrimaryChanged(time.time(), group.name, before.name, after.name))
        elif group.doubted_at > asked_at:
            # It took writes when it was asked, and has refused one since.
            return
        if not group.is_writable:
            group.found_writable()

    def _doubt(self, primary: Standing | None) -> None:
        group = self._group
        if primary is not None or not group.primary.is_usable:
            group.is_writable = False
        elif not group.is_writable:
            # It is well, and only the service account gets no answer: no reason to hold up writes.
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
            behind, reached = lag(self._history, standing.position)
            if behind is None:
                behind = await self._probes[replica].seconds_behind()
                if standing.position:
                    # It need not have the right: its GTIDs will tell as soon as it has the first of what was noted.
                    self._probes[replica].problem = ""
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


async def watch(group: Group, account: Account, emit: Emit) -> None:
    """Follow a group until cancelled; what nobody foresaw is told, and does not end it."""
    while True:
        try:
            await Monitor(group, account, emit).follow()
        except Exception as error:
            for replica in group.replicas:
                replica.lag_s = None
            emit(Warned(time.time(), f"asking how {group.name} stands failed for an unforeseen reason: {error!r}"))
        await asyncio.sleep(POLL_S)
