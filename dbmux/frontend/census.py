"""How many sessions there are of a kind: from one address, or of one user.

Sessions come in by their ids, numbers go out. Never knows what a kind is.
"""

from __future__ import annotations

from collections import Counter


class Census:
    """Each session is of one kind at most."""

    __slots__ = ("_counts", "_kinds")

    def __init__(self) -> None:
        self._kinds: dict[int, str] = {}
        self._counts: Counter[str] = Counter()

    def put(self, session: int, kind: str) -> None:
        """A session is of this kind from now on."""
        self.drop(session)
        self._kinds[session] = kind
        self._counts[kind] += 1

    def drop(self, session: int) -> None:
        """A session is of no kind any more."""
        kind = self._kinds.pop(session, None)
        if kind is None:
            return
        self._counts[kind] -= 1
        if not self._counts[kind]:
            del self._counts[kind]

    def others(self, session: int, kind: str) -> int:
        """How many of this kind there are besides this one."""
        return self._counts[kind] - (self._kinds.get(session) == kind)
