"""What a new configuration changes, in sentences for people.

Two configurations come in, sentences go out, none of them with a secret. Never decides what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from dbmux.config.model import Config

Item = TypeVar("Item")


def changes(old: Config, new: Config) -> tuple[str, ...]:
    """Each change once, in the order of the file's sections."""
    return tuple(_changes(old, new))


def _changes(old: Config, new: Config) -> Iterator[str]:
    before = {str(listen.address): old.group_of(listen) for listen in old.listen}
    after = {str(listen.address): new.group_of(listen) for listen in new.listen}
    yield from _items("listen", before, after)
    yield from _items("backend", old.backends, new.backends)
    yield from _items("group", old.groups, new.groups)
    yield from _items("user", old.users, new.users)
    for name in ("control", "login", "service", "default", "tls", "timeouts", "limits", "proxy_protocol"):
        if getattr(old, name) != getattr(new, name):
            yield f"{name} changed"


def _items(kind: str, old: Mapping[str, Item], new: Mapping[str, Item]) -> Iterator[str]:
    for name in old.keys() - new.keys():
        yield f"{kind} {name} removed"
    for name, item in new.items():
        if name not in old:
            yield f"{kind} {name} added"
        elif old[name] != item:
            yield f"{kind} {name} changed"
