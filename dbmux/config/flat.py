"""A configuration as a list of settings, each with its key as `configuration.md` writes it, its value and its default.

A `Config` comes in, settings go out, in the order of the model's keys. No password and no hash of one goes out, only
that there is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from dbmux.config.model import Config, Listen, Section

HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key and what holds for it; None is what is not set."""

    key: str
    value: str | None
    is_default: bool


def settings(config: Config) -> Iterator[Setting]:
    """All settings in force, those that nobody wrote among them."""
    for listen in config.listen:
        is_default = "listen" not in config.model_fields_set
        yield Setting(f"listen.{listen.address}", config.group_of(listen), is_default)
    for name, field in Config.model_fields.items():
        if name != "listen" and not field.exclude:
            yield from _setting(_key(name, field), config, name)


def _section(before: str, section: Section) -> Iterator[Setting]:
    for name, field in type(section).model_fields.items():
        yield from _setting(f"{before}.{_key(name, field)}", section, name)


def _setting(key: str, section: Section, name: str) -> Iterator[Setting]:
    value, is_default = getattr(section, name), name not in section.model_fields_set
    if name in section.secrets:
        yield Setting(key, HIDDEN if value else None if value is None else "", is_default)
    elif isinstance(value, Section) and not isinstance(value, Listen):
        yield from _section(key, value)
    elif isinstance(value, Mapping):
        for one, item in value.items():
            if isinstance(item, Section):
                yield from _section(f"{key}.{one}", item)
            else:
                yield Setting(f"{key}.{one}", _written(item), is_default)
    else:
        yield Setting(key, _written(value), is_default)


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _written(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case tuple():
            return json.dumps([str(one) for one in value])
        case _:
            return str(value)
