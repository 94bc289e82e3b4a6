# cython: annotation_typing=False, language_level=3
"""The figures: exact counts of everything that happened, from events.

Events come in through `record`; integers stand ready to be read. The path of a finished query is a few additions.
Nothing is formatted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from dbmux.events import (
    AddressBlocked,
    BackendDown,
    BackendUp,
    CloseReason,
    ConfigApplied,
    ConfigRejected,
    Event,
    LoggedIn,
    LoginFailed,
    Pinned,
    SessionClosed,
    SessionOpened,
    Unpinned,
    Who,
)
from dbmux.observe.histogram import Histogram
from dbmux.routes import KINDS, Route

# More names than that are counted together.
MOST_USERS = 500
OTHER_USERS = "other users"
# MySQL's own limit is 64 characters, and 80 in MariaDB's names of users.
LONGEST_NAME = 100


class BackendFigures:
    """What is counted of one backend."""

    __slots__ = ("bytes", "commands", "errors", "is_up", "latency", "routes")

    def __init__(self) -> None:
        self.commands = [0] * 256
        self.errors: Counter[int] = Counter()
        # By the number of role and reason.
        self.routes = [0] * len(KINDS)
        self.bytes = 0
        self.latency = Histogram()
        self.is_up = False


class UserFigures:
    """What is counted of one user in one group."""

    __slots__ = ("bytes", "commands", "errors", "seconds")

    def __init__(self) -> None:
        self.commands = 0
        self.errors = 0
        self.seconds = 0.0
        self.bytes = 0


class Metrics:
    """All figures of one engine; `users` by name and group."""

    def __init__(self) -> None:
        self.backends: dict[str, BackendFigures] = {}
        self.users: dict[tuple[str, str], UserFigures] = {}
        self.sessions_opened = 0
        self.sessions_closed: Counter[CloseReason] = Counter()
        self.logins = 0
        self.logins_failed: Counter[int] = Counter()
        # Names, the first of them: who has logged in and where to, and who was refused.
        self.users_in: set[str] = set()
        self.schemas_in: set[str] = set()
        self.users_refused: set[str] = set()
        self.addresses_blocked = 0
        self.pins: Counter[str] = Counter()
        self.pins_now: Counter[str] = Counter()
        self.configs_applied = 0
        self.configs_rejected = 0
        self._by_type: dict[type[Event], Callable[[Any], None]] = {
            SessionOpened: self._session_opened,
            SessionClosed: self._session_closed,
            LoggedIn: self._logged_in,
            LoginFailed: self._login_failed,
            AddressBlocked: self._address_blocked,
            Pinned: self._pinned,
            Unpinned: self._unpinned,
            BackendUp: self._backend_up,
            BackendDown: self._backend_down,
            ConfigApplied: self._config_applied,
            ConfigRejected: self._config_rejected,
        }

    @property
    def sessions_open(self) -> int:
        """Clients connected now."""
        return self.sessions_opened - self.sessions_closed.total()

    def record(self, event: Event) -> None:
        """Count any event but a finished query."""
        count = self._by_type.get(type(event))
        if count is not None:
            count(event)

    def query_finished(
        self, backend: str, who: Who, route: Route, command: int, seconds: float, bucket: int, size: int, code: int
    ) -> None:
        """Count a finished query, of `size` bytes, whose duration has this bucket: the hot path."""
        name, _, _, group, _ = who
        figures = self.backends.get(backend)
        if figures is None:
            figures = self._figures(backend)
        figures.commands[command] += 1
        figures.latency.count_in(bucket, seconds)
        figures.bytes += size
        figures.routes[route.number] += 1
        user = self.users.get((name, group))
        if user is None:
            user = self._user(who)
        user.commands += 1
        user.seconds += seconds
        user.bytes += size
        if code:
            figures.errors[code] += 1
            user.errors += 1

    def _figures(self, backend: str) -> BackendFigures:
        return self.backends.setdefault(backend, BackendFigures())

    def _user(self, who: Who) -> UserFigures:
        name = who.user if len(self.users) < MOST_USERS else OTHER_USERS
        return self.users.setdefault((name, who.group), UserFigures())

    def _session_opened(self, event: SessionOpened) -> None:
        self.sessions_opened += 1

    def _session_closed(self, event: SessionClosed) -> None:
        self.sessions_closed[event.reason] += 1

    def _logged_in(self, event: LoggedIn) -> None:
        self.logins += 1
        _remember(event.user, self.users_in)
        _remember(event.schema, self.schemas_in)

    def _login_failed(self, event: LoginFailed) -> None:
        self.logins_failed[event.code] += 1
        _remember(event.user, self.users_refused)

    def _address_blocked(self, event: AddressBlocked) -> None:
        self.addresses_blocked += 1

    def _pinned(self, event: Pinned) -> None:
        self.pins[event.reason] += 1
        self.pins_now[event.reason] += 1

    def _unpinned(self, event: Unpinned) -> None:
        self.pins_now[event.reason] -= 1

    def _backend_up(self, event: BackendUp) -> None:
        self._figures(event.backend).is_up = True

    def _backend_down(self, event: BackendDown) -> None:
        self._figures(event.backend).is_up = False

    def _config_applied(self, event: ConfigApplied) -> None:
        self.configs_applied += 1

    def _config_rejected(self, event: ConfigRejected) -> None:
        self.configs_rejected += 1


def _remember(name: str, names: set[str]) -> None:
    # Anybody can make up names, and long ones.
    if len(names) < MOST_USERS and len(name) <= LONGEST_NAME:
        names.add(name)
