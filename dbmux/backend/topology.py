"""Which servers there are, and which group each belongs to.

Names come in, groups and backends go out. A topology is never changed: a new configuration makes a new one, in which
sessions go to the group of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbmux.backend.group import Group
from dbmux.backend.server import Backend
from dbmux.routes import Role


@dataclass(frozen=True, slots=True)
class Target:
    """A route as it is written: a group's role, or one backend."""

    group: Group
    role: Role
    backend: Backend | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """All backends and groups by name; each backend is also a group of its own name."""

    backends: Mapping[str, Backend]
    groups: Mapping[str, Group]

    def primary(self, group: str) -> Backend:
        """The server that takes a group's writes; the configuration was checked to have one."""
        return self.groups[group].primary

    def target(self, text: str, home: Group) -> Target | None:
        """What a route names, seen from a session of the group `home`; None for what is not there.

        A backend of the session's own group is named as such; the names of groups go before those of backends.
        """
        name, dot, role = text.rpartition(".")
        if dot and role in ("primary", "replica") and name in self.groups:
            return Target(self.groups[name], Role(role))
        backend = self.backends.get(text)
        if backend is not None and backend in home.members:
            return Target(home, Role.PRIMARY if backend is home.primary else Role.REPLICA, backend)
        if text in self.groups:
            return Target(self.groups[text], Role.PRIMARY)
        return None
