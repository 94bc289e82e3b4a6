"""The tap of shadow reads: takes finished reads from what is remembered, a few times a second, and offers some of them.

The ring of finished statements and a mirror's shadow come in; reads go to the shadow, with the state of their session.
The client's path pays nothing. What the ring forgot meanwhile is counted; which SELECTs are never looked at is counted
by the reason. Bounded: so many statements are looked at each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from dbmux.backend.reading import Rights, Statement
from dbmux.backend.server import Backend
from dbmux.config.model import Account
from dbmux.control.rights import rights_of
from dbmux.events import KEPT, OWN, QueryFinished
from dbmux.feed.arguments import execution_of
from dbmux.frontend.frontend import Frontend
from dbmux.lexer import digest
from dbmux.mirror.read import Read
from dbmux.mirror.shadow import Shadow
from dbmux.mirror.side import Denied
from dbmux.observe.digests import identity
from dbmux.observe.ring import Ring
from dbmux.observe.statement import text_of
from dbmux.query import Kind
from dbmux.session import SessionState
from dbmux.sql.bind import NotBound
from dbmux.sql.modes import lexer_flags
from dbmux.wire.commands import Command

PERIOD_S = 0.2
MOST_AT_ONCE = 2000
LONGER = f"of a statement {KEPT} bytes are kept, and it is longer"
_COMMANDS = (Command.QUERY, Command.STMT_EXECUTE)


class Tap:
    """For one mirror; `groups` are those whose reads are of its source, `state_of` gives a session's state now."""

    def __init__(
        self,
        queries: Ring[QueryFinished],
        groups: frozenset[str],
        shadow: Shadow,
        state_of: Callable[[QueryFinished], tuple[SessionState, bytes]],
    ) -> None:
        self._queries = queries
        self._groups = groups
        self._shadow = shadow
        self._state_of = state_of
        # What ran before is of no interest.
        self._place = queries.count

    async def run(self) -> NoReturn:
        """Take what comes, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            self.take()

    def take(self) -> None:
        """Look at what has come since."""
        batch = self._queries.since(self._place, MOST_AT_ONCE)
        self._place = batch.place
        self._shadow.tally.missed += batch.missed
        for event in batch.events:
            if event.command in _COMMANDS and event.who.group in self._groups and event.backend != OWN:
                self._look_at(event)

    def _look_at(self, event: QueryFinished) -> None:
        query, shadow = event.query, self._shadow
        if query is None or query.kind is not Kind.SELECT:
            return
        tally = shadow.tally
        tally.offered += 1
        if query.footprint.uncacheable:
            tally.unfit(query.footprint.uncacheable)
        elif len(event.statement or event.sent) >= KEPT:
            tally.unfit(LONGER)
        elif shadow.sampler.takes(query):
            self._offer(event)

    def _offer(self, event: QueryFinished) -> None:
        text = text_of(event)
        state, mode = self._state_of(event)
        flags = lexer_flags(mode)
        try:
            execution = execution_of(event, flags) if event.command == Command.STMT_EXECUTE else None
        except NotBound as error:
            self._shadow.tally.unfit(str(error))
            return
        assert event.query is not None
        told = digest(text, 0, flags)
        read = Read(
            statement=Statement(text, execution),
            digest=identity(told),
            text=told.decode("utf-8", "replace"),
            user=event.who.user,
            state=state,
            footprint=event.query.footprint,
            flags=flags,
        )
        self._shadow.offer(read)


def session_states(frontend: Frontend, backend: Backend) -> Callable[[QueryFinished], tuple[SessionState, bytes]]:
    """What is known of the state in which a statement ran, and its sql_mode: the session's as it is now, if it is."""

    def state_of(event: QueryFinished) -> tuple[SessionState, bytes]:
        session = frontend.find(event.session)
        state = SessionState()
        if session is not None and session.group is not None:
            state = session.carried.state
        mode = state.variable("sql_mode")
        return replace(state, schema=event.schema), backend.sql_mode if mode is None else mode.strip(b"'")

    return state_of


def rights_at(backend: Backend, frontend: Frontend, service: Account | None) -> Callable[[str], Rights]:
    """For dbmux.mirror.side.Side: the account at a server for a user's statements, or Denied is raised."""

    def rights(user: str) -> Rights:
        found = rights_of(user, backend, frontend, service)
        if found is None:
            raise Denied("no account is known with which it can be run; give DbMux a `service` account")
        return found[0]

    return rights
