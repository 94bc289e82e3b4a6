"""What was marked in a list: things by what they are known by, in the order in which they were marked. Bounded."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_MARKED = 1000


class Marks(Generic[T]):
    """The things; they stay when the list shows others."""

    def __init__(self) -> None:
        self._things: dict[Hashable, T] = {}

    def __len__(self) -> int:
        return len(self._things)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._things

    def things(self) -> list[T]:
        """All of them."""
        return list(self._things.values())

    def toggle(self, things: Iterable[tuple[Hashable, T]]) -> bool:
        """Mark these, or no more if they all are; whether there was room for them."""
        some = dict(things)
        if all(key in self._things for key in some):
            for key in some:
                del self._things[key]
            return True
        if len(self._things | some) > MOST_MARKED:
            return False
        self._things |= some
        return True

    def renew(self, key: Hashable, thing: T) -> None:
        """What is marked says something else by now."""
        if key in self._things:
            self._things[key] = thing

    def clear(self) -> None:
        """Nothing is marked."""
        self._things.clear()
