"""What a configuration names and reading it does not try: certificates and keys, and the filters of logs.

A configuration comes in; it goes out again, or `ConfigError` is raised with a sentence for each that cannot be used.
That files can be read was seen when the configuration was.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from dbmux.commands.options import configured
from dbmux.config.jsonc import Problem
from dbmux.config.load import located
from dbmux.config.model import Config
from dbmux.errors import ConfigError
from dbmux.feed.log.logs import problems
from dbmux.net.certificate import backend_context, server_tls


def usable(path: Path | None) -> tuple[Path, Config]:
    """The configuration file that is meant and what it says; raises ConfigError, also for files that it names."""
    found, config = configured(path)
    if problems := list(_unusable(config)):
        raise ConfigError(located(found, os.environ, problems))
    return found, config


def _unusable(config: Config) -> Iterator[Problem]:
    for name, backend in config.backends.items():
        try:
            backend_context(backend.tls, is_local=backend.address.is_local)
        except (OSError, ValueError) as error:
            yield ("backends", name, "tls"), f"the files cannot be used: {_reason(error)}"
    tls = config.tls
    if tls.certificate is not None:
        try:
            server_tls(tls.certificate, tls.key or tls.certificate)
        except (OSError, ValueError) as error:
            yield ("tls",), f"the certificate cannot be used: {_reason(error)}"
    yield from problems(config)


def _reason(error: OSError | ValueError) -> str:
    match error:
        case ssl.SSLError(reason=str(reason)):
            return reason.lower().replace("_", " ")
        case ssl.SSLError():
            return "a certificate or a key in PEM form is missing in it"
        case _:
            return str(error)
