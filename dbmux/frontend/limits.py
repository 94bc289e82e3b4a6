"""How many clients there may be, in all, from one address and of one user; and who may try to log in at all.

Sessions come in, and what the configuration allows; MySQLError is raised for one that is too many. Counts nothing but
sessions that are there, and failed logins of the last minutes. Never ends a session.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from dbmux.errors import BackendRefused, ErrorCode, MySQLError
from dbmux.events import AddressBlocked, Emit
from dbmux.frontend.census import Census
from dbmux.frontend.session import Session
from dbmux.frontend.settings import Settings
from dbmux.frontend.throttle import Throttle, is_here


class Limits:
    """Who is there, and who failed to get in."""

    def __init__(self, settings: Settings, emit: Emit) -> None:
        self._settings = settings
        self._emit = emit
        self._addresses = Census()
        self._users = Census()
        self._throttle = Throttle(settings.failed_logins, time.monotonic)

    def take(self, settings: Settings) -> None:
        """Other numbers hold from now on; who is there already may stay."""
        self._settings = settings
        self._throttle.allowed = settings.failed_logins

    def forget(self, session: Session) -> None:
        """A session ended."""
        self._addresses.drop(session.id)
        self._users.drop(session.id)

    def check_room(self, clients: int) -> None:
        """Raise MySQLError where so many clients, the new one among them, are too many."""
        allowed = self._settings.max_clients
        if clients > allowed:
            raise MySQLError(
                ErrorCode.TOO_MANY_CLIENTS,
                f"{_clients_are(allowed)} connected already; raise limits.clients or close some",
            )

    def count_address(self, session: Session) -> None:
        """The session is one of its address; raises MySQLError where that has too many, or has failed too often."""
        place, limit = session.place, self._settings.max_clients_per_address
        if not place:
            return
        self.check_failures(session)
        if limit is not None and self._addresses.others(session.id, place) >= limit:
            raise MySQLError(
                ErrorCode.TOO_MANY_CLIENTS,
                f"{_clients_are(limit)} connected from {place} already; raise limits.clients_per_address or close some",
            )
        self._addresses.put(session.id, place)

    def count_user(self, session: Session, name: str) -> None:
        """The session is one of this user; raises MySQLError where that has too many."""
        user = self._settings.users.get(name)
        limit = user.max_clients if user is not None else None
        if limit is not None and self._users.others(session.id, name) >= limit:
            raise MySQLError(
                ErrorCode.TOO_MANY_OF_USER,
                f"{_clients_are(limit)} logged in as {name} already; raise users.{name}.max_clients or close some",
            )
        self._users.put(session.id, name)

    def check_failures(self, session: Session) -> None:
        """Raise MySQLError where too many logins from this address failed."""
        seconds = self._throttle.refused_s(session.place)
        if seconds and not is_here(session.place):
            raise MySQLError(
                ErrorCode.BLOCKED,
                f"too many logins from {session.place} failed (limits.failed_logins); try again in {ceil(seconds)} s",
            )

    @contextmanager
    def counting_failures(self, session: Session) -> Iterator[None]:
        """A login is tried: a password that is wrong counts against its address, one that is right for it."""
        try:
            yield
        except (MySQLError, BackendRefused) as error:
            if is_denial(error):
                self.count_failure(session)
            raise
        self._throttle.succeeded(session.place)

    def count_failure(self, session: Session) -> None:
        """A login of this session failed by its password."""
        place = session.place
        if place and not is_here(place) and (seconds := self._throttle.failed(place)):
            self._emit(AddressBlocked(time.time(), place, seconds))


def is_denial(error: Exception) -> bool:
    """Whether a password was wrong, whoever checked it."""
    number = error.code.number if isinstance(error, MySQLError) else getattr(error, "number", 0)
    return number == ErrorCode.ACCESS_DENIED.number


def _clients_are(number: int) -> str:
    return "1 client is" if number == 1 else f"{number} clients are"
