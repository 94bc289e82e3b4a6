"""The text of a configuration that was in no file: what the command line made, as somebody would have written it.

A configuration comes in, a text goes out that says the same, or ConfigError is raised: one that was read from a pipe
may hold passwords, and is not told again.
"""

from __future__ import annotations

import json

from dbmux.config.load import FILE_NAME, loads
from dbmux.config.model import Config, Listen
from dbmux.errors import ConfigError


def written(config: Config) -> str:
    """The text."""
    listen = {str(one.address): config.group_of(one) for one in config.listen}
    (first, *others) = listen
    told = {
        "listen": listen if others else first,
        "backends": {name: str(backend.address) for name, backend in config.backends.items()},
    }
    parts = (f'  "{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in told.items())
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    try:
        is_same = _resolved(loads(text, FILE_NAME, {})) == _resolved(config)
    except ConfigError:
        is_same = False
    if not is_same:
        raise ConfigError(("what is in force came through a pipe, and cannot be written: keep what made it",))
    return text


def _resolved(config: Config) -> Config:
    # A listen address that names no group serves the same as one that names it.
    listens = tuple(Listen(address=one.address, group=config.group_of(one)) for one in config.listen)
    return config.model_copy(update={"listen": listens})
