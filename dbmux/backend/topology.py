"""Which server a group's statements go to.

Names come in, backends go out. A topology is never changed: a new configuration makes a new one, and sessions keep the
backend that they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbmux.backend.server import Backend


@dataclass(frozen=True, slots=True)
class Topology:
    """All backends by name, and each group's primary by the group's name."""

    backends: Mapping[str, Backend]
    primaries: Mapping[str, str]

    def primary(self, group: str) -> Backend:
        """The server that takes a group's writes; the configuration was checked to have one."""
        return self.backends[self.primaries[group]]
