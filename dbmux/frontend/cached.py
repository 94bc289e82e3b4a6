"""A session and the query cache: answers from memory, readings that are stored, and writes that are followed.

A command's bytes and meaning come in before it is sent; either it is answered at once, or waits for another session that
reads the same, or is noted so that its end tells the cache. Only sessions without a connection of their own are
answered: one that has a transaction, a lock or a temporary table asks the server. Never keeps what a reply said.
"""

from __future__ import annotations

from abc import abstractmethod
from time import perf_counter, time

from dbmux.backend.connection import Connection, Debt
from dbmux.cache.cache import Cache, Environment, Verdict
from dbmux.cache.fill import Fill, Tape
from dbmux.cache.plans import Plan
from dbmux.cache.tables import Table
from dbmux.events import QueryFinished
from dbmux.frontend.tenant import AUTOCOMMIT, IDLE, IN_TRANSACTION, WAITING, Market, Tenant, new_tuple
from dbmux.lexer import uncommented
from dbmux.net.channel import Channel
from dbmux.query import Query
from dbmux.routes import CACHED
from dbmux.wire.replies import Status

# A reply with any other flag says something of the moment or of the session.
STORED_STATUS = int(Status.AUTOCOMMIT | Status.NO_GOOD_INDEX | Status.NO_INDEX | Status.SLOW)


class CachedTenant(Tenant):
    """A tenant whose reads may be answered from the cache, if there is one."""

    __slots__ = ("_cache", "_environment", "_environment_state", "_fill", "_key", "_plan", "_tape", "_verdict", "_written")

    def __init__(self, session_id: int, channel: Channel, surroundings: Market) -> None:
        super().__init__(session_id, channel, surroundings)
        self._cache: Cache | None = None
        self._environment: Environment
        self._environment_state: object = None
