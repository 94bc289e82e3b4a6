"""What is in force, value by value, and where each comes from.

A configuration and the text that it was read from come in; paths, values and places go out. Never shows a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import get_args

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from dbmux.config import jsonc
from dbmux.config.model import Config, Listen, Section
from dbmux.config.units import seconds, seconds_told, size, size_told

HIDDEN = "(hidden)"
NONE = "-"
# Whatever is called so, at any depth.
_SECRETS = ("password", "password_hash", "backend_password")


@dataclass(frozen=True, slots=True)
class Setting:
    """One value: its dotted path, and the line and column of the file where it stands; 0 where it does not.

    What stands nowhere and is no default either was given on the command line.
    """

    path: str
    value: str
    line: int
    column: int
    is_default: bool


def places(text: str | None) -> jsonc.Document:
    """Where each key stands; an empty document for what cannot be read."""
    if text is None:
        return jsonc.Document(None)
    try:
        return jsonc.parse(text)
    except jsonc.Misread:
        return jsonc.Document(None)


def settings(config: Config, text: str | None) -> Iterator[Setting]:
    """All values, in the order of the model."""
    document = places(text)
    for path, value, is_default in _leaves((), config):
        shown = HIDDEN if value is not None and path[-1] in _SECRETS else value
        # A default may be written all the same, but not by a short form, which says only what is none.
        written = document.written(path)
        line, column = document.places[written] if written and (written == path or not is_default) else (0, 0)
        yield Setting(".".join(map(str, path)), _shown(shown), line, column, is_default)


def _leaves(path: jsonc.Path, section: Section) -> Iterator[tuple[jsonc.Path, object, bool]]:
    for name, field in type(section).model_fields.items():
        value: object = getattr(section, name)
        here = (*path, field.alias or name)
        if isinstance(value, Section):
            yield from _leaves(here, value)
        elif isinstance(value, Mapping) and value:
            for key, item in value.items():
                if isinstance(item, Section):
                    yield from _leaves((*here, str(key)), item)
                else:
                    yield (*here, str(key)), item, False
        elif not field.exclude:
            is_default = value == field.get_default(call_default_factory=True)
            yield here, _with_unit(value, field), is_default


def _with_unit(value: object, field: FieldInfo) -> object:
    # What is written with a unit is shown with one.
    match value:
        case float() if _is_read_by(seconds, field):
            return seconds_told(value)
        case int() if _is_read_by(size, field):
            return size_told(value)
        case _:
            return value


def _is_read_by(read: Callable[[object], object], field: FieldInfo) -> bool:
    # Of an optional value the type inside has what is said of it.
    inside = (getattr(one, "__metadata__", ()) for one in get_args(field.annotation))
    return any(isinstance(one, BeforeValidator) and one.func is read for one in chain(field.metadata, *inside))


def _shown(value: object) -> str:
    match value:
        case None:
            return NONE
        case bool():
            return "true" if value else "false"
        case tuple() | list():
            return ", ".join(_shown(item) for item in value) or NONE
        case Mapping():
            return NONE
        case Listen(address=address, group=None):
            return str(address)
        case Listen(address=address, group=group):
            return f"{address} → {group}"
        case _:
            return str(value)
