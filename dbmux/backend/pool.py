"""The connections to one backend: how many there are, how many there may be, and who holds them.

A request for a place comes in, a `Lease` goes out; it is given back exactly once however often that is said. All
decisions are synchronous. Never dials and never closes a connection.
"""

from __future__ import annotations

from dbmux.errors import ErrorCode, MySQLError


class Lease:
    """One place among a backend's connections."""

    __slots__ = ("_pool",)

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool: ConnectionPool | None = pool

    def release(self) -> None:
        """Give the place back; further calls do nothing."""
        if self._pool is not None:
            self._pool.taken -= 1
            self._pool = None


class ConnectionPool:
    """Counts the connections to one backend; `limit` None leaves the limit to the server."""

    __slots__ = ("limit", "name", "taken")

    def __init__(self, name: str, limit: int | None) -> None:
        self.name = name
        self.limit = limit
        self.taken = 0

    def lease(self) -> Lease:
        """Take a place; raises MySQLError 2003 with the pool's state when there is none."""
        if self.limit is not None and self.taken >= self.limit:
            raise MySQLError(
                ErrorCode.UNREACHABLE,
                f"all {self.limit} connections to {self.name} are taken; raise backends.{self.name}.max_connections",
            )
        self.taken += 1
        return Lease(self)
