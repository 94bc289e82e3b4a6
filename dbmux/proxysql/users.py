"""From ProxySQL's users to `users`.

Rows come in; what `users` holds goes out, with the environment variables that must be set before it can be used. A
password in the clear is put into the configuration only where that was asked for. Never shows one in a finding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from dbmux.config.environment import literally
from dbmux.proxysql.findings import Findings
from dbmux.proxysql.hostgroups import Served
from dbmux.proxysql.tables import Row, Tables
from dbmux.routes import Role

DEFAULT_MAX_CONNECTIONS = 10_000
NATIVE_HASH = re.compile(r"\*[0-9A-Fa-f]{40}")
SHA2_HASH = "$A$"
_NOT_CARRIED = {
    "use_ssl": 'TLS is asked of all clients or of none: "tls": "required"',
    "schema_locked": "a session may change its schema as far as its account may",
    "fast_forward": "connections are shared; what cannot be shared keeps its own",
    "default_schema": "let the client name its schema when it connects",
    "attributes": "unknown here",
}


class Passwords(Enum):
    """What becomes of passwords in the clear."""

    PLACEHOLDERS = auto()
    WRITTEN = auto()


@dataclass(slots=True)
class Secrets:
    """Passwords on their way into a configuration, and the variables that stand for those which do not go there."""

    passwords: Passwords
    variables: dict[str, str] = field(default_factory=dict)

    def written(self, owner: str, password: str) -> str:
        """What stands in the configuration for a password of somebody."""
        if not password or self.passwords is Passwords.WRITTEN:
            return literally(password)
        stem = re.sub(r"[^A-Z0-9]+", "_", owner.upper()).strip("_") or "USER"
        stem = f"_{stem}" if stem[0].isdigit() else stem
        name, count = f"{stem}_PASSWORD", 2
        while name in self.variables and self.variables[name] != owner:
            name, count = f"{stem}_{count}_PASSWORD", count + 1
        self.variables[name] = owner
        return f"${{{name}}}"


def homes(tables: Tables, served: Mapping[int, Served]) -> dict[str, Served]:
    """What serves the own hostgroup of each user."""
    found = {}
    for row in tables.get("mysql_users", ()):
        target = served.get(row.number("default_hostgroup"))
        if row.is_on("active", 1) and target is not None:
            found[row.text("username")] = target
    return found


def carry_users(
    tables: Tables, served: Mapping[int, Served], secrets: Secrets, findings: Findings
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The users, and the rules for those whose own hostgroup is one of readers."""
    users: dict[str, Any] = {}
    rules: dict[str, dict[str, Any]] = {}
    for row in tables.get("mysql_users", ()):
        name = row.text("username")
        if (obstacle := _obstacle(row, users)) is not None:
            findings.tell(row, f"user {name}", obstacle)
            continue
        users[name] = _user(row, secrets)
        _tell_differences(row, findings)
        target = served.get(row.number("default_hostgroup"))
        if target is None:
            what = f"user {name}, default_hostgroup {row.number('default_hostgroup')}"
            findings.tell(row, what, "no server is in it")
        elif target.role is Role.REPLICA and target.has_replicas:
            what = f"user {name}, default_hostgroup {row.number('default_hostgroup')}"
            findings.tell(row, what, "it is one of readers, so a rule sends all to replicas; writes are refused there")
            rules["user_" + re.sub(r"\W+", "_", name)] = {"user": name, "route": target.route}
    return users, rules


def _obstacle(row: Row, users: Mapping[str, Any]) -> str | None:
    name = row.text("username")
    if not row.is_on("active", 1):
        return "it is not active"
    if not name or not name.isprintable() or not name.strip() or "${" in name:
        return "a name must have letters that can be seen, and no ${"
    if name in users:
        return "it is there already; accounts for clients and for servers are one entry, with backend_user"
    if not row.is_on("frontend", 1):
        return "it is for servers only; name it as backend_user of whoever uses it"
    return None


def _user(row: Row, secrets: Secrets) -> Any:
    password, most = row.text("password"), row.number("max_connections", DEFAULT_MAX_CONNECTIONS)
    made: dict[str, Any] = {}
    if NATIVE_HASH.fullmatch(password) or password.startswith(SHA2_HASH):
        made["password_hash"] = literally(password)
    else:
        made["password"] = secrets.written(row.text("username"), password)
    if most not in (0, DEFAULT_MAX_CONNECTIONS):
        made["max_clients"] = most
    return made["password"] if made.keys() == {"password"} else made


def _tell_differences(row: Row, findings: Findings) -> None:
    name = f"user {row.text('username')}"
    for column, why in _NOT_CARRIED.items():
        if row.text(column) not in ("", "0"):
            findings.tell(row, f"{name}, {column}", why)
    if row.number("max_connections", DEFAULT_MAX_CONNECTIONS) == 0:
        findings.tell(row, f"{name}, max_connections 0", "leave the user out")
    if not row.is_on("transaction_persistent", 1):
        findings.tell(row, f"{name}, transaction_persistent 0", "a transaction stays on the server where it began")
    if not row.is_on("backend", 1):
        findings.tell(row, f"{name}, backend 0", "the account at the server has the same name; or write backend_user")
