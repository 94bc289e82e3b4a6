"""What a new configuration changes, in sentences for people.

Two configurations come in, sentences go out, none of them with a secret. Never decides what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from dbmux.config.model import Config, Section

Item = TypeVar("Item")

_BY_NAME = {"users": "user", "admins": "admin", "backends": "backend", "groups": "group"}
_WITHOUT_EFFECT = ("schema_",)


def changes(old: Config, new: Config) -> tuple[str, ...]:
    """Each change once, in the order of the model's sections."""
    return tuple(_changes(old, new))


def _changes(old: Config, new: Config) -> Iterator[str]:
    for section in Config.model_fields:
        if section == "listen":
            yield from _items("listen", _groups(old), _groups(new))
        elif section in _BY_NAME:
            yield from _items(_BY_NAME[section], getattr(old, section), getattr(new, section))
        elif section not in _WITHOUT_EFFECT:
            yield from _values(section, getattr(old, section), getattr(new, section))


def _groups(config: Config) -> dict[str, str]:
    return {str(listen.address): config.group_of(listen) for listen in config.listen}


def _items(kind: str, old: Mapping[str, Item], new: Mapping[str, Item]) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f"{kind} {name} removed"
    for name, item in new.items():
        if name not in old:
            yield f"{kind} {name} added"
        elif old[name] != item:
            yield f"{kind} {name} changed"


def _values(name: str, old: object, new: object) -> Iterator[str]:
    if old == new:
        return
    if not (isinstance(old, Section) and isinstance(new, Section)):
        yield f"{name} changed"
        return
    for key in type(new).model_fields:
        yield from _values(f"{name}.{key}", getattr(old, key), getattr(new, key))
