"""Servers that commands are told by name: backends of the configuration, or addresses.

A name and a configuration, if there is one, come in; the server and the account to log in with go out.
"""

from __future__ import annotations

import os
from pathlib import Path

from dbmux.backend.server import Backend
from dbmux.commands.options import Refused, configured
from dbmux.config import load
from dbmux.config.model import Account, BackendConfig, Config
from dbmux.net.certificate import backend_context
from dbmux.net.dial import dial

USER, PASSWORD = "DBMUX_VERIFY_USER", "DBMUX_VERIFY_PASSWORD"
_CONNECT_S = 5.0


def configuration(path: Path | None) -> Config | None:
    """The configuration, where there is a file."""
    return configured(path)[1] if load.find(path, os.environ) is not None else None


def server(name: str, config: Config | None) -> tuple[Backend, Account]:
    """A backend of the configuration, or an address; with the account to log in with."""
    account = config.service if config is not None else None
    if user := os.environ.get(USER):
        account = Account(user=user, password=os.environ.get(PASSWORD, ""))
    if config is not None and name in config.backends:
        wanted, account = config.backends[name], config.service or account
    else:
        try:
            wanted = BackendConfig.model_validate(name)
        except ValueError:
            raise Refused(f"{name} is neither a backend of the configuration nor an address") from None
    if account is None:
        raise Refused(f"no account for {name}: {_where_from(name, config)}, or set {USER} and {PASSWORD}")
    context = backend_context(wanted.tls, is_local=wanted.address.is_local)
    connect_s = config.timeouts.connect if config is not None else _CONNECT_S
    return Backend(name, wanted, dial=dial, tls=context, connect_timeout_s=connect_s), account


def _where_from(name: str, config: Config | None) -> str:
    if config is None:
        return "there is no configuration here; name one with --config"
    if name in config.backends:
        return "write `service` into the configuration"
    known = ", ".join(config.backends)
    return f"the configuration has no such backend, only {known}; name another file with --config"
